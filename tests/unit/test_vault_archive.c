/*
 * A vault in one file: cut at any length it is told from a whole one without
 * a key, and opens as an earlier commit or not at all; flipped at any byte it
 * does not open, or verify finds it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "store/store.h"
#include "story.h"
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

#define COMMITS 3

static struct workdir here;
static long sizes[COMMITS]; /* of the file after each snapshot */

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

/* Three snapshots, one commit after the other. */
static void
make_archive(struct vault_fixture *f)
{
    fixture_create(f, workdir_path(&here, "a.keepsay"),
                   workdir_path(&here, "state"));
    for (size_t i = 0; i < COMMITS; i++) {
        struct ks_snapshot_info info;
        struct ks_snapshot_writer *w;
        struct story s;

        story_begin(&s, 77, 10 + i, 0);
        w = fixture_begin(f);
        story_tell(&s, w);
        fixture_commit(w, &info);
        ks_snapshot_info_wipe(&info);
        story_end(&s);
        sizes[i] = workdir_size(&here, "a.keepsay");
    }
}

/* Open what lies at path and count its snapshots: -1 if it does not open
 * (*code says why), -2 if verify finds damage. */
static int
look(const struct vault_fixture *f, const char *path, bool allow_incomplete,
     int *code)
{
    struct ks_store_options so = {.mode = KS_STORE_READ,
                                  .allow_incomplete = allow_incomplete};
    struct ks_unlock unlock = {KS_SLOT_RAW, f->key};
    struct ks_verify_options vo = {.data_percent = 100};
    struct ks_verify_result result = {0};
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *store = NULL;
    struct ks_vault *vault = NULL;
    int count = -1;

    *code = ks_store_open(&store, path, &so, &err);
    if (*code < 0)
        return -1;
    *code = ks_vault_open(&vault, store, &unlock, &err);
    if (*code < 0) {
        ks_store_close(store);
        return -1;
    }
    err = KS_ERR_INIT;
    *code = ks_vault_verify(vault, &vo, &result, &err);
    if (*code == KS_OK && result.damaged == 0)
        count = (int)result.snapshots;
    else if (*code == KS_OK)
        count = -2;
    ks_vault_close(vault);
    return count;
}

static void
cut_at_every_length_it_is_never_taken_for_whole(void **unused)
{
    struct vault_fixture f;
    const char *path;
    long size;
    int code = 0;

    (void)unused;
    make_archive(&f);
    path = workdir_path(&here, "a.keepsay");
    size = sizes[COMMITS - 1];
    assert_int_equal(look(&f, path, false, &code), COMMITS);
    for (long at = size - 1; at >= 0; at--) {
        assert_int_equal(truncate(path, at), 0);
        assert_int_equal(look(&f, path, false, &code), -1);
        assert_int_equal(code, KS_E_INCOMPLETE);
        /* The commit before the newest is what is left, or nothing is. A
         * snapshot is preceded by a commit of its packs, so that state has
         * one snapshot less. */
        if (at % 97 == 0 || at == sizes[COMMITS - 2]) {
            int count = look(&f, path, true, &code);
            if (count >= 0)
                assert_int_equal(count, COMMITS - 1);
            else
                assert_int_equal(code, KS_E_INCOMPLETE);
        }
    }
    fixture_close(&f);
}

static void
every_flipped_byte_is_found(void **unused)
{
    struct vault_fixture f;
    const char *path;
    int code = 0;
    int fd;

    (void)unused;
    make_archive(&f);
    path = workdir_path(&here, "a.keepsay");
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (long at = 0; at < sizes[COMMITS - 1]; at += STRIDE) {
        uint8_t was = 0;
        uint8_t is;

        assert_int_equal(pread(fd, &was, 1, at), 1);
        is = was ^ (uint8_t)(1 << (at % 8));
        assert_int_equal(pwrite(fd, &is, 1, at), 1);
        if (look(&f, path, false, &code) >= 0)
            fail_msg("byte %ld: not found", at);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_int_equal(look(&f, path, false, &code), COMMITS);
    (void)close(fd);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(name)                                                      \
    cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
        IN_A_FOLDER(cut_at_every_length_it_is_never_taken_for_whole),
        IN_A_FOLDER(every_flipped_byte_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
