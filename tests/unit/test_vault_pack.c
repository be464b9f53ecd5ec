/*
 * vault/pack: entries and references as bytes, and packs as doc/format.md
 * lays them out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "enginekit.h"
#include "vault/pack.h"
#include "vectors.h"

#define CHUNKS_MAX 200

static struct ks_entry entries[CHUNKS_MAX];
static uint8_t data[KS_CHUNK_MAX];

/* "id:kind:form:stored:plain:base:offset", base a dash if there is none. */
static void
parse_entry(const char *text, struct ks_entry *e)
{
    char id[65];
    char base[65];
    unsigned kind;
    unsigned form;

    memset(e, 0, sizeof(*e));
    assert_int_equal(sscanf(text, "%64[^:]:%u:%u:%u:%u:%64[^:]:%u", id, &kind,
                            &form, &e->stored, &e->plain, base, &e->offset),
                     7);
    e->kind = (uint8_t)kind;
    e->form = (uint8_t)form;
    assert_true(ks_hex_decode(e->id, 32, id));
    if (strcmp(base, "-") != 0)
        assert_true(ks_hex_decode(e->base, 32, base));
}

/* All entries of a vector's "chunks"; how many. */
static size_t
parse_chunks(const char *text)
{
    size_t n = 0;

    for (const char *p = text; p != NULL; p = strchr(p, ' ')) {
        p += *p == ' ';
        assert_true(n < CHUNKS_MAX);
        parse_entry(p, &entries[n++]);
    }
    return n;
}

/* Plaintext of a pack, all of it. */
static void
read_plain(struct engine *e, const struct ks_pack_ref *ref, struct ks_buf *out)
{
    struct ks_pack_reader *r = NULL;
    size_t len = ks_seal_plain_len(ref->size);

    ks_buf_reset(out);
    KIT_OK(ks_buf_zeros(out, len, KIT_ERR));
    KIT_OK(ks_pack_reader_open(&r, &e->cx, KS_OBJ_PACK, 1, KIT_ERR));
    KIT_OK(ks_pack_read(r, ref, 0, (uint32_t)len, out->data, KIT_ERR));
    ks_pack_reader_close(r);
}

/* Seal and put what the builder has. */
static struct ks_pack_ref
put_pack(struct engine *e, struct ks_pack_builder *b)
{
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_pack_ref ref;

    KIT_OK(ks_pack_finish(b, &e->cx, &ref, KIT_ERR));
    ks_object_name(name, KS_DIR_PACKS, ref.id);
    kit_write(e->store, name, b->object, ref.size);
    return ref;
}

static void
packs_are_as_the_vectors_say(void **unused)
{
    struct vectors *v = vectors_open("pack.txt");
    static uint8_t table[100 * CHUNKS_MAX];
    struct ks_pack_builder b;
    struct ks_buf plain;
    struct engine e;

    (void)unused;
    engine_open(&e);
    ks_buf_init(&plain, KS_OBJECT_MAX);
    KIT_OK(ks_pack_builder_init(&b, KIT_ERR));
    while (vectors_next(v)) {
        size_t count = parse_chunks(vectors_text(v, "chunks"));
        size_t table_len = vectors_hex(v, "table", table, sizeof(table));
        struct ks_pack_ref ref;
        uint8_t want[32];
        uint8_t have[32];

        ks_pack_reset(&b);
        for (size_t i = 0; i < count; i++) {
            struct ks_entry entry = entries[i];

            entry.offset = 12345; /* is set */
            memset(data, (int)(i & 0xff), entry.stored);
            KIT_OK(ks_pack_add(&b, &entry, data, KIT_ERR));
            assert_true(engine_same_entry(&entry, &entries[i]));
        }
        ref = put_pack(&e, &b);
        read_plain(&e, &ref, &plain);
        assert_int_equal(plain.len, vectors_number(v, "plain_len"));
        assert_int_equal(ks_get_u32le(plain.data + plain.len - 4), table_len);
        assert_memory_equal(plain.data + plain.len - 4 - table_len, table,
                            table_len);
        vectors_bytes(v, "plain_sha256", want, sizeof(want));
        ks_sha256(have, plain.data, plain.len);
        assert_memory_equal(have, want, sizeof(want));
    }
    assert_int_equal(vectors_close(v), 5);
    ks_pack_builder_wipe(&b);
    ks_buf_wipe(&plain);
    engine_close(&e);
}

