/*
 * base/file: whole reads and writes, however the system deals them out.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "chance.h"
#include "check.h"
#include "fault.h"
#include "workdir.h"

static struct workdir work;
static uint8_t noise[200000];

static int
set_up(void **state)
{
    struct chance chance = chance_start("base/file");

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

/* The last failure of a read, for a look at its message. */
static struct ks_err last;

static int
read_file(const char *path, size_t max, struct ks_buf *out)
{
    last = KS_ERR_INIT;
    return ks_file_read(path, max, out, &last);
}

static void
files_of_every_size_are_read_whole(void **state)
{
    static const size_t sizes[] = {0,     1,     63,    64,    65,
                                   65535, 65536, 65537, 200000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        struct ks_buf out;

        workdir_write(&work, "f", noise, n);
        ks_buf_init(&out, 1 << 20);
        assert_int_equal(read_file(workdir_path(&work, "f"), 1 << 20, &out),
                         KS_OK);
        assert_int_equal(out.len, n);
        if (n > 0)
            assert_memory_equal(out.data, noise, n);

        /* The next is appended, and exactly max bytes are allowed. */
        assert_int_equal(read_file(workdir_path(&work, "f"), n, &out), KS_OK);
        assert_int_equal(out.len, 2 * n);
        if (n > 0)
            assert_memory_equal(out.data + n, noise, n);
        ks_buf_wipe(&out);
    }
}

static void
a_file_of_one_byte_too_many_is_refused(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf out;

    (void)state;
    workdir_write(&work, "f", noise, 1000);
    ks_buf_init(&out, 2000);
    assert_int_equal(ks_buf_append(&out, "kept", 4, &err), KS_OK);
    assert_int_equal(read_file(workdir_path(&work, "f"), 999, &out),
                     KS_E_LIMIT);
    assert_non_null(strstr(last.msg, "/f has 1000 bytes; 999 are allowed"));
    assert_int_equal(read_file(workdir_path(&work, "f"), 0, &out), KS_E_LIMIT);
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "kept", 4);

    /* What the buffer may hold counts like max. */
    assert_int_equal(ks_buf_zeros(&out, 1997, &err), KS_E_LIMIT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_buf_zeros(&out, 996, &err), KS_OK);
    assert_int_equal(read_file(workdir_path(&work, "f"), 9999, &out), KS_OK);
    assert_int_equal(out.len, 2000);
    assert_int_equal(read_file(workdir_path(&work, "f"), 9999, &out),
                     KS_E_LIMIT);
    assert_int_equal(out.len, 2000);
    ks_buf_wipe(&out);
}

/* A pipe that holds noise[0..n) and then ends; returns the end to read. */
static int
full_pipe(size_t n)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_true(n <= 65536); /* what Linux lets a pipe hold */
    assert_int_equal(write(ends[1], noise, n), (ssize_t)n);
    assert_int_equal(close(ends[1]), 0);
    return ends[0];
}

static void
a_pipe_is_read_to_its_end_and_held_to_the_maximum(void **state)
{
    static const size_t sizes[] = {0, 1, 64, 4096, 65536};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        int fd = full_pipe(n);
        struct ks_buf out;
        char path[64];

        (void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
        ks_buf_init(&out, 1 << 20);
        assert_int_equal(read_file(path, n, &out), KS_OK);
        assert_int_equal(out.len, n);
        if (n > 0)
            assert_memory_equal(out.data, noise, n);
        ks_buf_wipe(&out);
        (void)close(fd);

        if (n == 0)
            continue;
        fd = full_pipe(n);
        (void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
        assert_int_equal(read_file(path, n - 1, &out), KS_E_LIMIT);
        assert_non_null(strstr(last.msg, "is larger than"));
        assert_int_equal(out.len, 0);
        ks_buf_wipe(&out);
        (void)close(fd);
    }
}

static void
a_folder_is_no_file_and_a_missing_file_is_named(void **state)
{
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 100);
    assert_int_equal(read_file(work.path, 100, &out), KS_E_USAGE);
    assert_non_null(strstr(last.msg, "is a folder; a file is expected here"));
    assert_memory_equal(last.msg, work.path, strlen(work.path));

    assert_int_equal(read_file(workdir_path(&work, "none"), 100, &out),
                     KS_E_NOTFOUND);
    assert_int_equal(last.sys, ENOENT);
    assert_non_null(strstr(last.msg, "/none: No such file or directory"));

    workdir_write(&work, "f", "x", 1);
    assert_int_equal(read_file(workdir_path(&work, "f/below"), 100, &out),
                     KS_E_NOTFOUND);
    assert_int_equal(out.cap, 0);
    ks_buf_wipe(&out);
}

