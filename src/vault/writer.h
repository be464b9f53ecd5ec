#ifndef KS_VAULT_WRITER_H
#define KS_VAULT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/object.h"

/*
 * writer: the right to add to a vault, so that a collector that comes later
 * never deletes what a writer relies on (steps W0 to W4 of the garbage
 * collection protocol in doc/format.md).
 *
 * Floor 2. A writer is one client state folder: its id, its last committed
 * run, and the journal of the one snapshot put that may be in doubt. Runs of
 * one writer are serial (flock). Files there: `lock`, and `writer`, which is
 * sealed under HKDF(control key, KS_CTX_STATE) and replaced atomically.
 */
struct ks_writer;

/*
 * W0: lock the folder (made if missing; KS_E_BUSY if another run holds it),
 * read the state, enrol by putting writers/<w> if new, or afresh if the vault
 * says this writer is retired or does not know it; the store is synced.
 * W1: settle an in-doubt snapshot put (present: committed; absent: void for
 * ever), then list marks and put an ack for each, then sync.
 * A state file that does not open (other keys, damage) is set aside as
 * `writer.damaged` and a new writer enrols; one of a newer version is
 * KS_E_UNSUPPORTED. A mark that cannot be read is not acked, so nothing that
 * it names is deleted; if it was acked before, KS_E_CORRUPT.
 */
KS_MUST_CHECK int
ks_writer_open(struct ks_writer **out, const struct ks_object_context *cx,
               const char *state_folder, struct ks_err *err);

const uint8_t *ks_writer_id(const struct ks_writer *w);

/* The highest run begun so far; 0 if there is none. */
uint64_t ks_writer_run(const struct ks_writer *w);

/* The last committed run: 0 and a zero id if there is none. */
void
ks_writer_last(const struct ks_writer *w, uint64_t *run, uint8_t *snapshot);

/* Whether pack id[0..16) is named by a mark: it may vanish, so nothing in it
 * counts as stored (the set D). */
bool ks_writer_doomed(const struct ks_writer *w, const uint8_t *pack);

/* Begin the next run: its number, greater than any before and than `floor`
 * (the highest run of this writer seen in the vault). Durable on KS_OK. */
KS_MUST_CHECK int ks_writer_begin(struct ks_writer *w, uint64_t floor,
                                  uint64_t *run, struct ks_err *err);

/* Journal that snapshot id of this run is about to be put. Durable on KS_OK;
 * only then may it be put. */
KS_MUST_CHECK int
ks_writer_promise(struct ks_writer *w, const uint8_t *snapshot,
                  struct ks_err *err);

/* The promised snapshot is durable in the store. */
KS_MUST_CHECK int ks_writer_committed(struct ks_writer *w, struct ks_err *err);

/* Unlock and free. NULL is ok. */
void ks_writer_close(struct ks_writer *w);

/* marks/<m>: the packs a collector wants to delete. Encoded: u8 1 ‖ writer
 * 16 ‖ u32 count ‖ count × pack id 16. acks/<m>.<w>: u8 1 ‖ u64 last
 * committed run ‖ its snapshot id 16. writers/<w>: u8 1 ‖ i64 time_ms ‖
 * u8 length ‖ host name. writers/<w>.retired: u8 1 ‖ i64 time_ms. */
#define KS_MARK_PACKS_MAX 2000000U

#endif /* KS_VAULT_WRITER_H */