static void
entries_come_back_and_cut_ones_do_not(void **unused)
{
    static const uint32_t numbers[] = {0,     1,       127,         128,
                                       16383, 1 << 20, KS_CHUNK_MAX};
    struct ks_buf out;

    (void)unused;
    ks_buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        for (unsigned form = KS_FORM_RAW; form <= KS_FORM_DELTA; form++) {
            struct ks_entry made = engine_entry(i);
            struct ks_entry back;
            struct ks_cursor c;

            made.form = (uint8_t)form;
            made.offset = 77;
            made.stored = numbers[i];
            made.plain = numbers[6 - i];
            memset(made.base, form == KS_FORM_DELTA ? 9 : 0, 32);
            ks_buf_reset(&out);
            KIT_OK(ks_entry_encode(&out, &made, KIT_ERR));
            assert_true(out.len <= KS_ENTRY_SIZE_MAX);
            for (size_t n = 0; n < out.len; n++) {
                c = ks_cursor_over(out.data, n);
                assert_false(ks_entry_decode(&c, 77, &back));
                assert_int_equal(c.left, n);
            }
            c = ks_cursor_over(out.data, out.len);
            assert_true(ks_entry_decode(&c, 77, &back));
            assert_int_equal(c.left, 0);
            assert_true(engine_same_entry(&made, &back));
        }
    }
    ks_buf_wipe(&out);
}

static bool
decodes(uint8_t bits, uint64_t stored, uint64_t plain, uint32_t offset)
{
    uint8_t bytes[32 + 1 + 10 + 10 + 32] = {0};
    struct ks_cursor c = {bytes, 33};
    struct ks_entry e;

    bytes[32] = bits;
    c.left += ks_varint_put(bytes + c.left, stored);
    c.left += ks_varint_put(bytes + c.left, plain);
    c.left += bits >> 4 == KS_FORM_DELTA ? 32 : 0;
    return ks_entry_decode(&c, offset, &e);
}

static void
entries_out_of_bounds_are_refused(void **unused)
{
    (void)unused;
    for (unsigned bits = 0; bits < 256; bits++)
        assert_int_equal(decodes((uint8_t)bits, 1, 1, 0),
                         (bits & 15) >= 1 && (bits & 15) <= 4 &&
                             bits >> 4 <= 2);
    assert_true(decodes(1, KS_CHUNK_MAX, KS_CHUNK_MAX, 0));
    assert_false(decodes(1, KS_CHUNK_MAX + 1, 1, 0));
    assert_false(decodes(1, 1, KS_CHUNK_MAX + 1, 0));
    assert_false(decodes(1, UINT64_MAX, 1, 0));
    assert_false(decodes(1, 1, UINT64_MAX, 0));
    assert_false(decodes(1, (1ULL << 32) + 1, 1, 0));
    assert_true(decodes(1, 1, 1, KS_PACK_PLAIN_MAX - 1));
    assert_false(decodes(1, 2, 1, KS_PACK_PLAIN_MAX - 1));
    assert_true(decodes(1, 0, 1, KS_PACK_PLAIN_MAX));
}

static void
references_come_back_and_cut_ones_do_not(void **unused)
{
    struct ks_pack_ref made = {.size = 0x01020304};
    struct ks_pack_ref back;
    struct ks_cursor c;
    struct ks_buf out;

    (void)unused;
    memset(made.id, 5, 16);
    memset(made.commitment, 6, 8);
    ks_buf_init(&out, 100);
    KIT_OK(ks_pack_ref_encode(&out, &made, KIT_ERR));
    assert_int_equal(out.len, KS_PACK_REF_SIZE);
    assert_int_equal(out.data[24], 4);
    for (size_t n = 0; n < out.len; n++) {
        c = ks_cursor_over(out.data, n);
        assert_false(ks_pack_ref_decode(&c, &back));
    }
    c = ks_cursor_over(out.data, out.len);
    assert_true(ks_pack_ref_decode(&c, &back));
    assert_memory_equal(back.id, made.id, 16);
    assert_memory_equal(back.commitment, made.commitment, 8);
    assert_int_equal(back.size, made.size);
    ks_buf_wipe(&out);
}

