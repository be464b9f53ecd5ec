#ifndef KS_VAULT_PARENT_H
#define KS_VAULT_PARENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/chunk_reader.h"
#include "vault/snapshots.h"

/*
 * parent: what a capture remembers of the snapshot before it: which chunk a
 * changed one resembles, and which pieces of blobs were seen already.
 *
 * Floor 2. Everything here is a hint: a wrong answer costs space or time,
 * never truth, but for the fingerprints, whose keyed strength crypto/cipher.h
 * states. Bounded: KS_PARENT_PIECES_MAX pieces are remembered; more are
 * hashed again. One thread.
 */
struct ks_parent;

#define KS_PARENT_PIECES_MAX ((size_t)131072)
#define KS_PARENT_NONE       UINT32_MAX

/* Nothing remembered yet. KS_E_NOMEM. NULL is ok to close. */
KS_MUST_CHECK int ks_parent_open(struct ks_parent **out, struct ks_err *err);
void ks_parent_close(struct ks_parent *p);

/* Read a snapshot's list into memory. On failure what was read so far stays
 * in use. KS_E_CORRUPT, KS_E_NOTFOUND, KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_parent_load(struct ks_parent *p, struct ks_chunk_reader *chunks,
               const struct ks_snapshot_info *info, struct ks_err *err);

/* The number of the stream called name, or KS_PARENT_NONE. Level n of the list
 * is called "\001" followed by the digit n, the blobs "\001b". */
uint32_t ks_parent_stream(const struct ks_parent *p, const char *name);

/*
 * The chunk of the stream that a chunk which begins with a record of this hash
 * is likely to resemble: the one that begins with the same record; else
 * the one after the last found so. False if the stream has none.
 */
bool ks_parent_resembles(struct ks_parent *p, uint32_t stream,
                         uint32_t first_hash, uint8_t *id);

/* The chunk id of a piece by its fingerprint; false if unknown. */
bool ks_parent_piece(const struct ks_parent *p, const uint8_t *fingerprint,
                     uint8_t *id);
/* Remember one; past the limit it is not. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_parent_learn(struct ks_parent *p, const uint8_t *fingerprint,
                const uint8_t *id, struct ks_err *err);

#endif /* KS_VAULT_PARENT_H */
