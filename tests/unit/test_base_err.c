/*
 * base/err: what a failure records, and that no message can do harm.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "check.h"

#define MSG_MAX (sizeof(((struct ks_err *)NULL)->msg) - 1)

static void
a_failure_keeps_its_code_and_its_words(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_fail(&err, KS_E_FORMAT, 0, "%s at %d", "no frame", 7),
                     KS_E_FORMAT);
    assert_int_equal(err.code, KS_E_FORMAT);
    assert_int_equal(err.sys, 0);
    assert_false(err.retry);
    assert_string_equal(err.msg, "no frame at 7");
}

static void
the_text_of_errno_is_appended(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_fail(&err, KS_E_BUSY, EIO, "lock"), KS_E_BUSY);
    assert_int_equal(err.sys, EIO);
    assert_string_equal(err.msg, "lock: Input/output error");
}

static void
a_system_failure_gets_the_code_of_its_errno(void **state)
{
    static const struct {
        int sys;
        int code;
        bool retry;
    } table[] = {
        {ENOENT, KS_E_NOTFOUND, false}, {ENOTDIR, KS_E_NOTFOUND, false},
        {EEXIST, KS_E_EXISTS, false},   {ENOSPC, KS_E_FULL, false},
        {EDQUOT, KS_E_FULL, false},     {EFBIG, KS_E_FULL, false},
        {ENOMEM, KS_E_NOMEM, false},    {EACCES, KS_E_IO, false},
        {EROFS, KS_E_IO, false},        {EIO, KS_E_IO, false},
        {EMFILE, KS_E_IO, true},        {ENFILE, KS_E_IO, true},
        {EAGAIN, KS_E_IO, true},        {EINTR, KS_E_IO, true},
        {EBUSY, KS_E_IO, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ks_err err = KS_ERR_INIT;
        char want[256];

        (void)snprintf(want, sizeof(want), "open: %s", strerror(table[i].sys));
        assert_int_equal(ks_fail_sys(&err, table[i].sys, "open"),
                         table[i].code);
        assert_int_equal(err.code, table[i].code);
        assert_int_equal(err.sys, table[i].sys);
        assert_int_equal(err.retry, table[i].retry);
        assert_string_equal(err.msg, want);
    }
}

static void
context_goes_before_what_happened(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    (void)ks_fail_sys(&err, ENOSPC, "write");
    assert_int_equal(ks_context(&err, "pack %d", 3), KS_E_FULL);
    assert_int_equal(ks_context(&err, "backup"), KS_E_FULL);
    assert_string_equal(err.msg,
                        "backup: pack 3: write: No space left on device");
    assert_int_equal(err.sys, ENOSPC);
}

static void
a_long_message_loses_its_tail_and_never_its_head(void **state)
{
    char text[2 * MSG_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t len = MSG_MAX - 2; len <= MSG_MAX + 2; len++) {
        struct ks_err err = KS_ERR_INIT;
        size_t want = len < MSG_MAX ? len : MSG_MAX;

        (void)ks_fail(&err, KS_E_LIMIT, 0, "%.*s", (int)len, text);
        assert_int_equal(strlen(err.msg), want);
        (void)ks_context(&err, "head");
        assert_memory_equal(err.msg, "head: xxx", 9);
        assert_int_equal(strlen(err.msg), MSG_MAX);
    }
}

static void
a_cut_never_leaves_half_a_character(void **state)
{
    static const char *const characters[] = {"\u00e9", "\u6f22", "\U0001f600"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t width = strlen(characters[i]);

        for (size_t lead = MSG_MAX - 5; lead <= MSG_MAX; lead++) {
            struct ks_err err = KS_ERR_INIT;
            bool fits = lead + width <= MSG_MAX;
            char text[2 * MSG_MAX];

            memset(text, 'x', lead);
            (void)snprintf(text + lead, sizeof(text) - lead, "%s",
                           characters[i]);
            (void)ks_fail(&err, KS_E_LIMIT, 0, "%s", text);
            assert_int_equal(strlen(err.msg), fits ? lead + width : lead);
            assert_memory_equal(err.msg, text, strlen(err.msg));
        }
    }
}

static void
characters_of_every_script_are_kept(void **state)
{
    static const char *const kept[] = {
        " ~",                       /* the ends of printable ASCII */
        "\xc2\xa0",                 /* the first beyond the C1 controls */
        "\xdf\xbf",                 /* the last of two bytes */
        "\xe0\xa0\x80",             /* the first of three */
        "\xed\x9f\xbf\xee\x80\x80", /* either side of the surrogates */
        "\xf0\x90\x80\x80",         /* the first of four */
        "\xf4\x8f\xbf\xbf",         /* the last there is */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct ks_err err = KS_ERR_INIT;

        (void)ks_fail(&err, KS_E_USAGE, 0, "%s", kept[i]);
        assert_string_equal(err.msg, kept[i]);
    }
}

