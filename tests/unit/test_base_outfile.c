/*
 * base/file, outfile: the target is old or new, never between, whichever
 * system call fails; and nothing temporary stays.
 *
 * Method: break the first fallible call, then the second, and so on, until a
 * run finishes with nothing left to break.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "chance.h"
#include "check.h"
#include "fault.h"
#include "workdir.h"

/* As much as an outfile gathers before it writes, or more. */
#define BUFFER ((size_t)1048576)
#define LARGE  (2 * BUFFER + 12345)

static const char old[] = "what was there";
static uint8_t noise[LARGE];
static struct workdir work;

static int
set_up(void **state)
{
    struct chance chance = chance_start("base/outfile");

    (void)state;
    chance_fill(&chance, noise, sizeof(noise));
    workdir_make(&work);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    workdir_remove(&work);
    return 0;
}

static int
empty_folder(void **state)
{
    struct workdir fresh;

    (void)state;
    workdir_make(&fresh);
    workdir_remove(&work);
    work = fresh;
    return 0;
}

/* Write noise[0..len) to the target in pieces of `step`, and commit. */
static int
write_target(const char *path, size_t len, size_t step, bool replace,
             struct ks_err *err)
{
    struct ks_outfile *f = NULL;
    int rc = ks_outfile_open(&f, path, 0600, replace, err);

    for (size_t at = 0; rc == KS_OK && at < len; at += step) {
        size_t n = len - at < step ? len - at : step;

        rc = ks_outfile_write(f, noise + at, n, err);
    }
    if (rc == KS_OK)
        rc = ks_outfile_commit(f, err);
    ks_outfile_close(f);
    return rc;
}

static void
what_was_written_is_there_after_commit(void **state)
{
    static const size_t lens[] = {0, 1, BUFFER - 1, BUFFER, BUFFER + 1, LARGE};
    static const size_t steps[] = {1, 4096, BUFFER - 1, BUFFER, LARGE};

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
            struct ks_err err = KS_ERR_INIT;

            assert_int_equal(write_target(workdir_path(&work, "t"), lens[i],
                                          steps[j], true, &err),
                             KS_OK);
            assert_true(workdir_holds(&work, "t", noise, lens[i]));
            assert_int_equal(workdir_entries(&work, "."), 1);
        }
    }
}

static void
pieces_of_any_size_keep_their_order(void **state)
{
    struct chance chance = chance_start("base/outfile");

    (void)state;
    for (int i = 0; i < 15; i++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_outfile *f = NULL;
        size_t at = 0;

        assert_int_equal(
            ks_outfile_open(&f, workdir_path(&work, "t"), 0600, true, &err),
            KS_OK);
        while (at < LARGE) {
            size_t left = LARGE - at;
            size_t n = chance_below(&chance, left + 1) >>
                       (chance_below(&chance, 2) * 12);

            assert_int_equal(ks_outfile_write(f, noise + at, n, &err), KS_OK);
            at += n;
        }
        assert_int_equal(ks_outfile_commit(f, &err), KS_OK);
        ks_outfile_close(f);
        assert_true(workdir_holds(&work, "t", noise, LARGE));
    }
}

static void
before_commit_nothing_is_at_the_target(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f = NULL;

    (void)state;
    assert_int_equal(
        ks_outfile_open(&f, workdir_path(&work, "t"), 0600, false, &err),
        KS_OK);
    assert_int_equal(ks_outfile_write(f, noise, LARGE, &err), KS_OK);
    assert_int_equal(workdir_size(&work, "t"), -1);
    assert_int_equal(workdir_entries(&work, "."), 1);
    ks_outfile_close(f);
    assert_int_equal(workdir_entries(&work, "."), 0);
    ks_outfile_close(NULL);
}

static void
closing_without_commit_leaves_the_old_file(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f = NULL;

    (void)state;
    workdir_write(&work, "t", old, sizeof(old));
    assert_int_equal(
        ks_outfile_open(&f, workdir_path(&work, "t"), 0600, true, &err), KS_OK);
    assert_int_equal(ks_outfile_write(f, noise, 100, &err), KS_OK);
    ks_outfile_close(f);
    assert_true(workdir_holds(&work, "t", old, sizeof(old)));
    assert_int_equal(workdir_entries(&work, "."), 1);
}

/* What a whole run calls, in order, for a file of one buffer or less. */
static const char log_new[] =
    "calloc strdup malloc strdup strdup openat fstatat getrandom openat "
    "write fsync close renameat2 fsync close";
static const char log_replace[] =
    "calloc strdup malloc strdup strdup openat fstatat getrandom openat "
    "write fsync close fstatat renameat fsync close";

