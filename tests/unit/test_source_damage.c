/*
 * Every byte of a small file is flipped in turn, and the file is cut at every
 * length: at most one frame and its blob are lost, the rest is kept, and the
 * report names what is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"

struct fixture {
    struct workdir dir;
    struct signal_file file;
    struct memory_snapshot *whole;
};

static void
begin(struct fixture *f, unsigned version)
{
    const struct ks_policy policy = KS_POLICY_INIT;

    workdir_make(&f->dir);
    signal_file_story(&f->file, version);
    f->whole = signal_run_good(&f->file, &f->dir, &policy);
}

static void
end(struct fixture *f)
{
    memory_snapshot_free(f->whole);
    signal_file_free(&f->file);
    workdir_remove(&f->dir);
}

/* The piece that the byte at `offset` belongs to. */
static const struct file_piece *
piece_at(const struct signal_file *f, size_t offset)
{
    for (size_t i = 0; i < f->count; i++)
        if (offset >= f->pieces[i].offset && offset < f->pieces[i].end)
            return &f->pieces[i];
    fail_msg("no piece at %zu", offset);
    return NULL;
}

static void
check_flip(struct fixture *f, size_t offset, uint8_t bits)
{
    const struct ks_policy policy = KS_POLICY_INIT;
    const struct file_piece *piece = piece_at(&f->file, offset);
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m = NULL;
    const struct ks_report_entry *entry;
    size_t missing;

    f->file.data[offset] ^= bits;
    if (signal_run_capture(&m, &f->file, &f->dir, &policy, &err) != KS_OK)
        fail_msg("byte %zu: %s", offset, err.msg);
    missing = signal_run_missing(f->whole, m);
    if (missing > (piece->kind == PIECE_END ? 0 : 1))
        fail_msg("byte %zu: %zu records missing", offset, missing);
    if (memory_snapshot_lost(m) != 1)
        fail_msg("byte %zu: %zu losses", offset, memory_snapshot_lost(m));
    entry = &m->report[0];
    if (offset < entry->offset || offset >= entry->offset + entry->length)
        fail_msg("byte %zu: %s at %zu+%zu", offset, entry->what,
                 (size_t)entry->offset, (size_t)entry->length);
    assert_int_equal(entry->offset, piece->offset);
    assert_true(entry->has_raw);
    switch (piece->kind) {
    case PIECE_BLOB:
        assert_non_null(strstr(entry->what, " blob"));
        break;
    case PIECE_END:
        assert_string_equal(entry->what, "end frame");
        break;
    default:
        assert_string_equal(entry->what, "frame");
    }
    assert_non_null(memory_snapshot_extra(m, "not-original"));
    assert_null(memory_snapshot_extra(m, "header"));
    assert_null(memory_snapshot_extra(m, "key"));
    memory_snapshot_free(m);
    f->file.data[offset] ^= bits;
}

static void
flip_all(unsigned version)
{
    struct fixture f;

    begin(&f, version);
    for (size_t i = f.file.pieces[0].end; i < f.file.len; i++) {
        check_flip(&f, i, 0x01);
        check_flip(&f, i, 0x80);
        check_flip(&f, i, 0xff);
    }
    end(&f);
}

static void
a_flipped_byte_loses_at_most_one_piece_in_version_1(void **state)
{
    (void)state;
    flip_all(1);
}

static void
a_flipped_byte_loses_at_most_one_piece_in_version_0(void **state)
{
    (void)state;
    flip_all(0);
}

/* ---- the end ---------------------------------------------------------- */

static void
cut_everywhere(unsigned version)
{
    struct ks_policy policy = KS_POLICY_INIT;
    struct fixture f;
    size_t whole;

    begin(&f, version);
    whole = f.file.len;
    for (size_t len = 0; len < whole; len++) {
        struct ks_err err = KS_ERR_INIT;
        struct memory_snapshot *m = NULL;
        int rc;
        f.file.len = len;
        policy.allow_incomplete = false;
        rc = signal_run_capture(&m, &f.file, &f.dir, &policy, &err);
        if (rc != KS_E_INCOMPLETE)
            fail_msg("%zu bytes: %d %s", len, rc, err.msg);
        memory_snapshot_free(m);
        if (len < f.file.pieces[1].end)
            continue; /* not one frame: nothing to keep */
        m = signal_run_damaged(&f.file, &f.dir);
        assert_int_equal(memory_snapshot_lost(m), 1);
        assert_string_equal(m->report[0].what, "end of file");
        assert_int_equal(m->report[0].offset + m->report[0].length, len);
        assert_true(signal_run_missing(f.whole, m) <=
                    signal_run_touched(&f.file, len, whole));
        assert_non_null(memory_snapshot_extra(m, "not-original"));
        memory_snapshot_free(m);
    }
    f.file.len = whole;
    end(&f);
}

