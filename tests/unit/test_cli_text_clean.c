#include <string.h>

#include "check.h"
#include "cli/text_clean.h"

static void
becomes(const char *text, const char *want)
{
    char out[200];

    ks_text_clean(out, sizeof(out), text);
    assert_string_equal(out, want);
}

static void
ordinary_text_of_any_language_stays(void **state)
{
    static const char *const texts[] = {
        "",         "hello",    "früh am Morgen",   "שלום עולם",
        "日本語",   "👋🏽", "\xf4\x8f\xbf\xbf", /* U+10FFFF */
        "\xc2\xa0",                                 /* U+00A0 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        becomes(texts[i], texts[i]);
        assert_true(ks_text_ok(texts[i]));
    }
}

static void
what_a_terminal_would_obey_is_taken_out(void **state)
{
    (void)state;
    becomes("a\x1b[31mb", "a?[31mb");
    becomes("a\nb\rc\td\x7f", "a?b?c?d?");
    becomes("\xc2\x9b"
            "31m",
            "?31m"); /* CSI as one character */
    assert_false(ks_text_ok("a\nb"));
    assert_false(ks_text_ok("\xc2\x9b"));
    for (char c = 1; c < 0x20; c++) {
        char text[] = {c, '\0'};

        becomes(text, "?");
        assert_false(ks_text_ok(text));
    }
}

static void
what_turns_the_direction_is_taken_out(void **state)
{
    (void)state;
    becomes("gpj.\u202eexe", "gpj.?exe");
    becomes("\u2066x\u2069", "?x?");
    becomes("a\u2028b\u2029c", "a?b?c");
    becomes("\u2065\u206a", "\u2065\u206a"); /* beside them */
}

static void
bytes_that_are_no_text_become_question_marks(void **state)
{
    static const struct {
        const char *bytes;
        const char *want;
    } cases[] = {
        {"\xff", "?"},
        {"\x80", "?"},
        {"a\xc3", "a?"},
        {"\xc3(", "?("},
        {"\xc0\xaf", "??"},           /* overlong '/' */
        {"\xe0\x80\xaf", "???"},      /* overlong */
        {"\xf0\x80\x80\xaf", "????"}, /* overlong */
        {"\xed\xa0\x80", "???"},      /* a surrogate */
        {"\xf4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
        {"\xe2\x82", "??"},           /* cut */
        {"\xf0\x9f\x91", "???"},      /* cut */
        {"\xe2\x82\xac\xe2\x82", "\xe2\x82\xac??"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        becomes(cases[i].bytes, cases[i].want);
        assert_false(ks_text_ok(cases[i].bytes));
    }
}

static void
every_byte_alone_gives_one_character(void **state)
{
    (void)state;
    for (int b = 1; b < 256; b++) {
        char text[] = {(char)b, '\0'};
        char out[8];

        ks_text_clean(out, sizeof(out), text);
        assert_int_equal(strlen(out), 1);
        assert_true(b < 0x20 || b > 0x7e ? out[0] == '?' : out[0] == b);
    }
}

static void
what_does_not_fit_is_cut_between_characters(void **state)
{
    char out[8];

    (void)state;
    for (size_t cap = 1; cap <= sizeof(out); cap++) {
        memset(out, 'x', sizeof(out));
        ks_text_clean(out, cap, "a\xe2\x82\xac\xe2\x82\xac");
        assert_true(strlen(out) < cap);
        assert_int_equal(strlen(out), cap < 2   ? 0
                                      : cap < 5 ? 1
                                      : cap < 8 ? 4
                                                : 7);
        assert_true(ks_text_ok(out));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_text_of_any_language_stays),
        cmocka_unit_test(what_a_terminal_would_obey_is_taken_out),
        cmocka_unit_test(what_turns_the_direction_is_taken_out),
        cmocka_unit_test(bytes_that_are_no_text_become_question_marks),
        cmocka_unit_test(every_byte_alone_gives_one_character),
        cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
