/*
 * Where each kind of frame goes, and what happens when the vault or the user
 * stops a capture.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/progress.h"
#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"
#include "source/signal_v1/signal_v1.h"

static const struct ks_policy keep_all = {.attachment_bytes_max = UINT64_MAX};

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

static size_t
count_of(const struct memory_snapshot *m, const char *stream)
{
    const struct memory_stream *s = memory_snapshot_stream(m, stream);

    return s == NULL ? 0 : s->count;
}

/* The bytes of record `i` of a stream. */
static struct ks_bytes
record_of(const struct memory_snapshot *m, const char *stream, size_t i)
{
    const struct memory_stream *s = memory_snapshot_stream(m, stream);

    assert_non_null(s);
    assert_true(i < s->count);
    return (struct ks_bytes){s->records[i].data, s->records[i].len};
}

/* ---- where things go -------------------------------------------------- */

static void
every_kind_of_frame_has_its_stream(void **state)
{
    static const char *const names[] = {
        "order",          "frame/version",    "frame/statement",
        "sql/message",    "sql/attachment",   "blob/attachment",
        "blob/sticker",   "frame/preference", "frame/unknown",
        "frame/keyvalue", "blob/avatar",
    };
    static const size_t counts[] = {1, 3, 3, 2, 1, 1, 2, 1, 3, 1};

    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        struct memory_snapshot *m;
        struct signal_file f;
        signal_file_story(&f, version);
        m = signal_run_good(&f, &dir, &keep_all);
        assert_int_equal(m->stream_count, 11);
        for (size_t i = 0; i < m->stream_count; i++)
            assert_string_equal(m->streams[i].name, names[i]);
        for (size_t i = 1; i < m->stream_count; i++)
            assert_int_equal(m->streams[i].count, counts[i - 1]);
        assert_string_equal(m->account, "+15550000001");
        assert_int_equal(m->source_bytes, f.len);
        assert_int_equal(m->blob_count, 3);
        assert_int_equal(m->report_count, 1);
        assert_string_equal(m->report[0].what, "unknown frames");
        assert_false(m->report[0].lost);
        memory_snapshot_free(m);
        signal_file_free(&f);
    }
}

