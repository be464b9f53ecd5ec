/*
 * Where reading goes on: behind bad patches, holes, bytes that are missing or
 * too many, and next to frames that are not searched for at first.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"
#include "source/signal_v1/resync.h"

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
    signal_file_long(&f->file, version);
    f->whole = signal_run_good(&f->file, &f->dir, &policy);
}

static void
end(struct fixture *f)
{
    memory_snapshot_free(f->whole);
    signal_file_free(&f->file);
    workdir_remove(&f->dir);
}

/* ---- more than one byte ----------------------------------------------- */

static void
bad_patches(unsigned version)
{
    struct chance chance = chance_start("bad patches");
    struct fixture f;
    uint8_t *good;

    begin(&f, version);
    good = malloc(f.file.len);
    memcpy(good, f.file.data, f.file.len);
    for (int round = 0; round < 200; round++) {
        size_t first = f.file.pieces[0].end;
        size_t len = 1 + chance_below(&chance, round % 2 == 0 ? 40 : 5000);
        size_t from = first + chance_below(&chance, f.file.len - first - len);
        struct memory_snapshot *m;
        if (round % 3 == 0)
            memset(f.file.data + from, 0, len);
        else
            chance_fill(&chance, f.file.data + from, len);
        f.file.data[from] = (uint8_t)~good[from];
        m = signal_run_damaged(&f.file, &f.dir);
        if (signal_run_missing(f.whole, m) >
            signal_run_touched(&f.file, from, from + len))
            fail_msg("%zu bytes from %zu: %zu records missing, %zu touched",
                     len, from, signal_run_missing(f.whole, m),
                     signal_run_touched(&f.file, from, from + len));
        assert_true(memory_snapshot_lost(m) >= 1);
        memory_snapshot_free(m);
        memcpy(f.file.data, good, f.file.len);
    }
    free(good);
    end(&f);
}

static void
a_bad_patch_loses_only_what_it_touches(void **state)
{
    (void)state;
    bad_patches(1);
    bad_patches(0);
}

/* Take file[from..to) out and put data[0..len) in its place. */
static void
replace_bytes(struct signal_file *f, size_t from, size_t to, const void *data,
              size_t len)
{
    size_t rest = f->len - to;
    uint8_t *fresh = malloc(from + len + rest);

    memcpy(fresh, f->data, from);
    if (len > 0)
        memcpy(fresh + from, data, len);
    memcpy(fresh + from + len, f->data + to, rest);
    free(f->data);
    f->data = fresh;
    f->len = f->cap = from + len + rest;
}

/* Bytes taken out of, or put into, the file at any place. */
static void
shifted(unsigned version, size_t out, size_t in)
{
    struct chance chance = chance_start("shifted");
    struct fixture f;

    begin(&f, version);
    for (int round = 0; round < 60; round++) {
        size_t first = f.file.pieces[0].end;
        size_t from = first + chance_below(&chance, f.file.len - first - out);
        struct signal_file copy = f.file;
        struct memory_snapshot *m;
        uint8_t junk[64];
        copy.data = malloc(copy.len);
        memcpy(copy.data, f.file.data, copy.len);
        chance_fill(&chance, junk, sizeof(junk));
        replace_bytes(&copy, from, from + out, junk, in);
        m = signal_run_damaged(&copy, &f.dir);
        if (signal_run_missing(f.whole, m) >
            signal_run_touched(&f.file, from, from + (out == 0 ? 1 : out)))
            fail_msg("-%zu +%zu bytes at %zu: %zu records missing", out, in,
                     from, signal_run_missing(f.whole, m));
        assert_true(memory_snapshot_lost(m) >= 1);
        memory_snapshot_free(m);
        free(copy.data);
    }
    end(&f);
}

static void
bytes_taken_out_or_put_in_lose_only_what_they_touch(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        shifted(version, 1, 0);
        shifted(version, 700, 0);
        shifted(version, 0, 1);
        shifted(version, 0, 64);
        shifted(version, 33, 64);
    }
}

