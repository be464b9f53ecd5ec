/*
 * verify: the vault's own proof, with a cycle before it and a note after.
 */
#include "job/verify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "job/memo.h"
#include "job/session.h"
#include "vault/note.h"
#include "vault/snapshots.h"
#include "vault/vault.h"

/* The part that is due, and from now on the next one. A state folder that
 * cannot be written means that the same part is read again: said nowhere,
 * because nothing is wrong with the vault. */
static int
take_cycle(uint64_t *cycle, struct ks_session *s, struct ks_err *err)
{
    const struct ks_object_context *cx = ks_vault_context(ks_session_vault(s));
    struct ks_err odd = KS_ERR_INIT;
    const char *folder = NULL;
    struct ks_memo memo;

    if (ks_memo_read(&memo, cx, ks_session_state_name(s), err) != KS_OK)
        return err->code;
    /* Counted before the part is read: one that is interrupted is not read for
     * ever again while the others never are. */
    *cycle = memo.verify_cycle++;
    if (ks_session_state(s, &folder, &odd) == KS_OK)
        (void)!ks_memo_write(&memo, cx, folder, &odd);
    return KS_OK;
}

/* The ids of all snapshots, as a note wants them; the caller frees. */
static int
all_ids(uint8_t (**out)[16], const struct ks_snapshots *all, struct ks_err *err)
{
    uint8_t(*ids)[16] = calloc(all->count, sizeof(*ids));

    if (ids == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a note");
    for (size_t i = 0; i < all->count; i++)
        memcpy(ids[i], all->list[i].id, sizeof(ids[i]));
    *out = ids;
    return KS_OK;
}

/* Put the note, one above all others, into a store open for writing. */
static int
put_verified(const struct ks_object_context *cx, const struct ks_snapshots *all,
             struct ks_err *err)
{
    struct ks_note note = {
        .kind = KS_NOTE_VERIFIED,
        .time_ms = ks_now_ms(),
        .id_count = all->count,
    };
    struct ks_notes notes = {0};
    int rc = ks_notes_read(cx, &notes, err);

    if (rc == KS_OK) {
        note.counter = ks_notes_counter(&notes) + 1;
        rc = all_ids(&note.ids, all, err);
    }
    if (rc == KS_OK)
        rc = ks_note_put(cx, &note, err);
    if (rc == KS_OK)
        rc = ks_store_sync(cx->store, err);
    free(note.ids);
    ks_notes_free(&notes);
    return rc;
}

/*
 * Note that all data of `all` was read and whole, if the store lets itself be
 * written. The vault stays open for reading only, so that a proof cannot
 * change what it proves; the note goes in by a door of its own.
 */
static bool
note_verified(const struct ks_session *s, const struct ks_snapshots *all)
{
    struct ks_vault *v = ks_session_vault(s);
    struct ks_store_options options = {.mode = KS_STORE_WRITE};
    struct ks_object_context cx = *ks_vault_context(v);
    struct ks_err odd = KS_ERR_INIT;
    uint8_t id[KS_ID_SIZE];
    bool noted;

    /* The keys are those of the open vault; the store is our own. */
    cx.store = NULL;
    if (all->count == 0 || all->count > KS_NOTE_IDS_MAX ||
        ks_place_open(&cx.store, ks_session_where(s), &options, id, &odd) !=
            KS_OK)
        return false;
    /* Another vault may stand there by now: a note in it would not open. */
    noted = memcmp(id, ks_vault_id(v), sizeof(id)) == 0 &&
            put_verified(&cx, all, &odd) == KS_OK;
    ks_store_close(cx.store);
    return noted;
}

int
ks_job_verify(struct ks_verify_result *out, bool *noted, struct ks_session *s,
              const struct ks_verify_job *job, struct ks_err *err)
{
    struct ks_vault *v = ks_session_vault(s);
    struct ks_verify_options options = {
        .data_percent = job->data_percent,
        .found = job->found,
        .user = job->user,
        .progress = job->progress,
    };
    struct ks_snapshots all = {0};
    bool partly = job->data_percent > 0 && job->data_percent < 100;
    int rc = KS_OK;

    assert(job->data_percent <= 100);

    *noted = false;
    if (partly)
        rc = take_cycle(&options.cycle, s, err);
    /* Listed first: the note must name no snapshot that comes meanwhile. */
    if (rc == KS_OK)
        rc = ks_snapshots_read(v, &all, err);
    if (rc == KS_OK)
        rc = ks_vault_verify(v, &options, out, err);
    if (rc == KS_OK && job->data_percent == 100 && out->damaged == 0)
        *noted = note_verified(s, &all);
    ks_snapshots_free(&all);
    return rc;
}
