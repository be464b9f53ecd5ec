/*
 * snapshot_object: encoding and decoding of snapshots; the byte table is in
 * snapshot_object.h. What it reads has been authenticated, but it is read as
 * if it had not: a vault may have been written by a program with a fault.
 *
 * Fields come in any order and tags may be new, so that a later version can
 * add some which this one passes over. A known field that has not its exact
 * shape is KS_E_CORRUPT, never guessed at. Every repeated field has a named
 * maximum, and so has all memory taken for it. A single field that comes
 * twice counts as it stands last; none is written so.
 */
#include "vault/snapshot_object.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

/* Tags of the fields, u16le on disk: never renumbered, never used again. */
enum tag {
    TAG_WRITER = 1,
    TAG_RUN = 2,
    TAG_PREVIOUS = 3,
    TAG_GENERATION = 4,
    TAG_PARENT = 5,
    TAG_TIME = 6,
    TAG_SOURCE = 7,
    TAG_ACCOUNT = 8,
    TAG_LABEL = 9,
    TAG_COUNTS = 10,
    TAG_SKIP = 11,
    TAG_REPORT = 12,
    TAG_FLAGS = 13,
    TAG_ROOT = 14,
    TAG_HEAD = 15,
    TAG_EXTRA = 16,
    TAG_PACK = 17,
};

/* Numbers in the counts field, their order fixed by the header. */
#define COUNTS 9
/* writer 16, run 8, snapshot 16 */
#define HEAD_SIZE ((size_t)40)
#define FLAG_LOST 1
#define FLAG_RAW  2
/* Of an extra; its reader has 32 bytes for it. */
#define NAME_MAX_LEN ((size_t)31)

/* One field: tag, length, value. Every len here is below 4 GiB: packs and
 * extras are not put by this one, the rest are small fixed shapes and texts. */
static int
put_field(struct ks_buf *out, enum tag tag, const void *data, size_t len,
          struct ks_err *err)
{
    int rc = ks_buf_u16le(out, (uint16_t)tag, err);

    if (rc == KS_OK)
        rc = ks_buf_u32le(out, (uint32_t)len, err);
    if (rc == KS_OK && len > 0)
        rc = ks_buf_append(out, data, len, err);
    return rc;
}

/* A field that is one u64. */
static int
put_number(struct ks_buf *out, enum tag tag, uint64_t v, struct ks_err *err)
{
    uint8_t bytes[8];

    ks_put_u64le(bytes, v);
    return put_field(out, tag, bytes, sizeof(bytes), err);
}

/* A field that is a text, without its NUL; decoding gives it one again. */
static int
put_text(struct ks_buf *out, enum tag tag, const char *text, struct ks_err *err)
{
    return put_field(out, tag, text, strlen(text), err);
}

int
ks_snapshot_put_extra(struct ks_buf *extras, const char *name,
                      struct ks_bytes value, struct ks_err *err)
{
    size_t n = strlen(name);
    int rc;

    /* Names come from connectors, not from files: capture.c has checked
     * them. */
    assert(n >= 1 && n <= NAME_MAX_LEN);
    rc = ks_buf_u16le(extras, TAG_EXTRA, err);
    if (rc == KS_OK)
        rc = ks_buf_u32le(extras, (uint32_t)(1 + n + value.len), err);
    if (rc == KS_OK)
        rc = ks_buf_u8(extras, (uint8_t)n, err);
    if (rc == KS_OK)
        rc = ks_buf_append(extras, name, n, err);
    if (rc == KS_OK && value.len > 0)
        rc = ks_buf_append(extras, value.ptr, value.len, err);
    return rc;
}

