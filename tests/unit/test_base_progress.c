/*
 * base/progress: reports arrive as they were made, and may stop the work.
 */
#include <stddef.h>

#include "base/progress.h"
#include "check.h"

struct seen {
    int calls;
    int answer;
    const char *phase;
    uint64_t done;
    uint64_t total;
};

static int
see(void *user, const char *phase, uint64_t done, uint64_t total)
{
    struct seen *seen = user;

    seen->calls++;
    seen->phase = phase;
    seen->done = done;
    seen->total = total;
    return seen->answer;
}

static void
nobody_watching_means_go_on(void **state)
{
    struct ks_progress silent = {0};
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_progress_step(NULL, "read", 1, 2, &err), KS_OK);
    assert_int_equal(ks_progress_step(&silent, "read", 1, 2, &err), KS_OK);
    assert_int_equal(err.code, KS_OK);
}

static void
a_report_arrives_as_it_was_made(void **state)
{
    struct seen seen = {0};
    struct ks_progress p = {see, &seen};
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_progress_step(&p, "verify", 7, UINT64_MAX, &err),
                     KS_OK);
    assert_int_equal(seen.calls, 1);
    assert_string_equal(seen.phase, "verify");
    assert_true(seen.done == 7 && seen.total == UINT64_MAX);
}

static void
any_answer_but_0_stops_the_work(void **state)
{
    static const int answers[] = {1, -1, 42};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct seen seen = {.answer = answers[i]};
        struct ks_progress p = {see, &seen};
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_progress_step(&p, "read", 0, 0, &err),
                         KS_E_CANCELLED);
        assert_int_equal(err.code, KS_E_CANCELLED);
        assert_string_equal(err.msg, "stopped on request");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_watching_means_go_on),
        cmocka_unit_test(a_report_arrives_as_it_was_made),
        cmocka_unit_test(any_answer_but_0_stops_the_work),
    };

    return cmocka_run_group_tests_name("base/progress", tests, NULL, NULL);
}
