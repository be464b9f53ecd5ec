#ifndef KS_VAULT_BLOBS_H
#define KS_VAULT_BLOBS_H

#include <stdint.h>

#include "base/err.h"
#include "vault/parent.h"
#include "vault/pipeline.h"
#include "vault/streams.h"

struct ks_reader;

/*
 * blobs: large things on their way into pieces.
 *
 * Floor 2. A blob is cut at every KS_PIECE_SIZE bytes. Each piece is
 * fingerprinted; one that was seen before is not hashed again. One thread.
 */
struct ks_blobs;

/* All of them are borrowed; closing uses none of them. */
struct ks_blobs_options {
    const struct ks_object_context *cx;
    struct ks_pipeline *pipeline;
    struct ks_parent *parent;
    struct ks_streams *streams;
};

/* KS_E_NOMEM. Close after the pipeline has been closed or drained: its works
 * may point here. NULL is ok. */
KS_MUST_CHECK int
ks_blobs_open(struct ks_blobs **out, const struct ks_blobs_options *options,
              struct ks_err *err);
void ks_blobs_close(struct ks_blobs *b);

/* See ks_snapshot_blob(): from is read to its end and stays the caller's;
 * id[0..32) is set on KS_OK. KS_E_LIMIT beyond KS_BLOB_MAX, what `from` or the
 * pipeline says. After KS_E_FORMAT from `from` the next blob may be added;
 * after anything else nothing may. */
KS_MUST_CHECK int ks_blobs_add(struct ks_blobs *b, struct ks_reader *from,
                               uint8_t *id, struct ks_err *err);

/* Distinct blobs so far, and those of them that the vault did not have. */
uint64_t ks_blobs_count(const struct ks_blobs *b);
uint64_t ks_blobs_new(const struct ks_blobs *b);

#endif /* KS_VAULT_BLOBS_H */
