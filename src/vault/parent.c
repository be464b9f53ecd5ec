/*
 * parent: a snapshot's list, boiled down to 36 bytes a chunk and 48 a piece.
 *
 * Hints only, so what is beyond a bound is left out without a word, and what
 * was read before a failure is used. Names of streams are at most
 * KS_STREAM_NAME_MAX bytes and have no NUL: list.c sees to that.
 */
#include "vault/parent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "crypto/cipher.h"
#include "vault/idmap.h"
#include "vault/list.h"
#include "vault/snapshot_writer.h"

/* Beyond any snapshot of ours; CHUNKS_MAX is 144 MiB of hints for a stream. */
#define STREAMS_MAX ((uint32_t)8192)
#define CHUNKS_MAX  ((uint32_t)1 << 22)

/* A chunk by what it begins with: that a record is still the first of its
 * chunk is the best sign that the rest resembles it too. */
struct chunk_hint {
    uint8_t id[32];
    uint32_t first_hash;
};

/* A stream's chunks in order; name and chunks are owned. */
struct parent_stream {
    char *name;
    struct chunk_hint *chunks;
    uint32_t count;
    uint32_t cap;
    /* <= count */
    uint32_t cursor; /* where the next match is expected */
};

struct piece {
    uint8_t fingerprint[KS_FINGERPRINT_SIZE];
    uint8_t id[32];
};

/* Streams by number, and the pieces of blobs by fingerprint. Pieces of this
 * run are learnt as well, so a blob that comes twice is hashed once. */
struct ks_parent {
    struct parent_stream *streams;
    uint32_t stream_count;
    uint32_t stream_cap;
    struct piece *pieces;
    uint32_t piece_count;
    uint32_t piece_cap;
    struct ks_idmap piece_map;
};

/* For piece_map: valid until a piece is added, as idmap.h asks. */
static const uint8_t *
fingerprint_of(const void *owner, uint32_t value)
{
    const struct ks_parent *p = owner;

    return p->pieces[value].fingerprint;
}

int
ks_parent_open(struct ks_parent **out, struct ks_err *err)
{
    struct ks_parent *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    p->piece_map = (struct ks_idmap){
        .id_len = KS_FINGERPRINT_SIZE, .id_of = fingerprint_of, .owner = p};
    *out = p;
    return KS_OK;
}

void
ks_parent_close(struct ks_parent *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->stream_count; i++) {
        free(p->streams[i].name);
        free(p->streams[i].chunks);
    }
    free(p->streams);
    free(p->pieces);
    ks_idmap_wipe(&p->piece_map);
    free(p);
}

/* The stream called name[0..len), no NUL in it, or KS_PARENT_NONE. */
static uint32_t
find_hints(const struct ks_parent *p, const char *name, size_t len)
{
    for (uint32_t i = 0; i < p->stream_count; i++)
        if (strncmp(p->streams[i].name, name, len) == 0 &&
            p->streams[i].name[len] == '\0')
            return i;
    return KS_PARENT_NONE;
}

uint32_t
ks_parent_stream(const struct ks_parent *p, const char *name)
{
    return find_hints(p, name, strlen(name));
}

/* The stream of that name, made if it is new. */
static int
want_stream(struct ks_parent *p, const char *name, size_t len, uint32_t *out,
            struct ks_err *err)
{
    struct parent_stream *s;