int
ks_snapshot_put_pack(struct ks_buf *packs, const struct ks_pack_ref *ref,
                     const struct ks_pack_builder *b, struct ks_err *err)
{
    /* The builder's table is encoded entry by entry as chunks are added, and
     * its form is the one a pack's own table has: it goes in as it is. */
    size_t len = KS_PACK_REF_SIZE + ks_varint_size(b->count) + b->table.len;
    int rc = ks_buf_u16le(packs, TAG_PACK, err);

    if (rc == KS_OK)
        rc = ks_buf_u32le(packs, (uint32_t)len, err);
    if (rc == KS_OK)
        rc = ks_pack_ref_encode(packs, ref, err);
    if (rc == KS_OK)
        rc = ks_buf_varint(packs, b->count, err);
    if (rc == KS_OK)
        rc = ks_buf_append(packs, b->table.data, b->table.len, err);
    return rc;
}

/* Who wrote it, when, where it stands among the others, and its root. */
static int
put_identity(struct ks_buf *out, const struct ks_snapshot_info *info,
             struct ks_err *err)
{
    uint8_t previous[24];
    uint8_t root[33];
    int rc;

    ks_put_u64le(previous, info->previous_run);
    memcpy(previous + 8, info->previous, 16);
    root[0] = info->root_level;
    memcpy(root + 1, info->root, 32);
    rc = put_field(out, TAG_WRITER, info->writer, 16, err);
    if (rc == KS_OK)
        rc = put_number(out, TAG_RUN, info->run, err);
    if (rc == KS_OK)
        rc = put_field(out, TAG_PREVIOUS, previous, sizeof(previous), err);
    if (rc == KS_OK)
        rc = put_number(out, TAG_GENERATION, info->generation, err);
    if (rc == KS_OK)
        rc = put_field(out, TAG_PARENT, info->parent, 16, err);
    if (rc == KS_OK)
        rc = put_number(out, TAG_TIME, (uint64_t)info->time_ms, err);
    if (rc == KS_OK)
        rc = put_text(out, TAG_SOURCE, info->source, err);
    if (rc == KS_OK)
        rc = put_text(out, TAG_ACCOUNT, info->account, err);
    if (rc == KS_OK)
        rc = put_text(out, TAG_LABEL, info->label, err);
    if (rc == KS_OK)
        rc = put_field(out, TAG_ROOT, root, sizeof(root), err);
    return rc;
}

/* The numbers, the flags and what policy left out. */
static int
put_counts(struct ks_buf *out, const struct ks_snapshot_info *info,
           struct ks_err *err)
{
    const uint64_t counts[COUNTS] = {
        info->streams,      info->records,     info->blobs,
        info->source_bytes, info->new_records, info->new_blobs,
        info->added_bytes,  info->lost,        info->report_count};
    uint8_t bytes[COUNTS * 8];
    uint8_t flags = info->filtered;
    int rc;

    for (size_t i = 0; i < COUNTS; i++)
        ks_put_u64le(bytes + 8 * i, counts[i]);
    rc = put_field(out, TAG_COUNTS, bytes, sizeof(bytes), err);
    if (rc == KS_OK)
        rc = put_field(out, TAG_FLAGS, &flags, 1, err);
    for (size_t i = 0; rc == KS_OK && i < info->skip_count; i++) {
        uint8_t skip[8 + sizeof(info->skips[i].reason)];
        size_t n = strlen(info->skips[i].reason);

        ks_put_u64le(skip, info->skips[i].count);
        memcpy(skip + 8, info->skips[i].reason, n);
        rc = put_field(out, TAG_SKIP, skip, 8 + n, err);
    }
    return rc;
}

/* One thing that was odd in the source. The texts are cut to what the struct
 * can hold: a connector may have filled them to the brim. */
static int
put_report(struct ks_buf *out, const struct ks_report_entry *e,
           struct ks_err *err)
{
    uint8_t bytes[1 + 8 + 8 + 32 + 1 + sizeof(e->what) + sizeof(e->why)];
    size_t what = strnlen(e->what, sizeof(e->what) - 1);
    size_t why = strnlen(e->why, sizeof(e->why) - 1);
    size_t n = 17;

