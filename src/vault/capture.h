#ifndef KS_VAULT_CAPTURE_H
#define KS_VAULT_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/snapshot_writer.h"
#include "vault/snapshots.h"

struct ks_vault;

/*
 * capture: beginning, committing and abandoning a snapshot: the job's half of
 * snapshot_writer.h.
 *
 * Floor 2. Life: begin -> the verbs of snapshot_writer.h -> commit or abandon.
 * One thread; the pipeline below has threads of its own. While a snapshot is
 * being written its writer holds the lock of its client state.
 */
struct ks_capture_options {
    const char *source;       /* connector name, "signal-v1" */
    const char *label;        /* or NULL */
    const char *state_folder; /* this writer's client state */
    unsigned workers;         /* 0: ks_pool_default_workers() */
};

/* Steps W0 to W2, and the newest snapshot of the same source as parent. v must
 * stay open until commit or abandon; the strings are copied. KS_E_BUSY when
 * this writer is at work elsewhere, KS_E_USAGE if the label has more than 255
 * bytes, KS_E_UNSUPPORTED for a client state of a newer version, KS_E_CORRUPT
 * if a mark agreed to cannot be read, KS_E_LIMIT, KS_E_IO, KS_E_NOMEM. After a
 * failure nothing is held; the writer may have been enrolled. */
KS_MUST_CHECK int
ks_capture_begin(struct ks_snapshot_writer **out, struct ks_vault *v,
                 const struct ks_capture_options *options, struct ks_err *err);

/* Steps W3 and W4: on KS_OK the snapshot is durable and *out describes it
 * (free with ks_snapshot_info_wipe()). Frees w, also on failure. After a
 * failure the vault is as it was, but for packs that nothing refers to; only
 * if the very last steps failed, a sync or the client state, the snapshot may
 * stand all the same: the next run of this writer finds out. */
KS_MUST_CHECK int
ks_capture_commit(struct ks_snapshot_writer *w, struct ks_snapshot_info *out,
                  struct ks_err *err);

/* Give up. Free w; NULL is ok. */
void ks_capture_abandon(struct ks_snapshot_writer *w);

#endif /* KS_VAULT_CAPTURE_H */
