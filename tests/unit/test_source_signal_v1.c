/*
 * The connector's front: what it bids on, which passphrase opens, and what is
 * said when nothing does. Headers and keys as they come in the wild.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"
#include "source/signal_v1/container.h"
#include "source/signal_v1/signal_v1.h"
#include "source/signal_v1/streams.h"

static struct workdir dir;

static int
make_dir(void **state)
{
    (void)state;
    workdir_make(&dir);
    return 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    workdir_remove(&dir);
    return 0;
}

/* Open `name` with this passphrase (NULL: none) and close it again. */
static int
try_open(const char *name, const char *passphrase, struct ks_err *err)
{
    struct ks_secret *key = NULL;
    struct ks_source *src = NULL;
    int rc = KS_OK;

    *err = KS_ERR_INIT;
    if (passphrase != NULL)
        rc = ks_secret_copy(&key, passphrase, strlen(passphrase), err);
    assert_int_equal(rc, KS_OK);
    rc = ks_source_signal_v1.open(&src, workdir_path(&dir, name), key, err);
    assert_int_equal(rc, err->code);
    assert_int_equal(rc == KS_OK, src != NULL);
    ks_source_signal_v1.close(src);
    ks_secret_free(key);
    return rc;
}

/* ---- probe ------------------------------------------------------------ */

static void
it_bids_on_its_own_files_and_on_no_others(void **state)
{
    static const uint8_t others[][16] = {
        {0},
        {'P', 'K', 3, 4},
        {'S', 'Q', 'L', 'i', 't', 'e', ' ', 'f', 'o', 'r', 'm', 'a', 't'},
        {0, 0, 0, 12, 0x0b, 1, 2, 3, 4},
        {0, 0, 0x40, 1, 0x0a, 1, 0x0a, 16},
        {0, 0, 0, 15, 0x0a, 13, 0x0a, 16},
    };
    struct signal_file f;

    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        signal_file_story(&f, version);
        assert_true(ks_source_signal_v1.probe(f.data, f.len) >= 90);
        for (size_t len = 0; len < 8; len++)
            assert_int_equal(ks_source_signal_v1.probe(f.data, len), 0);
        for (size_t len = 8; len < f.pieces[0].end; len++) {
            uint8_t *exact = malloc(len); /* for the sanitizer */
            memcpy(exact, f.data, len);
            assert_int_equal(ks_source_signal_v1.probe(exact, len), 30);
            free(exact);
        }
        signal_file_free(&f);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_int_equal(ks_source_signal_v1.probe(others[i], 16), 0);
}

static void
damaged_and_newer_headers_are_still_its_own(void **state)
{
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 2, 0);
    signal_file_version(&f, 1);
    assert_int_equal(ks_source_signal_v1.probe(f.data, f.len), 60);
    signal_file_free(&f);
    signal_file_begin(&f, 1, 0);
    f.data[7] ^= 3; /* the IV's length */
    assert_int_equal(ks_source_signal_v1.probe(f.data, f.len), 20);
    signal_file_free(&f);
}

/* ---- registry --------------------------------------------------------- */

static void
connectors_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(ks_source_by_name("signal-v1"), &ks_source_signal_v1);
    assert_null(ks_source_by_name("signal"));
    assert_null(ks_source_by_name(""));
}

static int
probe(const char *name, struct ks_err *err)
{
    const struct ks_source_ops *ops = NULL;
    int rc;

    *err = KS_ERR_INIT;
    rc = ks_source_probe(&ops, workdir_path(&dir, name), err);
    assert_int_equal(rc, err->code);
    assert_int_equal(rc == KS_OK, ops == &ks_source_signal_v1);
    return rc;
}

