#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_output.h"
#include "check.h"
#include "cli/cli.h"
#include "vaultkit.h"

static struct captured captured;

static const struct ks_command *
find(const char *a, const char *b, size_t *used)
{
    const char *words[] = {a, b};

    return ks_command_find(words, b != NULL ? 2 : a != NULL ? 1 : 0, used);
}

static void
commands_are_found_by_their_words(void **state)
{
    size_t used = 9;

    (void)state;
    assert_string_equal(find("list", NULL, &used)->name, "list");
    assert_int_equal(used, 1);
    assert_string_equal(find("snapshots", "x", &used)->name, "list");
    assert_int_equal(used, 1);
    assert_string_equal(find("key", "add", &used)->name, "key add");
    assert_int_equal(used, 2);
    assert_string_equal(find("key", "list", &used)->name, "key slots");
    assert_null(find("key", NULL, &used));
    assert_null(find("key", "x", &used));
    assert_null(find("lis", NULL, &used));
    assert_null(find("lists", NULL, &used));
    assert_null(find("", NULL, &used));
    assert_null(find(NULL, NULL, &used));
}

static void
the_nearest_command_is_found(void **state)
{
    (void)state;
    assert_string_equal(ks_command_nearest("bakcup"), "backup");
    assert_string_equal(ks_command_nearest("snapshot"), "snapshots");
    assert_string_equal(ks_command_nearest("restor"), "restore");
    assert_null(ks_command_nearest("frobnicate"));
}

static void
every_command_is_complete(void **state)
{
    (void)state;
    for (const struct ks_command *k = ks_commands; k->name != NULL; k++) {
        size_t used = 0;

        assert_non_null(k->run);
        assert_non_null(k->words);
        assert_non_null(k->about);
        assert_true(strlen(k->brief) > 5);
        assert_true(k->words_min <= k->words_max);
        assert_int_equal(k->flags & KS_FLAGS_COMMON, 0);
        assert_int_equal(k->words_max == 0, k->words[0] == '\0');
        for (const struct ks_command *o = k + 1; o->name != NULL; o++)
            assert_string_not_equal(k->name, o->name);
        /* Its own name leads to it, not to another that begins so. */
        if (strchr(k->name, ' ') == NULL)
            assert_ptr_equal(find(k->name, NULL, &used), k);
    }
}

static void
what_writes_is_gentle_and_what_reads_may_take_an_older_commit(void **state)
{
    (void)state;
    for (const struct ks_command *k = ks_commands; k->name != NULL; k++) {
        bool opens = (k->flags & KS_FLAGS_VAULT) == KS_FLAGS_VAULT;
        bool older = (k->flags & KS_FLAG_BIT(KS_FLAG_ALLOW_INCOMPLETE)) != 0;

        if (opens && !older)
            assert_true(k->gentle);
    }
}

/* Run `keepsay help WORDS...`; the answer is in captured.out. */
static int
help(const char *a, const char *b, struct ks_err *err)
{
    struct ks_cli c = {.command = ks_commands};
    int rc;

    ks_out_init(&c.out, NULL);
    c.args.words[0] = "help";
    c.args.words[1] = a;
    c.args.words[2] = b;
    c.args.word_count = b != NULL ? 3 : a != NULL ? 2 : 1;
    capture_begin(&captured);
    rc = ks_cmd_help(&c, err);
    capture_end(&captured);
    ks_out_wipe(&c.out);
    return rc;
}

/* No line of what was said is wider than a terminal. */
static void
assert_narrow(void)
{
    assert_true(strlen(captured.out) > 20);
    for (const char *line = captured.out; *line != '\0';) {
        size_t len = strcspn(line, "\n");

        if (len > 80)
            fail_msg("%zu columns: %.*s", len, (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void
there_is_help_on_everything_and_it_is_narrow(void **state)
{
    static const char *const topics[] = {"keys", "vaults", "json",
                                         "exit-codes"};

    (void)state;
    KIT_OK(help(NULL, NULL, KIT_ERR));
    for (const struct ks_command *k = ks_commands; k->name != NULL; k++)
        assert_non_null(strstr(captured.out, k->brief));
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        assert_non_null(strstr(captured.out, topics[i]));
    }
    assert_narrow();
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        KIT_OK(help(topics[i], NULL, KIT_ERR));
        assert_narrow();
    }
    for (const struct ks_command *k = ks_commands; k->name != NULL; k++) {
        const char *second = strchr(k->name, ' ');
        char first[16] = "";

        memcpy(first, k->name, strcspn(k->name, " "));
        KIT_OK(help(first, second != NULL ? second + 1 : NULL, KIT_ERR));
        assert_narrow();
        assert_non_null(strstr(captured.out, k->brief));
        for (int i = 0; i < KS_FLAG_COUNT; i++) {
            char flag[40];

            (void)snprintf(flag, sizeof(flag), "--%s", ks_flag_specs[i].name);
            if ((k->flags & KS_FLAG_BIT(i)) != 0)
                assert_non_null(strstr(captured.out, flag));
        }
    }
    KIT_FAILS(KS_E_USAGE, help("nonsense", NULL, KIT_ERR));
}

static void
the_vault_is_named_by_flag_or_environment(void **state)
{
    struct ks_cli c = {0};
    const char *where = NULL;

    (void)state;
    ks_out_init(&c.out, NULL);
    (void)unsetenv("KEEPSAY_VAULT");
    KIT_FAILS(KS_E_USAGE, ks_cli_where(&c, &where, KIT_ERR));
    assert_non_null(strstr(c.out.hint, "KEEPSAY_VAULT"));
    (void)setenv("KEEPSAY_VAULT", "", 1);
    KIT_FAILS(KS_E_USAGE, ks_cli_where(&c, &where, KIT_ERR));
    (void)setenv("KEEPSAY_VAULT", "there", 1);
    KIT_OK(ks_cli_where(&c, &where, KIT_ERR));
    assert_string_equal(where, "there");
    c.args.value[KS_FLAG_VAULT] = "here";
    KIT_OK(ks_cli_where(&c, &where, KIT_ERR));
    assert_string_equal(where, "here");
    ks_out_wipe(&c.out);
}

static void
words_after_the_name_are_counted_from_it(void **state)
{
    struct ks_cli c = {0};

    (void)state;
    c.args.words[0] = "key";
    c.args.words[1] = "remove";
    c.args.words[2] = "abcd";
    c.args.word_count = 3;
    assert_string_equal(ks_cli_word(&c, 0), "abcd");
    assert_null(ks_cli_word(&c, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_found_by_their_words),
        cmocka_unit_test(the_nearest_command_is_found),
        cmocka_unit_test(every_command_is_complete),
        cmocka_unit_test(
            what_writes_is_gentle_and_what_reads_may_take_an_older_commit),
        cmocka_unit_test(there_is_help_on_everything_and_it_is_narrow),
        cmocka_unit_test(the_vault_is_named_by_flag_or_environment),
        cmocka_unit_test(words_after_the_name_are_counted_from_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
