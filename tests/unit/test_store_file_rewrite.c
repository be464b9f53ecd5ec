/*
 * store/file_rewrite: a removal makes a new file, in one step, beside anyone
 * who reads the old one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "check.h"
#include "fault.h"

#define COPY "." ARCHIVE_NAME ".tmp-0123456789abcdef"

static struct workdir dir;

static int
set_up(void **state)
{
    (void)state;
    workdir_make(&dir);
    archive_make(&dir, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    workdir_remove(&dir);
    return 0;
}

static struct ks_store *
open_archive(enum ks_store_mode mode)
{
    int rc;
    struct ks_store *s = archive_open(&dir, mode, &rc);

    assert_int_equal(rc, KS_OK);
    return s;
}

/* Back from state 3 to state 2. */
static int
go_back(struct ks_store *s)
{
    struct ks_err err = KS_ERR_INIT;

    if (ks_store_remove(s, "packs/c", &err) < 0 ||
        ks_store_remove(s, "notes/empty", &err) < 0)
        return err.code;
    return ks_store_sync(s, &err);
}

static void
a_removal_shrinks_the_file_and_leaves_nothing_dead(void **state)
{
    long before = workdir_size(&dir, ARCHIVE_NAME);
    struct ks_store *s = open_archive(KS_STORE_WRITE);

    (void)state;
    assert_int_equal(go_back(s), KS_OK);
    assert_int_equal(archive_state(s), 2);
    assert_int_equal(archive_check(s).count, 0);
    /* slots, objects, one table, its end slot */
    assert_int_equal(workdir_size(&dir, ARCHIVE_NAME),
                     1024 + 40 + 300 + 200 + 70 +
                         (72 + 5 * 29 + 5 + 7 + 10 + 7 + 11) + 512);
    assert_true(workdir_size(&dir, ARCHIVE_NAME) < before);
    assert_int_equal(workdir_entries(&dir, "."), 1);

    assert_int_equal(archive_commit(s, 3), KS_OK); /* and it goes on */
    ks_store_close(s);
    assert_int_equal(archive_look(&dir, false), 3);
}

static void
dead_bytes_of_many_commits_go_too(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_WRITE);
    struct ks_err err = KS_ERR_INIT;
    size_t names = 0;

    (void)state;
    for (int i = 0; i < 80; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "more/%d", i);
        names += strlen(name);
        assert_int_equal(ks_store_put(s, name, "x", 1, &err), KS_OK);
        assert_int_equal(ks_store_sync(s, &err), KS_OK);
    }
    assert_int_equal(ks_store_remove(s, "packs/b", &err), KS_OK);
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    ks_store_close(s);
    s = open_archive(KS_STORE_READ);
    assert_int_equal(archive_check(s).count, 0);
    ks_store_close(s);
    assert_int_equal(workdir_size(&dir, ARCHIVE_NAME),
                     1024 + 40 + 200 + 70 + 120 + 80 + 72 + 86 * 29 + 5 + 10 +
                         7 + 11 + 7 + 11 + (long)names + 512);
}

static void
the_copy_is_synced_before_it_takes_the_name(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_WRITE);

    (void)state;
    fault_arm(FAULT_NEVER);
    assert_int_equal(go_back(s), KS_OK);
    (void)fault_disarm();
    assert_non_null(strstr(fault_log(), "getrandom fstat openat flock "));
    assert_non_null(strstr(fault_log(),
                           "pread pwrite pread pwrite pread pwrite pread "
                           "pwrite "));
    assert_non_null(strstr(fault_log(), /* table, slots, sync, name, sync */
                           "pwrite pwrite fsync renameat close fsync"));
    assert_int_equal(fault_count("pwrite"), 6);
    ks_store_close(s);
}

static void
the_new_file_is_locked_like_the_old(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_WRITE);
    int rc;

    (void)state;
    assert_int_equal(go_back(s), KS_OK);
    assert_null(archive_open(&dir, KS_STORE_WRITE, &rc));
    assert_int_equal(rc, KS_E_BUSY);
    ks_store_close(s);
    ks_store_close(open_archive(KS_STORE_WRITE));
}

