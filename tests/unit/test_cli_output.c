#include <stdio.h>
#include <string.h>

#include "capture_output.h"
#include "check.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "vaultkit.h"

static struct captured captured;

/* An output as a pipe sees it: no terminal, no colours. */
static struct ks_out
plain_out(void)
{
    struct ks_out out;

    ks_out_init(&out, NULL);
    out.command = "list";
    out.color_out = false;
    out.color_err = false;
    return out;
}

/* Say a line in every way. */
static void
say_all(struct ks_out *out)
{
    capture_begin(&captured);
    ks_answer(out, "answer %d", 1);
    ks_answer_done(out, "done");
    ks_answer_always(out, "always");
    ks_talk(out, "talk");
    ks_warn(out, "ODD", 3, "%d odd things", 3);
    capture_end(&captured);
}

static void
answers_go_to_stdout_and_talk_to_stderr(void **state)
{
    struct ks_out out = plain_out();

    (void)state;
    say_all(&out);
    assert_string_equal(captured.out, "answer 1\n✓ done\nalways\n");
    assert_string_equal(captured.err, "talk\nkeepsay: warning: 3 odd things\n");
    ks_out_wipe(&out);
}

static void
quiet_leaves_what_was_asked_for_and_warnings(void **state)
{
    struct ks_out out = plain_out();

    (void)state;
    out.quiet = true;
    say_all(&out);
    assert_string_equal(captured.out, "always\n");
    assert_string_equal(captured.err, "keepsay: warning: 3 odd things\n");
    ks_out_wipe(&out);
}

static void
colours_are_for_terminals(void **state)
{
    struct ks_out out = plain_out();

    (void)state;
    out.color_out = true;
    out.color_err = true;
    say_all(&out);
    assert_non_null(strstr(captured.out, "\033[32m✓\033[0m done\n"));
    assert_non_null(strstr(captured.err, "\033[33mwarning:\033[0m 3 odd"));
    ks_out_wipe(&out);
}

static void
what_comes_from_outside_is_cleaned_and_lines_are_cut(void **state)
{
    struct ks_out out = plain_out();
    char longest[KS_LINE_SIZE + 10];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    capture_begin(&captured);
    ks_answer(&out, "%s", "a\033[2Jb\nc   ");
    ks_answer(&out, "%s", longest);
    capture_end(&captured);
    assert_memory_equal(captured.out, "a?[2Jb?c\n", 9);
    assert_int_equal(strlen(captured.out), 9 + KS_LINE_SIZE);
    ks_out_wipe(&out);
}

/* Finish in JSON; the envelope, which the caller frees. */
static json_t *
envelope(struct ks_out *out, int rc, const struct ks_err *err, int exit_code)
{
    json_error_t bad;
    json_t *e;

    capture_begin(&captured);
    assert_int_equal(ks_out_finish(out, rc, err), exit_code);
    capture_end(&captured);
    assert_string_equal(captured.err, "");
    e = json_loads(captured.out, 0, &bad);
    assert_non_null(e);
    assert_string_equal(json_string_value(json_object_get(e, "schema")),
                        "keepsay/1");
    assert_int_equal(json_object_size(e), 6);
    return e;
}

static void
json_is_one_envelope_and_nothing_else(void **state)
{
    struct ks_out out = plain_out();
    struct ks_err err = KS_ERR_INIT;
    const json_t *warning;
    json_t *e;

    (void)state;
    out.json = true;
    say_all(&out);
    assert_string_equal(captured.out, "");
    assert_string_equal(captured.err, "");
    ks_out_set(&out, "n", ks_json_u64(7));
    e = envelope(&out, KS_OK, &err, 0);
    assert_true(json_is_true(json_object_get(e, "ok")));
    assert_true(json_is_null(json_object_get(e, "error")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(e, "data"), "n")),
        7);
    warning = json_array_get(json_object_get(e, "warnings"), 0);
    assert_string_equal(json_string_value(json_object_get(warning, "code")),
                        "ODD");
    assert_int_equal(json_integer_value(json_object_get(warning, "count")), 3);
    json_decref(e);
    ks_out_wipe(&out);
}

static void
a_failure_has_code_exit_message_and_hint(void **state)
{
    struct ks_out out = plain_out();
    struct ks_err err = KS_ERR_INIT;
    const json_t *error;
    json_t *e;

    (void)state;
    out.json = true;
    (void)ks_fail(&err, KS_E_WRONG_SOURCE_KEY, 0, "it does not open");
    ks_hint(&out, "look at %s", "the paper");
    ks_hint(&out, "a second hint does not count");
    e = envelope(&out, err.code, &err, 12);
    assert_true(json_is_false(json_object_get(e, "ok")));
    assert_true(json_is_null(json_object_get(e, "data")));
    error = json_object_get(e, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")),
                        "WRONG_SOURCE_KEY");
    assert_string_equal(json_string_value(json_object_get(error, "message")),
                        "it does not open");
    assert_string_equal(json_string_value(json_object_get(error, "hint")),
                        "look at the paper");
    json_decref(e);
    ks_out_wipe(&out);
}

static void
a_failure_in_words_says_what_to_do(void **state)
{
    struct ks_out out = plain_out();
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    (void)ks_fail(&err, KS_E_FULL, 0, "no room");
    capture_begin(&captured);
    assert_int_equal(ks_out_finish(&out, err.code, &err), 18);
    capture_end(&captured);
    assert_string_equal(captured.out, "");
    assert_non_null(strstr(captured.err, "keepsay: no room\n"));
    assert_non_null(strstr(captured.err, "What to do: make room"));
    ks_out_wipe(&out);
}

static void
a_run_that_went_well_may_have_an_exit_code_of_its_own(void **state)
{
    struct ks_out out = plain_out();
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    out.exit = KS_EXIT_LOSSES;
    assert_int_equal(ks_out_finish(&out, KS_OK, &err), 3);
    ks_out_wipe(&out);
}

static void
json_strings_take_any_bytes(void **state)
{
    json_t *text = ks_json_text("a\xff\x01\xe2\x82\xac");
    json_t *hex = ks_json_hex("\x00\xab", 2);
    json_t *most = ks_json_u64(UINT64_MAX);

    (void)state;
    assert_string_equal(json_string_value(text), "a??\xe2\x82\xac");
    assert_string_equal(json_string_value(hex), "00ab");
    assert_int_equal(json_integer_value(most), INT64_MAX);
    json_decref(text);
    json_decref(hex);
    json_decref(most);
}

static void
without_json_data_is_not_gathered(void **state)
{
    struct ks_out out = plain_out();

    (void)state;
    ks_out_set(&out, "n", ks_json_u64(7));
    assert_null(out.data);
    ks_out_wipe(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_go_to_stdout_and_talk_to_stderr),
        cmocka_unit_test(quiet_leaves_what_was_asked_for_and_warnings),
        cmocka_unit_test(colours_are_for_terminals),
        cmocka_unit_test(what_comes_from_outside_is_cleaned_and_lines_are_cut),
        cmocka_unit_test(json_is_one_envelope_and_nothing_else),
        cmocka_unit_test(a_failure_has_code_exit_message_and_hint),
        cmocka_unit_test(a_failure_in_words_says_what_to_do),
        cmocka_unit_test(a_run_that_went_well_may_have_an_exit_code_of_its_own),
        cmocka_unit_test(json_strings_take_any_bytes),
        cmocka_unit_test(without_json_data_is_not_gathered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
