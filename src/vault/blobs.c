/*
 * blobs: cutting, naming and listing blobs.
 *
 * Three ways for a piece, cheapest first. Seen in the parent snapshot (by its
 * fingerprint) and still stored: nothing is left to do. Shorter than a full
 * piece: its id is wanted at once, so it is hashed here. A full piece of a
 * large blob: the workers hash it while the next one is being read.
 *
 * While ks_blobs_add() runs, pieces that are with the workers point back here
 * by their number; it does not return before they are back, unless the pipeline
 * itself has failed, which then calls nobody any more. Memory: 48 bytes a
 * piece of the largest blob, and some 30 for each distinct blob.
 */
#include "vault/blobs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/reader.h"
#include "crypto/cipher.h"
#include "crypto/secret.h"
#include "vault/chunk.h"
#include "vault/idmap.h"
#include "vault/keyring.h"
#include "vault/list.h"

#define SEEN_SIZE  ((size_t)16) /* of a blob id, enough to tell them apart */
#define RECORD_MAX (48 * KS_BLOB_PIECES_MAX + 64)

/* A piece of the blob being added. Its id may come later, from a worker. */
struct piece {
    uint8_t id[32];
    uint8_t fingerprint[KS_FINGERPRINT_SIZE];
};

struct ks_blobs {
    struct ks_blobs_options o;
    struct ks_hmac keyed;
    struct ks_fingerprinter *fingerprinter;

    /* The blob being added. */
    struct piece *pieces;
    size_t piece_count;
    size_t piece_cap;
    size_t waiting; /* pieces with the workers */
    uint64_t length;
    bool fresh; /* some piece was not known */

    uint8_t (*seen)[SEEN_SIZE];
    uint32_t seen_count;
    uint32_t seen_cap;
    struct ks_idmap seen_map;
    uint64_t fresh_count;
};

/* For seen_map: valid until a blob is added, as idmap.h asks. */
static const uint8_t *
seen_of(const void *owner, uint32_t value)
{
    const struct ks_blobs *b = owner;

    return b->seen[value];
}

int
ks_blobs_open(struct ks_blobs **out, const struct ks_blobs_options *options,
              struct ks_err *err)
{
    struct ks_blobs *b = calloc(1, sizeof(*b));
    const struct ks_keyring *keys = options->cx->keys;
    int rc;

