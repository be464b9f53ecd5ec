#ifndef KS_VAULT_VERIFY_RUN_H
#define KS_VAULT_VERIFY_RUN_H

#include "base/err.h"
#include "vault/index.h"
#include "vault/verify.h"

/*
 * verify_run: what the parts of verify share.
 *
 * Floor 2. verify_snapshots.c goes through snapshots and their lists,
 * verify_packs.c reads packs, verify_objects.c reads everything else.
 */
struct ks_verify_run {
    struct ks_vault *vault;
    const struct ks_verify_options *options;
    struct ks_verify_result result;
    struct ks_index *index;
};

/* Report one finding; `hint` may be NULL. */
void ks_verify_found(struct ks_verify_run *run, bool damage, const char *object,
                     const char *what, const char *hint);

/* Report what failed as damage and go on, or pass on what is no finding (no
 * memory, no device, cancelled): KS_OK or that error in *err. */
KS_MUST_CHECK int ks_verify_blame(struct ks_verify_run *run, const char *object,
                                  const struct ks_err *why, struct ks_err *err);

/* Every pack that is chosen: name, segments, table, chunks. */
KS_MUST_CHECK int
ks_verify_packs(struct ks_verify_run *run, struct ks_err *err);

/* Headers, slots, notes, indexes, writers, marks, acks, and names that are no
 * objects. `data`: also what only reading everything shows. */
KS_MUST_CHECK int
ks_verify_objects(struct ks_verify_run *run, bool data, struct ks_err *err);

#endif /* KS_VAULT_VERIFY_RUN_H */