    *out = find_hints(p, name, len);
    if (*out != KS_PARENT_NONE)
        return KS_OK;
    if (p->stream_count >= STREAMS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "too many streams");
    s = ks_array_more(p->streams, p->stream_count, &p->stream_cap, sizeof(*s));
    if (s == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    p->streams = s;
    s = &p->streams[p->stream_count];
    *s = (struct parent_stream){.name = strndup(name, len)};
    if (s->name == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    *out = p->stream_count++;
    return KS_OK;
}

/* Append a hint to a stream. */
static int
add_hint(struct ks_parent *p, uint32_t stream, const struct ks_chunk_ref *ref,
         struct ks_err *err)
{
    struct parent_stream *s = &p->streams[stream];
    struct chunk_hint *chunks;

    if (s->count >= CHUNKS_MAX)
        return KS_OK; /* a hint less */
    chunks = ks_array_more(s->chunks, s->count, &s->cap, sizeof(*chunks));
    if (chunks == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    s->chunks = chunks;
    memcpy(s->chunks[s->count].id, ref->id, 32);
    s->chunks[s->count++].first_hash = ref->first_hash;
    return KS_OK;
}

/* A walk over the parent's list. */
struct loading {
    struct ks_parent *parent;
    uint32_t stream; /* of the current section */
    struct ks_err *err;
};

/* The list's own chunks are hints too: tonight's list resembles last
 * night's. Each level is a stream of its own. */
static int
load_list_chunk(void *user, unsigned level, const struct ks_chunk_ref *ref)
{
    struct loading *l = user;
    char name[3] = {'\001', (char)('0' + level), '\0'};
    uint32_t stream = 0;
    int rc = want_stream(l->parent, name, 2, &stream, l->err);

    return rc < 0 ? rc : add_hint(l->parent, stream, ref, l->err);
}

/* The chunks that follow belong to this stream. */
static int
load_hint_section(void *user, enum ks_section kind, struct ks_bytes name)
{
    struct loading *l = user;

    if (kind == KS_SECTION_BLOBS)
        return want_stream(l->parent, "\001b", 2, &l->stream, l->err);
    return want_stream(l->parent, (const char *)name.ptr, name.len, &l->stream,
                       l->err);
}

/* A chunk of the current section; before any section it is damage. */
static int
load_hint(void *user, const struct ks_chunk_ref *ref)
{
    struct loading *l = user;

    if (l->stream == KS_PARENT_NONE)
        return ks_fail(l->err, KS_E_CORRUPT, 0, "a list is malformed");
    return add_hint(l->parent, l->stream, ref, l->err);
}

/* Learn the pieces of every blob in one chunk of the blobs section. The first
 * KS_PARENT_PIECES_MAX are learnt; blobs stand in the order in which the source
 * has them, so a source that grows at its end finds its old ones. */
static int
load_blobs(struct ks_parent *p, struct ks_bytes plain, struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(plain.ptr, plain.len);
    struct ks_bytes record;
    int rc;

    while ((rc = ks_records_next(&c, &record, err)) == KS_OK) {
        struct ks_blob_entry e;
        const uint8_t *id;
        const uint8_t *fingerprint;

        if (!ks_blob_entry_decode(record, &e))
            return ks_fail(err, KS_E_CORRUPT, 0, "a list is malformed");
        /* A fingerprint that says the wrong chunk would be believed: it is
         * keyed, and only a holder of the keys could have sealed this list. */
        while (rc == KS_OK && ks_blob_entry_piece(&e, &id, &fingerprint))
            rc = ks_parent_learn(p, fingerprint, id, err);
        if (rc < 0)
            return rc;
    }
    return rc == KS_END ? KS_OK : rc;
}

int
ks_parent_load(struct ks_parent *p, struct ks_chunk_reader *chunks,
               const struct ks_snapshot_info *info, struct ks_err *err)
{
    struct loading l = {.parent = p, .stream = KS_PARENT_NONE, .err = err};
    struct ks_list_visitor visitor = {.list_chunk = load_list_chunk,
                                      .section = load_hint_section,
                                      .chunk = load_hint,
                                      .user = &l};
    uint32_t blobs;
    int rc = ks_list_walk(chunks, info->root, info->root_level, &visitor, err);

    /* The walk has only named the chunks of the blobs section. They are read
     * now, when the chunk reader is free for it. */
    blobs = ks_parent_stream(p, "\001b");
    if (rc < 0 || blobs == KS_PARENT_NONE)
        return rc;
    for (uint32_t i = 0; rc == KS_OK && i < p->streams[blobs].count; i++) {
        struct ks_chunk chunk;

        rc = ks_chunk_read(chunks, p->streams[blobs].chunks[i].id, &chunk, err);
        if (rc == KS_OK)
            rc = load_blobs(p, chunk.plain, err);
    }
    return rc;
}

bool
ks_parent_resembles(struct ks_parent *p, uint32_t stream, uint32_t first_hash,
                    uint8_t *id)
{
    struct parent_stream *s;
    uint32_t hit = KS_PARENT_NONE;

    if (stream == KS_PARENT_NONE || p->streams[stream].count == 0)
        return false;
    s = &p->streams[stream];
    /* From the cursor on and once around: streams change little and in
     * order, so the first look mostly hits. Where nothing matches, all are
     * looked at. */
    for (uint32_t i = 0; i < s->count && hit == KS_PARENT_NONE; i++) {
        uint32_t at = (s->cursor + i) % s->count;
        if (s->chunks[at].first_hash == first_hash)
            hit = at;
    }
    if (hit != KS_PARENT_NONE)
        /* may be count: then all were passed */
        s->cursor = hit + 1;
    else
        hit = s->cursor < s->count ? s->cursor : s->count - 1;
    memcpy(id, s->chunks[hit].id, 32);
    return true;
}

bool
ks_parent_piece(const struct ks_parent *p, const uint8_t *fingerprint,
                uint8_t *id)
{
    uint32_t at = ks_idmap_find(&p->piece_map, fingerprint);

    if (at == KS_IDMAP_NONE)
        return false;
    memcpy(id, p->pieces[at].id, 32);
    return true;
}

int
ks_parent_learn(struct ks_parent *p, const uint8_t *fingerprint,
                const uint8_t *id, struct ks_err *err)
{
    struct piece *piece;
    int rc;

    if (p->piece_count >= KS_PARENT_PIECES_MAX ||
        ks_idmap_find(&p->piece_map, fingerprint) != KS_IDMAP_NONE)
        return KS_OK;
    piece =
        ks_array_more(p->pieces, p->piece_count, &p->piece_cap, sizeof(*piece));
    if (piece == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    p->pieces = piece;
    piece = &p->pieces[p->piece_count];
    memcpy(piece->fingerprint, fingerprint, sizeof(piece->fingerprint));
    memcpy(piece->id, id, sizeof(piece->id));
    rc = ks_idmap_add(&p->piece_map, p->piece_count, err);
    if (rc == KS_OK)
        p->piece_count++;
    return rc;
}
