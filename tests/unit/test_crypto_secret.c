#include <string.h>

#include "check.h"
#include "crypto/secret.h"
#include "fault.h"

static bool no_guarded_memory;

void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);

void *
__wrap_sodium_malloc(size_t size)
{
    return no_guarded_memory ? NULL : __real_sodium_malloc(size);
}

static void
starting_twice_is_fine(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_crypto_init(&err), KS_OK);
    assert_int_equal(ks_crypto_init(&err), KS_OK);
}

static void
a_new_secret_is_zeros_that_can_be_written(void **state)
{
    static const size_t lengths[] = {1, 31, 32, 4096, KS_SECRET_MAX};
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct ks_secret *secret = NULL;

        assert_int_equal(ks_secret_new(&secret, lengths[i], &err), KS_OK);
        assert_int_equal(secret->len, lengths[i]);
        for (size_t at = 0; at < lengths[i]; at++)
            assert_int_equal(secret->data[at], 0);
        memset(secret->data, 0xa5, lengths[i]);
        ks_secret_free(secret);
    }
    ks_secret_free(NULL);
}

static void
a_copy_has_the_bytes_and_is_its_own(void **state)
{
    uint8_t bytes[3] = {1, 2, 3};
    struct ks_secret *secret = NULL;
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_secret_copy(&secret, bytes, sizeof bytes, &err), KS_OK);
    bytes[0] = 9;
    assert_int_equal(secret->len, 3);
    assert_memory_equal(secret->data, "\x01\x02\x03", 3);
    ks_secret_free(secret);
}

static void
without_memory_there_is_no_secret(void **state)
{
    struct ks_secret *const before = (struct ks_secret *)&no_guarded_memory;
    struct ks_secret *secret = before;
    struct ks_err err = KS_ERR_INIT;
    int rc;

    (void)state;
    fault_arm(0);
    rc = ks_secret_new(&secret, 32, &err);
    fault_disarm();
    assert_int_equal(rc, KS_E_NOMEM);
    assert_int_equal(err.code, KS_E_NOMEM);
    assert_ptr_equal(secret, before);

    err = KS_ERR_INIT;
    no_guarded_memory = true;
    rc = ks_secret_copy(&secret, "abc", 3, &err);
    no_guarded_memory = false;
    assert_int_equal(rc, KS_E_NOMEM);
    assert_ptr_equal(secret, before);
}

static void
random_bytes_fill_exactly_the_buffer_and_differ(void **state)
{
    uint8_t a[34] = {0};
    uint8_t b[34] = {0};

    (void)state;
    ks_random(a + 1, 32);
    ks_random(b + 1, 32);
    assert_int_equal(a[0] | a[33], 0);
    assert_memory_not_equal(a, b, sizeof a);
    ks_random(NULL, 0);
}

static void
random_numbers_stay_below_their_bound_and_reach_all(void **state)
{
    bool seen[5] = {false};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint32_t n = ks_random_below(5);

        assert_true(n < 5);
        seen[n] = true;
        assert_int_equal(ks_random_below(1), 0);
        assert_true(ks_random_below(UINT32_MAX) < UINT32_MAX);
    }
    for (size_t n = 0; n < 5; n++)
        assert_true(seen[n]); /* each is missed with chance 10^-97 */
}

static void
wiping_zeros_just_what_it_is_given(void **state)
{
    uint8_t bytes[6] = {1, 2, 3, 4, 5, 6};

    (void)state;
    ks_wipe(bytes + 1, 4);
    assert_memory_equal(bytes, "\x01\0\0\0\0\x06", 6);
    ks_wipe(NULL, 0);
}

static void
same_sees_every_differing_bit(void **state)
{
    uint8_t a[32];
    uint8_t b[32];

    (void)state;
    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);
    assert_true(ks_same(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ks_same(a, b, sizeof a));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    b[31] ^= 1;
    assert_true(ks_same(a, b, 31));
    assert_true(ks_same(a, b, 0));
    assert_true(ks_same(NULL, NULL, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_twice_is_fine),
        cmocka_unit_test(a_new_secret_is_zeros_that_can_be_written),
        cmocka_unit_test(a_copy_has_the_bytes_and_is_its_own),
        cmocka_unit_test(without_memory_there_is_no_secret),
        cmocka_unit_test(random_bytes_fill_exactly_the_buffer_and_differ),
        cmocka_unit_test(random_numbers_stay_below_their_bound_and_reach_all),
        cmocka_unit_test(wiping_zeros_just_what_it_is_given),
        cmocka_unit_test(same_sees_every_differing_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
