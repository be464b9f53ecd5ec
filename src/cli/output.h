#ifndef KS_CLI_OUTPUT_H
#define KS_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ks_meter;

/*
 * output: everything that keepsay says.
 *
 * Floor 6. The answer goes to stdout, talk (progress, questions, warnings,
 * errors) to stderr. With --json the answer is one envelope on stdout and
 * nothing else is said:
 *
 *     {"schema": "keepsay/1", "command": "...", "ok": true, "data": {...},
 *      "warnings": [{"code", "message", "count"}], "error": null}
 *
 * doc/schema/ has the schemas. Everything that is formatted here passes
 * through ks_text_clean(): file names and labels are anybody's bytes.
 */
struct ks_out {
    const char *command; /* as people call it */
    bool json;
    bool quiet;
    bool color_out;
    bool color_err;
    unsigned verbose;
    struct ks_meter *meter; /* its line is cleared before anything is said */
    json_t *data;           /* the envelope's; owned */
    json_t *warnings;       /* an array; owned */
    char hint[400];         /* what to do about a failure; "" none */
    int exit;               /* answered instead of 0 when all went well */
};

#define KS_LINE_SIZE ((size_t)2048) /* a longer line is cut */

/* Look at the terminal and the environment (NO_COLOR). `meter` is borrowed and
 * may be NULL; json, quiet and verbose are set when the flags are known. */
void ks_out_init(struct ks_out *out, struct ks_meter *meter);
/* Free the envelope's parts; *out is as if never set up. */
void ks_out_wipe(struct ks_out *out);

/* A line of the answer, without its line end; spaces at its end are taken off.
 * Not with --json, nor with --quiet. What fails to be written is noticed by
 * ks_out_finish(), here and below. */
void ks_answer(struct ks_out *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with a green tick before it. */
void ks_answer_done(struct ks_out *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, though --quiet was given: what was asked for in so many words, such
 * as help, findings, or a key. */
void ks_answer_always(struct ks_out *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A line of talk. Not with --json, nor with --quiet. */
void ks_talk(struct ks_out *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A warning, on stderr or in the envelope: a stable code, how many, words. Said
 * in spite of --quiet, and changes no exit code. */
void ks_warn(struct ks_out *out, const char *code, uint64_t count,
             const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* What to do about the failure that is about to be answered; the first call
 * counts, so the place that knows most must come first. Not said when all goes
 * well. */
void ks_hint(struct ks_out *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string of any bytes, made clean; NULL if out of memory. As all json_t
 * here it is the caller's to give away. */
json_t *ks_json_text(const char *text);
/* A JSON string of data[0..len) in hex, len <= 32. */
json_t *ks_json_hex(const void *data, size_t len);
/* A JSON number; beyond 2^63 - 1 it stays there, for JSON readers differ on
 * larger ones. */
json_t *ks_json_u64(uint64_t n);

/* Set a member of the envelope's data. Takes the value; NULL (out of memory)
 * is noticed at the end. */
void ks_out_set(struct ks_out *out, const char *key, json_t *value);

/*
 * Say how it went: the error and its hint, or the envelope. `rc` is what the
 * command answered, and err->code the same unless it is KS_OK. Returns the exit
 * code of the process: out->exit after KS_OK; 1 also if the answer could not be
 * written and nothing else failed. Once, at the end.
 */
int ks_out_finish(struct ks_out *out, int rc, const struct ks_err *err);

#endif /* KS_CLI_OUTPUT_H */
