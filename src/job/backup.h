#ifndef KS_JOB_BACKUP_H
#define KS_JOB_BACKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "source/source.h"
#include "vault/snapshots.h"

struct ks_progress;
struct ks_secret;
struct ks_session;

/*
 * backup: a source becomes a snapshot of a vault.
 *
 * Floor 4. In the order in which things can go wrong cheaply: how the file
 * looks, whether a snapshot of just that is there already, the
 * source's key, then the capture. The snapshot is in the vault when this
 * answers KS_OK, and nothing refers to what was stored otherwise.
 */
struct ks_backup_options {
    const struct ks_source_ops *format; /* what ks_source_probe() said */
    const char *path;
    const char *label; /* or NULL */
    struct ks_policy policy;
    bool force_read;  /* read a source that looks unchanged all the same */
    unsigned workers; /* 0: as many as there are cores */
    /* Gives the source's key once it is needed; the job frees it. */
    int (*source_key)(void *user, struct ks_secret **out, struct ks_err *err);
    void *user;
    const struct ks_progress *progress; /* or NULL */
};

struct ks_backup_result {
    /* The snapshot made; with `unchanged` the one that was there already. Of a
     * dry run: the one that would have been made. */
    struct ks_snapshot_info info;
    bool unchanged;
};

/*
 * Back up. Free the result with ks_backup_result_wipe().
 * KS_E_WRONG_SOURCE_KEY, KS_E_INCOMPLETE (and the policy does not allow it),
 * KS_E_BUSY (another backup from this machine is at work), KS_E_CANCELLED,
 * KS_E_FULL, KS_E_FORMAT, KS_E_UNSUPPORTED, KS_E_NOTFOUND, KS_E_USAGE,
 * KS_E_IO, KS_E_NOMEM, and what source_key() answered. In a dry session
 * nothing is stored.
 */
KS_MUST_CHECK int
ks_job_backup(struct ks_backup_result *out, struct ks_session *s,
              const struct ks_backup_options *options, struct ks_err *err);

void ks_backup_result_wipe(struct ks_backup_result *result);

#endif /* KS_JOB_BACKUP_H */
