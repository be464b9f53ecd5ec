/*
 * The way back: a fresh file that says the same, the same bytes again, and
 * never half a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"
#include "source/signal_v1/signal_v1.h"

static const struct ks_policy keep_all = {.attachment_bytes_max = UINT64_MAX};
static const char passphrase[] = "12345 12345 12345 12345 12345 12345";

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

/* Capture f, restore it under a passphrase, capture that: all is equal. */
static void
check_law(const struct signal_file *f)
{
    struct memory_snapshot *first = signal_run_good(f, &dir, &keep_all);
    struct memory_snapshot *second;
    struct ks_err err = KS_ERR_INIT;

    if (signal_run_restore(first, &dir, "law", passphrase, &err) != KS_OK)
        fail_msg("%s", err.msg);
    second = signal_run_file(&dir, "law", "123451234512345123451234512345",
                             &keep_all);
    assert_true(memory_snapshot_equal(first, second));
    assert_non_null(memory_snapshot_extra(second, "digest"));
    assert_int_equal(remove(workdir_path(&dir, "law")), 0);
    memory_snapshot_free(first);
    memory_snapshot_free(second);
}

/* Capture f and make it again: the same bytes. */
static void
check_original(const struct signal_file *f)
{
    struct memory_snapshot *m = signal_run_good(f, &dir, &keep_all);
    struct ks_err err = KS_ERR_INIT;

    if (signal_run_restore(m, &dir, "again", NULL, &err) != KS_OK)
        fail_msg("%s", err.msg);
    assert_true(workdir_holds(&dir, "again", f->data, f->len));
    assert_true(m->open_most <= 4);
    assert_int_equal(remove(workdir_path(&dir, "again")), 0);
    memory_snapshot_free(m);
}

static void
a_restored_file_says_the_same(void **state)
{
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 0);
    check_law(&f);
    signal_file_free(&f);
    signal_file_story(&f, 1);
    check_law(&f);
    signal_file_free(&f);
    signal_file_begin(&f, 1, 0);
    signal_file_end(&f);
    check_law(&f);
    signal_file_free(&f);
}

/* A frame as large as `len`, and what may surround it. */
static void
begin_large(struct signal_file *f, unsigned version, size_t len)
{
    uint8_t *pb = calloc(1, len);
    size_t left = len - 5;

    pb[0] = 3 << 3 | 2;
    for (int i = 1; i <= 4; i++) {
        pb[i] = (uint8_t)((left & 127) | (i < 4 ? 128 : 0));
        left >>= 7;
    }
    signal_file_begin(f, version, 77);
    signal_file_version(f, 1);
    signal_file_attachment(f, 1, 0, 0);
    signal_file_frame(f, pb, len);
    signal_file_attachment(f, 2, 3000000, 5);
    signal_file_end(f);
    free(pb);
}

static void
the_same_bytes_come_again(void **state)
{
    static const size_t sizes[] = {65522, 65523, 999999, 1000001, 5000000};

    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        struct signal_file f;
        signal_file_story(&f, version);
        check_original(&f);
        signal_file_raw(&f, "tail\0tail", 9);
        check_original(&f);
        signal_file_free(&f);
        for (size_t i = 0; i < 5; i++) {
            begin_large(&f, version, sizes[i]);
            check_original(&f);
            signal_file_free(&f);
        }
    }
}

static void
headers_that_no_app_writes_come_again_too(void **state)
{
    static const uint8_t iv[16] = {0xff, 0xff, 0xff, 0xff, 5};
    uint8_t header[64] = {1 << 3 | 2, 0, 1 << 3 | 2, 16};
    size_t n;
    struct signal_file f;

    (void)state;
    memcpy(header + 4, iv, 16);
    n = 20;
    header[n++] = 2 << 3 | 2; /* an empty salt */
    header[n++] = 0;
    header[n++] = 9 << 3 | 2; /* a field of the future */
    header[n++] = 3;
    header[n++] = 'n';
    header[n++] = 'e';
    header[n++] = 'w';
    header[1] = (uint8_t)(n - 2);
    header[n++] = 7 << 3; /* and one beside the header */
    header[n++] = 1;
    signal_file_begin_with(&f, 0, iv, header, n);
    signal_file_version(&f, 1);
    signal_file_attachment(&f, 1, 100, 1);       /* over the counter's end */
    signal_file_frame(&f, "\62\2\10\1\60\1", 6); /* end: true, and more */
    check_original(&f);
    signal_file_free(&f);
}

