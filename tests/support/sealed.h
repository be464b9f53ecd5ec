#ifndef KS_TESTS_SEALED_H
#define KS_TESTS_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/seal.h"

/*
 * sealed: objects with a known plaintext (vectors_pattern) under one known
 * key, and a reader that opens them whole. A failure that is not asked about
 * fails the test.
 */

#define SEALED_SEGMENT (KS_SEAL_SEGMENT + KS_SEAL_TAG)

extern const uint8_t sealed_key[32];
extern const uint8_t sealed_salt[32];
extern const struct ks_seal_binding sealed_binding; /* kind 3 */

/* A sealed object. The test frees bytes. */
struct sealed {
    uint8_t *bytes;
    size_t len;
    size_t plain_len;
    uint8_t id[KS_OBJECT_ID_SIZE];
};

/* The pattern at its gapped places, ready to be sealed. */
void sealed_lay_out(uint8_t *bytes, size_t plain_len);

struct sealed sealed_with(const struct ks_seal_in *in, size_t plain_len);

/* The same under sealed_key, sealed_salt and sealed_binding. */
struct sealed sealed_pattern(enum ks_suite suite, size_t plain_len);

/* Open all of bytes[0..len) as a reader would, into plain; what came of it. */
int sealed_open(const uint8_t *bytes, size_t len, const uint8_t *key,
                const struct ks_seal_binding *binding, uint8_t *plain);

/* The same under sealed_key and sealed_binding. */
int sealed_open_own(const struct sealed *o, uint8_t *plain);

/* It opens, and to the pattern. */
void sealed_assert_good(const struct sealed *o);

/* The name of bytes[0..len), fed `step` at a time. */
void sealed_name(uint8_t *id, const uint8_t *bytes, size_t len, size_t step);

#endif /* KS_TESTS_SEALED_H */
