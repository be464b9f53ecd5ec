#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "vault/keyring.h"
#include "vaultkit.h"

static const uint8_t zero_epoch[8];

static void
what_is_decoded_encodes_to_the_same_bytes(void **state)
{
    static const unsigned counts[] = {1, 2, 254, KS_EPOCHS_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint8_t bytes[KIT_KEYRING_MAX];
        struct ks_keyring *k = NULL;
        struct ks_secret *back = NULL;
        size_t len;

        kit_keyring_bytes(bytes, &len, counts[i]);
        KIT_OK(ks_keyring_decode(&k, bytes, len, KIT_ERR));
        KIT_OK(ks_keyring_encode(k, &back, KIT_ERR));
        assert_int_equal(back->len, len);
        assert_memory_equal(back->data, bytes, len);
        ks_secret_free(back);
        ks_keyring_free(k);
    }
}

static void
every_key_is_where_the_table_says(void **state)
{
    uint8_t bytes[KIT_KEYRING_MAX];
    struct ks_keyring *k = kit_keyring(3);
    size_t len;

    (void)state;
    kit_keyring_bytes(bytes, &len, 3);
    assert_memory_equal(ks_keyring_control(k), bytes + 1, 32);
    assert_memory_equal(ks_keyring_id_key(k), bytes + 33, 32);
    assert_memory_equal(ks_keyring_cut_key(k), bytes + 65, 32);
    assert_memory_equal(ks_keyring_current(k), bytes + 98 + 80, 8);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(ks_keyring_epoch(k, bytes + 98 + 40 * i),
                            bytes + 98 + 40 * i + 8, 32);
    assert_ptr_equal(ks_keyring_epoch(k, zero_epoch), ks_keyring_control(k));
    assert_null(ks_keyring_epoch(k, (const uint8_t *)"no such."));
    ks_keyring_free(k);
}

static void
the_fingerprint_key_follows_from_the_id_key(void **state)
{
    struct ks_keyring *k = kit_keyring(1);
    uint8_t want[32];
    struct ks_hkdf_in in = {.key = ks_keyring_id_key(k),
                            .key_len = 32,
                            .info = "keepsay fingerprint",
                            .info_len = 19};

    (void)state;
    ks_hkdf(want, sizeof(want), &in);
    assert_memory_equal(ks_keyring_fingerprint_key(k), want, 32);
    ks_keyring_free(k);
}

static void
fresh_keyrings_share_nothing(void **state)
{
    struct ks_keyring *a = NULL;
    struct ks_keyring *b = NULL;

    (void)state;
    KIT_OK(ks_keyring_generate(&a, KIT_ERR));
    KIT_OK(ks_keyring_generate(&b, KIT_ERR));
    assert_memory_not_equal(ks_keyring_control(a), ks_keyring_control(b), 32);
    assert_memory_not_equal(ks_keyring_control(a), ks_keyring_id_key(a), 32);
    assert_memory_not_equal(ks_keyring_id_key(a), ks_keyring_id_key(b), 32);
    assert_memory_not_equal(ks_keyring_id_key(a), ks_keyring_cut_key(a), 32);
    assert_memory_not_equal(ks_keyring_cut_key(a), ks_keyring_cut_key(b), 32);
    assert_memory_not_equal(ks_keyring_current(a), ks_keyring_current(b), 8);
    assert_memory_not_equal(ks_keyring_current(a), zero_epoch, 8);
    assert_non_null(ks_keyring_epoch(a, ks_keyring_current(a)));
    assert_null(ks_keyring_epoch(a, ks_keyring_current(b)));
    ks_keyring_free(a);
    ks_keyring_free(b);
}

static void
keys_cannot_be_written_over(void **state)
{
    struct ks_keyring *k = kit_keyring(1);
    const uint8_t *control = ks_keyring_control(k);
    uint8_t *key = NULL;
    int status = 0;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL);
        memcpy(&key, &control, sizeof(key)); /* without its const */
        key[0] = 0;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    ks_keyring_free(k);
}

static int
decode(const uint8_t *bytes, size_t len)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_keyring *k = NULL;
    int rc = ks_keyring_decode(&k, bytes, len, &err);

    assert_int_equal(rc == KS_OK, k != NULL);
    ks_keyring_free(k);
    return rc;
}

static void
only_an_exact_encoding_is_taken(void **state)
{
    uint8_t bytes[KIT_KEYRING_MAX + 1] = {0};
    size_t len;

    (void)state;
    kit_keyring_bytes(bytes, &len, 2);
    for (size_t cut = 0; cut <= len + 1; cut++)
        assert_int_equal(decode(bytes, cut), cut == len ? KS_OK : KS_E_CORRUPT);
    for (unsigned count = 0; count < 256; count++) {
        bytes[97] = (uint8_t)count;
        assert_int_equal(decode(bytes, len), count == 2 ? KS_OK : KS_E_CORRUPT);
    }
    bytes[97] = 2;
    bytes[0] = 0;
    assert_int_equal(decode(bytes, len), KS_E_CORRUPT);
    bytes[0] = 2;
    assert_int_equal(decode(bytes, len), KS_E_UNSUPPORTED);
    assert_int_equal(decode(bytes, 1), KS_E_UNSUPPORTED);
}

static void
an_epoch_is_there_once_and_never_zero(void **state)
{
    uint8_t bytes[KIT_KEYRING_MAX];
    size_t len;

    (void)state;
    kit_keyring_bytes(bytes, &len, 3);
    memcpy(bytes + 98 + 80, bytes + 98, 8);
    assert_int_equal(decode(bytes, len), KS_E_CORRUPT);
    kit_keyring_bytes(bytes, &len, 3);
    memset(bytes + 98 + 40, 0, 8);
    assert_int_equal(decode(bytes, len), KS_E_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_decoded_encodes_to_the_same_bytes),
        cmocka_unit_test(every_key_is_where_the_table_says),
        cmocka_unit_test(the_fingerprint_key_follows_from_the_id_key),
        cmocka_unit_test(fresh_keyrings_share_nothing),
        cmocka_unit_test(keys_cannot_be_written_over),
        cmocka_unit_test(only_an_exact_encoding_is_taken),
        cmocka_unit_test(an_epoch_is_there_once_and_never_zero),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