/* Whole frames gone, so that the next one stands where they were. */
static void
missing_frames_are_noticed_and_the_rest_is_kept(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        struct fixture f;
        struct memory_snapshot *m;
        size_t from;
        size_t to;
        begin(&f, version);
        from = f.file.pieces[50].offset;
        to = f.file.pieces[59].end;
        assert_int_equal(signal_run_touched(&f.file, from, to), 10);
        replace_bytes(&f.file, from, to, NULL, 0);
        m = signal_run_damaged(&f.file, &f.dir);
        assert_int_equal(signal_run_missing(f.whole, m), 10);
        assert_int_equal(m->report_count, 1);
        assert_true(m->report[0].lost);
        assert_false(m->report[0].has_raw);
        assert_int_equal(m->report[0].offset, from);
        assert_int_equal(m->report[0].length, 0);
        assert_non_null(strstr(m->report[0].why, "10 frames or blobs"));
        memory_snapshot_free(m);
        end(&f);
    }
}

static void
a_frame_that_stands_twice_is_read_once(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        struct fixture f;
        struct memory_snapshot *m;
        uint8_t twice[256];
        const struct file_piece *p;
        begin(&f, version);
        p = &f.file.pieces[30];
        memcpy(twice, f.file.data + p->offset, p->end - p->offset);
        replace_bytes(&f.file, p->end, p->end, twice, p->end - p->offset);
        m = signal_run_damaged(&f.file, &f.dir);
        assert_int_equal(signal_run_missing(f.whole, m), 0);
        assert_int_equal(memory_snapshot_lost(m), 1);
        memory_snapshot_free(m);
        end(&f);
    }
}

/* ---- frames beyond what is searched for at first ---------------------- */

/* A row whose text has `len` bytes. */
static void
put_big_row(struct signal_file *f, size_t len)
{
    size_t body = 4 + len;
    uint8_t *pb = malloc(body + 4);

    pb[0] = 2 << 3 | 2;
    pb[1] = (uint8_t)(body | 128);
    pb[2] = (uint8_t)(body >> 7 | 128);
    pb[3] = (uint8_t)(body >> 14);
    pb[4] = 1 << 3 | 2;
    pb[5] = (uint8_t)(len | 128);
    pb[6] = (uint8_t)(len >> 7 | 128);
    pb[7] = (uint8_t)(len >> 14);
    assert_true(len >> 14 > 0 && body >> 14 < 128);
    memset(pb + 8, 'x', len);
    signal_file_frame(f, pb, body + 4);
    free(pb);
}

/* Big frames behind, and at, the damage. */
static void
big_frames_next_to_damage_are_kept(void **state)
{
    static const size_t sizes[] = {20000, 70000, 1500000};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        const struct ks_policy policy = KS_POLICY_INIT;
        struct fixture f;
        struct memory_snapshot *m;
        workdir_make(&f.dir);
        signal_file_begin(&f.file, i % 2, 5);
        signal_file_version(&f.file, 223);
        signal_file_key_value(&f.file, "one", "1");
        signal_file_key_value(&f.file, "two", "2");
        for (int k = 0; k < 3; k++)
            put_big_row(&f.file, sizes[i / 2]);
        signal_file_key_value(&f.file, "three", "3");
        signal_file_end(&f.file);
        f.whole = signal_run_good(&f.file, &f.dir, &policy);
        f.file.data[f.file.pieces[3].offset] ^= 0x40; /* a length */
        m = signal_run_damaged(&f.file, &f.dir);
        assert_int_equal(signal_run_missing(f.whole, m), 1);
        memory_snapshot_free(m);
        f.file.data[f.file.pieces[3].offset] ^= 0x40;
        f.file.data[f.file.pieces[5].offset + 3000] ^= 1; /* a content */
        m = signal_run_damaged(&f.file, &f.dir);
        assert_int_equal(signal_run_missing(f.whole, m), 1);
        memory_snapshot_free(m);
        end(&f);
    }
}

