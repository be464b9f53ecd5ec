/*
 * verify_snapshots: the structure of a vault, from the snapshots down. Every
 * chunk that a list names must have a place in a pack that the store lists
 * with the right size, and so must its base. Lists themselves are read and
 * checked, because they lead on.
 *
 * Damage is a finding and never ends a run: the next snapshot may be whole.
 * What ends it is what makes every finding doubtful, a device that fails or no
 * memory, and the user who has had enough.
 */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/text.h"
#include "store/store.h"
#include "vault/chunk_reader.h"
#include "vault/list.h"
#include "vault/names.h"
#include "vault/snapshots.h"
#include "vault/vault.h"
#include "vault/verify_run.h"

#define HINT_SNAPSHOT "this snapshot is lost; the others do not depend on it"
#define HINT_CHUNK                                                             \
    "what this snapshot kept there is lost; back up again to add what the "    \
    "source still has"

/* One snapshot being walked. */
struct walking {
    struct ks_verify_run *run;
    struct ks_chunk_reader *chunks;
    char object[KS_OBJECT_NAME_SIZE]; /* the snapshot, for findings */
    bool in_blobs;
    uint64_t missing;
    struct ks_err *err;
};

void
ks_verify_found(struct ks_verify_run *run, bool damage, const char *object,
                const char *what, const char *hint)
{
    struct ks_finding finding = {
        .object = object, .what = what, .damage = damage, .hint = hint};

    run->result.damaged += damage;
    if (run->options->found != NULL)
        run->options->found(run->options->user, &finding);
}

int
ks_verify_blame(struct ks_verify_run *run, const char *object,
                const struct ks_err *why, struct ks_err *err)
{
    switch (why->code) {
    case KS_E_NOMEM:
    case KS_E_IO:
    case KS_E_CANCELLED:
        *err = *why;
        return why->code;
    default:
        ks_verify_found(run, true, object, why->msg, NULL);
        return KS_OK;
    }
}

/* One chunk that the list says is needed. KS_OK and its place; KS_END if it or
 * its base is missing, which is counted; below zero if asking failed. */
static int
check_place(struct walking *w, const uint8_t *id, struct ks_place *place)
{
    struct ks_err why = KS_ERR_INIT;
    struct ks_place base;
    int rc = ks_index_need(w->run->index, id, false, place, &why);

    w->run->result.chunks++;
    if (rc == KS_OK && place->entry.form == KS_FORM_DELTA)
        rc = ks_index_need(w->run->index, place->entry.base, true, &base, &why);
    if (rc == KS_E_NOTFOUND) {
        w->missing++;
        return KS_END;
    }
    if (rc < 0)
        *w->err = why;
    return rc;
}

/* The pieces of a blob that has several. Those missing are counted, and the
 * rest looked at all the same. */
static int
check_pieces(struct walking *w, struct ks_blob_entry *e)
{
    const uint8_t *id;
    const uint8_t *fingerprint;
    struct ks_place place;
    int rc = KS_OK;

    while (rc >= 0 && ks_blob_entry_piece(e, &id, &fingerprint))
        rc = check_place(w, id, &place);
    return rc;
}

/* Every blob of one chunk of the blobs section. */
static int
check_blobs(struct walking *w, struct ks_bytes plain)
{
    struct ks_cursor c = ks_cursor_over(plain.ptr, plain.len);
    struct ks_bytes record;
    struct ks_place place;
    int rc;

    while ((rc = ks_records_next(&c, &record, w->err)) == KS_OK) {
        struct ks_blob_entry e;

        if (!ks_blob_entry_decode(record, &e))
            return ks_fail(w->err, KS_E_CORRUPT, 0, "a list is malformed");
        rc = check_place(w, e.id, &place);
        if (rc >= 0 && e.pieces > 1)
            rc = check_pieces(w, &e);
        if (rc < 0)
            return rc;
    }
    return rc == KS_END ? KS_OK : rc;
}

/* The chunks of the blobs section are read, those of streams only placed. */
static int
walk_section(void *user, enum ks_section kind, struct ks_bytes name)
{
    struct walking *w = user;

    (void)name;
    w->in_blobs = kind == KS_SECTION_BLOBS;
    return KS_OK;
}

/* A chunk of a section: has it a place, and the length the list says? */
static int
walk_chunk(void *user, const struct ks_chunk_ref *ref)
{
    struct walking *w = user;
    struct ks_place place;
    struct ks_chunk chunk;
    int rc = check_place(w, ref->id, &place);

    if (rc != KS_OK)
        return rc < 0 ? rc : KS_OK; /* missing: counted, and on */
    if (place.entry.plain != ref->plain)
        return ks_fail(w->err, KS_E_CORRUPT, 0, "a chunk has another length");
    if (place.entry.kind != (w->in_blobs ? KS_CHUNK_LIST : KS_CHUNK_RECORDS))
        return ks_fail(w->err, KS_E_CORRUPT, 0, "a chunk is of another kind");
    if (!w->in_blobs)
        return KS_OK;
    rc = ks_chunk_read_at(w->chunks, &place, &chunk, w->err);
    return rc < 0 ? rc : check_blobs(w, chunk.plain);
}

/* One snapshot; damage is a finding, not a failure. Missing chunks do not end
 * the walk, so they are told in one number; a list that cannot be read does,
 * and what lies behind it in this snapshot stays unknown. */