static void
a_file_cut_at_any_byte_is_incomplete(void **state)
{
    (void)state;
    cut_everywhere(1);
    cut_everywhere(0);
}

static void
a_blob_and_the_end_may_both_be_damaged(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        const struct ks_policy policy = KS_POLICY_INIT;
        struct fixture f;
        struct memory_snapshot *m;
        begin(&f, version);
        f.file.data[f.file.len - 1] ^= 1;
        f.file.data[f.file.pieces[f.file.count - 2].offset + 5] ^= 1;
        m = signal_run_good(&f.file, &f.dir, &policy);
        assert_int_equal(m->report_count, 3); /* and the unknown frame */
        assert_string_equal(m->report[0].what, "avatar blob");
        assert_string_equal(m->report[1].what, "end frame");
        assert_int_equal(signal_run_missing(f.whole, m), 1);
        memory_snapshot_free(m);
        end(&f);
    }
}

static void
the_raw_bytes_of_a_damaged_blob_are_kept_with_its_frame(void **state)
{
    const struct ks_policy policy = KS_POLICY_INIT;
    const struct memory_blob *raw;
    const struct file_piece *frame;
    const struct file_piece *blob;
    struct memory_snapshot *m;
    struct fixture f;

    (void)state;
    begin(&f, 1);
    blob = &f.file.pieces[f.file.count - 2];
    frame = blob - 1;
    f.file.data[blob->offset] ^= 1;
    m = signal_run_good(&f.file, &f.dir, &policy);
    raw = memory_snapshot_blob(m, m->report[0].raw);
    assert_int_equal(raw->len, blob->end - frame->offset);
    assert_memory_equal(raw->data, f.file.data + frame->offset, raw->len);
    memory_snapshot_free(m);
    end(&f);
}

/* ---- the header -------------------------------------------------------- */

/* A damaged first counter: frames verify under others. */
static void
a_flipped_header_is_an_error_or_a_report(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        struct fixture f;
        begin(&f, version);
        for (size_t i = 0; i < f.file.pieces[0].end; i++) {
            const struct ks_policy policy = KS_POLICY_INIT;
            struct memory_snapshot *m = NULL;
            struct ks_err err = KS_ERR_INIT;
            int rc;
            f.file.data[i] ^= 0x10;
            rc = signal_run_capture(&m, &f.file, &f.dir, &policy, &err);
            assert_int_equal(rc, err.code);
            /* The salt is not used here, because the key is given; a counter
             * that is a little off is found. */
            if (rc == KS_OK && signal_run_missing(f.whole, m) != 0)
                fail_msg("byte %zu: %zu records missing", i,
                         signal_run_missing(f.whole, m));
            else if (rc != KS_OK && rc != KS_E_WRONG_SOURCE_KEY &&
                     rc != KS_E_FORMAT && rc != KS_E_UNSUPPORTED &&
                     rc != KS_E_INCOMPLETE)
                fail_msg("byte %zu: %d %s", i, rc, err.msg);
            memory_snapshot_free(m);
            f.file.data[i] ^= 0x10;
        }
        end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_byte_loses_at_most_one_piece_in_version_1),
        cmocka_unit_test(a_flipped_byte_loses_at_most_one_piece_in_version_0),
        cmocka_unit_test(a_file_cut_at_any_byte_is_incomplete),
        cmocka_unit_test(a_blob_and_the_end_may_both_be_damaged),
        cmocka_unit_test(
            the_raw_bytes_of_a_damaged_blob_are_kept_with_its_frame),
        cmocka_unit_test(a_flipped_header_is_an_error_or_a_report),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
