/*
 * list: writing and walking lists (list.h has the byte table). The walk keeps
 * one chunk a level, so its memory depends on the depth, not on the snapshot.
 *
 * A list cannot lead in a circle: a chunk's id follows from its bytes, so none
 * can name itself, however indirectly; and each step down is a level less.
 */
#include "vault/list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "crypto/secret.h"
#include "vault/snapshot_writer.h"

#define TAG_SECTION 1
#define TAG_CHUNK   2
/* A piece of a blob in the blobs section: chunk id, fingerprint. */
#define PAIR_SIZE ((size_t)32 + KS_FINGERPRINT_SIZE)

size_t
ks_blob_pieces(uint64_t length)
{
    if (length == 0)
        return 1;
    return (size_t)((length - 1) / KS_PIECE_SIZE) + 1;
}

int
ks_list_put_section(struct ks_buf *out, enum ks_section kind, const char *name,
                    struct ks_err *err)
{
    int rc = ks_buf_u8(out, TAG_SECTION, err);

    if (rc == KS_OK)
        rc = ks_buf_u8(out, (uint8_t)kind, err);
    if (rc == KS_OK)
        rc = ks_buf_append(out, name, strlen(name), err);
    return rc;
}

int
ks_list_put_chunk(struct ks_buf *out, const struct ks_chunk_ref *ref,
                  struct ks_err *err)
{
    uint8_t bytes[1 + 32 + 3 * KS_VARINT_MAX + 4 + 1 + 8];
    size_t n = 0;

    bytes[n++] = TAG_CHUNK;
    memcpy(bytes + n, ref->id, 32);
    n += 32;
    n += ks_varint_put(bytes + n, ref->plain);
    n += ks_varint_put(bytes + n, ref->records);
    ks_put_u32le(bytes + n, ref->first_hash);
    n += 4;
    bytes[n++] = ref->has_times;
    if (ref->has_times) {
        assert(ref->first_ms <= ref->last_ms);
        ks_put_u64le(bytes + n, (uint64_t)ref->first_ms);
        n += 8;
        n += ks_varint_put(bytes + n,
                           (uint64_t)ref->last_ms - (uint64_t)ref->first_ms);
    }
    return ks_buf_append(out, bytes, n, err);
}

/* Undo ks_list_put_chunk(), after the tag. False unless the record is exactly
 * that, within the bounds of a chunk: whoever sums these up relies on them. */
static bool
decode_chunk(struct ks_cursor *c, struct ks_chunk_ref *out)
{
    struct ks_chunk_ref ref = {.first_ms = KS_TIME_NONE,
                               .last_ms = KS_TIME_NONE};
    uint64_t plain = 0;
    uint64_t records = 0;
    uint64_t first = 0;
    uint64_t span = 0;
    uint8_t times = 0;

    if (!ks_cursor_copy(c, ref.id, 32) || !ks_cursor_varint(c, &plain) ||
        !ks_cursor_varint(c, &records) ||
        !ks_cursor_u32le(c, &ref.first_hash) || !ks_cursor_u8(c, &times))
        return false;
    if (plain > KS_CHUNK_MAX || records > plain || times > 1)
        return false;
    ref.plain = (uint32_t)plain;
    ref.records = (uint32_t)records;
    ref.has_times = times == 1;
    if (ref.has_times) {
        if (!ks_cursor_u64le(c, &first) || !ks_cursor_varint(c, &span))
            return false;
        ref.first_ms = (int64_t)first;
        /* The span came as its own number, so last < first cannot be said. */
        if (__builtin_add_overflow(ref.first_ms, span, &ref.last_ms))
            return false;
    }
    *out = ref;
    return c->left == 0;
}

int
ks_records_next(struct ks_cursor *c, struct ks_bytes *record,
                struct ks_err *err)
{
    if (c->left == 0)
        return KS_END;
    if (!ks_cursor_prefixed(c, KS_RECORD_MAX, record))
        return ks_fail(err, KS_E_CORRUPT, 0, "a chunk of records is malformed");
    return KS_OK;
}

bool
ks_blob_entry_decode(struct ks_bytes record, struct ks_blob_entry *out)
{
    struct ks_cursor c = ks_cursor_over(record.ptr, record.len);
    struct ks_blob_entry e = {.length = 0};

    if (!ks_cursor_copy(&c, e.id, 32) || !ks_cursor_varint(&c, &e.length) ||
        e.length > KS_BLOB_MAX)
        return false;
    e.pieces = ks_blob_pieces(e.length);
    if (c.left != (e.pieces == 1 ? KS_FINGERPRINT_SIZE : e.pieces * PAIR_SIZE))
        return false;
    e.rest = c;
    *out = e;
    return true;
}

bool
ks_blob_entry_piece(struct ks_blob_entry *e, const uint8_t **chunk,
                    const uint8_t **fingerprint)
{
    struct ks_bytes b;

    if (e->pieces == 1) {
        if (!ks_cursor_bytes(&e->rest, KS_FINGERPRINT_SIZE, &b))
            return false;
        *chunk = e->id;
        *fingerprint = b.ptr;
        return true;
    }
    if (!ks_cursor_bytes(&e->rest, PAIR_SIZE, &b))
        return false;
    *chunk = b.ptr;
    *fingerprint = b.ptr + 32;
    return true;
}

