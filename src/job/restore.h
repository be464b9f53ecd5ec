#ifndef KS_JOB_RESTORE_H
#define KS_JOB_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ks_progress;
struct ks_secret;
struct ks_session;

/*
 * restore: a snapshot becomes a file that its app accepts, or the very file
 * that it was made from.
 *
 * Floor 4. The file appears under its name only when it is whole.
 */
struct ks_restore_job {
    const char *snapshot; /* "latest", or the first digits of its id */
    const char *to;       /* a file, or a folder to put one into */
    bool original;        /* the same bytes again */
    bool replace;         /* a file that is there may be replaced */
    /* One of these two, and neither with `original`: the key of the fresh
     * file, or where to write one that is made for it (0600, never replaced;
     * removed again if the restore fails). */
    const struct ks_secret *target_key;
    const char *target_key_out;
    const struct ks_progress *progress; /* or NULL */
};

struct ks_restore_result {
    uint8_t snapshot[16];
    int64_t time_ms; /* of the snapshot */
    char source[32]; /* its connector */
    char *path;      /* what was written */
    uint64_t bytes;  /* of it */
};

/*
 * Restore. Free the result with ks_restore_result_wipe().
 * KS_E_NOTFOUND (no such snapshot; the folder of the file is not there),
 * KS_E_EXISTS, KS_E_UNSUPPORTED (`original` where the snapshot has not kept
 * it, and err says why; a connector we do not have), KS_E_CORRUPT,
 * KS_E_CANCELLED, KS_E_FULL, KS_E_USAGE, KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_job_restore(struct ks_restore_result *out, struct ks_session *s,
               const struct ks_restore_job *job, struct ks_err *err);

void ks_restore_result_wipe(struct ks_restore_result *result);

#endif /* KS_JOB_RESTORE_H */
