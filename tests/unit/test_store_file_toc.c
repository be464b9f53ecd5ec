/*
 * store/file_toc: tables of contents, whole, cut short, and hostile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fault.h"
#include "store/file_toc.h"

#define TABLE_AT 1000000U /* where the tables of these tests lie */

static const uint8_t magic[8] = {'K', 'E', 'E', 'P', 'T', 'O', 'C', '\n'};

static struct ks_buf
empty_buf(void)
{
    struct ks_buf buf;

    ks_buf_init(&buf, KS_TOC_SIZE_MAX);
    return buf;
}

static void
add(struct ks_toc *toc, const char *name, uint64_t offset, uint32_t len)
{
    struct ks_toc_entry entry = {.offset = offset, .len = len};
    struct ks_err err = KS_ERR_INIT;
    size_t at;

    memset(entry.sum, (int)(offset & 0x7f), KS_SUM_SIZE);
    assert_false(ks_toc_find(toc, name, &at));
    assert_int_equal(ks_toc_reserve(toc, &err), KS_OK);
    ks_toc_insert(toc, at, name, &entry);
}

static void
add_dead(struct ks_toc *toc, uint64_t offset, uint64_t len)
{
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(ks_toc_reserve_dead(toc, 1, &err), KS_OK);
    toc->dead[toc->dead_count++] =
        (struct ks_toc_dead){.offset = offset, .len = len, .sum = {7}};
}

/* Decode and seal; the code. */
static int
decode(struct ks_toc *toc, const void *data, size_t len,
       struct ks_toc_head *head)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_bytes bytes = {.ptr = data, .len = len};
    int rc;

    ks_toc_init(toc);
    rc = ks_toc_decode(toc, bytes, TABLE_AT, head, &err);
    if (rc == KS_OK)
        rc = ks_toc_seal(toc, &err);
    assert_int_equal(rc, err.code);
    return rc;
}

static int
decode_code(const void *data, size_t len)
{
    struct ks_toc_head head;
    struct ks_toc toc;
    int rc = decode(&toc, data, len, &head);

    ks_toc_wipe(&toc);
    return rc;
}

static void
encode(const struct ks_toc *toc, const struct ks_toc_head *head, uint64_t from,
       struct ks_buf *buf)
{
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(ks_toc_encode(toc, head, from, buf, &err), KS_OK);
}

static void
assert_same_tables(const struct ks_toc *a, const struct ks_toc *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct ks_toc_entry *x = &a->entries[i];
        const struct ks_toc_entry *y = &b->entries[i];

        assert_string_equal(ks_toc_name(a, x), ks_toc_name(b, y));
        assert_int_equal(x->offset, y->offset);
        assert_int_equal(x->len, y->len);
        assert_memory_equal(x->sum, y->sum, KS_SUM_SIZE);
    }
    assert_int_equal(a->dead_count, b->dead_count);
    for (size_t i = 0; i < a->dead_count; i++) {
        assert_int_equal(a->dead[i].offset, b->dead[i].offset);
        assert_int_equal(a->dead[i].len, b->dead[i].len);
        assert_memory_equal(a->dead[i].sum, b->dead[i].sum, KS_SUM_SIZE);
    }
}

static void
objects_are_found_by_name_and_only_those(void **state)
{
    static const char *const names[] = {"vault", "packs/b", "packs/a",
                                        "a",     "packs-",  "zz/0"};
    struct ks_toc toc;
    size_t at;

    (void)state;
    ks_toc_init(&toc);
    assert_false(ks_toc_find(&toc, "a", &at));
    for (uint32_t i = 0; i < 6; i++)
        add(&toc, names[i], 2000 + i, i);
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(ks_toc_find(&toc, names[i], &at));
        assert_int_equal(toc.entries[at].offset, 2000 + i);
    }
    assert_false(ks_toc_find(&toc, "packs/", &at));
    assert_false(ks_toc_find(&toc, "packs/aa", &at));
    assert_true(ks_toc_find(&toc, "packs/a", &at));
    ks_toc_remove(&toc, at);
    assert_false(ks_toc_find(&toc, "packs/a", &at));
    assert_true(ks_toc_find(&toc, "packs/b", &at));
    assert_int_equal(toc.count, 5);
    ks_toc_wipe(&toc);
}

