/*
 * chunk_reader: from an id to bytes that are proven to be that chunk.
 *
 * Every segment's tag is checked by pack_reader.c, the id is computed anew
 * here: so an index that sends us to the wrong place, by accident or not,
 * costs a failure, never wrong bytes. A base is checked before it is used.
 */
#include "vault/chunk_reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "vault/chunk.h"
#include "vault/keyring.h"

#define KEPT_SEGMENTS 16U /* 1 MiB of opened pack segments */

struct ks_chunk_reader {
    struct ks_index *index;
    struct ks_pack_reader *packs;
    struct ks_chunk_codec *codec;
    struct ks_hmac keyed; /* with the id key */
    /* Buffers for stored bytes, the base and the chunk: what is handed out
     * lies in the last two, until the next call. */
    uint8_t *stored; /* KS_CHUNK_MAX each */
    uint8_t *base;
    uint8_t *plain;
};

int
ks_chunk_reader_open(struct ks_chunk_reader **out,
                     const struct ks_object_context *cx, struct ks_index *index,
                     struct ks_err *err)
{
    struct ks_chunk_reader *r = calloc(1, sizeof(*r));
    int rc = KS_OK;

    if (r == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    r->index = index;
    ks_hmac_init(&r->keyed, ks_keyring_id_key(cx->keys), KS_KEY_SIZE);
    r->stored = malloc(KS_CHUNK_MAX);
    r->base = malloc(KS_CHUNK_MAX);
    r->plain = malloc(KS_CHUNK_MAX);
    if (r->stored == NULL || r->base == NULL || r->plain == NULL)
        rc = ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    if (rc == KS_OK)
        rc =
            ks_pack_reader_open(&r->packs, cx, KS_OBJ_PACK, KEPT_SEGMENTS, err);
    if (rc == KS_OK)
        rc = ks_chunk_codec_open(&r->codec, err);
    if (rc == KS_OK) {
        *out = r;
        r = NULL;
    }
    ks_chunk_reader_close(r);
    return rc;
}

/* Wipe and free one of the buffers; those are people's messages. */
static void
free_buffer(uint8_t *p)
{
    if (p != NULL)
        ks_wipe(p, KS_CHUNK_MAX);
    free(p);
}

void
ks_chunk_reader_close(struct ks_chunk_reader *r)
{
    if (r == NULL)
        return;
    ks_pack_reader_close(r->packs);
    ks_chunk_codec_close(r->codec);
    free_buffer(r->stored);
    free_buffer(r->base);
    free_buffer(r->plain);
    ks_wipe(r, sizeof(*r));
    free(r);
}

/* Read, unpack and check one chunk into out[0..KS_CHUNK_MAX). KS_E_CORRUPT
 * names the pack: pack_reader.c does so itself, the rest is done here. */
static int
unpack(struct ks_chunk_reader *r, const struct ks_place *place,
       struct ks_bytes base, uint8_t *out, struct ks_err *err)
{
    const struct ks_entry *e = &place->entry;
    struct ks_stored stored = {(enum ks_chunk_form)e->form,
                               {r->stored, e->stored}};
    char hex[KS_ID_HEX_SIZE];
    uint8_t id[32];
    int rc;

    /* every decoder of entries has refused more */
    assert(e->stored <= KS_CHUNK_MAX && e->plain <= KS_CHUNK_MAX);
    rc = ks_pack_read(r->packs, &place->pack, e->offset, e->stored, r->stored,
                      err);
    if (rc < 0)
        return rc;
    rc = ks_chunk_decode(r->codec, &stored, base, out, e->plain, err);
    if (rc == KS_OK) {
        ks_chunk_id(id, &r->keyed, (enum ks_chunk_kind)e->kind,
                    (struct ks_bytes){out, e->plain});
        if (memcmp(id, e->id, sizeof(id)) != 0)
            rc = ks_fail(err, KS_E_CORRUPT, 0, "a chunk is not what it was");
    }
    if (rc < 0) {
        ks_hex_encode(hex, place->pack.id, 16);
        return ks_context(err, "packs/%s", hex);
    }
    return KS_OK;
}

int
ks_chunk_read_at(struct ks_chunk_reader *r, const struct ks_place *place,
                 struct ks_chunk *out, struct ks_err *err)
{
    struct ks_bytes base = {NULL, 0};
    struct ks_place below;
    int rc = KS_OK;

    if (place->entry.form == KS_FORM_DELTA) {
        /* Only a copy stored whole will do, so this goes one deep and no
         * deeper. */
        rc = ks_index_need(r->index, place->entry.base, true, &below, err);
        if (rc == KS_OK)
            rc = unpack(r, &below, base, r->base, err);
        if (rc < 0)
            return ks_context(err, "reading the base of a chunk");
        base = (struct ks_bytes){r->base, below.entry.plain};
    }
    rc = unpack(r, place, base, r->plain, err);
    if (rc < 0)
        return rc;
    out->plain = (struct ks_bytes){r->plain, place->entry.plain};
    out->entry = place->entry;
    out->base = base.ptr != NULL ? base : out->plain;
    memcpy(out->base_id, base.ptr != NULL ? place->entry.base : place->entry.id,
           32);
    return KS_OK;
}

int
ks_chunk_read(struct ks_chunk_reader *r, const uint8_t *id,
              struct ks_chunk *out, struct ks_err *err)
{
    struct ks_place place;
    int rc = ks_index_need(r->index, id, false, &place, err);

    return rc < 0 ? rc : ks_chunk_read_at(r, &place, out, err);
}
