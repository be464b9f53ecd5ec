/*
 * meter: what a step of progress becomes on a terminal.
 */
#include "cli/meter.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/interrupt.h"

/* Seconds. Steps come many thousand times a second; a terminal, perhaps one
 * behind a slow network, must not be what the work waits for. */
#define DRAW_EVERY_S 0.1
#define RATE_AFTER_S 0.5 /* before that a rate is a guess */
/* to the left edge, and clear */
#define ERASE_LINE "\r\033[K"

/* What a phase is called on the screen. */
static const char *
phase_words(const char *phase)
{
    static const struct {
        const char *phase;
        const char *words;
    } known[] = {
        {"read", "reading"},    {"write", "writing"},  {"verify", "verifying"},
        {"copy", "copying"},    {"begin", "starting"}, {"finish", "finishing"},
        {"restore", "writing"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].phase, phase) == 0)
            return known[i].words;
    }
    /* A job may name a phase that is not in the table: better that word than
     * none. */
    return phase;
}

void
ks_duration_text(double seconds, char *out)
{
    unsigned long s = 0;

    /* Beyond a hundred hours, and for what is no number, 0:00: the conversion
     * would not be defined, and nobody believes it. */
    if (seconds > 0.0 && seconds < 360000.0)
        s = (unsigned long)seconds;
    if (s >= 3600)
        (void)snprintf(out, KS_DURATION_SIZE, "%lu:%02lu:%02lu", s / 3600,
                       s / 60 % 60, s % 60);
    else
        (void)snprintf(out, KS_DURATION_SIZE, "%lu:%02lu", s / 60, s % 60);
}

/* Append as much as fits. */
static void
append_to_line(char *line, const char *text)
{
    size_t used = strlen(line);

    (void)snprintf(line + used, KS_METER_LINE_SIZE - used, "%s", text);
}

/* Bytes a second since the phase began, and the time left at that rate: an
 * average, so that it does not jump about. */
static void
append_rate(char *line, const struct ks_meter_state *state)
{
    double rate = (double)state->done / state->seconds;
    char size[KS_SIZE_TEXT_SIZE];
    char left[KS_DURATION_SIZE];
    char text[64];

    ks_size_text((uint64_t)rate, size);
    (void)snprintf(text, sizeof(text), "  %s/s", size);
    append_to_line(line, text);
    /* The total is a guess where a fresh file is made: it is the old one's
     * length. No time left is better than a negative one. */
    if (state->total <= state->done || rate < 1.0)
        return;
    ks_duration_text((double)(state->total - state->done) / rate, left);
    (void)snprintf(text, sizeof(text), "  %s left", left);
    append_to_line(line, text);
}

void
ks_meter_line(char *out, const struct ks_meter_state *state)
{
    char done[KS_SIZE_TEXT_SIZE];
    char total[KS_SIZE_TEXT_SIZE];
    char text[96];

    (void)snprintf(out, KS_METER_LINE_SIZE, "  %s", phase_words(state->phase));
    /* A phase without bytes to count ("finishing"): its name is all. */
    if (state->done == 0 && state->total == 0)
        return;
    ks_size_text(state->done, done);
    (void)snprintf(text, sizeof(text), "  %s", done);
    append_to_line(out, text);
    if (state->total > 0) {
        double share = (double)state->done / (double)state->total;

        ks_size_text(state->total, total);
        (void)snprintf(text, sizeof(text), " of %s  %u %%", total,
                       share < 1.0 ? (unsigned)(100.0 * share) : 100U);
        append_to_line(out, text);
    }
    if (state->seconds >= RATE_AFTER_S && state->done > 0)
        append_rate(out, state);
}

/* How wide the line may be. */
static size_t
terminal_columns(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* Draw the line, cut to the terminal so that it never wraps. */
static void
draw_meter(struct ks_meter *m, uint64_t done, uint64_t total, double now)
{
    struct ks_meter_state state = {.phase = m->phase,
                                   .done = done,
                                   .total = total,
                                   .seconds = now - m->phase_s};
    size_t columns = terminal_columns();
    char line[KS_METER_LINE_SIZE];

    ks_meter_line(line, &state);
    /* ASCII only, so a cut cannot split a character. */
    if (columns <= sizeof(line))
        line[columns - 1] = '\0';
    (void)fprintf(stderr, ERASE_LINE "%s", line);
    (void)fflush(stderr);
    m->drawn = true;
    m->drawn_s = now;
}

/* A step of progress: first see whether to stop, then draw if it is time.
 * This is called for every 64 KiB, so it must cost next to nothing. */
static int
meter_step(void *user, const char *phase, uint64_t done, uint64_t total)
{
    struct ks_meter *m = user;
    double now;

    if (ks_interrupted())
        return 1;
    if (!m->shown)
        return 0;
    now = ks_monotonic_s();
    /* Rate and time left are those of the phase, not of the whole run: reading
     * and writing differ too much. */
    if (strncmp(m->phase, phase, sizeof(m->phase) - 1) != 0) {
        (void)snprintf(m->phase, sizeof(m->phase), "%s", phase);
        m->phase_s = now;
    }
    if (now - m->drawn_s >= DRAW_EVERY_S)
        draw_meter(m, done, total, now);
    return 0;
}

struct ks_progress
ks_meter_progress(struct ks_meter *meter)
{
    return (struct ks_progress){.step = meter_step, .user = meter};
}

void
ks_meter_clear(struct ks_meter *meter)
{
    if (!meter->drawn)
        return;
    (void)fputs(ERASE_LINE, stderr);
    (void)fflush(stderr);
    meter->drawn = false;
}
