/*
 * base/cursor: no getter reads beyond its bytes, and none that fails moves.
 *
 * Each test's bytes lie in a block of just their size, so that a sanitizer
 * sees a read of one byte too many.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "chance.h"
#include "check.h"

/* A copy of data[0..len) with nothing behind it. */
static uint8_t *
exact_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

static const uint8_t eight[] = {1, 2, 3, 4, 5, 6, 7, 8};

/* Read an integer of `width` bytes; *out is set only on success. */
static bool
get_integer(struct ks_cursor *c, size_t width, uint64_t *out)
{
    uint8_t v8 = 0;
    uint16_t v16 = 0;
    uint32_t v32 = 0;
    bool ok;

    switch (width) {
    case 1:
        ok = ks_cursor_u8(c, &v8);
        break;
    case 2:
        ok = ks_cursor_u16le(c, &v16);
        break;
    case 4:
        ok = ks_cursor_u32le(c, &v32);
        break;
    default:
        return ks_cursor_u64le(c, out);
    }
    if (ok)
        *out = (uint64_t)v8 | v16 | v32;
    assert_true(ok || (v8 == 0 && v16 == 0 && v32 == 0));
    return ok;
}

static void
integers_need_all_of_their_bytes(void **state)
{
    static const uint64_t want[] = {
        [1] = 0x01, [2] = 0x0201, [4] = 0x04030201, [8] = 0x0807060504030201};
    static const size_t widths[] = {1, 2, 4, 8};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (size_t len = 0; len <= sizeof(eight); len++) {
            uint8_t *data = exact_copy(eight, len);
            struct ks_cursor c = ks_cursor_over(data, len);
            size_t width = widths[i];
            uint64_t v = 99;

            assert_int_equal(get_integer(&c, width, &v), len >= width);
            assert_true(v == (len >= width ? want[width] : 99));
            assert_int_equal(c.left, len >= width ? len - width : len);
            assert_ptr_equal(c.ptr, data + (len - c.left));
            free(data);
        }
    }
}

static void
a_cursor_over_nothing_gives_nothing(void **state)
{
    struct ks_cursor c = ks_cursor_over(NULL, 0);
    struct ks_bytes view = {.ptr = eight, .len = 3};
    uint64_t v = 7;

    (void)state;
    assert_false(get_integer(&c, 1, &v));
    assert_false(get_integer(&c, 8, &v));
    assert_false(ks_cursor_varint(&c, &v));
    assert_false(ks_cursor_bytes(&c, 1, &view));
    assert_false(ks_cursor_copy(&c, &v, 1));
    assert_false(ks_cursor_prefixed(&c, 10, &view));
    assert_true(v == 7);
    assert_int_equal(view.len, 3);

    assert_true(ks_cursor_bytes(&c, 0, &view));
    assert_int_equal(view.len, 0);
    assert_true(ks_cursor_copy(&c, &v, 0));
    assert_true(v == 7);
}

static void
bytes_are_borrowed_or_copied_up_to_the_last(void **state)
{
    (void)state;
    for (size_t len = 0; len <= sizeof(eight) + 1; len++) {
        uint8_t *data = exact_copy(eight, sizeof(eight));
        struct ks_cursor c = ks_cursor_over(data, sizeof(eight));
        struct ks_cursor d = c;
        struct ks_bytes view = {0};
        uint8_t copy[9] = {0};
        bool fits = len <= sizeof(eight);

        assert_int_equal(ks_cursor_bytes(&c, len, &view), fits);
        assert_int_equal(ks_cursor_copy(&d, copy, len), fits);
        assert_int_equal(c.left, fits ? sizeof(eight) - len : sizeof(eight));
        assert_int_equal(d.left, c.left);
        assert_ptr_equal(c.ptr, d.ptr);
        assert_ptr_equal(view.ptr, fits ? data : NULL);
        assert_int_equal(view.len, fits ? len : 0);
        assert_memory_equal(copy, fits ? eight : (const uint8_t[9]){0},
                            fits ? len : 9);
        free(data);
    }
}

static void
a_length_near_the_largest_does_not_wrap(void **state)
{
    struct ks_cursor c = ks_cursor_over(eight, sizeof(eight));
    struct ks_bytes view = {0};

    (void)state;
    assert_true(ks_cursor_bytes(&c, 4, &view));
    assert_false(ks_cursor_bytes(&c, SIZE_MAX, &view));
    assert_false(ks_cursor_bytes(&c, SIZE_MAX - 3, &view));
    assert_int_equal(c.left, 4);
}

/* Values and the bytes that Protocol Buffers writes for them. */
static const struct {
    uint64_t v;
    size_t len;
    uint8_t bytes[10];
} varints[] = {
    {0, 1, {0}},
    {1, 1, {1}},
    {127, 1, {0x7f}},
    {128, 2, {0x80, 0x01}},
    {150, 2, {0x96, 0x01}},
    {300, 2, {0xac, 0x02}},
    {16383, 2, {0xff, 0x7f}},
    {16384, 3, {0x80, 0x80, 0x01}},
    {UINT32_MAX, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}},
    {(uint64_t)1 << 63,
     10,
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
    {UINT64_MAX,
     10,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
};

static void
varints_are_those_of_protocol_buffers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(varints) / sizeof(varints[0]); i++) {
        uint8_t p[KS_VARINT_MAX];

        assert_int_equal(ks_varint_size(varints[i].v), varints[i].len);
        assert_int_equal(ks_varint_put(p, varints[i].v), varints[i].len);
        assert_memory_equal(p, varints[i].bytes, varints[i].len);

        /* Every length short of the whole is refused, and moves nothing. */
        for (size_t len = 0; len <= varints[i].len; len++) {
            uint8_t *data = exact_copy(varints[i].bytes, len);
            struct ks_cursor c = ks_cursor_over(data, len);
            bool whole = len == varints[i].len;
            uint64_t v = 42;

            assert_int_equal(ks_cursor_varint(&c, &v), whole);
            assert_true(v == (whole ? varints[i].v : 42));
            assert_int_equal(c.left, whole ? 0 : len);
            free(data);
        }
    }
}