static void
a_read_fails_cleanly_whichever_call_fails(void **state)
{
    bool fired = true;
    long n = 0;

    (void)state;
    workdir_write(&work, "f", noise, 5000);
    for (; fired; n++) {
        size_t fds = fault_open_fds();
        struct ks_err err = KS_ERR_INIT;
        struct ks_buf out;
        int rc;

        ks_buf_init(&out, 9000);
        fault_arm(n);
        rc = ks_file_read(workdir_path(&work, "f"), 9000, &out, &err);
        fired = fault_disarm();
        assert_int_equal(rc, err.code);
        /* only a failing close, with all bytes read, harms nothing */
        assert_true(rc == KS_OK || fired);
        assert_int_equal(out.len, rc == KS_OK ? 5000 : 0);
        assert_true(rc == KS_OK || err.msg[0] != '\0');
        assert_int_equal(fault_open_fds(), fds);
        ks_buf_wipe(&out);
    }
    assert_string_equal(fault_log(), "open fstat malloc read read close");
    assert_int_equal(n, 7);
}

static void
a_read_of_a_pipe_fails_cleanly_without_memory(void **state)
{
    struct ks_buf out;
    char path[64];
    int fd = full_pipe(1000);
    int rc;

    (void)state;
    ks_buf_init(&out, 9000);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
    fault_arm_call("malloc", 0, 0);
    rc = read_file(path, 9000, &out);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_NOMEM);
    assert_memory_equal(last.msg, "cannot read /dev/fd/", 20);
    assert_int_equal(out.len, 0);
    (void)close(fd);
    ks_buf_wipe(&out);
}

static void
short_and_interrupted_reads_go_on(void **state)
{
    struct ks_buf out;

    (void)state;
    workdir_write(&work, "f", noise, 5000);
    ks_buf_init(&out, 9000);
    for (long n = 0; n < 3; n++) {
        ks_buf_reset(&out);
        fault_arm_short(n);
        assert_int_equal(read_file(workdir_path(&work, "f"), 9000, &out),
                         KS_OK);
        (void)fault_disarm();
        assert_int_equal(out.len, 5000);
        assert_memory_equal(out.data, noise, 5000);
    }
    for (long n = 0; n < 3; n++) {
        bool fired;

        ks_buf_reset(&out);
        fault_arm_call("open read", n, EINTR);
        assert_int_equal(read_file(workdir_path(&work, "f"), 9000, &out),
                         KS_OK);
        fired = fault_disarm();
        assert_true(fired);
        assert_int_equal(out.len, 5000);
        assert_memory_equal(out.data, noise, 5000);
    }
    ks_buf_wipe(&out);
}

