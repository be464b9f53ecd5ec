/*
 * buf: a growing buffer that leaves nothing behind.
 *
 * realloc() may move bytes and free the old place without clearing it, so
 * growing is done by hand: allocate, copy, wipe, free.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

#define BUF_CAP_MIN ((size_t)64)

/* What holds before and after every call. */
static void
check_buf(const struct ks_buf *buf)
{
    assert(buf->len <= buf->cap);
    assert(buf->cap <= buf->max);
    assert((buf->data == NULL) == (buf->cap == 0));
}

void
ks_buf_init(struct ks_buf *buf, size_t max)
{
    assert(max >= 1);
    *buf = (struct ks_buf){.max = max};
}

/* The capacity to hold `need` bytes: doubled, so that appending byte by byte
 * stays linear, and never beyond max. */
static size_t
grown_cap(const struct ks_buf *buf, size_t need)
{
    size_t cap = buf->cap > buf->max / 2 ? buf->max : buf->cap * 2;

    if (cap < need)
        cap = need;
    if (cap < BUF_CAP_MIN)
        cap = BUF_CAP_MIN;
    return cap < buf->max ? cap : buf->max;
}

int
ks_buf_reserve(struct ks_buf *buf, size_t more, struct ks_err *err)
{
    uint8_t *data;
    size_t cap;

    check_buf(buf);
    if (more > buf->max - buf->len) {
        return ks_fail(err, KS_E_LIMIT, 0,
                       "more than the %zu bytes that fit here", buf->max);
    }
    if (more <= buf->cap - buf->len)
        return KS_OK;

    cap = grown_cap(buf, buf->len + more);
    data = malloc(cap);
    if (data == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for %zu bytes", cap);
    if (buf->data != NULL) {
        memcpy(data, buf->data, buf->len);
        explicit_bzero(buf->data, buf->cap);
        free(buf->data);
    }
    buf->data = data;
    buf->cap = cap;
    check_buf(buf);
    return KS_OK;
}

int
ks_buf_append(struct ks_buf *buf, const void *data, size_t len,
              struct ks_err *err)
{
    int rc = ks_buf_reserve(buf, len, err);

    if (rc != KS_OK)
        return rc;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return KS_OK;
}

int
ks_buf_u8(struct ks_buf *buf, uint8_t v, struct ks_err *err)
{
    return ks_buf_append(buf, &v, 1, err);
}

int
ks_buf_u16le(struct ks_buf *buf, uint16_t v, struct ks_err *err)
{
    uint8_t p[2];

    ks_put_u16le(p, v);
    return ks_buf_append(buf, p, sizeof(p), err);
}

int
ks_buf_u32le(struct ks_buf *buf, uint32_t v, struct ks_err *err)
{
    uint8_t p[4];

    ks_put_u32le(p, v);
    return ks_buf_append(buf, p, sizeof(p), err);
}

int
ks_buf_u64le(struct ks_buf *buf, uint64_t v, struct ks_err *err)
{
    uint8_t p[8];

    ks_put_u64le(p, v);
    return ks_buf_append(buf, p, sizeof(p), err);
}

int
ks_buf_varint(struct ks_buf *buf, uint64_t v, struct ks_err *err)
{
    uint8_t p[KS_VARINT_MAX];

    return ks_buf_append(buf, p, ks_varint_put(p, v), err);
}

int
ks_buf_zeros(struct ks_buf *buf, size_t n, struct ks_err *err)
{
    int rc = ks_buf_reserve(buf, n, err);

    if (rc != KS_OK)
        return rc;
    if (n > 0)
        memset(buf->data + buf->len, 0, n);
    buf->len += n;
    return KS_OK;
}

void
ks_buf_reset(struct ks_buf *buf)
{
    check_buf(buf);
    buf->len = 0;
}

void
ks_buf_wipe(struct ks_buf *buf)
{
    check_buf(buf);
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap); /* not len: reset leaves bytes */
    free(buf->data);
    *buf = (struct ks_buf){.max = buf->max};
}
