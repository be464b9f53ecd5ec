#ifndef KS_VAULT_READING_H
#define KS_VAULT_READING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/snapshots.h"

struct ks_snapshot_reader;
struct ks_vault;

/*
 * reading: opening a snapshot for reading: the job's half of
 * snapshot_reader.h, as capture.h is of snapshot_writer.h.
 *
 * Floor 2. Life: open -> the verbs of snapshot_reader.h -> close, before the
 * vault is closed. One thread.
 */

/*
 * Open a snapshot of v; `info` must outlive the reader. Reads the index and
 * the whole list: about 40 bytes a chunk stay in memory. KS_E_CORRUPT and
 * KS_E_NOTFOUND name what is damaged or missing; KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_snapshot_reader_open(struct ks_snapshot_reader **out, struct ks_vault *v,
                        const struct ks_snapshot_info *info,
                        struct ks_err *err);

/* Close and free; its streams and blobs must be closed. NULL is ok. */
void ks_snapshot_reader_close(struct ks_snapshot_reader *r);

/* Every blob of the snapshot, in order of first appearance. A nonzero answer
 * of each() ends the walk and is returned. KS_E_CORRUPT, KS_E_NOTFOUND. */
KS_MUST_CHECK int
ks_snapshot_blobs(struct ks_snapshot_reader *r,
                  int (*each)(void *user, const uint8_t *id, uint64_t size),
                  void *user, struct ks_err *err);

#endif /* KS_VAULT_READING_H */
