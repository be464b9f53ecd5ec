/* A vault's objects in another store. */
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "check.h"
#include "crash_store.h"
#include "vault/copy.h"
#include "vault/keyring.h"
#include "vaultkit.h"
#include "workdir.h"

#define FOLDERS 6

/* A vault with some objects in every folder, in a memory store. */
struct bench {
    struct ks_store *store;
    struct kit_key key;
    struct ks_keyring *keys;
    struct ks_object_context cx;
    struct workdir dir;
};

/* Put a sealed object of len bytes of content, under `name` or its own. */
static void
put_object(struct bench *b, const char *folder, enum ks_object_kind kind,
           size_t len, const char *name)
{
    char own[KS_OBJECT_NAME_SIZE];
    struct ks_buf content;
    struct ks_buf sealed;
    uint8_t id[16];

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_buf_zeros(&content, len, KIT_ERR));
    KIT_OK(ks_object_seal(&b->cx, kind, ks_buf_bytes(&content), &sealed, id,
                          KIT_ERR));
    ks_object_name(own, folder, id);
    kit_write(b->store, name != NULL ? name : own, sealed.data, sealed.len);
    ks_buf_wipe(&sealed);
    ks_buf_wipe(&content);
}

static void
put_objects(struct bench *b)
{
    for (int i = 0; i < 3; i++) {
        put_object(b, KS_DIR_PACKS, KS_OBJ_PACK, 70000, NULL);
        put_object(b, KS_DIR_SNAPSHOTS, KS_OBJ_SNAPSHOT, 5000, NULL);
    }
    put_object(b, KS_DIR_INDEX, KS_OBJ_INDEX, 100, NULL);
    put_object(b, KS_DIR_NOTES, KS_OBJ_NOTE, 100, NULL);
    put_object(b, KS_DIR_MARKS, KS_OBJ_MARK, 100, NULL);
    put_object(b, "", KS_OBJ_WRITER, 40,
               "writers/00112233445566778899aabbccddeeff");
    put_object(b, "", KS_OBJ_RETIRED, 9,
               "writers/00112233445566778899aabbccddeeff.retired");
    put_object(b, "", KS_OBJ_ACK, 25,
               "acks/00112233445566778899aabbccddeeff."
               "00112233445566778899aabbccddeeff");
}

#define OBJECTS 17 /* with the two headers, two slots and the roster */

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct ks_vault *v = NULL;

    assert_non_null(b);
    workdir_make(&b->dir);
    b->key = kit_raw(3);
    b->keys = kit_keyring(1);
    KIT_OK(ks_vault_create(&v, kit_memory(), &b->key.unlock, NULL, KIT_ERR));
    b->store = kit_twin(ks_vault_store(v));
    ks_vault_close(v);
    b->cx = kit_context(b->store, b->keys);
    put_objects(b);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    kit_lock(&b->key);
    ks_keyring_free(b->keys);
    ks_store_close(b->store);
    workdir_remove(&b->dir);
    free(b);
    return 0;
}

static int
copy_to(struct bench *b, struct ks_store *to, struct ks_copy_result *out,
        struct ks_err *err)
{
    int rc;

    *err = KS_ERR_INIT;
    *out = (struct ks_copy_result){99, 99, 99};
    rc = ks_vault_copy(b->store, to, NULL, out, err);
    assert_int_equal(rc, err->code);
    return rc;
}