    bytes[0] =
        (uint8_t)((e->lost ? FLAG_LOST : 0) | (e->has_raw ? FLAG_RAW : 0));
    ks_put_u64le(bytes + 1, e->offset);
    ks_put_u64le(bytes + 9, e->length);
    if (e->has_raw) {
        memcpy(bytes + n, e->raw, 32);
        n += 32;
    }
    bytes[n++] = (uint8_t)what;
    memcpy(bytes + n, e->what, what);
    n += what;
    memcpy(bytes + n, e->why, why);
    n += why;
    return put_field(out, TAG_REPORT, bytes, n, err);
}

/* The newest run known of one writer. */
static int
put_head(struct ks_buf *out, const struct ks_head *h, struct ks_err *err)
{
    uint8_t bytes[HEAD_SIZE];

    memcpy(bytes, h->writer, 16);
    ks_put_u64le(bytes + 16, h->run);
    memcpy(bytes + 24, h->snapshot, 16);
    return put_field(out, TAG_HEAD, bytes, sizeof(bytes), err);
}

int
ks_snapshot_encode(struct ks_buf *out, const struct ks_snapshot_info *info,
                   const struct ks_snapshot_parts *parts, struct ks_err *err)
{
    int rc;

    /* The caller may encode twice into one buffer, as a snapshot says its
     * own size (capture.c); the second time must have the same length, and
     * has: numbers are fixed in size. */
    ks_buf_reset(out);
    rc = ks_buf_u8(out, 1, err);
    if (rc == KS_OK)
        rc = put_identity(out, info, err);
    if (rc == KS_OK)
        rc = put_counts(out, info, err);
    for (size_t i = 0; rc == KS_OK && i < info->report_kept; i++)
        rc = put_report(out, &info->report[i], err);
    for (size_t i = 0; rc == KS_OK && i < info->head_count; i++)
        rc = put_head(out, &info->heads[i], err);
    if (rc == KS_OK && parts->extras.len > 0)
        rc = ks_buf_append(out, parts->extras.ptr, parts->extras.len, err);
    if (rc == KS_OK && parts->packs.len > 0)
        rc = ks_buf_append(out, parts->packs.ptr, parts->packs.len, err);
    return rc;
}

/* A text field into out[0..size), NUL-terminated; false if it is too long or
 * contains a NUL. */
static bool
get_text(struct ks_cursor *c, char *out, size_t size)
{
    size_t len = c->left;

    if (len >= size || memchr(c->ptr, 0, len) != NULL)
        return false;
    memcpy(out, c->ptr, len);
    out[len] = '\0';
    c->ptr += len;
    c->left = 0;
    return true;
}

/* All nine; what may be left over is of a later version. */
static bool
get_counts(struct ks_cursor *c, struct ks_snapshot_info *out)
{
    uint64_t *const counts[COUNTS] = {
        &out->streams,      &out->records,     &out->blobs,
        &out->source_bytes, &out->new_records, &out->new_blobs,
        &out->added_bytes,  &out->lost,        &out->report_count};

    for (size_t i = 0; i < COUNTS; i++)
        if (!ks_cursor_u64le(c, counts[i]))
            return false;
    return true;
}

/* One reason and its count, into the next of KS_SKIPS_MAX places. False also
 * if they are used up. */
static bool
get_skip(struct ks_cursor *c, struct ks_snapshot_info *out)
{
    struct ks_skip_count *skip = &out->skips[out->skip_count];

    if (out->skip_count >= KS_SKIPS_MAX || !ks_cursor_u64le(c, &skip->count) ||
        !get_text(c, skip->reason, sizeof(skip->reason)))
        return false;
    out->skip_count++;
    return true;
}

/* Room for one more in an array that grows by doubling: its capacity is the
 * next power of two, so the count alone tells when it is full. False if there
 * is no memory; the array is then as it was. */
static bool
grow(void **array, size_t count, size_t size)
{
    void *p;

    if (count != 0 && (count & (count - 1)) != 0)
        return true;
    p = realloc(*array, (count == 0 ? 1 : count * 2) * size);
    if (p == NULL)
        return false;
    *array = p;
    return true;
}

