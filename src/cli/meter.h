#ifndef KS_CLI_METER_H
#define KS_CLI_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"

/*
 * meter: the one line that is drawn again and again while something long goes
 * on, and the place where Ctrl-C is noticed.
 *
 * Floor 6. On a terminal's stderr only, at most ten times a second. Zeroed, it
 * draws nothing; `shown` is set once the flags are known. One thread.
 */
struct ks_meter {
    bool shown; /* whether to draw at all */
    bool drawn; /* a line stands on the terminal now */
    char phase[32];
    double phase_s; /* when this phase began, by ks_monotonic_s() */
    double drawn_s; /* when the line was last drawn */
};

/* A progress to hand to a job: draws with `meter`, answers for Ctrl-C. Borrows
 * the meter, which must outlive it. */
struct ks_progress ks_meter_progress(struct ks_meter *meter);

/* Take the line away, so that something else can be written. Without a line
 * nothing happens; the next step draws it again. */
void ks_meter_clear(struct ks_meter *meter);

#define KS_METER_LINE_SIZE ((size_t)160)

/*
 * The line's text into out[0..KS_METER_LINE_SIZE): phase, done of total, per
 * cent, bytes a second, time left; seconds since the phase began. Without a
 * total (0) only what is known.
 */
struct ks_meter_state {
    const char *phase;
    uint64_t done;
    uint64_t total;
    double seconds;
};
void ks_meter_line(char *out, const struct ks_meter_state *state);

/* "0:07", "12:34", "1:02:03" into out[0..KS_DURATION_SIZE). */
#define KS_DURATION_SIZE ((size_t)24)
void ks_duration_text(double seconds, char *out);

#endif /* KS_CLI_METER_H */
