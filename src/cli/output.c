/*
 * output: lines of text, or one JSON envelope.
 */
#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/meter.h"
#include "cli/text_clean.h"

/* Colour only where a terminal shows it and NO_COLOR is not set. They go around
 * the cleaning of a line, in which an escape would become "?". */
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define PLAIN  "\033[0m"

void
ks_out_init(struct ks_out *out, struct ks_meter *meter)
{
    /* no-color.org: set and not empty, whatever it says */
    const char *no_color = getenv("NO_COLOR");
    bool color = no_color == NULL || no_color[0] == '\0';

    *out = (struct ks_out){
        .command = "",
        .color_out = color && isatty(STDOUT_FILENO),
        .color_err = color && isatty(STDERR_FILENO),
        .meter = meter,
    };
}

void
ks_out_wipe(struct ks_out *out)
{
    json_decref(out->data);
    json_decref(out->warnings);
    *out = (struct ks_out){0};
}

/* Take spaces off the end: the last column of a table may be empty. */
static void
trim_spaces(char *line)
{
    size_t len = strlen(line);

    while (len > 0 && line[len - 1] == ' ')
        line[--len] = '\0';
}

static void
put_line(struct ks_out *out, FILE *to, const char *mark, const char *fmt,
         va_list ap) __attribute__((format(printf, 4, 0)));

/* One line, cleaned; `mark` is ours and stays as it is. */
static void
put_line(struct ks_out *out, FILE *to, const char *mark, const char *fmt,
         va_list ap)
{
    char raw[KS_LINE_SIZE];
    char clean[KS_LINE_SIZE];

    if (out->meter != NULL)
        ks_meter_clear(out->meter);
    (void)vsnprintf(raw, sizeof(raw), fmt, ap);
    ks_text_clean(clean, sizeof(clean), raw);
    trim_spaces(clean);
    (void)fprintf(to, "%s%s\n", mark, clean);
    explicit_bzero(raw, sizeof(raw)); /* some lines show a recovery key */
    explicit_bzero(clean, sizeof(clean));
}

void
ks_answer(struct ks_out *out, const char *fmt, ...)
{
    va_list ap;

    if (out->json || out->quiet)
        return;
    va_start(ap, fmt);
    put_line(out, stdout, "", fmt, ap);
    va_end(ap);
}

void
ks_answer_done(struct ks_out *out, const char *fmt, ...)
{
    const char *mark = out->color_out ? GREEN "✓" PLAIN " " : "✓ ";
    va_list ap;

    if (out->json || out->quiet)
        return;
    va_start(ap, fmt);
    put_line(out, stdout, mark, fmt, ap);
    va_end(ap);
}

void
ks_answer_always(struct ks_out *out, const char *fmt, ...)
{
    va_list ap;

    if (out->json)
        return;
    va_start(ap, fmt);
    put_line(out, stdout, "", fmt, ap);
    va_end(ap);
}

void
ks_talk(struct ks_out *out, const char *fmt, ...)
{
    va_list ap;

    if (out->json || out->quiet)
        return;
    va_start(ap, fmt);
    put_line(out, stderr, "", fmt, ap);
    va_end(ap);
}

/* Put a warning into the envelope. Out of memory loses the warning, not the
 * answer: the work it is about is done. */
static void
note_warning(struct ks_out *out, const char *code, uint64_t count,
             const char *message)
{
    json_t *entry =
        json_pack("{s:s, s:o, s:o}", "code", code, "message",
                  ks_json_text(message), "count", ks_json_u64(count));

    if (out->warnings == NULL)
        out->warnings = json_array();
    (void)json_array_append_new(out->warnings, entry);
}

/* A warning is said in spite of --quiet: something is wrong. */
static void
put_warning(struct ks_out *out, const char *message)
{
    if (out->meter != NULL)
        ks_meter_clear(out->meter);
    (void)fprintf(stderr, "keepsay: %swarning:%s %s\n",
                  out->color_err ? YELLOW : "", out->color_err ? PLAIN : "",
                  message);
}

void
ks_warn(struct ks_out *out, const char *code, uint64_t count, const char *fmt,
        ...)
{
    char raw[KS_LINE_SIZE];
    char clean[KS_LINE_SIZE];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    ks_text_clean(clean, sizeof(clean), raw);
    if (out->json)
        note_warning(out, code, count, clean);
    else
        put_warning(out, clean);
}

void
ks_hint(struct ks_out *out, const char *fmt, ...)
{
    /* Formatted apart and cleaned into its place: a hint may name a file. */
    char raw[sizeof(out->hint)];
    va_list ap;

    if (out->hint[0] != '\0')
        return;
    va_start(ap, fmt);
    (void)vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    ks_text_clean(out->hint, sizeof(out->hint), raw);
}

