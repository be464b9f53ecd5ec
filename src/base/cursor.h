#ifndef KS_BASE_CURSOR_H
#define KS_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * cursor: the only way hostile bytes are read.
 *
 * Floor 0. A cursor borrows the bytes it walks. Every getter answers true and
 * moves past what it read, or answers false and leaves the cursor and its
 * outputs as they were. No getter reads outside ptr[0..left).
 */
struct ks_cursor {
    const uint8_t *ptr;
    size_t left;
};

static inline struct ks_cursor
ks_cursor_over(const void *data, size_t len)
{
    return (struct ks_cursor){.ptr = data, .left = len};
}

/* Little-endian integers. */
bool ks_cursor_u8(struct ks_cursor *c, uint8_t *out);
bool ks_cursor_u16le(struct ks_cursor *c, uint16_t *out);
bool ks_cursor_u32le(struct ks_cursor *c, uint32_t *out);
bool ks_cursor_u64le(struct ks_cursor *c, uint64_t *out);

/*
 * An unsigned LEB128 of at most 10 bytes, as Protocol Buffers writes it:
 * bits beyond the 64th in the tenth byte are refused.
 */
bool ks_cursor_varint(struct ks_cursor *c, uint64_t *out);

/* The next `len` bytes, borrowed. */
bool ks_cursor_bytes(struct ks_cursor *c, size_t len, struct ks_bytes *out);

/* The next `len` bytes, copied to out[0..len). */
bool ks_cursor_copy(struct ks_cursor *c, void *out, size_t len);

/* A varint length <= max, then so many bytes, borrowed. */
bool ks_cursor_prefixed(struct ks_cursor *c, size_t max, struct ks_bytes *out);

#define KS_VARINT_MAX ((size_t)10) /* bytes of the longest varint */

/* Write v to p[0..KS_VARINT_MAX); returns the 1..10 bytes used. */
size_t ks_varint_put(uint8_t *p, uint64_t v);

/* Bytes that ks_varint_put() would use for v: 1..10. */
size_t ks_varint_size(uint64_t v);

#endif /* KS_BASE_CURSOR_H */
