#ifndef KS_JOB_VERIFY_H
#define KS_JOB_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "vault/verify.h"

struct ks_session;

/*
 * verify: proof that a vault is whole, a part a night if wanted, and the note
 * that says so.
 *
 * Floor 4. Reads only. Which part comes next is remembered in the client
 * state. When all data was read and found whole, that is noted in the vault
 * if it can be written to; a vault on a read-only medium is no less
 * whole without the note.
 */
struct ks_verify_job {
    unsigned data_percent; /* 0: structure only; 1..100 of the packs read */
    void (*found)(void *user, const struct ks_finding *finding);
    void *user;
    const struct ks_progress *progress; /* or NULL */
};

/* KS_OK also when damage was found: see the result; *noted says whether
 * the vault now has a note. KS_E_CANCELLED, KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_job_verify(struct ks_verify_result *out, bool *noted, struct ks_session *s,
              const struct ks_verify_job *job, struct ks_err *err);

#endif /* KS_JOB_VERIFY_H */
