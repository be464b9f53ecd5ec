/*
 * store/folder: what lies in the folder, what does not count, and in which
 * order things are synced. What all stores share is in tests/contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fault.h"
#include "store/store.h"
#include "workdir.h"

#define LEFTOVER ".tmp-0123456789abcdef"

static struct workdir dir;

static int
set_up(void **state)
{
    (void)state;
    workdir_make(&dir);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    workdir_remove(&dir);
    return 0;
}

static int
try_open(struct ks_store **s, enum ks_store_mode mode, struct ks_err *err)
{
    struct ks_store_options options = {.mode = mode};

    return ks_store_open_folder(s, workdir_path(&dir, "v"), &options, err);
}

static struct ks_store *
open_store(enum ks_store_mode mode)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;

    if (try_open(&s, mode, &err) != KS_OK)
        fail_msg("%s", err.msg);
    return s;
}

static int
put(struct ks_store *s, const char *name)
{
    struct ks_err err = KS_ERR_INIT;

    return ks_store_put(s, name, "text", 4, &err);
}

static unsigned
mode_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(workdir_path(&dir, name), &st), 0);
    return st.st_mode & 0777;
}

static void
objects_are_files_that_only_their_owner_may_read(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put(s, "vault"), KS_OK);
    assert_int_equal(put(s, "packs/00ff"), KS_OK);
    ks_store_close(s);
    assert_true(workdir_holds(&dir, "v/vault", "text", 4));
    assert_true(workdir_holds(&dir, "v/packs/00ff", "text", 4));
    assert_int_equal(mode_of("v"), 0700);
    assert_int_equal(mode_of("v/packs"), 0700);
    assert_int_equal(mode_of("v/vault"), 0600);
    assert_int_equal(mode_of("v/packs/00ff"), 0600);
    assert_int_equal(workdir_entries(&dir, "v"), 2);
    assert_int_equal(workdir_entries(&dir, "v/packs"), 1);
}

static void
the_bytes_are_synced_then_the_name_then_the_folder(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    fault_arm(FAULT_NEVER);
    assert_int_equal(put(s, "packs/a"), KS_OK);
    (void)fault_disarm();
    assert_string_equal(fault_log(),
                        "openat mkdirat fsync openat " /* a new folder */
                        "getrandom openat write fsync close renameat2 "
                        "fsync close");
    fault_arm(FAULT_NEVER);
    assert_int_equal(put(s, "packs/b"), KS_OK);
    (void)fault_disarm();
    assert_string_equal(fault_log(),
                        "openat getrandom openat write fsync close renameat2 "
                        "fsync close");
    ks_store_close(s);
}

static void
a_removal_syncs_the_folder(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(put(s, "packs/a"), KS_OK);
    fault_arm(FAULT_NEVER);
    assert_int_equal(ks_store_remove(s, "packs/a", &err), KS_OK);
    (void)fault_disarm();
    assert_string_equal(fault_log(), "openat unlinkat fsync close");
    ks_store_close(s);
}

static void
creating_syncs_the_folder_above(void **state)
{
    struct ks_store *s;

    (void)state;
    fault_arm(FAULT_NEVER);
    s = open_store(KS_STORE_CREATE);
    (void)fault_disarm();
    assert_string_equal(fault_log(), "calloc strdup mkdir open openat "
                                     "fdopendir readdir readdir readdir "
                                     "openat fsync close");
    ks_store_close(s);
}

static void
opening_for_reading_changes_nothing(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = open_store(KS_STORE_CREATE);
    char text[8];
    size_t got;

    (void)state;
    assert_int_equal(put(s, "packs/a"), KS_OK);
    ks_store_close(s);
    fault_arm(FAULT_NEVER);
    s = open_store(KS_STORE_READ);
    assert_int_equal(ks_store_get(s, "packs/a", 0, text, 8, &got, &err), KS_OK);
    (void)fault_disarm();
    assert_string_equal(fault_log(),
                        "calloc strdup open openat fstat pread pread close");
    ks_store_close(s);
}

static int
count_one(void *user, const char *name, uint64_t size)
{
    size_t *count = user;

    (void)name;
    (void)size;
    (*count)++;
    return 0;
}

static size_t
count_in(struct ks_store *s, const char *folder)
{
    struct ks_err err = KS_ERR_INIT;
    size_t count = 0;

    assert_int_equal(ks_store_list(s, folder, count_one, &count, &err), KS_OK);
    return count;
}

