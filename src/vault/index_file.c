/*
 * index_file: opening and searching an index object. Opening reads its tail
 * only; a look-up finds the segment by its fence and searches the 744 entries
 * in it, so an index of any size costs its fences in memory (about one byte
 * in a thousand) and 64 KiB a look-up. index_write.c writes them.
 */
#include "vault/index_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "crypto/seal.h"

#define FENCE_SIZE ((size_t)8)

/* Places in an entry; doc/format.md has the table. */
#define AT_BASE   32
#define AT_PACK   64
#define AT_OFFSET 68
#define AT_STORED 72
#define AT_PLAIN  76
#define AT_KIND   80
#define AT_FORM   81

void
ks_index_file_wipe(struct ks_index_file *f)
{
    free(f->covered);
    free(f->others);
    free(f->packs);
    free(f->fences);
    *f = (struct ks_index_file){.entries = 0};
}

/* For whatever a tail can have wrong; who asked knows which object. */
static int
malformed(struct ks_err *err)
{
    return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
}

/* A varint count <= max, then so many ids, copied. The bytes must be there
 * before memory is taken, so a tail cannot ask for more than its own size. */
static int
read_ids(struct ks_cursor *c, size_t max, uint8_t (**out)[16], size_t *count,
         struct ks_err *err)
{
    struct ks_bytes ids;
    uint64_t n = 0;