static void
each_fresh_file_has_its_own_salt_and_iv(void **state)
{
    struct memory_snapshot *m;
    struct ks_err err = KS_ERR_INIT;
    struct signal_file f;
    struct ks_buf a;
    struct ks_buf b;

    (void)state;
    ks_buf_init(&a, 100000);
    ks_buf_init(&b, 100000);
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(signal_run_restore(m, &dir, "a", passphrase, &err), KS_OK);
    assert_int_equal(signal_run_restore(m, &dir, "b", passphrase, &err), KS_OK);
    assert_int_equal(ks_file_read(workdir_path(&dir, "a"), 100000, &a, &err),
                     KS_OK);
    assert_int_equal(ks_file_read(workdir_path(&dir, "b"), 100000, &b, &err),
                     KS_OK);
    assert_int_equal(a.len, b.len);
    assert_int_equal(a.len, f.len);
    assert_memory_not_equal(a.data + 8, b.data + 8, 16);
    assert_memory_not_equal(a.data + 26, b.data + 26, 32);
    assert_memory_not_equal(a.data + 8, f.data + 8, 16);
    for (size_t i = 60; i + 32 <= a.len; i++) /* nor any ciphertext */
        assert_memory_not_equal(a.data + i, f.data + i, 32);
    ks_buf_wipe(&a);
    ks_buf_wipe(&b);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

/* ---- what cannot be made again ---------------------------------------- */

static void
check_refused(struct memory_snapshot *m, const char *why)
{
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(signal_run_restore(m, &dir, "no", NULL, &err),
                     KS_E_UNSUPPORTED);
    if (strstr(err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    assert_int_equal(workdir_size(&dir, "no"), -1);
    memory_snapshot_free(m);
}

static void
what_lacks_a_byte_is_not_made_again_and_says_why(void **state)
{
    struct ks_policy policy = KS_POLICY_INIT;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    policy.no_media = true;
    check_refused(signal_run_good(&f, &dir, &policy), "left out");
    policy = keep_all;
    policy.forget_source_key = true;
    check_refused(signal_run_good(&f, &dir, &policy), "--forget-source-key");
    policy = keep_all;
    policy.allow_incomplete = true;
    f.len -= 3;
    check_refused(signal_run_good(&f, &dir, &policy), "incomplete");
    f.len += 3;
    f.data[f.pieces[3].offset] ^= 1;
    check_refused(signal_run_good(&f, &dir, &policy), "damage");
    signal_file_free(&f);
}

static void
what_was_damaged_still_restores_afresh(void **state)
{
    struct ks_policy policy = KS_POLICY_INIT;
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m;
    struct memory_snapshot *n;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    f.data[f.pieces[3].offset] ^= 1;
    policy.no_media = true;
    policy.allow_incomplete = true;
    f.len -= 3;
    m = signal_run_good(&f, &dir, &policy);
    assert_int_equal(signal_run_restore(m, &dir, "x", passphrase, &err), KS_OK);
    n = signal_run_file(&dir, "x", passphrase, &keep_all);
    assert_int_equal(memory_snapshot_lost(n), 0);
    assert_int_equal(m->stream_count, n->stream_count);
    memory_snapshot_free(m);
    memory_snapshot_free(n);
    signal_file_free(&f);
}

/* ---- all or nothing --------------------------------------------------- */

static void
what_is_at_the_target_stays_unless_it_may_be_replaced(void **state)
{
    struct ks_restore_options options = {.original = true};
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    workdir_write(&dir, "there", "old", 3);
    assert_int_equal(signal_run_restore(m, &dir, "there", NULL, &err),
                     KS_E_EXISTS);
    assert_true(workdir_holds(&dir, "there", "old", 3));
    err = KS_ERR_INIT;
    options.replace = true;
    assert_int_equal(ks_source_signal_v1.restore(memory_snapshot_reader(m),
                                                 workdir_path(&dir, "there"),
                                                 &options, NULL, &err),
                     KS_OK);
    assert_true(workdir_holds(&dir, "there", f.data, f.len));
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static void
without_a_passphrase_there_is_no_fresh_file(void **state)
{
    const struct ks_restore_options options = {.original = false};
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(ks_source_signal_v1.restore(memory_snapshot_reader(m),
                                                 workdir_path(&dir, "no"),
                                                 &options, NULL, &err),
                     KS_E_USAGE);
    assert_int_equal(workdir_size(&dir, "no"), -1);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

/* After whatever `spoil` has done to the snapshot, nothing is restored. */
static void
check_spoiled(void (*spoil)(struct memory_snapshot *m))
{
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m;
    struct signal_file f;
    size_t before;

    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    spoil(m);
    before = workdir_entries(&dir, ".");
    assert_int_equal(signal_run_restore(m, &dir, "no", NULL, &err),
                     KS_E_CORRUPT);
    assert_int_equal(workdir_entries(&dir, "."), before);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static struct memory_stream *
stream_of(struct memory_snapshot *m, const char *name)
{
    struct memory_stream *s = NULL;

    for (size_t i = 0; i < m->stream_count; i++)
        if (strcmp(m->streams[i].name, name) == 0)
            s = &m->streams[i];
    assert_non_null(s);
    return s;
}

static struct memory_extra *
extra_of(struct memory_snapshot *m, const char *name)
{
    struct memory_extra *e = NULL;

    for (size_t i = 0; i < m->extra_count; i++)
        if (strcmp(m->extras[i].name, name) == 0)
            e = &m->extras[i];
    assert_non_null(e);
    return e;
}

static void
change_a_row(struct memory_snapshot *m)
{
    stream_of(m, "sql/message")->records[1].data[5] ^= 1;
}

static void
change_the_end(struct memory_snapshot *m)
{
    extra_of(m, "end")->data[1] ^= 3;
}

static void
change_the_digest(struct memory_snapshot *m)
{
    extra_of(m, "digest")->data[31] ^= 1;
}

static void
change_the_length(struct memory_snapshot *m)
{
    extra_of(m, "length")->data[0] ^= 1;
}

static void
change_the_key(struct memory_snapshot *m)
{
    extra_of(m, "key")->data[0] ^= 1;
}

static void
shorten_the_key(struct memory_snapshot *m)
{
    extra_of(m, "key")->len = 31;
}

static void
shorten_the_header(struct memory_snapshot *m)
{
    extra_of(m, "header")->len = 4;
}

static void
lose_the_digest(struct memory_snapshot *m)
{
    extra_of(m, "digest")->name[0] = 'D';
}

static void
lose_the_order(struct memory_snapshot *m)
{
    stream_of(m, "order")->name[0] = 'O';
}

static void
lose_the_orders_last_record(struct memory_snapshot *m)
{
    m->streams[0].count--;
    free(m->streams[0].records[m->streams[0].count].data);
}

static void
ask_for_more_than_there_is(struct memory_snapshot *m)
{
    m->streams[0].records[5].data[1]++;
}

static void
ask_for_an_unknown_stream(struct memory_snapshot *m)
{
    m->streams[0].records[5].data[0] = 100;
}

static void
break_the_order(struct memory_snapshot *m)
{
    m->streams[0].records[5].len = 1;
}

static void
change_a_blobs_length(struct memory_snapshot *m)
{
    m->blobs[0].len--;
}

static void
shorten_a_blob_record(struct memory_snapshot *m)
{
    stream_of(m, "blob/avatar")->records[0].len = 32;
}

static void
empty_a_row(struct memory_snapshot *m)
{
    stream_of(m, "sql/message")->records[0].len = 0;
}

static void
a_snapshot_that_does_not_fit_together_restores_nothing(void **state)
{
    void (*const spoilers[])(struct memory_snapshot *) = {
        change_a_row,
        change_the_end,
        change_the_digest,
        change_the_length,
        change_the_key,
        shorten_the_key,
        shorten_the_header,
        lose_the_digest,
        lose_the_order,
        lose_the_orders_last_record,
        ask_for_more_than_there_is,
        ask_for_an_unknown_stream,
        break_the_order,
        change_a_blobs_length,
        shorten_a_blob_record,
        empty_a_row,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++)
        check_spoiled(spoilers[i]);
}

static void
a_damaged_chunk_leaves_no_file(void **state)
{
    struct memory_snapshot *m;
    struct signal_file f;
    int rc = KS_E_CORRUPT;
    long n;

    (void)state;
    signal_file_story(&f, 1);
    m = signal_run_good(&f, &dir, &keep_all);
    for (n = 0; rc == KS_E_CORRUPT; n++) {
        struct ks_err err = KS_ERR_INIT;
        m->fail_read = n;
        rc = signal_run_restore(m, &dir, "n", NULL, &err);
        assert_int_equal(rc, err.code);
        assert_int_equal(m->open, 0);
        assert_int_equal(workdir_size(&dir, "n"),
                         rc == KS_OK ? (long)f.len : -1);
    }
    assert_int_equal(rc, KS_OK);
    assert_true(n > 30);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

static int
stop_at_once(void *user, const char *phase, uint64_t done, uint64_t total)
{
    (void)user;
    assert_string_equal(phase, "write");
    assert_true(done <= total);
    return 1;
}

static void
a_restore_that_is_stopped_leaves_no_file(void **state)
{
    const struct ks_progress progress = {stop_at_once, NULL};
    const struct ks_restore_options options = {.original = true};
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m;
    struct signal_file f;

    (void)state;
    begin_large(&f, 1, 200000);
    m = signal_run_good(&f, &dir, &keep_all);
    assert_int_equal(ks_source_signal_v1.restore(memory_snapshot_reader(m),
                                                 workdir_path(&dir, "s"),
                                                 &options, &progress, &err),
                     KS_E_CANCELLED);
    assert_int_equal(workdir_size(&dir, "s"), -1);
    memory_snapshot_free(m);
    signal_file_free(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_file_says_the_same),
        cmocka_unit_test(the_same_bytes_come_again),
        cmocka_unit_test(headers_that_no_app_writes_come_again_too),
        cmocka_unit_test(each_fresh_file_has_its_own_salt_and_iv),
        cmocka_unit_test(what_lacks_a_byte_is_not_made_again_and_says_why),
        cmocka_unit_test(what_was_damaged_still_restores_afresh),
        cmocka_unit_test(what_is_at_the_target_stays_unless_it_may_be_replaced),
        cmocka_unit_test(without_a_passphrase_there_is_no_fresh_file),
        cmocka_unit_test(
            a_snapshot_that_does_not_fit_together_restores_nothing),
        cmocka_unit_test(a_damaged_chunk_leaves_no_file),
        cmocka_unit_test(a_restore_that_is_stopped_leaves_no_file),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
