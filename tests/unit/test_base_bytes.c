/*
 * base/bytes: integers land where they should, and sums do not wrap.
 */
#include <string.h>

#include "base/bytes.h"
#include "check.h"

static void
integers_lie_in_the_order_their_name_says(void **state)
{
    static const uint8_t le[] = {0xef, 0xcd, 0xab, 0x89,
                                 0x67, 0x45, 0x23, 0x01};
    static const uint8_t be[] = {0x89, 0xab, 0xcd, 0xef};
    uint8_t p[8];

    (void)state;
    ks_put_u16le(p, 0xcdef);
    assert_memory_equal(p, le, 2);
    ks_put_u32le(p, 0x89abcdef);
    assert_memory_equal(p, le, 4);
    ks_put_u64le(p, 0x0123456789abcdef);
    assert_memory_equal(p, le, 8);
    ks_put_u32be(p, 0x89abcdef);
    assert_memory_equal(p, be, 4);

    assert_int_equal(ks_get_u16le(le), 0xcdef);
    assert_int_equal(ks_get_u32le(le), 0x89abcdef);
    assert_true(ks_get_u64le(le) == 0x0123456789abcdef);
    assert_int_equal(ks_get_u32be(be), 0x89abcdef);
}

static void
the_ends_of_each_width_come_back(void **state)
{
    static const uint64_t ends[] = {0,
                                    1,
                                    0x7f,
                                    0x80,
                                    0xff,
                                    0x8000,
                                    0xffff,
                                    0x80000000,
                                    0xffffffff,
                                    0x8000000000000000,
                                    0xffffffffffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        uint8_t p[8];

        ks_put_u16le(p, (uint16_t)ends[i]);
        assert_int_equal(ks_get_u16le(p), (uint16_t)ends[i]);
        ks_put_u32le(p, (uint32_t)ends[i]);
        assert_int_equal(ks_get_u32le(p), (uint32_t)ends[i]);
        ks_put_u32be(p, (uint32_t)ends[i]);
        assert_int_equal(ks_get_u32be(p), (uint32_t)ends[i]);
        ks_put_u64le(p, ends[i]);
        assert_true(ks_get_u64le(p) == ends[i]);
    }
}

static void
a_sum_that_does_not_fit_is_refused_and_changes_nothing(void **state)
{
    size_t out = 5;

    (void)state;
    assert_true(ks_add_size(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    out = 5;
    assert_false(ks_add_size(SIZE_MAX, 1, &out));
    assert_false(ks_add_size(1, SIZE_MAX, &out));
    assert_false(ks_add_size(SIZE_MAX, SIZE_MAX, &out));
    assert_int_equal(out, 5);
    assert_true(ks_add_size(0, 0, &out));
    assert_int_equal(out, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_lie_in_the_order_their_name_says),
        cmocka_unit_test(the_ends_of_each_width_come_back),
        cmocka_unit_test(
            a_sum_that_does_not_fit_is_refused_and_changes_nothing),
    };

    return cmocka_run_group_tests_name("base/bytes", tests, NULL, NULL);
}
