/*
 * pack_reader: reading ranges of a sealed pack.
 *
 * A chunk lies somewhere in a pack's plaintext; only the 64 KiB segments that
 * cover it are fetched and opened. Record chunks are small and read in order,
 * so the last segments are kept; keys of the last packs are kept too, because
 * deriving one costs a request for the header.
 *
 * Ids and sizes come from whoever keeps the store, and prove nothing: the key
 * follows from the header, the commitment is checked against what a snapshot
 * or an index says, each segment has its tag, and what a tail says of lengths
 * is held against the object's size before it is used. No unverified plaintext
 * leaves this file. All that is wrong with an object is KS_E_CORRUPT: the keys
 * are right, or the vault would not be open.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/keyring.h"
#include "vault/pack.h"

#define OPEN_PACKS     8U
#define SEGMENTS_MAX   64U
#define SEALED_SEGMENT (KS_SEAL_SEGMENT + KS_SEAL_TAG)
/* A chunk without regard to where it begins: one request fetches it all. */
#define RUN_SEGMENTS   (KS_CHUNK_MAX / KS_SEAL_SEGMENT + 1)
#define TABLE_READ_MAX (KS_PACK_ENTRIES_MAX * KS_ENTRY_SIZE_MAX)

/* A pack whose key is derived. Kept by use: the one not used for longest
 * gives way. */
struct open_pack {
    struct ks_pack_ref ref;
    struct ks_opener *opener;
    size_t plain; /* plaintext bytes of the pack */
    uint64_t used;
};

/* An opened segment: plaintext, wiped when the reader is closed. */
struct kept_segment {
    uint8_t pack[16];
    uint64_t index;
    size_t len; /* 0: empty */
    uint64_t used;
    uint8_t data[KS_SEAL_SEGMENT];
};

struct ks_pack_reader {
    const struct ks_object_context *cx;
    enum ks_object_kind kind;
    const char *folder;
    uint64_t clock;
    struct open_pack packs[OPEN_PACKS];
    struct kept_segment *segments;
    unsigned segment_count;
    uint8_t sealed[RUN_SEGMENTS * SEALED_SEGMENT];
};

/* About 1.1 MiB for a run of segments, and 64 KiB for each that is kept. */
int
ks_pack_reader_open(struct ks_pack_reader **out,
                    const struct ks_object_context *cx,
                    enum ks_object_kind kind, unsigned segments,
                    struct ks_err *err)
{
    struct ks_pack_reader *r = calloc(1, sizeof(*r));

    assert(kind == KS_OBJ_PACK || kind == KS_OBJ_INDEX);
    assert(segments >= 1 && segments <= SEGMENTS_MAX);
    if (r != NULL)
        r->segments = calloc(segments, sizeof(*r->segments));
    if (r == NULL || r->segments == NULL) {
        free(r);
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    }
    r->cx = cx;
    r->kind = kind;
    r->folder = kind == KS_OBJ_PACK ? KS_DIR_PACKS : KS_DIR_INDEX;
    r->segment_count = segments;
    *out = r;
    return KS_OK;
}

void
ks_pack_reader_close(struct ks_pack_reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < OPEN_PACKS; i++)
        ks_opener_close(r->packs[i].opener);
    ks_wipe(r->segments, r->segment_count * sizeof(*r->segments));
    free(r->segments);
    ks_wipe(r, sizeof(*r));
    free(r);
}

/* Name the object in front of whatever went wrong with it. */
static int
blame(const struct ks_pack_reader *r, const struct ks_pack_ref *ref,
      struct ks_err *err)
{
    char hex[KS_ID_HEX_SIZE];

    ks_hex_encode(hex, ref->id, 16);
    if (err->code == KS_E_WRONG_KEY)
        err->code = KS_E_CORRUPT; /* its key is in our keyring */
    return ks_context(err, "%s/%s", r->folder, hex);
}

