#include <string.h>

#include "check.h"
#include "cli/nearest.h"

static size_t
distance(const char *a, const char *b)
{
    return ks_word_distance(a, strlen(a), b);
}

static void
the_distance_counts_wrong_missing_extra_and_swapped_letters(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("label", "label"), 0);
    assert_int_equal(distance("", "label"), 5);
    assert_int_equal(distance("label", ""), 5);
    assert_int_equal(distance("labal", "label"), 1);
    assert_int_equal(distance("labl", "label"), 1);
    assert_int_equal(distance("labeel", "label"), 1);
    assert_int_equal(distance("lable", "label"), 1);
    assert_int_equal(distance("albel", "label"), 1);
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("ca", "abc"), 3); /* each letter moves once */
}

static void
the_distance_is_the_same_both_ways(void **state)
{
    static const char *const words[] = {"restore", "verify", "key",
                                        "slots",   "rset",   ""};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++)
            assert_int_equal(distance(words[i], words[j]),
                             distance(words[j], words[i]));
    }
}

static void
only_so_many_letters_of_a_word_are_looked_at(void **state)
{
    (void)state;
    assert_int_equal(ks_word_distance("label=x", 5, "label"), 0);
}

static void
words_that_are_too_long_have_no_neighbour(void **state)
{
    char longest[KS_NEAREST_MAX + 2];
    size_t best = KS_NEAREST_MAX;

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[KS_NEAREST_MAX] = '\0';
    assert_int_equal(distance(longest, longest), 0);
    longest[KS_NEAREST_MAX] = 'a';
    longest[KS_NEAREST_MAX + 1] = '\0';
    assert_true(distance(longest, longest) > KS_NEAREST_MAX);
    assert_false(ks_word_nearer(&best, longest, strlen(longest), longest));
    assert_int_equal(best, KS_NEAREST_MAX);
}

static void
the_nearest_is_kept_if_it_is_near(void **state)
{
    size_t best = KS_NEAREST_MAX;

    (void)state;
    assert_false(ks_word_nearer(&best, "restroe", 7, "verify"));
    assert_true(ks_word_nearer(&best, "restroe", 7, "restored"));
    assert_int_equal(best, 2);
    assert_true(ks_word_nearer(&best, "restroe", 7, "restore"));
    assert_int_equal(best, 1);
    assert_false(ks_word_nearer(&best, "restroe", 7, "restores"));
    best = KS_NEAREST_MAX;
    assert_true(ks_word_nearer(&best, "ls", 2, "l"));
    assert_false(ks_word_nearer(&best, "xy", 2, "ls"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_distance_counts_wrong_missing_extra_and_swapped_letters),
        cmocka_unit_test(the_distance_is_the_same_both_ways),
        cmocka_unit_test(only_so_many_letters_of_a_word_are_looked_at),
        cmocka_unit_test(words_that_are_too_long_have_no_neighbour),
        cmocka_unit_test(the_nearest_is_kept_if_it_is_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
