/*
 * vault/verify: a whole vault is whole; whatever single byte of whatever
 * object is changed, cut or taken away, it is found and named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "check.h"
#include "store/store.h"
#include "story.h"
#include "vault/names.h"
#include "vault/verify.h"
#include "vault_fixture.h"
#include "workdir.h"

/* Every byte; under a sanitizer, which is slow, every eleventh. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRIDE 11
#endif
#endif
#ifndef STRIDE
#define STRIDE 1
#endif

static struct workdir here;

static int
enter_folder(void **unused)
{
    (void)unused;
    workdir_make(&here);
    return 0;
}

static int
leave_folder(void **unused)
{
    (void)unused;
    workdir_remove(&here);
    return 0;
}

static struct ks_verify_result
verify(struct vault_fixture *f, unsigned percent, uint64_t cycle)
{
    struct ks_verify_options options = {.data_percent = percent,
                                        .cycle = cycle};
    struct ks_err err = KS_ERR_INIT;
    struct ks_verify_result result = {0};

    if (ks_vault_verify(f->vault, &options, &result, &err) != KS_OK)
        fail_msg("verify: %s", err.msg);
    return result;
}

/* Two nights of a short story, so that there are deltas and several runs. */
static void
fill(struct vault_fixture *f, size_t records, size_t blobs)
{
    struct ks_snapshot_info info;
    struct ks_snapshot_writer *w;
    struct story s;

    story_begin(&s, 4242, records, blobs);
    w = fixture_begin(f);
    story_tell(&s, w);
    fixture_commit(w, &info);
    ks_snapshot_info_wipe(&info);
    for (size_t i = 0; i < 3 && s.streams[0].count > i; i++)
        s.streams[0].records[i].seed += 7;
    w = fixture_begin(f);
    story_tell(&s, w);
    fixture_commit(w, &info);
    ks_snapshot_info_wipe(&info);
    story_end(&s);
}

static void
a_whole_vault_is_whole(void **unused)
{
    struct ks_verify_result r;
    struct vault_fixture f;

    (void)unused;
    fixture_create(&f, workdir_path(&here, "vault"),
                   workdir_path(&here, "state"));
    fill(&f, 3000, 8);
    r = verify(&f, 0, 0);
    assert_int_equal(r.damaged, 0);
    assert_int_equal(r.snapshots, 2);
    assert_int_equal(r.snapshots_whole, 2);
    assert_int_equal(r.packs_read, 0);
    assert_int_equal(r.unreferenced, 0);
    r = verify(&f, 100, 0);
    assert_int_equal(r.damaged, 0);
    assert_true(r.packs > 1);
    assert_int_equal(r.packs_read, r.packs);
    fixture_close(&f);
}

/* Every object of the vault, as "folder/name". */
struct all_names {
    char (*list)[KS_NAME_MAX + 1];
    size_t count;
};

static void
name_all(struct vault_fixture *f, struct all_names *all)
{
    static const char *const folders[] = {
        "", "keys", "packs", "index", "snapshots", "notes", "writers"};
    struct ks_err err = KS_ERR_INIT;

    memset(all, 0, sizeof(*all));
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        struct ks_names names = {NULL, 0};

        assert_int_equal(ks_names_list(&names, f->store, folders[i], &err),
                         KS_OK);
        for (size_t k = 0; k < names.count; k++) {
            all->list =
                realloc(all->list, (all->count + 1) * sizeof(*all->list));
            assert_non_null(all->list);
            ks_names_join(all->list[all->count++], folders[i],
                          names.list[k].text);
        }
        ks_names_free(&names);
    }
}

/* Change one byte of a file, in place. */
static void
flip(const char *path, long at, int with)
{
    FILE *file = fopen(path, "r+b");
    int c;

    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    c = fgetc(file);
    assert_true(c != EOF);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fputc(c ^ with, file), c ^ with);
    assert_int_equal(fclose(file), 0);
}

