#include <string.h>

#include "check.h"
#include "cli/args.h"
#include "vaultkit.h"

#define ARGV_MAX 24

/* Parse the words of a line, which are separated by single spaces. */
static int
parse(struct ks_args *args, const char *line, struct ks_err *err)
{
    static char text[512]; /* the arguments point into it */
    static char *argv[ARGV_MAX + 1];
    int argc = 1;

    argv[0] = text;
    memcpy(text, line, strlen(line) + 1);
    if (text[0] != '\0')
        argv[argc++] = text;
    for (char *p = text; *p != '\0'; p++) {
        if (*p == ' ') {
            *p = '\0';
            assert_true(argc < ARGV_MAX);
            argv[argc++] = p + 1;
        }
    }
    argv[argc] = NULL;
    return ks_args_parse(args, argc, argv, err);
}

static struct ks_args
parsed(const char *line)
{
    struct ks_args args;

    KIT_OK(parse(&args, line, KIT_ERR));
    return args;
}

static void
flags_and_words_may_be_mixed(void **state)
{
    struct ks_args a = parsed("--json backup -r here file --label x -q");

    (void)state;
    assert_int_equal(a.word_count, 2);
    assert_string_equal(a.words[0], "backup");
    assert_string_equal(a.words[1], "file");
    assert_string_equal(a.value[KS_FLAG_VAULT], "here");
    assert_string_equal(a.value[KS_FLAG_LABEL], "x");
    assert_true(ks_args_has(&a, KS_FLAG_JSON));
    assert_true(ks_args_has(&a, KS_FLAG_QUIET));
    assert_false(ks_args_has(&a, KS_FLAG_FORCE));
    assert_null(a.unknown);
}

static void
nothing_at_all_is_fine(void **state)
{
    struct ks_args a = parsed("");

    (void)state;
    assert_int_equal(a.word_count, 0);
    assert_int_equal(a.seen, 0);
}