/* Read exactly len bytes of a pack. */
static int
get_exactly(struct ks_pack_reader *r, const struct ks_pack_ref *ref,
            uint64_t offset, uint8_t *data, size_t len, struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    size_t got = 0;
    int rc;

    ks_object_name(name, r->folder, ref->id);
    rc = ks_store_get(r->cx->store, name, offset, data, len, &got, err);
    if (rc < 0)
        return rc;
    if (got != len)
        return ks_fail(err, KS_E_CORRUPT, 0, "it is cut short");
    return KS_OK;
}

/* Derive a pack's key from its header into the slot `p`. */
static int
open_pack(struct ks_pack_reader *r, const struct ks_pack_ref *ref,
          struct open_pack *p, struct ks_err *err)
{
    uint8_t header[KS_SEAL_HEADER_SIZE];
    struct ks_seal_header says = {0};
    struct ks_seal_binding binding = {.kind = (uint8_t)r->kind};
    struct ks_opener *opener = NULL;
    const uint8_t *key;
    size_t plain = ks_seal_plain_len(ref->size);
    int rc;

    if (plain == 0 || ref->size > KS_OBJECT_MAX)
        return ks_fail(err, KS_E_CORRUPT, 0, "it has an impossible size");
    rc = get_exactly(r, ref, 0, header, sizeof(header), err);
    if (rc == KS_OK)
        rc = ks_seal_parse_header(&says, header, err);
    if (rc < 0) {
        if (err->code == KS_E_FORMAT)
            err->code = KS_E_CORRUPT;
        return err->code;
    }
    key = ks_keyring_epoch(r->cx->keys, says.epoch_id);
    if (key == NULL)
        return ks_fail(err, KS_E_CORRUPT, 0, "it names a key we do not have");
    memcpy(binding.epoch_id, says.epoch_id, sizeof(binding.epoch_id));
    memcpy(binding.vault_id, r->cx->vault_id, sizeof(binding.vault_id));
    rc = ks_opener_open(&opener, header, key, &binding, err);
    if (rc < 0)
        return rc;
    ks_opener_close(p->opener);
    *p = (struct open_pack){.ref = *ref, .opener = opener, .plain = plain};
    memcpy(p->ref.commitment, says.commitment_prefix, 8);
    return KS_OK;
}

/* The open pack for ref, opened in the least recently used place if need be.
 * check: whether ref's commitment is known and must match. */
static int
find_pack(struct ks_pack_reader *r, const struct ks_pack_ref *ref, bool check,
          struct open_pack **out, struct ks_err *err)
{
    struct open_pack *p = &r->packs[0];
    int rc = KS_OK;

    for (size_t i = 0; i < OPEN_PACKS; i++) {
        if (r->packs[i].opener != NULL &&
            memcmp(r->packs[i].ref.id, ref->id, 16) == 0 &&
            r->packs[i].ref.size == ref->size) {
            p = &r->packs[i];
            break;
        }
        if (r->packs[i].used < p->used)
            p = &r->packs[i];
    }
    if (p->opener == NULL || memcmp(p->ref.id, ref->id, 16) != 0 ||
        p->ref.size != ref->size)
        rc = open_pack(r, ref, p, err);
    if (rc < 0)
        return rc;
    if (check && memcmp(p->ref.commitment, ref->commitment, 8) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "it is not the pack that the snapshot names");
    p->used = ++r->clock;
    *out = p;
    return KS_OK;
}

/* Plaintext length of segment `index` of a pack of `plain` bytes. */
static size_t
segment_len(size_t plain, uint64_t index)
{
    size_t start = (size_t)index * KS_SEAL_SEGMENT;

    assert(start < plain);
    return plain - start < KS_SEAL_SEGMENT ? plain - start : KS_SEAL_SEGMENT;
}

/* A kept segment of a pack that is `plain` bytes long. Its length is looked at
 * too: whoever keeps the store may say another size than before, and then the
 * last segment of one size is not that of the other. */