static void
files_are_probed_and_what_is_none_is_told(void **state)
{
    struct signal_file f;
    struct ks_err err;

    (void)state;
    signal_file_story(&f, 1);
    signal_file_save(&f, &dir, "good");
    signal_file_free(&f);
    workdir_write(&dir, "empty", "", 0);
    workdir_write(&dir, "text", "hello, world", 12);
    assert_int_equal(mkfifo(workdir_path(&dir, "pipe"), 0600), 0);
    assert_int_equal(probe("good", &err), KS_OK);
    assert_int_equal(probe("empty", &err), KS_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "empty"));
    assert_int_equal(probe("text", &err), KS_E_UNSUPPORTED);
    assert_int_equal(probe("none", &err), KS_E_NOTFOUND);
    assert_int_equal(probe(".", &err), KS_E_USAGE);
    assert_non_null(strstr(err.msg, "folder"));
    assert_int_equal(probe("pipe", &err), KS_E_USAGE);
    assert_int_equal(try_open("pipe", "1", &err), KS_E_USAGE);
    assert_int_equal(try_open(".", "1", &err), KS_E_USAGE);
    assert_int_equal(try_open("none", "1", &err), KS_E_NOTFOUND);
    assert_int_equal(try_open("empty", "1", &err), KS_E_INCOMPLETE);
    assert_int_equal(try_open("text", "1", &err), KS_E_FORMAT);
}

/* ---- headers ---------------------------------------------------------- */

/* A header with an IV and a salt of these lengths; -1: none. */
static size_t
make_header(uint8_t *out, int iv, int salt, int version)
{
    size_t n = 3; /* room for the outer tag and length */

    if (iv >= 0) {
        out[n++] = 0x0a;
        out[n++] = (uint8_t)iv;
        memset(out + n, 'i', (size_t)iv);
        n += (size_t)iv;
    }
    if (salt >= 0) {
        out[n++] = 0x12;
        out[n++] = (uint8_t)(salt % 128 + 128);
        out[n++] = (uint8_t)(salt / 128);
        memset(out + n, 's', (size_t)salt);
        n += (size_t)salt;
    }
    if (version >= 0) {
        out[n++] = 0x18;
        out[n++] = (uint8_t)version;
    }
    out[0] = 0x0a;
    out[1] = (uint8_t)((n - 3) % 128 + 128);
    out[2] = (uint8_t)((n - 3) / 128);
    return n;
}

