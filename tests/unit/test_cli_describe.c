#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture_output.h"
#include "check.h"
#include "cli/describe.h"

static struct captured captured;

static void
numbers_are_grouped(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {
        {0, "0"},
        {999, "999"},
        {1000, "1 000"},
        {12345, "12 345"},
        {1234567, "1 234 567"},
        {UINT64_MAX, "18 446 744 073 709 551 615"},
    };
    char text[KS_COUNT_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ks_count_text(cases[i].n, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
one_is_not_many(void **state)
{
    char text[KS_PHRASE_SIZE];

    (void)state;
    ks_count_phrase(text, 1, "record", "records");
    assert_string_equal(text, "1 record");
    ks_count_phrase(text, 0, "record", "records");
    assert_string_equal(text, "0 records");
    ks_count_phrase(text, 2000, "record", "records");
    assert_string_equal(text, "2 000 records");
}

static void
times_are_local_in_words_and_utc_in_json(void **state)
{
    int64_t ms = 1700000000000; /* 2023-11-14T22:13:20Z */
    char text[KS_LOCAL_TIME_SIZE];
    json_t *json = ks_json_time(ms);

    (void)state;
    (void)setenv("TZ", "UTC-5", 1); /* five hours ahead */
    tzset();
    ks_local_time(ms, text);
    assert_string_equal(text, "2023-11-15 03:13");
    assert_string_equal(json_string_value(json), "2023-11-14T22:13:20Z");
    json_decref(json);
    ks_local_time(INT64_MIN, text); /* whatever it is, it fits */
    assert_true(strlen(text) < KS_LOCAL_TIME_SIZE);
}

static void
a_source_has_a_title(void **state)
{
    (void)state;
    assert_non_null(strstr(ks_source_title("signal-v1"), "Signal"));
    assert_string_equal(ks_source_title("nonsense"), "nonsense");
}

static struct ks_snapshot_info
sample(struct ks_report_entry *report, size_t count)
{
    struct ks_snapshot_info info = {
        .generation = 3,
        .source = "signal-v1",
        .records = 10,
        .skips = {{.reason = "media", .count = 1200},
                  {.reason = "attachment-size", .count = 2}},
        .skip_count = 2,
        .report = report,
        .report_kept = count,
        .report_count = count,
        .filtered = true,
    };

    for (size_t i = 0; i < count; i++) {
        report[i] = (struct ks_report_entry){
            .what = "frame", .why = "MAC does not match", .offset = i};
        report[i].lost = i % 2 == 0;
        info.lost += report[i].lost;
    }
    memset(info.id, 0xab, sizeof(info.id));
    return info;
}

static void
a_snapshot_is_told_in_json(void **state)
{
    struct ks_report_entry report[2];
    struct ks_snapshot_info info = sample(report, 2);
    json_t *o = ks_json_snapshot(&info);
    json_t *skips = ks_json_skips(&info);
    json_t *list;

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(o, "generation")), 3);
    assert_true(json_is_null(json_object_get(o, "label")));
    assert_true(json_is_true(json_object_get(o, "filtered")));
    assert_string_equal(json_string_value(json_object_get(o, "id")),
                        "abababababababababababababababab");
    assert_int_equal(json_integer_value(json_object_get(skips, "media")), 1200);
    report[1].has_raw = true;
    list = ks_json_report(&info);
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "raw")));
    assert_true(
        json_is_string(json_object_get(json_array_get(list, 1), "raw")));
    json_decref(o);
    json_decref(skips);
    json_decref(list);
}

/* How many lines are printed of a report of `count` entries. */
static size_t
report_lines(size_t count, unsigned verbose)
{
    static struct ks_report_entry report[30];
    struct ks_snapshot_info info = sample(report, count);
    struct ks_out out;
    size_t lines = 0;

    ks_out_init(&out, NULL);
    out.verbose = verbose;
    capture_begin(&captured);
    ks_answer_report(&out, &info);
    capture_end(&captured);
    ks_out_wipe(&out);
    for (const char *p = captured.out; *p != '\0'; p++)
        lines += *p == '\n';
    return lines;
}

static void
a_report_has_twenty_lines_and_a_count(void **state)
{
    (void)state;
    assert_int_equal(report_lines(0, 0), 0);
    assert_int_equal(report_lines(1, 0), 2);
    assert_int_equal(report_lines(20, 0), 21);
    assert_null(strstr(captured.out, "more"));
    assert_int_equal(report_lines(21, 0), 22);
    assert_non_null(strstr(captured.out, "and 1 more (all with -v)"));
    assert_int_equal(report_lines(30, 1), 31);
    assert_non_null(strstr(captured.out, "lost: frame at byte 0"));
    assert_non_null(strstr(captured.out, "note: frame at byte 29"));
}

static void
what_was_left_out_is_one_line(void **state)
{
    struct ks_snapshot_info info = sample(NULL, 0);
    struct ks_out out;

    (void)state;
    ks_out_init(&out, NULL);
    capture_begin(&captured);
    ks_answer_skips(&out, &info);
    info.skip_count = 0;
    ks_answer_skips(&out, &info);
    capture_end(&captured);
    assert_string_equal(
        captured.out,
        "  Left out as asked: 1 200 media, 2 above the attachment size.\n");
    ks_out_wipe(&out);
}

static void
as_many_reasons_as_there_may_be_fit(void **state)
{
    struct ks_snapshot_info info = {.skip_count = KS_SKIPS_MAX};
    struct ks_out out;

    (void)state;
    for (size_t i = 0; i < KS_SKIPS_MAX; i++) {
        memset(info.skips[i].reason, 'r', sizeof(info.skips[i].reason) - 1);
        info.skips[i].count = UINT64_MAX;
    }
    ks_out_init(&out, NULL);
    capture_begin(&captured);
    ks_answer_skips(&out, &info);
    capture_end(&captured);
    assert_true(strlen(captured.out) > 400);
    ks_out_wipe(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_grouped),
        cmocka_unit_test(one_is_not_many),
        cmocka_unit_test(times_are_local_in_words_and_utc_in_json),
        cmocka_unit_test(a_source_has_a_title),
        cmocka_unit_test(a_snapshot_is_told_in_json),
        cmocka_unit_test(a_report_has_twenty_lines_and_a_count),
        cmocka_unit_test(what_was_left_out_is_one_line),
        cmocka_unit_test(as_many_reasons_as_there_may_be_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