static void
what_is_not_named_like_an_object_is_passed_over(void **state)
{
    static const char *const others[] = {
        "v/packs/.hidden",
        "v/packs/.tmp-0123456789abcdef",
        "v/packs/a (conflicted copy 2026-11-21)",
        "v/packs/a.sync-conflict-20261121-101112-ABCDEFG",
        "v/packs/A",
        "v/packs/a~",
        "v/Thumbs.db",
    };
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put(s, "packs/a"), KS_OK);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        workdir_write(&dir, others[i], "x", 1);
    assert_int_equal(mkdir(workdir_path(&dir, "v/packs/folder"), 0700), 0);
    assert_int_equal(symlink("a", workdir_path(&dir, "v/packs/link")), 0);
    assert_int_equal(mkfifo(workdir_path(&dir, "v/packs/pipe"), 0600), 0);
    assert_int_equal(count_in(s, "packs"), 1);
    assert_int_equal(count_in(s, ""), 0);
    ks_store_close(s);
}

static void
only_regular_files_are_read(void **state)
{
    static const char *const names[] = {"folder", "link", "pipe"};
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put(s, "target"), KS_OK);
    assert_int_equal(mkdir(workdir_path(&dir, "v/folder"), 0700), 0);
    assert_int_equal(symlink("target", workdir_path(&dir, "v/link")), 0);
    assert_int_equal(mkfifo(workdir_path(&dir, "v/pipe"), 0600), 0);
    for (size_t i = 0; i < 3; i++) {
        struct ks_err err = KS_ERR_INIT;
        uint64_t size;
        size_t got;
        char byte;

        assert_int_equal(ks_store_get(s, names[i], 0, &byte, 1, &got, &err),
                         KS_E_CORRUPT);
        err = KS_ERR_INIT;
        assert_int_equal(ks_store_stat(s, names[i], &size, &err), KS_E_CORRUPT);
        assert_int_equal(put(s, names[i]), KS_E_EXISTS);
    }
    /* A file where a folder of objects would be has no objects in it. */
    assert_int_equal(count_in(s, "target"), 0);
    assert_int_equal(put(s, "target/a"), KS_E_IO);
    ks_store_close(s);
}

/* Make a file that was last changed `hours` ago. */
static void
write_old(const char *name, long hours)
{
    struct timespec times[2];

    workdir_write(&dir, name, "x", 1);
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
    times[0].tv_sec -= hours * 3600;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, workdir_path(&dir, name), times, 0),
                     0);
}

static void
only_old_leftovers_are_removed_and_only_for_writing(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put(s, "packs/a"), KS_OK);
    ks_store_close(s);
    write_old("v/" LEFTOVER, 25);
    write_old("v/packs/" LEFTOVER, 25);
    write_old("v/packs/.tmp-0123456789abcdee", 23);
    write_old("v/packs/.tmp-0123456789abcdefg", 25);
    write_old("v/packs/.tmp-notes", 25);
    write_old("v/packs/a2", 25);
    assert_int_equal(symlink("a", workdir_path(&dir, "v/.tmp-000000000000000"
                                                     "0")),
                     0);

    ks_store_close(open_store(KS_STORE_READ));
    assert_int_equal(workdir_entries(&dir, "v/packs"), 6);
    assert_int_equal(workdir_entries(&dir, "v"), 3);

    ks_store_close(open_store(KS_STORE_WRITE));
    assert_int_equal(workdir_size(&dir, "v/" LEFTOVER), -1);
    assert_int_equal(workdir_size(&dir, "v/packs/" LEFTOVER), -1);
    assert_int_equal(workdir_entries(&dir, "v/packs"), 5);
    assert_int_equal(workdir_entries(&dir, "v"), 2);
}

static void
failing_to_tidy_up_is_no_failure_to_open(void **state)
{
    bool fired = true;

    (void)state;
    ks_store_close(open_store(KS_STORE_CREATE));
    for (long n = 3; fired; n++) { /* after calloc, strdup, open */
        struct ks_err err = KS_ERR_INIT;
        struct ks_store *s = NULL;

        write_old("v/" LEFTOVER, 25);
        fault_arm(n);
        assert_int_equal(try_open(&s, KS_STORE_WRITE, &err), KS_OK);
        fired = fault_disarm();
        ks_store_close(s);
    }
    assert_int_equal(workdir_size(&dir, "v/" LEFTOVER), -1);
}

