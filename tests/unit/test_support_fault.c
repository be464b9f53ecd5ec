/*
 * tests/support/fault: the tool that all sweeps stand on works itself, for
 * every call that it says it wraps.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fault.h"
#include "workdir.h"

static struct workdir work;
static int fd = -1;  /* a file of 8 bytes, open to read and write */
static int dir = -1; /* the workdir */
static void *block;  /* some memory */

static int
set_up(void **state)
{
    (void)state;
    workdir_make(&work);
    workdir_write(&work, "f", "12345678", 8);
    fd = open(workdir_path(&work, "f"), O_RDWR);
    dir = open(work.path, O_RDONLY | O_DIRECTORY);
    block = malloc(8);
    return fd < 0 || dir < 0 || block == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    (void)close(fd);
    (void)close(dir);
    free(block);
    workdir_remove(&work);
    return 0;
}

static void *
idle(void *arg)
{
    return arg;
}

/* One of each wrapped call; the answer is whether it succeeded. */
static bool
make_call(const char *name)
{
    char b[4] = "abc";
    struct stat st;
    pthread_t thread;
    void *volatile p = NULL; /* else the compiler leaves out malloc, free */
    DIR *d;
    bool ok;
    int f;

#define CALL(n, succeeds)                                                      \
    if (strcmp(name, #n) == 0)                                                 \
        return (succeeds);
#define CALL_MEMORY(n, expression)                                             \
    if (strcmp(name, #n) == 0) {                                               \
        p = (expression);                                                      \
        ok = p != NULL;                                                        \
        free(p);                                                               \
        return ok;                                                             \
    }
#define CALL_OPEN(n, expression)                                               \
    if (strcmp(name, #n) == 0) {                                               \
        f = (expression);                                                      \
        ok = f >= 0;                                                           \
        fault_disarm();                                                        \
        if (ok)                                                                \
            (void)close(f);                                                    \
        return ok;                                                             \
    }
    CALL_MEMORY(malloc, malloc(3))
    CALL_MEMORY(calloc, calloc(1, 3))
    if (strcmp(name, "realloc") == 0) {
        p = realloc(block, 16); /* of NULL it would be compiled to malloc */
        block = p != NULL ? p : block;
        return p != NULL;
    }
    CALL_MEMORY(reallocarray, reallocarray(NULL, 1, 3))
    CALL_MEMORY(strdup, strdup("abc"))
    CALL_OPEN(open, open(work.path, O_RDONLY))
    CALL_OPEN(openat, openat(dir, "new", O_RDWR | O_CREAT, 0600))
    CALL(close, close(dup(fd)) == 0)
    CALL(lseek, lseek(fd, 0, SEEK_SET) == 0)
    CALL(read, read(fd, b, 2) == 2)
    CALL(write, write(fd, b, 2) == 2)
    CALL(pread, pread(fd, b, 2, 1) == 2)
    CALL(pwrite, pwrite(fd, b, 2, 1) == 2)
    CALL(ftruncate, ftruncate(fd, 8) == 0)
    CALL(posix_fallocate, posix_fallocate(fd, 0, 8) == 0)
    CALL(fstat, fstat(fd, &st) == 0)
    CALL(fstatat, fstatat(dir, "f", &st, 0) == 0)
    CALL(stat, stat(work.path, &st) == 0)
    CALL(lstat, lstat(work.path, &st) == 0)
    CALL(fsync, fsync(fd) == 0)
    CALL(fdatasync, fdatasync(fd) == 0)
    CALL(syncfs, syncfs(fd) == 0)
    CALL(rename,
         rename(workdir_path(&work, "new"), workdir_path(&work, "n1")) == 0)
    CALL(renameat, renameat(dir, "n1", dir, "n2") == 0)
    CALL(renameat2, renameat2(dir, "n2", dir, "n3", RENAME_NOREPLACE) == 0)
    CALL(link, link(workdir_path(&work, "n3"), workdir_path(&work, "n4")) == 0)
    CALL(linkat, linkat(dir, "n3", dir, "n5", 0) == 0)
    CALL(unlink, unlink(workdir_path(&work, "n4")) == 0)
    CALL(unlinkat, unlinkat(dir, "n5", 0) == 0)
    CALL(mkdir, mkdir(workdir_path(&work, "d1"), 0700) == 0)
    CALL(rmdir, rmdir(workdir_path(&work, "d1")) == 0)
    CALL(mkdirat, mkdirat(dir, "d2", 0700) == 0)
    CALL(flock, flock(fd, LOCK_EX | LOCK_NB) == 0)
    CALL(getrandom, getrandom(b, 1, 0) == 1)
    if (strcmp(name, "opendir") == 0 || strcmp(name, "readdir") == 0) {
        bool list = name[0] == 'r';

        d = opendir(work.path);
        ok = d != NULL && (!list || readdir(d) != NULL);
        if (d != NULL)
            (void)closedir(d);
        return ok;
    }
    if (strcmp(name, "fdopendir") == 0) {
        f = dup(dir);
        d = fdopendir(f);
        fault_disarm();
        if (d != NULL)
            return closedir(d) == 0;
        (void)close(f);
        return false;
    }
    if (strcmp(name, "pthread_create") == 0)
        return pthread_create(&thread, NULL, idle, NULL) == 0 &&
               pthread_join(thread, NULL) == 0;
    fail_msg("no such call: %s", name);
    return false;
}

/* In an order in which each finds what it needs. */
static const char *const calls[] = {
    "malloc",    "calloc",         "realloc",         "reallocarray",
    "strdup",    "open",           "openat",          "close",
    "lseek",     "read",           "write",           "pread",
    "pwrite",    "ftruncate",      "posix_fallocate", "fstat",
    "fstatat",   "stat",           "lstat",           "fsync",
    "fdatasync", "syncfs",         "rename",          "renameat",
    "renameat2", "link",           "linkat",          "unlink",
    "unlinkat",  "mkdir",          "rmdir",           "mkdirat",
    "flock",     "getrandom",      "opendir",         "readdir",
    "fdopendir", "pthread_create",
};

static void
every_call_fails_when_told_and_is_logged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        size_t fds = fault_open_fds();
        int why;

        fault_arm_call(calls[i], 0, 0);
        errno = 0;
        assert_false(make_call(calls[i]));
        why = errno;
        assert_true(fault_disarm());
        assert_true(fault_count(calls[i]) >= 1);
        assert_true(why != 0 || strncmp(calls[i], "p", 1) == 0);
        assert_int_equal(fault_open_fds(), fds);

        /* Armed but not meant, and disarmed: it works. */
        fault_arm(FAULT_NEVER);
        assert_true(make_call(calls[i]));
        assert_false(fault_disarm());
        assert_true(fault_count(calls[i]) >= 1);
    }
}

static void
only_the_nth_call_fails_and_all_are_logged(void **state)
{
    (void)state;
    for (long n = 0; n < 4; n++) {
        int failures = 0;

        fault_arm_errno(n, EROFS);
        for (int i = 0; i < 3; i++) {
            if (fsync(fd) != 0) {
                assert_int_equal(i, n);
                assert_int_equal(errno, EROFS);
                failures++;
            }
        }
        assert_int_equal(fault_disarm(), n < 3);
        assert_int_equal(failures, n < 3);
        assert_string_equal(fault_log(), "fsync fsync fsync");
        assert_int_equal(fault_count("fsync"), 3);
        assert_int_equal(fault_count("sync"), 0);
        assert_int_equal(fault_count("fsync fsync"), 0);
    }
    assert_int_equal(fsync(fd), 0);
    assert_string_equal(fault_log(), "fsync fsync fsync"); /* disarmed */
}

static void
memory_says_nomem_whatever_errno_is_asked_for(void **state)
{
    char *volatile copy; /* else the compiler leaves out strdup, free */
    int why;

    (void)state;
    fault_arm_errno(0, EIO);
    copy = strdup("text");
    why = errno;
    assert_true(fault_disarm());
    free(copy); /* there should be none */
    assert_int_equal(why, ENOMEM);
}

static void
a_fault_may_be_meant_for_some_calls_and_may_last(void **state)
{
    struct stat st;

    (void)state;
    fault_arm_call("fdatasync fstat", 1, EIO);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(fstat(fd, &st), -1);
    assert_int_equal(fdatasync(fd), 0);
    assert_true(fault_disarm());

    fault_arm_lasting("fdatasync fstat", 1, EIO);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(fstat(fd, &st), -1);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fdatasync(fd), -1);
    assert_int_equal(fstat(fd, &st), -1);
    assert_true(fault_disarm());
    assert_string_equal(fault_log(), "fdatasync fstat fsync fdatasync fstat");
}

static void
a_short_transfer_moves_half_and_fails_nothing(void **state)
{
    char b[8];

    (void)state;
    fault_arm_short(1);
    assert_int_equal(pread(fd, b, 1, 0), 1); /* too small to be cut */
    assert_int_equal(pread(fd, b, 8, 0), 8);
    assert_int_equal(pread(fd, b, 8, 0), 4);
    assert_int_equal(pread(fd, b, 8, 0), 8);
    assert_true(fault_disarm());

    fault_arm_short(0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(pwrite(fd, b, 3, 0), 1);
    assert_true(fault_disarm());
}

static void
the_log_holds_more_calls_than_anyone_makes(void **state)
{
    (void)state;
    fault_arm(FAULT_NEVER);
    for (int i = 0; i < 100000; i++)
        (void)lseek(fd, 0, SEEK_SET);
    assert_false(fault_disarm());
    assert_int_equal(fault_count("lseek"), 100000);
    assert_int_equal(strlen(fault_log()), 100000 * 6 - 1);
    fault_arm(FAULT_NEVER);
    assert_false(fault_disarm());
    assert_string_equal(fault_log(), "");
}

static void
a_close_that_fails_has_closed_all_the_same(void **state)
{
    size_t fds = fault_open_fds();
    int copy = dup(fd);

    (void)state;
    assert_int_equal(fault_open_fds(), fds + 1);
    fault_arm(0);
    assert_int_equal(close(copy), -1);
    assert_int_equal(errno, EIO);
    assert_true(fault_disarm());
    assert_int_equal(fault_open_fds(), fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails_when_told_and_is_logged),
        cmocka_unit_test(only_the_nth_call_fails_and_all_are_logged),
        cmocka_unit_test(memory_says_nomem_whatever_errno_is_asked_for),
        cmocka_unit_test(a_fault_may_be_meant_for_some_calls_and_may_last),
        cmocka_unit_test(a_short_transfer_moves_half_and_fails_nothing),
        cmocka_unit_test(the_log_holds_more_calls_than_anyone_makes),
        cmocka_unit_test(a_close_that_fails_has_closed_all_the_same),
    };

    return cmocka_run_group_tests_name("support/fault", tests, set_up,
                                       tear_down);
}
