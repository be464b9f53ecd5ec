/*
 * snapshot_reader: a snapshot's streams and blobs, opened and checked. The
 * list is read once, at opening: about 40 bytes a chunk stay in memory, so
 * that any stream can be read from its start at once.
 *
 * Nothing is believed because it was sealed: a list may have been written by
 * a program with a fault. Counts are bounded before memory is taken, names
 * are bounded by list.c, lengths by the chunks they stand in. What is damaged
 * is KS_E_CORRUPT, what a store has lost KS_E_NOTFOUND; both name the pack or
 * the chunk and leave the rest of the snapshot readable.
 *
 * Bytes: a chunk of records is varint length and record, over and over; a
 * chunk of pieces is u64le length and 32 bytes a piece (list.h).
 */
#include "vault/snapshot_reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "crypto/secret.h"
#include "vault/chunk_reader.h"
#include "vault/index.h"
#include "vault/list.h"
#include "vault/reading.h"
#include "vault/snapshot_object.h"
#include "vault/vault.h"

/* Far above what a writer makes (KS_STREAMS_MAX, and the chunks of a
 * snapshot of some terabytes): these only end what cannot be real. */
#define STREAMS_MAX ((size_t)8192)
#define CHUNKS_MAX  ((size_t)1 << 26)

/* One chunk of a stream, as far as reading needs it. */
struct stream_chunk {
    uint8_t id[32];
    uint32_t records;
};

/* A stream: its name, owned, and its chunks in order. That of the blobs has
 * no name. `chunks` has room for the next power of two above count. */
struct stream_chunks {
    char *name;
    struct stream_chunk *chunks;
    size_t count;
    struct ks_stream_info info;
};

/* An extra, copied out of the snapshot object; both are wiped at the end. */
struct extra_value {
    char name[32];
    uint8_t *data;
    size_t len;
};

struct ks_snapshot_reader {
    struct ks_vault *vault;              /* the caller's, open until we close */
    const struct ks_snapshot_info *info; /* the caller's as well */
    struct ks_index *index;
    struct ks_chunk_reader *chunks; /* over index: closed before it */
    struct stream_chunks *streams;
    size_t stream_count;
    struct stream_chunks blobs;
    struct extra_value *extras;
    size_t extra_count;
};

/* A stream being read. A chunk is copied out of the chunk reader, which all
 * streams and blobs of a snapshot share, so that they can be read by turns. */
struct ks_stream {
    struct ks_snapshot_reader *reader;
    const struct stream_chunks *chunks;
    size_t next;         /* number of the chunk after the one in data */
    uint8_t *data;       /* data[0..cap), wiped before it is freed */
    size_t cap;          /* the largest chunk so far, <= KS_CHUNK_MAX */
    struct ks_cursor at; /* what is left of the chunk; empty at first */
};

/* Add a chunk to a stream; grows by doubling. */
static int
add_chunk(struct stream_chunks *s, const struct ks_chunk_ref *ref,
          struct ks_err *err)
{
    struct ks_stream_info *info = &s->info;
    void *bigger;

    if (s->count >= CHUNKS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "a stream has too many chunks");
    if ((s->count & (s->count - 1)) == 0) {
        bigger = realloc(s->chunks, (s->count == 0 ? 1 : s->count * 2) *
                                        sizeof(*s->chunks));
        if (bigger == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        s->chunks = bigger;
    }
    memcpy(s->chunks[s->count].id, ref->id, 32);
    s->chunks[s->count++].records = ref->records;
    /* These cannot wrap: CHUNKS_MAX chunks of at most KS_CHUNK_MAX bytes,
     * and list.c lets no chunk have more records than bytes. */
    info->records += ref->records;
    info->bytes += ref->plain;
    info->chunks++;
    if (ref->has_times) {
        if (info->first_ms == KS_TIME_NONE || ref->first_ms < info->first_ms)
            info->first_ms = ref->first_ms;
        if (info->last_ms == KS_TIME_NONE || ref->last_ms > info->last_ms)
            info->last_ms = ref->last_ms;
    }
    return KS_OK;
}

/* The list as it is walked. */
struct loading {
    struct ks_snapshot_reader *r;
    struct stream_chunks *section;
    struct ks_err *err;
};

/* The stream called name[0..len), or NULL. There are few streams, so they
 * are looked through. */
static struct stream_chunks *
find_stream(struct ks_snapshot_reader *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->stream_count; i++)
        if (strlen(r->streams[i].name) == len &&
            memcmp(r->streams[i].name, name, len) == 0)
            return &r->streams[i];
    return NULL;
}

