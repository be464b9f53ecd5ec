/*
 * vault/capture: what is captured is read back, byte for byte, night after
 * night; what is the same is stored once; nothing counts before the commit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "check.h"
#include "store/store.h"
#include "story.h"
#include "vault/capture.h"
#include "vault/reading.h"
#include "vault/snapshot_reader.h"
#include "vault_fixture.h"
#include "workdir.h"

#define RECORDS 4000
#define BLOBS   12

static struct workdir here; /* a fresh one for each test */

static int
enter_folder(void **unused)
{
    (void)unused;
    workdir_make(&here);
    return 0;
}

static int
leave_folder(void **unused)
{
    (void)unused;
    workdir_remove(&here);
    return 0;
}

static struct ks_snapshot_info
capture_story(struct vault_fixture *f, const struct story *s)
{
    struct ks_snapshot_info info;
    struct ks_snapshot_writer *w = fixture_begin(f);

    story_tell(s, w);
    fixture_commit(w, &info);
    return info;
}

static int
add_size(void *user, const char *name, uint64_t size)
{
    (void)name;
    *(uint64_t *)user += size;
    return 0;
}

static uint64_t
stored_bytes(struct vault_fixture *f)
{
    static const char *const folders[] = {"packs", "snapshots"};
    struct ks_err err = KS_ERR_INIT;
    uint64_t total = 0;

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            ks_store_list(f->store, folders[i], add_size, &total, &err), KS_OK);
    return total;
}

static void
a_snapshot_gives_back_every_record_and_blob(void **unused)
{
    struct chance c = chance_start("capture");
    struct ks_snapshot_info info;
    struct vault_fixture f;
    struct story s;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    story_begin(&s, chance_next(&c), RECORDS, BLOBS);
    info = capture_story(&f, &s);
    story_compare(&s, f.vault, &info);
    assert_int_equal(info.generation, 1);
    assert_int_equal(info.new_records, info.records);
    assert_int_equal(info.new_blobs, info.blobs);
    assert_int_equal(info.added_bytes, stored_bytes(&f));
    ks_snapshot_info_wipe(&info);
    story_end(&s);
    fixture_close(&f);
}

static void
the_same_again_adds_no_record_and_no_blob(void **unused)
{
    struct chance c = chance_start("again");
    struct ks_snapshot_info first;
    struct ks_snapshot_info again;
    struct vault_fixture f;
    struct story s;
    uint64_t before;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    story_begin(&s, chance_next(&c), RECORDS, BLOBS);
    first = capture_story(&f, &s);
    before = stored_bytes(&f);
    again = capture_story(&f, &s);
    assert_int_equal(again.new_records, 0);
    assert_int_equal(again.new_blobs, 0);
    assert_int_equal(again.generation, 2);
    assert_memory_equal(again.parent, first.id, 16);
    assert_memory_equal(again.root, first.root, 32);
    assert_int_equal(stored_bytes(&f) - before, again.added_bytes);
    assert_true(again.added_bytes <= 8192);
    story_compare(&s, f.vault, &again);
    ks_snapshot_info_wipe(&first);
    ks_snapshot_info_wipe(&again);
    story_end(&s);
    fixture_close(&f);
}

/* Thirty nights pass every fold of the index and every kind of delta. */
static void
every_night_is_read_back_and_costs_what_changed(void **unused)
{
    struct chance c = chance_start("nights");
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshots all = {0};
    struct ks_snapshot_info info;
    struct vault_fixture f;
    struct story s;
    uint64_t fresh = 0;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    story_begin(&s, chance_next(&c), 3000, 2);
    info = capture_story(&f, &s);
    for (int night = 1; night <= 30; night++) {
        ks_snapshot_info_wipe(&info);
        story_night(&s, 10, 3, 3);
        info = capture_story(&f, &s);
        assert_true(info.new_records >= 10);
        fresh += info.new_records;
        assert_true(info.new_blobs <= 1);
        assert_int_equal(info.generation, night + 1);
        if (night % 7 == 0 || night == 30)
            story_compare(&s, f.vault, &info);
    }
    /* New is what the one chunk that it is compared with does not have: where
     * two chunks have become one, half of its records seem new. */
    assert_true(fresh <= 12000);
    assert_int_equal(ks_snapshots_read(f.vault, &all, &err), KS_OK);
    assert_int_equal(all.count, 31);
    assert_int_equal(all.damaged, 0);
    assert_memory_equal(all.list[30].id, info.id, 16);
    ks_snapshots_free(&all);
    ks_snapshot_info_wipe(&info);
    story_end(&s);
    fixture_close(&f);
}

