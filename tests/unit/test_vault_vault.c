/* Making and opening vaults, their headers and what damage does to them. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "crash_store.h"
#include "crypto/hash.h"
#include "fault.h"
#include "vault/keyring.h"
#include "vault/note.h"
#include "vaultkit.h"
#include "vectors.h"
#include "workdir.h"

/* A vault in a memory store, closed, with one raw slot. */
struct bench {
    struct ks_store *store;
    struct kit_key key;
    uint8_t vault_id[16];
    uint8_t control[32];
};

/* The store of an open vault, to be used after it. */
static struct ks_store *
leave(struct ks_vault *v)
{
    struct ks_store *twin = kit_twin(ks_vault_store(v));

    ks_vault_close(v);
    return twin;
}

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct ks_vault *v = NULL;

    assert_non_null(b);
    b->key = kit_raw(3);
    KIT_OK(ks_vault_create(&v, kit_memory(), &b->key.unlock, NULL, KIT_ERR));
    memcpy(b->vault_id, ks_vault_id(v), 16);
    memcpy(b->control, ks_keyring_control(ks_vault_keys(v)), 32);
    b->store = leave(v);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    kit_lock(&b->key);
    ks_store_close(b->store);
    free(b);
    return 0;
}

/* Open a twin of the bench's store: what came of it, and the warnings. */
static int
try_open(const struct bench *b, struct ks_vault_warnings *warnings)
{
    struct ks_store *twin = kit_twin(b->store);
    struct ks_err err = KS_ERR_INIT;
    struct ks_vault *v = NULL;
    int rc = ks_vault_open(&v, twin, &b->key.unlock, &err);

    assert_int_equal(rc, err.code);
    if (rc < 0) {
        assert_null(v);
        ks_store_close(twin);
        return rc;
    }
    assert_memory_equal(ks_vault_id(v), b->vault_id, 16);
    assert_memory_equal(ks_keyring_control(ks_vault_keys(v)), b->control, 32);
    *warnings = ks_vault_get_warnings(v);
    ks_vault_close(v);
    return KS_OK;
}

static void
assert_opens_without_warning(const struct bench *b)
{
    struct ks_vault_warnings w = {9, 9, 9, true};

    assert_int_equal(try_open(b, &w), KS_OK);
    assert_int_equal(w.damaged_slots, 0);
    assert_int_equal(w.unlisted_slots, 0);
    assert_int_equal(w.damaged_notes, 0);
    assert_false(w.damaged_header_copy);
}

static void
a_new_vault_opens_with_the_key_it_was_made_with(void **state)
{
    struct kit_key keys[] = {kit_recovery(9), kit_passphrase("correct horse"),
                             kit_raw(8)};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct bench b = {.key = keys[i]};
        struct ks_vault *v = NULL;

        KIT_OK(ks_vault_create(&v, kit_memory(), &keys[i].unlock, &kit_quick,
                               KIT_ERR));
        memcpy(b.vault_id, ks_vault_id(v), 16);
        memcpy(b.control, ks_keyring_control(ks_vault_keys(v)), 32);
        assert_ptr_equal(ks_vault_context(v)->store, ks_vault_store(v));
        assert_ptr_equal(ks_vault_context(v)->keys, ks_vault_keys(v));
        assert_memory_equal(ks_vault_context(v)->vault_id, b.vault_id, 16);
        b.store = leave(v);
        assert_opens_without_warning(&b);
        ks_store_close(b.store);
        kit_lock(&keys[i]);
    }
}

static void
a_new_vault_is_two_headers_two_slot_copies_and_a_roster(void **state)
{
    struct bench *b = *state;
    uint8_t id[16] = {0};

    assert_int_equal(kit_count(b->store, ""), 2);
    assert_int_equal(kit_count(b->store, KS_DIR_KEYS), 2);
    assert_int_equal(kit_count(b->store, KS_DIR_NOTES), 1);
    KIT_OK(ks_vault_probe(b->store, id, KIT_ERR));
    assert_memory_equal(id, b->vault_id, 16);
}

static void
the_header_is_put_last_and_after_a_sync(void **state)
{
    struct bench *b = *state;
    struct ks_store *behind = kit_memory();
    struct ks_store *s = crash_store(behind, CRASH_NEVER);
    struct ks_vault *v = NULL;

    KIT_OK(ks_vault_create(&v, s, &b->key.unlock, NULL, KIT_ERR));
    assert_string_equal(crash_store_log(s), "put:keys put:notes sync "
                                            "put:vault put:vault.2 sync ");
    ks_vault_close(v);
    ks_store_close(behind);
}

