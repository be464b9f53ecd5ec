#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "check.h"
#include "cli/exit_code.h"

static void
each_failure_has_the_exit_code_that_is_documented(void **state)
{
    static const struct {
        int code;
        int exit;
    } want[] = {
        {KS_OK, 0},
        {KS_E_NOMEM, 1},
        {KS_E_IO, 1},
        {KS_E_EXISTS, 1},
        {KS_E_LIMIT, 1},
        {KS_E_USAGE, 2},
        {KS_E_NOTFOUND, 10},
        {KS_E_BUSY, 11},
        {KS_E_WRONG_KEY, 12},
        {KS_E_WRONG_SOURCE_KEY, 12},
        {KS_E_CORRUPT, 13},
        {KS_E_FORMAT, 13},
        {KS_E_INCOMPLETE, 14},
        {KS_E_UNSUPPORTED, 15},
        {KS_E_FULL, 18},
        {KS_E_CANCELLED, 130},
        {-4711, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(ks_exit_of(want[i].code), want[i].exit);
}

static void
no_failure_is_without_an_exit_code(void **state)
{
    (void)state;
    for (int code = KS_E_USAGE; code < 0; code++) {
        assert_string_not_equal(ks_code_name(code), "UNKNOWN");
        assert_int_not_equal(ks_exit_of(code), 0);
    }
}

static void
every_exit_code_is_explained_once(void **state)
{
    (void)state;
    for (int code = KS_E_USAGE; code <= 0; code++) {
        int found = 0;

        for (const struct ks_exit_meaning *m = ks_exit_meanings;
             m->meaning != NULL; m++)
            found += m->exit == ks_exit_of(code);
        assert_int_equal(found, 1);
    }
}

static void
the_cause_says_more_than_the_code(void **state)
{
    (void)state;
    assert_null(ks_usual_hint(KS_E_IO, 0));
    assert_null(ks_usual_hint(KS_E_IO, EIO));
    assert_non_null(strstr(ks_usual_hint(KS_E_IO, EACCES), "permissions"));
    assert_non_null(strstr(ks_usual_hint(KS_E_IO, EROFS), "only be read"));
    assert_non_null(ks_usual_hint(KS_E_FULL, ENOSPC));
    assert_null(ks_usual_hint(-4711, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_has_the_exit_code_that_is_documented),
        cmocka_unit_test(no_failure_is_without_an_exit_code),
        cmocka_unit_test(every_exit_code_is_explained_once),
        cmocka_unit_test(the_cause_says_more_than_the_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