static void
headers_are_checked(void **state)
{
    static const struct {
        int iv;
        int salt;
        int version;
        int rc;
    } cases[] = {
        {16, 32, 1, KS_OK},
        {16, -1, -1, KS_OK},
        {16, 0, 0, KS_OK},
        {16, 1024, 1, KS_OK},
        {16, 1025, 1, KS_E_FORMAT},
        {15, 32, 1, KS_E_FORMAT},
        {17, 32, 1, KS_E_FORMAT},
        {0, 32, 1, KS_E_FORMAT},
        {-1, 32, 1, KS_E_FORMAT},
        {16, 32, 2, KS_E_UNSUPPORTED},
        {16, 32, 99, KS_E_UNSUPPORTED},
        {-1, -1, -1, KS_E_FORMAT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ks_v1_header h = {.version = 77};
        struct ks_err err = KS_ERR_INIT;
        uint8_t pb[2000];
        size_t len =
            make_header(pb, cases[i].iv, cases[i].salt, cases[i].version);
        int rc = ks_v1_header_parse(&h, pb, len, &err);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %d %s", i, rc, err.msg);
        if (rc != KS_OK) {
            assert_int_equal(h.version, 77); /* untouched */
            continue;
        }
        assert_int_equal(h.version, cases[i].version == 1);
        assert_int_equal(h.salt_len,
                         cases[i].salt < 0 ? 0 : (size_t)cases[i].salt);
        assert_int_equal(ks_v1_first_counter(&h), 0x69696969);
        for (size_t cut = 0; cut < len; cut++) {
            err = KS_ERR_INIT;
            assert_int_equal(ks_v1_header_parse(&h, pb, cut, &err),
                             KS_E_FORMAT);
        }
    }
}

static void
a_header_as_we_write_it_reads_as_it_was(void **state)
{
    struct ks_v1_header h = {.version = 1, .salt_len = 32};
    struct ks_err err = KS_ERR_INIT;
    struct ks_v1_header back;
    uint8_t raw[KS_V1_HEADER_OWN];

    (void)state;
    memset(h.iv, 3, sizeof(h.iv));
    memset(h.salt, 4, 32);
    ks_v1_header_build(raw, &h);
    assert_memory_equal(raw, "\0\0\0\70\12\66\12\20", 8);
    assert_int_equal(ks_v1_header_parse(&back, raw + 4, 56, &err), KS_OK);
    assert_memory_equal(back.iv, h.iv, sizeof(h.iv));
    assert_memory_equal(back.salt, h.salt, 32);
    assert_int_equal(back.version, 1);
}

static void
files_that_are_all_header_say_what_is_wrong(void **state)
{
    static const uint8_t long_header[] = {0, 0, 0x40, 1, 0x0a, 1, 0x0a, 16};
    uint8_t file[100] = {0};
    struct ks_err err;
    size_t len;

    (void)state;
    len = make_header(file + 4, 16, 32, 1);
    file[3] = (uint8_t)len;
    workdir_write(&dir, "f", file, 4 + len);
    assert_int_equal(try_open("f", "1", &err), KS_E_INCOMPLETE);
    assert_non_null(strstr(err.msg, "first frame"));
    workdir_write(&dir, "f", file, 3 + len);
    assert_int_equal(try_open("f", "1", &err), KS_E_INCOMPLETE);
    assert_non_null(strstr(err.msg, "header"));
    workdir_write(&dir, "f", file, 3);
    assert_int_equal(try_open("f", "1", &err), KS_E_INCOMPLETE);
    workdir_write(&dir, "f", long_header, sizeof(long_header));
    assert_int_equal(try_open("f", "1", &err), KS_E_FORMAT);
    file[4 + len - 1] = 2;
    workdir_write(&dir, "f", file, 4 + len);
    assert_int_equal(try_open("f", "1", &err), KS_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "newer than this keepsay knows"));
}

/* ---- keys ------------------------------------------------------------- */

/* Signal's derivation, straight from OpenSSL. */
static void
derive_slowly(uint8_t out[64], const char *input, const uint8_t *salt,
              size_t salt_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = strlen(input);

    for (int round = 0; round < 250000; round++) {
        assert_int_equal(EVP_DigestInit_ex(ctx, EVP_sha512(), NULL), 1);
        if (round == 0) {
            EVP_DigestUpdate(ctx, salt, salt_len);
            EVP_DigestUpdate(ctx, input, len);
        } else {
            EVP_DigestUpdate(ctx, out, 64);
        }
        EVP_DigestUpdate(ctx, input, len);
        EVP_DigestFinal_ex(ctx, out, NULL);
    }
    EVP_MD_CTX_free(ctx);
}

static void
any_passphrase_opens_and_its_spaces_do_not_count(void **state)
{
    static const struct {
        const char *typed;
        const char *input;
        size_t salt_len;
    } cases[] = {
        {"12345 12345 12345 12345 12345 12345",
         "123451234512345123451234512345", 32},
        {" p\xc3\xa4ss\tword ", "p\xc3\xa4ss\tword", 0},
        {"x", "x", 7},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ks_v1_header h = {.salt_len = cases[i].salt_len};
        struct ks_err err = KS_ERR_INIT;
        struct ks_secret *typed = NULL;
        struct ks_secret *key = NULL;
        uint8_t want[64];
        memset(h.salt, 's', h.salt_len);
        derive_slowly(want, cases[i].input, h.salt, h.salt_len);
        assert_int_equal(ks_secret_copy(&typed, cases[i].typed,
                                        strlen(cases[i].typed), &err),
                         KS_OK);
        assert_int_equal(ks_v1_key_derive(&key, &h, typed, &err), KS_OK);
        assert_int_equal(key->len, 32);
        assert_memory_equal(key->data, want, 32);
        ks_secret_free(typed);
        ks_secret_free(key);
    }
}