static void
headers_are_those_of_keys_txt(void **state)
{
    struct vectors *vectors = vectors_open("keys.txt");
    size_t found = 0;

    (void)state;
    while (vectors_next(vectors)) {
        struct ks_store *store = kit_memory();
        uint8_t header[64];
        uint8_t want[16];
        uint8_t id[16] = {0};

        if (strcmp(vectors_text(vectors, "what"), "header") == 0) {
            vectors_bytes(vectors, "bytes", header, sizeof(header));
            vectors_bytes(vectors, "vault_id", want, sizeof(want));
            kit_write(store, "vault", header, sizeof(header));
            KIT_OK(ks_vault_probe(store, id, KIT_ERR));
            assert_memory_equal(id, want, sizeof(id));
            found++;
        }
        ks_store_close(store);
    }
    (void)vectors_close(vectors);
    assert_int_equal(found, 1);
}

static void
an_empty_store_is_no_vault(void **state)
{
    struct bench *b = *state;
    struct ks_store *empty = kit_memory();
    struct ks_vault *v = NULL;
    uint8_t id[16];

    KIT_FAILS(KS_E_NOTFOUND, ks_vault_probe(empty, id, KIT_ERR));
    KIT_FAILS(KS_E_NOTFOUND, ks_vault_open(&v, empty, &b->key.unlock, KIT_ERR));
    assert_null(v);
    ks_store_close(empty);
}

static int
probe(struct ks_store *store)
{
    struct ks_err err = KS_ERR_INIT;
    uint8_t id[16];

    return ks_vault_probe(store, id, &err);
}

static void
every_flipped_byte_of_one_header_copy_is_seen_and_survived(void **state)
{
    static const char *const names[] = {"vault", "vault.2"};
    struct bench *b = *state;
    struct ks_buf header;

    ks_buf_init(&header, 64);
    for (size_t copy = 0; copy < 2; copy++) {
        kit_read(b->store, names[copy], &header);
        assert_int_equal(header.len, 64);
        for (size_t at = 0; at < 64; at++) {
            struct ks_vault_warnings w = {0};

            header.data[at] ^= 0x20;
            kit_write(b->store, names[copy], header.data, 64);
            header.data[at] ^= 0x20;
            assert_int_equal(try_open(b, &w), KS_OK);
            assert_true(w.damaged_header_copy);
        }
        kit_write(b->store, names[copy], header.data, 64);
        assert_opens_without_warning(b);
    }
    ks_buf_wipe(&header);
}

static void
every_flip_and_cut_of_both_header_copies_is_damage(void **state)
{
    struct bench *b = *state;
    struct ks_buf header;

    ks_buf_init(&header, 65);
    kit_read(b->store, "vault", &header);
    for (size_t at = 0; at < 64; at++) {
        header.data[at] ^= 0x20;
        kit_write(b->store, "vault", header.data, 64);
        kit_write(b->store, "vault.2", header.data, 64);
        header.data[at] ^= 0x20;
        assert_int_equal(probe(b->store), KS_E_CORRUPT);
    }
    KIT_OK(ks_buf_u8(&header, 0, KIT_ERR));
    for (size_t len = 0; len <= 65; len++) {
        kit_write(b->store, "vault", header.data, len);
        kit_write(b->store, "vault.2", header.data, len);
        assert_int_equal(probe(b->store), len == 64 ? KS_OK : KS_E_CORRUPT);
    }
    ks_buf_wipe(&header);
}

/* Both copies of the header with one byte set, and the checksum right. */
static int
probe_with(struct bench *b, size_t at, uint8_t value)
{
    struct ks_buf header;
    uint8_t digest[32];
    int rc;

    ks_buf_init(&header, 64);
    kit_read(b->store, "vault", &header);
    header.data[at] = value;
    ks_sha256(digest, header.data, 56);
    memcpy(header.data + 56, digest, 8);
    kit_write(b->store, "vault", header.data, 64);
    kit_write(b->store, "vault.2", header.data, 64);
    rc = probe(b->store);
    ks_buf_wipe(&header);
    return rc;
}

static void
a_newer_format_is_refused_as_such(void **state)
{
    struct bench *b = *state;

    assert_int_equal(probe_with(b, 8, 2), KS_E_UNSUPPORTED);
    assert_int_equal(probe_with(b, 8, 0), KS_E_CORRUPT);
    assert_int_equal(probe_with(b, 8, 1), KS_OK);
    assert_int_equal(probe_with(b, 11, 1), KS_E_UNSUPPORTED);
    assert_int_equal(probe_with(b, 11, 0), KS_OK);
    assert_int_equal(probe_with(b, 28, 1), KS_E_UNSUPPORTED);
    assert_int_equal(probe_with(b, 28, 0), KS_OK);
    assert_int_equal(probe_with(b, 55, 1), KS_E_UNSUPPORTED);
    assert_int_equal(probe_with(b, 55, 0), KS_OK);
    assert_int_equal(probe_with(b, 0, 'K'), KS_E_CORRUPT);
}

