/*
 * vault/pack_reader: exactly the bytes that were sealed, whatever the range;
 * of a pack that is not what it should be, none, and its name.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "check.h"
#include "crypto/seal.h"
#include "enginekit.h"
#include "vault/pack.h"

#define PLAIN ((size_t)3 * 65536 + 1000)

static uint8_t plain[PLAIN];
static uint8_t out[PLAIN + 70000];

struct bench {
    struct engine e;
    struct ks_pack_ref ref;
    struct ks_pack_reader *r;
    char name[KS_OBJECT_NAME_SIZE];
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct chance c = {42};

    assert_non_null(b);
    chance_fill(&c, plain, PLAIN);
    engine_open(&b->e);
    b->ref = engine_put_sealed(&b->e, KS_OBJ_PACK, plain, PLAIN);
    ks_object_name(b->name, KS_DIR_PACKS, b->ref.id);
    KIT_OK(ks_pack_reader_open(&b->r, &b->e.cx, KS_OBJ_PACK, 2, KIT_ERR));
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_pack_reader_close(b->r);
    ks_pack_reader_close(NULL);
    engine_close(&b->e);
    free(b);
    return 0;
}

/* Start again without anything kept. */
static void
forget(struct bench *b)
{
    ks_pack_reader_close(b->r);
    KIT_OK(ks_pack_reader_open(&b->r, &b->e.cx, KS_OBJ_PACK, 2, KIT_ERR));
}

static void
expect_range(struct bench *b, size_t offset, size_t len)
{
    memset(out, 0xaa, len + 1);
    KIT_OK(ks_pack_read(b->r, &b->ref, (uint32_t)offset, (uint32_t)len, out,
                        KIT_ERR));
    assert_memory_equal(out, plain + offset, len);
    assert_int_equal(out[len], 0xaa);
}

static int
try_range(struct bench *b, size_t offset, size_t len, struct ks_err *err)
{
    *err = KS_ERR_INIT;
    return ks_pack_read(b->r, &b->ref, (uint32_t)offset, (uint32_t)len, out,
                        err);
}

static void
every_range_is_read(void **state)
{
    static const size_t places[] = {0,      1,      65535,  65536,     65537,
                                    131071, 131072, 196608, PLAIN - 1, PLAIN};
    struct bench *b = *state;
    size_t n = sizeof(places) / sizeof(places[0]);

    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            expect_range(b, places[i], places[j] - places[i]);
    for (size_t i = n; i > 0; i--) {
        forget(b);
        expect_range(b, places[i - 1], PLAIN - places[i - 1]);
    }
}

static void
ranges_in_any_order_come_out_right(void **state)
{
    struct chance c = chance_start("ranges");
    struct bench *b = *state;

    for (int i = 0; i < 2000; i++) {
        size_t offset = chance_below(&c, PLAIN + 1);
        size_t most = PLAIN - offset;
        size_t len = chance_below(&c, (i % 2 ? 3000 : most) + 1);

        expect_range(b, offset, len < most ? len : most);
    }
}

static void
a_range_outside_is_damage(void **state)
{
    struct bench *b = *state;

    KIT_SAYS(KS_E_CORRUPT, b->name,
             ks_pack_read(b->r, &b->ref, PLAIN, 1, out, KIT_ERR));
    KIT_SAYS(KS_E_CORRUPT, "outside",
             ks_pack_read(b->r, &b->ref, 0, PLAIN + 1, out, KIT_ERR));
    KIT_SAYS(KS_E_CORRUPT, "outside",
             ks_pack_read(b->r, &b->ref, PLAIN + 1, 0, out, KIT_ERR));
    KIT_SAYS(KS_E_CORRUPT, "outside",
             ks_pack_read(b->r, &b->ref, UINT32_MAX, UINT32_MAX, out, KIT_ERR));
}