    if (!ks_cursor_varint(c, &n) || n > max ||
        !ks_cursor_bytes(c, (size_t)n * 16, &ids))
        return malformed(err);
    *out = malloc(n > 0 ? ids.len : 1);
    if (*out == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    if (n > 0)
        memcpy(*out, ids.ptr, ids.len);
    *count = (size_t)n;
    return KS_OK;
}

/* The pack table; what was read before a failure is freed by the caller. */
static int
read_packs(struct ks_cursor *c, struct ks_index_file *f, struct ks_err *err)
{
    uint64_t n = 0;

    /* Before memory is taken: there must be as many bytes as it says. */
    if (!ks_cursor_varint(c, &n) || n > KS_INDEX_PACKS_MAX ||
        n > c->left / KS_PACK_REF_SIZE)
        return malformed(err);
    f->packs = calloc(n > 0 ? (size_t)n : 1, sizeof(*f->packs));
    if (f->packs == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    for (; f->pack_count < n; f->pack_count++)
        if (!ks_pack_ref_decode(c, &f->packs[f->pack_count]))
            return malformed(err);
    return KS_OK;
}

/* The first 8 bytes of each segment's first id, to the end of the tail. That
 * they rise is not checked: if they do not, ids are not found, which an
 * index that only a holder of the keys can write could say as well. */
static int
read_fences(struct ks_cursor *c, struct ks_index_file *f, struct ks_err *err)
{
    struct ks_bytes fences;

    if (!ks_cursor_bytes(c, f->segments * FENCE_SIZE, &fences) || c->left != 0)
        return malformed(err);
    f->fences = malloc(fences.len > 0 ? fences.len : 1);
    if (f->fences == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    if (fences.len > 0)
        memcpy(f->fences, fences.ptr, fences.len);
    return KS_OK;
}

/* Take in the tail, which begins at plaintext place `start`. */
static int
read_tail(struct ks_index_file *f, struct ks_bytes tail, size_t start,
          struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(tail.ptr, tail.len);
    uint64_t entries = 0;
    uint8_t version = 0;
    int rc;

    if (!ks_cursor_u8(&c, &version))
        return malformed(err);
    if (version != 1)
        return ks_fail(err, KS_E_UNSUPPORTED, 0, "it is of a newer version");
    if (!ks_cursor_varint(&c, &entries) || entries > KS_INDEX_ENTRIES_MAX)
        return malformed(err);
    f->entries = (size_t)entries;
    f->segments =
        (f->entries + KS_INDEX_SEGMENT_ENTRIES - 1) / KS_INDEX_SEGMENT_ENTRIES;
    /* at most 150 segments; they must lie in front of the tail */
    if (f->segments * KS_SEAL_SEGMENT > start)
        return malformed(err);
    rc =
        read_ids(&c, KS_INDEX_COVERED_MAX, &f->covered, &f->covered_count, err);
    if (rc == KS_OK)
        rc =
            read_ids(&c, KS_INDEX_OTHERS_MAX, &f->others, &f->other_count, err);
    if (rc == KS_OK)
        rc = read_packs(&c, f, err);
    return rc == KS_OK ? read_fences(&c, f, err) : rc;
}

int
ks_index_file_open(struct ks_index_file *out, struct ks_pack_reader *reader,
                   const struct ks_pack_ref *ref, struct ks_err *err)
{
    struct ks_index_file f = {.ref = *ref};
    struct ks_buf tail;
    size_t start = 0;
    int rc;

    ks_buf_init(&tail, KS_INDEX_TAIL_MAX);
    rc = ks_pack_tail(reader, &f.ref, &tail, &start, err);
    if (rc == KS_OK)
        rc = read_tail(&f, ks_buf_bytes(&tail), start, err);
    ks_buf_wipe(&tail);
    if (rc == KS_OK)
        *out = f;
    else
        ks_index_file_wipe(&f);
    return rc;
}

/* The last segment that can hold id: the last whose fence is not above it.
 * Two segments may begin with the same eight bytes, or with the same id; then
 * an earlier one may hold it as well, which 64 random bits make too rare to
 * matter for speed but not for truth: search_segment() says when to look. */
static size_t
segment_for(const struct ks_index_file *f, const uint8_t *id)
{
    size_t low = 0;
    size_t high = f->segments;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(f->fences + mid * FENCE_SIZE, id, FENCE_SIZE) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* One entry, or false if it is none: its pack must be in the table, and its
 * lengths within a chunk, as chunk_reader.c relies on that. */
static bool
decode_entry(const struct ks_index_file *f, const uint8_t *p,
             struct ks_index_hit *hit)
{
    struct ks_entry *e = &hit->entry;

    memcpy(e->id, p, 32);
    memcpy(e->base, p + AT_BASE, 32);
    hit->pack = ks_get_u32le(p + AT_PACK);
    e->offset = ks_get_u32le(p + AT_OFFSET);
    e->stored = ks_get_u32le(p + AT_STORED);
    e->plain = ks_get_u32le(p + AT_PLAIN);
    e->kind = p[AT_KIND];
    e->form = p[AT_FORM];
    return hit->pack < f->pack_count && e->kind >= KS_CHUNK_RECORDS &&
           e->kind <= KS_CHUNK_LIST && e->form <= KS_FORM_DELTA &&
           e->stored <= KS_CHUNK_MAX && e->plain <= KS_CHUNK_MAX;
}

/* The first of `entries` entries whose id is not below `id`. */
static size_t
lower_bound(const uint8_t *data, size_t entries, const uint8_t *id)
{
    size_t low = 0;
    size_t high = entries;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(data + mid * KS_INDEX_ENTRY_SIZE, id, 32) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Show what one opened segment has. *more: the search is not over, and the
 * segment before may have the id too, because none in this one is below it. */
static int
search_segment(const struct ks_index_file *f, const uint8_t *data, size_t n,
               const struct ks_index_query *q, bool *more, struct ks_err *err)
{
    size_t first = lower_bound(data, n, q->id);

    *more = first == 0;
    for (size_t i = first; i < n; i++) {
        const uint8_t *p = data + i * KS_INDEX_ENTRY_SIZE;
        struct ks_index_hit hit;

        if (memcmp(p, q->id, 32) != 0)
            break;
        if (!decode_entry(f, p, &hit))
            return ks_fail(err, KS_E_CORRUPT, 0, "an index is malformed");
        if (q->accept(q->user, &hit)) {
            *more = false;
            break;
        }
    }
    return KS_OK;
}

int
ks_index_file_find(const struct ks_index_file *f, struct ks_pack_reader *reader,
                   const struct ks_index_query *query, struct ks_err *err)
{
    uint8_t data[KS_SEAL_SEGMENT];
    size_t s = segment_for(f, query->id);
    bool more = f->segments > 0;

    while (more) {
        /* entries in this segment and behind; s is below segments, so n >= 1 */
        size_t n = f->entries - s * KS_INDEX_SEGMENT_ENTRIES;
        int rc = ks_pack_read(reader, &f->ref, (uint32_t)(s * KS_SEAL_SEGMENT),
                              KS_SEAL_SEGMENT, data, err);

        if (n > KS_INDEX_SEGMENT_ENTRIES)
            n = KS_INDEX_SEGMENT_ENTRIES;
        if (rc == KS_OK)
            rc = search_segment(f, data, n, query, &more, err);
        if (rc < 0)
            return rc;
        more = more && s > 0;
        s -= more;
    }
    return KS_OK;
}
