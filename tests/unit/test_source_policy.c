/*
 * What policy leaves out: blobs, the rows that name them, the source key.
 */
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"

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

static void
check_bare_row(const struct memory_snapshot *m)
{
    /* columns: _id, transfer_state, data_file, data_random, data_hash_end */
    static const uint8_t bare[] = {
        2 << 3 | 2, 2, 2 << 3, 7, 2 << 3 | 2, 2, 2 << 3, 4,
        2 << 3 | 2, 2, 5 << 3, 1, 2 << 3 | 2, 2, 5 << 3, 1,
        2 << 3 | 2, 2, 5 << 3, 1,
    };
    struct ks_bytes row = record_of(m, "sql/attachment", 0);

    assert_true(row.len > sizeof(bare));
    assert_memory_equal(row.ptr + row.len - sizeof(bare), bare, sizeof(bare));
    assert_int_equal(row.ptr[1], row.len - 2);
}

static void
without_media_no_blob_is_kept_and_rows_say_so(void **state)
{
    const struct ks_policy policy = {.no_media = true,
                                     .attachment_bytes_max = UINT64_MAX};
    struct memory_snapshot *whole;
    struct memory_snapshot *m;
    struct signal_file f;
    struct ks_bytes a;
    struct ks_bytes b;

    (void)state;
    signal_file_story(&f, 1);
    whole = signal_run_good(&f, &dir, &keep_all);
    m = signal_run_good(&f, &dir, &policy);
    assert_int_equal(m->blob_count, 0);
    assert_int_equal(count_of(m, "blob/attachment"), 0);
    assert_int_equal(count_of(m, "blob/sticker"), 0);
    assert_int_equal(count_of(m, "blob/avatar"), 0);
    assert_int_equal(memory_snapshot_skipped(m, "media"), 3);
    assert_int_equal(memory_snapshot_lost(m), 0);
    check_bare_row(m);
    a = record_of(whole, "sql/attachment", 1); /* had no file before */
    b = record_of(m, "sql/attachment", 1);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    assert_non_null(memory_snapshot_extra(m, "not-original"));
    assert_null(memory_snapshot_extra(m, "key"));
    memory_snapshot_free(whole);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
larger_attachments_are_left_out_and_counted(void **state)
{
    static const uint64_t maxima[] = {60, 59, 40, 39, 25, 24, 0};
    static const uint64_t skipped[] = {0, 1, 1, 2, 2, 3, 3};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        const struct ks_policy policy = {.attachment_bytes_max = maxima[i]};
        struct memory_snapshot *m;
        struct signal_file f;
        signal_file_story(&f, 1);
        m = signal_run_good(&f, &dir, &policy);
        assert_int_equal(memory_snapshot_skipped(m, "attachment-size"),
                         skipped[i]);
        assert_int_equal(m->blob_count, 3 - skipped[i]);
        assert_int_equal(memory_snapshot_extra(m, "not-original") != NULL,
                         skipped[i] > 0);
        if (maxima[i] < 40)
            check_bare_row(m);
        memory_snapshot_free(m);
        signal_file_free(&f);
    }
}

static void
a_row_of_another_attachment_stays_as_it_is(void **state)
{
    const struct ks_policy policy = {.no_media = true};
    static const char *const row[] = {"#8", "/data/8"};
    struct memory_snapshot *whole;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_begin(&f, 1, 0);
    signal_file_sql(&f, "CREATE TABLE part (_id INTEGER, _data TEXT)");
    signal_file_row(&f, "INSERT INTO part VALUES (?,?)", row, 2);
    signal_file_attachment(&f, 9, 10, 1);
    signal_file_row(&f, "INSERT INTO part VALUES (?,?)", row, 2);
    signal_file_end(&f);
    whole = signal_run_good(&f, &dir, &keep_all);
    m = signal_run_good(&f, &dir, &policy);
    assert_int_equal(count_of(m, "sql/part"), 2);
    for (size_t i = 0; i < 2; i++)
        assert_memory_equal(record_of(m, "sql/part", i).ptr,
                            record_of(whole, "sql/part", i).ptr,
                            record_of(whole, "sql/part", i).len);
    memory_snapshot_free(whole);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
the_source_key_is_kept_unless_it_is_to_be_forgotten(void **state)
{
    struct ks_policy policy = KS_POLICY_INIT;
    const struct memory_extra *extra;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &policy);
    extra = memory_snapshot_extra(m, "key");
    assert_int_equal(extra->len, 32);
    assert_memory_equal(extra->data, f.source_key, 32);
    extra = memory_snapshot_extra(m, "header");
    assert_int_equal(extra->len, f.pieces[0].end);
    assert_memory_equal(extra->data, f.data, extra->len);
    extra = memory_snapshot_extra(m, "length");
    assert_int_equal(ks_get_u64le(extra->data), f.len);
    extra = memory_snapshot_extra(m, "end");
    assert_memory_equal(extra->data, "\60\1", 2);
    memory_snapshot_free(m);
    policy.forget_source_key = true;
    m = signal_run_good(&f, &dir, &policy);
    assert_null(memory_snapshot_extra(m, "key"));
    memory_snapshot_free(m);
    signal_file_free(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_media_no_blob_is_kept_and_rows_say_so),
        cmocka_unit_test(larger_attachments_are_left_out_and_counted),
        cmocka_unit_test(a_row_of_another_attachment_stays_as_it_is),
        cmocka_unit_test(the_source_key_is_kept_unless_it_is_to_be_forgotten),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