/* Add chunks of one size until none fits; how many there are. */
static size_t
fill_up(struct ks_pack_builder *b, size_t stored, uint8_t form)
{
    size_t n = 0;

    while (ks_pack_fits(b, stored)) {
        struct ks_entry entry = engine_entry(n);

        entry.form = form;
        entry.stored = (uint32_t)stored;
        entry.plain = (uint32_t)stored;
        KIT_OK(ks_pack_add(b, &entry, data, KIT_ERR));
        n++;
    }
    return n;
}

static void
a_pack_never_exceeds_its_size(void **unused)
{
    static const size_t sizes[] = {0, 1, 40, 5000, 65536, KS_CHUNK_MAX};
    struct ks_pack_builder b;
    struct engine e;

    (void)unused;
    engine_open(&e);
    KIT_OK(ks_pack_builder_init(&b, KIT_ERR));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ks_pack_ref ref;
        size_t n = fill_up(&b, sizes[i], KS_FORM_DELTA);

        assert_int_equal(b.count, n);
        assert_true(n <= KS_PACK_ENTRIES_MAX);
        assert_true(n >= 7);
        /* As full as it gets: the next chunk would not fit. */
        assert_true(n == KS_PACK_ENTRIES_MAX ||
                    b.plain + b.table.len + sizes[i] + 2 * KS_ENTRY_SIZE_MAX +
                            4 >
                        KS_PACK_PLAIN_MAX);
        KIT_OK(ks_pack_finish(&b, &e.cx, &ref, KIT_ERR));
        assert_true(ref.size <= KS_PACK_MAX);
        ks_pack_reset(&b);
        assert_int_equal(b.count, 0);
    }
    ks_pack_builder_wipe(&b);
    engine_close(&e);
}

/* Entries of 35 bytes: their number runs out before the room does. */
static void
a_pack_has_at_most_so_many_chunks(void **unused)
{
    struct ks_pack_builder b;

    (void)unused;
    KIT_OK(ks_pack_builder_init(&b, KIT_ERR));
    assert_int_equal(fill_up(&b, 0, KS_FORM_RAW), KS_PACK_ENTRIES_MAX);
    assert_false(ks_pack_fits(&b, 0));
    ks_pack_builder_wipe(&b);
    ks_pack_builder_wipe(&b);
}

static void
a_size_tells_only_its_padded_size(void **unused)
{
    static const size_t sizes[] = {1, 100, 4000};
    struct ks_pack_builder b;
    struct engine e;
    uint32_t size = 0;

    (void)unused;
    engine_open(&e);
    KIT_OK(ks_pack_builder_init(&b, KIT_ERR));
    for (size_t i = 0; i < 3; i++) {
        struct ks_entry entry = engine_entry(1);
        struct ks_pack_ref ref;

        entry.stored = (uint32_t)sizes[i];
        KIT_OK(ks_pack_add(&b, &entry, data, KIT_ERR));
        KIT_OK(ks_pack_finish(&b, &e.cx, &ref, KIT_ERR));
        assert_true(size == 0 || size == ref.size);
        size = ref.size;
        assert_int_equal(size, 96 + 4096 + 16);
        ks_pack_reset(&b);
    }
    ks_pack_builder_wipe(&b);
    engine_close(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_are_as_the_vectors_say),
        cmocka_unit_test(entries_come_back_and_cut_ones_do_not),
        cmocka_unit_test(entries_out_of_bounds_are_refused),
        cmocka_unit_test(references_come_back_and_cut_ones_do_not),
        cmocka_unit_test(a_pack_never_exceeds_its_size),
        cmocka_unit_test(a_pack_has_at_most_so_many_chunks),
        cmocka_unit_test(a_size_tells_only_its_padded_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
