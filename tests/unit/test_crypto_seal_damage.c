/* What seal.h promises about bytes that someone has changed. */
#include <string.h>

#include "chance.h"
#include "check.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "sealed.h"
#include "vectors.h"

#define SMALL ((size_t)100) /* plaintext of the small object */

static void
flip_every_byte_of(enum ks_suite suite)
{
    struct sealed o = sealed_pattern(suite, SMALL);
    uint8_t plain[SMALL];
    uint8_t id[KS_OBJECT_ID_SIZE];

    for (size_t at = 0; at < o.len; at++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            o.bytes[at] ^= (uint8_t)flip;
            assert_true(sealed_open_own(&o, plain) < 0);
            sealed_name(id, o.bytes, o.len, o.len);
            assert_memory_not_equal(id, o.id, sizeof id);
            o.bytes[at] ^= (uint8_t)flip;
        }
    }
    sealed_assert_good(&o);
    free(o.bytes);
}

static void
every_changed_byte_is_found_with_and_without_the_key(void **state)
{
    (void)state;
    flip_every_byte_of(KS_SUITE_AES_GCM);
    flip_every_byte_of(KS_SUITE_CHACHA);
}

static void
a_changed_bit_in_any_segment_is_found(void **state)
{
    struct chance c = chance_start("flips");
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, 150000);
    uint8_t *plain = malloc(150000);
    uint8_t id[KS_OBJECT_ID_SIZE];

    (void)state;
    assert_non_null(plain);
    for (int i = 0; i < 300; i++) {
        size_t at = chance_below(&c, o.len);
        uint8_t flip = (uint8_t)(1 << chance_below(&c, 8));

        o.bytes[at] ^= flip;
        assert_true(sealed_open_own(&o, plain) < 0);
        sealed_name(id, o.bytes, o.len, 100000);
        assert_memory_not_equal(id, o.id, sizeof id);
        o.bytes[at] ^= flip;
    }
    sealed_assert_good(&o);
    free(plain);
    free(o.bytes);
}

static void
every_cut_is_found(void **state)
{
    struct sealed small = sealed_pattern(KS_SUITE_AES_GCM, SMALL);
    struct sealed big = sealed_pattern(KS_SUITE_AES_GCM, 131073);
    uint8_t *plain = malloc(big.plain_len);
    uint8_t id[KS_OBJECT_ID_SIZE];

    (void)state;
    assert_non_null(plain);
    for (size_t len = 0; len < small.len; len++) {
        assert_true(sealed_open(small.bytes, len, sealed_key, &sealed_binding,
                                plain) < 0);
        sealed_name(id, small.bytes, len, 64);
        assert_memory_not_equal(id, small.id, sizeof id);
    }
    /* Within a few bytes of every border, and at the borders themselves,
     * where only the last flag tells. */
    for (size_t n = 1; n <= 2; n++) {
        size_t border = ks_seal_at(n * KS_SEAL_SEGMENT);

        for (size_t len = border - 40; len < border + 17; len++)
            assert_true(sealed_open(big.bytes, len, sealed_key, &sealed_binding,
                                    plain) < 0);
        assert_int_equal(ks_seal_plain_len(border), n * KS_SEAL_SEGMENT);
    }
    free(plain);
    free(small.bytes);
    free(big.bytes);
}

