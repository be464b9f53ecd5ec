/*
 * base/clock: times as text, and clocks that are there.
 */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "check.h"

static void
a_time_is_written_in_utc_to_the_second(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00Z"},
        {999, "1970-01-01T00:00:00Z"},
        {1000, "1970-01-01T00:00:01Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {-1000, "1969-12-31T23:59:59Z"},
        {-1001, "1969-12-31T23:59:58Z"},
        {951782400000, "2000-02-29T00:00:00Z"},
        {1795232159000, "2026-11-21T03:35:59Z"},
        {253402300799999, "9999-12-31T23:59:59Z"},
        {253402300800000, "10000-01-01T00:00:00Z"},
        {INT64_MAX, "292278994-08-17T07:12:55Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char out[KS_TIME_TEXT_SIZE];

        memset(out, 'x', sizeof(out));
        ks_time_text(table[i].ms, out);
        assert_string_equal(out, table[i].text);
    }
}

static void
now_is_what_the_system_says(void **state)
{
    time_t before = time(NULL);
    int64_t now = ks_now_ms();
    time_t after = time(NULL);

    (void)state;
    /* time() may lag behind by a tick of the kernel's clock */
    assert_true(now >= (int64_t)(before - 1) * 1000);
    assert_true(now <= (int64_t)(after + 2) * 1000);
}

static void
the_monotonic_clock_never_falls(void **state)
{
    double last = ks_monotonic_s();

    (void)state;
    assert_true(last >= 0);
    for (int i = 0; i < 1000; i++) {
        double now = ks_monotonic_s();

        assert_true(now >= last);
        last = now;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_written_in_utc_to_the_second),
        cmocka_unit_test(now_is_what_the_system_says),
        cmocka_unit_test(the_monotonic_clock_never_falls),
    };

    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
