#ifndef KS_CRYPTO_KDF_H
#define KS_CRYPTO_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * kdf: a key from a passphrase, slowly (Argon2id v1.3, RFC 9106, one lane).
 *
 * Floor 1. The bounds are checked before any memory is taken, because the
 * parameters come from a file that anyone may have written.
 */

#define KS_ARGON2_MEM_MIN    ((uint32_t)8)       /* KiB */
#define KS_ARGON2_MEM_MAX    ((uint32_t)1 << 20) /* KiB: 1 GiB */
#define KS_ARGON2_PASSES_MAX ((uint32_t)16)
#define KS_ARGON2_SALT_SIZE  ((size_t)16)

struct ks_argon2 {
    uint32_t mem_kib; /* KS_ARGON2_MEM_MIN..KS_ARGON2_MEM_MAX */
    uint32_t passes;  /* 1..KS_ARGON2_PASSES_MAX */
    uint8_t salt[16];
};

/* out[0..32) from pass[0..pass_len), 0 <= pass_len. KS_E_LIMIT for parameters
 * out of bounds, KS_E_NOMEM when the memory cannot be had. */
KS_MUST_CHECK int
ks_argon2_run(uint8_t *out, const struct ks_argon2 *params, const void *pass,
              size_t pass_len, struct ks_err *err);

#endif /* KS_CRYPTO_KDF_H */
