/*
 * store/dir: temporary names, folder syncs, walks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fault.h"
#include "store/dir.h"
#include "workdir.h"

static void
temporary_names_are_known_and_differ(void **state)
{
    char a[KS_TEMP_NAME_SIZE];
    char b[KS_TEMP_NAME_SIZE];
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_int_equal(ks_dir_temp_name(a, &err), KS_OK);
    assert_int_equal(ks_dir_temp_name(b, &err), KS_OK);
    assert_true(ks_dir_is_temp_name(a));
    assert_int_equal(strlen(a), KS_TEMP_NAME_SIZE - 1);
    assert_string_not_equal(a, b);
}

static void
names_that_only_look_temporary_are_not(void **state)
{
    static const char *const others[] = {
        "",
        ".tmp-",
        "tmp-0123456789abcdef",
        ".tmp-0123456789abcde",
        ".tmp-0123456789abcdef0",
        ".tmp-0123456789abcdeF",
        ".tmp-0123456789abcdeg",
        ".tmp-0123456789abcdef~",
        "..tmp-0123456789abcdef",
    };

    (void)state;
    assert_true(ks_dir_is_temp_name(".tmp-0123456789abcdef"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(ks_dir_is_temp_name(others[i]));
}

static void
no_randomness_is_an_error(void **state)
{
    char name[KS_TEMP_NAME_SIZE];
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    fault_arm_call("getrandom", 0, 0);
    assert_int_equal(ks_dir_temp_name(name, &err), KS_E_IO);
    assert_true(fault_disarm());

    err = KS_ERR_INIT;
    fault_arm_call("getrandom", 0, EINTR);
    assert_int_equal(ks_dir_temp_name(name, &err), KS_OK);
    assert_true(fault_disarm());
    assert_int_equal(fault_count("getrandom"), 2);
}

static void
a_folder_that_cannot_be_synced_needs_no_sync(void **state)
{
    static const struct {
        int why;
        int code;
    } cases[] = {
        {EINVAL, KS_OK},
        {EOPNOTSUPP, KS_OK},
        {EIO, KS_E_IO},
        {ENOSPC, KS_E_FULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ks_err err = KS_ERR_INIT;

        fault_arm_call("fsync", 0, cases[i].why);
        assert_int_equal(ks_dir_sync(STDIN_FILENO, &err), cases[i].code);
        assert_true(fault_disarm());
    }
}

struct walk {
    size_t count;
    size_t stop_after;
};

static int
step(void *user, int fd, const char *name)
{
    struct walk *walk = user;

    assert_true(fd >= 0 && name[0] != '\0');
    return ++walk->count == walk->stop_after ? 42 : KS_OK;
}

static int
walk_over(const struct workdir *w, struct walk *walk)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return ks_dir_walk(fd, step, walk, &err);
}

static void
a_walk_sees_every_entry_and_closes_the_folder(void **state)
{
    struct workdir w;
    struct walk all = {0};
    struct walk some = {.stop_after = 2};
    size_t fds = fault_open_fds();

    (void)state;
    workdir_make(&w);
    assert_int_equal(walk_over(&w, &all), KS_OK);
    assert_int_equal(all.count, 0);
    workdir_write(&w, "a", "", 0);
    workdir_write(&w, ".b", "", 0);
    workdir_write(&w, "c d", "", 0);
    assert_int_equal(walk_over(&w, &all), KS_OK);
    assert_int_equal(all.count, 3);
    assert_int_equal(walk_over(&w, &some), 42);
    assert_int_equal(some.count, 2);
    for (long n = 0; n < 4; n++) {
        fault_arm_call(n == 0 ? "fdopendir" : "readdir", n, 0);
        assert_int_equal(walk_over(&w, &all), KS_E_IO);
        assert_true(fault_disarm());
    }
    assert_int_equal(fault_open_fds(), fds);
    workdir_remove(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporary_names_are_known_and_differ),
        cmocka_unit_test(names_that_only_look_temporary_are_not),
        cmocka_unit_test(no_randomness_is_an_error),
        cmocka_unit_test(a_folder_that_cannot_be_synced_needs_no_sync),
        cmocka_unit_test(a_walk_sees_every_entry_and_closes_the_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
