/*
 * cursor: getters that look before they move.
 *
 * Every getter ends in take_next(), the one place that compares what is asked
 * for with what is left. Getters of more than one step work on a copy and put
 * it back only when all steps succeeded.
 *
 * A varint is base 128, least significant group first; bit 7 of a byte says
 * that another follows (Protocol Buffers, "Encoding", base 128 varints):
 *
 *     0..127        0xxxxxxx
 *     128..16383    1xxxxxxx 0xxxxxxx
 *     ...           up to ten bytes, of which the tenth is 0 or 1
 */
#include "base/cursor.h"

#include <assert.h>
#include <string.h>

/* Borrow the next len bytes and move past them. */
static bool
take_next(struct ks_cursor *c, size_t len, const uint8_t **out)
{
    assert(c->ptr != NULL || c->left == 0);

    if (len > c->left)
        return false;
    *out = c->ptr;
    if (len > 0)
        c->ptr += len;
    c->left -= len;
    return true;
}

bool
ks_cursor_u8(struct ks_cursor *c, uint8_t *out)
{
    const uint8_t *p;

    if (!take_next(c, 1, &p))
        return false;
    *out = p[0];
    return true;
}

bool
ks_cursor_u16le(struct ks_cursor *c, uint16_t *out)
{
    const uint8_t *p;

    if (!take_next(c, 2, &p))
        return false;
    *out = ks_get_u16le(p);
    return true;
}

bool
ks_cursor_u32le(struct ks_cursor *c, uint32_t *out)
{
    const uint8_t *p;

    if (!take_next(c, 4, &p))
        return false;
    *out = ks_get_u32le(p);
    return true;
}

bool
ks_cursor_u64le(struct ks_cursor *c, uint64_t *out)
{
    const uint8_t *p;

    if (!take_next(c, 8, &p))
        return false;
    *out = ks_get_u64le(p);
    return true;
}

bool
ks_cursor_varint(struct ks_cursor *c, uint64_t *out)
{
    struct ks_cursor ahead = *c;
    uint64_t v = 0;

    for (unsigned i = 0; i < KS_VARINT_MAX; i++) {
        uint8_t b;

        if (!ks_cursor_u8(&ahead, &b))
            return false;
        if (i == KS_VARINT_MAX - 1 && b > 1)
            return false; /* bits beyond the 64th, or an eleventh byte */
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if ((b & 0x80) == 0) {
            *c = ahead;
            *out = v;
            return true;
        }
    }
    return false;
}

bool
ks_cursor_bytes(struct ks_cursor *c, size_t len, struct ks_bytes *out)
{
    const uint8_t *p;

    if (!take_next(c, len, &p))
        return false;
    *out = (struct ks_bytes){.ptr = p, .len = len};
    return true;
}

bool
ks_cursor_copy(struct ks_cursor *c, void *out, size_t len)
{
    const uint8_t *p;

    if (!take_next(c, len, &p))
        return false;
    if (len > 0)
        memcpy(out, p, len);
    return true;
}

bool
ks_cursor_prefixed(struct ks_cursor *c, size_t max, struct ks_bytes *out)
{
    struct ks_cursor ahead = *c;
    uint64_t len;

    if (!ks_cursor_varint(&ahead, &len) || len > max)
        return false;
    if (!ks_cursor_bytes(&ahead, (size_t)len, out))
        return false;
    *c = ahead;
    return true;
}

/* Seven bits at a time, the lowest first, until none is left. */
size_t
ks_varint_put(uint8_t *p, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;

    assert(n <= KS_VARINT_MAX);
    return n;
}

size_t
ks_varint_size(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}