static int
open_new(const char *name)
{
    int fd = open(workdir_path(&work, name), O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void
a_write_finishes_though_dealt_out_in_pieces(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open_new("w");

    (void)state;
    fault_arm_short(0);
    assert_int_equal(ks_fd_write(fd, noise, 4000, "w", &err), KS_OK);
    assert_true(fault_disarm());
    assert_string_equal(fault_log(), "write write");
    fault_arm_call("write", 0, EINTR);
    assert_int_equal(ks_fd_write(fd, noise + 4000, 1000, "w", &err), KS_OK);
    assert_true(fault_disarm());
    assert_int_equal(ks_fd_write(fd, NULL, 0, "w", &err), KS_OK);
    assert_int_equal(close(fd), 0);
    assert_true(workdir_holds(&work, "w", noise, 5000));
}

static void
a_write_that_fails_names_the_path_and_a_full_disk(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open_new("w");
    int rc;

    (void)state;
    fault_arm_lasting("write", 0, ENOSPC);
    rc = ks_fd_write(fd, "x", 1, "the/target", &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_FULL);
    assert_string_equal(err.msg,
                        "cannot write the/target: No space left on device");
    assert_int_equal(close(fd), 0);

    err = KS_ERR_INIT;
    fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(ks_fd_write(fd, "x", 1, "full", &err), KS_E_FULL);
    assert_int_equal(close(fd), 0);
}

static void
pread_is_short_only_at_the_end(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open_new("p");
    uint8_t buf[100];
    size_t got;

    (void)state;
    assert_int_equal(ks_fd_write(fd, noise, 100, "p", &err), KS_OK);
    for (size_t at = 0; at <= 101; at++) {
        size_t want = at < 100 ? 100 - at : 0;

        for (long cut = 0; cut < 2; cut++) {
            got = 999;
            fault_arm_short(cut);
            assert_int_equal(ks_fd_pread(fd, buf, 100, at, &got, &err), KS_OK);
            (void)fault_disarm();
            assert_int_equal(got, want);
            if (want > 0)
                assert_memory_equal(buf, noise + at, want);
        }
    }
    got = 999;
    assert_int_equal(ks_fd_pread(fd, buf, 0, 5, &got, &err), KS_OK);
    assert_int_equal(got, 0);
    assert_int_equal(close(fd), 0);
}

static void
pread_beyond_all_files_is_the_end(void **state)
{
    static const uint64_t far[] = {INT64_MAX - 100, INT64_MAX - 1, INT64_MAX,
                                   (uint64_t)INT64_MAX + 1, UINT64_MAX};
    int fd = open_new("p");
    uint8_t buf[100];

    (void)state;
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        struct ks_err err = KS_ERR_INIT;
        size_t got = 999;

        assert_int_equal(ks_fd_pread(fd, buf, sizeof(buf), far[i], &got, &err),
                         KS_OK);
        assert_int_equal(got, 0);
    }
    assert_int_equal(close(fd), 0);
}

static void
pread_that_fails_says_where_and_leaves_the_count(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open_new("p");
    uint8_t buf[100];
    size_t got = 999;
    int rc;

    (void)state;
    assert_int_equal(ks_fd_write(fd, noise, 100, "p", &err), KS_OK);
    fault_arm(0);
    rc = ks_fd_pread(fd, buf, sizeof(buf), 7, &got, &err);
    assert_true(fault_disarm());
    assert_string_equal(fault_log(), "pread");
    assert_int_equal(rc, KS_E_IO);
    assert_int_equal(got, 999);
    assert_string_equal(err.msg, "cannot read at offset 7: "
                                 "Input/output error");

    err = KS_ERR_INIT;
    fault_arm_call("pread", 0, EINTR);
    rc = ks_fd_pread(fd, buf, sizeof(buf), 0, &got, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_OK);
    assert_int_equal(got, 100);
    assert_int_equal(close(fd), 0);
}

static bool
is_private_folder(const char *name)
{
    struct stat st;

    return stat(workdir_path(&work, name), &st) == 0 && S_ISDIR(st.st_mode) &&
           (st.st_mode & 0777) == 0700;
}

static void
folders_are_made_with_those_above_them(void **state)
{
    static const char *const again[] = {"a",        "a/b",      "a/b/c/",
                                        "a//b///c", "a/b/../b", "./a"};
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_make_dirs(workdir_path(&work, "a/b/c"), &err), KS_OK);
    assert_true(is_private_folder("a"));
    assert_true(is_private_folder("a/b"));
    assert_true(is_private_folder("a/b/c"));
    for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
        assert_int_equal(ks_make_dirs(workdir_path(&work, again[i]), &err),
                         KS_OK);
    }
    assert_int_equal(ks_make_dirs("/", &err), KS_OK);
    assert_int_equal(ks_make_dirs("//", &err), KS_OK);
    assert_int_equal(ks_make_dirs(".", &err), KS_OK);
    assert_int_equal(symlink("a/b", workdir_path(&work, "link")), 0);
    assert_int_equal(ks_make_dirs(workdir_path(&work, "link/d"), &err), KS_OK);
    assert_true(is_private_folder("a/b/d"));
}

