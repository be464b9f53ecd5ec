#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cli/secrets.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"
#include "vaultkit.h"
#include "workdir.h"

static int
folder_up(void **state)
{
    struct workdir *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    workdir_make(w);
    *state = w;
    return 0;
}

static int
folder_down(void **state)
{
    workdir_remove(*state);
    free(*state);
    return 0;
}

/* What a file of these bytes is read as. */
static void
file_reads(struct workdir *w, const char *bytes, const char *want)
{
    struct ks_secret *s = NULL;

    workdir_write(w, "f", bytes, strlen(bytes));
    KIT_OK(ks_secret_from_file(&s, workdir_path(w, "f"), "the thing", KIT_ERR));
    assert_int_equal(s->len, strlen(want));
    assert_memory_equal(s->data, want, s->len);
    ks_secret_free(s);
}

static void
one_line_end_is_taken_off_and_nothing_else(void **state)
{
    struct workdir *w = *state;

    file_reads(w, "secret", "secret");
    file_reads(w, "secret\n", "secret");
    file_reads(w, "secret\r\n", "secret");
    file_reads(w, "secret\n\n", "secret\n");
    file_reads(w, " two words \n", " two words ");
    file_reads(w, "secret\r", "secret\r");
    file_reads(w, "x", "x");
}

static void
empty_large_missing_and_odd_files_are_refused(void **state)
{
    struct workdir *w = *state;
    struct ks_secret *s = NULL;
    const char *path = workdir_path(w, "f");
    char text[1030];

    memset(text, 'a', sizeof(text));
    KIT_SAYS(KS_E_NOTFOUND, "the thing",
             ks_secret_from_file(&s, path, "the thing", KIT_ERR));
    workdir_write(w, "f", "", 0);
    KIT_FAILS(KS_E_USAGE, ks_secret_from_file(&s, path, "x", KIT_ERR));
    workdir_write(w, "f", "\n", 1);
    KIT_FAILS(KS_E_USAGE, ks_secret_from_file(&s, path, "x", KIT_ERR));
    workdir_write(w, "f", text, 1024);
    KIT_OK(ks_secret_from_file(&s, path, "x", KIT_ERR));
    assert_int_equal(s->len, 1024);
    ks_secret_free(s);
    s = NULL;
    workdir_write(w, "f", text, 1027);
    KIT_FAILS(KS_E_LIMIT, ks_secret_from_file(&s, path, "x", KIT_ERR));
    KIT_FAILS(KS_E_USAGE, ks_secret_from_file(&s, w->path, "x", KIT_ERR));
    assert_null(s);
}

static void
raw_keys_are_bytes_or_hex(void **state)
{
    struct workdir *w = *state;
    const char *path = workdir_path(w, "f");
    struct ks_secret *s = NULL;
    char text[80];

    for (size_t len = 0; len < sizeof(text); len++) {
        struct ks_err err = KS_ERR_INIT;
        int rc;

        memset(text, 'a', sizeof(text));
        workdir_write(w, "f", text, len);
        rc = ks_raw_key_from_file(&s, path, &err);
        assert_int_equal(rc == KS_OK, len == 32 || len == 64);
        if (rc == KS_OK) {
            assert_int_equal(s->len, 32);
            assert_int_equal(s->data[31], len == 32 ? 'a' : 0xaa);
            ks_secret_free(s);
        }
    }
    text[64] = '\r';
    text[65] = '\n';
    workdir_write(w, "f", text, 66);
    KIT_OK(ks_raw_key_from_file(&s, path, KIT_ERR));
    ks_secret_free(s);
    text[10] = 'g';
    workdir_write(w, "f", text, 64);
    KIT_FAILS(KS_E_USAGE, ks_raw_key_from_file(&s, path, KIT_ERR));
    text[31] = '\n';
    workdir_write(w, "f", text, 32); /* a raw key may end so */
    KIT_OK(ks_raw_key_from_file(&s, path, KIT_ERR));
    assert_int_equal(s->data[31], '\n');
    ks_secret_free(s);
}