static void
one_header_copy_is_enough_and_two_that_differ_are_told(void **state)
{
    struct bench *b = *state;
    struct ks_vault_warnings w = {0};
    struct ks_buf header;

    ks_buf_init(&header, 64);
    kit_read(b->store, "vault", &header);
    kit_remove(b->store, "vault");
    assert_int_equal(try_open(b, &w), KS_OK);
    assert_true(w.damaged_header_copy);
    kit_remove(b->store, "vault.2");
    assert_int_equal(try_open(b, &w), KS_E_NOTFOUND);

    kit_write(b->store, "vault", header.data, 64);
    kit_write(b->store, "vault.2", header.data, 64);
    assert_int_equal(probe_with(b, 12, 0x5a), KS_OK); /* another id */
    kit_write(b->store, "vault", header.data, 64);
    w.damaged_header_copy = false;
    assert_int_equal(try_open(b, &w), KS_OK);
    assert_true(w.damaged_header_copy);
    ks_buf_wipe(&header);
}

static void
no_vault_is_made_where_one_is_or_was(void **state)
{
    struct bench *b = *state;
    struct ks_store *twin = kit_twin(b->store);
    struct ks_vault *v = NULL;

    KIT_FAILS(KS_E_EXISTS,
              ks_vault_create(&v, twin, &b->key.unlock, NULL, KIT_ERR));
    kit_write(twin, "vault", "damaged", 7);
    kit_write(twin, "vault.2", "damaged", 7);
    KIT_FAILS(KS_E_EXISTS,
              ks_vault_create(&v, twin, &b->key.unlock, NULL, KIT_ERR));
    kit_remove(twin, "vault");
    kit_remove(twin, "vault.2");
    KIT_SAYS(KS_E_EXISTS, "keys",
             ks_vault_create(&v, twin, &b->key.unlock, NULL, KIT_ERR));
    assert_int_equal(kit_count(twin, KS_DIR_KEYS), 2); /* left alone */
    ks_store_close(twin);
}

static void
a_secret_that_cannot_be_one_makes_no_vault(void **state)
{
    struct ks_store *store = kit_memory();
    struct kit_key key = kit_key(KS_SLOT_RAW, "short", 5);
    struct ks_vault *v = NULL;

    (void)state;
    KIT_FAILS(KS_E_USAGE,
              ks_vault_create(&v, store, &key.unlock, NULL, KIT_ERR));
    assert_int_equal(kit_count(store, KS_DIR_KEYS), 0);
    kit_lock(&key);
    ks_store_close(store);
}

/* After a failed or crashed creation: no vault, or one that opens. */
static void
assert_none_or_whole(struct ks_store *store, const struct ks_unlock *unlock)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_vault *v = NULL;
    int rc = ks_vault_open(&v, store, unlock, &err);

    if (rc == KS_OK)
        ks_vault_close(v);
    else
        ks_store_close(store);
    if (rc != KS_OK && rc != KS_E_NOTFOUND)
        fail_msg("neither a vault nor none: %s", err.msg);
}

static void
a_crash_while_a_vault_is_made_leaves_none_or_a_whole_one(void **state)
{
    struct bench *b = *state;
    bool crashed = true;

    for (long steps = 0; crashed; steps++) {
        struct ks_store *behind = kit_memory();
        struct ks_store *s = crash_store(behind, steps);
        struct ks_err err = KS_ERR_INIT;
        struct ks_vault *v = NULL;
        int rc = ks_vault_create(&v, s, &b->key.unlock, NULL, &err);

        crashed = crash_store_crashed(s);
        assert_int_equal(rc, crashed ? KS_E_IO : KS_OK);
        if (rc == KS_OK)
            ks_vault_close(v);
        else
            ks_store_close(s);
        assert_none_or_whole(behind, &b->key.unlock);
        if (!crashed)
            assert_int_equal(steps, 7);
    }
}

static void
what_fails_while_a_vault_is_made_is_taken_back_header_first(void **state)
{
    static const char *const logs[] = {
        "remove:keys sync ",
        "put:keys remove:keys sync ",
        "put:keys remove:keys sync ",
        "put:keys put:notes remove:notes remove:keys sync ",
        "put:keys put:notes sync remove:notes remove:keys sync ",
        "put:keys put:notes sync put:vault remove:vault sync remove:notes "
        "remove:keys sync ",
        "put:keys put:notes sync put:vault put:vault.2 remove:vault "
        "remove:vault.2 sync remove:notes remove:keys sync ",
    };
    struct bench *b = *state;

    for (long step = 0; step < 7; step++) {
        struct ks_store *behind = kit_memory();
        struct ks_store *s = crash_store_once(behind, step);
        struct ks_vault *v = NULL;

        KIT_FAILS(KS_E_IO,
                  ks_vault_create(&v, s, &b->key.unlock, NULL, KIT_ERR));
        assert_string_equal(crash_store_log(s), logs[step]);
        assert_int_equal(kit_count(behind, ""), 0);
        assert_int_equal(kit_count(behind, KS_DIR_KEYS), 0);
        assert_int_equal(kit_count(behind, KS_DIR_NOTES), 0);
        KIT_OK(ks_vault_create(&v, s, &b->key.unlock, NULL, KIT_ERR));
        ks_vault_close(v);
        ks_store_close(behind);
    }
}

