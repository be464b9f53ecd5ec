#ifndef KS_BASE_PROGRESS_H
#define KS_BASE_PROGRESS_H

#include <stdint.h>

#include "base/err.h"

/*
 * progress: how far a long piece of work is, and whether to go on.
 *
 * Floor 0. The struct is the caller's and may be NULL wherever it is passed.
 * `step` is called on the thread that called us, at most about every 64 KiB.
 */
struct ks_progress {
    /* Returns 0 to go on, anything else to stop with KS_E_CANCELLED. */
    int (*step)(void *user, const char *phase, uint64_t done, uint64_t total);
    void *user;
};

/* Report done of total (0: unknown) in `phase` ("read", "verify", "write").
 * KS_OK, or KS_E_CANCELLED. */
KS_MUST_CHECK int
ks_progress_step(const struct ks_progress *p, const char *phase, uint64_t done,
                 uint64_t total, struct ks_err *err);

#endif /* KS_BASE_PROGRESS_H */
