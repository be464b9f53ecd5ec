#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "fault.h"
#include "job/memo.h"
#include "jobkit.h"
#include "vault/vault.h"

#define LINES "hello\nworld\n!photo\nEND\n"

static int
kit_up(void **state)
{
    struct jobkit *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    jobkit_begin(k);
    jobkit_source_file(k, "s", LINES);
    jobkit_open(k, KS_STORE_WRITE, false);
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

/* Back up with these options; true if nothing was read. */
static bool
is_unchanged(struct jobkit *k, const struct ks_backup_options *options)
{
    struct ks_backup_result result;
    bool unchanged;

    KIT_OK(ks_job_backup(&result, k->session, options, KIT_ERR));
    unchanged = result.unchanged;
    ks_backup_result_wipe(&result);
    return unchanged;
}

/*
 * Make the memo believe that the source has looked as it does now for long:
 * what a wait of two seconds would do. Its snapshot is `id`.
 */
static void
settle(struct jobkit *k, const char *name, const uint8_t *id)
{
    const struct ks_object_context *cx =
        ks_vault_context(ks_session_vault(k->session));
    struct ks_memo_entry entry = {.policy = KS_POLICY_INIT};
    struct ks_memo memo = {0};
    const char *folder;

    KIT_OK(ks_looks_take(&entry.looks, workdir_path(&k->dir, name), KIT_ERR));
    memcpy(entry.snapshot, id, 16);
    ks_memo_put(&memo, &entry);
    KIT_OK(ks_session_state(k->session, &folder, KIT_ERR));
    KIT_OK(ks_memo_write(&memo, cx, folder, KIT_ERR));
}

static void
a_source_becomes_a_snapshot(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_backup_result result;

    options.label = "first";
    KIT_OK(ks_job_backup(&result, k->session, &options, KIT_ERR));
    assert_false(result.unchanged);
    assert_string_equal(result.info.source, "fake-v1");
    assert_string_equal(result.info.label, "first");
    assert_int_equal(result.info.records, 3);
    assert_int_equal(result.info.new_records, 3);
    assert_int_equal(result.info.blobs, 1);
    assert_int_equal(result.info.generation, 1);
    assert_int_equal(result.info.lost, 0);
    ks_backup_result_wipe(&result);
    assert_int_equal(jobkit_snapshots(k), 1);
    assert_int_equal(k->source_key_asked, 1);
}

static void
a_second_run_adds_to_the_first(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_backup_result result;

    jobkit_backup(k, "s", NULL);
    jobkit_source_file(k, "s", "hello\nworld\n!photo\nagain\nEND\n");
    KIT_OK(ks_job_backup(&result, k->session, &options, KIT_ERR));
    assert_int_equal(result.info.generation, 2);
    assert_int_equal(result.info.records, 4);
    assert_int_equal(result.info.new_records, 1);
    assert_int_equal(result.info.new_blobs, 0);
    ks_backup_result_wipe(&result);
}

static void
a_file_that_looks_the_same_is_not_read(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_backup_result result;
    uint8_t id[16];

    jobkit_backup(k, "s", id);
    settle(k, "s", id);
    k->source_key_asked = 0;
    KIT_OK(ks_job_backup(&result, k->session, &options, KIT_ERR));
    assert_true(result.unchanged);
    assert_memory_equal(result.info.id, id, 16);
    assert_int_equal(result.info.records, 3);
    ks_backup_result_wipe(&result);
    assert_int_equal(k->source_key_asked, 0);
    assert_int_equal(jobkit_snapshots(k), 1);
}

static void
anything_else_makes_it_read(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    uint8_t id[16];

    jobkit_backup(k, "s", id);
    settle(k, "s", id);
    assert_true(is_unchanged(k, &options));
    options.force_read = true;
    assert_false(is_unchanged(k, &options));
    options.force_read = false;
    options.policy.no_media = true;
    assert_false(is_unchanged(k, &options));
    options.policy.no_media = false;
    options.label = "kept";
    assert_false(is_unchanged(k, &options));
    options.label = NULL;
    id[0] ^= 1; /* a snapshot that is not there */
    settle(k, "s", id);
    assert_false(is_unchanged(k, &options));
}

static void
a_file_that_has_just_changed_is_not_remembered(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");

    assert_false(is_unchanged(k, &options));
    assert_false(is_unchanged(k, &options));
    assert_int_equal(jobkit_snapshots(k), 2);
}

static void
a_file_that_has_settled_is_remembered(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_looks looks;

    do { /* its change time is set by the system alone */
        (void)usleep(50000);
        KIT_OK(ks_looks_take(&looks, options.path, KIT_ERR));
    } while (!ks_looks_settled(&looks, ks_now_ms()));
    assert_false(is_unchanged(k, &options));
    assert_true(is_unchanged(k, &options));
}

static void
a_wrong_source_key_stores_nothing(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_backup_result result;

    k->source_key = "barley";
    KIT_FAILS(KS_E_WRONG_SOURCE_KEY,
              ks_job_backup(&result, k->session, &options, KIT_ERR));
    assert_int_equal(jobkit_snapshots(k), 0);
    assert_int_equal(workdir_size(&k->dir, "vault/packs"), -1);
}

static void
an_incomplete_source_is_kept_only_on_request(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "cut");
    struct ks_backup_result result;

    jobkit_source_file(k, "cut", "hello\n");
    KIT_FAILS(KS_E_INCOMPLETE,
              ks_job_backup(&result, k->session, &options, KIT_ERR));
    assert_int_equal(jobkit_snapshots(k), 0);
    options.policy.allow_incomplete = true;
    assert_false(is_unchanged(k, &options));
    assert_int_equal(jobkit_snapshots(k), 1);
}

