#include <string.h>

#include "chance.h"
#include "check.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "fault.h"
#include "openssl_fault.h"
#include "sealed.h"
#include "vectors.h"

#define SMALL ((size_t)100) /* plaintext of the small object */

static void
check_vector(struct vectors *v)
{
    uint8_t key[32];
    uint8_t salt[32];
    uint8_t header[96];
    uint8_t want[512];
    uint8_t digest[32];
    uint8_t id[KS_OBJECT_ID_SIZE];
    struct ks_seal_in in = {.key = key, .salt = salt};
    struct sealed o;

    vectors_bytes(v, "epoch_key", key, sizeof key);
    vectors_bytes(v, "salt", salt, sizeof salt);
    in.suite = (enum ks_suite)vectors_number(v, "suite");
    in.binding.kind = (uint8_t)vectors_number(v, "kind");
    vectors_bytes(v, "epoch_id", in.binding.epoch_id, 8);
    vectors_bytes(v, "vault_id", in.binding.vault_id, 16);
    o = sealed_with(&in, vectors_number(v, "plain_len"));

    assert_int_equal(o.len, vectors_number(v, "sealed_len"));
    vectors_bytes(v, "header", header, sizeof header);
    assert_memory_equal(o.bytes, header, sizeof header);
    if (vectors_has(v, "sealed")) {
        vectors_bytes(v, "sealed", want, o.len);
        assert_memory_equal(o.bytes, want, o.len);
    }
    vectors_bytes(v, "sealed_sha256", want, sizeof digest);
    ks_sha256(digest, o.bytes, o.len);
    assert_memory_equal(digest, want, sizeof digest);
    vectors_bytes(v, "id", want, sizeof id);
    assert_memory_equal(o.id, want, sizeof id);
    sealed_name(id, o.bytes, o.len, 4096);
    assert_memory_equal(id, want, sizeof id);
    free(o.bytes);
}

static void
objects_are_those_of_seal_txt(void **state)
{
    struct vectors *v = vectors_open("seal.txt");

    (void)state;
    while (vectors_next(v))
        check_vector(v);
    assert_int_equal(vectors_close(v), 24);
}

static void
what_was_sealed_opens_at_every_border_length(void **state)
{
    static const size_t lengths[] = {
        1, 2, 15, 16, 17, 4096, 65535, 65536, 65537, 131071, 131072, 131073,
    };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (int suite = KS_SUITE_AES_GCM; suite <= KS_SUITE_CHACHA; suite++) {
            struct sealed o = sealed_pattern((enum ks_suite)suite, lengths[i]);

            sealed_assert_good(&o);
            free(o.bytes);
        }
    }
}

static void
segments_open_in_place_and_in_any_order(void **state)
{
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, 3 * KS_SEAL_SEGMENT);
    struct ks_opener *opener = NULL;
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(
        ks_opener_open(&opener, o.bytes, sealed_key, &sealed_binding, &err),
        KS_OK);
    for (size_t n = 3; n-- > 0;) {
        uint8_t *at = o.bytes + ks_seal_at(n * KS_SEAL_SEGMENT);
        const struct ks_bytes sealed = {at, SEALED_SEGMENT};

        assert_int_equal(ks_opener_segment(opener, n, n == 2, at, sealed, &err),
                         KS_OK);
        for (size_t i = 0; i < KS_SEAL_SEGMENT; i += 997)
            assert_int_equal(at[i], vectors_pattern(n * KS_SEAL_SEGMENT + i));
    }
    ks_opener_close(opener);
    ks_opener_close(NULL);
    free(o.bytes);
}

static void
a_header_tells_what_it_says_without_a_key(void **state)
{
    struct sealed o = sealed_pattern(KS_SUITE_CHACHA, SMALL);
    struct ks_seal_header said;
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_seal_parse_header(&said, o.bytes, &err), KS_OK);
    assert_int_equal(said.suite, KS_SUITE_CHACHA);
    assert_int_equal(said.kind, 3);
    assert_memory_equal(said.epoch_id, "epoch id", 8);
    assert_memory_equal(said.commitment_prefix, o.bytes + 56, 8);
    free(o.bytes);
}

