/*
 * kdf: libsodium's Argon2id behind our own bounds. Its lower bound on memory
 * (8 KiB) and the salt's size are the ones the header promises.
 */
#include "crypto/kdf.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(KS_ARGON2_SALT_SIZE == crypto_pwhash_SALTBYTES, "salt size");
_Static_assert(KS_ARGON2_MEM_MIN * 1024 == crypto_pwhash_MEMLIMIT_MIN, "mem");

int
ks_argon2_run(uint8_t *out, const struct ks_argon2 *params, const void *pass,
              size_t pass_len, struct ks_err *err)
{
    uint8_t key[32];
    int rc;

    assert(pass != NULL || pass_len == 0);
    if (params->mem_kib < KS_ARGON2_MEM_MIN ||
        params->mem_kib > KS_ARGON2_MEM_MAX)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "the passphrase asks for %u KiB of memory; "
                       "%u to %u KiB are accepted",
                       params->mem_kib, KS_ARGON2_MEM_MIN, KS_ARGON2_MEM_MAX);
    if (params->passes < 1 || params->passes > KS_ARGON2_PASSES_MAX)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "the passphrase asks for %u passes; "
                       "1 to %u are accepted",
                       params->passes, KS_ARGON2_PASSES_MAX);

    /* Into a copy, so that a failure leaves `out` as it was. */
    rc = crypto_pwhash(key, sizeof key, pass_len > 0 ? pass : "", pass_len,
                       params->salt, params->passes,
                       (size_t)params->mem_kib * 1024,
                       crypto_pwhash_ALG_ARGON2ID13);
    if (rc == 0)
        memcpy(out, key, sizeof key);
    sodium_memzero(key, sizeof key);
    if (rc != 0)
        return ks_fail(err, KS_E_NOMEM, 0,
                       "the passphrase needs %u MiB of free memory",
                       (params->mem_kib + 1023) / 1024);
    return KS_OK;
}