json_t *
ks_json_text(const char *text)
{
    /* No character grows when it is cleaned, so its own size does. */
    size_t size = strlen(text) + 1;
    char *clean = malloc(size);
    json_t *value = NULL;

    if (clean != NULL) {
        ks_text_clean(clean, size, text);
        value = json_string(clean);
        free(clean);
    }
    return value;
}

json_t *
ks_json_hex(const void *data, size_t len)
{
    /* two digits for each of 32 bytes, and the NUL */
    char hex[65];

    assert(len <= 32);
    ks_hex_encode(hex, data, len);
    return json_string(hex);
}

json_t *
ks_json_u64(uint64_t n)
{
    /* JSON numbers beyond are not read alike by all programs. */
    return json_integer(n <= INT64_MAX ? (json_int_t)n : INT64_MAX);
}

void
ks_out_set(struct ks_out *out, const char *key, json_t *value)
{
    /* Callers set data in any case, so that words and JSON are filled from the
     * same lines; without --json nobody sees it. */
    if (!out->json) {
        json_decref(value);
        return;
    }
    if (out->data == NULL)
        out->data = json_object();
    (void)json_object_set_new(out->data, key, value);
}

/* The envelope's "error". */
static json_t *
error_object(const struct ks_out *out, const struct ks_err *err, int exit_code)
{
    return json_pack(
        "{s:s, s:i, s:o, s:o}", "code", ks_code_name(err->code), "exit",
        exit_code, "message", ks_json_text(err->msg), "hint",
        out->hint[0] != '\0' ? ks_json_text(out->hint) : json_null());
}

/* Print the envelope; takes what it is made of. data and warnings may be NULL
 * (null, []). After a failure data may be there all the same: what `verify`
 * found is the answer, though the vault is damaged. */
static void
put_envelope(struct ks_out *out, const struct ks_err *err, int exit_code)
{
    bool ok = err->code == KS_OK;
    json_t *error = ok ? json_null() : error_object(out, err, exit_code);
    json_t *data = out->data != NULL ? out->data : json_null();
    json_t *warnings = out->warnings != NULL ? out->warnings : json_array();
    json_t *envelope =
        json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "schema", "keepsay/1",
                  "command", out->command, "ok", ok ? 1 : 0, "data", data,
                  "warnings", warnings, "error", error);

    /* both were given to json_pack() */
    out->data = NULL;
    out->warnings = NULL;
    /* A program that waits for JSON gets JSON, even if there is no memory to
     * make any. */
    if (envelope == NULL ||
        json_dumpf(envelope, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) !=
            0)
        (void)fputs("{\"schema\": \"keepsay/1\", \"command\": \"\", "
                    "\"ok\": false, \"data\": null, \"warnings\": [], "
                    "\"error\": {\"code\": \"NOMEM\", \"exit\": 1, "
                    "\"message\": \"no memory for an answer\", "
                    "\"hint\": null}}",
                    stdout);
    (void)fputc('\n', stdout);
    json_decref(envelope);
}

/* The failure, and what to do about it on a line of its own. */
static void
put_error(const struct ks_out *out, const struct ks_err *err)
{
    char clean[sizeof(err->msg)];

    ks_text_clean(clean, sizeof(clean), err->msg);
    (void)fprintf(stderr, "keepsay: %s%s%s\n", out->color_err ? RED : "", clean,
                  out->color_err ? PLAIN : "");
    if (out->hint[0] != '\0')
        (void)fprintf(stderr, "  What to do: %s\n", out->hint);
}

int
ks_out_finish(struct ks_out *out, int rc, const struct ks_err *err)
{
    int exit_code = rc == KS_OK ? out->exit : ks_exit_of(rc);

    assert(rc <= KS_OK && (rc == KS_OK || err->code == rc));

    if (out->meter != NULL)
        ks_meter_clear(out->meter);
    /* Last, because the first hint counts: whoever was nearer to the failure
     * has said more. */
    if (rc != KS_OK && ks_usual_hint(rc, err->sys) != NULL)
        ks_hint(out, "%s", ks_usual_hint(rc, err->sys));
    if (out->json)
        put_envelope(out, err, exit_code);
    else if (rc != KS_OK)
        put_error(out, err);
    /* What was asked for and did not arrive is a failure (exit 1): a list that
     * was cut short on a full disk must not look whole. A reader that had
     * enough (`keepsay list | head`) needs no words about it. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            (void)fputs("keepsay: the answer could not be written\n", stderr);
        return exit_code == KS_EXIT_OK ? KS_EXIT_FAILED : exit_code;
    }
    return exit_code;
}
