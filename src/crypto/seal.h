#ifndef KS_CRYPTO_SEAL_H
#define KS_CRYPTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * seal: one object, encrypted and bound to what it is (doc/format.md,
 * "Sealed objects").
 *
 *     offset size
 *          0    8  magic "KEEPSAY\0"
 *          8    1  version, 1
 *          9    1  suite: 1 AES-256-GCM, 2 ChaCha20-Poly1305 (RFC 8439)
 *         10    1  kind, 1..255
 *         11    5  zero
 *         16    8  epoch id
 *         24   32  salt, random
 *         56   32  commitment
 *         88    8  zero
 *         96    -  segments: 65 536 plaintext bytes (the last one: 1..65 536)
 *                  each followed by its 16-byte tag
 *
 *     key ‖ commitment = HKDF(epoch key, salt,
 *                   "keepsay object" ‖ header[0..24) ‖ vault id, 64 bytes)
 *     nonce of segment i = i as 11 bytes little-endian ‖ (last ? 1 : 0)
 *     name = first 16 bytes of SHA-256(header ‖ XXH3-128 of each sealed
 *            segment, tag included, canonical big-endian form)
 *
 * Floor 1. Sealing is in place: the caller lays plaintext out with a 16-byte
 * gap after every 65 536 bytes (ks_seal_room, ks_seal_at), so that an 8 MiB
 * pack needs one buffer, not two. Opening checks the commitment first, so a
 * wrong key and damage are different errors.
 */

#define KS_SEAL_HEADER_SIZE  ((size_t)96)
#define KS_SEAL_SEGMENT      ((size_t)65536)
#define KS_SEAL_TAG          ((size_t)16)
#define KS_SEAL_PLAIN_MAX    ((size_t)1 << 30)
#define KS_EPOCH_ID_SIZE     ((size_t)8)
#define KS_VAULT_ID_SIZE     ((size_t)16)
#define KS_OBJECT_ID_SIZE    ((size_t)16)
#define KS_COMMITMENT_PREFIX ((size_t)8)

enum ks_suite {
    KS_SUITE_AES_GCM = 1,
    KS_SUITE_CHACHA = 2,
};

/* What binds an object, beside its key. */
struct ks_seal_binding {
    uint8_t kind;
    uint8_t epoch_id[8];
    uint8_t vault_id[16];
};

/* Bytes of a sealed object whose plaintext is plain_len >= 1 bytes. */
size_t ks_seal_room(size_t plain_len);

/* Inverse: the plaintext length of a sealed object of `sealed` bytes, or 0 if
 * no object has that size. */
size_t ks_seal_plain_len(size_t sealed);

/* Where plaintext byte `at` lies in a sealed object, header included. */
size_t ks_seal_at(size_t at);

/* AES_GCM if the processor does AES, else CHACHA. */
enum ks_suite ks_seal_default_suite(void);

/*
 * Seal in place. object[0..ks_seal_room(plain_len)) holds the plaintext at its
 * gapped places; header and tags are filled in, and id[0..16) gets the name.
 * key: 32 bytes; salt: 32 fresh random bytes (given, so that test vectors
 * can be made). Fails with KS_E_NOMEM only.
 */
struct ks_seal_in {
    const uint8_t *key;
    const uint8_t *salt;
    enum ks_suite suite;
    struct ks_seal_binding binding;
};
KS_MUST_CHECK int
ks_seal(uint8_t *object, size_t plain_len, const struct ks_seal_in *in,
        uint8_t *id, struct ks_err *err);

/*
 * What a header says of itself, unproven. KS_E_FORMAT if it is not one of
 * ours, KS_E_UNSUPPORTED for a version or suite we do not know.
 */
struct ks_seal_header {
    uint8_t suite;
    uint8_t kind;
    uint8_t epoch_id[8];
    uint8_t commitment_prefix[8];
};
KS_MUST_CHECK int
ks_seal_parse_header(struct ks_seal_header *out, const uint8_t *header,
                     struct ks_err *err);

/* opener: the derived key of one sealed object, to read segments by number. */
struct ks_opener;

/*
 * Derive and check. header[0..96). KS_E_WRONG_KEY if the commitment does not
 * match (another key, kind or vault, or a damaged header: the caller knows
 * which it can be), KS_E_FORMAT, KS_E_UNSUPPORTED, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_opener_open(struct ks_opener **out, const uint8_t *header,
               const uint8_t *key, const struct ks_seal_binding *binding,
               struct ks_err *err);

/*
 * Open segment `index`: all of `sealed`, tag included, into
 * plain[0..sealed.len - 16); plain == sealed.ptr is fine. `last`: whether it
 * is the object's last segment.
 * KS_E_CORRUPT if the tag does not match; plain is then wiped.
 */
KS_MUST_CHECK int
ks_opener_segment(struct ks_opener *o, uint64_t index, bool last,
                  uint8_t *plain, struct ks_bytes sealed, struct ks_err *err);

/* Wipe and free. NULL is ok. */
void ks_opener_close(struct ks_opener *o);

/*
 * namer: an object's name from its sealed bytes, without any key, as they
 * stream by. Life: init -> update* -> final.
 */
struct ks_namer;
KS_MUST_CHECK int ks_namer_open(struct ks_namer **out, struct ks_err *err);
void ks_namer_reset(struct ks_namer *n);
void ks_namer_update(struct ks_namer *n, const void *data, size_t len);
void ks_namer_final(struct ks_namer *n, uint8_t *id);
void ks_namer_close(struct ks_namer *n);

#endif /* KS_CRYPTO_SEAL_H */