static void
an_empty_table_comes_back(void **state)
{
    struct ks_toc_head head = {.sequence = 1};
    struct ks_toc_head back = {0};
    struct ks_toc toc;
    struct ks_toc other;
    struct ks_buf buf = empty_buf();

    (void)state;
    ks_toc_init(&toc);
    encode(&toc, &head, 0, &buf);
    assert_int_equal(buf.len, KS_TOC_HEAD_SIZE);
    assert_int_equal(decode(&other, buf.data, buf.len, &back), KS_OK);
    assert_int_equal(other.count, 0);
    assert_int_equal(back.sequence, 1);
    assert_int_equal(back.before.offset, 0);
    ks_toc_wipe(&other);
    ks_buf_wipe(&buf);
}

/* A table of two objects and two dead stretches. */
static struct ks_toc
small_table(void)
{
    struct ks_toc toc;

    ks_toc_init(&toc);
    add(&toc, "vault", 1024, 10);
    add(&toc, "packs/00ff", 1200, 0);
    add_dead(&toc, 1034, 100);
    add_dead(&toc, 1134, 66);
    return toc;
}

static void
a_table_comes_back_as_it_was(void **state)
{
    struct ks_toc_head head = {.sequence = 9};
    struct ks_toc_head back = {0};
    struct ks_toc toc = small_table();
    struct ks_toc other;
    struct ks_buf buf = empty_buf();

    (void)state;
    encode(&toc, &head, 0, &buf);
    assert_int_equal(buf.len, 72 + (29 + 5) + (29 + 10) + 2 * 32);
    assert_int_equal(decode(&other, buf.data, buf.len, &back), KS_OK);
    assert_same_tables(&toc, &other);
    assert_int_equal(back.sequence, 9);
    ks_toc_wipe(&toc);
    ks_toc_wipe(&other);
    ks_buf_wipe(&buf);
}

