#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "check.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"
#include "fault.h"
#include "job/keys.h"
#include "jobkit.h"
#include "vault/vault.h"

static int
kit_up(void **state)
{
    struct jobkit *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    jobkit_begin(k);
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

static void
a_vault_is_made_with_a_slot_for_each_key(void **state)
{
    struct jobkit *k = *state;
    struct kit_key keys[3];
    struct ks_unlock unlocks[3];
    struct ks_init_job job = {
        .unlocks = unlocks, .unlock_count = 3, .slot_options = kit_quick};
    uint8_t id[16];
    size_t count;

    keys[0] = kit_recovery(1);
    keys[1] = kit_passphrase("correct horse");
    keys[2] = kit_raw(7);
    for (size_t i = 0; i < 3; i++)
        unlocks[i] = keys[i].unlock;
    job.where = workdir_path(&k->dir, "new.keepsay");
    KIT_OK(ks_job_init(id, &job, KIT_ERR));
    k->access.where = job.where;
    jobkit_open(k, KS_STORE_READ, false);
    assert_memory_equal(id, ks_vault_id(ks_session_vault(k->session)), 16);
    for (int kind = KS_SLOT_RECOVERY; kind <= KS_SLOT_RAW; kind++) {
        KIT_OK(ks_slot_count(&count, k->session, (enum ks_slot_kind)kind,
                             KIT_ERR));
        assert_int_equal(count, 1);
    }
    jobkit_close(k);
    for (size_t i = 0; i < 3; i++)
        kit_lock(&keys[i]);
}

static void
nothing_is_made_where_something_is(void **state)
{
    struct jobkit *k = *state;
    struct ks_init_job job = {.unlocks = &k->key.unlock,
                              .unlock_count = 1,
                              .slot_options = kit_quick};
    uint8_t id[16];

    job.where = k->vault;
    KIT_FAILS(KS_E_EXISTS, ks_job_init(id, &job, KIT_ERR));
    workdir_write(&k->dir, "mine.keepsay", "precious", 8);
    job.where = workdir_path(&k->dir, "mine.keepsay");
    KIT_FAILS(KS_E_EXISTS, ks_job_init(id, &job, KIT_ERR));
    assert_true(workdir_holds(&k->dir, "mine.keepsay", "precious", 8));
}

static void
an_archive_that_could_not_be_made_is_gone(void **state)
{
    struct jobkit *k = *state;
    struct kit_key bad = kit_key(KS_SLOT_RAW, "short", 5);
    struct ks_init_job job = {.unlocks = &bad.unlock, .unlock_count = 1};
    uint8_t id[16];

    job.where = workdir_path(&k->dir, "new.keepsay");
    KIT_FAILS(KS_E_USAGE, ks_job_init(id, &job, KIT_ERR));
    assert_int_equal(workdir_size(&k->dir, "new.keepsay"), -1);
    kit_lock(&bad);
}

/* The advice for a full disk is to make room and run the same again. */
static void
a_folder_that_could_not_be_made_can_be_made_again(void **state)
{
    struct jobkit *k = *state;
    struct kit_key keys[2];
    struct ks_unlock unlocks[2];
    struct ks_init_job job = {.unlocks = unlocks, .unlock_count = 2};
    bool failed = true;
    uint8_t id[16];
    long n;

    keys[0] = kit_raw(1);
    keys[1] = kit_raw(2);
    for (size_t i = 0; i < 2; i++)
        unlocks[i] = keys[i].unlock;
    job.where = workdir_path(&k->dir, "new");
    for (n = 0; failed; n++) {
        struct ks_err err = KS_ERR_INIT;
        int rc;

        fault_arm_lasting("write", n, ENOSPC);
        rc = ks_job_init(id, &job, &err);
        failed = fault_disarm();
        assert_int_equal(rc, failed ? KS_E_FULL : KS_OK);
        if (failed)
            assert_int_equal(access(job.where, F_OK), -1);
    }
    assert_true(n > 8); /* two copies each of header and slots, and rosters */
    for (size_t i = 0; i < 2; i++)
        kit_lock(&keys[i]);
}

/* A folder that was there, and empty, is the user's. */
static void
an_empty_folder_is_left_empty(void **state)
{
    struct jobkit *k = *state;
    struct ks_init_job job = {.unlocks = &k->key.unlock,
                              .unlock_count = 1,
                              .slot_options = kit_quick};
    uint8_t id[16];

    job.where = workdir_path(&k->dir, "new");
    assert_int_equal(mkdir(job.where, 0700), 0);
    fault_arm_lasting("write", 3, ENOSPC);
    KIT_FAILS(KS_E_FULL, ks_job_init(id, &job, KIT_ERR));
    assert_true(fault_disarm());
    assert_int_equal(access(job.where, F_OK), 0);
    KIT_OK(ks_job_init(id, &job, KIT_ERR));
}

static void
an_archive_that_met_a_full_disk_is_gone_too(void **state)
{
    struct jobkit *k = *state;
    struct ks_init_job job = {.unlocks = &k->key.unlock,
                              .unlock_count = 1,
                              .slot_options = kit_quick};
    struct ks_err err = KS_ERR_INIT;
    uint8_t id[16];
    int rc;

    job.where = workdir_path(&k->dir, "new.keepsay");
    fault_arm_lasting("fdatasync fsync", 0, ENOSPC);
    rc = ks_job_init(id, &job, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_FULL);
    assert_int_equal(workdir_size(&k->dir, "new.keepsay"), -1);
    KIT_OK(ks_job_init(id, &job, KIT_ERR));
}

static void
recovery_keys_are_new_each_time_and_read_back(void **state)
{
    struct jobkit *k = *state;
    struct ks_secret *a = NULL;
    struct ks_secret *b = NULL;
    char text[KS_RECOVERY_TEXT_SIZE];
    struct stat st;

    KIT_OK(ks_recovery_key_new(&a, KIT_ERR));
    KIT_OK(ks_recovery_key_new(&b, KIT_ERR));
    assert_int_equal(a->len, KS_RECOVERY_BYTES);
    assert_memory_not_equal(a->data, b->data, KS_RECOVERY_BYTES);
    KIT_OK(ks_recovery_key_write(workdir_path(&k->dir, "key"), a, KIT_ERR));
    ks_recovery_text(text, a->data);
    text[KS_RECOVERY_TEXT_SIZE - 1] = '\n'; /* where the NUL was */
    assert_true(workdir_holds(&k->dir, "key", text, KS_RECOVERY_TEXT_SIZE));
    assert_int_equal(stat(workdir_path(&k->dir, "key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    KIT_FAILS(KS_E_EXISTS,
              ks_recovery_key_write(workdir_path(&k->dir, "key"), b, KIT_ERR));
    ks_secret_free(a);
    ks_secret_free(b);
}

static void
a_slot_is_found_by_its_first_digits(void **state)
{
    struct jobkit *k = *state;
    struct ks_slot_info slot;
    struct ks_slot_info found;
    char hex[33];
    const uint8_t *id = ks_vault_opened_by(ks_session_vault(k->session));

    ks_hex_encode(hex, id, 16);
    KIT_OK(ks_slot_find(&slot, k->session, hex, KIT_ERR));
    hex[4] = '\0';
    KIT_OK(ks_slot_find(&found, k->session, hex, KIT_ERR));
    assert_memory_equal(found.id, id, 16);
    hex[3] = '\0';
    KIT_FAILS(KS_E_USAGE, ks_slot_find(&found, k->session, hex, KIT_ERR));
    KIT_FAILS(KS_E_USAGE, ks_slot_find(&found, k->session, "", KIT_ERR));
    KIT_FAILS(KS_E_USAGE, ks_slot_find(&found, k->session, "wxyz", KIT_ERR));
    ks_hex_encode(hex, id, 16);
    hex[31] = hex[31] == '0' ? '1' : '0';
    KIT_FAILS(KS_E_NOTFOUND, ks_slot_find(&found, k->session, hex, KIT_ERR));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define KEYS_TEST(f) cmocka_unit_test_setup_teardown(f, kit_up, kit_down)
        KEYS_TEST(a_vault_is_made_with_a_slot_for_each_key),
        KEYS_TEST(nothing_is_made_where_something_is),
        KEYS_TEST(an_archive_that_could_not_be_made_is_gone),
        KEYS_TEST(a_folder_that_could_not_be_made_can_be_made_again),
        KEYS_TEST(an_empty_folder_is_left_empty),
        KEYS_TEST(an_archive_that_met_a_full_disk_is_gone_too),
        KEYS_TEST(recovery_keys_are_new_each_time_and_read_back),
        KEYS_TEST(a_slot_is_found_by_its_first_digits),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
