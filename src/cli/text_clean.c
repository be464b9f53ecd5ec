/*
 * text_clean: UTF-8 read strictly (RFC 3629), one character at a time.
 */
#include "cli/text_clean.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* One character as it was read. */
struct text_char {
    uint32_t code;
    size_t len; /* bytes; 0: no UTF-8 here */
};

/* What a first byte says: how many bytes, and the bits it brings. 0xc0, 0xc1
 * and 0xf5 on can only begin what RFC 3629 forbids. */
static struct text_char
lead_of(uint8_t b)
{
    if (b < 0x80)
        return (struct text_char){b, 1};
    if (b >= 0xc2 && b <= 0xdf)
        return (struct text_char){b & 0x1fU, 2};
    if (b >= 0xe0 && b <= 0xef)
        return (struct text_char){b & 0x0fU, 3};
    if (b >= 0xf0 && b <= 0xf4)
        return (struct text_char){b & 0x07U, 4};
    return (struct text_char){0, 0};
}

/* The character at text, which has at least one byte before its NUL. */
static struct text_char
char_at(const char *text)
{
    /* The least code that needs so many bytes: a longer form of a smaller one
     * is a way to smuggle a control character past a filter. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    struct text_char c = lead_of((uint8_t)text[0]);

    for (size_t i = 1; i < c.len; i++) {
        uint8_t b = (uint8_t)text[i];

        if ((b & 0xc0) != 0x80) /* a NUL too, so we never read beyond it */
            return (struct text_char){0, 0};
        c.code = c.code << 6 | (b & 0x3fU);
    }
    if (c.len > 0 && (c.code < least[c.len] || c.code > 0x10ffff ||
                      (c.code >= 0xd800 && c.code <= 0xdfff)))
        return (struct text_char){0, 0};
    return c;
}

/* C0, DEL and C1: what a terminal obeys. */
static bool
is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* Marks that change the direction of what follows (embeddings, overrides,
 * isolates), and line separators. The plain marks U+200E and U+200F change
 * nothing but their neighbours and belong to honest names. */
static bool
is_direction_mark(uint32_t code)
{
    return (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x2028 ||
           code == 0x2029;
}

void
ks_text_clean(char *out, size_t cap, const char *text)
{
    size_t used = 0;

    assert(cap >= 1);

    while (*text != '\0') {
        struct text_char c = char_at(text);
        bool fine =
            c.len > 0 && !is_control(c.code) && !is_direction_mark(c.code);
        /* A "?" for each stray byte, or for each unwelcome character. */
        size_t len = fine ? c.len : 1;

        /* The NUL needs a byte, and no character is cut in two. */
        if (used + len >= cap)
            break;
        if (fine)
            memcpy(out + used, text, len);
        else
            out[used] = '?';
        used += len;
        text += c.len > 0 ? c.len : 1;
    }
    out[used] = '\0';
}

bool
ks_text_ok(const char *text)
{
    while (*text != '\0') {
        struct text_char c = char_at(text);

        /* Direction marks may stay in a label that a user wrote; they are taken
         * out wherever it is shown. */
        if (c.len == 0 || is_control(c.code))
            return false;
        text += c.len;
    }
    return true;
}