static void
segments_cannot_change_places_or_objects(void **state)
{
    const struct ks_seal_in other_salt = {sealed_key, sealed_key,
                                          KS_SUITE_AES_GCM, sealed_binding};
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, 3 * KS_SEAL_SEGMENT);
    struct sealed p = sealed_with(&other_salt, 3 * KS_SEAL_SEGMENT);
    uint8_t *kept = malloc(o.len);
    uint8_t *plain = malloc(o.plain_len);

    (void)state;
    assert_non_null(kept);
    assert_non_null(plain);
    memcpy(kept, o.bytes, o.len);
    for (size_t a = 0; a < 3; a++) {
        uint8_t *to = o.bytes + ks_seal_at(a * KS_SEAL_SEGMENT);

        for (size_t b = 0; b < 3; b++) {
            size_t from = ks_seal_at(b * KS_SEAL_SEGMENT);

            memcpy(to, kept + from, SEALED_SEGMENT);
            assert_int_equal(sealed_open_own(&o, plain),
                             a == b ? KS_OK : KS_E_CORRUPT);
            memcpy(to, p.bytes + from, SEALED_SEGMENT);
            assert_int_equal(sealed_open_own(&o, plain), KS_E_CORRUPT);
        }
        memcpy(to, kept + (to - o.bytes), SEALED_SEGMENT);
    }
    sealed_assert_good(&o);
    free(kept);
    free(plain);
    free(o.bytes);
    free(p.bytes);
}

static void
another_key_kind_epoch_or_vault_is_a_wrong_key(void **state)
{
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, SMALL);
    uint8_t plain[SMALL];

    (void)state;
    for (size_t at = 0; at < 32; at++) {
        uint8_t key[32];

        memcpy(key, sealed_key, sizeof key);
        key[at] ^= 0x80;
        assert_int_equal(
            sealed_open(o.bytes, o.len, key, &sealed_binding, plain),
            KS_E_WRONG_KEY);
    }
    for (unsigned kind = 0; kind < 256; kind++) {
        struct ks_seal_binding b = sealed_binding;

        b.kind = (uint8_t)kind;
        assert_int_equal(sealed_open(o.bytes, o.len, sealed_key, &b, plain),
                         kind == 3 ? KS_OK : KS_E_WRONG_KEY);
    }
    for (size_t at = 0; at < 24; at++) {
        struct ks_seal_binding b = sealed_binding;

        if (at < 8)
            b.epoch_id[at] ^= 1;
        else
            b.vault_id[at - 8] ^= 1;
        assert_int_equal(sealed_open(o.bytes, o.len, sealed_key, &b, plain),
                         KS_E_WRONG_KEY);
    }
    free(o.bytes);
}

/* What opening says after this byte of the header became `value`. */
static int
open_with_header_byte(struct sealed *o, size_t at, uint8_t value)
{
    uint8_t plain[SMALL];
    uint8_t kept = o->bytes[at];
    int rc;

    o->bytes[at] = value;
    rc = sealed_open_own(o, plain);
    o->bytes[at] = kept;
    return rc;
}

static void
each_field_of_the_header_fails_in_its_own_way(void **state)
{
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, SMALL);

    (void)state;
    for (size_t at = 0; at < KS_SEAL_HEADER_SIZE; at++) {
        int want = KS_E_WRONG_KEY; /* kind, epoch id, salt, commitment */

        if (at < 8 || (at >= 11 && at < 16) || at >= 88)
            want = KS_E_FORMAT;
        else if (at < 10)
            want = KS_E_UNSUPPORTED;
        assert_int_equal(open_with_header_byte(&o, at, o.bytes[at] ^ 0x40),
                         want);
    }
    assert_int_equal(open_with_header_byte(&o, 8, 0), KS_E_UNSUPPORTED);
    assert_int_equal(open_with_header_byte(&o, 8, 2), KS_E_UNSUPPORTED);
    assert_int_equal(open_with_header_byte(&o, 9, 0), KS_E_UNSUPPORTED);
    assert_int_equal(open_with_header_byte(&o, 9, 3), KS_E_UNSUPPORTED);
    assert_int_equal(open_with_header_byte(&o, 9, KS_SUITE_CHACHA),
                     KS_E_WRONG_KEY);
    assert_int_equal(open_with_header_byte(&o, 10, 0), KS_E_FORMAT);
    free(o.bytes);
}