static void
no_passphrase_and_an_empty_one_are_told(void **state)
{
    struct signal_file f;
    struct ks_err err;

    (void)state;
    signal_file_story(&f, 1);
    signal_file_save(&f, &dir, "f");
    signal_file_free(&f);
    assert_int_equal(try_open("f", NULL, &err), KS_E_USAGE);
    assert_int_equal(try_open("f", "   ", &err), KS_E_USAGE);
    assert_non_null(strstr(err.msg, "empty"));
    assert_int_equal(try_open("f", "1234", &err), KS_E_WRONG_SOURCE_KEY);
    assert_null(strstr(err.msg, "1234"));
}

static void
target_keys_are_thirty_digits_and_differ(void **state)
{
    unsigned seen[10] = {0};
    char last[31] = "";

    (void)state;
    for (int i = 0; i < 50; i++) {
        char key[64];
        memset(key, 'x', sizeof(key));
        ks_source_signal_v1.make_target_key(key, sizeof(key));
        assert_int_equal(strlen(key), 30);
        assert_int_equal(strspn(key, "0123456789"), 30);
        assert_string_not_equal(key, last);
        memcpy(last, key, sizeof(last));
        for (size_t k = 0; k < 30; k++)
            seen[key[k] - '0']++;
    }
    for (size_t d = 0; d < 10; d++) /* expected: 150 each */
        assert_in_range(seen[d], 80, 230);
}

/* ---- the order's records ---------------------------------------------- */

static void
records_of_the_order_are_names_or_runs(void **state)
{
    uint8_t name[1 + KS_V1_NAME_SIZE];
    struct ks_v1_run run = {.number = 77};

    (void)state;
    memset(name, 'n', sizeof(name));
    name[0] = 0;
    assert_true(ks_v1_run_parse(&run, (struct ks_bytes){name, 2}));
    assert_int_equal(run.number, 0);
    assert_int_equal(run.name.len, 1);
    assert_true(
        ks_v1_run_parse(&run, (struct ks_bytes){name, KS_V1_NAME_SIZE}));
    assert_false(
        ks_v1_run_parse(&run, (struct ks_bytes){name, 1 + KS_V1_NAME_SIZE}));
    assert_false(ks_v1_run_parse(&run, (struct ks_bytes){name, 1}));
    assert_false(ks_v1_run_parse(&run, (struct ks_bytes){0}));
    assert_true(ks_v1_run_parse(
        &run, (struct ks_bytes){(const uint8_t *)"\330\4\200\200\1", 5}));
    assert_int_equal(run.number, KS_V1_STREAM_MAX);
    assert_int_equal(run.records, 16384);
    assert_false(ks_v1_run_parse(/* one stream too many */
                                 &run, (struct ks_bytes){
                                           (const uint8_t *)"\331\4\1", 3}));
    assert_false(
        ks_v1_run_parse(/* a run of none */
                        &run, (struct ks_bytes){(const uint8_t *)"\1\0", 2}));
    assert_false(
        ks_v1_run_parse(/* bytes behind it */
                        &run, (struct ks_bytes){(const uint8_t *)"\1\1\1", 3}));
    assert_false(
        ks_v1_run_parse(&run, (struct ks_bytes){(const uint8_t *)"\1", 1}));
    assert_int_equal(run.records, 16384); /* untouched */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_bids_on_its_own_files_and_on_no_others),
        cmocka_unit_test(damaged_and_newer_headers_are_still_its_own),
        cmocka_unit_test(connectors_are_found_by_name),
        cmocka_unit_test(files_are_probed_and_what_is_none_is_told),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(a_header_as_we_write_it_reads_as_it_was),
        cmocka_unit_test(files_that_are_all_header_say_what_is_wrong),
        cmocka_unit_test(any_passphrase_opens_and_its_spaces_do_not_count),
        cmocka_unit_test(no_passphrase_and_an_empty_one_are_told),
        cmocka_unit_test(target_keys_are_thirty_digits_and_differ),
        cmocka_unit_test(records_of_the_order_are_names_or_runs),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