static void
the_order_names_streams_once_and_counts_runs(void **state)
{
    static const char *const want[] = {
        "\0frame/version",
        "\1\1",
        "\0frame/statement",
        "\2\3",
        "\0sql/message",
        "\3\3",
        "\0sql/attachment",
        "\4\1",
        "\0blob/attachment",
        "\5\1",
        "\4\1",
        "\0blob/sticker",
        "\6\1",
        "\0frame/preference",
        "\7\2",
        "\0frame/unknown",
        "\10\1",
        "\0frame/keyvalue",
        "\11\3",
        "\0blob/avatar",
        "\12\1",
    };
    const size_t lines = sizeof(want) / sizeof(want[0]);
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(count_of(m, "order"), lines);
    for (size_t i = 0; i < lines; i++) {
        struct ks_bytes r = record_of(m, "order", i);
        size_t len = want[i][0] == '\0' ? 1 + strlen(want[i] + 1) : 2;
        assert_int_equal(r.len, len);
        assert_memory_equal(r.ptr, want[i], len);
    }
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
rows_carry_the_time_they_were_sent(void **state)
{
    const struct memory_stream *s;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    s = memory_snapshot_stream(m, "sql/message");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(s->records[i].time_ms, 1700000000001 + (int64_t)i);
    s = memory_snapshot_stream(m, "sql/attachment");
    assert_int_equal(s->records[0].time_ms, KS_TIME_NONE);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
a_blob_record_is_the_blobs_id_and_the_frame(void **state)
{
    static const uint8_t frame[] = {4 << 3 | 2, 4, 1 << 3, 7, 3 << 3, 40};
    const struct memory_blob *blob;
    struct memory_snapshot *m;
    struct signal_file f;
    struct ks_bytes r;
    uint8_t content[40];

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    r = record_of(m, "blob/attachment", 0);
    assert_int_equal(r.len, 32 + sizeof(frame));
    assert_memory_equal(r.ptr + 32, frame, sizeof(frame));
    blob = memory_snapshot_blob(m, r.ptr);
    assert_non_null(blob);
    signal_file_fill(content, sizeof(content), 1);
    assert_int_equal(blob->len, sizeof(content));
    assert_memory_equal(blob->data, content, sizeof(content));
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
the_same_content_under_another_key_is_the_same(void **state)
{
    struct memory_snapshot *a;
    struct memory_snapshot *b;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 0);
    a = signal_run_good(&f, &dir, &keep_all);
    signal_file_free(&f);
    signal_file_story(&f, 1);
    b = signal_run_good(&f, &dir, &keep_all);
    assert_true(memory_snapshot_equal(a, b));
    memory_snapshot_free(a);
    memory_snapshot_free(b);
    signal_file_free(&f);
}

/* ---- odd files -------------------------------------------------------- */

static void
a_file_with_only_an_end_frame_is_whole(void **state)
{
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 0);
    signal_file_end(&f);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(m->stream_count, 1);
    assert_int_equal(count_of(m, "order"), 0);
    assert_int_equal(m->report_count, 0);
    assert_non_null(memory_snapshot_extra(m, "digest"));
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
blobs_of_0_bytes_and_of_many_pieces_are_kept(void **state)
{
    static const size_t sizes[] = {
        0, 1, 15, 16, 65536, 262144, 262145, 1048576, 1048577, 3000001, 0};
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        signal_file_begin(&f, version, 0xfffffffe);
        signal_file_version(&f, 223);
        for (unsigned i = 0; i < 11; i++)
            signal_file_attachment(&f, i, sizes[i], i);
        signal_file_end(&f);
        m = signal_run_good(&f, &dir, &keep_all);
        assert_int_equal(count_of(m, "blob/attachment"), 11);
        assert_int_equal(m->blob_count, 10); /* the empty one once */
        for (size_t i = 0; i < 11; i++) {
            struct ks_bytes r = record_of(m, "blob/attachment", i);
            assert_int_equal(memory_snapshot_blob(m, r.ptr)->len, sizes[i]);
        }
        assert_int_equal(m->report_count, 0);
        memory_snapshot_free(m);
        signal_file_free(&f);
    }
}

/* A statement frame of exactly `len` bytes, 1 000 000 give or take. */
static void
put_frame_of(struct signal_file *f, size_t len)
{
    uint8_t *pb = malloc(len);

    for (size_t i = 0; i < 2; i++) { /* statement, and the text in it */
        size_t left = len - 4 * (i + 1);
        pb[4 * i] = i == 0 ? 2 << 3 | 2 : 1 << 3 | 2;
        pb[4 * i + 1] = (uint8_t)(left | 128);
        pb[4 * i + 2] = (uint8_t)(left >> 7 | 128);
        pb[4 * i + 3] = (uint8_t)(left >> 14);
        assert_true(left >> 21 == 0 && left >> 14 > 0);
    }
    memset(pb + 8, 'x', len - 8);
    signal_file_frame(f, pb, len);
    free(pb);
}

static void
a_frame_too_large_for_a_record_is_kept_as_a_blob(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        const struct memory_blob *blob;
        struct memory_snapshot *m;
        struct signal_file f;
        signal_file_begin(&f, version, 9);
        signal_file_version(&f, 223);
        put_frame_of(&f, KS_RECORD_MAX);
        put_frame_of(&f, KS_RECORD_MAX + 1);
        put_frame_of(&f, 2000000);
        signal_file_key_value(&f, "a", "b");
        signal_file_end(&f);
        m = signal_run_good(&f, &dir, &keep_all);
        assert_int_equal(count_of(m, "frame/statement"), 1);
        assert_int_equal(count_of(m, "frame/large"), 2);
        assert_int_equal(count_of(m, "frame/keyvalue"), 1);
        assert_int_equal(record_of(m, "frame/large", 0).len, 32);
        blob = memory_snapshot_blob(m, record_of(m, "frame/large", 0).ptr);
        assert_int_equal(blob->len, KS_RECORD_MAX + 1);
        assert_int_equal(blob->data[blob->len - 1], 'x');
        assert_int_equal(m->report_count, 0);
        memory_snapshot_free(m);
        signal_file_free(&f);
    }
}

