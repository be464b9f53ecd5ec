/*
 * progress: asking whoever waits whether to go on.
 */
#include "base/progress.h"

#include <assert.h>
#include <stddef.h>

int
ks_progress_step(const struct ks_progress *p, const char *phase, uint64_t done,
                 uint64_t total, struct ks_err *err)
{
    assert(phase != NULL);

    if (p == NULL || p->step == NULL)
        return KS_OK;
    if (p->step(p->user, phase, done, total) == 0)
        return KS_OK;
    return ks_fail(err, KS_E_CANCELLED, 0, "stopped on request");
}