static void
sizes_and_their_inverse_agree(void **state)
{
    size_t sealed = 0;
    const size_t max = ks_seal_room(KS_SEAL_PLAIN_MAX);

    (void)state;
    assert_int_equal(ks_seal_room(1), 96 + 1 + 16);
    assert_int_equal(ks_seal_room(65536), 96 + 65536 + 16);
    assert_int_equal(ks_seal_room(65537), 96 + 65537 + 32);
    /* Every size in turn is that of the next plaintext, or of none. */
    for (size_t plain = 1; plain < 200000; plain++) {
        for (; sealed < ks_seal_room(plain); sealed++)
            assert_int_equal(ks_seal_plain_len(sealed), 0);
        assert_int_equal(ks_seal_plain_len(sealed++), plain);
    }
    for (size_t less = 0; less < 65536; less += 5)
        assert_int_equal(
            ks_seal_plain_len(ks_seal_room(KS_SEAL_PLAIN_MAX - less)),
            KS_SEAL_PLAIN_MAX - less);
    assert_int_equal(ks_seal_plain_len(max + 1), 0);
    assert_int_equal(ks_seal_plain_len(max + 17), 0);
    assert_int_equal(ks_seal_plain_len(SIZE_MAX), 0);
}

static void
plaintext_lies_around_the_tags(void **state)
{
    (void)state;
    assert_int_equal(ks_seal_at(0), 96);
    assert_int_equal(ks_seal_at(65535), 96 + 65535);
    assert_int_equal(ks_seal_at(65536), 96 + 65536 + 16);
    assert_int_equal(ks_seal_at(131072), 96 + 131072 + 32);
    for (size_t at = 0; at < 300000; at++)
        assert_int_equal(ks_seal_at(at) + 1 + KS_SEAL_TAG,
                         ks_seal_room(at + 1));
}

static void
the_name_does_not_depend_on_how_the_bytes_come(void **state)
{
    static const size_t steps[] = {
        95, 96, 97, 1000, 65551, 65552, 65553, 65648, 131200,
    };
    struct chance c = chance_start("names");
    struct sealed o = sealed_pattern(KS_SUITE_AES_GCM, 140000);
    struct ks_namer *namer = NULL;
    struct ks_err err = KS_ERR_INIT;
    uint8_t id[KS_OBJECT_ID_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        sealed_name(id, o.bytes, o.len, steps[i]);
        assert_memory_equal(id, o.id, sizeof id);
    }
    sealed_name(id, o.bytes, o.len, 1);
    assert_memory_equal(id, o.id, sizeof id);

    assert_int_equal(ks_namer_open(&namer, &err), KS_OK);
    for (int round = 0; round < 100; round++) {
        size_t at = 0;

        ks_namer_update(namer, o.bytes, chance_below(&c, o.len));
        ks_namer_reset(namer); /* begun, and begun again */
        while (at < o.len) {
            size_t n = chance_below(&c, 50000);

            n = n < o.len - at ? n : o.len - at;
            ks_namer_update(namer, o.bytes + at, n);
            at += n;
        }
        ks_namer_update(namer, NULL, 0);
        ks_namer_final(namer, id);
        assert_memory_equal(id, o.id, sizeof id);
        ks_namer_reset(namer);
    }
    ks_namer_close(namer);
    ks_namer_close(NULL);
    free(o.bytes);
}

static void
the_default_suite_is_one_of_the_two(void **state)
{
    enum ks_suite suite = ks_seal_default_suite();

    (void)state;
    assert_true(suite == KS_SUITE_AES_GCM || suite == KS_SUITE_CHACHA);
    assert_int_equal(suite, ks_seal_default_suite());
}

static bool no_hash_state;