static void
assert_copies(struct bench *b, struct ks_store *to, uint64_t new_objects)
{
    struct ks_copy_result result;
    struct ks_err err;

    if (copy_to(b, to, &result, &err) != KS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(result.objects, new_objects);
    assert_int_equal(result.objects_there, OBJECTS - new_objects);
    assert_int_equal(result.bytes > 0, new_objects > 0);
    assert_true(kit_same(b->store, to));
}

static void
a_copy_has_every_object_and_opens(void **state)
{
    struct bench *b = *state;
    struct ks_store *to = kit_memory();
    struct ks_vault *v = NULL;

    assert_copies(b, to, OBJECTS);
    KIT_OK(ks_vault_open(&v, to, &b->key.unlock, KIT_ERR));
    ks_vault_close(v);
}

static void
a_second_copy_sends_only_what_is_new(void **state)
{
    struct bench *b = *state;
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;
    struct ks_err err;

    assert_copies(b, to, OBJECTS);
    assert_copies(b, to, 0);
    put_object(b, KS_DIR_PACKS, KS_OBJ_PACK, 1000, NULL);
    assert_int_equal(copy_to(b, to, &result, &err), KS_OK);
    assert_int_equal(result.objects, 1);
    assert_int_equal(result.objects_there, OBJECTS);
    assert_true(kit_same(b->store, to));
    ks_store_close(to);
}

static void
snapshots_come_last_and_the_header_after_what_opens_it(void **state)
{
    struct bench *b = *state;
    struct ks_store *behind = kit_memory();
    struct ks_store *to = crash_store(behind, CRASH_NEVER);

    assert_copies(b, to, OBJECTS);
    assert_string_equal(crash_store_log(to),
                        "put:packs put:index put:keys put:notes put:writers "
                        "put:marks put:acks sync put:vault put:vault.2 "
                        "put:snapshots sync ");
    ks_store_close(to);
    ks_store_close(behind);
}

static void
a_copy_goes_through_every_kind_of_store(void **state)
{
    struct bench *b = *state;
    const char *path = workdir_path(&b->dir, "vault.keepsay");
    struct ks_store_options options = {.mode = KS_STORE_CREATE};
    struct ks_store *in_folder = kit_folder(workdir_path(&b->dir, "vault"));
    struct ks_store *in_file = NULL;
    struct ks_store *back = kit_memory();
    struct ks_copy_result result;

    assert_copies(b, in_folder, OBJECTS);
    KIT_OK(ks_store_open(&in_file, path, &options, KIT_ERR));
    KIT_OK(ks_vault_copy(in_folder, in_file, NULL, &result, KIT_ERR));
    assert_int_equal(result.objects, OBJECTS);
    ks_store_close(in_file);
    options.mode = KS_STORE_READ;
    KIT_OK(ks_store_open(&in_file, path, &options, KIT_ERR));
    KIT_OK(ks_vault_copy(in_file, back, NULL, &result, KIT_ERR));
    assert_true(kit_same(b->store, back));
    ks_store_close(back);
    ks_store_close(in_file);
    ks_store_close(in_folder);
}

static void
what_is_no_vault_cannot_be_copied(void **state)
{
    struct bench *b = *state;
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;
    struct ks_err err;

    kit_remove(b->store, "vault");
    kit_remove(b->store, "vault.2");
    assert_int_equal(copy_to(b, to, &result, &err), KS_E_NOTFOUND);
    assert_int_equal(kit_count(to, KS_DIR_PACKS), 0);
    ks_store_close(to);
}

static void
another_vault_is_not_copied_over(void **state)
{
    struct bench *b = *state;
    struct ks_vault *other = NULL;
    struct ks_copy_result result;
    struct ks_err err;

    KIT_OK(
        ks_vault_create(&other, kit_memory(), &b->key.unlock, NULL, KIT_ERR));
    assert_int_equal(copy_to(b, ks_vault_store(other), &result, &err),
                     KS_E_USAGE);
    assert_int_equal(kit_count(ks_vault_store(other), KS_DIR_PACKS), 0);
    ks_vault_close(other);
}

static void
a_place_with_other_objects_is_not_copied_into(void **state)
{
    struct bench *b = *state;
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;
    struct ks_err err;

    kit_write(to, "packs/00112233445566778899aabbccddeeff", "x", 1);
    assert_int_equal(copy_to(b, to, &result, &err), KS_E_USAGE);
    assert_int_equal(kit_count(to, KS_DIR_PACKS), 1);
    assert_int_equal(kit_count(to, ""), 0);
    kit_remove(to, "packs/00112233445566778899aabbccddeeff");
    kit_write(to, "vault", "damaged", 7);
    assert_int_equal(copy_to(b, to, &result, &err), KS_E_CORRUPT);
    assert_int_equal(kit_count(to, KS_DIR_PACKS), 0);
    ks_store_close(to);
}

/* What a copy that stopped has left: no vault, or one that opens and has all
 * the packs. */
static void
assert_none_or_openable(struct bench *b, struct ks_store *to)
{
    struct ks_store *twin = kit_twin(to);
    struct ks_err err = KS_ERR_INIT;
    struct ks_vault *v = NULL;
    int rc = ks_vault_open(&v, twin, &b->key.unlock, &err);

    if (rc == KS_E_NOTFOUND) {
        assert_int_equal(kit_count(to, KS_DIR_SNAPSHOTS), 0);
        ks_store_close(twin);
        return;
    }
    if (rc != KS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(kit_count(to, KS_DIR_PACKS), 3);
    ks_vault_close(v);
}

static void
a_copy_stopped_anywhere_goes_on_from_there(void **state)
{
    struct bench *b = *state;
    bool crashed = true;

    for (long steps = 0; crashed; steps++) {
        struct ks_store *behind = kit_memory();
        struct ks_store *to = crash_store(behind, steps);
        struct ks_copy_result result;
        struct ks_err err;
        int rc = copy_to(b, to, &result, &err);

        crashed = crash_store_crashed(to);
        assert_int_equal(rc, crashed ? KS_E_IO : KS_OK);
        assert_none_or_openable(b, behind);
        assert_int_equal(copy_to(b, behind, &result, &err), KS_OK);
        if (steps > 0)
            assert_true(result.objects < OBJECTS);
        assert_true(kit_same(b->store, behind));
        ks_store_close(to);
        ks_store_close(behind);
        if (!crashed)
            assert_int_equal(steps, OBJECTS + 2);
    }
}

/* With byte `at` of the first object of a folder changed: it alone is not
 * copied, and named. */
static void
check_damage(struct bench *b, const char *folder, size_t at)
{
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;
    char name[KS_NAME_MAX + 1];
    struct ks_buf bytes;
    struct ks_err err;
    bool there = true;

    ks_buf_init(&bytes, KS_OBJECT_MAX);
    kit_name(b->store, folder, 0, name);
    kit_read(b->store, name, &bytes);
    bytes.data[at] ^= 0x04;
    kit_write(b->store, name, bytes.data, bytes.len);
    assert_int_equal(copy_to(b, to, &result, &err), KS_E_CORRUPT);
    if (strstr(err.msg, name) == NULL)
        fail_msg("\"%s\" does not name %s", err.msg, name);
    KIT_OK(ks_store_has(to, name, &there, KIT_ERR));
    assert_false(there);
    bytes.data[at] ^= 0x04;
    kit_write(b->store, name, bytes.data, bytes.len);
    assert_copies(b, to, 1); /* the others were all there */
    ks_buf_wipe(&bytes);
    ks_store_close(to);
}

static void
a_damaged_object_is_named_and_the_others_are_copied(void **state)
{
    static const char *const folders[FOLDERS] = {
        KS_DIR_PACKS, KS_DIR_INDEX, KS_DIR_KEYS,
        KS_DIR_NOTES, KS_DIR_MARKS, KS_DIR_SNAPSHOTS};
    struct bench *b = *state;

    for (size_t f = 0; f < FOLDERS; f++) {
        for (size_t at = 0; at < 4096; at += at < 100 ? 1 : 331)
            check_damage(b, folders[f], at);
    }
    check_damage(b, KS_DIR_PACKS, 70000);
    check_damage(b, KS_DIR_WRITERS, 0); /* magic */
    check_damage(b, KS_DIR_WRITERS, 8); /* version */
    check_damage(b, KS_DIR_ACKS, 10);   /* kind */
}

static void
an_object_of_another_kind_does_not_pass_under_its_own_name(void **state)
{
    struct bench *b = *state;
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;
    struct ks_err err;

    put_object(b, KS_DIR_SNAPSHOTS, KS_OBJ_NOTE, 10, NULL);
    assert_int_equal(copy_to(b, to, &result, &err), KS_E_CORRUPT);
    assert_int_equal(kit_count(to, KS_DIR_SNAPSHOTS), 3);
    ks_store_close(to);
}

static void
cut_objects_are_damage(void **state)
{
    static const size_t lengths[] = {0, 1, 95, 96, 97, 112};
    struct bench *b = *state;
    char name[KS_NAME_MAX + 1];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_OBJECT_MAX);
    kit_name(b->store, KS_DIR_WRITERS, 0, name);
    kit_read(b->store, name, &bytes);
    for (size_t i = 0; i < 6; i++) {
        struct ks_store *to = kit_memory();
        struct ks_copy_result result;
        struct ks_err err;

        kit_write(b->store, name, bytes.data, lengths[i]);
        assert_int_equal(copy_to(b, to, &result, &err), KS_E_CORRUPT);
        assert_int_equal(kit_count(to, KS_DIR_WRITERS), 1);
        ks_store_close(to);
    }
    ks_buf_wipe(&bytes);
}

static void
a_damaged_header_copy_is_made_whole_in_the_copy(void **state)
{
    struct bench *b = *state;
    struct ks_store *good = kit_twin(b->store);
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;
    struct ks_err err;

    kit_write(b->store, "vault", "damaged", 7);
    assert_int_equal(copy_to(b, to, &result, &err), KS_OK);
    assert_true(kit_same(good, to));
    kit_remove(to, "vault.2");
    assert_int_equal(copy_to(b, to, &result, &err), KS_OK);
    assert_int_equal(result.objects, 1);
    assert_true(kit_same(good, to));
    ks_store_close(to);
    ks_store_close(good);
}

struct watch {
    struct bench *b;
    uint64_t last;
    uint64_t total;
    unsigned steps;
    unsigned stop_at; /* 0 never */
    bool put_one;     /* put a snapshot at the first step */
};

static int
watch_step(void *user, const char *phase, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_string_equal(phase, "copy");
    assert_true(done >= w->last && done <= total);
    assert_true(w->steps == 0 || total == w->total);
    w->last = done;
    w->total = total;
    w->steps++;
    if (w->put_one && w->steps == 1)
        put_object(w->b, KS_DIR_SNAPSHOTS, KS_OBJ_SNAPSHOT, 10, NULL);
    return w->steps == w->stop_at;
}

static void
progress_rises_to_its_total(void **state)
{
    struct watch w = {.b = *state};
    struct ks_progress progress = {.step = watch_step, .user = &w};
    struct ks_store *to = kit_memory();
    struct ks_copy_result result = {0};

    KIT_OK(ks_vault_copy(w.b->store, to, &progress, &result, KIT_ERR));
    assert_int_equal(w.steps, OBJECTS);
    assert_true(w.last == w.total && w.total == result.bytes);
    ks_store_close(to);
}

static void
a_copy_can_be_cancelled_at_every_object(void **state)
{
    for (unsigned at = 1; at <= OBJECTS; at++) {
        struct watch w = {.b = *state, .stop_at = at};
        struct ks_progress progress = {.step = watch_step, .user = &w};
        struct ks_store *to = kit_memory();
        struct ks_copy_result result;

        KIT_FAILS(KS_E_CANCELLED,
                  ks_vault_copy(w.b->store, to, &progress, &result, KIT_ERR));
        assert_none_or_openable(w.b, to);
        ks_store_close(to);
    }
}

static void
a_snapshot_put_meanwhile_is_left_to_the_next_copy(void **state)
{
    struct watch w = {.b = *state, .put_one = true};
    struct ks_progress progress = {.step = watch_step, .user = &w};
    struct ks_store *to = kit_memory();
    struct ks_copy_result result = {0};

    KIT_OK(ks_vault_copy(w.b->store, to, &progress, &result, KIT_ERR));
    assert_int_equal(kit_count(w.b->store, KS_DIR_SNAPSHOTS), 4);
    assert_int_equal(kit_count(to, KS_DIR_SNAPSHOTS), 3);
    KIT_OK(ks_vault_copy(w.b->store, to, NULL, &result, KIT_ERR));
    assert_int_equal(result.objects, 1);
    assert_true(kit_same(w.b->store, to));
    ks_store_close(to);
}

/* Someone backs up just when the packs have been listed. */
static void
put_after_packs(void *user, const char *folder)
{
    if (strcmp(folder, KS_DIR_PACKS) != 0)
        return;
    put_object(user, KS_DIR_PACKS, KS_OBJ_PACK, 10, NULL);
    put_object(user, KS_DIR_SNAPSHOTS, KS_OBJ_SNAPSHOT, 10, NULL);
}

static void
no_snapshot_is_copied_whose_packs_were_not_listed(void **state)
{
    struct bench *b = *state;
    struct ks_store *from = crash_store(b->store, CRASH_NEVER);
    struct ks_store *to = kit_memory();
    struct ks_copy_result result;

    crash_store_watch(from, put_after_packs, b);
    KIT_OK(ks_vault_copy(from, to, NULL, &result, KIT_ERR));
    assert_int_equal(kit_count(b->store, KS_DIR_SNAPSHOTS), 4);
    assert_int_equal(kit_count(to, KS_DIR_PACKS), 3);
    assert_int_equal(kit_count(to, KS_DIR_SNAPSHOTS), 3);
    ks_store_close(from);
    ks_store_close(to);
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_copy_has_every_object_and_opens),
        BENCH_TEST(a_second_copy_sends_only_what_is_new),
        BENCH_TEST(snapshots_come_last_and_the_header_after_what_opens_it),
        BENCH_TEST(a_copy_goes_through_every_kind_of_store),
        BENCH_TEST(what_is_no_vault_cannot_be_copied),
        BENCH_TEST(another_vault_is_not_copied_over),
        BENCH_TEST(a_place_with_other_objects_is_not_copied_into),
        BENCH_TEST(a_copy_stopped_anywhere_goes_on_from_there),
        BENCH_TEST(a_damaged_object_is_named_and_the_others_are_copied),
        BENCH_TEST(an_object_of_another_kind_does_not_pass_under_its_own_name),
        BENCH_TEST(cut_objects_are_damage),
        BENCH_TEST(a_damaged_header_copy_is_made_whole_in_the_copy),
        BENCH_TEST(progress_rises_to_its_total),
        BENCH_TEST(a_copy_can_be_cancelled_at_every_object),
        BENCH_TEST(a_snapshot_put_meanwhile_is_left_to_the_next_copy),
        BENCH_TEST(no_snapshot_is_copied_whose_packs_were_not_listed),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
