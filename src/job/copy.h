#ifndef KS_JOB_COPY_H
#define KS_JOB_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/copy.h"

struct ks_progress;

/*
 * copy: a vault to another place: a folder into an archive file, an archive
 * file into a folder, or a second copy brought up to date. Needs no key.
 *
 * Floor 4.
 */
struct ks_copy_job {
    const char *from;
    const char *to;
    bool allow_incomplete; /* an archive file's older commit will do */
    const struct ks_progress *progress; /* or NULL */
};

/*
 * KS_E_NOTFOUND (no vault at `from`), KS_E_USAGE (`to` is something else, or
 * the same place), KS_E_EXISTS (`to` is a folder of other things),
 * KS_E_CORRUPT, KS_E_INCOMPLETE, KS_E_BUSY, KS_E_CANCELLED, KS_E_FULL,
 * KS_E_IO, KS_E_NOMEM. After a failure what was copied stays, and the next
 * copy goes on from there; a new archive file that has nothing committed is
 * removed again.
 */
KS_MUST_CHECK int
ks_job_copy(struct ks_copy_result *out, uint8_t *vault_id,
            const struct ks_copy_job *job, struct ks_err *err);

#endif /* KS_JOB_COPY_H */
