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
#include <stdbool.h>
#include <string.h>

#include "crypto/secret.h"

#define HMAC_BLOCK   ((size_t)64)
#define SHA512_SIZE  ((size_t)64)
#define SHA512_BLOCK ((size_t)128)
/* The longest message whose padding fits the same SHA-512 block: 0x80 and
 * the 16-byte length follow it. */
#define SHA512_ONE_BLOCK_MAX (SHA512_BLOCK - 17)

/* The calls below fail for no input; if one does, the library is broken. */
static void
must(int rc)
{
    assert(rc == 1);
    (void)rc;
}

void
ks_sha256_init(struct ks_sha256 *h)
{
    must(SHA256_Init(&h->ctx));
}

void
ks_sha256_update(struct ks_sha256 *h, const void *data, size_t len)
{
    assert(data != NULL || len == 0);
    if (len > 0)
        must(SHA256_Update(&h->ctx, data, len));
}

void
ks_sha256_final(struct ks_sha256 *h, uint8_t *out)
{
    must(SHA256_Final(out, &h->ctx));
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
put_u64be(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void
sha512_feed(SHA512_CTX *ctx, const void *data, size_t len)
{
    assert(data != NULL || len == 0);
    if (len > 0)
        must(SHA512_Update(ctx, data, len));
}

/* `rounds` times h = SHA-512(h ‖ input), for any length of input. */
static void
chain_any(uint8_t *h, const struct ks_sha512_chain *in, uint32_t rounds)
{
    SHA512_CTX ctx;

    for (uint32_t i = 0; i < rounds; i++) {
        must(SHA512_Init(&ctx));
        sha512_feed(&ctx, h, SHA512_SIZE);
        sha512_feed(&ctx, in->input, in->input_len);
        must(SHA512_Final(h, &ctx));
    }
    ks_wipe(&ctx, sizeof ctx);
}

/*
 * The same where h ‖ input and its padding are one block: the padded block
 * is laid out once, and a round is one compression whose result is written
 * back as the next round's h. Spares the buffering of a quarter of a million
 * tiny messages.
 */
static void
chain_one_block(uint8_t *h, const struct ks_sha512_chain *in, uint32_t rounds)
{
    uint8_t block[SHA512_BLOCK] = {0};
    size_t len = SHA512_SIZE + in->input_len;
    SHA512_CTX start;
    SHA512_CTX ctx;

    assert(len <= SHA512_ONE_BLOCK_MAX);
    memcpy(block, h, SHA512_SIZE);
    if (in->input_len > 0)
        memcpy(block + SHA512_SIZE, in->input, in->input_len);
    block[len] = 0x80;
    put_u64be(block + SHA512_BLOCK - 8, (uint64_t)len * 8);

    must(SHA512_Init(&start));
    ctx = start;
    for (uint32_t i = 0; i < rounds; i++) {
        memcpy(ctx.h, start.h, sizeof ctx.h);
        SHA512_Transform(&ctx, block);
        for (size_t w = 0; w < 8; w++)
            put_u64be(block + 8 * w, ctx.h[w]);
    }
    memcpy(h, block, SHA512_SIZE);
    ks_wipe(block, sizeof block);
    ks_wipe(&ctx, sizeof ctx);
}

void
ks_sha512_chain_run(uint8_t *out, const struct ks_sha512_chain *in)
{
    bool one_block;
    SHA512_CTX ctx;

    assert(in->rounds >= 1);
    must(SHA512_Init(&ctx));
    sha512_feed(&ctx, in->salt, in->salt_len);
    sha512_feed(&ctx, in->input, in->input_len);
    sha512_feed(&ctx, in->input, in->input_len);
    must(SHA512_Final(out, &ctx));
    ks_wipe(&ctx, sizeof ctx);

    one_block = in->input_len <= SHA512_ONE_BLOCK_MAX - SHA512_SIZE;
    if (one_block)
        chain_one_block(out, in, in->rounds - 1);
    else
        chain_any(out, in, in->rounds - 1);
}
