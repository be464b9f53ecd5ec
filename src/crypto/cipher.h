#ifndef KS_CRYPTO_CIPHER_H
#define KS_CRYPTO_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * cipher: the two AES modes that bulk data needs outside sealed objects.
 *
 * Floor 1. AES-256-CTR (NIST SP 800-38A, full 128-bit big-endian counter)
 * for foreign containers; and the fingerprint, a keyed universal hash
 * (GMAC, NIST SP 800-38D, with one fixed nonce) that recognises a piece of a
 * blob at a third of the cost of a SHA-256. A fingerprint never leaves sealed
 * storage and is never evidence by itself of who wrote something: it answers
 * "have we hashed exactly these bytes before?" for whoever does not hold its
 * key. Two given pieces of at most 1 MiB share one with probability at most
 * 2^-111.
 */

struct ks_ctr;

/* A cipher under key[0..32), with no position yet. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_ctr_open(struct ks_ctr **out, const uint8_t *key, struct ks_err *err);

/* Begin a new keystream at the counter block iv[0..16). */
void ks_ctr_start(struct ks_ctr *ctr, const uint8_t *iv);

/* out[0..len) = in[0..len) xor the next keystream. out == in is fine. */
void
ks_ctr_apply(struct ks_ctr *ctr, uint8_t *out, const uint8_t *in, size_t len);

/* Wipe and free. NULL is ok. */
void ks_ctr_close(struct ks_ctr *ctr);

#define KS_FINGERPRINT_SIZE ((size_t)16)

struct ks_fingerprinter;

/* Under key[0..32). KS_E_NOMEM. */
KS_MUST_CHECK int ks_fingerprinter_open(struct ks_fingerprinter **out,
                                        const uint8_t *key, struct ks_err *err);

/* The fingerprint of data[0..len) into out[0..16); len may be 0. */
void ks_fingerprint(struct ks_fingerprinter *f, uint8_t *out, const void *data,
                    size_t len);

/* Wipe and free. NULL is ok. */
void ks_fingerprinter_close(struct ks_fingerprinter *f);

#endif /* KS_CRYPTO_CIPHER_H */