/* Damage, then an attachment whose blob the file's end cuts off. */
static void
a_blob_beyond_the_file_proves_nothing(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        const struct ks_policy policy = KS_POLICY_INIT;
        struct memory_snapshot *m;
        struct fixture f;
        workdir_make(&f.dir);
        signal_file_begin(&f.file, version, 1);
        signal_file_version(&f.file, 223);
        signal_file_key_value(&f.file, "one", "1");
        signal_file_attachment(&f.file, 1, 500, 1);
        signal_file_end(&f.file);
        f.whole = signal_run_good(&f.file, &f.dir, &policy);
        f.file.data[f.file.pieces[2].end - 1] ^= 1;
        f.file.len = f.file.pieces[4].offset + 100;
        m = signal_run_damaged(&f.file, &f.dir);
        assert_int_equal(signal_run_missing(f.whole, m), 2);
        assert_true(memory_snapshot_lost(m) >= 1);
        memory_snapshot_free(m);
        end(&f);
    }
}

static void
a_damaged_iv_is_not_called_a_wrong_passphrase(void **state)
{
    const struct ks_policy policy = KS_POLICY_INIT;
    struct ks_err err = KS_ERR_INIT;
    struct memory_snapshot *m;
    struct fixture f;

    (void)state;
    begin(&f, 0);
    f.file.data[8 + 9] ^= 1; /* version 0 can tell, by its MACs */
    assert_int_equal(signal_run_capture(&m, &f.file, &f.dir, &policy, &err),
                     KS_E_FORMAT);
    assert_non_null(strstr(err.msg, "passphrase is right"));
    end(&f);
}

/* A hole of so many bytes in a file of blobs. */
static void
check_hole(unsigned version, size_t blob, size_t hole)
{
    const struct ks_policy policy = KS_POLICY_INIT;
    struct memory_snapshot *m;
    struct fixture f;
    size_t from;

    workdir_make(&f.dir);
    signal_file_begin(&f.file, version, 0xfffffff0);
    signal_file_version(&f.file, 223);
    for (unsigned i = 0; i < 40; i++)
        signal_file_attachment(&f.file, i, blob, i);
    signal_file_end(&f.file);
    f.whole = signal_run_good(&f.file, &f.dir, &policy);
    from = f.file.pieces[5].offset + 3;
    memset(f.file.data + from, 0xa5, hole);
    m = signal_run_damaged(&f.file, &f.dir);
    assert_true(signal_run_missing(f.whole, m) <=
                signal_run_touched(&f.file, from, from + hole));
    assert_int_equal(memory_snapshot_lost(m), 1);
    memory_snapshot_free(m);
    end(&f);
}

static void
a_large_hole_loses_only_what_it_touches(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        check_hole(version, 100000, (size_t)2 << 20);
        check_hole(version, 1100000, (size_t)34 << 20);
    }
}

/* ---- keys ------------------------------------------------------------- */

static void
a_wrong_key_is_said_only_if_no_frame_opens(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 1; version++) {
        const struct ks_policy policy = KS_POLICY_INIT;
        struct memory_snapshot *m = NULL;
        struct ks_err err = KS_ERR_INIT;
        struct fixture f;
        begin(&f, version);
        memset(f.file.data + f.file.pieces[1].offset, 0x11, 9000);
        m = signal_run_good(&f.file, &f.dir, &policy);
        assert_true(memory_snapshot_lost(m) >= 1);
        memory_snapshot_free(m);
        f.file.source_key[0] ^= 1;
        assert_int_equal(signal_run_capture(&m, &f.file, &f.dir, &policy, &err),
                         KS_E_WRONG_SOURCE_KEY);
        assert_null(m);
        assert_non_null(strstr(err.msg, "wrong passphrase"));
        end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_patch_loses_only_what_it_touches),
        cmocka_unit_test(bytes_taken_out_or_put_in_lose_only_what_they_touch),
        cmocka_unit_test(missing_frames_are_noticed_and_the_rest_is_kept),
        cmocka_unit_test(a_frame_that_stands_twice_is_read_once),
        cmocka_unit_test(big_frames_next_to_damage_are_kept),
        cmocka_unit_test(a_blob_beyond_the_file_proves_nothing),
        cmocka_unit_test(a_damaged_iv_is_not_called_a_wrong_passphrase),
        cmocka_unit_test(a_large_hole_loses_only_what_it_touches),
        cmocka_unit_test(a_wrong_key_is_said_only_if_no_frame_opens),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