/* The sweep, and in which order the syncs come. */
static void
sweep(bool replace, int why, const char *want_log)
{
    const long calls = replace ? 16 : 15;
    bool fired = true;
    long n = 0;

    for (; fired; n++) {
        size_t fds = fault_open_fds();
        struct ks_err err = KS_ERR_INIT;
        bool is_new;
        int rc;

        (void)unlink(workdir_path(&work, "t"));
        if (replace)
            workdir_write(&work, "t", old, sizeof(old));
        if (why == 0)
            fault_arm(n);
        else
            fault_arm_errno(n, why);
        rc = write_target(workdir_path(&work, "t"), 1000, 300, replace, &err);
        fired = fault_disarm();

        assert_int_equal(rc, err.code);
        /* the last call closes the folder, when all is done and synced */
        assert_int_equal(rc == KS_OK, n >= calls - 1);
        assert_true(rc == KS_OK || err.msg[0] != '\0');
        assert_int_equal(fault_open_fds(), fds);

        /* Old or new, nothing else, and no other entry in the folder. */
        is_new = workdir_holds(&work, "t", noise, 1000);
        if (!is_new && replace)
            assert_true(workdir_holds(&work, "t", old, sizeof(old)));
        if (!is_new && !replace)
            assert_int_equal(workdir_size(&work, "t"), -1);
        assert_int_equal(workdir_entries(&work, "."), is_new || replace);
        assert_true(rc != KS_OK || is_new);
        assert_true(n < 100);
    }
    assert_string_equal(fault_log(), want_log);
    /* every call of the log failed once, and one run was left alone */
    assert_int_equal(n, calls + 1);
}

static void
a_new_file_is_all_or_nothing_under_every_fault(void **state)
{
    (void)state;
    sweep(false, 0, log_new);
    sweep(false, ENOSPC, log_new);
    sweep(false, EIO, log_new);
}

static void
a_replaced_file_is_old_or_new_under_every_fault(void **state)
{
    (void)state;
    sweep(true, 0, log_replace);
    sweep(true, EDQUOT, log_replace);
    sweep(true, EROFS, log_replace);
}

static void
interrupted_calls_are_made_again(void **state)
{
    static const char calls[] = "openat getrandom write fsync";
    bool fired = true;
    long n = 0;

    (void)state;
    for (; fired; n++) {
        struct ks_err err = KS_ERR_INIT;

        fault_arm_call(calls, n, EINTR);
        assert_int_equal(
            write_target(workdir_path(&work, "t"), 1000, 300, true, &err),
            KS_OK);
        fired = fault_disarm();
        assert_true(workdir_holds(&work, "t", noise, 1000));
    }
    assert_int_equal(n, 7); /* two openat, a getrandom, a write, two fsync */
}

static void
short_writes_are_carried_on(void **state)
{
    bool fired = true;
    long n = 0;

    (void)state;
    for (; fired; n++) {
        struct ks_err err = KS_ERR_INIT;

        fault_arm_short(n);
        assert_int_equal(
            write_target(workdir_path(&work, "t"), LARGE, 1000, true, &err),
            KS_OK);
        fired = fault_disarm();
        assert_true(workdir_holds(&work, "t", noise, LARGE));
    }
    assert_true(n >= 3); /* that many writes, or more */
}

static void
a_full_disk_is_called_full_and_leaves_no_trace(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int rc;

    (void)state;
    fault_arm_lasting("write", 1, ENOSPC);
    rc = write_target(workdir_path(&work, "t"), LARGE, 1000, true, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_FULL);
    assert_non_null(strstr(err.msg, "cannot write "));
    assert_non_null(strstr(err.msg, "/t: No space left on device"));
    assert_int_equal(workdir_entries(&work, "."), 0);
}

static void
after_a_failed_write_nothing_more_is_believed(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f = NULL;

    (void)state;
    workdir_write(&work, "t", old, sizeof(old));
    assert_int_equal(
        ks_outfile_open(&f, workdir_path(&work, "t"), 0600, true, &err), KS_OK);
    fault_arm_lasting("write", 0, EIO);
    assert_int_equal(ks_outfile_write(f, noise, LARGE, &err), KS_E_IO);
    assert_true(fault_disarm());
    err = KS_ERR_INIT;
    assert_int_equal(ks_outfile_write(f, "x", 1, &err), KS_E_IO);
    err = KS_ERR_INIT;
    assert_int_equal(ks_outfile_commit(f, &err), KS_E_IO);
    assert_non_null(strstr(err.msg, "an earlier write"));
    ks_outfile_close(f);
    assert_true(workdir_holds(&work, "t", old, sizeof(old)));
    assert_int_equal(workdir_entries(&work, "."), 1);
}