/* All that is wrong in a snapshot is said in the same words: the cause is a
 * program, and what the user can do is the same. */
static int
malformed_field(struct ks_err *err)
{
    return ks_fail(err, KS_E_CORRUPT, 0, "a snapshot is malformed");
}

/* Undo put_report(). False if it is cut short or a text is too long. */
static bool
parse_report(struct ks_cursor *c, struct ks_report_entry *e)
{
    struct ks_bytes what;
    uint8_t flags = 0;
    uint8_t n = 0;

    if (!ks_cursor_u8(c, &flags) || !ks_cursor_u64le(c, &e->offset) ||
        !ks_cursor_u64le(c, &e->length))
        return false;
    e->lost = (flags & FLAG_LOST) != 0;
    e->has_raw = (flags & FLAG_RAW) != 0;
    if (e->has_raw && !ks_cursor_copy(c, e->raw, sizeof(e->raw)))
        return false;
    if (!ks_cursor_u8(c, &n) || n >= sizeof(e->what) ||
        !ks_cursor_bytes(c, n, &what))
        return false;
    memcpy(e->what, what.ptr, n);
    return get_text(c, e->why, sizeof(e->why));
}

/* Keep one entry. A writer keeps KS_REPORT_MAX at most, so more is damage. */
static int
get_report(struct ks_cursor *c, struct ks_snapshot_info *out,
           struct ks_err *err)
{
    struct ks_report_entry e = {.offset = 0};

    if (out->report_kept >= KS_REPORT_MAX || !parse_report(c, &e))
        return malformed_field(err);
    if (!grow((void **)&out->report, out->report_kept, sizeof(e)))
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    out->report[out->report_kept++] = e;
    return KS_OK;
}

/* Keep one head, of at most KS_HEADS_MAX. */
static int
get_head(struct ks_cursor *c, struct ks_snapshot_info *out, struct ks_err *err)
{
    struct ks_head h;

    if (out->head_count >= KS_HEADS_MAX || !ks_cursor_copy(c, h.writer, 16) ||
        !ks_cursor_u64le(c, &h.run) || !ks_cursor_copy(c, h.snapshot, 16))
        return malformed_field(err);
    if (!grow((void **)&out->heads, out->head_count, sizeof(h)))
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    out->heads[out->head_count++] = h;
    return KS_OK;
}

/* The fields of fixed shape, and those not known, which are passed over. The
 * caller sees to it that nothing is left over. */
static bool
get_simple(struct ks_snapshot_info *out, unsigned tag, struct ks_cursor *c)
{
    uint64_t v = 0;
    uint8_t flags = 0;

    switch (tag) {
    case TAG_WRITER:
        return ks_cursor_copy(c, out->writer, 16);
    case TAG_RUN:
        return ks_cursor_u64le(c, &out->run);
    case TAG_PREVIOUS:
        return ks_cursor_u64le(c, &out->previous_run) &&
               ks_cursor_copy(c, out->previous, 16);
    case TAG_GENERATION:
        return ks_cursor_u64le(c, &out->generation);
    case TAG_PARENT:
        return ks_cursor_copy(c, out->parent, 16);
    case TAG_TIME:
        if (!ks_cursor_u64le(c, &v))
            return false;
        /* Any time is taken: a wrong clock must not cost a snapshot. */
        out->time_ms = (int64_t)v;
        return true;
    case TAG_SOURCE:
        return get_text(c, out->source, sizeof(out->source));
    case TAG_ACCOUNT:
        return get_text(c, out->account, sizeof(out->account));
    case TAG_LABEL:
        return get_text(c, out->label, sizeof(out->label));
    case TAG_FLAGS:
        if (!ks_cursor_u8(c, &flags))
            return false;
        out->filtered = (flags & 1) != 0;
        return true;
    case TAG_ROOT:
        return ks_cursor_u8(c, &out->root_level) &&
               ks_cursor_copy(c, out->root, 32);
    default: /* of a later version: passed over */
        c->left = 0;
        return true;
    }
}