static void
an_attachment_frame_that_is_absurdly_large_is_refused(void **state)
{
    static const size_t sizes[] = {KS_RECORD_MAX - 31, KS_RECORD_MAX + 5};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *pb = calloc(1, sizes[i]);
        size_t left = sizes[i] - 4;
        struct memory_snapshot *m;
        struct signal_file f;
        pb[0] = 4 << 3 | 2;
        pb[1] = (uint8_t)(left | 128);
        pb[2] = (uint8_t)(left >> 7 | 128);
        pb[3] = (uint8_t)(left >> 14);
        left -= 4; /* in it, a long field that nobody knows */
        pb[4] = 9 << 3 | 2;
        pb[5] = (uint8_t)(left | 128);
        pb[6] = (uint8_t)(left >> 7 | 128);
        pb[7] = (uint8_t)(left >> 14);
        signal_file_begin(&f, 1, 9);
        signal_file_version(&f, 223);
        signal_file_frame(&f, pb, sizes[i]);
        signal_file_blob(&f, "", 0);
        signal_file_key_value(&f, "a", "b");
        signal_file_end(&f);
        m = signal_run_good(&f, &dir, &keep_all);
        assert_int_equal(memory_snapshot_lost(m), 1);
        assert_int_equal(m->report[0].offset, f.pieces[2].offset);
        assert_int_equal(m->report[0].offset + m->report[0].length,
                         f.pieces[3].end);
        assert_int_equal(count_of(m, "frame/keyvalue"), 1);
        memory_snapshot_free(m);
        signal_file_free(&f);
        free(pb);
    }
}

static void
statements_that_are_no_rows_go_to_their_own_stream(void **state)
{
    static const char *const statements[] = {
        "DELETE FROM message",
        "INSERT OR REPLACE INTO t VALUES (1)",
        "",
        "INSERT INTO \"t able\" VALUES (?)",
        "insert",
    };
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 9);
    for (size_t i = 0; i < 5; i++)
        signal_file_sql(&f, statements[i]);
    signal_file_sql(&f, "insert into `T_1` values (7)"); /* a row */
    signal_file_end(&f);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(count_of(m, "frame/statement"), 5);
    assert_int_equal(count_of(m, "sql/T_1"), 1);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
more_tables_than_streams_share_one(void **state)
{
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 9);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 700; i++) {
            char sql[64];
            (void)snprintf(sql, sizeof(sql), "INSERT INTO t%d VALUES (?)", i);
            signal_file_sql(&f, sql);
        }
    signal_file_key_value(&f, "a", "b");
    signal_file_end(&f);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_true(m->stream_count < 600);
    assert_int_equal(count_of(m, "sql/t0"), 2);
    assert_true(count_of(m, "frame/statement") >= 200);
    assert_int_equal(count_of(m, "frame/keyvalue"), 1);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
bytes_that_are_no_protobuf_are_kept_as_unknown(void **state)
{
    static const uint8_t odd[] = {0xff, 0xff};
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 9);
    signal_file_frame(&f, odd, sizeof(odd));
    signal_file_frame(&f, odd, sizeof(odd));
    signal_file_end(&f);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(count_of(m, "frame/unknown"), 2);
    assert_memory_equal(record_of(m, "frame/unknown", 0).ptr, odd, 2);
    assert_non_null(strstr(m->report[0].why, "2 frames"));
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
the_account_is_the_aci_if_there_is_no_number(void **state)
{
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 9);
    signal_file_key_value(&f, "account.e164", "with\ncontrol");
    signal_file_key_value(&f, "account.aci", "some-aci");
    signal_file_end(&f);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_string_equal(m->account, "some-aci");
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
trailing_bytes_are_kept_and_reported(void **state)
{
    static const char tail[] = "something behind the end";
    const struct memory_extra *extra;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    signal_file_raw(&f, tail, sizeof(tail));
    m = signal_run_good(&f, &dir, &keep_all);
    extra = memory_snapshot_extra(m, "trailing");
    assert_int_equal(extra->len, 40);
    assert_int_equal(ks_get_u64le(extra->data + 32), sizeof(tail));
    assert_memory_equal(memory_snapshot_blob(m, extra->data)->data, tail,
                        sizeof(tail));
    assert_string_equal(m->report[0].what, "trailing bytes");
    assert_int_equal(m->report[0].offset, f.len - sizeof(tail));
    assert_false(m->report[0].lost);
    assert_non_null(memory_snapshot_extra(m, "key"));
    memory_snapshot_free(m);
    signal_file_free(&f);
}

/* ---- stopping --------------------------------------------------------- */

static void
a_failure_of_the_vault_ends_the_capture(void **state)
{
    const struct ks_policy policies[] = {KS_POLICY_INIT, {.no_media = true}};
    struct signal_file f;
    long n = 0;
    int rc = KS_E_FULL;

    (void)state;
    signal_file_story(&f, 1);
    f.data[f.pieces[7].offset] ^= 1; /* with damage, and a tail */
    signal_file_raw(&f, "tail", 4);
    signal_file_save(&f, &dir, "f.backup");
    for (int p = 0; p < 2; p++)
        for (n = 0, rc = KS_E_FULL; rc == KS_E_FULL; n++) {
            struct memory_snapshot *m = memory_snapshot_new();
            struct ks_err err = KS_ERR_INIT;
            struct ks_source *src = NULL;
            assert_int_equal(ks_v1_source_open(&src,
                                               workdir_path(&dir, "f.backup"),
                                               f.source_key, &err),
                             KS_OK);
            m->fail_write = n;
            rc = src->ops->capture(src, memory_snapshot_writer(m), &policies[p],
                                   NULL, &err);
            assert_true(rc == KS_OK || rc == KS_E_FULL);
            assert_int_equal(rc, err.code);
            src->ops->close(src);
            memory_snapshot_free(m);
        }
    assert_true(n > 40);
    signal_file_free(&f);
}

