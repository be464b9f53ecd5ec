#ifndef KS_CRYPTO_HASH_H
#define KS_CRYPTO_HASH_H

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

/*
 * hash: SHA-256, HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), and the
 * legacy SHA-512 chain.
 *
 * Floor 1. The states are plain structs of the caller's: copying one by
 * assignment forks it, which is what makes a MAC over half a million small
 * frames cheap (no allocation, no key schedule a frame). For that the struct
 * form of OpenSSL is used, not EVP; doc/decisions.md says more. The states
 * hold key-dependent values: wipe what was keyed. Nothing here fails.
 */

#define KS_SHA256_SIZE ((size_t)32)

struct ks_sha256 {
    SHA256_CTX ctx;
};

void ks_sha256_init(struct ks_sha256 *h);
void ks_sha256_update(struct ks_sha256 *h, const void *data, size_t len);
/* The digest into out[0..32); the state is spent. */
void ks_sha256_final(struct ks_sha256 *h, uint8_t *out);
/* All of it at once. */
void ks_sha256(uint8_t *out, const void *data, size_t len);

/* A keyed HMAC that has absorbed nothing; prepare once, fork by assignment. */
struct ks_hmac {
    struct ks_sha256 inner;
    struct ks_sha256 outer;
};

/* key[0..key_len), any length. */
void ks_hmac_init(struct ks_hmac *m, const void *key, size_t key_len);
void ks_hmac_update(struct ks_hmac *m, const void *data, size_t len);
/* The full 32-byte MAC into out; the state is spent. */
void ks_hmac_final(struct ks_hmac *m, uint8_t *out);

#define KS_HKDF_OUT_MAX ((size_t)255 * 32)

/* Extract and expand. salt may be NULL with salt_len 0 (32 zero bytes).
 * 1 <= out_len <= KS_HKDF_OUT_MAX. */
struct ks_hkdf_in {
    const void *key;
    size_t key_len;
    const void *salt;
    size_t salt_len;
    const void *info;
    size_t info_len;
};
void ks_hkdf(uint8_t *out, size_t out_len, const struct ks_hkdf_in *in);

/*
 * The chain of Signal's legacy backup key: h = SHA-512(salt ‖ input ‖ input),
 * then rounds-1 times h = SHA-512(h ‖ input); out gets all 64 bytes.
 * salt may be NULL with salt_len 0. rounds >= 1.
 */
struct ks_sha512_chain {
    const void *input;
    size_t input_len;
    const void *salt;
    size_t salt_len;
    uint32_t rounds;
};
void ks_sha512_chain_run(uint8_t *out, const struct ks_sha512_chain *in);

#endif /* KS_CRYPTO_HASH_H */
