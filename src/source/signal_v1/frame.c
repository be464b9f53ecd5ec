/*
 * frame: BackupFrame, one field of
 *
 *     1 header (only in front)   2 statement   3 preference   4 attachment
 *     5 version   6 end (bool)   7 avatar      8 sticker      9 keyValue
 *
 *     Attachment  1 rowId  2 attachmentId  3 length (uint32)
 *     Avatar      1 name   2 length        3 recipientId
 *     Sticker     1 rowId  2 length
 *     KeyValue    1 key ... 7 stringValue
 */
#include "source/signal_v1/frame.h"

#include <stddef.h>

#include "source/signal_v1/wire.h"

#define INNER_FIELD_MAX 7U  /* highest field number inside any kind */
#define LATER_KIND_MAX  15U /* kinds that still have a one-byte tag */

/* What is known of each kind: its wire type, and where its message keeps the
 * blob's length and the row's id (0: it does not). */
static const struct {
    const char *name;
    int type; /* -1: not a kind */
    uint32_t length_field;
    uint32_t row_field;
} kind_table[KS_V1_KINDS] = {
    [KS_V1_UNKNOWN] = {"unknown frame", -1, 0, 0},
    [1] = {"header", -1, 0, 0},
    [KS_V1_STATEMENT] = {"statement", KS_WIRE_LEN, 0, 0},
    [KS_V1_PREFERENCE] = {"preference", KS_WIRE_LEN, 0, 0},
    [KS_V1_ATTACHMENT] = {"attachment", KS_WIRE_LEN, 3, 1},
    [KS_V1_VERSION] = {"version", KS_WIRE_LEN, 0, 0},
    [KS_V1_END] = {"end", KS_WIRE_VARINT, 0, 0},
    [KS_V1_AVATAR] = {"avatar", KS_WIRE_LEN, 2, 0},
    [KS_V1_STICKER] = {"sticker", KS_WIRE_LEN, 2, 1},
    [KS_V1_KEYVALUE] = {"keyvalue", KS_WIRE_LEN, 0, 0},
};

const char *
ks_v1_kind_name(enum ks_v1_kind kind)
{
    return (unsigned)kind < KS_V1_KINDS ? kind_table[kind].name
                                        : kind_table[KS_V1_UNKNOWN].name;
}

/* The kind that a top-level field announces. */
static enum ks_v1_kind
kind_of(const struct ks_wire_field *f)
{
    if (f->number >= KS_V1_KINDS || (int)f->type != kind_table[f->number].type)
        return KS_V1_UNKNOWN;
    if (f->number == KS_V1_END && f->value == 0)
        return KS_V1_UNKNOWN; /* "end: false" ends nothing */
    return (enum ks_v1_kind)f->number;
}

/* Blob length and row id out of a frame's message; later fields win, as in
 * every protobuf reader. */
static void
read_blob_fields(struct ks_v1_frame *frame)
{
    struct ks_cursor c = ks_cursor_over(frame->body.ptr, frame->body.len);
    struct ks_wire_field f;

    while (ks_wire_next(&c, &f) == KS_OK) {
        if (f.type != KS_WIRE_VARINT)
            continue;
        if (f.number == kind_table[frame->kind].length_field)
            frame->blob_len = (uint32_t)f.value;
        else if (f.number == kind_table[frame->kind].row_field)
            frame->row = f.value;
    }
}

bool
ks_v1_frame_parse(struct ks_v1_frame *out, struct ks_bytes pb)
{
    struct ks_cursor c = ks_cursor_over(pb.ptr, pb.len);
    struct ks_v1_frame frame = {.kind = KS_V1_UNKNOWN};
    struct ks_wire_field f;
    int rc;

    /* To the end, because `end` may come last and the rest must decode. */
    while ((rc = ks_wire_next(&c, &f)) == KS_OK) {
        enum ks_v1_kind kind = kind_of(&f);
        if (kind == KS_V1_END ||
            (kind != KS_V1_UNKNOWN && frame.kind == KS_V1_UNKNOWN)) {
            frame.kind = kind;
            frame.body = f.bytes;
        }
    }
    if (rc != KS_END)
        return false;
    frame.has_blob = kind_table[frame.kind].length_field != 0;
    if (frame.has_blob)
        read_blob_fields(&frame);
    *out = frame;
    return true;
}

/* Good for what is searched or streamed: the frame is not there to parse. */
enum ks_v1_kind
ks_v1_frame_first_kind(uint8_t first)
{
    unsigned number = first >> 3; /* kinds have one-byte tags */

    if (first >= 0x80 || number >= KS_V1_KINDS ||
        kind_table[number].type != (first & 7))
        return KS_V1_UNKNOWN;
    return (enum ks_v1_kind)number;
}

/* The outer length says where the field ends, and that must be the frame's
 * end: together with the tag it leaves one in some thousands to chance. */
bool
ks_v1_frame_glimpse(const uint8_t head[KS_V1_GLIMPSE], uint32_t len)
{
    struct ks_cursor c = ks_cursor_over(head + 1, KS_V1_GLIMPSE - 1);
    enum ks_v1_kind kind = ks_v1_frame_first_kind(head[0]);
    uint64_t rest;

    if (kind == KS_V1_END)
        return len == 2 && head[1] == 1;
    if (kind == KS_V1_UNKNOWN || !ks_cursor_varint(&c, &rest))
        return false;
    return rest == (uint64_t)len - (KS_V1_GLIMPSE - c.left);
}

enum ks_v1_looks
ks_v1_frame_looks(struct ks_bytes pb)
{
    struct ks_cursor c = ks_cursor_over(pb.ptr, pb.len);
    struct ks_wire_field f;
    int rc;

    if (ks_wire_next(&c, &f) != KS_OK || c.left != 0)
        return KS_V1_LOOKS_WRONG;
    /* Header frames stand in front only: 1 is no kind here. */
    if (kind_of(&f) == KS_V1_UNKNOWN)
        return f.type == KS_WIRE_LEN && f.number >= KS_V1_KINDS &&
                       f.number <= LATER_KIND_MAX
                   ? KS_V1_LOOKS_LIKELY
                   : KS_V1_LOOKS_WRONG;
    if (f.number == KS_V1_END) /* short, so it must be exact */
        return f.value == 1 && pb.len == 2 ? KS_V1_LOOKS_KNOWN
                                           : KS_V1_LOOKS_WRONG;
    c = ks_cursor_over(f.bytes.ptr, f.bytes.len);
    while ((rc = ks_wire_next(&c, &f)) == KS_OK)
        if (f.number > INNER_FIELD_MAX)
            return KS_V1_LOOKS_WRONG;
    return rc == KS_END ? KS_V1_LOOKS_KNOWN : KS_V1_LOOKS_WRONG;
}

bool
ks_v1_frame_key_text(struct ks_bytes body, struct ks_bytes *key,
                     struct ks_bytes *text)
{
    struct ks_cursor c = ks_cursor_over(body.ptr, body.len);
    struct ks_bytes k = {0};
    struct ks_bytes t = {0};
    struct ks_wire_field f;
    bool has_text = false;

    while (ks_wire_next(&c, &f) == KS_OK) {
        if (f.type == KS_WIRE_LEN && f.number == 1)
            k = f.bytes;
        if (f.type == KS_WIRE_LEN && f.number == 7) {
            t = f.bytes;
            has_text = true;
        }
    }
    if (!has_text || k.len == 0)
        return false;
    *key = k;
    *text = t;
    return true;
}