static void
a_value_comes_in_every_usual_way(void **state)
{
    static const char *const lines[] = {
        "-r here",      "-rhere",   "--vault here",
        "--vault=here", "-qr here", "-qrhere",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_string_equal(parsed(lines[i]).value[KS_FLAG_VAULT], "here");
    assert_string_equal(parsed("--vault=").value[KS_FLAG_VAULT], "");
    assert_string_equal(parsed("--vault=a=b").value[KS_FLAG_VAULT], "a=b");
    assert_string_equal(parsed("--vault -x").value[KS_FLAG_VAULT], "-x");
    assert_string_equal(parsed("-r -").value[KS_FLAG_VAULT], "-");
}

static void
a_value_that_may_be_left_out_comes_after_an_equals_sign(void **state)
{
    struct ks_args a = parsed("verify --read-data 10");

    (void)state;
    assert_true(ks_args_has(&a, KS_FLAG_READ_DATA));
    assert_null(a.value[KS_FLAG_READ_DATA]);
    assert_int_equal(a.word_count, 2);
    assert_string_equal(parsed("--read-data=10%").value[KS_FLAG_READ_DATA],
                        "10%");
}

static void
after_two_dashes_all_are_words(void **state)
{
    struct ks_args a = parsed("backup -- --json -q --");

    (void)state;
    assert_int_equal(a.word_count, 4);
    assert_string_equal(a.words[1], "--json");
    assert_string_equal(a.words[3], "--");
    assert_int_equal(a.seen, 0);
    assert_int_equal(parsed("-").word_count, 1);
}

static void
short_flags_run_together(void **state)
{
    struct ks_args a = parsed("-qnvv -v");

    (void)state;
    assert_true(ks_args_has(&a, KS_FLAG_QUIET));
    assert_true(ks_args_has(&a, KS_FLAG_DRY_RUN));
    assert_int_equal(a.verbose, 3);
}

static void
a_forgotten_value_is_said(void **state)
{
    struct ks_args a;

    (void)state;
    KIT_SAYS(KS_E_USAGE, "--label needs a value: --label TEXT",
             parse(&a, "backup --label", KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "--label needs", parse(&a, "--label --json", KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "--vault needs", parse(&a, "list -r", KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "--json takes no value",
             parse(&a, "--json=yes", KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "twice", parse(&a, "-r a --vault b", KIT_ERR));
    KIT_OK(parse(&a, "-q -q", KIT_ERR));
}

static void
words_have_an_end(void **state)
{
    struct ks_args a;

    (void)state;
    KIT_OK(parse(&a, "1 2 3 4 5 6 7 8", KIT_ERR));
    assert_int_equal(a.word_count, KS_WORDS_MAX);
    KIT_FAILS(KS_E_USAGE, parse(&a, "1 2 3 4 5 6 7 8 9", KIT_ERR));
}

static void
an_unknown_flag_is_kept_for_later_and_suggests_the_nearest(void **state)
{
    struct ks_args a = parsed("backup --lable x --nonsense");
    uint64_t allowed = KS_FLAG_BIT(KS_FLAG_LABEL) | KS_FLAG_BIT(KS_FLAG_JSON);

    (void)state;
    assert_string_equal(a.unknown, "--lable");
    KIT_SAYS(KS_E_USAGE, "did you mean --label?",
             ks_args_check(&a, allowed, "backup", KIT_ERR));
    /* Only what the command takes is suggested. */
    KIT_SAYS(KS_E_USAGE, "there is no flag --lable",
             ks_args_check(&a, KS_FLAG_BIT(KS_FLAG_JSON), "list", KIT_ERR));
    a = parsed("-Z");
    KIT_SAYS(KS_E_USAGE, "there is no flag -Z",
             ks_args_check(&a, allowed, "list", KIT_ERR));
    a = parsed("-qZ");
    assert_string_equal(a.unknown, "Z");
    /* What stands behind the letter may be a secret. */
    a = parsed("-Zhunter2");
    KIT_SAYS(KS_E_USAGE, "there is no flag -Z",
             ks_args_check(&a, allowed, "list", KIT_ERR));
    {
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_args_check(&a, allowed, "list", &err), KS_E_USAGE);
        assert_null(strstr(err.msg, "hunter2"));
    }
}

static void
a_flag_of_another_command_is_refused(void **state)
{
    struct ks_args a = parsed("list --original");

    (void)state;
    KIT_SAYS(KS_E_USAGE, "`keepsay list` takes no --original",
             ks_args_check(&a, KS_FLAG_BIT(KS_FLAG_JSON), "list", KIT_ERR));
    KIT_OK(ks_args_check(&a, KS_FLAG_BIT(KS_FLAG_ORIGINAL), "x", KIT_ERR));
}

static void
secrets_on_the_command_line_are_refused_and_not_repeated(void **state)
{
    static const char *const lines[] = {
        "--key=hunter2",          "--passphrase=hunter2", "--password=hunter2",
        "--recovery-key=hunter2", "--source-key=hunter2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct ks_args a = parsed(lines[i]);
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_args_check(&a, UINT64_MAX, "list", &err),
                         KS_E_USAGE);
        assert_non_null(strstr(err.msg, "seen by every program"));
        assert_null(strstr(err.msg, "hunter2"));
    }
    {
        struct ks_args a = parsed("--nonsense=hunter2");
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_args_check(&a, UINT64_MAX, "list", &err),
                         KS_E_USAGE);
        assert_null(strstr(err.msg, "hunter2"));
    }
}

static void
every_flag_has_a_name_of_its_own_and_help(void **state)
{
    (void)state;
    assert_true(KS_FLAG_COUNT <= 64); /* a set of them is 64 bits */
    for (int i = 0; i < KS_FLAG_COUNT; i++) {
        const struct ks_flag_spec *a = &ks_flag_specs[i];

        assert_non_null(a->name);
        assert_true(strlen(a->help) > 5);
        assert_true(!a->optional || a->value != NULL);
        for (int j = i + 1; j < KS_FLAG_COUNT; j++) {
            const struct ks_flag_spec *b = &ks_flag_specs[j];

            assert_string_not_equal(a->name, b->name);
            assert_true(a->letter == 0 || a->letter != b->letter);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_words_may_be_mixed),
        cmocka_unit_test(nothing_at_all_is_fine),
        cmocka_unit_test(a_value_comes_in_every_usual_way),
        cmocka_unit_test(
            a_value_that_may_be_left_out_comes_after_an_equals_sign),
        cmocka_unit_test(after_two_dashes_all_are_words),
        cmocka_unit_test(short_flags_run_together),
        cmocka_unit_test(a_forgotten_value_is_said),
        cmocka_unit_test(words_have_an_end),
        cmocka_unit_test(
            an_unknown_flag_is_kept_for_later_and_suggests_the_nearest),
        cmocka_unit_test(a_flag_of_another_command_is_refused),
        cmocka_unit_test(
            secrets_on_the_command_line_are_refused_and_not_repeated),
        cmocka_unit_test(every_flag_has_a_name_of_its_own_and_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
