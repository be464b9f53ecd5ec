/*
 * cipher: AES-256-CTR and GMAC through OpenSSL's EVP, the key scheduled once
 * a handle. After a handle is open, nothing in it allocates any more; a call
 * that fails then means a broken library, and stops the program.
 */
#include "crypto/cipher.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* EVP counts in int; more than this goes in several calls. */
#define EVP_STEP ((size_t)1 << 30)

/* The fingerprint's nonce. Fixed: the tags never leave sealed storage, and
 * equal bytes must give equal tags. */
static const uint8_t fingerprint_nonce[12] = {0};

struct ks_ctr {
    EVP_CIPHER_CTX *evp;
};

struct ks_fingerprinter {
    EVP_CIPHER_CTX *evp;
};

static void
evp_must(int rc)
{
    assert(rc == 1);
    (void)rc;
}

/* A context that encrypts with `cipher` under `key`; NULL if out of memory. */
static EVP_CIPHER_CTX *
keyed_context(const EVP_CIPHER *cipher, const uint8_t *key)
{
    EVP_CIPHER_CTX *evp = EVP_CIPHER_CTX_new();

    if (evp == NULL)
        return NULL;
    if (EVP_EncryptInit_ex(evp, cipher, NULL, key, NULL) != 1) {
        EVP_CIPHER_CTX_free(evp);
        return NULL;
    }
    return evp;
}

/* Feed in[0..len) in steps; out == NULL makes it associated data. */
static void
evp_feed(EVP_CIPHER_CTX *evp, uint8_t *out, const uint8_t *in, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t step = len - at < EVP_STEP ? len - at : EVP_STEP;
        int wrote = 0;

        evp_must(EVP_EncryptUpdate(evp, out == NULL ? NULL : out + at, &wrote,
                                   in + at, (int)step));
        assert((size_t)wrote == step);
        at += step;
    }
}

int
ks_ctr_open(struct ks_ctr **out, const uint8_t *key, struct ks_err *err)
{
    struct ks_ctr *ctr = malloc(sizeof *ctr);

    assert(out != NULL && key != NULL);
    if (ctr == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a cipher");
    ctr->evp = keyed_context(EVP_aes_256_ctr(), key);
    if (ctr->evp == NULL) {
        free(ctr);
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a cipher");
    }
    *out = ctr;
    return KS_OK;
}

void
ks_ctr_start(struct ks_ctr *ctr, const uint8_t *iv)
{
    assert(iv != NULL);
    evp_must(EVP_EncryptInit_ex(ctr->evp, NULL, NULL, NULL, iv));
}

void
ks_ctr_apply(struct ks_ctr *ctr, uint8_t *out, const uint8_t *in, size_t len)
{
    assert((out != NULL && in != NULL) || len == 0);
    evp_feed(ctr->evp, out, in, len);
}

void
ks_ctr_close(struct ks_ctr *ctr)
{
    if (ctr == NULL)
        return;
    EVP_CIPHER_CTX_free(ctr->evp); /* wipes the key schedule */
    free(ctr);
}

int
ks_fingerprinter_open(struct ks_fingerprinter **out, const uint8_t *key,
                      struct ks_err *err)
{
    struct ks_fingerprinter *f = malloc(sizeof *f);

    assert(out != NULL && key != NULL);
    if (f == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for fingerprints");
    f->evp = keyed_context(EVP_aes_256_gcm(), key);
    if (f->evp == NULL) {
        free(f);
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for fingerprints");
    }
    *out = f;
    return KS_OK;
}

void
ks_fingerprint(struct ks_fingerprinter *f, uint8_t *out, const void *data,
               size_t len)
{
    int wrote = 0;

    assert(out != NULL && (data != NULL || len == 0));
    evp_must(EVP_EncryptInit_ex(f->evp, NULL, NULL, NULL, fingerprint_nonce));
    evp_feed(f->evp, NULL, data, len);
    evp_must(EVP_EncryptFinal_ex(f->evp, out, &wrote));
    assert(wrote == 0);
    evp_must(EVP_CIPHER_CTX_ctrl(f->evp, EVP_CTRL_AEAD_GET_TAG,
                                 (int)KS_FINGERPRINT_SIZE, out));
}

void
ks_fingerprinter_close(struct ks_fingerprinter *f)
{
    if (f == NULL)
        return;
    EVP_CIPHER_CTX_free(f->evp);
    free(f);
}
