#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "crypto/secret.h"
#include "jobkit.h"

#define FILE_TEXT "FAKE\nhello\nworld\n!photo\nEND\n"
#define KEY_TEXT  "31415 92653\n"

static int
kit_up(void **state)
{
    struct jobkit *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    jobkit_begin(k);
    jobkit_source_file(k, "s", "hello\nworld\n!photo\nEND\n");
    jobkit_open(k, KS_STORE_WRITE, false);
    jobkit_backup(k, "s", NULL);
    *state = k;
    return 0;
}

static int
kit_down(void **state)
{
    jobkit_end(*state);
    free(*state);
    return 0;
}

static struct ks_restore_job
plan(struct jobkit *k, const char *to)
{
    return (struct ks_restore_job){
        .snapshot = "latest",
        .to = workdir_path(&k->dir, to),
        .original = true,
        .progress = &k->progress,
    };
}

static void
the_newest_snapshot_becomes_a_file(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "out");
    struct ks_restore_result r;

    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    assert_string_equal(r.path, job.to);
    assert_string_equal(r.source, "fake-v1");
    assert_int_equal(r.bytes, strlen(FILE_TEXT));
    assert_true(workdir_holds(&k->dir, "out", FILE_TEXT, strlen(FILE_TEXT)));
    ks_restore_result_wipe(&r);
    assert_null(r.path);
}

static void
a_snapshot_is_named_by_its_first_digits(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "out");
    struct ks_restore_result r;
    uint8_t id[16];
    char hex[9];

    jobkit_backup(k, "s", id);
    (void)snprintf(hex, sizeof(hex), "%02x%02x%02x%02x", id[0], id[1], id[2],
                   id[3]);
    job.snapshot = hex;
    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    assert_memory_equal(r.snapshot, id, 16);
    ks_restore_result_wipe(&r);
    job.snapshot = "zz";
    KIT_FAILS(KS_E_USAGE, ks_job_restore(&r, k->session, &job, KIT_ERR));
    job.snapshot = "zzzz";
    job.replace = true;
    KIT_FAILS(KS_E_NOTFOUND, ks_job_restore(&r, k->session, &job, KIT_ERR));
}

static void
in_a_folder_the_file_is_named_by_app_and_time(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "there");
    struct ks_restore_result r;
    const char *name;

    assert_int_equal(mkdir(job.to, 0700), 0);
    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    name = strrchr(r.path, '/') + 1;
    assert_int_equal(strlen(name), strlen("fake-2026-11-21-03-35-59.backup"));
    assert_memory_equal(name, "fake-2", 6);
    assert_string_equal(name + strlen(name) - 7, ".backup");
    assert_int_equal(workdir_entries(&k->dir, "there"), 1);
    ks_restore_result_wipe(&r);
}

static void
a_file_that_is_there_is_replaced_only_on_request(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "mine");
    struct ks_restore_result r;

    workdir_write(&k->dir, "mine", "precious", 8);
    KIT_FAILS(KS_E_EXISTS, ks_job_restore(&r, k->session, &job, KIT_ERR));
    assert_true(workdir_holds(&k->dir, "mine", "precious", 8));
    job.replace = true;
    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    ks_restore_result_wipe(&r);
    assert_true(workdir_holds(&k->dir, "mine", FILE_TEXT, strlen(FILE_TEXT)));
}

static void
a_fresh_file_takes_the_key_it_is_given(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "out");
    struct ks_secret *key = kit_secret("12345", 5);
    struct ks_restore_result r;

    job.original = false;
    job.target_key = key;
    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    ks_restore_result_wipe(&r);
    ks_secret_free(key);
}

static void
a_key_is_made_and_written_for_its_owner(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "out");
    struct ks_restore_result r;
    struct stat st;

    job.original = false;
    job.target_key_out = workdir_path(&k->dir, "key");
    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    ks_restore_result_wipe(&r);
    assert_true(workdir_holds(&k->dir, "key", KEY_TEXT, strlen(KEY_TEXT)));
    assert_int_equal(stat(job.target_key_out, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
a_key_is_not_left_behind_without_its_file(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "mine");
    struct ks_restore_result r;

    workdir_write(&k->dir, "mine", "precious", 8);
    job.original = false;
    job.target_key_out = workdir_path(&k->dir, "key");
    KIT_FAILS(KS_E_EXISTS, ks_job_restore(&r, k->session, &job, KIT_ERR));
    assert_int_equal(workdir_size(&k->dir, "key"), -1);
}

static void
a_key_file_is_never_replaced_nor_removed(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "out");
    struct ks_restore_result r;

    workdir_write(&k->dir, "key", "old key", 7);
    job.original = false;
    job.replace = true;
    job.target_key_out = workdir_path(&k->dir, "key");
    KIT_FAILS(KS_E_EXISTS, ks_job_restore(&r, k->session, &job, KIT_ERR));
    assert_true(workdir_holds(&k->dir, "key", "old key", 7));
    assert_int_equal(workdir_size(&k->dir, "out"), -1);
}

static void
what_is_stopped_leaves_nothing(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "out");
    struct ks_restore_result r;

    for (k->stop_at = 0; k->stop_at < 2; k->stop_at++) {
        k->steps = 0;
        KIT_FAILS(KS_E_CANCELLED,
                  ks_job_restore(&r, k->session, &job, KIT_ERR));
        assert_int_equal(workdir_size(&k->dir, "out"), -1);
    }
    k->steps = 0;
    KIT_OK(ks_job_restore(&r, k->session, &job, KIT_ERR));
    ks_restore_result_wipe(&r);
}

static void
a_missing_folder_is_said(void **state)
{
    struct jobkit *k = *state;
    struct ks_restore_job job = plan(k, "no/such/out");
    struct ks_restore_result r;

    KIT_FAILS(KS_E_NOTFOUND, ks_job_restore(&r, k->session, &job, KIT_ERR));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define RESTORE_TEST(f) cmocka_unit_test_setup_teardown(f, kit_up, kit_down)
        RESTORE_TEST(the_newest_snapshot_becomes_a_file),
        RESTORE_TEST(a_snapshot_is_named_by_its_first_digits),
        RESTORE_TEST(in_a_folder_the_file_is_named_by_app_and_time),
        RESTORE_TEST(a_file_that_is_there_is_replaced_only_on_request),
        RESTORE_TEST(a_fresh_file_takes_the_key_it_is_given),
        RESTORE_TEST(a_key_is_made_and_written_for_its_owner),
        RESTORE_TEST(a_key_is_not_left_behind_without_its_file),
        RESTORE_TEST(a_key_file_is_never_replaced_nor_removed),
        RESTORE_TEST(what_is_stopped_leaves_nothing),
        RESTORE_TEST(a_missing_folder_is_said),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
