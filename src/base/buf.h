#ifndef KS_BASE_BUF_H
#define KS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * buf: a byte buffer that grows up to a maximum given when it is made.
 *
 * Floor 0. Life: init -> append* -> wipe. The struct is the caller's; its
 * bytes are the buffer's own and are wiped before they are given back, also
 * when it grows, because most of them are somebody's messages.
 */
struct ks_buf {
    uint8_t *data; /* data[0..len) is the content; NULL while cap == 0 */
    size_t len;
    size_t cap;
    size_t max; /* len never exceeds this */
};

/* An empty buffer that may hold up to max bytes, max >= 1. */
void ks_buf_init(struct ks_buf *buf, size_t max);

/* Room for `more` bytes beyond len. Fails with KS_E_LIMIT or KS_E_NOMEM. */
KS_MUST_CHECK int
ks_buf_reserve(struct ks_buf *buf, size_t more, struct ks_err *err);

/* Append bytes or integers. Fail with KS_E_LIMIT or KS_E_NOMEM; the content
 * is then as it was. */
KS_MUST_CHECK int ks_buf_append(struct ks_buf *buf, const void *data,
                                size_t len, struct ks_err *err);
KS_MUST_CHECK int ks_buf_u8(struct ks_buf *buf, uint8_t v, struct ks_err *err);
KS_MUST_CHECK int
ks_buf_u16le(struct ks_buf *buf, uint16_t v, struct ks_err *err);
KS_MUST_CHECK int
ks_buf_u32le(struct ks_buf *buf, uint32_t v, struct ks_err *err);
KS_MUST_CHECK int
ks_buf_u64le(struct ks_buf *buf, uint64_t v, struct ks_err *err);
KS_MUST_CHECK int
ks_buf_varint(struct ks_buf *buf, uint64_t v, struct ks_err *err);
KS_MUST_CHECK int
ks_buf_zeros(struct ks_buf *buf, size_t n, struct ks_err *err);

/* Forget the content, keep the memory. */
void ks_buf_reset(struct ks_buf *buf);

/* Wipe and free the memory; the buffer is then empty and usable again. */
void ks_buf_wipe(struct ks_buf *buf);

/* The content as a view, valid until the next call on buf. */
static inline struct ks_bytes
ks_buf_bytes(const struct ks_buf *buf)
{
    return (struct ks_bytes){.ptr = buf->data, .len = buf->len};
}

#endif /* KS_BASE_BUF_H */