/* What follows in the list belongs to this stream or to the blobs. A name
 * seen before continues its stream (list.h). */
static int
load_section(void *user, enum ks_section kind, struct ks_bytes name)
{
    struct loading *l = user;
    struct ks_snapshot_reader *r = l->r;
    struct stream_chunks *s;

    if (kind == KS_SECTION_BLOBS) {
        l->section = &r->blobs;
        return KS_OK;
    }
    l->section = find_stream(r, (const char *)name.ptr, name.len);
    if (l->section != NULL)
        return KS_OK;
    if (r->stream_count >= STREAMS_MAX)
        return ks_fail(l->err, KS_E_CORRUPT, 0, "a list is malformed");
    /* This may move all streams. Nobody but l->section points at one yet,
     * and that is set anew below. */
    s = realloc(r->streams, (r->stream_count + 1) * sizeof(*s));
    if (s == NULL)
        return ks_fail(l->err, KS_E_NOMEM, 0, "not enough memory");
    r->streams = s;
    s = &r->streams[r->stream_count];
    *s = (struct stream_chunks){
        .name = strndup((const char *)name.ptr, name.len),
        .info = {.first_ms = KS_TIME_NONE, .last_ms = KS_TIME_NONE}};
    if (s->name == NULL)
        return ks_fail(l->err, KS_E_NOMEM, 0, "not enough memory");
    s->info.name = s->name;
    r->stream_count++;
    l->section = s;
    return KS_OK;
}

/* A chunk before any section belongs to nothing: damage. */
static int
load_chunk(void *user, const struct ks_chunk_ref *ref)
{
    struct loading *l = user;

    if (l->section == NULL)
        return ks_fail(l->err, KS_E_CORRUPT, 0, "a list is malformed");
    return add_chunk(l->section, ref, l->err);
}

/* Copy one extra. It counts only once it has its memory, so that a failure
 * leaves nothing half made. */
static int
load_extra(void *user, struct ks_bytes name, struct ks_bytes value)
{
    struct loading *l = user;
    struct ks_snapshot_reader *r = l->r;
    struct extra_value *e;

    e = realloc(r->extras, (r->extra_count + 1) * sizeof(*e));
    if (e == NULL)
        return ks_fail(l->err, KS_E_NOMEM, 0, "not enough memory");
    r->extras = e;
    e = &r->extras[r->extra_count];
    *e = (struct extra_value){.len = value.len};
    /* The place behind the last extra is in the array already, but not
     * counted: what fails here is not freed twice. */
    if (name.len >= sizeof(e->name) || value.len > KS_EXTRA_MAX)
        return ks_fail(l->err, KS_E_CORRUPT, 0, "a snapshot is malformed");
    memcpy(e->name, name.ptr, name.len);
    e->data = malloc(value.len > 0 ? value.len : 1);
    if (e->data == NULL)
        return ks_fail(l->err, KS_E_NOMEM, 0, "not enough memory");
    memcpy(e->data, value.ptr, value.len);
    r->extra_count++;
    return KS_OK;
}

/* Read the snapshot object again for its extras. */
static int
load_extras(struct ks_snapshot_reader *r, struct ks_err *err)
{
    struct loading l = {.r = r, .err = err};
    struct ks_snapshot_visitor visitor = {.extra = load_extra, .user = &l};
    struct ks_snapshot_info info = {.run = 0};
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf content;
    int rc;

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_object_name(name, KS_DIR_SNAPSHOTS, r->info->id);
    rc = ks_object_get(ks_vault_context(r->vault), KS_OBJ_SNAPSHOT, name,
                       &content, err);
    if (rc == KS_OK)
        rc = ks_snapshot_decode(&info, ks_buf_bytes(&content), &visitor, err);
    ks_snapshot_info_wipe(&info);
    ks_buf_wipe(&content);
    return rc;
}