static struct kept_segment *
find_segment(struct ks_pack_reader *r, const struct open_pack *p,
             uint64_t index)
{
    for (size_t i = 0; i < r->segment_count; i++) {
        struct kept_segment *s = &r->segments[i];
        if (s->len == segment_len(p->plain, index) && s->index == index &&
            memcmp(s->pack, p->ref.id, 16) == 0)
            return s;
    }
    return NULL;
}

/* Keep a copy in the place not used for longest. */
static void
keep_segment(struct ks_pack_reader *r, const uint8_t *pack, uint64_t index,
             const uint8_t *data, size_t len)
{
    struct kept_segment *s = &r->segments[0];

    for (size_t i = 1; i < r->segment_count; i++)
        if (r->segments[i].used < s->used)
            s = &r->segments[i];
    memcpy(s->pack, pack, 16);
    s->index = index;
    s->len = len;
    s->used = ++r->clock;
    memcpy(s->data, data, len);
}

/* A range of a pack's plaintext, and where it is wanted. */
struct span {
    uint32_t offset;
    uint32_t len;
    uint8_t *out;
};

/* Copy what segment `index`, data[0..n), has of the span. */
static void
copy_part(const struct span *span, uint64_t index, const uint8_t *data,
          size_t n)
{
    size_t start = (size_t)index * KS_SEAL_SEGMENT;
    size_t from = span->offset > start ? span->offset - start : 0;
    size_t to = span->offset + (size_t)span->len - start;

    if (to > n)
        to = n;
    assert(from <= to);
    memcpy(span->out + (start + from - span->offset), data + from, to - from);
}

/*
 * Fetch segments first..last with one request, open them in place, copy what
 * belongs to the span and keep the last, whose rest is likely to be wanted
 * next.
 */
static int
read_run(struct ks_pack_reader *r, struct open_pack *p, uint64_t first,
         uint64_t last, const struct span *span, struct ks_err *err)
{
    uint64_t total = (p->plain - 1) / KS_SEAL_SEGMENT;
    size_t bytes = (size_t)(last - first) * SEALED_SEGMENT +
                   segment_len(p->plain, last) + KS_SEAL_TAG;
    int rc;

    /* so that r->sealed has room */
    assert(last - first < RUN_SEGMENTS);
    rc = get_exactly(r, &p->ref, KS_SEAL_HEADER_SIZE + first * SEALED_SEGMENT,
                     r->sealed, bytes, err);
    for (uint64_t i = first; rc == KS_OK && i <= last; i++) {
        uint8_t *at = r->sealed + (size_t)(i - first) * SEALED_SEGMENT;
        size_t n = segment_len(p->plain, i);

        rc = ks_opener_segment(p->opener, i, i == total, at,
                               (struct ks_bytes){at, n + KS_SEAL_TAG}, err);
        if (rc < 0)
            break;
        copy_part(span, i, at, n);
        if (i == last)
            keep_segment(r, p->ref.id, i, at, n);
    }
    return rc;
}

/* The span of an open pack's plaintext, not empty and within the pack,
 * which the caller has checked: from kept segments as far as those reach
 * without a gap, the rest in runs. */
static int
read_range(struct ks_pack_reader *r, struct open_pack *p,
           const struct span *span, struct ks_err *err)
{
    uint64_t first = span->offset / KS_SEAL_SEGMENT;
    uint64_t last = (span->offset + (uint64_t)span->len - 1) / KS_SEAL_SEGMENT;
    struct kept_segment *s;

    while (first <= last && (s = find_segment(r, p, first)) != NULL) {
        copy_part(span, first, s->data, s->len);
        s->used = ++r->clock;
        first++;
    }
    while (first <= last) {
        uint64_t end =
            last - first < RUN_SEGMENTS ? last : first + RUN_SEGMENTS - 1;
        int rc = read_run(r, p, first, end, span, err);
        if (rc < 0)
            return rc;
        first = end + 1;
    }
    return KS_OK;
}

