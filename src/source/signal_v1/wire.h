#ifndef KS_SOURCE_SIGNAL_V1_WIRE_H
#define KS_SOURCE_SIGNAL_V1_WIRE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "base/err.h"

/*
 * wire: Protocol Buffers, field by field.
 *
 * Floor 3. The few messages of a Signal backup are read in place and nothing
 * is decoded into structs, so fields nobody knows yet survive as they are.
 * Memory: none. Source: protobuf.dev, "Encoding"; groups (wire types 3
 * and 4) are refused, no Signal message has them.
 */
enum ks_wire_type {
    KS_WIRE_VARINT = 0,
    KS_WIRE_I64 = 1,
    KS_WIRE_LEN = 2,
    KS_WIRE_I32 = 5,
};

struct ks_wire_field {
    uint32_t number; /* 1..2^29-1 */
    enum ks_wire_type type;
    uint64_t value;        /* VARINT, I64, I32; 0 for LEN */
    struct ks_bytes bytes; /* LEN: the content; else empty */
    struct ks_bytes raw;   /* the whole field with its tag */
};

/* The next field. KS_OK, KS_END after the last, KS_E_FORMAT (the cursor is
 * then where it was). Views borrow what the cursor walks. */
KS_MUST_CHECK int ks_wire_next(struct ks_cursor *c, struct ks_wire_field *out);

/* Append one field to buf. Fail as ks_buf_append() does. */
KS_MUST_CHECK int ks_wire_put_int(struct ks_buf *buf, uint32_t number,
                                  uint64_t value, struct ks_err *err);
KS_MUST_CHECK int ks_wire_put_bytes(struct ks_buf *buf, uint32_t number,
                                    struct ks_bytes bytes, struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_WIRE_H */
