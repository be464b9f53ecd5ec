/*
 * wire: a Protocol Buffers field is a varint tag, number << 3 | type, and
 *
 *     type 0   a varint
 *     type 1   8 bytes, little-endian
 *     type 2   a varint length, then so many bytes
 *     type 5   4 bytes, little-endian
 */
#include "source/signal_v1/wire.h"

#include <assert.h>

#define FIELD_NUMBER_MAX ((uint64_t)0x1fffffff)

/* Nearly all varints of a row have one byte or two: they are read without
 * leaving the file. */
static bool
read_varint(struct ks_cursor *c, uint64_t *out)
{
    size_t n;

    if (c->left >= 1 && c->ptr[0] < 0x80) {
        *out = c->ptr[0];
        n = 1;
    } else if (c->left >= 2 && c->ptr[1] < 0x80) {
        *out = (uint64_t)(c->ptr[0] & 0x7f) | (uint64_t)c->ptr[1] << 7;
        n = 2;
    } else {
        return ks_cursor_varint(c, out);
    }
    c->ptr += n;
    c->left -= n;
    return true;
}

/* The field's content, behind its tag: a value or bytes. */
static bool
read_content(struct ks_cursor *c, unsigned type, uint64_t *value,
             struct ks_bytes *bytes)
{
    uint64_t len;
    uint32_t v32;

    switch (type) {
    case KS_WIRE_VARINT:
        return read_varint(c, value);
    case KS_WIRE_I64:
        return ks_cursor_u64le(c, value);
    case KS_WIRE_LEN:
        return read_varint(c, &len) && len <= c->left &&
               ks_cursor_bytes(c, (size_t)len, bytes);
    case KS_WIRE_I32:
        if (!ks_cursor_u32le(c, &v32))
            return false;
        *value = v32;
        return true;
    default:
        return false;
    }
}

/* Read on a copy of the cursor, so that a broken field moves nothing. The
 * result is put together at the end, member by member: copying a struct just
 * written costs more than all the rest. */
int
ks_wire_next(struct ks_cursor *c, struct ks_wire_field *out)
{
    struct ks_cursor at = *c;
    struct ks_bytes bytes = {0};
    uint64_t value = 0;
    uint64_t tag;

    if (c->left == 0)
        return KS_END;
    if (!read_varint(&at, &tag))
        return KS_E_FORMAT;
    if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return KS_E_FORMAT;
    if (!read_content(&at, (unsigned)(tag & 7), &value, &bytes))
        return KS_E_FORMAT;
    assert(at.left < c->left);
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum ks_wire_type)(tag & 7);
    out->value = value;
    out->bytes = bytes;
    out->raw = (struct ks_bytes){.ptr = c->ptr, .len = c->left - at.left};
    *c = at;
    return KS_OK;
}

int
ks_wire_put_int(struct ks_buf *buf, uint32_t number, uint64_t value,
                struct ks_err *err)
{
    int rc = ks_buf_varint(buf, (uint64_t)number << 3 | KS_WIRE_VARINT, err);

    assert(number >= 1 && number <= FIELD_NUMBER_MAX);
    if (rc != KS_OK)
        return rc;
    return ks_buf_varint(buf, value, err);
}

int
ks_wire_put_bytes(struct ks_buf *buf, uint32_t number, struct ks_bytes bytes,
                  struct ks_err *err)
{
    int rc = ks_buf_varint(buf, (uint64_t)number << 3 | KS_WIRE_LEN, err);

    assert(number >= 1 && number <= FIELD_NUMBER_MAX);
    if (rc == KS_OK)
        rc = ks_buf_varint(buf, bytes.len, err);
    if (rc == KS_OK && bytes.len > 0)
        rc = ks_buf_append(buf, bytes.ptr, bytes.len, err);
    return rc;
}