int
ks_pack_read(struct ks_pack_reader *r, const struct ks_pack_ref *ref,
             uint32_t offset, uint32_t len, uint8_t *out, struct ks_err *err)
{
    struct span span = {.offset = offset, .len = len};
    struct open_pack *p = NULL;
    int rc = find_pack(r, ref, true, &p, err);

    assert(rc != KS_OK || p != NULL);
    span.out = out;
    if (rc == KS_OK && (offset > p->plain || len > p->plain - offset))
        rc = ks_fail(err, KS_E_CORRUPT, 0, "a chunk lies outside it");
    if (rc == KS_OK && len > 0)
        rc = read_range(r, p, &span, err);
    return rc < 0 ? blame(r, ref, err) : KS_OK;
}

/* Walk a table of contents of a pack with `room` bytes of chunks. */
static int
walk_table(struct ks_bytes table, size_t room,
           int (*each)(void *user, const struct ks_entry *e), void *user,
           struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(table.ptr, table.len);
    uint64_t count = 0;
    size_t offset = 0;

    if (!ks_cursor_varint(&c, &count) || count > KS_PACK_ENTRIES_MAX)
        return ks_fail(err, KS_E_CORRUPT, 0, "its table is malformed");
    /* ends with the bytes: an entry takes 35 at least */
    for (uint64_t i = 0; i < count; i++) {
        struct ks_entry e;
        int rc;

        if (!ks_entry_decode(&c, (uint32_t)offset, &e) ||
            e.stored > room - offset)
            return ks_fail(err, KS_E_CORRUPT, 0, "its table is malformed");
        offset += e.stored;
        rc = each(user, &e);
        if (rc != 0)
            return rc;
    }
    if (c.left != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "its table is malformed");
    return KS_OK;
}

int
ks_pack_tail(struct ks_pack_reader *r, struct ks_pack_ref *ref,
             struct ks_buf *tail, size_t *start, struct ks_err *err)
{
    uint8_t end[4] = {0};
    struct span span = {.len = sizeof(end), .out = end};
    struct open_pack *p = NULL;
    uint32_t len = 0;
    int rc = find_pack(r, ref, false, &p, err);

    assert(rc != KS_OK || p != NULL);
    if (rc == KS_OK)
        memcpy(ref->commitment, p->ref.commitment, sizeof(ref->commitment));
    if (rc == KS_OK && p->plain < sizeof(end))
        rc = ks_fail(err, KS_E_CORRUPT, 0, "it is too small");
    if (rc == KS_OK) {
        span.offset = (uint32_t)(p->plain - sizeof(end));
        rc = read_range(r, p, &span, err);
    }
    if (rc != KS_OK)
        goto done;
    /* within the object, or memory could be asked for that it cannot fill */
    len = ks_get_u32le(end);
    if (len == 0 || len > TABLE_READ_MAX || len > p->plain - sizeof(end)) {
        rc = ks_fail(err, KS_E_CORRUPT, 0, "its table is malformed");
        goto done;
    }
    *start = p->plain - sizeof(end) - len;
    ks_buf_reset(tail);
    rc = ks_buf_reserve(tail, len, err);
    if (rc < 0)
        goto done;
    span = (struct span){(uint32_t)*start, len, tail->data};
    rc = read_range(r, p, &span, err);
    if (rc == KS_OK)
        tail->len = len;
done:
    return rc < 0 ? blame(r, ref, err) : KS_OK;
}

int
ks_pack_table(struct ks_pack_reader *r, struct ks_pack_ref *ref,
              int (*each)(void *user, const struct ks_entry *e), void *user,
              struct ks_err *err)
{
    struct ks_buf table;
    size_t room = 0;
    int rc;

    ks_buf_init(&table, TABLE_READ_MAX);
    rc = ks_pack_tail(r, ref, &table, &room, err);
    if (rc == KS_OK) {
        rc = walk_table(ks_buf_bytes(&table), room, each, user, err);
        if (rc == KS_E_CORRUPT && err->code == KS_E_CORRUPT)
            rc = blame(r, ref, err);
    }
    ks_buf_wipe(&table);
    return rc;
}
