/* What a writer remembers, and what damage does to it. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "vault/keyring.h"
#include "vault/writer.h"
#include "vaultkit.h"
#include "vectors.h"
#include "workdir.h"
#include "writer_bench.h"

static void
a_damaged_state_is_set_aside(void **state)
{
    struct writer_bench *b = *state;
    uint8_t id[16];

    wb_open(b);
    (void)wb_commit(b, wb_snapshot_a);
    memcpy(id, ks_writer_id(b->w), 16);
    workdir_write(&b->dir, "a/state/writer", "damaged", 7);
    wb_open(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    wb_assert_last(b, 0, wb_zero);
    assert_true(workdir_holds(&b->dir, "a/state/writer.damaged", "damaged", 7));
    workdir_write(&b->dir, "a/state/writer", "", 0);
    wb_open(b);
    assert_true(workdir_holds(&b->dir, "a/state/writer.damaged", "", 0));
}

/* The bytes of the state file. */
static void
read_state(const struct writer_bench *b, struct ks_buf *out)
{
    FILE *f = fopen(workdir_path(&b->dir, "a/state/writer"), "rb");

    assert_non_null(f);
    ks_buf_reset(out);
    KIT_OK(ks_buf_zeros(out, 4208, KIT_ERR));
    assert_int_equal(fread(out->data, 1, 4208, f), 4208);
    assert_int_equal(fgetc(f), EOF);
    (void)fclose(f);
}

static void
flips_and_cuts_of_the_state_are_seen(void **state)
{
    struct writer_bench *b = *state;
    struct ks_buf bytes;
    uint8_t id[16];
    struct ks_err err;

    ks_buf_init(&bytes, 5000);
    wb_open(b);
    (void)wb_commit(b, wb_snapshot_a);
    memcpy(id, ks_writer_id(b->w), 16);
    read_state(b, &bytes);
    for (size_t at = 0; at < bytes.len; at += at < 200 ? 1 : 97) {
        int rc;

        bytes.data[at] ^= 1;
        workdir_write(&b->dir, "a/state/writer", bytes.data, bytes.len);
        bytes.data[at] ^= 1;
        rc = wb_try_open(b, &err);
        assert_int_equal(rc, at == 8 ? KS_E_UNSUPPORTED : rc);
        if (rc == KS_OK)
            assert_memory_not_equal(ks_writer_id(b->w), id, 16);
        else
            assert_true(rc == KS_E_UNSUPPORTED && (at == 8 || at == 9));
    }
    for (size_t cut = 0; cut < bytes.len; cut += 61) {
        workdir_write(&b->dir, "a/state/writer", bytes.data, cut);
        wb_open(b);
        assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    }
    workdir_write(&b->dir, "a/state/writer", bytes.data, bytes.len);
    wb_open(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    ks_buf_wipe(&bytes);
}

/* Replace the state file by one of this content. */
static void
write_state(struct writer_bench *b, const uint8_t *content, size_t len)
{
    struct ks_buf sealed;
    uint8_t id[16];

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_object_seal(&b->cx, KS_OBJ_STATE,
                          (struct ks_bytes){.ptr = content, .len = len},
                          &sealed, id, KIT_ERR));
    workdir_write(&b->dir, "a/state/writer", sealed.data, sealed.len);
    ks_buf_wipe(&sealed);
}

static void
a_state_that_is_not_exactly_one_is_set_aside(void **state)
{
    struct writer_bench *b = *state;
    uint8_t content[67] = {1};
    uint8_t id[16];
    struct ks_err err;

    wb_open(b);
    (void)wb_begin(b, 4);
    memcpy(id, ks_writer_id(b->w), 16);
    memcpy(content + 1, id, 16);
    content[17] = 5; /* run */
    for (size_t len = 0; len <= sizeof(content); len++) {
        write_state(b, content, len);
        wb_open(b);
        assert_int_equal(memcmp(ks_writer_id(b->w), id, 16) == 0, len == 66);
    }
    content[25] = 6; /* committed a run that was not begun */
    write_state(b, content, 66);
    wb_open(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    content[25] = 5;
    content[49] = 2; /* neither in doubt nor not */
    write_state(b, content, 66);
    wb_open(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    content[49] = 0;
    content[0] = 2;
    write_state(b, content, 66);
    assert_int_equal(wb_try_open(b, &err), KS_E_UNSUPPORTED);
    assert_int_equal(wb_try_open(b, &err), KS_E_UNSUPPORTED); /* left there */
    content[0] = 1;
    write_state(b, content, 66);
    wb_open(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    wb_assert_last(b, 5, wb_zero);
}

static void
the_state_of_another_vault_is_set_aside(void **state)
{
    struct writer_bench *b = *state;
    uint8_t id[16];

    wb_open(b);
    memcpy(id, ks_writer_id(b->w), 16);
    b->cx.vault_id[0] ^= 1;
    wb_open(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    assert_true(workdir_size(&b->dir, "a/state/writer.damaged") == 4208);
}

/* Lay the vector's state into the folder, its writer into the store. */
static void
lay_vector(struct writer_bench *b, struct vectors *v, uint8_t *writer)
{
    static uint8_t bytes[8192];
    uint8_t keyring[KIT_KEYRING_MAX];
    char name[KS_OBJECT_NAME_SIZE];
    size_t len = vectors_hex(v, "keyring", keyring, sizeof(keyring));

    ks_keyring_free(b->keys);
    KIT_OK(ks_keyring_decode(&b->keys, keyring, len, KIT_ERR));
    b->cx.keys = b->keys;
    vectors_bytes(v, "vault_id", b->cx.vault_id, 16);
    vectors_bytes(v, "writer", writer, 16);
    ks_object_name(name, KS_DIR_WRITERS, writer);
    kit_write(b->store, name, "enrolled", 8);
    len = vectors_hex(v, "bytes", bytes, sizeof(bytes));
    wb_open(b); /* makes the folder */
    wb_close(b);
    workdir_write(&b->dir, "a/state/writer", bytes, len);
}

static void
a_state_is_that_of_keys_txt(void **state)
{
    struct writer_bench *b = *state;
    struct vectors *v = vectors_open("keys.txt");
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t writer[16];
    uint8_t last[16];
    uint8_t promised[16];

    while (vectors_next(v)) {
        if (strcmp(vectors_text(v, "what"), "state") == 0)
            break;
    }
    vectors_bytes(v, "last", last, 16);
    vectors_bytes(v, "promised", promised, 16);
    lay_vector(b, v, writer);
    wb_open(b);
    assert_memory_equal(ks_writer_id(b->w), writer, 16);
    wb_assert_last(b, vectors_number(v, "last_run"), last);
    assert_true(wb_begin(b, 0) == vectors_number(v, "run") + 1);
    ks_object_name(name, KS_DIR_SNAPSHOTS, promised);
    kit_write(b->store, name, "snapshot", 8);
    lay_vector(b, v, writer);
    wb_open(b);
    wb_assert_last(b, vectors_number(v, "run"), promised);
    (void)vectors_close(v);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, wb_up, wb_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_damaged_state_is_set_aside),
        BENCH_TEST(flips_and_cuts_of_the_state_are_seen),
        BENCH_TEST(a_state_that_is_not_exactly_one_is_set_aside),
        BENCH_TEST(the_state_of_another_vault_is_set_aside),
        BENCH_TEST(a_state_is_that_of_keys_txt),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
