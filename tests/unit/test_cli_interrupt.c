#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cli/interrupt.h"
#include "cli/meter.h"

/* Run `body` in a child; its exit code. */
static int
exit_of(void (*body)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        body();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
raise_once(void)
{
    ks_interrupt_install();
    (void)raise(SIGINT);
}

static void
raise_gently(void)
{
    struct ks_meter meter = {0};
    struct ks_progress progress = ks_meter_progress(&meter);
    struct ks_err err = KS_ERR_INIT;

    ks_interrupt_install();
    ks_interrupt_gentle(true);
    if (ks_interrupted())
        _exit(1);
    (void)raise(SIGTERM);
    if (!ks_interrupted())
        _exit(2);
    if (ks_progress_step(&progress, "read", 1, 2, &err) != KS_E_CANCELLED)
        _exit(3);
    _exit(4);
}

static void
raise_twice(void)
{
    ks_interrupt_install();
    ks_interrupt_gentle(true);
    (void)raise(SIGINT);
    (void)raise(SIGHUP);
}

static void
raise_ignored(void)
{
    (void)signal(SIGHUP, SIG_IGN);
    ks_interrupt_install();
    (void)raise(SIGHUP);
    _exit(5);
}

static void
write_to_nobody(void)
{
    int ends[2];

    ks_interrupt_install();
    if (pipe(ends) != 0 || close(ends[0]) != 0)
        _exit(1);
    _exit(write(ends[1], "x", 1) < 0 ? 6 : 2);
}

static void
a_signal_ends_the_process_at_once_or_is_noted(void **state)
{
    (void)state;
    assert_int_equal(exit_of(raise_once), 130);
    assert_int_equal(exit_of(raise_gently), 4);
    assert_int_equal(exit_of(raise_twice), 130);
}

static void
what_the_caller_ignores_stays_ignored(void **state)
{
    (void)state;
    assert_int_equal(exit_of(raise_ignored), 5);
}

static void
a_reader_that_went_away_is_a_failed_write(void **state)
{
    (void)state;
    assert_int_equal(exit_of(write_to_nobody), 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_ends_the_process_at_once_or_is_noted),
        cmocka_unit_test(what_the_caller_ignores_stays_ignored),
        cmocka_unit_test(a_reader_that_went_away_is_a_failed_write),
    };

    /* The tests may run where these are ignored. */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