static void
a_varint_of_more_than_64_bits_is_refused(void **state)
{
    uint8_t p[11];

    (void)state;
    memset(p, 0x80, sizeof(p));
    for (unsigned tenth = 0; tenth <= 0xff; tenth++) {
        struct ks_cursor c = ks_cursor_over(p, sizeof(p));
        uint64_t v = 42;

        p[9] = (uint8_t)tenth;
        p[10] = 0;
        assert_int_equal(ks_cursor_varint(&c, &v), tenth <= 1);
        assert_int_equal(c.left, tenth <= 1 ? 1 : 11);
        assert_true(v == (tenth == 0   ? 0
                          : tenth == 1 ? (uint64_t)1 << 63
                                       : 42));
    }
}

static void
a_varint_longer_than_need_be_is_read_all_the_same(void **state)
{
    static const uint8_t padded[] = {0x85, 0x80, 0x80, 0x00};
    struct ks_cursor c = ks_cursor_over(padded, sizeof(padded));
    uint64_t v = 0;

    (void)state;
    assert_true(ks_cursor_varint(&c, &v));
    assert_true(v == 5);
    assert_int_equal(c.left, 0);
}

static void
random_varints_come_back(void **state)
{
    struct chance chance = chance_start("base/cursor");

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t want = chance_next(&chance) >> chance_below(&chance, 64);
        uint8_t p[KS_VARINT_MAX];
        size_t len = ks_varint_put(p, want);
        struct ks_cursor c = ks_cursor_over(p, len);
        uint64_t v = 0;

        assert_int_equal(len, ks_varint_size(want));
        assert_true(ks_cursor_varint(&c, &v));
        assert_true(v == want);
        assert_int_equal(c.left, 0);
    }
}

static void
prefixed_bytes_obey_their_maximum(void **state)
{
    static const uint8_t five[] = {5, 'a', 'b', 'c', 'd', 'e', 'f'};
    struct ks_bytes view = {0};
    struct ks_cursor c;

    (void)state;
    c = ks_cursor_over(five, sizeof(five));
    assert_false(ks_cursor_prefixed(&c, 4, &view));
    assert_false(ks_cursor_prefixed(&c, 0, &view));
    assert_int_equal(c.left, sizeof(five));
    assert_null(view.ptr);

    assert_true(ks_cursor_prefixed(&c, 5, &view));
    assert_int_equal(view.len, 5);
    assert_memory_equal(view.ptr, "abcde", 5);
    assert_int_equal(c.left, 1);

    c = ks_cursor_over("\0x", 2);
    assert_true(ks_cursor_prefixed(&c, 0, &view));
    assert_int_equal(view.len, 0);
    assert_int_equal(c.left, 1);
}

static void
prefixed_bytes_cut_anywhere_are_refused(void **state)
{
    uint8_t whole[2 + 200] = {0xc8, 0x01}; /* 200 */

    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        uint8_t *data = exact_copy(whole, len);
        struct ks_cursor c = ks_cursor_over(data, len);
        struct ks_bytes view = {.ptr = eight, .len = 1};

        assert_false(ks_cursor_prefixed(&c, 1000, &view));
        assert_int_equal(c.left, len);
        assert_ptr_equal(view.ptr, eight);
        free(data);
    }
}

static void
a_prefix_of_the_largest_number_is_refused(void **state)
{
    uint8_t p[KS_VARINT_MAX + 4];
    size_t len = ks_varint_put(p, UINT64_MAX);
    struct ks_cursor c = ks_cursor_over(p, len);
    struct ks_bytes view = {0};

    (void)state;
    assert_false(ks_cursor_prefixed(&c, SIZE_MAX, &view));
    assert_false(ks_cursor_prefixed(&c, SIZE_MAX - 1, &view));
    assert_int_equal(c.left, len);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_need_all_of_their_bytes),
        cmocka_unit_test(a_cursor_over_nothing_gives_nothing),
        cmocka_unit_test(bytes_are_borrowed_or_copied_up_to_the_last),
        cmocka_unit_test(a_length_near_the_largest_does_not_wrap),
        cmocka_unit_test(varints_are_those_of_protocol_buffers),
        cmocka_unit_test(a_varint_of_more_than_64_bits_is_refused),
        cmocka_unit_test(a_varint_longer_than_need_be_is_read_all_the_same),
        cmocka_unit_test(random_varints_come_back),
        cmocka_unit_test(prefixed_bytes_obey_their_maximum),
        cmocka_unit_test(prefixed_bytes_cut_anywhere_are_refused),
        cmocka_unit_test(a_prefix_of_the_largest_number_is_refused),
    };

    return cmocka_run_group_tests_name("base/cursor", tests, NULL, NULL);
}