static void
creating_takes_an_empty_folder_and_no_other(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;

    (void)state;
    assert_int_equal(mkdir(workdir_path(&dir, "v"), 0755), 0);
    ks_store_close(open_store(KS_STORE_CREATE));
    workdir_write(&dir, "v/.something", "x", 1);
    assert_int_equal(try_open(&s, KS_STORE_CREATE, &err), KS_E_EXISTS);
    assert_non_null(strstr(err.msg, ".something"));
    assert_true(workdir_holds(&dir, "v/.something", "x", 1));
}

static void
a_full_disk_is_said_to_be_full_and_leaves_nothing(void **state)
{
    static const struct {
        const char *call;
        int why;
    } cases[] = {
        {"write", ENOSPC},     {"write", EDQUOT},  {"write", EFBIG},
        {"fsync", ENOSPC},     {"openat", ENOSPC}, {"close", EDQUOT},
        {"renameat2", ENOSPC},
    };
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put(s, "packs/first"), KS_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ks_err err = KS_ERR_INIT;
        int skip = strcmp(cases[i].call, "openat") == 0; /* the folder's */

        fault_arm_lasting(cases[i].call, skip, cases[i].why);
        assert_int_equal(ks_store_put(s, "packs/a", "x", 1, &err), KS_E_FULL);
        assert_true(fault_disarm());
        assert_non_null(strstr(err.msg, "/v/packs/a"));
        assert_int_equal(workdir_entries(&dir, "v/packs"), 1);
    }
    assert_int_equal(put(s, "packs/a"), KS_OK);
    ks_store_close(s);
}

static void
a_folder_that_cannot_be_synced_is_not_left_behind(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    fault_arm_call("fsync", 0, EIO);
    assert_int_equal(put(s, "packs/a"), KS_E_IO);
    assert_true(fault_disarm());
    assert_int_equal(workdir_entries(&dir, "v"), 0);
    assert_int_equal(put(s, "packs/a"), KS_OK);
    ks_store_close(s);
}

/* Put on a file system that lacks these calls. */
static int
put_without(struct ks_store *s, const char *name, const char *calls, int why)
{
    int rc;

    fault_arm_lasting(calls, 0, why);
    rc = put(s, name);
    assert_true(fault_disarm());
    return rc;
}

static void
without_a_rename_that_refuses_a_link_is_made(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put_without(s, "packs/a", "renameat2", EINVAL), KS_OK);
    assert_non_null(
        strstr(fault_log(), "fsync close renameat2 linkat unlinkat fsync"));
    assert_int_equal(put_without(s, "packs/b", "renameat2", ENOSYS), KS_OK);
    assert_true(workdir_holds(&dir, "v/packs/a", "text", 4));
    assert_true(workdir_holds(&dir, "v/packs/b", "text", 4));
    assert_int_equal(put_without(s, "packs/a", "renameat2", EINVAL),
                     KS_E_EXISTS);
    assert_int_equal(workdir_entries(&dir, "v/packs"), 2);
    ks_store_close(s);
}

static void
without_links_too_it_is_looked_for_and_then_renamed(void **state)
{
    struct ks_store *s = open_store(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(put_without(s, "packs/a", "renameat2 linkat", ENOSYS),
                     KS_OK);
    assert_non_null(
        strstr(fault_log(), "renameat2 linkat fstatat renameat fsync"));
    assert_int_equal(put_without(s, "packs/b", "renameat2 linkat", EINVAL),
                     KS_OK);
    assert_int_equal(put_without(s, "packs/a", "renameat2 linkat", ENOSYS),
                     KS_E_EXISTS);
    assert_true(workdir_holds(&dir, "v/packs/a", "text", 4));
    assert_int_equal(workdir_entries(&dir, "v/packs"), 2);
    ks_store_close(s);
}

int
main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(objects_are_files_that_only_their_owner_may_read),
        EACH(the_bytes_are_synced_then_the_name_then_the_folder),
        EACH(a_removal_syncs_the_folder),
        EACH(creating_syncs_the_folder_above),
        EACH(opening_for_reading_changes_nothing),
        EACH(what_is_not_named_like_an_object_is_passed_over),
        EACH(only_regular_files_are_read),
        EACH(only_old_leftovers_are_removed_and_only_for_writing),
        EACH(failing_to_tidy_up_is_no_failure_to_open),
        EACH(creating_takes_an_empty_folder_and_no_other),
        EACH(a_full_disk_is_said_to_be_full_and_leaves_nothing),
        EACH(a_folder_that_cannot_be_synced_is_not_left_behind),
        EACH(without_a_rename_that_refuses_a_link_is_made),
        EACH(without_links_too_it_is_looked_for_and_then_renamed),
    };
#undef EACH

    return cmocka_run_group_tests(tests, NULL, NULL);
}
