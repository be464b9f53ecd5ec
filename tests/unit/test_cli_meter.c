#include <math.h>
#include <string.h>

#include "check.h"
#include "cli/interrupt.h"
#include "cli/meter.h"

#define MIB ((uint64_t)1 << 20)

static void
line_is(const char *phase, uint64_t done, uint64_t total, double seconds,
        const char *want)
{
    struct ks_meter_state state = {phase, done, total, seconds};
    char line[KS_METER_LINE_SIZE];

    ks_meter_line(line, &state);
    assert_string_equal(line, want);
}

static void
the_line_says_what_is_known(void **state)
{
    (void)state;
    line_is("read", 0, 0, 0, "  reading");
    line_is("read", 10 * MIB, 0, 0.1, "  reading  10.0 MiB");
    line_is("read", 0, 100 * MIB, 1, "  reading  0 B of 100.0 MiB  0 %");
    line_is("read", 25 * MIB, 100 * MIB, 0.1,
            "  reading  25.0 MiB of 100.0 MiB  25 %");
    line_is("read", 25 * MIB, 100 * MIB, 1,
            "  reading  25.0 MiB of 100.0 MiB  25 %  25.0 MiB/s  0:03 left");
    line_is("copy", 100 * MIB, 100 * MIB, 4,
            "  copying  100.0 MiB of 100.0 MiB  100 %  25.0 MiB/s");
    line_is("finish", 0, 0, 5, "  finishing");
}

static void
odd_numbers_do_no_harm(void **state)
{
    (void)state;
    line_is("strange", 5, 0, 0, "  strange  5 B");
    line_is("read", 2 * MIB, MIB, 1,
            "  reading  2.0 MiB of 1.0 MiB  100 %  2.0 MiB/s");
    line_is("read", 1, UINT64_MAX, 10,
            "  reading  1 B of 16.0 EiB  0 %  0 B/s");
}

static void
durations_are_read_like_a_clock(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "0:00"},       {0.9, "0:00"},        {59.9, "0:59"},
        {60, "1:00"},      {754, "12:34"},       {3599, "59:59"},
        {3600, "1:00:00"}, {359999, "99:59:59"}, {360000, "0:00"},
        {-5, "0:00"},      {1e300, "0:00"},
    };
    char text[KS_DURATION_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ks_duration_text(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
    ks_duration_text((double)NAN, text);
    assert_string_equal(text, "0:00");
}

static void
a_long_phase_fits(void **state)
{
    char phase[400];
    struct ks_meter_state s = {phase, MIB, 2 * MIB, 1};
    char line[KS_METER_LINE_SIZE];

    (void)state;
    memset(phase, 'p', sizeof(phase) - 1);
    phase[sizeof(phase) - 1] = '\0';
    ks_meter_line(line, &s);
    assert_int_equal(strlen(line), KS_METER_LINE_SIZE - 1);
}

static void
a_meter_that_is_not_shown_lets_work_go_on(void **state)
{
    struct ks_meter meter = {0};
    struct ks_progress progress = ks_meter_progress(&meter);
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_progress_step(&progress, "read", 1, 2, &err), KS_OK);
    assert_false(meter.drawn);
    ks_meter_clear(&meter);
    assert_false(ks_interrupted());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_says_what_is_known),
        cmocka_unit_test(odd_numbers_do_no_harm),
        cmocka_unit_test(durations_are_read_like_a_clock),
        cmocka_unit_test(a_long_phase_fits),
        cmocka_unit_test(a_meter_that_is_not_shown_lets_work_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
