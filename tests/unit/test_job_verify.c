#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "job/copy.h"
#include "job/memo.h"
#include "job/verify.h"
#include "jobkit.h"
#include "vault/note.h"
#include "vault/snapshots.h"
#include "vault/vault.h"

static int
kit_up(void **state)
{
    struct jobkit *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    jobkit_begin(k);
    jobkit_source_file(k, "s", "hello\n!photo\nEND\n");
    jobkit_open(k, KS_STORE_WRITE, false);
    jobkit_backup(k, "s", NULL);
    jobkit_open(k, KS_STORE_READ, false);
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

static void
count_damage(void *user, const struct ks_finding *finding)
{
    *(unsigned *)user += finding->damage;
}

/* Verify so many per cent; the damage found. */
static unsigned
verify(struct jobkit *k, unsigned percent, bool *noted)
{
    unsigned damage = 0;
    struct ks_verify_job job = {.data_percent = percent,
                                .found = count_damage,
                                .user = &damage,
                                .progress = &k->progress};
    struct ks_verify_result result;

    KIT_OK(ks_job_verify(&result, noted, k->session, &job, KIT_ERR));
    assert_int_equal(result.snapshots, 1);
    assert_int_equal(damage > 0, result.damaged > 0);
    return damage;
}

static bool
is_marked_verified(struct jobkit *k)
{
    struct ks_snapshots all;
    bool verified;

    KIT_OK(ks_snapshots_read(ks_session_vault(k->session), &all, KIT_ERR));
    verified = all.count == 1 && all.list[0].verified;
    ks_snapshots_free(&all);
    return verified;
}

static void
only_a_whole_reading_is_noted(void **state)
{
    struct jobkit *k = *state;
    bool noted = true;

    assert_int_equal(verify(k, 0, &noted), 0);
    assert_false(noted);
    assert_int_equal(verify(k, 99, &noted), 0);
    assert_false(noted);
    assert_false(is_marked_verified(k));
    assert_int_equal(verify(k, 100, &noted), 0);
    assert_true(noted);
    assert_true(is_marked_verified(k));
}

static void
each_note_is_above_the_last(void **state)
{
    struct jobkit *k = *state;
    const struct ks_object_context *cx =
        ks_vault_context(ks_session_vault(k->session));
    struct ks_notes notes;
    uint64_t before;
    bool noted;

    KIT_OK(ks_notes_read(cx, &notes, KIT_ERR));
    before = ks_notes_counter(&notes);
    ks_notes_free(&notes);
    (void)verify(k, 100, &noted);
    (void)verify(k, 100, &noted);
    KIT_OK(ks_notes_read(cx, &notes, KIT_ERR));
    assert_int_equal(ks_notes_counter(&notes), before + 2);
    ks_notes_free(&notes);
}

static void
damage_is_not_noted_as_whole(void **state)
{
    struct jobkit *k = *state;
    bool noted = true;
    char name[KS_NAME_MAX + 1];
    struct ks_store *store = kit_folder(k->vault);
    struct ks_buf pack;

    ks_buf_init(&pack, KS_OBJECT_MAX);
    kit_name(store, "packs", 0, name);
    kit_read(store, name, &pack);
    pack.data[pack.len / 2] ^= 1;
    kit_write(store, name, pack.data, pack.len);
    ks_store_close(store);
    ks_buf_wipe(&pack);
    assert_true(verify(k, 100, &noted) > 0);
    assert_false(noted);
    assert_false(is_marked_verified(k));
}

/* The part that is due next. */
static uint64_t
cycle(struct jobkit *k)
{
    struct ks_memo memo;

    KIT_OK(ks_memo_read(&memo, ks_vault_context(ks_session_vault(k->session)),
                        ks_session_state_name(k->session), KIT_ERR));
    return memo.verify_cycle;
}

static void
each_part_is_followed_by_the_next(void **state)
{
    struct jobkit *k = *state;
    bool noted;

    assert_int_equal(cycle(k), 0);
    (void)verify(k, 10, &noted);
    (void)verify(k, 10, &noted);
    assert_int_equal(cycle(k), 2);
    (void)verify(k, 0, &noted);
    (void)verify(k, 100, &noted);
    assert_int_equal(cycle(k), 2);
    jobkit_open(k, KS_STORE_READ, false);
    (void)verify(k, 10, &noted);
    assert_int_equal(cycle(k), 3);
}

static void
an_archive_is_noted_too(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_job job = {.from = k->vault};
    struct ks_copy_result copied;
    uint8_t id[16];
    bool noted = false;
    char to[300];

    (void)snprintf(to, sizeof(to), "%s", workdir_path(&k->dir, "a.keepsay"));
    job.to = to;
    KIT_OK(ks_job_copy(&copied, id, &job, KIT_ERR));
    k->access.where = to;
    jobkit_open(k, KS_STORE_READ, false);
    (void)verify(k, 100, &noted);
    assert_true(noted);
    jobkit_open(k, KS_STORE_READ, false);
    assert_true(is_marked_verified(k));
}

static void
a_vault_that_went_away_is_no_failure_of_the_proof(void **state)
{
    struct jobkit *k = *state;
    bool noted = true;
    char moved[300];

    /* The open folder stays; its name leads nowhere. */
    (void)snprintf(moved, sizeof(moved), "%s", workdir_path(&k->dir, "m"));
    assert_int_equal(rename(k->vault, moved), 0);
    assert_int_equal(verify(k, 100, &noted), 0);
    assert_false(noted);
    assert_int_equal(rename(moved, k->vault), 0);
}

static void
it_can_be_stopped(void **state)
{
    struct jobkit *k = *state;
    struct ks_verify_job job = {.data_percent = 100, .progress = &k->progress};
    struct ks_verify_result result;
    bool noted = true;

    k->steps = 0;
    k->stop_at = 0;
    KIT_FAILS(KS_E_CANCELLED,
              ks_job_verify(&result, &noted, k->session, &job, KIT_ERR));
    assert_false(noted);
    assert_false(is_marked_verified(k));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define VERIFY_TEST(f) cmocka_unit_test_setup_teardown(f, kit_up, kit_down)
        VERIFY_TEST(only_a_whole_reading_is_noted),
        VERIFY_TEST(each_note_is_above_the_last),
        VERIFY_TEST(damage_is_not_noted_as_whole),
        VERIFY_TEST(each_part_is_followed_by_the_next),
        VERIFY_TEST(an_archive_is_noted_too),
        VERIFY_TEST(a_vault_that_went_away_is_no_failure_of_the_proof),
        VERIFY_TEST(it_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
