#ifndef KS_VAULT_SNAPSHOTS_H
#define KS_VAULT_SNAPSHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/snapshot_info.h"

struct ks_index;
struct ks_index_options;
struct ks_vault;

/*
 * snapshots: which snapshots a vault has, and what each says of itself.
 *
 * Floor 2. One thread.
 */
struct ks_snapshots {
    struct ks_snapshot_info *list; /* oldest generation first, then time */
    size_t count;
    uint64_t damaged;    /* objects under snapshots/ that do not open */
    uint64_t void_count; /* put too late to count; ignored */
};

/* Read all. A damaged object is counted, not fatal. */
KS_MUST_CHECK int
ks_snapshots_read(struct ks_vault *v, struct ks_snapshots *out,
                  struct ks_err *err);
void ks_snapshots_free(struct ks_snapshots *s);

/*
 * The snapshot that `which` names: "latest" (highest generation, then time),
 * or at least 4 of the first hex digits of its id. KS_E_NOTFOUND, KS_E_USAGE
 * (two match). The answer points into s.
 */
KS_MUST_CHECK int ks_snapshots_find(const struct ks_snapshot_info **out,
                                    const struct ks_snapshots *s,
                                    const char *which, struct ks_err *err);

/*
 * The index of the vault, with the entries of every run that no index object
 * covers. doomed: see index.h; may be NULL. The caller closes it.
 */
KS_MUST_CHECK int
ks_snapshots_index(struct ks_index **out, struct ks_vault *v,
                   const struct ks_index_options *options, struct ks_err *err);

#endif /* KS_VAULT_SNAPSHOTS_H */
