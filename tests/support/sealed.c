/*
 * sealed: the reader here is the shortest one that seal.h allows.
 */
#include "sealed.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vectors.h"

const uint8_t sealed_key[32] = "thirty-two bytes of key material";
const uint8_t sealed_salt[32] = "thirty-two bytes of random salt!";
const struct ks_seal_binding sealed_binding = {
    .kind = 3,
    .epoch_id = "epoch id",
    .vault_id = "vault id, 16 b..",
};

void
sealed_lay_out(uint8_t *bytes, size_t plain_len)
{
    for (size_t i = 0; i < plain_len; i++)
        bytes[ks_seal_at(i)] = vectors_pattern(i);
}

struct sealed
sealed_with(const struct ks_seal_in *in, size_t plain_len)
{
    struct sealed o = {.len = ks_seal_room(plain_len), .plain_len = plain_len};
    struct ks_err err = KS_ERR_INIT;

    o.bytes = malloc(o.len);
    assert_non_null(o.bytes);
    memset(o.bytes, 0xee, o.len);
    sealed_lay_out(o.bytes, plain_len);
    assert_int_equal(ks_seal(o.bytes, plain_len, in, o.id, &err), KS_OK);
    return o;
}

struct sealed
sealed_pattern(enum ks_suite suite, size_t plain_len)
{
    const struct ks_seal_in in = {sealed_key, sealed_salt, suite,
                                  sealed_binding};

    return sealed_with(&in, plain_len);
}

int
sealed_open(const uint8_t *bytes, size_t len, const uint8_t *key,
            const struct ks_seal_binding *binding, uint8_t *plain)
{
    size_t left = ks_seal_plain_len(len);
    struct ks_opener *opener = NULL;
    struct ks_err err = KS_ERR_INIT;
    uint64_t index = 0;
    int rc;

    if (left == 0)
        return KS_E_CORRUPT;
    rc = ks_opener_open(&opener, bytes, key, binding, &err);
    bytes += KS_SEAL_HEADER_SIZE;
    while (rc == KS_OK && left > 0) {
        size_t n = left < KS_SEAL_SEGMENT ? left : KS_SEAL_SEGMENT;
        const struct ks_bytes sealed = {bytes, n + KS_SEAL_TAG};

        left -= n;
        rc = ks_opener_segment(opener, index, left == 0, plain, sealed, &err);
        bytes += sealed.len;
        plain += n;
        index++;
    }
    ks_opener_close(opener);
    assert_int_equal(rc, err.code);
    return rc;
}

int
sealed_open_own(const struct sealed *o, uint8_t *plain)
{
    return sealed_open(o->bytes, o->len, sealed_key, &sealed_binding, plain);
}

void
sealed_name(uint8_t *id, const uint8_t *bytes, size_t len, size_t step)
{
    struct ks_namer *namer = NULL;
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(ks_namer_open(&namer, &err), KS_OK);
    for (size_t at = 0; at < len; at += step)
        ks_namer_update(namer, bytes + at, len - at < step ? len - at : step);
    ks_namer_final(namer, id);
    ks_namer_close(namer);
}

void
sealed_assert_good(const struct sealed *o)
{
    uint8_t *plain = malloc(o->plain_len);

    assert_non_null(plain);
    assert_int_equal(sealed_open_own(o, plain), KS_OK);
    for (size_t i = 0; i < o->plain_len; i++) {
        if (plain[i] != vectors_pattern(i))
            fail_msg("byte %zu is another", i);
    }
    free(plain);
}