static void
losses_and_what_is_left_out_are_counted(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "torn");
    struct ks_backup_result result;

    jobkit_source_file(k, "torn", "hello\n?lost\n!photo\nEND\n");
    options.policy.no_media = true;
    KIT_OK(ks_job_backup(&result, k->session, &options, KIT_ERR));
    assert_int_equal(result.info.lost, 1);
    assert_int_equal(result.info.report_kept, 1);
    assert_int_equal(result.info.skip_count, 1);
    assert_int_equal(result.info.skips[0].count, 1);
    assert_true(result.info.filtered);
    ks_backup_result_wipe(&result);
}

static void
what_is_stopped_at_any_step_is_no_snapshot(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_backup_result result;
    int step = 0;

    for (;; step++) {
        struct ks_err err = KS_ERR_INIT;
        int rc;

        k->steps = 0;
        k->stop_at = step;
        rc = ks_job_backup(&result, k->session, &options, &err);
        if (rc == KS_OK)
            break;
        assert_int_equal(rc, KS_E_CANCELLED);
        assert_int_equal(jobkit_snapshots(k), 0);
    }
    ks_backup_result_wipe(&result);
    assert_int_equal(jobkit_snapshots(k), 1);
    assert_true(step >= 5);
}

static void
sources_that_are_gone_or_folders_are_refused(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "gone");
    struct ks_backup_result result;

    KIT_FAILS(KS_E_NOTFOUND,
              ks_job_backup(&result, k->session, &options, KIT_ERR));
    options.path = k->dir.path;
    KIT_FAILS(KS_E_USAGE,
              ks_job_backup(&result, k->session, &options, KIT_ERR));
}

static void
a_dry_run_says_what_it_would_cost_and_stores_nothing(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    struct ks_backup_result dry;
    struct ks_backup_result real;

    jobkit_open(k, KS_STORE_READ, true);
    KIT_OK(ks_job_backup(&dry, k->session, &options, KIT_ERR));
    jobkit_open(k, KS_STORE_WRITE, false);
    assert_int_equal(jobkit_snapshots(k), 0);
    KIT_OK(ks_job_backup(&real, k->session, &options, KIT_ERR));
    assert_int_equal(dry.info.new_records, real.info.new_records);
    assert_int_equal(dry.info.new_blobs, real.info.new_blobs);
    assert_int_equal(dry.info.added_bytes, real.info.added_bytes);
    ks_backup_result_wipe(&dry);
    ks_backup_result_wipe(&real);
    assert_int_equal(jobkit_snapshots(k), 1);
}

static void
a_memo_that_cannot_be_written_is_no_failure(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    const char *folder;
    uint8_t id[16];
    char memo[500];

    jobkit_backup(k, "s", id);
    KIT_OK(ks_session_state(k->session, &folder, KIT_ERR));
    (void)snprintf(memo, sizeof(memo), "state/%s/memo/in-the-way",
                   strrchr(folder, '/') + 1);
    memo[strlen(memo) - strlen("/in-the-way")] = '\0';
    (void)unlink(workdir_path(&k->dir, memo));
    assert_int_equal(mkdir(workdir_path(&k->dir, memo), 0700), 0);
    assert_false(is_unchanged(k, &options));
}

static void
the_first_calls_that_fail_leave_a_vault_that_works(void **state)
{
    struct jobkit *k = *state;
    struct ks_backup_options options = jobkit_options(k, "s");
    size_t failed = 0;

    /* What comes before the capture; that has a sweep of its own. */
    for (long n = 0; n < 40; n++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_backup_result result;
        int rc;

        fault_arm(n);
        rc = ks_job_backup(&result, k->session, &options, &err);
        (void)fault_disarm();
        if (rc == KS_OK) {
            ks_backup_result_wipe(&result);
            continue;
        }
        assert_int_equal(err.code, rc);
        failed++;
    }
    assert_true(failed > 20);
    assert_false(is_unchanged(k, &options));
    assert_int_equal(jobkit_snapshots(k), 40 - failed + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define BACKUP_TEST(f) cmocka_unit_test_setup_teardown(f, kit_up, kit_down)
        BACKUP_TEST(a_source_becomes_a_snapshot),
        BACKUP_TEST(a_second_run_adds_to_the_first),
        BACKUP_TEST(a_file_that_looks_the_same_is_not_read),
        BACKUP_TEST(anything_else_makes_it_read),
        BACKUP_TEST(a_file_that_has_just_changed_is_not_remembered),
        BACKUP_TEST(a_file_that_has_settled_is_remembered),
        BACKUP_TEST(a_wrong_source_key_stores_nothing),
        BACKUP_TEST(an_incomplete_source_is_kept_only_on_request),
        BACKUP_TEST(losses_and_what_is_left_out_are_counted),
        BACKUP_TEST(what_is_stopped_at_any_step_is_no_snapshot),
        BACKUP_TEST(sources_that_are_gone_or_folders_are_refused),
        BACKUP_TEST(a_dry_run_says_what_it_would_cost_and_stores_nothing),
        BACKUP_TEST(a_memo_that_cannot_be_written_is_no_failure),
        BACKUP_TEST(the_first_calls_that_fail_leave_a_vault_that_works),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
