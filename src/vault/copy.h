#ifndef KS_VAULT_COPY_H
#define KS_VAULT_COPY_H

#include <stdint.h>

#include "base/err.h"

struct ks_progress;
struct ks_store;

/*
 * copy: a vault's objects into another store, as they are: the same vault,
 * the same keys, sealed throughout.
 *
 * Floor 2. Needs no key. Order: packs, index, slots, notes, writers, marks,
 * acks, a sync, header, snapshots, a sync; so an interrupted copy is no vault
 * yet, or one without the missing snapshots, and the next copy goes on
 * from there. What the target has already is not sent again. Snapshots that
 * are put while a copy runs are left to the next one. No other run may
 * delete from either vault meanwhile.
 */
struct ks_copy_result {
    uint64_t objects;       /* copied now */
    uint64_t objects_there; /* already there */
    uint64_t bytes;         /* copied now */
};

/*
 * `to` is empty or holds the same vault (KS_E_USAGE if another). Every object
 * is checked against its name while it is copied: KS_E_CORRUPT names
 * the first that is damaged; it is not copied, the others are, and the
 * copy then fails so. Writers and acks are named after a writer: of them the
 * sealed header alone is checked. KS_E_CANCELLED.
 */
KS_MUST_CHECK int ks_vault_copy(struct ks_store *from, struct ks_store *to,
                                const struct ks_progress *progress,
                                struct ks_copy_result *out, struct ks_err *err);

#endif /* KS_VAULT_COPY_H */
