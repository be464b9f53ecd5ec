#ifndef KS_JOB_DRY_STORE_H
#define KS_JOB_DRY_STORE_H

#include "base/err.h"

struct ks_store;

/*
 * dry_store: a store that lets everything be read and keeps nothing.
 *
 * Floor 4. Stands before another store: reads come from there, what is put is
 * only remembered for as long as this is open, so that a dry run of a backup
 * is the backup itself up to the last byte written. Small objects are kept
 * whole in memory and can be read back; of large ones (packs) only the size.
 */
#define KS_DRY_KEEP_MAX ((size_t)1 << 20) /* bytes of an object kept whole */

/* Replace *store by one that stands before it and takes it. On failure
 * *store is as it was. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_dry_store_open(struct ks_store **store, struct ks_err *err);

#endif /* KS_JOB_DRY_STORE_H */