void *__real_XXH3_createState(void);
void *__wrap_XXH3_createState(void);

void *
__wrap_XXH3_createState(void)
{
    return no_hash_state ? NULL : __real_XXH3_createState();
}

/* Seal with the n-th allocation failing; false if there was no n-th. A failure
 * leaves object and id alone. */
static bool
sealing_fails_cleanly(enum ks_suite suite, long n)
{
    const struct ks_seal_in in = {sealed_key, sealed_salt, suite,
                                  sealed_binding};
    uint8_t object[KS_SEAL_HEADER_SIZE + SMALL + KS_SEAL_TAG];
    uint8_t kept[sizeof object];
    uint8_t id[KS_OBJECT_ID_SIZE] = {0xee};
    struct ks_err err = KS_ERR_INIT;
    bool failed;
    int rc;

    memset(object, 0xee, sizeof object);
    sealed_lay_out(object, SMALL);
    memcpy(kept, object, sizeof kept);
    fault_arm(n);
    rc = ks_seal(object, SMALL, &in, id, &err);
    failed = fault_disarm();
    if (rc != KS_OK) {
        assert_true(failed);
        assert_int_equal(rc, KS_E_NOMEM);
        assert_memory_equal(object, kept, sizeof kept);
        assert_int_equal(id[0], 0xee);
    }
    return failed;
}

static bool
opening_fails_cleanly(const struct sealed *o, long n)
{
    struct ks_opener *opener = NULL;
    struct ks_err err = KS_ERR_INIT;
    bool failed;
    int rc;

    fault_arm(n);
    rc = ks_opener_open(&opener, o->bytes, sealed_key, &sealed_binding, &err);
    failed = fault_disarm();
    assert_true(rc == KS_OK || rc == KS_E_NOMEM);
    assert_true(rc == KS_OK || failed);
    assert_int_equal(rc == KS_OK, opener != NULL);
    ks_opener_close(opener);
    return failed;
}

static void
every_failed_allocation_is_no_memory(void **state)
{
    (void)state;
    for (int suite = KS_SUITE_AES_GCM; suite <= KS_SUITE_CHACHA; suite++) {
        struct sealed o = sealed_pattern((enum ks_suite)suite, SMALL);
        long sealing = 0;
        long opening = 0;

        while (sealing_fails_cleanly((enum ks_suite)suite, sealing))
            sealing++;
        while (opening_fails_cleanly(&o, opening))
            opening++;
        assert_true(sealing >= 2); /* a context and its state */
        assert_true(opening >= 3); /* and the opener */
        free(o.bytes);
    }
}

static void
a_namer_without_memory_is_no_memory(void **state)
{
    struct ks_namer *namer = NULL;
    struct ks_err err = KS_ERR_INIT;
    int rc;

    (void)state;
    fault_arm(0);
    rc = ks_namer_open(&namer, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_NOMEM);
    err = KS_ERR_INIT;
    no_hash_state = true;
    rc = ks_namer_open(&namer, &err);
    no_hash_state = false;
    assert_int_equal(rc, KS_E_NOMEM);
    assert_null(namer);
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
        cmocka_unit_test(objects_are_those_of_seal_txt),
        cmocka_unit_test(what_was_sealed_opens_at_every_border_length),
        cmocka_unit_test(segments_open_in_place_and_in_any_order),
        cmocka_unit_test(a_header_tells_what_it_says_without_a_key),
        cmocka_unit_test(sizes_and_their_inverse_agree),
        cmocka_unit_test(plaintext_lies_around_the_tags),
        cmocka_unit_test(the_name_does_not_depend_on_how_the_bytes_come),
        cmocka_unit_test(the_default_suite_is_one_of_the_two),
        cmocka_unit_test(every_failed_allocation_is_no_memory),
        cmocka_unit_test(a_namer_without_memory_is_no_memory),
    };

    openssl_fault_install();
    return cmocka_run_group_tests(tests, start, NULL);
}
