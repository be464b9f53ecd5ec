#ifndef KS_VAULT_CHUNK_H
#define KS_VAULT_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "vault/format.h"

/*
 * chunk: what a chunk is called, and how its bytes are stored
 * (doc/format.md, "Chunks").
 *
 * Floor 2. A codec belongs to one thread: it holds the compression contexts
 * and one scratch buffer. Its output is borrowed until its next call.
 */

/* id[0..32) = HMAC-SHA-256(id key, u8 kind ‖ SHA-256(plain)); `keyed` is the
 * HMAC prepared with the id key. */
void ks_chunk_id(uint8_t *id, const struct ks_hmac *keyed,
                 enum ks_chunk_kind kind, struct ks_bytes plain);

struct ks_chunk_codec;

/* About 1 MiB, and another one with the first delta; wiped at the end. NULL is
 * ok to close. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_chunk_codec_open(struct ks_chunk_codec **out, struct ks_err *err);
void ks_chunk_codec_close(struct ks_chunk_codec *codec);

/* Stored bytes: into the codec's scratch, or the plaintext itself (RAW). */
struct ks_stored {
    enum ks_chunk_form form;
    struct ks_bytes bytes;
};

/*
 * Choose the smallest worthwhile form of `plain` (<= KS_CHUNK_MAX bytes):
 * with a base (base.ptr != NULL) a delta if that is at most
 * KS_DELTA_PERCENT of the chunk compressed alone. A blob piece that a cheap
 * probe finds incompressible stays raw. KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_chunk_encode(struct ks_chunk_codec *codec, enum ks_chunk_kind kind,
                struct ks_bytes plain, struct ks_bytes base,
                struct ks_stored *out, struct ks_err *err);

/* Undo: exactly plain_len <= KS_CHUNK_MAX bytes into plain. base: what the
 * delta was made against, used for that form only. KS_E_CORRUPT if the bytes
 * do not unpack to that length, KS_E_NOMEM; plain is then of no use. That it is
 * the right chunk, only its id tells. */
KS_MUST_CHECK int
ks_chunk_decode(struct ks_chunk_codec *codec, const struct ks_stored *stored,
                struct ks_bytes base, uint8_t *plain, size_t plain_len,
                struct ks_err *err);

#endif /* KS_VAULT_CHUNK_H */
