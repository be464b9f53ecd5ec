/*
 * err: recording a failure, once, and where we were when it happened.
 *
 * A message may quote a file name, and a file name may be any bytes, so each
 * message is made harmless before it is kept: control characters and bytes
 * that are not UTF-8 become '?', and a message that is too long loses its
 * tail between characters, never its head.
 */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence that b begins, 0 if b begins none. */
static size_t
utf8_length(uint8_t b)
{
    if (b < 0x80)
        return 1;
    if (b >= 0xc2 && b <= 0xdf)
        return 2;
    if (b >= 0xe0 && b <= 0xef)
        return 3;
    if (b >= 0xf0 && b <= 0xf4)
        return 4;
    return 0;
}

/*
 * The length of the character at s[0..left), or 0 if it must not be shown: a
 * control character (C1 included), or no UTF-8. RFC 3629, section 4.
 */
static size_t
printable_length(const uint8_t *s, size_t left)
{
    size_t len = utf8_length(s[0]);

    if (len == 0 || len > left || s[0] < 0x20 || s[0] == 0x7f)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xc2 && s[1] < 0xa0) ||  /* C1 controls */
        (s[0] == 0xe0 && s[1] < 0xa0) ||  /* overlong */
        (s[0] == 0xed && s[1] >= 0xa0) || /* surrogates */
        (s[0] == 0xf0 && s[1] < 0x90) ||  /* overlong */
        (s[0] == 0xf4 && s[1] >= 0x90))   /* beyond U+10FFFF */
        return 0;
    return len;
}

/* Make msg[0..cap) fit to be shown. */
static void
make_harmless(char *msg, size_t cap)
{
    size_t len = strnlen(msg, cap);
    bool cut = len + 1 == cap; /* it filled the room: maybe not all of it */
    size_t at = 0;

    assert(len < cap);

    while (at < len) {
        uint8_t ahead[4] = {0};
        size_t left = len - at;
        size_t n;

        memcpy(ahead, msg + at, left < sizeof(ahead) ? left : sizeof(ahead));
        n = printable_length(ahead, left);
        if (n == 0 && cut && left < utf8_length(ahead[0])) {
            msg[at] = '\0'; /* half a character at the cut */
            return;
        }
        if (n == 0)
            msg[at] = '?';
        at += n > 0 ? n : 1;
    }
}

/* Append ": " and text to a message, as much as fits. */
static void
append_text(struct ks_err *err, const char *text)
{
    size_t used = strlen(err->msg);

    (void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", text);
}

static void
record_failure(struct ks_err *err, int code, int sys, const char *fmt,
               va_list ap) __attribute__((format(printf, 4, 0)));

/* Fill *err for the first time. */
static void
record_failure(struct ks_err *err, int code, int sys, const char *fmt,
               va_list ap)
{
    char text[128];

    assert(code < 0);
    assert(err->code == KS_OK); /* two failures need two structs */

    err->code = code;
    err->sys = sys;
    err->retry = sys == EAGAIN || sys == EINTR || sys == EBUSY ||
                 sys == EMFILE || sys == ENFILE;
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    if (sys != 0)
        append_text(err, strerror_r(sys, text, sizeof(text)));
    make_harmless(err->msg, sizeof(err->msg));
}

int
ks_fail(struct ks_err *err, int code, int sys, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    record_failure(err, code, sys, fmt, ap);
    va_end(ap);
    return code;
}

/* The code that tells a caller what it can do about an errno. */
static int
code_of_errno(int sys)
{
    switch (sys) {
    case ENOENT:
    case ENOTDIR:
        return KS_E_NOTFOUND;
    case EEXIST:
        return KS_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return KS_E_FULL;
    case ENOMEM:
        return KS_E_NOMEM;
    default:
        return KS_E_IO;
    }
}

int
ks_fail_sys(struct ks_err *err, int sys, const char *fmt, ...)
{
    int code = code_of_errno(sys);
    va_list ap;

    assert(sys != 0);

    va_start(ap, fmt);
    record_failure(err, code, sys, fmt, ap);
    va_end(ap);
    return code;
}

int
ks_context(struct ks_err *err, const char *fmt, ...)
{
    char inner[sizeof(err->msg)];
    va_list ap;

    assert(err->code < 0);

    /* What happened moves behind where it happened. */
    memcpy(inner, err->msg, sizeof(inner));
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    append_text(err, inner);
    make_harmless(err->msg, sizeof(err->msg));
    return err->code;
}

const char *
ks_code_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {KS_OK, "OK"},
        {KS_END, "END"},
        {KS_E_NOMEM, "NOMEM"},
        {KS_E_IO, "IO"},
        {KS_E_NOTFOUND, "NOTFOUND"},
        {KS_E_EXISTS, "EXISTS"},
        {KS_E_FORMAT, "FORMAT"},
        {KS_E_CORRUPT, "CORRUPT"},
        {KS_E_LIMIT, "LIMIT"},
        {KS_E_UNSUPPORTED, "UNSUPPORTED"},
        {KS_E_WRONG_KEY, "WRONG_KEY"},
        {KS_E_WRONG_SOURCE_KEY, "WRONG_SOURCE_KEY"},
        {KS_E_INCOMPLETE, "INCOMPLETE"},
        {KS_E_FULL, "FULL"},
        {KS_E_BUSY, "BUSY"},
        {KS_E_CANCELLED, "CANCELLED"},
        {KS_E_USAGE, "USAGE"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].code == code)
            return names[i].name;
    }
    return "UNKNOWN";
}