    if (b == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    b->o = *options;
    b->seen_map =
        (struct ks_idmap){.id_len = SEEN_SIZE, .id_of = seen_of, .owner = b};
    ks_hmac_init(&b->keyed, ks_keyring_id_key(keys), KS_KEY_SIZE);
    rc = ks_fingerprinter_open(&b->fingerprinter,
                               ks_keyring_fingerprint_key(keys), err);
    if (rc == KS_OK) {
        *out = b;
        b = NULL;
    }
    ks_blobs_close(b);
    return rc;
}

void
ks_blobs_close(struct ks_blobs *b)
{
    if (b == NULL)
        return;
    ks_fingerprinter_close(b->fingerprinter);
    free(b->pieces);
    free(b->seen);
    ks_idmap_wipe(&b->seen_map);
    /* the prepared id key is in it */
    ks_wipe(b, sizeof(*b));
    free(b);
}

/* A place for the next piece. This may move all of them: workers know them by
 * number only. */
static int
add_piece(struct ks_blobs *b, struct ks_err *err)
{
    struct piece *bigger;
    size_t cap = b->piece_cap == 0 ? 16 : b->piece_cap * 2;

    if (b->piece_count >= KS_BLOB_PIECES_MAX)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "a file of more than 16 GiB cannot be kept");
    if (b->piece_count == b->piece_cap) {
        bigger = realloc(b->pieces, cap * sizeof(*bigger));
        if (bigger == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        b->pieces = bigger;
        b->piece_cap = cap;
    }
    b->piece_count++;
    return KS_OK;
}

/* A full piece is stored or known: its id is known now. */
static int
retire_piece(void *user, const struct ks_work *w, struct ks_err *err)
{
    struct ks_blobs *b = user;
    struct piece *p = &b->pieces[w->tag];

    assert(w->tag < b->piece_count && b->waiting > 0);
    b->waiting--;
    memcpy(p->id, w->id, sizeof(p->id));
    if (!w->known)
        b->fresh = true;
    return ks_parent_learn(b->o.parent, p->fingerprint, p->id, err);
}

/* For chunks whose id is known when they are submitted. */
static int
retire_named(void *user, const struct ks_work *w, struct ks_err *err)
{
    (void)user;
    (void)w;
    (void)err;
    return KS_OK;
}

/* Store w->data[0..len) under the id it must have, unless it is stored. If it
 * is, the work is not submitted, and the next take gives it again. */
static int
store_named(struct ks_blobs *b, struct ks_work *w, enum ks_chunk_kind kind,
            uint8_t *id, struct ks_err *err)
{
    bool known = false;
    int rc;

    ks_chunk_id(id, &b->keyed, kind, (struct ks_bytes){w->data, w->len});
    rc = ks_pipeline_known(b->o.pipeline, id, &known, err);
    if (rc < 0 || known)
        return rc;
    b->fresh = true;
    w->kind = kind;
    w->has_id = true;
    memcpy(w->id, id, sizeof(w->id));
    w->retired = retire_named;
    w->user = b;
    ks_pipeline_submit(b->o.pipeline, w);
    return KS_OK;
}

/* Deal with the piece in w->data[0..w->len). A piece that the parent knows by
 * its fingerprint must still be stored: the pack may be gone, or doomed. */
static int
take_piece(struct ks_blobs *b, struct ks_work *w, struct ks_err *err)
{
    struct piece *p;
    bool known = false;
    int rc = add_piece(b, err);

    if (rc < 0)
        return rc;
    p = &b->pieces[b->piece_count - 1];
    b->length += w->len;
    ks_fingerprint(b->fingerprinter, p->fingerprint, w->data, w->len);
    if (ks_parent_piece(b->o.parent, p->fingerprint, p->id))
        rc = ks_pipeline_known(b->o.pipeline, p->id, &known, err);
    if (rc < 0 || known)
        return rc;
    if (w->len < KS_PIECE_SIZE) {
        rc = store_named(b, w, KS_CHUNK_BLOB, p->id, err);
        if (rc == KS_OK)
            rc = ks_parent_learn(b->o.parent, p->fingerprint, p->id, err);
        return rc;
    }
    w->kind = KS_CHUNK_BLOB;
    w->tag = b->piece_count - 1;
    w->retired = retire_piece;
    w->user = b;
    b->waiting++;
    ks_pipeline_submit(b->o.pipeline, w);
    return KS_OK;
}

/* Read the blob to its end, piece by piece. An empty blob has one piece, of no
 * bytes; one whose length is a multiple of KS_PIECE_SIZE ends with a full one.
 * KS_BLOB_PIECES_MAX bounds the loop. */
static int
read_pieces(struct ks_blobs *b, struct ks_reader *from, struct ks_err *err)
{
    for (;;) {
        struct ks_work *w = NULL;
        int rc = ks_pipeline_take(b->o.pipeline, &w, err);

        if (rc == KS_OK)
            rc = ks_reader_fill(from, w->data, KS_PIECE_SIZE, &w->len, err);
        if (rc < 0)
            return rc;
        if (w->len == 0 && b->piece_count > 0)
            return KS_OK;
        if (w->len < KS_PIECE_SIZE)
            return take_piece(b, w, err);
        rc = take_piece(b, w, err);
        if (rc < 0)
            return rc;
    }
}

/* The blob's id; one of several pieces gets a chunk that names them. */
static int
name_blob(struct ks_blobs *b, uint8_t *id, struct ks_err *err)
{
    struct ks_work *w = NULL;
    int rc;

    if (b->piece_count == 1) {
        memcpy(id, b->pieces[0].id, 32);
        return KS_OK;
    }
    rc = ks_pipeline_take(b->o.pipeline, &w, err);
    if (rc < 0)
        return rc;
    /* u64le length ‖ ids (list.h) */
    static_assert(8 + 32 * KS_BLOB_PIECES_MAX <= KS_CHUNK_MAX, "one chunk");
    ks_put_u64le(w->data, b->length);
    for (size_t i = 0; i < b->piece_count; i++)
        memcpy(w->data + 8 + 32 * i, b->pieces[i].id, 32);
    w->len = 8 + 32 * b->piece_count;
    return store_named(b, w, KS_CHUNK_PIECES, id, err);
}

/* Enter a blob into the list when it appears for the first time. The
 * fingerprints are for the next run, which may then leave out the hashing. */
static int
list_blob(struct ks_blobs *b, const uint8_t *id, struct ks_err *err)
{
    struct ks_buf record;
    int rc;

    ks_buf_init(&record, RECORD_MAX);
    rc = ks_buf_append(&record, id, 32, err);
    if (rc == KS_OK)
        rc = ks_buf_varint(&record, b->length, err);
    for (size_t i = 0; rc == KS_OK && i < b->piece_count; i++) {
        if (b->piece_count > 1)
            rc = ks_buf_append(&record, b->pieces[i].id, 32, err);
        if (rc == KS_OK)
            rc = ks_buf_append(&record, b->pieces[i].fingerprint,
                               KS_FINGERPRINT_SIZE, err);
    }
    if (rc == KS_OK)
        rc = ks_streams_blob(b->o.streams, ks_buf_bytes(&record), err);
    ks_buf_wipe(&record);
    return rc;
}

/* Count a blob; *first unless this snapshot has it already. */
static int
note_seen(struct ks_blobs *b, const uint8_t *id, bool *first,
          struct ks_err *err)
{
    uint8_t(*bigger)[SEEN_SIZE];
    uint32_t cap = b->seen_cap == 0 ? 64 : b->seen_cap * 2;
    int rc;

