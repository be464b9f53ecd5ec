/*
 * backup: capture, and before it the memo that may make it needless.
 */
#include "job/backup.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/progress.h"
#include "crypto/secret.h"
#include "job/memo.h"
#include "job/session.h"
#include "vault/capture.h"
#include "vault/vault.h"

/* The entry called id[0..16), or NULL. */
static struct ks_snapshot_info *
snapshot_with_id(const struct ks_snapshots *all, const uint8_t *id)
{
    for (size_t i = 0; i < all->count; i++) {
        if (memcmp(all->list[i].id, id, sizeof(all->list[i].id)) == 0)
            return &all->list[i];
    }
    return NULL;
}

/* Whether the snapshot that the memo names is what would be made again. */
static bool
still_serves(const struct ks_snapshot_info *info,
             const struct ks_backup_options *o)
{
    return info != NULL && strcmp(info->source, o->format->name) == 0 &&
           (o->label == NULL || strcmp(o->label, info->label) == 0);
}

/*
 * Is there a snapshot of a file that looked just like this? Then it moves into
 * *out, and out->unchanged says so.
 */
static int
find_unchanged(struct ks_backup_result *out, const struct ks_session *s,
               const struct ks_backup_options *o, const struct ks_looks *looks,
               struct ks_err *err)
{
    struct ks_vault *v = ks_session_vault(s);
    const struct ks_memo_entry *entry;
    struct ks_snapshots all = {0};
    struct ks_snapshot_info *info;
    struct ks_memo memo;

    if (o->force_read)
        return KS_OK;
    if (ks_memo_read(&memo, ks_vault_context(v), ks_session_state_name(s),
                     err) != KS_OK)
        return err->code;
    entry = ks_memo_find(&memo, looks, &o->policy);
    if (entry == NULL)
        return KS_OK;
    if (ks_snapshots_read(v, &all, err) != KS_OK)
        return err->code;
    info = snapshot_with_id(&all, entry->snapshot);
    if (still_serves(info, o)) {
        out->info = *info;
        out->unchanged = true;
        *info = (struct ks_snapshot_info){0}; /* what it held has moved */
    }
    ks_snapshots_free(&all);
    return KS_OK;
}

/* Hand all of the source to the new snapshot. */
static int
fill_snapshot(struct ks_snapshot_writer *w, const struct ks_backup_options *o,
              struct ks_source *src, struct ks_err *err)
{
    int rc = o->format->capture(src, w, &o->policy, o->progress, err);

    if (rc != KS_OK)
        return rc;
    /* The last place where one Ctrl-C stops it: from the commit on the snapshot
     * is made. */
    return ks_progress_step(o->progress, "finish", 0, 0, err);
}

/* Open the source with the key that the caller gives for it. */
static int
open_source(struct ks_source **out, const struct ks_backup_options *o,
            struct ks_err *err)
{
    struct ks_secret *key = NULL;
    int rc = o->source_key(o->user, &key, err);

    if (rc == KS_OK)
        rc = o->format->open(out, o->path, key, err);
    ks_secret_free(key);
    return rc;
}

/* Open the source, begin a snapshot, fill it, commit it. The state folder is
 * made first and the key asked for second, so that what can fail without the
 * user's help has failed before he types. */
static int
capture_source(struct ks_snapshot_info *info, struct ks_session *s,
               const struct ks_backup_options *o, struct ks_err *err)
{
    struct ks_capture_options capture = {
        .source = o->format->name,
        .label = o->label,
        .workers = o->workers,
    };
    struct ks_snapshot_writer *w = NULL;
    struct ks_source *src = NULL;
    int rc;

    /* The cheap things first: a state folder that cannot be made ends the run
     * before the source's key is derived. */
    rc = ks_session_state(s, &capture.state_folder, err);
    if (rc == KS_OK)
        rc = open_source(&src, o, err);
    if (rc == KS_OK)
        rc = ks_progress_step(o->progress, "begin", 0, 0, err);
    if (rc == KS_OK)
        rc = ks_capture_begin(&w, ks_session_vault(s), &capture, err);
    if (rc == KS_OK)
        rc = fill_snapshot(w, o, src, err);
    if (rc == KS_OK) {
        rc = ks_capture_commit(w, info, err);
        w = NULL; /* freed either way */
    }
    ks_capture_abandon(w);
    o->format->close(src);
    return rc;
}

/*
 * Remember how the file looked, if it did not change under our hands and a
 * later change would show. A memo that cannot be written costs the next
 * run the time to read the file, so that is no failure of this one.
 */
static void
remember(struct ks_session *s, const struct ks_backup_options *o,
         const struct ks_looks *before, const struct ks_snapshot_info *info)
{
    const struct ks_object_context *cx = ks_vault_context(ks_session_vault(s));
    struct ks_memo_entry entry = {.looks = *before, .policy = o->policy};
    struct ks_err odd = KS_ERR_INIT;
    struct ks_looks after;
    const char *folder = NULL;
    struct ks_memo memo;

    if (ks_session_dry(s) || !ks_looks_settled(before, ks_now_ms()) ||
        ks_looks_take(&after, o->path, &odd) != KS_OK ||
        !ks_looks_same(before, &after))
        return;
    memcpy(entry.snapshot, info->id, sizeof(entry.snapshot));
    if (ks_session_state(s, &folder, &odd) != KS_OK ||
        ks_memo_read(&memo, cx, folder, &odd) != KS_OK)
        return;
    ks_memo_put(&memo, &entry);
    (void)!ks_memo_write(&memo, cx, folder, &odd);
}

int
ks_job_backup(struct ks_backup_result *out, struct ks_session *s,
              const struct ks_backup_options *options, struct ks_err *err)
{
    struct ks_backup_result result = {0};
    struct ks_looks looks;
    int rc;

    assert(options->format != NULL && options->source_key != NULL);

    rc = ks_looks_take(&looks, options->path, err);
    if (rc == KS_OK)
        rc = find_unchanged(&result, s, options, &looks, err);
    if (rc == KS_OK && !result.unchanged) {
        rc = capture_source(&result.info, s, options, err);
        if (rc == KS_OK)
            remember(s, options, &looks, &result.info);
    }
    if (rc == KS_OK)
        *out = result;
    return rc;
}

void
ks_backup_result_wipe(struct ks_backup_result *result)
{
    ks_snapshot_info_wipe(&result->info);
    *result = (struct ks_backup_result){0};
}
