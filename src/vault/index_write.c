/*
 * index_write: putting index objects together (index_file.h has the layout).
 *
 * An object is built whole in memory: at most 150 segments of 64 KiB, and as
 * much again for the sealed form. A fold that needs several puts the one that
 * covers the snapshots last, so that after a crash none claims to cover what
 * is not all there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/index_file.h"
#include "vault/keyring.h"

#define FENCE_SIZE ((size_t)8)
#define SEGMENT_GAP                                                            \
    (KS_SEAL_SEGMENT - KS_INDEX_SEGMENT_ENTRIES * KS_INDEX_ENTRY_SIZE)
#define NOT_NUMBERED UINT32_MAX

/* One fold being written. */
struct writing {
    const struct ks_object_context *cx;
    const struct ks_index_source *source;
    uint8_t (*put)[16]; /* objects put so far */
    size_t put_count;
    uint32_t *numbers; /* of a pack within the object, by the source's number */
    uint32_t *packs;   /* and back */
    uint32_t pack_count;
    size_t first; /* the entries of the object at hand */
    size_t count;
    struct ks_buf plain; /* without gaps for tags */
    struct ks_buf tail;
};

static int
no_memory(struct ks_err *err)
{
    return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
}

/* Number the packs that the object's entries use, in order of first use. */
static void
number_packs(struct writing *w)
{
    const struct ks_index_source *s = w->source;

    /* all NOT_NUMBERED: each object numbers its packs anew */
    memset(w->numbers, 0xff, s->pack_count * sizeof(*w->numbers));
    w->pack_count = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct ks_entry e;
        uint32_t pack = 0;

        s->entry(s->user, w->first + i, &pack, &e);
        assert(pack < s->pack_count);
        if (w->numbers[pack] == NOT_NUMBERED) {
            w->packs[w->pack_count] = pack;
            w->numbers[pack] = w->pack_count++;
        }
    }
}

/* Entry i of the source in its 88 bytes (index_file.h); the rest is zero. */
static int
put_entry(struct writing *w, size_t i, struct ks_err *err)
{
    const struct ks_index_source *s = w->source;
    uint8_t bytes[KS_INDEX_ENTRY_SIZE] = {0};
    struct ks_entry e;
    uint32_t pack = 0;

    s->entry(s->user, i, &pack, &e);
    memcpy(bytes, e.id, 32);
    memcpy(bytes + 32, e.base, 32);
    ks_put_u32le(bytes + 64, w->numbers[pack]);
    ks_put_u32le(bytes + 68, e.offset);
    ks_put_u32le(bytes + 72, e.stored);
    ks_put_u32le(bytes + 76, e.plain);
    bytes[80] = e.kind;
    bytes[81] = e.form;
    return ks_buf_append(&w->plain, bytes, sizeof(bytes), err);
}

/* All entries; whole segments, the last one filled up with zeros. */
static int
put_entries(struct writing *w, struct ks_err *err)
{
    int rc = KS_OK;

    for (size_t i = 0; rc == KS_OK && i < w->count; i++) {
        rc = put_entry(w, w->first + i, err);
        if (rc == KS_OK && (i + 1) % KS_INDEX_SEGMENT_ENTRIES == 0)
            rc = ks_buf_zeros(&w->plain, SEGMENT_GAP, err);
    }
    if (rc == KS_OK && w->plain.len % KS_SEAL_SEGMENT != 0)
        rc = ks_buf_zeros(
            &w->plain, KS_SEAL_SEGMENT - w->plain.len % KS_SEAL_SEGMENT, err);
    return rc;
}

/* A varint count and so many ids. */
static int
put_ids(struct ks_buf *out, const uint8_t (*ids)[16], size_t count,
        struct ks_err *err)
{
    int rc = ks_buf_varint(out, count, err);

    if (rc == KS_OK && count > 0)
        rc = ks_buf_append(out, ids, count * 16, err);
    return rc;
}

/* `last`: this object covers the snapshots, and goes with those before. */
static int
put_tail(struct writing *w, bool last, struct ks_err *err)
{
    const struct ks_index_source *s = w->source;
    int rc = ks_buf_u8(&w->tail, 1, err);

    if (rc == KS_OK)
        rc = ks_buf_varint(&w->tail, w->count, err);
    if (rc == KS_OK)
        rc = put_ids(&w->tail, s->covers, last ? s->cover_count : 0, err);
    if (rc == KS_OK)
        rc = put_ids(&w->tail, (const uint8_t(*)[16])w->put,
                     last ? w->put_count : 0, err);
    if (rc == KS_OK)
        rc = ks_buf_varint(&w->tail, w->pack_count, err);
    for (uint32_t i = 0; rc == KS_OK && i < w->pack_count; i++) {
        struct ks_pack_ref ref = s->pack(s->user, w->packs[i]);
        rc = ks_pack_ref_encode(&w->tail, &ref, err);
    }
    for (size_t at = 0; rc == KS_OK && at < w->plain.len; at += KS_SEAL_SEGMENT)
        rc = ks_buf_append(&w->tail, w->plain.data + at, FENCE_SIZE, err);
    return rc;
}

