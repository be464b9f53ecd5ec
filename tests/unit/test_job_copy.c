#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fault.h"
#include "job/copy.h"
#include "jobkit.h"
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

/* Copy the vault of the kit, or of `from`, to `to`. */
static int
copy(struct jobkit *k, const char *from, const char *to,
     struct ks_copy_result *out, struct ks_err *err)
{
    char from_path[300];
    char to_path[300];
    struct ks_copy_job job = {
        .from = from_path, .to = to_path, .progress = &k->progress};
    uint8_t id[16];

    (void)snprintf(from_path, sizeof(from_path), "%s",
                   workdir_path(&k->dir, from));
    (void)snprintf(to_path, sizeof(to_path), "%s", workdir_path(&k->dir, to));
    return ks_job_copy(out, id, &job, err);
}

static void
a_copy_goes_into_a_file_and_back(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result there;
    struct ks_copy_result back;
    struct ks_store *a;
    struct ks_store *b;

    KIT_OK(copy(k, "vault", "a.keepsay", &there, KIT_ERR));
    assert_true(there.objects > 4);
    assert_int_equal(there.objects_there, 0);
    KIT_OK(copy(k, "a.keepsay", "again", &back, KIT_ERR));
    assert_int_equal(back.objects, there.objects);
    a = kit_folder(k->vault);
    b = kit_folder(workdir_path(&k->dir, "again"));
    assert_true(kit_same(a, b));
    ks_store_close(a);
    ks_store_close(b);
}

static void
a_second_copy_brings_only_what_is_new(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result first;
    struct ks_copy_result again;

    KIT_OK(copy(k, "vault", "second", &first, KIT_ERR));
    KIT_OK(copy(k, "vault", "second", &again, KIT_ERR));
    assert_int_equal(again.objects, 0);
    assert_int_equal(again.objects_there, first.objects);
    jobkit_source_file(k, "s", "hello\n!photo\nmore\nEND\n");
    jobkit_backup(k, "s", NULL);
    KIT_OK(copy(k, "vault", "second", &again, KIT_ERR));
    assert_true(again.objects >= 2);
    assert_true(again.objects < first.objects);
}

static void
a_place_of_other_things_is_left_alone(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result r;

    assert_int_equal(mkdir(workdir_path(&k->dir, "mine"), 0700), 0);
    workdir_write(&k->dir, "mine/letter", "x", 1);
    KIT_FAILS(KS_E_EXISTS, copy(k, "vault", "mine", &r, KIT_ERR));
    assert_int_equal(workdir_entries(&k->dir, "mine"), 1);
    /* Even if something in it is called as ours are. */
    assert_int_equal(mkdir(workdir_path(&k->dir, "mine/packs"), 0700), 0);
    KIT_FAILS(KS_E_EXISTS, copy(k, "vault", "mine", &r, KIT_ERR));
    assert_int_equal(workdir_entries(&k->dir, "mine"), 2);
}

static void
an_empty_folder_will_do(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result r;

    assert_int_equal(mkdir(workdir_path(&k->dir, "empty"), 0700), 0);
    KIT_OK(copy(k, "vault", "empty", &r, KIT_ERR));
}

static void
a_place_is_not_copied_to_itself(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result r;

    assert_int_equal(symlink("vault", workdir_path(&k->dir, "link")), 0);
    KIT_SAYS(KS_E_USAGE, "same place", copy(k, "vault", "link", &r, KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "same place", copy(k, "vault", "vault", &r, KIT_ERR));
}

static void
what_is_no_vault_is_not_copied(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result r;

    KIT_FAILS(KS_E_NOTFOUND, copy(k, "nowhere", "x", &r, KIT_ERR));
    assert_int_equal(workdir_size(&k->dir, "x"), -1);
}

static void
a_stopped_copy_is_gone_on_with(void **state)
{
    struct jobkit *k = *state;
    static const char *const targets[] = {"second", "second.keepsay"};

    for (size_t i = 0; i < 2; i++) {
        struct ks_copy_result r;
        struct ks_store *store = NULL;
        struct ks_store_options options = {.mode = KS_STORE_READ};
        int stops = 0;

        for (;; stops++) {
            struct ks_err err = KS_ERR_INIT;
            int rc;

            k->steps = 0;
            k->stop_at = stops;
            rc = copy(k, "vault", targets[i], &r, &err);
            if (rc == KS_OK)
                break;
            assert_int_equal(rc, KS_E_CANCELLED);
        }
        assert_true(stops >= 2);
        KIT_OK(ks_place_open(&store, workdir_path(&k->dir, targets[i]),
                             &options, NULL, KIT_ERR));
        ks_store_close(store);
    }
}

static void
an_archive_that_holds_nothing_is_taken_away_again(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result r;

    k->steps = 0;
    k->stop_at = 0;
    KIT_FAILS(KS_E_CANCELLED, copy(k, "vault", "a.keepsay", &r, KIT_ERR));
    assert_int_equal(workdir_size(&k->dir, "a.keepsay"), -1);
}

static void
an_archive_that_met_a_full_disk_at_its_first_sync_is_gone(void **state)
{
    struct jobkit *k = *state;
    struct ks_err err = KS_ERR_INIT;
    struct ks_copy_result r;
    int rc;

    fault_arm_lasting("fdatasync fsync", 0, ENOSPC);
    rc = copy(k, "vault", "a.keepsay", &r, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_FULL);
    assert_int_equal(workdir_size(&k->dir, "a.keepsay"), -1);
    KIT_OK(copy(k, "vault", "a.keepsay", &r, KIT_ERR));
}

static void
a_file_that_is_no_archive_stays(void **state)
{
    struct jobkit *k = *state;
    struct ks_copy_result r;
    struct ks_err err = KS_ERR_INIT;

    workdir_write(&k->dir, "mine.keepsay", "my diary", 8);
    assert_true(copy(k, "vault", "mine.keepsay", &r, &err) < 0);
    assert_true(workdir_holds(&k->dir, "mine.keepsay", "my diary", 8));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define COPY_TEST(f) cmocka_unit_test_setup_teardown(f, kit_up, kit_down)
        COPY_TEST(a_copy_goes_into_a_file_and_back),
        COPY_TEST(a_second_copy_brings_only_what_is_new),
        COPY_TEST(a_place_of_other_things_is_left_alone),
        COPY_TEST(an_empty_folder_will_do),
        COPY_TEST(a_place_is_not_copied_to_itself),
        COPY_TEST(what_is_no_vault_is_not_copied),
        COPY_TEST(a_stopped_copy_is_gone_on_with),
        COPY_TEST(an_archive_that_holds_nothing_is_taken_away_again),
        COPY_TEST(an_archive_that_met_a_full_disk_at_its_first_sync_is_gone),
        COPY_TEST(a_file_that_is_no_archive_stays),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
