/*
 * text: digits, by hand, because the C library's parsers take spaces, signs
 * and locales that nobody meant.
 */
#include "base/text.h"

#include <assert.h>
#include <stdio.h>

void
ks_hex_encode(char *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 0x0f];
    }
    out[2 * len] = '\0';
}

/* The value of a hex digit, or -1. */
static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool
ks_hex_decode(void *out, size_t len, const char *text)
{
    uint8_t *p = out;

    /* All of it must be right before any of it is written. A NUL that comes
     * early is no digit, so this never reads beyond it. */
    for (size_t i = 0; i < len; i++) {
        if (hex_value(text[2 * i]) < 0 || hex_value(text[2 * i + 1]) < 0)
            return false;
    }
    if (text[2 * len] != '\0')
        return false;
    for (size_t i = 0; i < len; i++) {
        p[i] =
            (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    }
    return true;
}

/* Read digits at *text, at least one, and move past them. */
static bool
take_digits(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t v = 0;

    /* However many digits there are, the first that overflows ends it. */
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*at - '0'), &v))
            return false;
    }
    if (at == *text)
        return false;
    *text = at;
    *out = v;
    return true;
}

bool
ks_parse_u64(const char *text, uint64_t *out)
{
    uint64_t v;

    if (!take_digits(&text, &v) || *text != '\0')
        return false;
    *out = v;
    return true;
}

/* The exponent of two of a unit's letter, or 0. */
static unsigned
unit_shift(char letter)
{
    switch (letter) {
    case 'K':
    case 'k':
        return 10;
    case 'M':
    case 'm':
        return 20;
    case 'G':
    case 'g':
        return 30;
    case 'T':
    case 't':
        return 40;
    default:
        return 0;
    }
}

bool
ks_parse_size(const char *text, uint64_t *bytes)
{
    unsigned shift;
    uint64_t v;

    if (!take_digits(&text, &v))
        return false;
    /* A letter may stand alone or with "iB"; "iB" or "B" alone may not. */
    shift = unit_shift(*text);
    if (shift > 0) {
        text++;
        if (text[0] == 'i' && text[1] == 'B')
            text += 2;
    }
    if (*text != '\0' || v > UINT64_MAX >> shift)
        return false;
    *bytes = v << shift;
    return true;
}

void
ks_size_text(uint64_t bytes, char *out)
{
    static const char letters[] = "KMGTPE";
    size_t i = 0;
    uint64_t tenths = 0;
    int n;

    if (bytes < 1024) {
        n = snprintf(out, KS_SIZE_TEXT_SIZE, "%u B", (unsigned)bytes);
        assert(n > 0 && (size_t)n < KS_SIZE_TEXT_SIZE);
        return;
    }
    /* Rounded to a tenth; the unit is chosen after rounding, so that there is
     * no "1024.0 KiB". Whole and rest apart, so that nothing overflows. */
    for (; i < sizeof(letters) - 1; i++) {
        uint64_t unit = (uint64_t)1 << (10 * (i + 1));

        tenths = bytes / unit * 10 + (bytes % unit * 10 + unit / 2) / unit;
        if (tenths < 10240 || i == sizeof(letters) - 2)
            break;
    }
    n = snprintf(out, KS_SIZE_TEXT_SIZE, "%u.%u %ciB", (unsigned)(tenths / 10),
                 (unsigned)(tenths % 10), letters[i]);
    assert(n > 0 && (size_t)n < KS_SIZE_TEXT_SIZE);
}
