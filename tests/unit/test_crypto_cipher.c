#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "crypto/cipher.h"
#include "crypto/secret.h"
#include "fault.h"
#include "openssl_fault.h"
#include "vectors.h"

/* NIST SP 800-38A, F.5.5 (CTR-AES256.Encrypt). */
static const uint8_t nist_key[32] = {
    0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
    0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
    0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4,
};
static const uint8_t nist_counter[16] = {
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
    0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
};
static const uint8_t nist_plain[64] = {
    0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e,
    0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03,
    0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30,
    0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4, 0x11, 0xe5, 0xfb, 0xc1, 0x19,
    0x1a, 0x0a, 0x52, 0xef, 0xf6, 0x9f, 0x24, 0x45, 0xdf, 0x4f, 0x9b,
    0x17, 0xad, 0x2b, 0x41, 0x7b, 0xe6, 0x6c, 0x37, 0x10,
};
static const uint8_t nist_cipher[64] = {
    0x60, 0x1e, 0xc3, 0x13, 0x77, 0x57, 0x89, 0xa5, 0xb7, 0xa7, 0xf5,
    0x04, 0xbb, 0xf3, 0xd2, 0x28, 0xf4, 0x43, 0xe3, 0xca, 0x4d, 0x62,
    0xb5, 0x9a, 0xca, 0x84, 0xe9, 0x90, 0xca, 0xca, 0xf5, 0xc5, 0x2b,
    0x09, 0x30, 0xda, 0xa2, 0x3d, 0xe9, 0x4c, 0xe8, 0x70, 0x17, 0xba,
    0x2d, 0x84, 0x98, 0x8d, 0xdf, 0xc9, 0xc5, 0x8d, 0xb6, 0x7a, 0xad,
    0xa6, 0x13, 0xc2, 0xdd, 0x08, 0x45, 0x79, 0x41, 0xa6,
};

static struct ks_ctr *
open_ctr(const uint8_t *key)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_ctr *ctr = NULL;

    assert_int_equal(ks_ctr_open(&ctr, key, &err), KS_OK);
    return ctr;
}

static struct ks_fingerprinter *
open_fingerprinter(const uint8_t *key)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_fingerprinter *f = NULL;

    assert_int_equal(ks_fingerprinter_open(&f, key, &err), KS_OK);
    return f;
}

static void
ctr_gives_the_answer_of_sp_800_38a_however_it_is_cut(void **state)
{
    struct ks_ctr *ctr = open_ctr(nist_key);
    uint8_t out[64];

    (void)state;
    for (size_t at = 0; at <= sizeof nist_plain; at++) {
        ks_ctr_start(ctr, nist_counter);
        ks_ctr_apply(ctr, out, nist_plain, at);
        ks_ctr_apply(ctr, out + at, nist_plain + at, sizeof out - at);
        assert_memory_equal(out, nist_cipher, sizeof out);
    }
    ks_ctr_close(ctr);
}

static void
ctr_works_in_place_and_starts_anew(void **state)
{
    struct ks_ctr *ctr = open_ctr(nist_key);
    uint8_t bytes[64];

    (void)state;
    memcpy(bytes, nist_plain, sizeof bytes);
    ks_ctr_start(ctr, nist_counter);
    ks_ctr_apply(ctr, bytes, bytes, 7); /* begin, and think again */
    memcpy(bytes, nist_plain, sizeof bytes);
    ks_ctr_start(ctr, nist_counter);
    ks_ctr_apply(ctr, bytes, bytes, sizeof bytes);
    assert_memory_equal(bytes, nist_cipher, sizeof bytes);
    ks_ctr_start(ctr, nist_counter);
    ks_ctr_apply(ctr, bytes, bytes, sizeof bytes);
    assert_memory_equal(bytes, nist_plain, sizeof bytes);
    ks_ctr_apply(ctr, NULL, NULL, 0);
    ks_ctr_close(ctr);
    ks_ctr_close(NULL);
}

static void
the_counter_carries_through_all_of_its_bytes(void **state)
{
    static const uint8_t zeros[48];
    struct ks_ctr *ctr = open_ctr(nist_key);
    uint8_t iv[16];
    uint8_t from_below[48];
    uint8_t from_above[48];

    (void)state;
    /* For each byte: the block after 00..ff..ff is that of the carry. */
    for (int byte = 15; byte >= 0; byte--) {
        memset(iv, 0x20, sizeof iv);
        memset(iv + byte, 0xff, (size_t)(16 - byte));
        ks_ctr_start(ctr, iv);
        ks_ctr_apply(ctr, from_below, zeros, sizeof zeros);
        memset(iv, 0x20, sizeof iv);
        memset(iv + byte, 0, (size_t)(16 - byte));
        if (byte > 0)
            iv[byte - 1]++;
        ks_ctr_start(ctr, iv);
        ks_ctr_apply(ctr, from_above, zeros, sizeof zeros);
        assert_memory_equal(from_below + 16, from_above, 32);
    }
    ks_ctr_close(ctr);
}

