/*
 * base/array: room for one more, and the old array while there is none.
 */
#include <stdlib.h>

#include "base/array.h"
#include "check.h"
#include "fault.h"

static void
every_element_stays_as_the_array_grows(void **state)
{
    uint64_t *array = NULL;
    uint32_t cap = 0;

    (void)state;
    for (uint32_t n = 0; n < 1000; n++) {
        uint64_t *more = ks_array_more(array, n, &cap, sizeof(*array));

        assert_non_null(more);
        array = more;
        assert_true(cap > n);
        array[n] = (uint64_t)n * 7919;
    }
    for (uint32_t n = 0; n < 1000; n++)
        assert_int_equal(array[n], (uint64_t)n * 7919);
    free(array);
}

static void
nothing_moves_while_there_is_room(void **state)
{
    uint32_t cap = 0;
    char *array = ks_array_more(NULL, 0, &cap, 1);

    (void)state;
    assert_non_null(array);
    for (uint32_t n = 0; n < cap; n++)
        assert_ptr_equal(ks_array_more(array, n, &cap, 1), array);
    free(array);
}

static void
without_memory_the_array_is_as_it_was(void **state)
{
    uint32_t cap = 0;
    uint32_t before;
    uint8_t *array = ks_array_more(NULL, 0, &cap, 1);

    (void)state;
    assert_non_null(array);
    before = cap;
    array[before - 1] = 42;
    fault_arm(0);
    assert_null(ks_array_more(array, before, &cap, 1));
    assert_true(fault_disarm());
    assert_int_equal(cap, before);
    assert_int_equal(array[before - 1], 42);
    free(array);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_stays_as_the_array_grows),
        cmocka_unit_test(nothing_moves_while_there_is_room),
        cmocka_unit_test(without_memory_the_array_is_as_it_was),
    };

    return cmocka_run_group_tests_name("base/array", tests, NULL, NULL);
}
