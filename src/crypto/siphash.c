/*
 * siphash: libsodium's crypto_shorthash, as a number.
 */
#include "crypto/siphash.h"

#include <sodium.h>

#include "base/bytes.h"

uint64_t
ks_siphash(const uint8_t *key, const void *data, size_t len)
{
    uint8_t out[crypto_shorthash_siphash24_BYTES];

    (void)crypto_shorthash_siphash24(out, data, len, key);
    return ks_get_u64le(out);
}
