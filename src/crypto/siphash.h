#ifndef KS_CRYPTO_SIPHASH_H
#define KS_CRYPTO_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * siphash: SipHash-2-4 (Aumasson and Bernstein, 2012), 64 bits under a
 * 16-byte key: a fast keyed hash whose output nobody without the key can
 * steer. Floor 1. Nothing here fails.
 */
#define KS_SIPHASH_KEY_SIZE ((size_t)16)

/* The hash of data[0..len) under key[0..16), read as little-endian. */
uint64_t ks_siphash(const uint8_t *key, const void *data, size_t len);

#endif /* KS_CRYPTO_SIPHASH_H */
