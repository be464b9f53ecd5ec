#ifndef KS_VAULT_CHUNK_READER_H
#define KS_VAULT_CHUNK_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "vault/index.h"
#include "vault/object.h"

/*
 * chunk_reader: a chunk's plaintext by its id, checked.
 *
 * Floor 2. Finds the chunk, reads it (and its base, if it is a delta), unpacks
 * it, recomputes its id. One thread at a time; the index is shared with
 * whoever holds it. About 3 MiB of buffers.
 */
struct ks_chunk_reader;

/* cx and index are borrowed and must outlive the reader. KS_E_NOMEM. Closing
 * wipes every buffer; NULL is ok. */
KS_MUST_CHECK int
ks_chunk_reader_open(struct ks_chunk_reader **out,
                     const struct ks_object_context *cx, struct ks_index *index,
                     struct ks_err *err);
void ks_chunk_reader_close(struct ks_chunk_reader *r);

/* What was read; everything borrowed until the next call. */
struct ks_chunk {
    struct ks_bytes plain;
    struct ks_entry entry;
    /* The copy stored whole that a delta against this chunk would use: its
     * own base, or itself. */
    uint8_t base_id[32];
    struct ks_bytes base;
};

/*
 * KS_E_NOTFOUND: no usable pack has it; KS_E_CORRUPT: it is damaged (err names
 * the pack); KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int ks_chunk_read(struct ks_chunk_reader *r, const uint8_t *id,
                                struct ks_chunk *out, struct ks_err *err);

/* The same for a place that is known already. */
KS_MUST_CHECK int
ks_chunk_read_at(struct ks_chunk_reader *r, const struct ks_place *place,
                 struct ks_chunk *out, struct ks_err *err);

#endif /* KS_VAULT_CHUNK_READER_H */
