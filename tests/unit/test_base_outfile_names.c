/*
 * base/file, outfile: which names a file may be written under, and what its
 * temporary file is called meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "check.h"
#include "fault.h"
#include "workdir.h"

static const char old[] = "what was there";
static struct workdir work;

static int
set_up(void **state)
{
    (void)state;
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

/* Write ten digits to path, and commit. */
static int
write_ten(const char *path, bool replace, struct ks_err *err)
{
    struct ks_outfile *f = NULL;
    int rc = ks_outfile_open(&f, path, 0600, replace, err);

    if (rc == KS_OK)
        rc = ks_outfile_write(f, "0123456789", 10, err);
    if (rc == KS_OK)
        rc = ks_outfile_commit(f, err);
    ks_outfile_close(f);
    return rc;
}

static void
a_folder_or_odd_thing_at_the_target_is_refused(void **state)
{
    static const char *const folders[] = {"d", "d/", "d/.", "d/..", "none/"};
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(mkdir(workdir_path(&work, "d"), 0700), 0);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        err = KS_ERR_INIT;
        assert_int_equal(write_ten(workdir_path(&work, folders[i]), true, &err),
                         KS_E_USAGE);
        assert_non_null(
            strstr(err.msg, "is a folder; a file is expected here"));
    }
    err = KS_ERR_INIT;
    assert_int_equal(write_ten("/", true, &err), KS_E_USAGE);
    err = KS_ERR_INIT;
    assert_int_equal(write_ten(".", true, &err), KS_E_USAGE);
    err = KS_ERR_INIT;
    assert_int_equal(write_ten("", true, &err), KS_E_USAGE);

    /* A symbolic link may lead anywhere: it is not replaced, nor followed. */
    workdir_write(&work, "elsewhere", old, sizeof(old));
    assert_int_equal(symlink("elsewhere", workdir_path(&work, "link")), 0);
    assert_int_equal(mkfifo(workdir_path(&work, "fifo"), 0600), 0);
    err = KS_ERR_INIT;
    assert_int_equal(write_ten(workdir_path(&work, "link"), true, &err),
                     KS_E_EXISTS);
    assert_non_null(strstr(err.msg, "is no ordinary file"));
    err = KS_ERR_INIT;
    assert_int_equal(write_ten(workdir_path(&work, "fifo"), true, &err),
                     KS_E_EXISTS);
    assert_true(workdir_holds(&work, "elsewhere", old, sizeof(old)));
    assert_int_equal(workdir_entries(&work, "."), 4);
}

static void
a_missing_folder_is_named(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(write_ten(workdir_path(&work, "none/t"), true, &err),
                     KS_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "none/t: No such file or directory"));
    workdir_write(&work, "f", "x", 1);
    err = KS_ERR_INIT;
    assert_int_equal(write_ten(workdir_path(&work, "f/t"), true, &err),
                     KS_E_NOTFOUND);
}

static void
a_name_without_a_folder_is_in_the_working_directory(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f = NULL;
    char here[PATH_MAX];

    (void)state;
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(work.path), 0);
    assert_int_equal(ks_outfile_open(&f, "plain", 0600, false, &err), KS_OK);
    assert_int_equal(chdir(here), 0); /* it stays where it began */
    assert_int_equal(ks_outfile_write(f, "0123456789", 10, &err), KS_OK);
    assert_int_equal(ks_outfile_commit(f, &err), KS_OK);
    ks_outfile_close(f);
    assert_true(workdir_holds(&work, "plain", "0123456789", 10));
    assert_int_equal(workdir_entries(&work, "."), 1);
}

static void
names_up_to_the_longest_can_be_written(void **state)
{
    char name[NAME_MAX + 2];

    (void)state;
    for (size_t len = 240; len <= NAME_MAX + 1; len++) {
        struct ks_err err = KS_ERR_INIT;
        int rc;

        memset(name, 'n', len);
        name[len] = '\0';
        rc = write_ten(workdir_path(&work, name), false, &err);
        assert_int_equal(rc, len <= NAME_MAX ? KS_OK : KS_E_IO);
        assert_int_equal(err.sys, len <= NAME_MAX ? 0 : ENAMETOOLONG);
    }
    assert_int_equal(workdir_entries(&work, "."), NAME_MAX - 240 + 1);
}