static void
the_fingerprint_of_nothing_is_the_tag_of_gcm_test_case_13(void **state)
{
    static const uint8_t zero_key[32];
    static const uint8_t want[16] = {
        0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9,
        0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b,
    };
    struct ks_fingerprinter *f = open_fingerprinter(zero_key);
    uint8_t out[16];

    (void)state;
    ks_fingerprint(f, out, NULL, 0);
    assert_memory_equal(out, want, sizeof out);
    ks_fingerprinter_close(f);
    ks_fingerprinter_close(NULL);
}

/* Many zeros that take no memory: pages that nothing was written to. */
static void
check_zeros(struct ks_fingerprinter *f, size_t len, const uint8_t *want)
{
    void *zeros = mmap(NULL, len, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t out[16];

    assert_true(zeros != MAP_FAILED);
    ks_fingerprint(f, out, zeros, len);
    assert_memory_equal(out, want, sizeof out);
    assert_int_equal(munmap(zeros, len), 0);
}

static void
check_pattern(struct ks_fingerprinter *f, size_t len, const uint8_t *want)
{
    static uint8_t data[10000];
    uint8_t out[16];

    assert_true(len <= sizeof data);
    for (size_t i = 0; i < len; i++)
        data[i] = vectors_pattern(i);
    for (int times = 0; times < 2; times++) {
        ks_fingerprint(f, out, data, len);
        assert_memory_equal(out, want, sizeof out);
    }
}

static void
fingerprints_are_those_of_fingerprint_txt(void **state)
{
    struct vectors *v = vectors_open("fingerprint.txt");

    (void)state;
    while (vectors_next(v)) {
        struct ks_fingerprinter *f;
        uint8_t key[32];
        uint8_t want[16];

        vectors_bytes(v, "key", key, sizeof key);
        vectors_bytes(v, "out", want, sizeof want);
        f = open_fingerprinter(key);
        if (vectors_has(v, "zeros"))
            check_zeros(f, vectors_number(v, "zeros"), want);
        else
            check_pattern(f, vectors_number(v, "len"), want);
        ks_fingerprinter_close(f);
    }
    assert_int_equal(vectors_close(v), 10);
}

static void
every_bit_and_every_length_changes_the_fingerprint(void **state)
{
    struct ks_fingerprinter *f = open_fingerprinter(nist_key);
    uint8_t data[65] = {0};
    uint8_t first[16];
    uint8_t out[16];

    (void)state;
    ks_fingerprint(f, first, data, 64);
    for (size_t bit = 0; bit < (size_t)64 * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ks_fingerprint(f, out, data, 64);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_memory_not_equal(out, first, sizeof out);
    }
    for (size_t len = 0; len <= sizeof data; len++) {
        ks_fingerprint(f, out, data, len);
        assert_int_equal(memcmp(out, first, sizeof out) == 0, len == 64);
    }
    ks_fingerprinter_close(f);
}

/* Open one of each with the n-th allocation failing, ours or libcrypto's;
 * false once n is past them all. */
static bool
opening_fails_cleanly(long n)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_ctr *ctr = NULL;
    struct ks_fingerprinter *f = NULL;
    bool failed;
    int rc;

    fault_arm(n);
    rc = ks_ctr_open(&ctr, nist_key, &err);
    if (rc == KS_OK)
        rc = ks_fingerprinter_open(&f, nist_key, &err);
    failed = fault_disarm();
    assert_true(rc == KS_OK || rc == KS_E_NOMEM);
    assert_true(rc == KS_OK || failed);
    assert_int_equal(rc == KS_OK, f != NULL);
    ks_ctr_close(ctr);
    ks_fingerprinter_close(f);
    return failed;
}

static void
every_failed_allocation_is_no_memory(void **state)
{
    long n = 0;

    (void)state;
    while (opening_fails_cleanly(n))
        n++;
    assert_true(n >= 6); /* twice a handle, a context and its state */
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
        cmocka_unit_test(ctr_gives_the_answer_of_sp_800_38a_however_it_is_cut),
        cmocka_unit_test(ctr_works_in_place_and_starts_anew),
        cmocka_unit_test(the_counter_carries_through_all_of_its_bytes),
        cmocka_unit_test(
            the_fingerprint_of_nothing_is_the_tag_of_gcm_test_case_13),
        cmocka_unit_test(fingerprints_are_those_of_fingerprint_txt),
        cmocka_unit_test(every_bit_and_every_length_changes_the_fingerprint),
        cmocka_unit_test(every_failed_allocation_is_no_memory),
    };

    openssl_fault_install();
    return cmocka_run_group_tests(tests, start, NULL);
}
