/*
 * secret: a thin coat over libsodium's guarded memory and CSPRNG, and the
 * one place where both libraries below this room are started and asked
 * whether they can do what the rest of it takes for granted.
 */
#include "crypto/secret.h"

#include <assert.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Every cipher this room uses. A build of OpenSSL, or a policy on this
 * machine, may lack one; then it is better to say so once, at the start. */
static const char *const needed_ciphers[] = {
    "AES-256-GCM",
    "AES-256-CTR",
    "ChaCha20-Poly1305",
};

static bool
have_cipher(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    bool found = cipher != NULL;

    EVP_CIPHER_free(cipher);
    return found;
}

int
ks_crypto_init(struct ks_err *err)
{
    size_t count = sizeof needed_ciphers / sizeof needed_ciphers[0];

    if (sodium_init() < 0)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "libsodium does not start: no source of randomness");
    for (size_t i = 0; i < count; i++) {
        if (!have_cipher(needed_ciphers[i]))
            return ks_fail(err, KS_E_UNSUPPORTED, 0,
                           "OpenSSL on this machine does not offer %s",
                           needed_ciphers[i]);
    }
    return KS_OK;
}

int
ks_secret_new(struct ks_secret **out, size_t len, struct ks_err *err)
{
    struct ks_secret *secret;

    assert(out != NULL);
    assert(len >= 1 && len <= KS_SECRET_MAX);
    secret = malloc(sizeof *secret);
    if (secret == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a key");
    secret->len = len;
    secret->data = sodium_malloc(len);
    if (secret->data == NULL) {
        free(secret);
        return ks_fail(err, KS_E_NOMEM, 0, "no guarded memory for a key");
    }
    memset(secret->data, 0, len);
    *out = secret;
    return KS_OK;
}

int
ks_secret_copy(struct ks_secret **out, const void *data, size_t len,
               struct ks_err *err)
{
    struct ks_secret *secret = NULL;
    int rc;

    assert(data != NULL);
    rc = ks_secret_new(&secret, len, err);
    if (rc != KS_OK)
        return rc;
    assert(secret != NULL);
    memcpy(secret->data, data, len);
    *out = secret;
    return KS_OK;
}

void
ks_secret_freeze(struct ks_secret *secret)
{
    assert(secret != NULL);
    (void)sodium_mprotect_readonly(secret->data);
}

void
ks_secret_free(struct ks_secret *secret)
{
    if (secret == NULL)
        return;
    sodium_free(secret->data); /* makes it writable, and wipes, first */
    free(secret);
}

void
ks_random(void *out, size_t len)
{
    assert(out != NULL || len == 0);
    if (len > 0) /* sodium takes no NULL */
        randombytes_buf(out, len);
}

uint32_t
ks_random_below(uint32_t bound)
{
    assert(bound >= 1);
    return randombytes_uniform(bound);
}

void
ks_wipe(void *data, size_t len)
{
    assert(data != NULL || len == 0);
    if (len > 0)
        sodium_memzero(data, len);
}

_Bool
ks_same(const void *a, const void *b, size_t len)
{
    assert((a != NULL && b != NULL) || len == 0);
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}