static int
check_snapshot(struct ks_verify_run *run, struct ks_chunk_reader *chunks,
               const struct ks_snapshot_info *info, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    struct walking w = {.run = run, .chunks = chunks, .err = &why};
    struct ks_list_visitor visitor = {
        .section = walk_section, .chunk = walk_chunk, .user = &w};
    char what[96];
    int rc;

    ks_object_name(w.object, KS_DIR_SNAPSHOTS, info->id);
    rc = ks_list_walk(chunks, info->root, info->root_level, &visitor, &why);
    run->result.snapshots++;
    if (w.missing > 0) {
        (void)snprintf(what, sizeof(what),
                       "%" PRIu64 " of its chunks are missing", w.missing);
        ks_verify_found(run, true, w.object, what, HINT_CHUNK);
    }
    if (rc < 0)
        return ks_verify_blame(run, w.object, &why, err);
    run->result.snapshots_whole += w.missing == 0;
    return KS_OK;
}

/* Name the snapshot objects that do not open. They were counted when the
 * snapshots were read; by name they are read again, as that is rare. */
static int
name_damaged_snapshots(struct ks_verify_run *run, struct ks_err *err)
{
    const struct ks_object_context *cx = ks_vault_context(run->vault);
    struct ks_names names = {NULL, 0};
    struct ks_buf content;
    int rc = ks_names_list(&names, cx->store, KS_DIR_SNAPSHOTS, err);

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    for (size_t i = 0; rc == KS_OK && i < names.count; i++) {
        struct ks_err why = KS_ERR_INIT;
        char name[KS_NAME_MAX + 1];

        ks_names_join(name, KS_DIR_SNAPSHOTS, names.list[i].text);
        if (ks_object_get(cx, KS_OBJ_SNAPSHOT, name, &content, &why) < 0) {
            rc = ks_verify_blame(run, name, &why, err);
            run->result.snapshots++;
        }
    }
    ks_buf_wipe(&content);
    ks_names_free(&names);
    return rc;
}

/* Packs the store lists under another size than the vault knows, and packs
 * that no run claims. */
static void
check_pack_listing(struct ks_verify_run *run)
{
    size_t count = ks_index_pack_count(run->index);

    for (size_t i = 0; i < count; i++) {
        struct ks_pack_state state = ks_index_pack_state(run->index, i);
        char name[KS_OBJECT_NAME_SIZE];

        ks_object_name(name, KS_DIR_PACKS, state.ref.id);
        run->result.packs += state.in_store;
        if (state.in_store && !state.claimed) {
            run->result.unreferenced++;
            ks_verify_found(run, false, name, "unreferenced",
                            "left by an interrupted backup; harmless");
        } else if (!state.in_store) {
            ks_verify_found(run, true, name, "missing", HINT_CHUNK);
        } else if (!state.right_size) {
            ks_verify_found(run, true, name, "it is cut short or too long",
                            HINT_CHUNK);
        }
    }
}

/* Every snapshot that counts; and those that do not open are named. */
static int
check_snapshots(struct ks_verify_run *run, struct ks_err *err)
{
    struct ks_chunk_reader *chunks = NULL;
    struct ks_snapshots all = {0};
    int rc = ks_snapshots_read(run->vault, &all, err);

    if (rc == KS_OK && all.damaged > 0)
        rc = name_damaged_snapshots(run, err);
    if (rc == KS_OK)
        rc = ks_chunk_reader_open(&chunks, ks_vault_context(run->vault),
                                  run->index, err);
    for (size_t i = 0; rc == KS_OK && i < all.count; i++) {
        rc = check_snapshot(run, chunks, &all.list[i], err);
        if (rc == KS_OK)
            rc = ks_progress_step(run->options->progress, "verify", i + 1,
                                  all.count, err);
    }
    ks_chunk_reader_close(chunks);
    ks_snapshots_free(&all);
    return rc;
}

/* What an archive file adds: see ks_store_check(). */
static void
note_file_damage(void *user, uint64_t offset, uint64_t len, const char *what)
{
    char object[96];

    (void)snprintf(object, sizeof(object),
                   "bytes %" PRIu64 " to %" PRIu64 " of the file", offset,
                   len > 0 ? offset + len - 1 : offset);
    ks_verify_found(user, true, object, what, NULL);
}

/* Of an archive file: tables of contents, commit slots, bytes not in use.
 * Other stores have nothing to say. */
static int
check_file(struct ks_verify_run *run, struct ks_err *err)
{
    uint64_t trailing = 0;
    char object[64];
    int rc = ks_store_check(ks_vault_store(run->vault), note_file_damage, run,
                            &trailing, err);

    if (rc == KS_OK && trailing > 0) {
        (void)snprintf(object, sizeof(object),
                       "the last %" PRIu64 " bytes of the file", trailing);
        ks_verify_found(run, false, object, "not in use",
                        "left by an interrupted backup; the next one writes "
                        "over them");
    }
    return rc;
}

int
ks_vault_verify(struct ks_vault *v, const struct ks_verify_options *options,
                struct ks_verify_result *out, struct ks_err *err)
{
    struct ks_verify_run run = {.vault = v, .options = options};
    bool data = options->data_percent > 0;
    int rc = ks_snapshots_index(&run.index, v, NULL, err);

    assert(options->data_percent <= 100);
    if (rc == KS_OK)
        rc = check_snapshots(&run, err);
    if (rc == KS_OK)
        check_pack_listing(&run); /* by now it is known which are in use */
    if (rc == KS_OK)
        rc = ks_verify_objects(&run, data, err);
    if (rc == KS_OK && data)
        rc = ks_verify_packs(&run, err);
    if (rc == KS_OK && data)
        rc = check_file(&run, err);
    ks_index_close(run.index);
    if (rc == KS_OK)
        *out = run.result;
    return rc;
}