static void
more_packs_than_are_kept_open_come_out_right(void **state)
{
    static uint8_t content[5000];
    struct bench *b = *state;
    struct ks_pack_ref refs[20];

    for (size_t i = 0; i < 20; i++) {
        memset(content, (int)i, sizeof(content));
        refs[i] = engine_put_sealed(&b->e, KS_OBJ_PACK, content, 5000);
    }
    for (size_t turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < 20; i++) {
            size_t k = (i * 7 + turn) % 20;

            KIT_OK(ks_pack_read(b->r, &refs[k], 1000, 100, out, KIT_ERR));
            assert_int_equal(out[0], k);
            assert_int_equal(out[99], k);
        }
    }
}

static void
a_damaged_segment_spoils_only_itself(void **state)
{
    struct bench *b = *state;
    struct ks_buf object;
    struct ks_err err;

    ks_buf_init(&object, KS_OBJECT_MAX);
    kit_read(b->e.store, b->name, &object);
    object.data[ks_seal_at(65536) + 5] ^= 1;
    kit_write(b->e.store, b->name, object.data, object.len);
    expect_range(b, 0, 65536);
    expect_range(b, 131072, PLAIN - 131072);
    assert_int_equal(try_range(b, 65535, 2, &err), KS_E_CORRUPT);
    assert_non_null(strstr(err.msg, b->name));
    assert_int_equal(try_range(b, 131071, 2, &err), KS_E_CORRUPT);
    ks_buf_wipe(&object);
}