static void
random_headers_never_crash(void **state)
{
    struct chance c = chance_start("headers");

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t header[KS_SEAL_HEADER_SIZE];
        struct ks_opener *opener = NULL;
        struct ks_err err = KS_ERR_INIT;

        chance_fill(&c, header, sizeof header);
        if (i % 2 == 0)
            memcpy(header, "KEEPSAY\0\1\1\3\0\0\0\0\0epoch id", 24);
        if (i % 4 == 0)
            memset(header + 88, 0, 8);
        assert_true(ks_opener_open(&opener, header, sealed_key, &sealed_binding,
                                   &err) < 0);
        assert_null(opener);
    }
}

static void
a_damaged_segment_leaves_no_plaintext(void **state)
{
    static const uint8_t zeros[SMALL];
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, SMALL);
    struct ks_bytes sealed = {o.bytes + KS_SEAL_HEADER_SIZE,
                              SMALL + KS_SEAL_TAG};
    struct ks_opener *opener = NULL;
    struct ks_err err = KS_ERR_INIT;
    uint8_t plain[SMALL + 1];

    (void)state;
    assert_int_equal(
        ks_opener_open(&opener, o.bytes, sealed_key, &sealed_binding, &err),
        KS_OK);
    memset(plain, 0xee, sizeof plain);
    o.bytes[o.len - 1] ^= 1;
    assert_int_equal(ks_opener_segment(opener, 0, true, plain, sealed, &err),
                     KS_E_CORRUPT);
    assert_memory_equal(plain, zeros, SMALL);
    assert_int_equal(plain[SMALL], 0xee);

    /* And the opener is none the worse for it. */
    o.bytes[o.len - 1] ^= 1;
    err = KS_ERR_INIT;
    assert_int_equal(ks_opener_segment(opener, 0, false, plain, sealed, &err),
                     KS_E_CORRUPT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_opener_segment(opener, 1, true, plain, sealed, &err),
                     KS_E_CORRUPT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_opener_segment(opener, 0, true, plain, sealed, &err),
                     KS_OK);
    assert_int_equal(plain[1], vectors_pattern(1));
    ks_opener_close(opener);
    free(o.bytes);
}

static void
segments_of_impossible_sizes_are_damage(void **state)
{
    static const struct {
        size_t len;
        bool last;
    } bad[] = {
        {0, true},
        {1, true},
        {16, true},
        {SEALED_SEGMENT + 1, true},
        {SIZE_MAX, true},
        {17, false},
        {SEALED_SEGMENT - 1, false},
        {SEALED_SEGMENT + 1, false},
    };
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, KS_SEAL_SEGMENT);
    struct ks_opener *opener = NULL;
    struct ks_err err = KS_ERR_INIT;
    uint8_t plain[1] = {0xee};

    (void)state;
    assert_int_equal(
        ks_opener_open(&opener, o.bytes, sealed_key, &sealed_binding, &err),
        KS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct ks_bytes sealed = {o.bytes + KS_SEAL_HEADER_SIZE,
                                        bad[i].len};

        err = KS_ERR_INIT;
        assert_int_equal(
            ks_opener_segment(opener, 0, bad[i].last, plain, sealed, &err),
            KS_E_CORRUPT);
        assert_int_equal(plain[0], 0xee);
    }
    ks_opener_close(opener);
    free(o.bytes);
}

static int
start(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    return ks_crypto_init(&err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_changed_byte_is_found_with_and_without_the_key),
        cmocka_unit_test(a_changed_bit_in_any_segment_is_found),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(segments_cannot_change_places_or_objects),
        cmocka_unit_test(another_key_kind_epoch_or_vault_is_a_wrong_key),
        cmocka_unit_test(each_field_of_the_header_fails_in_its_own_way),
        cmocka_unit_test(random_headers_never_crash),
        cmocka_unit_test(a_damaged_segment_leaves_no_plaintext),
        cmocka_unit_test(segments_of_impossible_sizes_are_damage),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