static void
bytes_that_must_not_be_shown_become_question_marks(void **state)
{
    static const struct {
        const char *given;
        const char *shown;
    } table[] = {
        {"a\x1b[2Jb", "a?[2Jb"},           /* a terminal command */
        {"two\nlines\r\t", "two?lines??"}, /* nor a second line */
        {"\x01\x1f\x7f", "???"},
        {"\xc2\x9b", "??"}, /* a terminal command in one C1 byte */
        {"\xff\xfe", "??"},
        {"\x80", "?"},
        {"\xc0\xaf", "??"},           /* overlong */
        {"\xc1\xbf", "??"},           /* overlong */
        {"\xe0\x9f\xbf", "???"},      /* overlong */
        {"\xed\xa0\x80", "???"},      /* surrogate */
        {"\xf0\x8f\xbf\xbf", "????"}, /* overlong */
        {"\xf4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", "????"}, /* no such lead byte */
        {"\xe6\xbc", "??"},           /* cut, but not by us */
        {"\xe6\xbcx", "??x"},         /* broken off */
        {"x\xc3", "x?"},              /* lead byte at the very end */
        {"\xf0\x9f\x98\x80\xf0", "\U0001f600?"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ks_err err = KS_ERR_INIT;

        (void)ks_fail(&err, KS_E_USAGE, 0, "%s", table[i].given);
        assert_string_equal(err.msg, table[i].shown);
        (void)ks_context(&err, "%s", table[i].given);
        assert_memory_equal(err.msg, table[i].shown, strlen(table[i].shown));
    }
}

static void
every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = KS_E_USAGE; a <= KS_END; a++) {
        assert_string_not_equal(ks_code_name(a), "UNKNOWN");
        for (int b = a + 1; b <= KS_END; b++)
            assert_string_not_equal(ks_code_name(a), ks_code_name(b));
    }
    assert_string_equal(ks_code_name(KS_E_WRONG_KEY), "WRONG_KEY");
    assert_string_equal(ks_code_name(KS_E_USAGE - 1), "UNKNOWN");
    assert_string_equal(ks_code_name(KS_END + 1), "UNKNOWN");
}

/* Our own mistakes end the program; a child makes them. */
static void
assert_aborts(void (*mistake)(void))
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO); /* its last words are expected */
        mistake();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void
fail_twice(void)
{
    struct ks_err err = KS_ERR_INIT;

    (void)ks_fail(&err, KS_E_IO, 0, "first");
    (void)ks_fail(&err, KS_E_IO, 0, "second");
}

static void
fail_with_success(void)
{
    struct ks_err err = KS_ERR_INIT;

    (void)ks_fail(&err, KS_OK, 0, "all is well");
}

static void
context_of_nothing(void)
{
    struct ks_err err = KS_ERR_INIT;

    (void)ks_context(&err, "here");
}

static void
a_failure_is_never_overwritten_nor_made_up(void **state)
{
    (void)state;
    assert_aborts(fail_twice);
    assert_aborts(fail_with_success);
    assert_aborts(context_of_nothing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_keeps_its_code_and_its_words),
        cmocka_unit_test(the_text_of_errno_is_appended),
        cmocka_unit_test(a_system_failure_gets_the_code_of_its_errno),
        cmocka_unit_test(context_goes_before_what_happened),
        cmocka_unit_test(a_long_message_loses_its_tail_and_never_its_head),
        cmocka_unit_test(a_cut_never_leaves_half_a_character),
        cmocka_unit_test(characters_of_every_script_are_kept),
        cmocka_unit_test(bytes_that_must_not_be_shown_become_question_marks),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(a_failure_is_never_overwritten_nor_made_up),
    };

    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