int
ks_snapshot_reader_open(struct ks_snapshot_reader **out, struct ks_vault *v,
                        const struct ks_snapshot_info *info, struct ks_err *err)
{
    struct ks_snapshot_reader *r = calloc(1, sizeof(*r));
    struct loading l = {.r = r, .err = err};
    struct ks_list_visitor visitor = {
        .section = load_section, .chunk = load_chunk, .user = &l};
    int rc;

    if (r == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    r->vault = v;
    r->info = info;
    /* No pack is doomed for a reader: what a mark names is there until it is
     * deleted, and until then it can be read. */
    rc = ks_snapshots_index(&r->index, v, NULL, err);
    if (rc == KS_OK)
        rc = ks_chunk_reader_open(&r->chunks, ks_vault_context(v), r->index,
                                  err);
    if (rc == KS_OK)
        rc = load_extras(r, err);
    if (rc == KS_OK)
        rc = ks_list_walk(r->chunks, info->root, info->root_level, &visitor,
                          err);
    if (rc == KS_OK) {
        *out = r;
        r = NULL;
    }
    ks_snapshot_reader_close(r);
    return rc;
}

void
ks_snapshot_reader_close(struct ks_snapshot_reader *r)
{
    if (r == NULL)
        return;
    ks_chunk_reader_close(r->chunks);
    ks_index_close(r->index);
    for (size_t i = 0; i < r->stream_count; i++) {
        free(r->streams[i].name);
        free(r->streams[i].chunks);
    }
    free(r->streams);
    free(r->blobs.chunks);
    /* Extras hold what restores the original: nobody else's business. */
    for (size_t i = 0; i < r->extra_count; i++) {
        ks_wipe(r->extras[i].data, r->extras[i].len);
        free(r->extras[i].data);
    }
    free(r->extras);
    free(r);
}

size_t
ks_snapshot_stream_count(const struct ks_snapshot_reader *r)
{
    return r->stream_count;
}

struct ks_stream_info
ks_snapshot_stream_info(const struct ks_snapshot_reader *r, size_t i)
{
    assert(i < r->stream_count);
    return r->streams[i].info;
}

int
ks_snapshot_get_extra(const struct ks_snapshot_reader *r, const char *name,
                      struct ks_bytes *out, struct ks_err *err)
{
    for (size_t i = 0; i < r->extra_count; i++) {
        if (strcmp(r->extras[i].name, name) == 0) {
            *out = (struct ks_bytes){r->extras[i].data, r->extras[i].len};
            return KS_OK;
        }
    }
    return ks_fail(err, KS_E_NOTFOUND, 0, "the snapshot has no \"%s\"", name);
}

int
ks_stream_open(struct ks_stream **out, struct ks_snapshot_reader *r,
               const char *name, struct ks_err *err)
{
    const struct stream_chunks *chunks = find_stream(r, name, strlen(name));
    struct ks_stream *s;

    if (chunks == NULL)
        return ks_fail(err, KS_E_NOTFOUND, 0,
                       "the snapshot has no stream \"%s\"", name);
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    s->reader = r;
    s->chunks = chunks;
    *out = s;
    return KS_OK;
}

/* Copy the next chunk of the stream, which becomes the one being read. */
static int
next_chunk(struct ks_stream *s, struct ks_err *err)
{
    /* Counted on before it is read: after a damaged or missing chunk the
     * next call goes on with the one behind it, as the header promises. */
    const struct stream_chunk *c = &s->chunks->chunks[s->next++];
    uint8_t kind =
        s->chunks == &s->reader->blobs ? KS_CHUNK_LIST : KS_CHUNK_RECORDS;
    struct ks_chunk chunk;
    uint8_t *bigger;
    int rc = ks_chunk_read(s->reader->chunks, c->id, &chunk, err);

    if (rc < 0)
        return rc;
    if (chunk.entry.kind != kind)
        return ks_fail(err, KS_E_CORRUPT, 0, "a chunk is of another kind");
    if (chunk.plain.len > s->cap) {
        /* Not realloc: that could leave a copy of the records behind. */
        bigger = malloc(chunk.plain.len);
        if (bigger == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        if (s->data != NULL)
            ks_wipe(s->data, s->cap);
        free(s->data);
        s->data = bigger;
        s->cap = chunk.plain.len;
    }
    if (chunk.plain.len > 0)
        memcpy(s->data, chunk.plain.ptr, chunk.plain.len);
    s->at = ks_cursor_over(s->data, chunk.plain.len);
    return KS_OK;
}

/* The chunk at hand is used up before the next is opened; an empty chunk is
 * passed over, so the loop ends after at most as many rounds as there are
 * chunks. */
int
ks_stream_next(struct ks_stream *s, struct ks_bytes *record, struct ks_err *err)
{
    for (;;) {
        int rc = ks_records_next(&s->at, record, err);

        if (rc == KS_E_CORRUPT)
            s->at.left = 0; /* go on with the next chunk */
        if (rc != KS_END)
            return rc;
        if (s->next == s->chunks->count)
            return KS_END;
        rc = next_chunk(s, err);
        if (rc < 0 && s->chunks->name == NULL)
            return ks_context(err, "the list of blobs");
        if (rc < 0)
            return ks_context(err, "stream \"%s\"", s->chunks->name);
    }
}

void
ks_stream_close(struct ks_stream *s)
{
    if (s == NULL)
        return;
    if (s->data != NULL)
        ks_wipe(s->data, s->cap);
    free(s->data);
    free(s);
}

/* A blob being read: the piece at hand and which comes next. */
struct blob_reader {
    struct ks_reader base; /* must stay first */
    struct ks_snapshot_reader *r;
    uint8_t *pieces; /* count × 32 */
    size_t count;    /* 1 <= count <= KS_BLOB_PIECES_MAX */
    size_t next;     /* the piece to open next, <= count */
    uint8_t *data;   /* KS_PIECE_SIZE bytes */
    size_t len;      /* of the piece in data, all of it checked */
    size_t at;       /* handed out of it, <= len */
    uint64_t left;   /* bytes of the blob that are to come */
};

/* The reader's verb: what is left of the piece at hand, at most cap bytes; a
 * piece is opened when the one before is used up. A piece of no bytes, or of
 * more than are wanted, is damage: without the first the loop of whoever
 * reads might not end, the second could overrun what ks_blob_open() said. */
static int
blob_read(struct ks_reader *base, void *buf, size_t cap, size_t *got,
          struct ks_err *err)
{
    struct blob_reader *b = (struct blob_reader *)base;
    struct ks_chunk chunk;
    size_t n;

    *got = 0;
    if (b->at == b->len && b->left == 0)
        return KS_END;
    if (b->at == b->len) {
        int rc;

        /* Pieces shorter than they must be: bytes are wanted, none is left. */
        if (b->next == b->count)
            return ks_fail(err, KS_E_CORRUPT, 0, "a blob is malformed");
        rc = ks_chunk_read(b->r->chunks, b->pieces + 32 * b->next, &chunk, err);
        if (rc < 0)
            return rc;
        if (chunk.plain.len == 0 || chunk.plain.len > b->left ||
            chunk.entry.kind != KS_CHUNK_BLOB)
            return ks_fail(err, KS_E_CORRUPT, 0, "a blob is malformed");
        memcpy(b->data, chunk.plain.ptr, chunk.plain.len);
        b->len = chunk.plain.len;
        b->left -= b->len;
        b->at = 0;
        b->next++;
    }
    n = b->len - b->at < cap ? b->len - b->at : cap;
    memcpy(buf, b->data + b->at, n);
    b->at += n;
    *got = n;
    return KS_OK;
}

/* The reader's other verb; also for one that was never quite opened. */
static void
blob_close(struct ks_reader *base)
{
    struct blob_reader *b = (struct blob_reader *)base;

    if (b->data != NULL)
        ks_wipe(b->data, KS_PIECE_SIZE);
    free(b->data);
    free(b->pieces);
    free(b);
}

static const struct ks_reader_ops blob_ops = {
    .read = blob_read,
    .close = blob_close,
};

/* Length and pieces of the blob called id. A chunk of that id is the blob
 * itself, if it has one piece, or names the pieces. The first costs no read
 * here: its length stands in the index. Fills count, left and pieces, which
 * blob_close() frees also after a failure. */
static int
find_pieces(struct blob_reader *b, const uint8_t *id, struct ks_err *err)
{
    struct ks_place place;
    struct ks_chunk chunk = {.plain = {NULL, 0}};
    bool found = false;
    int rc = ks_index_find(b->r->index, id, &place, &found, err);

    if (rc == KS_OK && found && place.entry.kind == KS_CHUNK_BLOB) {
        b->count = 1;
        b->left = place.entry.plain;
        b->pieces = malloc(32);
        if (b->pieces == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        memcpy(b->pieces, id, 32);
        return KS_OK;
    }
    if (rc == KS_OK)
        rc = ks_chunk_read(b->r->chunks, id, &chunk, err);
    if (rc < 0)
        return rc;
    if (chunk.entry.kind != KS_CHUNK_PIECES || chunk.plain.len < 8 ||
        (chunk.plain.len - 8) % 32 != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "a blob is malformed");
    /* The length and the number of pieces must agree, so the count bounds
     * the memory: at most KS_BLOB_PIECES_MAX × 32 bytes. That the pieces
     * have these bytes is seen as they are read. */
    b->left = ks_get_u64le(chunk.plain.ptr);
    b->count = (chunk.plain.len - 8) / 32;
    if (b->left > KS_BLOB_MAX || ks_blob_pieces(b->left) != b->count)
        return ks_fail(err, KS_E_CORRUPT, 0, "a blob is malformed");
    b->pieces = malloc(b->count * 32);
    if (b->pieces == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    memcpy(b->pieces, chunk.plain.ptr + 8, b->count * 32);
    return KS_OK;
}

int
ks_blob_open(struct ks_reader **out, struct ks_snapshot_reader *r,
             const uint8_t *id, uint64_t *size, struct ks_err *err)
{
    struct blob_reader *b = calloc(1, sizeof(*b));
    int rc;

    if (b == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    b->base.ops = &blob_ops;
    b->r = r;
    rc = find_pieces(b, id, err);
    if (rc == KS_OK) {
        b->data = malloc(KS_PIECE_SIZE);
        if (b->data == NULL)
            rc = ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    }
    if (rc < 0) {
        blob_close(&b->base);
        return ks_context(err, "opening a blob");
    }
    *size = b->left;
    *out = &b->base;
    return KS_OK;
}

int
ks_snapshot_blobs(struct ks_snapshot_reader *r,
                  int (*each)(void *user, const uint8_t *id, uint64_t size),
                  void *user, struct ks_err *err)
{
    /* The section of the blobs is read like a stream without a name; its
     * records are blob entries (list.h). */
    struct ks_stream s = {.reader = r, .chunks = &r->blobs};
    struct ks_bytes record;
    int rc;

    while ((rc = ks_stream_next(&s, &record, err)) == KS_OK) {
        struct ks_blob_entry e;

        if (!ks_blob_entry_decode(record, &e)) {
            rc = ks_fail(err, KS_E_CORRUPT, 0, "a list is malformed");
            break;
        }
        rc = each(user, e.id, e.length);
        if (rc != 0)
            goto done; /* the answer is passed on, even one that is KS_END */
    }
    if (rc == KS_END)
        rc = KS_OK;
done:
    if (s.data != NULL)
        ks_wipe(s.data, s.cap);
    free(s.data);
    return rc;
}