static void
any_failing_call_while_a_vault_is_made_leaves_none_or_a_whole_one(void **state)
{
    struct bench *b = *state;
    bool fired = true;
    long n = 0;

    for (; fired; n++) {
        struct workdir w;
        struct ks_store *store;
        struct ks_err err = KS_ERR_INIT;
        struct ks_vault *v = NULL;
        size_t fds;
        int rc;

        workdir_make(&w);
        fds = fault_open_fds();
        store = kit_folder(workdir_path(&w, "vault"));
        fault_arm(n);
        rc = ks_vault_create(&v, store, &b->key.unlock, NULL, &err);
        fired = fault_disarm();
        if (rc == KS_OK)
            ks_vault_close(v);
        else
            ks_store_close(store);
        assert_int_equal(fault_open_fds(), fds);
        assert_none_or_whole(kit_folder(workdir_path(&w, "vault")),
                             &b->key.unlock);
        /* What failed cleanly can be tried again in the same place. */
        if (rc < 0) {
            store = kit_folder(workdir_path(&w, "vault"));
            rc = ks_vault_create(&v, store, &b->key.unlock, NULL, &err);
            assert_true(rc == KS_OK || rc == KS_E_EXISTS);
            if (rc == KS_OK)
                ks_vault_close(v);
            else
                ks_store_close(store);
        }
        workdir_remove(&w);
    }
    assert_true(n > 60);
    assert_true(fault_count("fsync") >= 10);
    assert_true(fault_count("renameat2") == 5);
    assert_true(fault_count("malloc") > 4);
}

static void
any_failing_call_while_a_vault_is_opened_is_never_a_wrong_key(void **state)
{
    struct bench *b = *state;
    struct workdir w;
    struct ks_vault *v = NULL;
    bool fired = true;
    long n = 0;

    workdir_make(&w);
    KIT_OK(ks_vault_create(&v, kit_folder(workdir_path(&w, "vault")),
                           &b->key.unlock, NULL, KIT_ERR));
    ks_vault_close(v);
    for (; fired; n++) {
        struct ks_store *store = kit_folder(workdir_path(&w, "vault"));
        size_t fds = fault_open_fds();
        struct ks_err err = KS_ERR_INIT;
        int rc;

        v = NULL;
        fault_arm(n);
        rc = ks_vault_open(&v, store, &b->key.unlock, &err);
        fired = fault_disarm();
        assert_int_equal(fault_open_fds(), fds);
        if (rc == KS_OK)
            ks_vault_close(v);
        else
            ks_store_close(store);
        if (rc != KS_OK && rc != KS_E_IO && rc != KS_E_NOMEM)
            fail_msg("call %ld: %s", n, err.msg);
        if (!fired)
            assert_int_equal(rc, KS_OK);
    }
    assert_true(n > 30);
    assert_true(fault_count("pread") > 4);
    workdir_remove(&w);
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_vault_opens_with_the_key_it_was_made_with),
        BENCH_TEST(a_new_vault_is_two_headers_two_slot_copies_and_a_roster),
        BENCH_TEST(the_header_is_put_last_and_after_a_sync),
        cmocka_unit_test(headers_are_those_of_keys_txt),
        BENCH_TEST(an_empty_store_is_no_vault),
        BENCH_TEST(every_flipped_byte_of_one_header_copy_is_seen_and_survived),
        BENCH_TEST(every_flip_and_cut_of_both_header_copies_is_damage),
        BENCH_TEST(a_newer_format_is_refused_as_such),
        BENCH_TEST(one_header_copy_is_enough_and_two_that_differ_are_told),
        BENCH_TEST(no_vault_is_made_where_one_is_or_was),
        cmocka_unit_test(a_secret_that_cannot_be_one_makes_no_vault),
        BENCH_TEST(a_crash_while_a_vault_is_made_leaves_none_or_a_whole_one),
        BENCH_TEST(
            any_failing_call_while_a_vault_is_opened_is_never_a_wrong_key),
        BENCH_TEST(what_fails_while_a_vault_is_made_is_taken_back_header_first),
        BENCH_TEST(
            any_failing_call_while_a_vault_is_made_leaves_none_or_a_whole_one),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