static void
every_flipped_byte_of_every_object_is_found(void **unused)
{
    struct vault_fixture f;
    struct all_names all;

    (void)unused;
    fixture_create(&f, workdir_path(&here, "vault"),
                   workdir_path(&here, "state"));
    fill(&f, 12, 0);
    name_all(&f, &all);
    assert_true(all.count >= 9);
    for (size_t i = 0; i < all.count; i++) {
        char name[KS_NAME_MAX + 8];
        long size;

        (void)snprintf(name, sizeof(name), "vault/%s", all.list[i]);
        size = workdir_size(&here, name);
        assert_true(size > 0);
        for (long at = 0; at < size; at += STRIDE) {
            int with = 1 << (at % 8);

            flip(workdir_path(&here, name), at, with);
            if (verify(&f, 100, 0).damaged == 0)
                fail_msg("%s, byte %ld: not found", name, at);
            flip(workdir_path(&here, name), at, with);
        }
    }
    assert_int_equal(verify(&f, 100, 0).damaged, 0);
    free(all.list);
    fixture_close(&f);
}

static void
every_object_that_is_cut_or_gone_is_found(void **unused)
{
    struct vault_fixture f;
    struct all_names all;

    (void)unused;
    fixture_create(&f, workdir_path(&here, "vault"),
                   workdir_path(&here, "state"));
    fill(&f, 200, 3);
    name_all(&f, &all);
    for (size_t i = 0; i < all.count; i++) {
        char name[KS_NAME_MAX + 8];
        char aside[] = "aside";
        long size;

        (void)snprintf(name, sizeof(name), "vault/%s", all.list[i]);
        size = workdir_size(&here, name);
        assert_int_equal(
            rename(workdir_path(&here, name), workdir_path(&here, aside)), 0);
        /* What nothing refers to may be gone: a snapshot that was the last
         * of its writer, a note, a writer. */
        if (strncmp(all.list[i], "packs/", 6) == 0 ||
            strncmp(all.list[i], "vault", 5) == 0 ||
            strncmp(all.list[i], "keys/", 5) == 0)
            assert_true(verify(&f, 0, 0).damaged > 0);
        assert_int_equal(
            rename(workdir_path(&here, aside), workdir_path(&here, name)), 0);

        assert_int_equal(truncate(workdir_path(&here, name), size - 1), 0);
        assert_true(verify(&f, 100, 0).damaged > 0);
        assert_int_equal(truncate(workdir_path(&here, name), size), 0);
        if (verify(&f, 100, 0).damaged > 0) /* the byte was not zero */
            for (int v = 1; v < 256; v++) {
                flip(workdir_path(&here, name), size - 1, v);
                if (verify(&f, 100, 0).damaged == 0)
                    break;
                flip(workdir_path(&here, name), size - 1, v);
            }
    }
    assert_int_equal(verify(&f, 100, 0).damaged, 0);
    free(all.list);
    fixture_close(&f);
}

static void
ten_cycles_of_ten_percent_read_every_pack_once(void **unused)
{
    struct vault_fixture f;
    uint64_t packs;
    uint64_t read = 0;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    for (size_t i = 0; i < 20; i++)
        fill(&f, 20 + i, 1);
    packs = verify(&f, 0, 0).packs;
    assert_true(packs >= 20);
    for (uint64_t cycle = 40; cycle < 50; cycle++)
        read += verify(&f, 10, cycle).packs_read;
    assert_int_equal(read, packs);
    fixture_close(&f);
}

static void
an_interrupted_backup_is_told_apart_from_damage(void **unused)
{
    struct ks_verify_result r;
    struct vault_fixture f;
    struct story s;
    struct ks_snapshot_writer *w;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    fill(&f, 100, 1);
    story_begin(&s, 5, 100, 30);
    w = fixture_begin(&f);
    story_tell(&s, w);
    ks_capture_abandon(w);
    r = verify(&f, 100, 0);
    assert_int_equal(r.damaged, 0);
    assert_true(r.unreferenced > 0);
    assert_int_equal(r.snapshots_whole, 2);
    story_end(&s);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(name)                                                      \
    cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
        IN_A_FOLDER(a_whole_vault_is_whole),
        IN_A_FOLDER(every_flipped_byte_of_every_object_is_found),
        IN_A_FOLDER(every_object_that_is_cut_or_gone_is_found),
        IN_A_FOLDER(ten_cycles_of_ten_percent_read_every_pack_once),
        IN_A_FOLDER(an_interrupted_backup_is_told_apart_from_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
