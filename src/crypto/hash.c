/*
 * hash: SHA-256 and what is built on it, and the SHA-512 chain.
 *
 * OpenSSL's struct form of SHA-2 is called here and nowhere else. Version 3
 * marks it deprecated in favour of EVP, whose states live on the heap; the
 * define below asks for the interface of 1.1.1, which is the same code.
 */
#define OPENSSL_API_COMPAT 0x10101000L

#include "crypto/hash.h"

#include <assert.h>
#include <string.h>

#include "crypto/secret.h"

#define HMAC_BLOCK ((size_t)64)

/* The calls below fail for no input; if one does, the library is broken. */
static void
sha_must(int rc)
{
    assert(rc == 1);
    (void)rc;
}

void
ks_sha256_init(struct ks_sha256 *h)
{
    sha_must(SHA256_Init(&h->ctx));
}

void
ks_sha256_update(struct ks_sha256 *h, const void *data, size_t len)
{
    assert(data != NULL || len == 0);
    if (len > 0)
        sha_must(SHA256_Update(&h->ctx, data, len));
}

void
ks_sha256_final(struct ks_sha256 *h, uint8_t *out)
{
    sha_must(SHA256_Final(out, &h->ctx));
}

void
ks_sha256(uint8_t *out, const void *data, size_t len)
{
    struct ks_sha256 h;

    ks_sha256_init(&h);
    ks_sha256_update(&h, data, len);
    ks_sha256_final(&h, out);
    ks_wipe(&h, sizeof h);
}

/* A SHA-256 that has absorbed the block key xor pad. */
static void
absorb_pad(struct ks_sha256 *h, const uint8_t *key, uint8_t pad)
{
    uint8_t block[HMAC_BLOCK];

    for (size_t i = 0; i < HMAC_BLOCK; i++)
        block[i] = key[i] ^ pad;
    ks_sha256_init(h);
    ks_sha256_update(h, block, sizeof block);
    ks_wipe(block, sizeof block);
}

void
ks_hmac_init(struct ks_hmac *m, const void *key, size_t key_len)
{
    uint8_t block[HMAC_BLOCK] = {0};

    assert(key != NULL || key_len == 0);
    if (key_len > HMAC_BLOCK)
        ks_sha256(block, key, key_len);
    else if (key_len > 0)
        memcpy(block, key, key_len);
    absorb_pad(&m->inner, block, 0x36);
    absorb_pad(&m->outer, block, 0x5c);
    ks_wipe(block, sizeof block);
}

void
ks_hmac_update(struct ks_hmac *m, const void *data, size_t len)
{
    ks_sha256_update(&m->inner, data, len);
}

void
ks_hmac_final(struct ks_hmac *m, uint8_t *out)
{
    uint8_t inner[KS_SHA256_SIZE];

    ks_sha256_final(&m->inner, inner);
    ks_sha256_update(&m->outer, inner, sizeof inner);
    ks_sha256_final(&m->outer, out);
    ks_wipe(inner, sizeof inner);
}

void
ks_hkdf(uint8_t *out, size_t out_len, const struct ks_hkdf_in *in)
{
    uint8_t t[KS_SHA256_SIZE];
    struct ks_hmac keyed;
    struct ks_hmac m;
    size_t done = 0;

    assert(out_len >= 1 && out_len <= KS_HKDF_OUT_MAX);
    /* Extract: t = HMAC(salt, key). No salt and 32 zero bytes are one key. */
    ks_hmac_init(&keyed, in->salt, in->salt_len);
    ks_hmac_update(&keyed, in->key, in->key_len);
    ks_hmac_final(&keyed, t);

    /* Expand: T(n) = HMAC(t, T(n-1) ‖ info ‖ n). */
    ks_hmac_init(&keyed, t, sizeof t);
    for (uint8_t n = 1; done < out_len; n++) {
        size_t take = out_len - done < sizeof t ? out_len - done : sizeof t;

        m = keyed;
        if (n > 1)
            ks_hmac_update(&m, t, sizeof t);
        ks_hmac_update(&m, in->info, in->info_len);
        ks_hmac_update(&m, &n, 1);
        ks_hmac_final(&m, t);
        memcpy(out + done, t, take);
        done += take;
    }
    ks_wipe(t, sizeof t);
    ks_wipe(&keyed, sizeof keyed);
    ks_wipe(&m, sizeof m);
}

static void
sha512_feed(SHA512_CTX *ctx, const void *data, size_t len)
{
    assert(data != NULL || len == 0);
    if (len > 0)
        sha_must(SHA512_Update(ctx, data, len));
}

/*
 * Plain calls: for the 94 bytes of a round in Signal's chain they cost what
 * the compression of one block costs, and nothing worth sparing beside it.
 */
void
ks_sha512_chain_run(uint8_t *out, const struct ks_sha512_chain *in)
{
    uint8_t h[SHA512_DIGEST_LENGTH];
    SHA512_CTX ctx;

    assert(in->rounds >= 1);
    sha_must(SHA512_Init(&ctx));
    sha512_feed(&ctx, in->salt, in->salt_len);
    sha512_feed(&ctx, in->input, in->input_len);
    sha512_feed(&ctx, in->input, in->input_len);
    sha_must(SHA512_Final(h, &ctx));
    for (uint32_t i = 1; i < in->rounds; i++) {
        sha_must(SHA512_Init(&ctx));
        sha512_feed(&ctx, h, sizeof h);
        sha512_feed(&ctx, in->input, in->input_len);
        sha_must(SHA512_Final(h, &ctx));
    }
    memcpy(out, h, sizeof h);
    ks_wipe(h, sizeof h);
    ks_wipe(&ctx, sizeof ctx);
}