static void
folders_are_made_below_the_working_directory(void **state)
{
    char here[PATH_MAX];
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(work.path), 0);
    assert_int_equal(ks_make_dirs("rel/ative", &err), KS_OK);
    assert_int_equal(chdir(here), 0);
    assert_true(is_private_folder("rel/ative"));
}

static void
a_file_in_the_way_of_a_folder_is_said_so(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    workdir_write(&work, "file", "x", 1);
    assert_int_equal(ks_make_dirs(workdir_path(&work, "file"), &err),
                     KS_E_USAGE);
    assert_non_null(strstr(err.msg, "/file is a file; a folder is expected"));
    err = KS_ERR_INIT;
    assert_int_equal(ks_make_dirs(workdir_path(&work, "file/below"), &err),
                     KS_E_USAGE);
    assert_non_null(strstr(err.msg, "/file is a file; a folder is expected"));
    err = KS_ERR_INIT;
    assert_int_equal(ks_make_dirs("", &err), KS_E_USAGE);
    err = KS_ERR_INIT;
    assert_int_equal(symlink("nowhere", workdir_path(&work, "dangling")), 0);
    assert_int_equal(ks_make_dirs(workdir_path(&work, "dangling"), &err),
                     KS_E_NOTFOUND);
    assert_true(workdir_holds(&work, "file", "x", 1));
}

static void
making_folders_fails_with_whichever_call_fails(void **state)
{
    bool fired = true;
    long n = 0;

    (void)state;
    assert_int_equal(mkdir(workdir_path(&work, "s"), 0700), 0);
    for (; fired; n++) {
        struct ks_err err = KS_ERR_INIT;
        char name[64];
        char path[PATH_MAX];
        int rc;

        /* s stands, the two below it are new each time */
        (void)snprintf(name, sizeof(name), "s/n%ld/m", n);
        (void)snprintf(path, sizeof(path), "%s", workdir_path(&work, name));
        fault_arm(n);
        rc = ks_make_dirs(path, &err);
        fired = fault_disarm();
        assert_int_equal(rc == KS_OK, !fired);
        assert_int_equal(rc, err.code);
        assert_true(rc == KS_OK || err.msg[0] != '\0');
        assert_true(n < 100);
    }
    assert_memory_equal(fault_log(), "strdup mkdir stat ", 18);
    assert_non_null(strstr(fault_log(), "stat mkdir mkdir"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_every_size_are_read_whole),
        cmocka_unit_test(a_file_of_one_byte_too_many_is_refused),
        cmocka_unit_test(a_pipe_is_read_to_its_end_and_held_to_the_maximum),
        cmocka_unit_test(a_folder_is_no_file_and_a_missing_file_is_named),
        cmocka_unit_test(a_read_fails_cleanly_whichever_call_fails),
        cmocka_unit_test(a_read_of_a_pipe_fails_cleanly_without_memory),
        cmocka_unit_test(short_and_interrupted_reads_go_on),
        cmocka_unit_test(a_write_finishes_though_dealt_out_in_pieces),
        cmocka_unit_test(a_write_that_fails_names_the_path_and_a_full_disk),
        cmocka_unit_test(pread_is_short_only_at_the_end),
        cmocka_unit_test(pread_beyond_all_files_is_the_end),
        cmocka_unit_test(pread_that_fails_says_where_and_leaves_the_count),
        cmocka_unit_test(folders_are_made_with_those_above_them),
        cmocka_unit_test(folders_are_made_below_the_working_directory),
        cmocka_unit_test(a_file_in_the_way_of_a_folder_is_said_so),
        cmocka_unit_test(making_folders_fails_with_whichever_call_fails),
    };

    return cmocka_run_group_tests_name("base/file", tests, set_up, tear_down);
}