static void
who_reads_the_old_file_goes_on_reading_it(void **state)
{
    struct ks_store *reader = open_archive(KS_STORE_READ);
    struct ks_store *s = open_archive(KS_STORE_WRITE);

    (void)state;
    assert_int_equal(go_back(s), KS_OK);
    ks_store_close(s);
    assert_int_equal(archive_state(reader), 3);
    assert_int_equal(archive_check(reader).count, 0);
    ks_store_close(reader);
    assert_int_equal(archive_look(&dir, false), 2);
}

static void
permissions_stay(void **state)
{
    struct ks_store *s;
    struct stat st;

    (void)state;
    assert_int_equal(stat(workdir_path(&dir, ARCHIVE_NAME), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(workdir_path(&dir, ARCHIVE_NAME), 0640), 0);
    s = open_archive(KS_STORE_WRITE);
    assert_int_equal(go_back(s), KS_OK);
    ks_store_close(s);
    assert_int_equal(stat(workdir_path(&dir, ARCHIVE_NAME), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void
a_file_that_was_replaced_is_not_written(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_WRITE);
    int rc;

    (void)state;
    /* Another program opens the file, and before it has the lock this one
     * puts a new file in its place: as if the names did not match. */
    fault_arm_call("fstatat", 0, ENOENT);
    ks_store_close(s);
    s = archive_open(&dir, KS_STORE_WRITE, &rc);
    assert_true(fault_disarm());
    assert_null(s);
    assert_int_equal(rc, KS_E_BUSY);
}

static void
a_full_disk_keeps_the_file_and_the_removal_waits(void **state)
{
    uint8_t before[ARCHIVE_MAX];
    size_t len = archive_bytes(&dir, before);
    struct ks_store *s = open_archive(KS_STORE_WRITE);
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    fault_arm_lasting("pwrite", 2, ENOSPC);
    assert_int_equal(go_back(s), KS_E_FULL);
    assert_true(fault_disarm());
    assert_int_equal(workdir_entries(&dir, "."), 1);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, before, len));
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    ks_store_close(s);
    assert_int_equal(archive_look(&dir, false), 2);
}

static void
damage_is_not_copied_into_something_whole(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];
    size_t len = archive_bytes(&dir, bytes);
    struct archive_damage damage;
    struct ks_store *s;

    (void)state;
    bytes[1024 + 45] ^= 1; /* in packs/b */
    workdir_write(&dir, ARCHIVE_NAME, bytes, len);
    s = open_archive(KS_STORE_WRITE);
    assert_int_equal(go_back(s), KS_OK);
    damage = archive_check(s);
    assert_int_equal(damage.count, 1);
    assert_string_equal(damage.what, "object packs/b");
    ks_store_close(s);
}

static void
copies_left_behind_are_removed_by_the_next_writer(void **state)
{
    (void)state;
    workdir_write(&dir, COPY, "x", 1);
    workdir_write(&dir, COPY "0", "x", 1);
    workdir_write(&dir, "." ARCHIVE_NAME ".tmp-", "x", 1);
    workdir_write(&dir, ".b.keepsay.tmp-0123456789abcdef", "x", 1);
    ks_store_close(open_archive(KS_STORE_READ));
    assert_int_equal(workdir_entries(&dir, "."), 5);
    ks_store_close(open_archive(KS_STORE_WRITE));
    assert_int_equal(workdir_entries(&dir, "."), 4);
    assert_int_equal(workdir_size(&dir, COPY), -1);
}

int
main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(a_removal_shrinks_the_file_and_leaves_nothing_dead),
        EACH(dead_bytes_of_many_commits_go_too),
        EACH(the_copy_is_synced_before_it_takes_the_name),
        EACH(the_new_file_is_locked_like_the_old),
        EACH(who_reads_the_old_file_goes_on_reading_it),
        EACH(permissions_stay),
        EACH(a_file_that_was_replaced_is_not_written),
        EACH(a_full_disk_keeps_the_file_and_the_removal_waits),
        EACH(damage_is_not_copied_into_something_whole),
        EACH(copies_left_behind_are_removed_by_the_next_writer),
    };
#undef EACH

    return cmocka_run_group_tests(tests, NULL, NULL);
}
