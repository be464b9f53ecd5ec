/*
 * clock: the two clocks of the system, and a time as text.
 */
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define MS_PER_S 1000

int64_t
ks_now_ms(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);

    assert(rc == 0); /* it fails only for a clock that does not exist */
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / 1000000;
}

double
ks_monotonic_s(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);

    assert(rc == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void
ks_time_text(int64_t ms, char *out)
{
    time_t s = ms / MS_PER_S;
    const struct tm *made;
    struct tm tm;
    int n;

    if (ms % MS_PER_S < 0)
        s--; /* down, also before 1970 */

    /* Years of 64-bit milliseconds have at most nine digits and a sign, so
     * neither the conversion nor the text can overflow. */
    made = gmtime_r(&s, &tm);
    assert(made != NULL);
    n = snprintf(out, KS_TIME_TEXT_SIZE, "%04ld-%02d-%02dT%02d:%02d:%02dZ",
                 1900L + tm.tm_year, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
    assert(n > 0 && (size_t)n < KS_TIME_TEXT_SIZE);
}