/* Show one extra. A name of no bytes cannot be asked for, and does no harm. */
static int
get_extra(struct ks_cursor *c, const struct ks_snapshot_visitor *v,
          struct ks_err *err)
{
    struct ks_bytes name;
    uint8_t n = 0;

    if (!ks_cursor_u8(c, &n) || n > NAME_MAX_LEN ||
        !ks_cursor_bytes(c, n, &name))
        return malformed_field(err);
    if (v == NULL || v->extra == NULL)
        return KS_OK;
    return v->extra(v->user, name, (struct ks_bytes){c->ptr, c->left});
}

/* Show a pack and then its entries. Their offsets are not written: each begins
 * where the one before ends, and ks_entry_decode() sees that none goes beyond
 * KS_PACK_PLAIN_MAX, so offset cannot wrap. If nobody asks for entries, they
 * are not looked at: listing snapshots need not decode a million of them. */
static int
get_pack(struct ks_cursor *c, const struct ks_snapshot_visitor *v,
         struct ks_err *err)
{
    struct ks_pack_ref ref;
    uint64_t count = 0;
    uint32_t offset = 0;
    int rc = KS_OK;

    if (!ks_pack_ref_decode(c, &ref) || !ks_cursor_varint(c, &count) ||
        count > KS_PACK_ENTRIES_MAX || ref.size > KS_PACK_MAX)
        return malformed_field(err);
    if (v == NULL)
        return KS_OK;
    if (v->pack != NULL)
        rc = v->pack(v->user, &ref);
    for (uint64_t i = 0; rc == KS_OK && v->entry != NULL && i < count; i++) {
        struct ks_entry e;

        if (!ks_entry_decode(c, offset, &e))
            return malformed_field(err);
        offset += e.stored;
        rc = v->entry(v->user, &e);
    }
    return rc;
}

/* One field by its tag. Counts and heads may have more behind what is known,
 * for later versions; the simple ones may not. A visitor's answer is passed on
 * as it is. */
static int
get_field(struct ks_snapshot_info *out, unsigned tag, struct ks_bytes value,
          const struct ks_snapshot_visitor *v, struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(value.ptr, value.len);
    bool ok;

    if (tag == TAG_EXTRA)
        return get_extra(&c, v, err);
    if (tag == TAG_PACK)
        return get_pack(&c, v, err);
    if (tag == TAG_REPORT)
        return get_report(&c, out, err);
    if (tag == TAG_HEAD)
        return get_head(&c, out, err);
    if (tag == TAG_COUNTS)
        ok = get_counts(&c, out);
    else if (tag == TAG_SKIP)
        ok = get_skip(&c, out);
    else
        ok = get_simple(out, tag, &c) && c.left == 0;
    if (!ok)
        return malformed_field(err);
    return KS_OK;
}

int
ks_snapshot_decode(struct ks_snapshot_info *out, struct ks_bytes content,
                   const struct ks_snapshot_visitor *visitor,
                   struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(content.ptr, content.len);
    uint8_t version = 0;
    int rc = KS_OK;

    if (!ks_cursor_u8(&c, &version))
        return ks_fail(err, KS_E_CORRUPT, 0, "a snapshot is empty");
    if (version != 1)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "a snapshot was written by a newer keepsay");
    /* Ends: each field takes at least the six bytes of its head. A length is
     * compared with what is left before anything is made of it. */
    while (rc == KS_OK && c.left > 0) {
        struct ks_bytes value;
        uint16_t tag = 0;
        uint32_t len = 0;

        if (!ks_cursor_u16le(&c, &tag) || !ks_cursor_u32le(&c, &len) ||
            !ks_cursor_bytes(&c, len, &value))
            rc = malformed_field(err);
        else
            rc = get_field(out, tag, value, visitor, err);
    }
    if (rc != KS_OK)
        ks_snapshot_info_wipe(out);
    return rc;
}