    *first = false;
    if (ks_idmap_find(&b->seen_map, id) != KS_IDMAP_NONE)
        return KS_OK;
    if (b->seen_count == b->seen_cap) {
        bigger = realloc(b->seen, cap * sizeof(*bigger));
        if (bigger == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        b->seen = bigger;
        b->seen_cap = cap;
    }
    memcpy(b->seen[b->seen_count], id, SEEN_SIZE);
    rc = ks_idmap_add(&b->seen_map, b->seen_count, err);
    if (rc == KS_OK) {
        b->seen_count++;
        *first = true;
    }
    return rc;
}

int
ks_blobs_add(struct ks_blobs *b, struct ks_reader *from, uint8_t *id,
             struct ks_err *err)
{
    struct ks_err drained = KS_ERR_INIT;
    bool first = false;
    int rc;

    b->piece_count = 0;
    b->length = 0;
    b->fresh = false;
    assert(b->waiting == 0);
    /* A piece that was stored before `from` failed stays stored; nothing
     * names it, and it costs space until packs are collected. */
    rc = read_pieces(b, from, err);
    if (b->waiting > 0) {
        /* Also after a failure: pieces in flight still point here. */
        int rc2 = ks_pipeline_drain(b->o.pipeline, &drained);
        if (rc2 < 0 && (rc == KS_OK || rc == KS_E_FORMAT)) {
            *err = drained;
            rc = rc2;
        }
    }
    if (rc == KS_OK)
        rc = name_blob(b, id, err);
    if (rc == KS_OK)
        rc = note_seen(b, id, &first, err);
    if (rc == KS_OK && first) {
        b->fresh_count += b->fresh;
        rc = list_blob(b, id, err);
    }
    return rc;
}

uint64_t
ks_blobs_count(const struct ks_blobs *b)
{
    return b->seen_count;
}

uint64_t
ks_blobs_new(const struct ks_blobs *b)
{
    return b->fresh_count;
}