/* The names of the temporary files, at most two. */
static size_t
temporary_names(char names[2][NAME_MAX + 1])
{
    DIR *dir = opendir(work.path);
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' || strlen(entry->d_name) <= 2)
            continue;
        assert_true(count < 2);
        (void)snprintf(names[count++], NAME_MAX + 1, "%s", entry->d_name);
    }
    (void)closedir(dir);
    return count;
}

static void
the_temporary_name_is_beside_the_target_and_random(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f[2] = {NULL, NULL};
    char names[2][NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            ks_outfile_open(&f[i], workdir_path(&work, "t"), 0640, true, &err),
            KS_OK);
    }
    assert_int_equal(temporary_names(names), 2);
    assert_string_not_equal(names[0], names[1]);
    for (size_t i = 0; i < 2; i++) {
        struct stat st;

        assert_memory_equal(names[i], ".t.tmp-", 7);
        assert_int_equal(strspn(names[i] + 7, "0123456789abcdef"), 8);
        assert_int_equal(strlen(names[i]), 15);
        assert_int_equal(stat(workdir_path(&work, names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777 & ~0640U, 0);
    }
    ks_outfile_close(f[0]);
    ks_outfile_close(f[1]);
}

static void
a_long_name_is_cut_for_its_temporary_file(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_outfile *f = NULL;
    char names[2][NAME_MAX + 1];
    char name[NAME_MAX + 1];

    (void)state;
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    assert_int_equal(
        ks_outfile_open(&f, workdir_path(&work, name), 0600, true, &err),
        KS_OK);
    assert_int_equal(temporary_names(names), 1);
    assert_int_equal(strlen(names[0]), NAME_MAX);
    assert_memory_equal(names[0] + NAME_MAX - 13, ".tmp-", 5);
    assert_int_equal(strspn(names[0] + NAME_MAX - 8, "0123456789abcdef"), 8);
    ks_outfile_close(f);
}

static void
another_writers_temporary_file_is_never_touched(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int rc;

    (void)state;
    workdir_write(&work, ".t.tmp-aaaaaaaa", old, sizeof(old));
    assert_int_equal(
        symlink("elsewhere", workdir_path(&work, ".l.tmp-aaaaaaaa")), 0);
    fault_fix_random(0xaa);
    rc = write_ten(workdir_path(&work, "t"), true, &err);
    assert_int_equal(rc, KS_E_EXISTS);
    err = KS_ERR_INIT;
    rc = write_ten(workdir_path(&work, "l"), true, &err);
    assert_int_equal(rc, KS_E_EXISTS);
    fault_fix_random(-1);
    assert_true(workdir_holds(&work, ".t.tmp-aaaaaaaa", old, sizeof(old)));
    assert_int_equal(workdir_entries(&work, "."), 2);
}

static void
a_temporary_name_in_use_makes_it_draw_another(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int rc;

    (void)state;
    fault_arm_call("openat", 1, EEXIST);
    rc = write_ten(workdir_path(&work, "t"), true, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_OK);
    assert_int_equal(fault_count("getrandom"), 2);

    /* But not for ever. */
    fault_arm_lasting("openat", 1, EEXIST);
    rc = write_ten(workdir_path(&work, "t"), true, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_EXISTS);
    assert_true(fault_count("getrandom") <= 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_folder_or_odd_thing_at_the_target_is_refused),
        T(a_missing_folder_is_named),
        T(a_name_without_a_folder_is_in_the_working_directory),
        T(names_up_to_the_longest_can_be_written),
        T(the_temporary_name_is_beside_the_target_and_random),
        T(a_long_name_is_cut_for_its_temporary_file),
        T(another_writers_temporary_file_is_never_touched),
        T(a_temporary_name_in_use_makes_it_draw_another),
    };

    return cmocka_run_group_tests_name("base/outfile, names", tests, NULL,
                                       NULL);
}
