/*
 * verify_packs: reading packs whole. A pack must have the name that its bytes
 * give; every segment must open; its table must be what snapshots and indexes
 * say of it; every chunk must unpack to bytes that have its id.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/text.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/chunk_reader.h"
#include "vault/keyring.h"
#include "vault/vault.h"
#include "vault/verify_run.h"

/* All packs being read, one after the other; ref is the one at hand, under
 * the size that the store lists. */
struct reading {
    struct ks_verify_run *run;
    struct ks_namer *namer;
    struct ks_pack_reader *tables;
    struct ks_chunk_reader *chunks;
    uint8_t *object; /* room for the largest pack */
    size_t largest;
    struct ks_pack_ref ref;
    uint64_t total; /* bytes to read, for progress */
    struct ks_err *why;
};

/* Whether this cycle reads the pack: ids are random, so two bytes of one
 * spread packs evenly over a hundred parts. */
static bool
is_chosen(const struct ks_verify_options *o, const uint8_t *id)
{
    /* Cycle n reads the parts from n * percent on, around a hundred: so one
     * cycle begins where the one before ended. */
    unsigned part = (unsigned)(id[0] << 8 | id[1]) % 100;
    unsigned first = (unsigned)(o->cycle % 100 * o->data_percent % 100);

    return (part + 100 - first) % 100 < o->data_percent;
}

/* All bytes of the pack, and whether they give its name. No key is needed for
 * that: it finds rot, not forgery. */
static int
read_whole(struct reading *rd, const char *name, struct ks_err *err)
{
    struct ks_store *store = ks_vault_store(rd->run->vault);
    uint8_t id[16];
    size_t got = 0;
    int rc = ks_store_get(store, name, 0, rd->object, rd->ref.size, &got, err);

    if (rc < 0)
        return rc;
    rd->run->result.bytes_read += got;
    if (got != rd->ref.size)
        return ks_fail(err, KS_E_CORRUPT, 0, "it is cut short");
    ks_namer_reset(rd->namer);
    ks_namer_update(rd->namer, rd->object, got);
    ks_namer_final(rd->namer, id);
    if (memcmp(id, rd->ref.id, sizeof(id)) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "its bytes are not those that were written");
    return KS_OK;
}

/* Every segment's tag, those of the padding too. Opened in place: the bytes
 * have been read for their name already, and are wiped at the end. */
static int
prove_segments(struct reading *rd, struct ks_err *err)
{
    const struct ks_object_context *cx = ks_vault_context(rd->run->vault);
    struct ks_seal_binding binding = {.kind = KS_OBJ_PACK};
    struct ks_seal_header says = {0};
    struct ks_opener *opener = NULL;
    const uint8_t *key = NULL;
    size_t plain = ks_seal_plain_len(rd->ref.size);
    int rc;

    /* Anybody can name a few bytes rightly: there may be no header at all. */
    if (plain == 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "it has an impossible size");
    rc = ks_seal_parse_header(&says, rd->object, err);
    if (rc < 0)
        return rc;
    key = ks_keyring_epoch(cx->keys, says.epoch_id);
    if (key == NULL)
        return ks_fail(err, KS_E_CORRUPT, 0, "it names a key we do not have");
    memcpy(binding.epoch_id, says.epoch_id, sizeof(binding.epoch_id));
    memcpy(binding.vault_id, cx->vault_id, sizeof(binding.vault_id));
    rc = ks_opener_open(&opener, rd->object, key, &binding, err);
    for (size_t at = 0; rc == KS_OK && at < plain; at += KS_SEAL_SEGMENT) {
        size_t n = plain - at < KS_SEAL_SEGMENT ? plain - at : KS_SEAL_SEGMENT;
        uint8_t *p = rd->object + ks_seal_at(at);

        rc = ks_opener_segment(opener, at / KS_SEAL_SEGMENT, at + n == plain, p,
                               (struct ks_bytes){p, n + KS_SEAL_TAG}, err);
    }
    ks_opener_close(opener);
    return rc;
}

