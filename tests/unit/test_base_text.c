/*
 * base/text: exactly what is named is taken, anything else is refused.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "chance.h"
#include "check.h"

static void
hex_is_written_in_lower_case(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0xab, 0xff};
    char out[2 * sizeof(bytes) + 1];

    (void)state;
    ks_hex_encode(out, bytes, sizeof(bytes));
    assert_string_equal(out, "00017f80abff");
    ks_hex_encode(out, bytes, 0);
    assert_string_equal(out, "");
}

static void
hex_is_read_in_either_case_and_of_one_length(void **state)
{
    static const char *const bad[] = {
        "",       "0",      "0a",     "0a1",     "0a1b2",  "0a1b2c0",
        "0a1b2g", "0a1b2 ", " 0a1b2", "0x1b2c",  "0a1b2/", "0a1b2:",
        "0a1b2@", "0a1b2G", "0a1b2`", "0a1b2c ", "0a1b\n", "+a1b2c",
    };
    uint8_t out[3] = {9, 9, 9};

    (void)state;
    assert_true(ks_hex_decode(out, 3, "0a1B2c"));
    assert_memory_equal(out, "\x0a\x1b\x2c", 3);
    assert_true(ks_hex_decode(out, 3, "fFeEdD"));
    assert_memory_equal(out, "\xff\xee\xdd", 3);
    assert_true(ks_hex_decode(out, 0, ""));
    assert_false(ks_hex_decode(out, 0, "00"));

    memset(out, 9, sizeof(out));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ks_hex_decode(out, 3, bad[i]));
        assert_memory_equal(out, "\x09\x09\x09", 3);
    }
}

static void
every_byte_survives_hex_and_no_other_character_is_a_digit(void **state)
{
    (void)state;
    for (unsigned v = 0; v <= 0xff; v++) {
        uint8_t byte = (uint8_t)v;
        uint8_t back = 0;
        char text[3];
        char odd[3] = {'0', (char)v, '\0'};
        bool digit = v != 0 && strchr("0123456789abcdefABCDEF", (int)v) != NULL;

        ks_hex_encode(text, &byte, 1);
        assert_true(ks_hex_decode(&back, 1, text));
        assert_int_equal(back, byte);
        assert_int_equal(ks_hex_decode(&back, 1, odd), digit);
    }
}

static void
numbers_are_decimal_digits_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        uint64_t v;
    } good[] = {
        {"0", 0},
        {"7", 7},
        {"0042", 42},
        {"18446744073709551615", UINT64_MAX},
        {"000000000000000000000000000018446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {
        "",    " ",  "+1",       "-1",
        "1 ",  " 1", "1.0",      "0x1",
        "1e3", "1K", "1,0",      "18446744073709551616",
        "a",   "1a", "\xd9\xa1", "99999999999999999999999",
    };
    uint64_t v = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ks_parse_u64(bad[i], &v));
        assert_true(v == 5);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(ks_parse_u64(good[i].text, &v));
        assert_true(v == good[i].v);
    }
}

static void
sizes_have_units_of_1024(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"10485760", 10485760},
        {"10K", 10240},
        {"10k", 10240},
        {"10M", 10485760},
        {"10MiB", 10485760},
        {"2G", (uint64_t)2 << 30},
        {"2giB", (uint64_t)2 << 30},
        {"3T", (uint64_t)3 << 40},
        {"0K", 0},
        {"18446744073709551615", UINT64_MAX},
        {"18014398509481983K", UINT64_MAX - 1023},
        {"16777215T", (uint64_t)16777215 << 40},
    };
    static const char *const bad[] = {
        "",
        "K",
        "MiB",
        "10B",
        "10MB",
        "10 M",
        "10M ",
        " 10M",
        "1.5M",
        "-1M",
        "+1M",
        "10Mi",
        "10MIB",
        "10Mib",
        "10MiBs",
        "10KM",
        "10P",
        "10i",
        "10iB",
        "1e6",
        "0x10",
        "10,5M",
        "18446744073709551616",
        "18014398509481984K",
        "16777216T",
    };
    uint64_t v = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ks_parse_size(bad[i], &v));
        assert_true(v == 5);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(ks_parse_size(good[i].text, &v));
        assert_true(v == good[i].bytes);
    }
}

static void
sizes_are_shown_to_a_tenth_of_their_unit(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {0, "0 B"},
        {1, "1 B"},
        {999, "999 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1075, "1.0 KiB"}, /* 1.0498 */
        {1076, "1.1 KiB"}, /* 1.0508 */
        {1229, "1.2 KiB"},
        {1048524, "1023.9 KiB"},
        {1048525, "1.0 MiB"}, /* 1023.95 rounds into the next unit */
        {1048576, "1.0 MiB"},
        {3650722202, "3.4 GiB"},
        {(uint64_t)1 << 40, "1.0 TiB"},
        {(uint64_t)1 << 50, "1.0 PiB"},
        {(uint64_t)1 << 60, "1.0 EiB"},
        {UINT64_MAX, "16.0 EiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char out[KS_SIZE_TEXT_SIZE];

        ks_size_text(table[i].bytes, out);
        assert_string_equal(out, table[i].text);
    }
}

static void
any_size_shown_is_right_to_a_twentieth_of_its_unit(void **state)
{
    static const char letters[] = "KMGTPE";
    struct chance chance = chance_start("base/text");

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bytes = chance_next(&chance) >> chance_below(&chance, 54);
        char out[KS_SIZE_TEXT_SIZE];
        long double unit = 1024;
        double shown;
        char letter;

        ks_size_text(bytes, out);
        if (bytes < 1024)
            continue;
        assert_int_equal(sscanf(out, "%lf %ciB", &shown, &letter), 2);
        for (const char *l = letters; *l != letter; l++) {
            assert_true(*l != '\0');
            unit *= 1024;
        }
        assert_true(shown < 1024 && shown >= 1);
        assert_true((long double)shown * unit - (long double)bytes <=
                    unit * 0.0501L);
        assert_true((long double)bytes - (long double)shown * unit <=
                    unit * 0.0501L);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_written_in_lower_case),
        cmocka_unit_test(hex_is_read_in_either_case_and_of_one_length),
        cmocka_unit_test(
            every_byte_survives_hex_and_no_other_character_is_a_digit),
        cmocka_unit_test(numbers_are_decimal_digits_and_nothing_else),
        cmocka_unit_test(sizes_have_units_of_1024),
        cmocka_unit_test(sizes_are_shown_to_a_tenth_of_their_unit),
        cmocka_unit_test(any_size_shown_is_right_to_a_twentieth_of_its_unit),
    };

    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