/* One level of a walk: a copy of the chunk being read, wiped when it goes, and
 * where we are in it. A copy, as the chunk reader's own goes with its next. */
struct level {
    uint8_t *data;
    size_t len;
    struct ks_cursor at;
};

struct walk {
    struct ks_chunk_reader *chunks;
    const struct ks_list_visitor *visitor;
    struct level levels[KS_LIST_LEVELS_MAX];
};

/* Stream names and ids of what people wrote: wiped before it is freed. The
 * analyzer loses count of the levels that are left at the end of a walk.
 * NOLINTBEGIN(clang-analyzer-unix.Malloc) */
static void
leave(struct level *l)
{
    if (l->data != NULL)
        ks_wipe(l->data, l->len);
    free(l->data);
    l->data = NULL;
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

/* Tell of a list chunk and begin reading it at its level. The chunk that was
 * there before has been read to its end. */
static int
enter(struct walk *w, unsigned level, const struct ks_chunk_ref *ref,
      struct ks_err *err)
{
    const struct ks_list_visitor *v = w->visitor;
    struct level *l = &w->levels[level];
    struct ks_chunk chunk;
    int rc = KS_OK;

    if (v->list_chunk != NULL)
        rc = v->list_chunk(v->user, level, ref);
    if (rc == KS_OK)
        rc = ks_chunk_read(w->chunks, ref->id, &chunk, err);
    if (rc != KS_OK)
        return rc;
    if (chunk.entry.kind != KS_CHUNK_LIST)
        return ks_fail(err, KS_E_CORRUPT, 0, "a list names a foreign chunk");
    leave(l);
    l->data = malloc(chunk.plain.len > 0 ? chunk.plain.len : 1);
    if (l->data == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    l->len = chunk.plain.len;
    memcpy(l->data, chunk.plain.ptr, chunk.plain.len);
    l->at = ks_cursor_over(l->data, chunk.plain.len);
    return KS_OK;
}

/* One record of level 0: a section begins, or a chunk of it. Anything else is
 * damage: to pass over it could lose a chunk without a word. */
static int
visit(const struct ks_list_visitor *v, struct ks_bytes record,
      struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(record.ptr, record.len);
    struct ks_chunk_ref ref;
    uint8_t tag = 0;
    uint8_t kind = 0;

    if (ks_cursor_u8(&c, &tag) && tag == TAG_CHUNK && decode_chunk(&c, &ref))
        return v->chunk != NULL ? v->chunk(v->user, &ref) : 0;
    if (tag == TAG_SECTION && ks_cursor_u8(&c, &kind) &&
        kind <= KS_SECTION_BLOBS && c.left <= KS_STREAM_NAME_MAX &&
        memchr(c.ptr, 0, c.left) == NULL) { /* names become C strings */
        if (v->section == NULL)
            return 0;
        return v->section(v->user, (enum ks_section)kind,
                          (struct ks_bytes){c.ptr, c.left});
    }
    return ks_fail(err, KS_E_CORRUPT, 0, "a list is malformed");
}

/* The next record at `level`; *up once the level's chunk is read. Above level
 * 0 it is a chunk of the level below, into *below. */
static int
step(struct walk *w, unsigned level, struct ks_chunk_ref *below, bool *up,
     struct ks_err *err)
{
    struct ks_bytes record;
    struct ks_cursor c;
    uint8_t tag = 0;
    int rc = ks_records_next(&w->levels[level].at, &record, err);

    *up = rc == KS_END;
    if (rc != KS_OK)
        return rc == KS_END ? KS_OK : rc;
    if (level == 0)
        return visit(w->visitor, record, err);
    c = ks_cursor_over(record.ptr, record.len);
    if (!ks_cursor_u8(&c, &tag) || tag != TAG_CHUNK || !decode_chunk(&c, below))
        return ks_fail(err, KS_E_CORRUPT, 0, "a list is malformed");
    return KS_OK;
}

int
ks_list_walk(struct ks_chunk_reader *chunks, const uint8_t *root,
             unsigned level, const struct ks_list_visitor *visitor,
             struct ks_err *err)
{
    struct walk w = {.chunks = chunks, .visitor = visitor};
    struct ks_chunk_ref ref = {.first_ms = KS_TIME_NONE,
                               .last_ms = KS_TIME_NONE};
    unsigned at = level;
    int rc;

    if (level >= KS_LIST_LEVELS_MAX)
        return ks_fail(err, KS_E_CORRUPT, 0, "a list is too deep");
    memcpy(ref.id, root, 32);
    rc = enter(&w, level, &ref, err);
    /* Depth first, without recursion: `at` is the level we are on. */
    while (rc == KS_OK && at <= level) {
        bool up = false;

        rc = step(&w, at, &ref, &up, err);
        if (rc != KS_OK)
            break;
        if (up)
            at++;
        else if (at > 0)
            rc = enter(&w, --at, &ref, err);
    }
    for (size_t i = 0; i < KS_LIST_LEVELS_MAX; i++)
        leave(&w.levels[i]);
    return rc;
}