static void
an_empty_snapshot_is_a_snapshot(void **unused)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_reader *r = NULL;
    struct ks_snapshot_info info;
    struct vault_fixture f;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    fixture_commit(fixture_begin(&f), &info);
    assert_int_equal(info.records, 0);
    assert_int_equal(ks_snapshot_reader_open(&r, f.vault, &info, &err), KS_OK);
    assert_int_equal(ks_snapshot_stream_count(r), 0);
    ks_snapshot_reader_close(r);
    ks_snapshot_info_wipe(&info);
    fixture_close(&f);
}

static void
an_abandoned_snapshot_leaves_nothing_that_counts(void **unused)
{
    struct chance c = chance_start("abandoned");
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshots all = {0};
    struct ks_snapshot_info info;
    struct ks_snapshot_writer *w;
    struct vault_fixture f;
    struct story s;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    story_begin(&s, chance_next(&c), RECORDS, BLOBS);
    w = fixture_begin(&f);
    story_tell(&s, w);
    ks_capture_abandon(w);
    assert_int_equal(ks_snapshots_read(f.vault, &all, &err), KS_OK);
    assert_int_equal(all.count, 0);
    ks_snapshots_free(&all);
    info = capture_story(&f, &s);
    story_compare(&s, f.vault, &info);
    ks_snapshot_info_wipe(&info);
    story_end(&s);
    fixture_close(&f);
}

/* A reader that gives some bytes and then finds them damaged. */
struct broken_reader {
    struct ks_reader base;
    size_t left;
};

static int
broken_read(struct ks_reader *base, void *buf, size_t cap, size_t *got,
            struct ks_err *err)
{
    struct broken_reader *b = (struct broken_reader *)base;

    *got = 0;
    if (b->left == 0)
        return ks_fail(err, KS_E_FORMAT, 0, "the MAC does not match");
    *got = b->left < cap ? b->left : cap;
    memset(buf, 0x5a, *got);
    b->left -= *got;
    return KS_OK;
}

static void
a_blob_damaged_at_its_end_is_left_out_and_the_rest_goes_on(void **unused)
{
    static const struct ks_reader_ops ops = {.read = broken_read};
    static const size_t sizes[] = {0, 10, 1048576, 2500000};
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_info info;
    struct ks_snapshot_writer *w;
    struct vault_fixture f;
    uint8_t id[32] = {0};
    struct story s;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    story_begin(&s, 99, 100, 3);
    w = fixture_begin(&f);
    for (size_t i = 0; i < 4; i++) {
        struct broken_reader b = {.base = {&ops}, .left = sizes[i]};

        err = KS_ERR_INIT;
        assert_int_equal(ks_snapshot_blob(w, &b.base, id, &err), KS_E_FORMAT);
        assert_string_equal(err.msg, "the MAC does not match");
    }
    story_tell(&s, w);
    fixture_commit(w, &info);
    story_compare(&s, f.vault, &info);
    ks_snapshot_info_wipe(&info);
    story_end(&s);
    fixture_close(&f);
}