static void
a_descriptor_is_read_to_its_end(void **state)
{
    struct ks_secret *s = NULL;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "from a pipe\n", 12), 12);
    (void)close(ends[1]);
    KIT_OK(ks_secret_from_fd(&s, ends[0], "a pipe", KIT_ERR));
    assert_int_equal(s->len, 11);
    ks_secret_free(s);
    s = NULL;
    KIT_SAYS(KS_E_USAGE, "a pipe is empty",
             ks_secret_from_fd(&s, ends[0], "a pipe", KIT_ERR));
    (void)close(ends[0]);
    KIT_FAILS(KS_E_IO, ks_secret_from_fd(&s, ends[0], "a pipe", KIT_ERR));
    assert_null(s);
}

static void
an_endless_descriptor_is_given_up(void **state)
{
    struct ks_secret *s = NULL;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    (void)state;
    KIT_FAILS(KS_E_LIMIT, ks_secret_from_fd(&s, fd, "zeros", KIT_ERR));
    (void)close(fd);
}

static void
a_command_gives_what_it_prints(void **state)
{
    struct ks_secret *s = NULL;

    (void)state;
    KIT_OK(ks_secret_from_command(&s, "printf '%s' a b; echo", KIT_ERR));
    assert_int_equal(s->len, 2);
    assert_memory_equal(s->data, "ab", 2);
    ks_secret_free(s);
    s = NULL;
    KIT_SAYS(KS_E_IO, "exit 7",
             ks_secret_from_command(&s, "echo x; exit 7", KIT_ERR));
    KIT_SAYS(KS_E_IO, "signal",
             ks_secret_from_command(&s, "kill -9 $$", KIT_ERR));
    KIT_FAILS(KS_E_USAGE, ks_secret_from_command(&s, "true", KIT_ERR));
    KIT_FAILS(KS_E_LIMIT,
              ks_secret_from_command(&s, "head -c 5000 /dev/zero", KIT_ERR));
    assert_null(s);
}

static void
a_recovery_key_is_read_and_a_mistyped_one_is_a_wrong_key(void **state)
{
    uint8_t key[KS_RECOVERY_BYTES];
    char text[KS_RECOVERY_TEXT_SIZE];
    struct ks_secret *typed;
    struct ks_secret *s = NULL;

    (void)state;
    memset(key, 0x5a, sizeof(key));
    ks_recovery_text(text, key);
    typed = kit_secret(text, strlen(text));
    KIT_OK(ks_recovery_from_text(&s, typed, KIT_ERR));
    assert_int_equal(s->len, sizeof(key));
    assert_memory_equal(s->data, key, sizeof(key));
    ks_secret_free(s);
    ks_secret_free(typed);
    text[11] = text[11] == 'x' ? 'y' : 'x';
    typed = kit_secret(text, strlen(text));
    s = NULL;
    KIT_SAYS(KS_E_WRONG_KEY, "group 3 of 16",
             ks_recovery_from_text(&s, typed, KIT_ERR));
    assert_null(s);
    ks_secret_free(typed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define SECRETS_TEST(f)                                                        \
    cmocka_unit_test_setup_teardown(f, folder_up, folder_down)
        SECRETS_TEST(one_line_end_is_taken_off_and_nothing_else),
        SECRETS_TEST(empty_large_missing_and_odd_files_are_refused),
        SECRETS_TEST(raw_keys_are_bytes_or_hex),
        cmocka_unit_test(a_descriptor_is_read_to_its_end),
        cmocka_unit_test(an_endless_descriptor_is_given_up),
        cmocka_unit_test(a_command_gives_what_it_prints),
        cmocka_unit_test(
            a_recovery_key_is_read_and_a_mistyped_one_is_a_wrong_key),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