static void
a_file_that_shrinks_meanwhile_is_told(void **state)
{
    struct memory_snapshot *m = memory_snapshot_new();
    struct ks_err err = KS_ERR_INIT;
    struct ks_source *src = NULL;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 0);
    signal_file_version(&f, 1);
    signal_file_attachment(&f, 1, 3000000, 1);
    signal_file_end(&f);
    signal_file_save(&f, &dir, "f.backup");
    assert_int_equal(ks_v1_source_open(&src, workdir_path(&dir, "f.backup"),
                                       f.source_key, &err),
                     KS_OK);
    assert_int_equal(truncate(workdir_path(&dir, "f.backup"), 2000000), 0);
    assert_int_equal(src->ops->capture(src, memory_snapshot_writer(m),
                                       &keep_all, NULL, &err),
                     KS_E_IO);
    assert_non_null(strstr(err.msg, "shorter"));
    src->ops->close(src);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

struct stopwatch {
    int left; /* steps until it says stop */
    uint64_t done;
    uint64_t total;
};

static int
step_once(void *user, const char *phase, uint64_t done, uint64_t total)
{
    struct stopwatch *w = user;

    assert_string_equal(phase, "read");
    assert_true(done >= w->done && done <= total);
    w->done = done;
    w->total = total;
    return w->left-- == 0;
}

static void
progress_rises_to_the_size_and_can_stop_it(void **state)
{
    struct signal_file f;
    int rc = KS_E_CANCELLED;
    int steps = 0;

    (void)state;
    signal_file_begin(&f, 1, 0);
    for (unsigned i = 0; i < 4; i++)
        signal_file_attachment(&f, i, 1500000, i);
    signal_file_end(&f);
    signal_file_save(&f, &dir, "f.backup");
    for (steps = 0; rc == KS_E_CANCELLED; steps++) {
        struct stopwatch watch = {.left = steps};
        const struct ks_progress progress = {step_once, &watch};
        struct memory_snapshot *m = memory_snapshot_new();
        struct ks_err err = KS_ERR_INIT;
        struct ks_source *src = NULL;
        assert_int_equal(ks_v1_source_open(&src, workdir_path(&dir, "f.backup"),
                                           f.source_key, &err),
                         KS_OK);
        rc = src->ops->capture(src, memory_snapshot_writer(m), &keep_all,
                               &progress, &err);
        if (rc == KS_OK)
            assert_int_equal(watch.done, f.len);
        src->ops->close(src);
        memory_snapshot_free(m);
    }
    assert_int_equal(rc, KS_OK);
    assert_true(steps > 10);
    signal_file_free(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_frame_has_its_stream),
        cmocka_unit_test(the_order_names_streams_once_and_counts_runs),
        cmocka_unit_test(rows_carry_the_time_they_were_sent),
        cmocka_unit_test(a_blob_record_is_the_blobs_id_and_the_frame),
        cmocka_unit_test(the_same_content_under_another_key_is_the_same),
        cmocka_unit_test(a_file_with_only_an_end_frame_is_whole),
        cmocka_unit_test(blobs_of_0_bytes_and_of_many_pieces_are_kept),
        cmocka_unit_test(a_frame_too_large_for_a_record_is_kept_as_a_blob),
        cmocka_unit_test(an_attachment_frame_that_is_absurdly_large_is_refused),
        cmocka_unit_test(statements_that_are_no_rows_go_to_their_own_stream),
        cmocka_unit_test(more_tables_than_streams_share_one),
        cmocka_unit_test(bytes_that_are_no_protobuf_are_kept_as_unknown),
        cmocka_unit_test(the_account_is_the_aci_if_there_is_no_number),
        cmocka_unit_test(trailing_bytes_are_kept_and_reported),
        cmocka_unit_test(a_failure_of_the_vault_ends_the_capture),
        cmocka_unit_test(a_file_that_shrinks_meanwhile_is_told),
        cmocka_unit_test(progress_rises_to_the_size_and_can_stop_it),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