static void
what_is_said_beside_the_content_is_kept(void **unused)
{
    struct ks_report_entry entry = {.what = "frame",
                                    .why = "MAC does not match",
                                    .offset = 1234,
                                    .length = 56,
                                    .lost = true};
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_reader *r = NULL;
    struct ks_snapshots all = {0};
    struct ks_snapshot_info info;
    struct ks_snapshot_writer *w;
    struct vault_fixture f;
    struct ks_bytes value;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    w = fixture_begin(&f);
    assert_int_equal(ks_snapshot_report(w, &entry, &err), KS_OK);
    entry.lost = false;
    entry.has_raw = true;
    memset(entry.raw, 9, sizeof(entry.raw));
    assert_int_equal(ks_snapshot_report(w, &entry, &err), KS_OK);
    assert_int_equal(ks_snapshot_skip(w, "media", 3, &err), KS_OK);
    assert_int_equal(ks_snapshot_skip(w, "media", 4, &err), KS_OK);
    assert_int_equal(ks_snapshot_extra(w, "header", "old", 3, &err), KS_OK);
    assert_int_equal(ks_snapshot_extra(w, "header", "newer", 5, &err), KS_OK);
    assert_int_equal(ks_snapshot_extra(w, "none", "", 0, &err), KS_OK);
    ks_snapshot_account(w, "+15550000001");
    ks_snapshot_source_bytes(w, 77);
    fixture_commit(w, &info);
    ks_snapshot_info_wipe(&info);

    assert_int_equal(ks_snapshots_read(f.vault, &all, &err), KS_OK);
    assert_int_equal(all.count, 1);
    info = all.list[0];
    assert_int_equal(info.lost, 1);
    assert_int_equal(info.report_count, 2);
    assert_int_equal(info.report_kept, 2);
    assert_int_equal(info.report[0].offset, 1234);
    assert_string_equal(info.report[1].why, "MAC does not match");
    assert_memory_equal(info.report[1].raw, entry.raw, 32);
    assert_true(info.filtered);
    assert_int_equal(info.skip_count, 1);
    assert_int_equal(info.skips[0].count, 7);
    assert_string_equal(info.account, "+15550000001");
    assert_int_equal(info.source_bytes, 77);
    assert_int_equal(ks_snapshot_reader_open(&r, f.vault, &info, &err), KS_OK);
    assert_int_equal(ks_snapshot_get_extra(r, "header", &value, &err), KS_OK);
    assert_int_equal(value.len, 5);
    assert_memory_equal(value.ptr, "newer", 5);
    assert_int_equal(ks_snapshot_get_extra(r, "none", &value, &err), KS_OK);
    assert_int_equal(ks_snapshot_get_extra(r, "other", &value, &err),
                     KS_E_NOTFOUND);
    ks_snapshot_reader_close(r);
    ks_snapshots_free(&all);
    fixture_close(&f);
}

static void
records_beyond_the_limit_are_refused_and_change_nothing(void **unused)
{
    struct ks_err err = KS_ERR_INIT;
    uint8_t *data = calloc(1, KS_RECORD_MAX + 1);
    struct ks_snapshot_info info;
    struct ks_snapshot_writer *w;
    struct vault_fixture f;
    unsigned stream = 0;

    (void)unused;
    assert_non_null(data);
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    w = fixture_begin(&f);
    assert_int_equal(ks_snapshot_stream(w, "s", &stream, &err), KS_OK);
    assert_int_equal(ks_snapshot_record(w, stream, data, KS_RECORD_MAX + 1,
                                        KS_TIME_NONE, &err),
                     KS_E_LIMIT);
    err = KS_ERR_INIT;
    assert_int_equal(
        ks_snapshot_record(w, stream, data, KS_RECORD_MAX, KS_TIME_NONE, &err),
        KS_OK);
    fixture_commit(w, &info);
    assert_int_equal(info.records, 1);
    ks_snapshot_info_wipe(&info);
    free(data);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(name)                                                      \
    cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
        IN_A_FOLDER(a_snapshot_gives_back_every_record_and_blob),
        IN_A_FOLDER(the_same_again_adds_no_record_and_no_blob),
        IN_A_FOLDER(every_night_is_read_back_and_costs_what_changed),
        IN_A_FOLDER(an_empty_snapshot_is_a_snapshot),
        IN_A_FOLDER(an_abandoned_snapshot_leaves_nothing_that_counts),
        IN_A_FOLDER(a_blob_damaged_at_its_end_is_left_out_and_the_rest_goes_on),
        IN_A_FOLDER(what_is_said_beside_the_content_is_kept),
        IN_A_FOLDER(records_beyond_the_limit_are_refused_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
