#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "vectors.h"

/* The address sanitizer itself needs memory where there is to be none. */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#define WITH_ASAN __has_feature(address_sanitizer)
#else
#define WITH_ASAN 0
#endif

static void
argon2id_gives_the_answers_of_the_reference_command(void **state)
{
    struct vectors *v = vectors_open("kdf.txt");
    size_t seen = 0;

    (void)state;
    while (vectors_next(v)) {
        struct ks_argon2 params;
        struct ks_err err = KS_ERR_INIT;
        uint8_t pass[256];
        uint8_t want[32];
        uint8_t out[32];
        size_t len;

        if (strcmp(vectors_text(v, "what"), "argon2id") != 0)
            continue;
        len = vectors_hex(v, "pass", pass, sizeof pass);
        vectors_bytes(v, "salt", params.salt, sizeof params.salt);
        params.mem_kib = (uint32_t)vectors_number(v, "mem_kib");
        params.passes = (uint32_t)vectors_number(v, "passes");
        vectors_bytes(v, "out", want, sizeof want);
        assert_int_equal(ks_argon2_run(out, &params, pass, len, &err), KS_OK);
        assert_memory_equal(out, want, sizeof want);
        seen++;
    }
    assert_int_equal(seen, 5);
    (void)vectors_close(v);
}

static void
parameters_out_of_bounds_are_refused_and_touch_nothing(void **state)
{
    static const struct ks_argon2 bad[] = {
        {.mem_kib = 0, .passes = 1},
        {.mem_kib = KS_ARGON2_MEM_MIN - 1, .passes = 1},
        {.mem_kib = KS_ARGON2_MEM_MAX + 1, .passes = 1},
        {.mem_kib = UINT32_MAX, .passes = 1},
        {.mem_kib = 8, .passes = 0},
        {.mem_kib = 8, .passes = KS_ARGON2_PASSES_MAX + 1},
        {.mem_kib = 8, .passes = UINT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ks_err err = KS_ERR_INIT;
        uint8_t out[32] = {7};

        assert_int_equal(ks_argon2_run(out, &bad[i], "p", 1, &err), KS_E_LIMIT);
        assert_int_equal(out[0], 7);
    }
}

static void
the_bounds_themselves_are_accepted(void **state)
{
    struct ks_argon2 params = {.mem_kib = KS_ARGON2_MEM_MIN, .passes = 1};
    struct ks_err err = KS_ERR_INIT;
    uint8_t a[32];
    uint8_t b[32];

    (void)state;
    assert_int_equal(ks_argon2_run(a, &params, "p", 1, &err), KS_OK);
    params.passes = KS_ARGON2_PASSES_MAX;
    assert_int_equal(ks_argon2_run(b, &params, "p", 1, &err), KS_OK);
    assert_memory_not_equal(a, b, sizeof a);
}

static void
an_empty_passphrase_is_a_passphrase(void **state)
{
    const struct ks_argon2 params = {.mem_kib = 8, .passes = 1};
    struct ks_err err = KS_ERR_INIT;
    uint8_t a[32];
    uint8_t b[32];
    uint8_t c[32];

    (void)state;
    assert_int_equal(ks_argon2_run(a, &params, NULL, 0, &err), KS_OK);
    assert_int_equal(ks_argon2_run(b, &params, "", 0, &err), KS_OK);
    assert_int_equal(ks_argon2_run(c, &params, "", 1, &err), KS_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
}

#if !WITH_ASAN
static void
without_memory_it_says_so(void **state)
{
    const struct ks_argon2 params = {.mem_kib = KS_ARGON2_MEM_MAX, .passes = 1};
    struct ks_err err = KS_ERR_INIT;
    struct rlimit before;
    struct rlimit tight;
    uint8_t out[32] = {7};
    int rc;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)1 << 20; /* no new mapping fits */
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    rc = ks_argon2_run(out, &params, "p", 1, &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(rc, KS_E_NOMEM);
    assert_non_null(strstr(err.msg, "1024 MiB"));
    assert_int_equal(out[0], 7);
}
#endif

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
        cmocka_unit_test(argon2id_gives_the_answers_of_the_reference_command),
        cmocka_unit_test(
            parameters_out_of_bounds_are_refused_and_touch_nothing),
        cmocka_unit_test(the_bounds_themselves_are_accepted),
        cmocka_unit_test(an_empty_passphrase_is_a_passphrase),
#if !WITH_ASAN
        cmocka_unit_test(without_memory_it_says_so),
#endif
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
