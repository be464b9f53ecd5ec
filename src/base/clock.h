#ifndef KS_BASE_CLOCK_H
#define KS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * clock: what time it is. Floor 0.
 */

/* Milliseconds since 1970-01-01T00:00Z. Nothing that must be safe relies on
 * it: clocks go wrong. */
int64_t ks_now_ms(void);

/* Seconds of a clock that only rises, for rates and time left. */
double ks_monotonic_s(void);

#define KS_TIME_TEXT_SIZE ((size_t)32)

/* "2026-11-21T03:35:59Z" into out[0..KS_TIME_TEXT_SIZE), UTC. */
void ks_time_text(int64_t ms, char *out);

#endif /* KS_BASE_CLOCK_H */