static void
every_damaged_byte_of_a_head_is_noticed(void **state)
{
    struct bench *b = *state;
    struct ks_buf object;
    struct ks_err err;

    ks_buf_init(&object, KS_OBJECT_MAX);
    kit_read(b->e.store, b->name, &object);
    for (size_t at = 0; at < 96; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            int rc;

            object.data[at] ^= (uint8_t)(1 << bit);
            kit_write(b->e.store, b->name, object.data, object.len);
            forget(b);
            rc = try_range(b, 0, 1, &err);
            if (rc != KS_E_CORRUPT &&
                !(rc == KS_E_UNSUPPORTED && (at == 8 || at == 9)))
                fail_msg("byte %zu: %d", at, rc);
            assert_non_null(strstr(err.msg, b->name));
            object.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    ks_buf_wipe(&object);
}

static void
a_pack_that_is_cut_or_gone_is_named(void **state)
{
    struct bench *b = *state;
    struct ks_buf object;
    struct ks_err err;

    ks_buf_init(&object, KS_OBJECT_MAX);
    kit_read(b->e.store, b->name, &object);
    for (size_t len = 0; len < object.len; len += len < 200 ? 1 : 997) {
        kit_write(b->e.store, b->name, object.data, len);
        forget(b);
        assert_int_equal(try_range(b, PLAIN - 1, 1, &err), KS_E_CORRUPT);
        assert_non_null(strstr(err.msg, b->name));
    }
    kit_remove(b->e.store, b->name);
    forget(b);
    assert_int_equal(try_range(b, 0, 1, &err), KS_E_NOTFOUND);
    assert_non_null(strstr(err.msg, b->name));
    ks_buf_wipe(&object);
}

/* The store hands out something longer, and what was read before is kept. */
static void
a_pack_that_grew_is_not_what_it_was(void **state)
{
    struct bench *b = *state;
    struct ks_pack_ref longer = b->ref;
    struct ks_buf object;
    struct ks_err err = KS_ERR_INIT;

    expect_range(b, PLAIN - 1, 1);
    ks_buf_init(&object, KS_OBJECT_MAX);
    kit_read(b->e.store, b->name, &object);
    KIT_OK(ks_buf_zeros(&object, 40000, KIT_ERR));
    kit_write(b->e.store, b->name, object.data, object.len);
    longer.size = (uint32_t)object.len;
    assert_int_equal(ks_pack_read(b->r, &longer, PLAIN + 30000, 10, out, &err),
                     KS_E_CORRUPT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_pack_read(b->r, &longer, PLAIN - 5, 10, out, &err),
                     KS_E_CORRUPT);
    expect_range(b, PLAIN - 5, 5); /* by its true size */
    ks_buf_wipe(&object);
}

static void
another_pack_than_the_snapshot_names_is_refused(void **state)
{
    struct bench *b = *state;
    struct ks_pack_ref ref = b->ref;
    uint8_t byte;

    for (size_t i = 0; i < 8; i++) {
        ref.commitment[i] ^= 1;
        KIT_SAYS(KS_E_CORRUPT, "not the pack",
                 ks_pack_read(b->r, &ref, 0, 1, &byte, KIT_ERR));
        ref.commitment[i] ^= 1;
    }
    for (uint32_t size = 0; size < 300; size++) {
        struct ks_err err = KS_ERR_INIT;

        ref.size = size;
        assert_true(ks_pack_read(b->r, &ref, 0, 1, &byte, &err) < 0);
    }
    ref.size = (uint32_t)KS_OBJECT_MAX + 1;
    KIT_SAYS(KS_E_CORRUPT, "size",
             ks_pack_read(b->r, &ref, 0, 1, &byte, KIT_ERR));
}

static void
an_object_of_another_kind_is_no_pack(void **state)
{
    struct bench *b = *state;
    struct ks_pack_ref ref;
    struct ks_buf object;
    uint8_t byte;

    ks_buf_init(&object, KS_OBJECT_MAX);
    ref = engine_put_sealed(&b->e, KS_OBJ_INDEX, plain, 4096);
    ks_object_name(b->name, KS_DIR_INDEX, ref.id);
    kit_read(b->e.store, b->name, &object);
    ks_object_name(b->name, KS_DIR_PACKS, ref.id);
    kit_write(b->e.store, b->name, object.data, object.len);
    KIT_SAYS(KS_E_CORRUPT, b->name,
             ks_pack_read(b->r, &ref, 0, 1, &byte, KIT_ERR));
    ks_buf_wipe(&object);
}

/* Tables: what was told of the entries of one. */
struct told {
    struct ks_entry entries[8];
    size_t count;
    int answer;
};

static int
tell(void *user, const struct ks_entry *e)
{
    struct told *t = user;

    assert_true(t->count < 8);
    t->entries[t->count++] = *e;
    return t->answer;
}

static void
a_packs_own_table_is_read(void **state)
{
    static const size_t sizes[] = {100, 0, 70000, 1};
    struct bench *b = *state;
    struct ks_entry entries[4];
    struct ks_pack_ref ref = engine_real_pack(&b->e, 1, sizes, 4, entries);
    struct ks_pack_ref found = {.size = ref.size};
    struct told t = {.count = 0};
    struct ks_err err = KS_ERR_INIT;

    memcpy(found.id, ref.id, 16);
    KIT_OK(ks_pack_table(b->r, &found, tell, &t, KIT_ERR));
    assert_int_equal(t.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(engine_same_entry(&t.entries[i], &entries[i]));
    assert_memory_equal(found.commitment, ref.commitment, 8);
    t = (struct told){.answer = 5};
    assert_int_equal(ks_pack_table(b->r, &found, tell, &t, &err), 5);
    assert_int_equal(t.count, 1);
}

/* Put a pack of `front` zeros, a table and what it says of its length; what
 * reading the table answers. */
static int
read_table(struct bench *b, size_t front, struct ks_bytes table, uint32_t says)
{
    struct told t = {.count = 0};
    struct ks_err err = KS_ERR_INIT;
    struct ks_pack_ref ref;
    struct ks_buf made;
    int rc;

    ks_buf_init(&made, KS_OBJECT_MAX);
    KIT_OK(ks_buf_zeros(&made, front, KIT_ERR));
    if (table.len > 0)
        KIT_OK(ks_buf_append(&made, table.ptr, table.len, KIT_ERR));
    KIT_OK(ks_buf_u32le(&made, says, KIT_ERR));
    ref = engine_put_sealed(&b->e, KS_OBJ_PACK, made.data, made.len);
    ks_buf_wipe(&made);
    rc = ks_pack_table(b->r, &ref, tell, &t, &err);
    assert_true(rc == KS_OK || (rc == KS_E_CORRUPT && err.msg[0] != '\0'));
    return rc;
}

static void
a_table_is_taken_only_if_it_is_exact(void **state)
{
    struct bench *b = *state;
    struct ks_entry one = engine_entry(1);
    struct ks_bytes all;
    struct ks_buf table;

    one.stored = 100;
    ks_buf_init(&table, 1000);
    KIT_OK(ks_buf_u8(&table, 2, KIT_ERR));
    KIT_OK(ks_entry_encode(&table, &one, KIT_ERR));
    KIT_OK(ks_entry_encode(&table, &one, KIT_ERR));
    all = ks_buf_bytes(&table);
    assert_int_equal(read_table(b, 200, all, (uint32_t)all.len), KS_OK);
    for (size_t n = 0; n < all.len; n++)
        assert_int_equal(
            read_table(b, 200, (struct ks_bytes){all.ptr, n}, (uint32_t)n),
            KS_E_CORRUPT);
    /* Chunks reach into the table; a byte too many; lengths that lie. */
    assert_int_equal(read_table(b, 199, all, (uint32_t)all.len), KS_E_CORRUPT);
    table.data[0] = 1;
    assert_int_equal(read_table(b, 200, all, (uint32_t)all.len), KS_E_CORRUPT);
    table.data[0] = 0;
    assert_int_equal(read_table(b, 200, (struct ks_bytes){all.ptr, 1}, 1),
                     KS_OK);
    assert_int_equal(read_table(b, 200, all, 0), KS_E_CORRUPT);
    assert_int_equal(read_table(b, 0, all, (uint32_t)all.len + 1),
                     KS_E_CORRUPT);
    assert_int_equal(read_table(b, 200, all, UINT32_MAX), KS_E_CORRUPT);
    /* Counts beyond what a pack may have, and beyond reason. */
    ks_buf_reset(&table);
    KIT_OK(ks_buf_varint(&table, KS_PACK_ENTRIES_MAX + 1, KIT_ERR));
    KIT_OK(ks_buf_zeros(&table, 100, KIT_ERR));
    all = ks_buf_bytes(&table);
    assert_int_equal(read_table(b, 200, all, (uint32_t)all.len), KS_E_CORRUPT);
    ks_buf_reset(&table);
    KIT_OK(ks_buf_varint(&table, UINT64_MAX, KIT_ERR));
    all = ks_buf_bytes(&table);
    assert_int_equal(read_table(b, 200, all, (uint32_t)all.len), KS_E_CORRUPT);
    ks_buf_wipe(&table);
}

static void
a_pack_too_small_for_a_table_is_damage(void **state)
{
    struct bench *b = *state;

    for (size_t len = 1; len < 6; len++) {
        struct ks_pack_ref ref =
            engine_put_sealed(&b->e, KS_OBJ_PACK, plain, len);
        struct told t = {.count = 0};

        KIT_FAILS(KS_E_CORRUPT, ks_pack_table(b->r, &ref, tell, &t, KIT_ERR));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define ON_A_BENCH(test)                                                       \
    cmocka_unit_test_setup_teardown(test, bench_up, bench_down)
        ON_A_BENCH(every_range_is_read),
        ON_A_BENCH(ranges_in_any_order_come_out_right),
        ON_A_BENCH(a_range_outside_is_damage),
        ON_A_BENCH(more_packs_than_are_kept_open_come_out_right),
        ON_A_BENCH(a_damaged_segment_spoils_only_itself),
        ON_A_BENCH(every_damaged_byte_of_a_head_is_noticed),
        ON_A_BENCH(a_pack_that_is_cut_or_gone_is_named),
        ON_A_BENCH(a_pack_that_grew_is_not_what_it_was),
        ON_A_BENCH(another_pack_than_the_snapshot_names_is_refused),
        ON_A_BENCH(an_object_of_another_kind_is_no_pack),
        ON_A_BENCH(a_packs_own_table_is_read),
        ON_A_BENCH(a_table_is_taken_only_if_it_is_exact),
        ON_A_BENCH(a_pack_too_small_for_a_table_is_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
