#ifndef KS_CRYPTO_SECRET_H
#define KS_CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * secret: memory for keys, and randomness.
 *
 * Floor 1. Secrets live in sodium_malloc pages: guarded, locked where the
 * system allows, left out of core dumps, wiped when freed. Each costs three
 * to four pages, so they hold keys and passphrases, nothing bulky.
 */

#define KS_KEY_SIZE ((size_t)32)

/* Secret bytes of any length 1..KS_SECRET_MAX. */
struct ks_secret {
    size_t len;
    uint8_t *data; /* in sodium_malloc memory */
};

#define KS_SECRET_MAX ((size_t)65536)

/* Start the libraries below; call before anything else here. Idempotent, safe
 * from any thread. KS_E_UNSUPPORTED if they cannot start. */
KS_MUST_CHECK int ks_crypto_init(struct ks_err *err);

/* len zero bytes. The caller frees. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_secret_new(struct ks_secret **out, size_t len, struct ks_err *err);

/* A copy of data[0..len); the caller still wipes its own. KS_E_NOMEM. */
KS_MUST_CHECK int ks_secret_copy(struct ks_secret **out, const void *data,
                                 size_t len, struct ks_err *err);

/* Make it read-only: from now on writing to it ends the program. Where the
 * system cannot, it stays as it is. */
void ks_secret_freeze(struct ks_secret *secret);

/* Wipe and free, frozen or not. NULL is ok. */
void ks_secret_free(struct ks_secret *secret);

/* Fill out[0..len) from the system's CSPRNG. Never fails. */
void ks_random(void *out, size_t len);

/* A number in 0..bound-1, every one equally likely. bound >= 1. */
uint32_t ks_random_below(uint32_t bound);

/* Overwrite with zeros in a way no compiler removes. */
void ks_wipe(void *data, size_t len);

/* Whether a[0..len) equals b[0..len), in time that depends on len alone. */
_Bool ks_same(const void *a, const void *b, size_t len);

#endif /* KS_CRYPTO_SECRET_H */