/* Whether two entries of one id say the same. */
static bool
same_entry(const struct ks_entry *a, const struct ks_entry *b)
{
    return a->offset == b->offset && a->stored == b->stored &&
           a->plain == b->plain && a->kind == b->kind && a->form == b->form &&
           memcmp(a->base, b->base, sizeof(a->base)) == 0;
}

/* A table entry against what the rest of the vault says, and the chunk. */
static int
check_entry(void *user, const struct ks_entry *e)
{
    struct reading *rd = user;
    struct ks_place here = {.pack = rd->ref, .entry = *e};
    struct ks_place place;
    struct ks_chunk chunk;
    bool found = false;
    int rc = ks_index_find(rd->run->index, e->id, &place, &found, rd->why);

    if (rc == KS_OK && found && memcmp(place.pack.id, rd->ref.id, 16) == 0 &&
        !same_entry(&place.entry, e))
        return ks_fail(rd->why, KS_E_CORRUPT, 0,
                       "its table and the index do not agree");
    return rc < 0 ? rc : ks_chunk_read_at(rd->chunks, &here, &chunk, rd->why);
}

/* One pack: name, then segments, then table and chunks. What comes later
 * would only repeat what an earlier step has found. */
static int
check_pack(struct reading *rd, const char *name, struct ks_err *err)
{
    int rc = read_whole(rd, name, err);

    if (rc == KS_OK)
        rc = prove_segments(rd, err);
    rd->why = err;
    if (rc == KS_OK)
        rc = ks_pack_table(rd->tables, &rd->ref, check_entry, rd, err);
    rd->why = NULL; /* it is the caller's, for this pack only */
    return rc;
}

/* Go through all packs of the store. */
static int
check_all(struct reading *rd, struct ks_err *err)
{
    struct ks_verify_run *run = rd->run;
    size_t count = ks_index_pack_count(run->index);
    int rc = KS_OK;

    for (size_t i = 0; i < count; i++) {
        struct ks_pack_state state = ks_index_pack_state(run->index, i);
        if (!state.in_store || !is_chosen(run->options, state.ref.id))
            continue;
        rd->total += state.store_size;
        if (state.store_size > rd->largest)
            rd->largest = state.store_size;
    }
    /* at most KS_PACK_MAX: the index takes no larger one for a pack */
    rd->object = malloc(rd->largest > 0 ? rd->largest : 1);
    if (rd->object == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    for (size_t i = 0; rc == KS_OK && i < count; i++) {
        struct ks_pack_state state = ks_index_pack_state(run->index, i);
        struct ks_err why = KS_ERR_INIT;
        char name[KS_OBJECT_NAME_SIZE];

        if (!state.in_store || !is_chosen(run->options, state.ref.id))
            continue;
        ks_object_name(name, KS_DIR_PACKS, state.ref.id);
        rd->ref = state.ref;
        rd->ref.size = state.store_size;
        if (check_pack(rd, name, &why) < 0)
            rc = ks_verify_blame(run, name, &why, err);
        run->result.packs_read++;
        if (rc == KS_OK)
            rc = ks_progress_step(run->options->progress, "verify",
                                  run->result.bytes_read, rd->total, err);
    }
    return rc;
}

int
ks_verify_packs(struct ks_verify_run *run, struct ks_err *err)
{
    const struct ks_object_context *cx = ks_vault_context(run->vault);
    struct reading rd = {.run = run};
    int rc = ks_namer_open(&rd.namer, err);

    if (rc == KS_OK)
        rc = ks_pack_reader_open(&rd.tables, cx, KS_OBJ_PACK, 1, err);
    if (rc == KS_OK)
        rc = ks_chunk_reader_open(&rd.chunks, cx, run->index, err);
    if (rc == KS_OK)
        rc = check_all(&rd, err);
    if (rd.object != NULL)
        ks_wipe(rd.object, rd.largest);
    free(rd.object);
    ks_chunk_reader_close(rd.chunks);
    ks_pack_reader_close(rd.tables);
    ks_namer_close(rd.namer);
    return rc;
}