/* Zeros, tail and its length behind the entries. */
static int
close_plain(struct writing *w, struct ks_err *err)
{
    size_t used = w->plain.len + w->tail.len + 4;
    size_t padded = ks_padded(used);
    int rc = ks_buf_zeros(&w->plain, padded - used, err);

    if (rc == KS_OK)
        rc = ks_buf_append(&w->plain, w->tail.data, w->tail.len, err);
    if (rc == KS_OK)
        rc = ks_buf_u32le(&w->plain, (uint32_t)w->tail.len, err);
    assert(rc < 0 || w->plain.len == padded);
    return rc;
}

/* Seal the plaintext and put it, under a fresh salt and the current epoch. Its
 * id is remembered, so that the last object can name it. */
static int
put_object(struct writing *w, struct ks_err *err)
{
    const struct ks_object_context *cx = w->cx;
    struct ks_seal_in in = {.suite = ks_seal_default_suite()};
    size_t sealed = ks_seal_room(w->plain.len);
    /* sealed bytes: as long as the plaintext, the header and the tags */
    uint8_t *object = malloc(sealed);
    uint8_t *id = w->put[w->put_count];
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t salt[32];
    int rc;

    if (object == NULL)
        return no_memory(err);
    for (size_t at = 0; at < w->plain.len; at += KS_SEAL_SEGMENT) {
        size_t n = w->plain.len - at;
        /* the same bytes, apart by the room of a tag */
        memcpy(object + ks_seal_at(at), w->plain.data + at,
               n < KS_SEAL_SEGMENT ? n : KS_SEAL_SEGMENT);
    }
    ks_random(salt, sizeof(salt));
    in.salt = salt;
    in.binding.kind = KS_OBJ_INDEX;
    memcpy(in.binding.epoch_id, ks_keyring_current(cx->keys), 8);
    memcpy(in.binding.vault_id, cx->vault_id, 16);
    in.key = ks_keyring_epoch(cx->keys, in.binding.epoch_id);
    rc = ks_seal(object, w->plain.len, &in, id, err);
    if (rc == KS_OK) {
        ks_object_name(name, KS_DIR_INDEX, id);
        rc = ks_store_put(cx->store, name, object, sealed, err);
    }
    if (rc == KS_OK)
        w->put_count++;
    free(object);
    return rc;
}

/* One object: entries, tail, padding; sealed and put under its name. */
static int
write_one(struct writing *w, bool last, struct ks_err *err)
{
    int rc = KS_OK;

    ks_buf_reset(&w->plain);
    ks_buf_reset(&w->tail);
    number_packs(w);
    /* What covers snapshots must not outlive what it relies on. */
    if (last && w->put_count > 0)
        rc = ks_store_sync(w->cx->store, err);
    if (rc == KS_OK)
        rc = put_entries(w, err);
    if (rc == KS_OK)
        rc = put_tail(w, last, err);
    if (rc == KS_OK)
        rc = close_plain(w, err);
    return rc == KS_OK ? put_object(w, err) : rc;
}

/* Object after object, the last one also if there is no entry at all: it is
 * what says that the snapshots are covered. */
static int
write_all(struct writing *w, struct ks_err *err)
{
    size_t total = w->source->count;
    bool last;
    int rc;

    do {
        size_t left = total - w->first;

        last = left <= KS_INDEX_ENTRIES_MAX;
        w->count = last ? left : KS_INDEX_ENTRIES_MAX;
        rc = write_one(w, last, err);
        w->first += w->count;
    } while (rc == KS_OK && !last);
    return rc;
}

int
ks_index_write(const struct ks_object_context *cx,
               const struct ks_index_source *source, struct ks_err *err)
{
    struct writing w = {.cx = cx, .source = source};
    /* one more than needed when it divides evenly */
    size_t objects = source->count / KS_INDEX_ENTRIES_MAX + 1;
    int rc;

    ks_buf_init(&w.plain, KS_OBJECT_MAX);
    ks_buf_init(&w.tail, KS_INDEX_TAIL_MAX);
    w.put = calloc(objects, sizeof(*w.put));
    w.numbers = malloc((source->pack_count + 1) * sizeof(*w.numbers));
    w.packs = malloc((source->pack_count + 1) * sizeof(*w.packs));
    if (w.put == NULL || w.numbers == NULL || w.packs == NULL)
        rc = no_memory(err);
    else if (objects > KS_INDEX_OTHERS_MAX ||
             source->cover_count > KS_INDEX_COVERED_MAX)
        rc = ks_fail(err, KS_E_LIMIT, 0, "too much for one index");
    else
        rc = write_all(&w, err);
    ks_buf_wipe(&w.tail);
    ks_buf_wipe(&w.plain);
    free(w.packs);
    free(w.numbers);
    free(w.put);
    return rc < 0 ? ks_context(err, "writing the index") : KS_OK;
}