static void
a_table_cut_at_any_byte_is_refused_and_so_is_one_too_long(void **state)
{
    struct ks_toc_head head = {.sequence = 9};
    struct ks_toc toc = small_table();
    struct ks_buf buf = empty_buf();
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    encode(&toc, &head, 0, &buf);
    for (size_t len = 0; len < buf.len; len++) {
        /* A copy of just that length, so that reading on is seen. */
        uint8_t *cut = malloc(len > 0 ? len : 1);

        assert_non_null(cut);
        memcpy(cut, buf.data, len);
        assert_int_equal(decode_code(cut, len), KS_E_CORRUPT);
        free(cut);
    }
    assert_int_equal(decode_code(buf.data, buf.len), KS_OK);
    assert_int_equal(ks_buf_u8(&buf, 0, &err), KS_OK);
    assert_int_equal(decode_code(buf.data, buf.len), KS_E_CORRUPT);
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

/* Flipped bytes are the SHA-256's to find; here they must only do no harm. */
static void
no_changed_byte_leads_astray(void **state)
{
    struct ks_toc_head head = {.sequence = 9};
    struct ks_toc toc = small_table();
    struct ks_buf buf = empty_buf();

    (void)state;
    encode(&toc, &head, 0, &buf);
    for (size_t i = 0; i < buf.len; i++) {
        static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '/'};
        uint8_t was = buf.data[i];

        for (size_t j = 0; j < sizeof(values); j++) {
            struct ks_toc other;
            struct ks_toc_head back;

            buf.data[i] = values[j];
            if (decode(&other, buf.data, buf.len, &back) == KS_OK) {
                for (size_t k = 0; k < other.count; k++)
                    assert_true(other.entries[k].offset >= 1024 &&
                                other.entries[k].offset +
                                        other.entries[k].len <=
                                    TABLE_AT);
            }
            ks_toc_wipe(&other);
        }
        buf.data[i] = was;
    }
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

/* Build a table by hand: head, then one object. */
static size_t
one_object(uint8_t *p, const char *name, size_t name_len, uint64_t offset,
           uint32_t len)
{
    memset(p, 0, 512);
    memcpy(p, magic, sizeof(magic));
    ks_put_u64le(p + 8, 5);
    ks_put_u32le(p + 64, 1);
    p[72] = (uint8_t)name_len;
    memcpy(p + 73, name, name_len);
    ks_put_u64le(p + 73 + name_len, offset);
    ks_put_u32le(p + 81 + name_len, len);
    return 72 + 29 + name_len;
}

static void
an_object_must_lie_in_the_file_and_be_named_like_one(void **state)
{
    char name[KS_NAME_MAX + 2];
    uint8_t p[512];
    uint32_t max = (uint32_t)KS_OBJECT_MAX;

    (void)state;
    assert_int_equal(decode_code(p, one_object(p, "a", 1, 1024, 5)), KS_OK);
    assert_int_equal(decode_code(p, one_object(p, "a", 1, TABLE_AT, 0)), KS_OK);
    assert_int_equal(decode_code(p, one_object(p, "a", 1, TABLE_AT, 1)),
                     KS_E_CORRUPT);
    assert_int_equal(decode_code(p, one_object(p, "a", 1, 1023, 5)),
                     KS_E_CORRUPT);
    assert_int_equal(decode_code(p, one_object(p, "a", 1, UINT64_MAX, 5)),
                     KS_E_CORRUPT);
    assert_int_equal(decode_code(p, one_object(p, "a", 1, 1024, max)),
                     KS_E_CORRUPT);

    assert_int_equal(decode_code(p, one_object(p, "", 0, 1024, 5)),
                     KS_E_CORRUPT);
    assert_int_equal(decode_code(p, one_object(p, "a/../b", 6, 1024, 5)),
                     KS_E_CORRUPT);
    assert_int_equal(decode_code(p, one_object(p, "A", 1, 1024, 5)),
                     KS_E_CORRUPT);
    assert_int_equal(decode_code(p, one_object(p, "a\0b", 3, 1024, 5)),
                     KS_E_CORRUPT);
    memset(name, 'n', sizeof(name));
    name[80] = '/';
    assert_int_equal(decode_code(p, one_object(p, name, KS_NAME_MAX, 1024, 5)),
                     KS_OK);
    assert_int_equal(
        decode_code(p, one_object(p, name, KS_NAME_MAX + 1, 1024, 5)),
        KS_E_CORRUPT);
}

static void
an_object_has_at_most_its_maximum(void **state)
{
    uint64_t far = UINT64_C(1) << 40;
    struct ks_err err = KS_ERR_INIT;
    struct ks_toc_head head;
    struct ks_toc toc;
    uint8_t p[512];

    (void)state;
    for (uint32_t more = 0; more < 2; more++) {
        struct ks_bytes bytes = {.ptr = p};

        bytes.len = one_object(p, "a", 1, 1024, (uint32_t)KS_OBJECT_MAX + more);
        ks_toc_init(&toc);
        assert_int_equal(ks_toc_decode(&toc, bytes, far, &head, &err),
                         more == 0 ? KS_OK : KS_E_CORRUPT);
        ks_toc_wipe(&toc);
    }
}

static void
names_must_rise_and_none_come_twice(void **state)
{
    struct ks_toc_head head = {.sequence = 5};
    struct ks_err err = KS_ERR_INIT;
    struct ks_toc toc;
    struct ks_buf buf = empty_buf();
    struct ks_bytes first;

    (void)state;
    ks_toc_init(&toc);
    add(&toc, "a", 1024, 1);
    add(&toc, "b", 1025, 1);
    encode(&toc, &head, 0, &buf);
    ks_toc_wipe(&toc);
    assert_int_equal(decode_code(buf.data, buf.len), KS_OK);
    buf.data[72 + 30 + 1] = 'a'; /* a, a */
    assert_int_equal(decode_code(buf.data, buf.len), KS_E_CORRUPT);
    buf.data[72 + 1] = 'b'; /* b, a */
    assert_int_equal(decode_code(buf.data, buf.len), KS_E_CORRUPT);

    /* The same name in two tables of a chain. */
    buf.data[72 + 1] = 'a';
    buf.data[72 + 30 + 1] = 'b';
    first = ks_buf_bytes(&buf);
    ks_toc_init(&toc);
    assert_int_equal(ks_toc_decode(&toc, first, TABLE_AT, &head, &err), KS_OK);
    assert_int_equal(ks_toc_decode(&toc, first, TABLE_AT, &head, &err), KS_OK);
    assert_int_equal(ks_toc_seal(&toc, &err), KS_E_CORRUPT);
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

static void
dead_stretches_must_rise_within_the_file(void **state)
{
    static const struct {
        uint64_t offset[2];
        uint64_t len[2];
        int rc;
    } cases[] = {
        {{1024, 1030}, {6, 10}, KS_OK},
        {{1024, 1029}, {6, 10}, KS_E_CORRUPT}, /* they overlap */
        {{1030, 1024}, {6, 6}, KS_E_CORRUPT},  /* they fall */
        {{1023, 1030}, {6, 6}, KS_E_CORRUPT},  /* in the slots */
        {{1024, 1030}, {0, 6}, KS_E_CORRUPT},  /* nothing */
        {{1024, 1030}, {6, TABLE_AT - 1030}, KS_OK},
        {{1024, 1030}, {6, TABLE_AT - 1029}, KS_E_CORRUPT},
        {{1024, 1030}, {6, UINT64_MAX}, KS_E_CORRUPT},
    };
    struct ks_toc_head head = {.sequence = 5};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ks_buf buf = empty_buf();
        struct ks_toc toc;

        ks_toc_init(&toc);
        add_dead(&toc, cases[i].offset[0], cases[i].len[0]);
        add_dead(&toc, cases[i].offset[1], cases[i].len[1]);
        encode(&toc, &head, 0, &buf);
        assert_int_equal(decode_code(buf.data, buf.len), cases[i].rc);
        ks_toc_wipe(&toc);
        ks_buf_wipe(&buf);
    }
}

static void
a_table_after_another_names_only_what_is_new(void **state)
{
    struct ks_toc_head head = {.sequence = 9,
                               .before = {.offset = 1100, .len = 100}};
    struct ks_toc_head back = {0};
    struct ks_toc toc = small_table();
    struct ks_toc other;
    struct ks_buf buf = empty_buf();

    (void)state;
    memset(head.before.sha256, 0x5a, KS_SHA_SIZE);
    add(&toc, "packs/new", 1712, 5);
    encode(&toc, &head, 1712, &buf);
    assert_int_equal(decode(&other, buf.data, buf.len, &back), KS_OK);
    assert_int_equal(other.count, 1);
    assert_string_equal(ks_toc_name(&other, &other.entries[0]), "packs/new");
    assert_int_equal(other.dead_count, 0);
    assert_memory_equal(&back, &head, sizeof(head));
    ks_toc_wipe(&other);

    ks_put_u32le(buf.data + 68, 1); /* dead stretches belong to a first one */
    assert_int_equal(decode_code(buf.data, buf.len), KS_E_CORRUPT);
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

static void
the_table_before_must_end_before_this_one(void **state)
{
    static const struct {
        uint64_t sequence;
        uint64_t offset;
        uint64_t len;
        int rc;
    } cases[] = {
        {2, 1024, 72, KS_OK},
        {2, 1024, TABLE_AT - 1024 - 512, KS_OK}, /* right behind it */
        {2, 1024, TABLE_AT - 1024 - 511, KS_E_CORRUPT},
        {2, 1023, 72, KS_E_CORRUPT},
        {2, TABLE_AT, 0, KS_E_CORRUPT}, /* itself */
        {2, UINT64_MAX, 72, KS_E_CORRUPT},
        {2, 1024, UINT64_MAX, KS_E_CORRUPT},
        {2, 0, 72, KS_E_CORRUPT},    /* a length but no place */
        {1, 1024, 72, KS_E_CORRUPT}, /* nothing comes before the first */
        {0, 0, 0, KS_E_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t p[512];
        size_t len = one_object(p, "a", 1, 1024, 5);

        ks_put_u64le(p + 8, cases[i].sequence);
        ks_put_u64le(p + 16, cases[i].offset);
        ks_put_u64le(p + 24, cases[i].len);
        assert_int_equal(decode_code(p, len), cases[i].rc);
    }
}

/* The limits. Zeroed memory costs nothing until it is touched, so that a
 * table that claims the maximum can be shown to be let in, and one that
 * claims more to be refused before anything is allocated for it. */

static int
claim(uint32_t objects, uint32_t dead, size_t len)
{
    uint8_t *p = calloc(1, len);
    int rc;

    assert_non_null(p);
    memcpy(p, magic, sizeof(magic));
    ks_put_u64le(p + 8, 5);
    ks_put_u32le(p + 64, objects);
    ks_put_u32le(p + 68, dead);
    rc = decode_code(p, len);
    free(p);
    return rc;
}

static void
more_than_the_maximum_is_refused_before_it_is_believed(void **state)
{
    size_t objects = KS_TOC_OBJECTS_MAX;
    size_t dead = KS_TOC_DEAD_MAX;

    (void)state;
    /* What lies there is all zeros, no names: let in, and then refused. */
    assert_int_equal(claim((uint32_t)objects, 0, 72 + 30 * objects),
                     KS_E_CORRUPT);
    assert_int_equal(claim((uint32_t)objects + 1, 0, 72 + 30 * objects + 30),
                     KS_E_LIMIT);
    assert_int_equal(claim(0, (uint32_t)dead, 72 + 32 * dead), KS_E_CORRUPT);
    assert_int_equal(claim(0, (uint32_t)dead + 1, 72 + 32 * dead + 32),
                     KS_E_LIMIT);
    /* Counts that the bytes cannot hold are never allocated for. */
    assert_int_equal(claim(UINT32_MAX, 0, 200), KS_E_CORRUPT);
    assert_int_equal(claim(0, UINT32_MAX, 200), KS_E_CORRUPT);
    assert_int_equal(claim(UINT32_MAX, UINT32_MAX, 200), KS_E_CORRUPT);
}

static void
the_largest_table_comes_back(void **state)
{
    struct ks_toc_head head = {.sequence = 5};
    struct ks_toc_entry entry = {.offset = 1024};
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf buf = empty_buf();
    struct ks_toc toc;
    size_t at;

    (void)state;
    ks_toc_init(&toc);
    for (uint32_t i = 0; i < KS_TOC_OBJECTS_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "p/%08x", i);
        assert_int_equal(ks_toc_reserve(&toc, &err), KS_OK);
        ks_toc_insert(&toc, i, name, &entry);
    }
    assert_int_equal(ks_toc_reserve(&toc, &err), KS_E_LIMIT);
    encode(&toc, &head, 0, &buf);
    ks_toc_wipe(&toc);
    assert_int_equal(decode(&toc, buf.data, buf.len, &head), KS_OK);
    assert_int_equal(toc.count, KS_TOC_OBJECTS_MAX);
    assert_true(ks_toc_find(&toc, "p/00000000", &at) && at == 0);
    assert_true(ks_toc_find(&toc, "p/003d08ff", &at));
    assert_int_equal(at, KS_TOC_OBJECTS_MAX - 1);
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

static void
running_out_of_memory_is_said_so(void **state)
{
    struct ks_toc_head head = {.sequence = 9};
    struct ks_toc toc = small_table();
    struct ks_buf buf = empty_buf();
    bool fired = true;

    (void)state;
    encode(&toc, &head, 0, &buf);
    for (long n = 0; fired; n++) {
        struct ks_toc other;
        struct ks_toc_head back;
        int rc;

        fault_arm(n);
        rc = decode(&other, buf.data, buf.len, &back);
        fired = fault_disarm();
        assert_int_equal(rc, fired ? KS_E_NOMEM : KS_OK);
        ks_toc_wipe(&other);
        assert_true(n < 100);
    }
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_found_by_name_and_only_those),
        cmocka_unit_test(an_empty_table_comes_back),
        cmocka_unit_test(a_table_comes_back_as_it_was),
        cmocka_unit_test(
            a_table_cut_at_any_byte_is_refused_and_so_is_one_too_long),
        cmocka_unit_test(no_changed_byte_leads_astray),
        cmocka_unit_test(an_object_must_lie_in_the_file_and_be_named_like_one),
        cmocka_unit_test(an_object_has_at_most_its_maximum),
        cmocka_unit_test(names_must_rise_and_none_come_twice),
        cmocka_unit_test(dead_stretches_must_rise_within_the_file),
        cmocka_unit_test(a_table_after_another_names_only_what_is_new),
        cmocka_unit_test(the_table_before_must_end_before_this_one),
        cmocka_unit_test(
            more_than_the_maximum_is_refused_before_it_is_believed),
        cmocka_unit_test(the_largest_table_comes_back),
        cmocka_unit_test(running_out_of_memory_is_said_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
