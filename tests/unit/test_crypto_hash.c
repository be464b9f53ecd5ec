#include <string.h>

#include "check.h"
#include "crypto/hash.h"
#include "vectors.h"

/* Compare out[0..len) with its hex digits. */
static void
assert_hex(const uint8_t *out, size_t len, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    char shown[2 * 96 + 1] = "";

    assert_true(len <= 96);
    for (size_t i = 0; i < len; i++) {
        shown[2 * i] = digits[out[i] >> 4];
        shown[2 * i + 1] = digits[out[i] & 15];
    }
    shown[2 * len] = '\0';
    assert_string_equal(shown, hex);
}

static void
sha256_gives_the_answers_of_fips_180(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } known[] = {
        {"",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t out[KS_SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ks_sha256(out, known[i].text, strlen(known[i].text));
        assert_hex(out, sizeof out, known[i].digest);
    }
}

static void
sha256_of_a_million_letters_in_pieces(void **state)
{
    struct ks_sha256 h;
    uint8_t out[KS_SHA256_SIZE];
    uint8_t piece[1000];

    (void)state;
    memset(piece, 'a', sizeof piece);
    ks_sha256_init(&h);
    for (int i = 0; i < 1000; i++)
        ks_sha256_update(&h, piece, sizeof piece);
    ks_sha256_final(&h, out);
    assert_hex(
        out, sizeof out,
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void
a_copied_state_goes_its_own_way(void **state)
{
    uint8_t data[200];
    uint8_t whole[KS_SHA256_SIZE];
    uint8_t forked[KS_SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = vectors_pattern(i);
    ks_sha256(whole, data, sizeof data);
    for (size_t at = 0; at <= sizeof data; at++) {
        struct ks_sha256 first;
        struct ks_sha256 second;

        ks_sha256_init(&first);
        ks_sha256_update(&first, data, at);
        second = first;
        ks_sha256_update(&first, "something else", 14);
        ks_sha256_update(&second, data + at, sizeof data - at);
        ks_sha256_update(&second, NULL, 0);
        ks_sha256_final(&first, forked);
        assert_memory_not_equal(forked, whole, sizeof whole);
        ks_sha256_final(&second, forked);
        assert_memory_equal(forked, whole, sizeof whole);
    }
}

static void
check_hmac(const void *key, size_t key_len, const void *data, size_t len,
           const char *hex)
{
    struct ks_hmac keyed;
    uint8_t out[KS_SHA256_SIZE];

    ks_hmac_init(&keyed, key, key_len);
    for (int times = 0; times < 2; times++) { /* a key is prepared once */
        struct ks_hmac m = keyed;

        ks_hmac_update(&m, data, len / 2);
        ks_hmac_update(&m, (const uint8_t *)data + len / 2, len - len / 2);
        ks_hmac_final(&m, out);
        assert_hex(out, strlen(hex) / 2, hex);
    }
}

static void
hmac_gives_the_answers_of_rfc_4231(void **state)
{
    static const char long_key_note[] =
        "Test Using Larger Than Block-Size Key - Hash Key First";
    static const char long_data_note[] =
        "This is a test using a larger than block-size key and a larger than "
        "block-size data. The key needs to be hashed before being used by the "
        "HMAC algorithm.";
    uint8_t key[131];
    uint8_t data[50];

    (void)state;
    memset(key, 0x0b, 20);
    check_hmac(
        key, 20, "Hi There", 8,
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac(
        "Jefe", 4, "what do ya want for nothing?", 28,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    check_hmac(
        key, 20, data, 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    check_hmac(
        key, 131, long_key_note, sizeof long_key_note - 1,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_hmac(
        key, 131, long_data_note, sizeof long_data_note - 1,
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    for (uint8_t i = 0; i < 25; i++)
        key[i] = (uint8_t)(i + 1);
    memset(data, 0xcd, sizeof data);
    check_hmac(
        key, 25, data, 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    memset(key, 0x0c, 20);
    check_hmac(key, 20, "Test With Truncation", 20,
               "a3b6167473100ee06e0c796c2955552b");
}

static void
hmac_takes_keys_of_every_length_to_the_block_and_past_it(void **state)
{
    uint8_t key[66] = {0};
    uint8_t hashed[KS_SHA256_SIZE];
    uint8_t a[KS_SHA256_SIZE];
    uint8_t b[KS_SHA256_SIZE];
    struct ks_hmac m;

    (void)state;
    /* A key is zero-padded to the block, so these are all one key... */
    ks_hmac_init(&m, NULL, 0);
    ks_hmac_final(&m, a);
    for (size_t len = 1; len <= 64; len++) {
        ks_hmac_init(&m, key, len);
        ks_hmac_final(&m, b);
        assert_memory_equal(a, b, sizeof a);
    }
    /* ... and one byte more makes it the key's hash. */
    ks_sha256(hashed, key, 65);
    ks_hmac_init(&m, key, 65);
    ks_hmac_final(&m, a);
    ks_hmac_init(&m, hashed, sizeof hashed);
    ks_hmac_final(&m, b);
    assert_memory_equal(a, b, sizeof a);
}

static void
hkdf_gives_the_answers_of_rfc_5869(void **state)
{
    uint8_t key[80];
    uint8_t salt[80];
    uint8_t info[80];
    uint8_t out[82];
    struct ks_hkdf_in in = {key, 22, salt, 13, info, 10};

    (void)state;
    memset(key, 0x0b, 22);
    for (uint8_t i = 0; i < 80; i++) {
        salt[i] = i;
        info[i] = (uint8_t)(0xf0 + i);
    }
    ks_hkdf(out, 42, &in);
    assert_hex(out, 42,
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5"
               "bf34007208d5b887185865");

    in = (struct ks_hkdf_in){key, 22, NULL, 0, NULL, 0};
    ks_hkdf(out, 42, &in);
    assert_hex(out, 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d"
               "2d9d201395faa4b61a96c8");

    for (uint8_t i = 0; i < 80; i++) {
        key[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    in = (struct ks_hkdf_in){key, 80, salt, 80, info, 80};
    ks_hkdf(out, 82, &in);
    assert_hex(out, 82,
               "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa9"
               "7c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3"
               "db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

static void
hkdf_gives_any_length_up_to_its_limit(void **state)
{
    static uint8_t longest[KS_HKDF_OUT_MAX];
    static uint8_t out[KS_HKDF_OUT_MAX + 1];
    const struct ks_hkdf_in in = {"key", 3, "salt", 4, "info", 4};

    (void)state;
    ks_hkdf(longest, sizeof longest, &in);
    for (size_t len = 1; len <= 100; len++) {
        memset(out, 0xee, sizeof out);
        ks_hkdf(out, len, &in);
        assert_memory_equal(out, longest, len);
        assert_int_equal(out[len], 0xee);
    }
    /* The last block is not one of the others: the counter went to 255. */
    for (size_t at = 0; at + 32 < sizeof longest; at += 32)
        assert_memory_not_equal(longest + at, longest + sizeof longest - 32,
                                32);
}

static void
the_chain_gives_the_answers_of_kdf_txt(void **state)
{
    struct vectors *v = vectors_open("kdf.txt");
    size_t seen = 0;

    (void)state;
    while (vectors_next(v)) {
        uint8_t input[256];
        uint8_t salt[256];
        uint8_t want[64];
        uint8_t out[64];
        struct ks_sha512_chain in = {input, 0, salt, 0, 0};

        if (strcmp(vectors_text(v, "what"), "chain") != 0)
            continue;
        in.input_len = vectors_hex(v, "input", input, sizeof input);
        in.salt_len = vectors_hex(v, "salt", salt, sizeof salt);
        in.rounds = (uint32_t)vectors_number(v, "rounds");
        if (in.salt_len == 0)
            in.salt = NULL;
        vectors_bytes(v, "out", want, sizeof want);
        ks_sha512_chain_run(out, &in);
        assert_memory_equal(out, want, sizeof want);
        seen++;
    }
    assert_int_equal(seen, 12);
    (void)vectors_close(v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_answers_of_fips_180),
        cmocka_unit_test(sha256_of_a_million_letters_in_pieces),
        cmocka_unit_test(a_copied_state_goes_its_own_way),
        cmocka_unit_test(hmac_gives_the_answers_of_rfc_4231),
        cmocka_unit_test(
            hmac_takes_keys_of_every_length_to_the_block_and_past_it),
        cmocka_unit_test(hkdf_gives_the_answers_of_rfc_5869),
        cmocka_unit_test(hkdf_gives_any_length_up_to_its_limit),
        cmocka_unit_test(the_chain_gives_the_answers_of_kdf_txt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
