#ifndef KS_SOURCE_SIGNAL_V1_CONTAINER_H
#define KS_SOURCE_SIGNAL_V1_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

struct ks_ctr;

/*
 * container: the header, the keys and the ciphers of a Signal `.backup` file.
 *
 * Floor 3. What reading and writing share; no file is touched here. A frame's
 * "length" is always that of its plaintext, in bytes. Versions 0 and 1.
 * Source: Signal-Android's FullBackupImporter and FullBackupBase, 2026-08.
 */
#define KS_V1_HEADER_MAX ((size_t)16384) /* bytes of the header frame */
#define KS_V1_IV_SIZE    ((size_t)16)
#define KS_V1_SALT_SIZE  ((size_t)32)   /* that we write */
#define KS_V1_SALT_MAX   ((size_t)1024) /* that we read */
#define KS_V1_MAC_SIZE   ((size_t)10)   /* of a MAC in the file */
#define KS_V1_LEN_SIZE   ((size_t)4)
/* What a frame has in the file beside its plaintext's length. */
#define KS_V1_FRAME_EXTRA (KS_V1_LEN_SIZE + KS_V1_MAC_SIZE)
#define KS_V1_FRAME_MAX   ((uint32_t)128 << 20) /* plaintext bytes */

struct ks_v1_header {
    uint8_t iv[KS_V1_IV_SIZE];
    uint32_t version; /* 0 or 1 */
    size_t salt_len;  /* 0: the file has none */
    uint8_t salt[KS_V1_SALT_MAX];
};

/* Read the header frame pb[0..len). KS_E_FORMAT, KS_E_UNSUPPORTED (a version
 * we do not know). */
KS_MUST_CHECK int
ks_v1_header_parse(struct ks_v1_header *out, const uint8_t *pb, size_t len,
                   struct ks_err *err);

/* A header as we write it, with its length in front, salt_len
 * KS_V1_SALT_SIZE, version 1. */
#define KS_V1_HEADER_OWN ((size_t)60)
void ks_v1_header_build(uint8_t out[KS_V1_HEADER_OWN],
                        const struct ks_v1_header *header);

/* The counter of the first frame. */
uint32_t ks_v1_first_counter(const struct ks_v1_header *header);

/* The 32-byte source key of a passphrase; its ASCII spaces do not count.
 * KS_E_USAGE if nothing is left, KS_E_NOMEM. The caller frees. */
KS_MUST_CHECK int
ks_v1_key_derive(struct ks_secret **out, const struct ks_v1_header *header,
                 const struct ks_secret *passphrase, struct ks_err *err);

struct ks_v1_cipher {
    struct ks_ctr *ctr;
    struct ks_hmac mac; /* keyed, nothing absorbed; forked for each use */
    uint8_t iv[KS_V1_IV_SIZE];
    uint32_t version;
};

/* Ready to work under source key key[0..32). KS_E_NOMEM. Wipe it after. */
KS_MUST_CHECK int
ks_v1_cipher_init(struct ks_v1_cipher *c, const uint8_t *key,
                  const struct ks_v1_header *header, struct ks_err *err);
/* A zeroed cipher is fine. */
void ks_v1_cipher_wipe(struct ks_v1_cipher *c);

/*
 * Begin the frame with this counter: *mac has absorbed what the MAC covers of
 * the 4 length bytes, c->ctr stands at the first byte of the content.
 * _read takes the length bytes as they stand in the file and answers the
 * length as written there (content and MAC); _write is given the content's
 * length and makes the length bytes.
 */
uint32_t
ks_v1_frame_read(struct ks_v1_cipher *c, uint32_t counter,
                 const uint8_t in[KS_V1_LEN_SIZE], struct ks_hmac *mac);
void ks_v1_frame_write(struct ks_v1_cipher *c, uint32_t counter, uint32_t len,
                       uint8_t out[KS_V1_LEN_SIZE], struct ks_hmac *mac);

/* Begin the blob with this counter, to read or to write. */
void
ks_v1_blob_start(struct ks_v1_cipher *c, uint32_t counter, struct ks_hmac *mac);

/* The first 16 bytes of the keystream of `counter`: in version 1, what hides
 * a frame's length and the beginning of its content. */
void ks_v1_keystream(struct ks_v1_cipher *c, uint32_t counter,
                     uint8_t out[KS_V1_IV_SIZE]);

/* A whole frame of len <= out's room - KS_V1_FRAME_EXTRA content bytes; full
 * gets the 32-byte MAC. Returns the bytes written. */
size_t
ks_v1_frame_seal(struct ks_v1_cipher *c, uint32_t counter, const uint8_t *pb,
                 size_t len, uint8_t *out, uint8_t full[KS_SHA256_SIZE]);

/* Add a frame or blob with `len` content bytes and this whole MAC to the
 * digest of a file that a snapshot keeps (doc/format-signal-v1.md). */
void ks_v1_digest_add(struct ks_sha256 *digest, uint32_t len,
                      const uint8_t full[KS_SHA256_SIZE]);

#endif /* KS_SOURCE_SIGNAL_V1_CONTAINER_H */