static void
an_existing_file_is_not_replaced_unasked(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f = NULL;
    int rc;

    (void)state;
    workdir_write(&work, "t", old, sizeof(old));
    assert_int_equal(
        write_target(workdir_path(&work, "t"), 10, 10, false, &err),
        KS_E_EXISTS);
    assert_non_null(strstr(err.msg, "/t exists already and is not replaced"));

    /* One that appears while we write is kept just the same. */
    err = KS_ERR_INIT;
    assert_int_equal(
        ks_outfile_open(&f, workdir_path(&work, "u"), 0600, false, &err),
        KS_OK);
    workdir_write(&work, "u", old, sizeof(old));
    rc = ks_outfile_commit(f, &err);
    assert_int_equal(rc, KS_E_EXISTS);
    assert_non_null(strstr(err.msg, "/u appeared meanwhile"));
    ks_outfile_close(f);
    assert_true(workdir_holds(&work, "t", old, sizeof(old)));
    assert_true(workdir_holds(&work, "u", old, sizeof(old)));
    assert_int_equal(workdir_entries(&work, "."), 2);
}

/* File systems without the calls that replace nothing. */
static void
a_new_file_needs_neither_renameat2_nor_links(void **state)
{
    static const char *const lacking[] = {"renameat2", "renameat2 linkat"};
    static const int whys[] = {EINVAL, ENOSYS, ENOTSUP, EPERM};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct ks_err err = KS_ERR_INIT;
        const char *calls = lacking[i / 4];
        struct ks_outfile *f = NULL;
        int rc;

        fault_arm_lasting(calls, 0, whys[i % 4]);
        rc = write_target(workdir_path(&work, "t"), 1000, 300, false, &err);
        assert_true(fault_disarm());
        assert_int_equal(rc, KS_OK);
        assert_int_equal(fault_count("linkat"), 1);
        assert_int_equal(fault_count("renameat"), i / 4);
        assert_true(workdir_holds(&work, "t", noise, 1000));
        assert_int_equal(workdir_entries(&work, "."), 1);

        /* And one that appeared meanwhile is still kept. */
        assert_int_equal(
            ks_outfile_open(&f, workdir_path(&work, "u"), 0600, false, &err),
            KS_OK);
        workdir_write(&work, "u", old, sizeof(old));
        fault_arm_lasting(calls, 0, whys[i % 4]);
        rc = ks_outfile_commit(f, &err);
        assert_true(fault_disarm());
        assert_int_equal(rc, KS_E_EXISTS);
        ks_outfile_close(f);
        assert_true(workdir_holds(&work, "u", old, sizeof(old)));
        (void)unlink(workdir_path(&work, "t"));
        (void)unlink(workdir_path(&work, "u"));
        assert_int_equal(workdir_entries(&work, "."), 0);
    }
}

static void
a_file_system_that_syncs_no_folders_is_good_enough(void **state)
{
    static const int whys[] = {EINVAL, ENOTSUP};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ks_err err = KS_ERR_INIT;

        fault_arm_call("fsync", 1, whys[i]);
        assert_int_equal(
            write_target(workdir_path(&work, "t"), 10, 10, true, &err), KS_OK);
        assert_true(fault_disarm());

        /* Of the bytes themselves it is not. */
        fault_arm_call("fsync", 0, whys[i]);
        assert_int_equal(
            write_target(workdir_path(&work, "t"), 10, 10, true, &err),
            KS_E_IO);
        assert_true(fault_disarm());
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, empty_folder)
        T(what_was_written_is_there_after_commit),
        T(pieces_of_any_size_keep_their_order),
        T(before_commit_nothing_is_at_the_target),
        T(closing_without_commit_leaves_the_old_file),
        T(a_new_file_is_all_or_nothing_under_every_fault),
        T(a_replaced_file_is_old_or_new_under_every_fault),
        T(interrupted_calls_are_made_again),
        T(short_writes_are_carried_on),
        T(a_full_disk_is_called_full_and_leaves_no_trace),
        T(after_a_failed_write_nothing_more_is_believed),
        T(an_existing_file_is_not_replaced_unasked),
        T(a_new_file_needs_neither_renameat2_nor_links),
        T(a_file_system_that_syncs_no_folders_is_good_enough),
    };

    return cmocka_run_group_tests_name("base/outfile", tests, set_up,
                                       tear_down);
}
