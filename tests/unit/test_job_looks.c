#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fault.h"
#include "job/looks.h"
#include "vaultkit.h"
#include "workdir.h"

#define SECOND ((int64_t)1000 * 1000 * 1000)

static int
folder_up(void **state)
{
    struct workdir *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    workdir_make(w);
    *state = w;
    return 0;
}

static int
folder_down(void **state)
{
    workdir_remove(*state);
    free(*state);
    return 0;
}

static struct ks_looks
look(const struct workdir *w, const char *name)
{
    struct ks_looks looks;

    KIT_OK(ks_looks_take(&looks, workdir_path(w, name), KIT_ERR));
    return looks;
}

/* Give a file the times it had: only its bytes, and its change time, differ. */
static void
put_times(const struct workdir *w, const char *name, const struct ks_looks *l)
{
    struct timespec times[2] = {{0}};

    for (int i = 0; i < 2; i++) {
        times[i].tv_sec = (time_t)(l->mtime_ns / SECOND);
        times[i].tv_nsec = (long)(l->mtime_ns % SECOND);
    }
    assert_int_equal(utimensat(AT_FDCWD, workdir_path(w, name), times, 0), 0);
}

static void
a_file_that_is_left_alone_looks_the_same(void **state)
{
    struct workdir *w = *state;
    struct ks_looks a;
    struct ks_looks b;

    workdir_write(w, "f", "hello", 5);
    a = look(w, "f");
    b = look(w, "f");
    assert_true(ks_looks_same(&a, &b));
    assert_int_equal(a.size, 5);
}

static void
one_file_by_two_names_is_one_path(void **state)
{
    struct workdir *w = *state;
    struct ks_looks a;
    struct ks_looks b;

    workdir_write(w, "f", "hello", 5);
    assert_int_equal(symlink("f", workdir_path(w, "link")), 0);
    a = look(w, "f");
    b = look(w, "link");
    assert_true(ks_looks_same(&a, &b));
}

static void
a_change_at_either_edge_shows_in_spite_of_its_times(void **state)
{
    struct workdir *w = *state;
    size_t len = 3 * KS_LOOKS_EDGE;
    uint8_t *data = calloc(1, len);
    static const size_t seen[] = {0, KS_LOOKS_EDGE - 1, 2 * KS_LOOKS_EDGE,
                                  3 * KS_LOOKS_EDGE - 1};

    assert_non_null(data);
    workdir_write(w, "f", data, len);
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        struct ks_looks before = look(w, "f");
        struct ks_looks after;

        data[seen[i]] ^= 1;
        workdir_write(w, "f", data, len);
        put_times(w, "f", &before);
        after = look(w, "f");
        after.ctime_ns = before.ctime_ns;
        after.inode = before.inode;
        assert_int_equal(before.mtime_ns, after.mtime_ns);
        assert_false(ks_looks_same(&before, &after));
    }
    free(data);
}

static void
each_property_alone_makes_the_difference(void **state)
{
    struct workdir *w = *state;
    struct ks_looks a;

    workdir_write(w, "f", "hello", 5);
    a = look(w, "f");
    for (int i = 0; i < 7; i++) {
        struct ks_looks b = a;

        b.path[31] ^= i == 0;
        b.size += i == 1;
        b.mtime_ns += i == 2;
        b.ctime_ns += i == 3;
        b.inode += i == 4;
        b.head[0] ^= i == 5;
        b.tail[31] ^= i == 6;
        assert_false(ks_looks_same(&a, &b));
    }
}

static void
small_files_have_an_edge_as_well(void **state)
{
    struct workdir *w = *state;
    struct ks_looks empty;
    struct ks_looks one;

    workdir_write(w, "e", "", 0);
    workdir_write(w, "f", "x", 1);
    empty = look(w, "e");
    one = look(w, "f");
    assert_int_equal(empty.size, 0);
    assert_memory_equal(empty.head, empty.tail, 32);
    assert_memory_equal(one.head, one.tail, 32);
    assert_memory_not_equal(empty.head, one.head, 32);
}

static void
only_ordinary_files_have_looks(void **state)
{
    struct workdir *w = *state;
    struct ks_looks looks;

    assert_int_equal(mkdir(workdir_path(w, "d"), 0700), 0);
    assert_int_equal(mkfifo(workdir_path(w, "p"), 0600), 0);
    KIT_FAILS(KS_E_NOTFOUND,
              ks_looks_take(&looks, workdir_path(w, "no"), KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "folder",
             ks_looks_take(&looks, workdir_path(w, "d"), KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "no ordinary file",
             ks_looks_take(&looks, workdir_path(w, "p"), KIT_ERR));
}

static void
looks_settle_after_two_seconds(void **state)
{
    struct ks_looks l = {.mtime_ns = 10 * SECOND, .ctime_ns = 8 * SECOND};

    (void)state;
    assert_false(ks_looks_settled(&l, 11999));
    assert_true(ks_looks_settled(&l, 12000));
    l.ctime_ns = 11 * SECOND;
    assert_false(ks_looks_settled(&l, 12999));
    assert_true(ks_looks_settled(&l, 13000));
    l.mtime_ns = INT64_MAX;
    assert_false(ks_looks_settled(&l, 13000));
    l.mtime_ns = l.ctime_ns = INT64_MIN;
    assert_false(ks_looks_settled(&l, INT64_MAX));
}

static void
every_call_that_fails_is_reported_and_nothing_leaks(void **state)
{
    struct workdir *w = *state;
    size_t fds = fault_open_fds();
    const char *path;
    bool reached = true;
    long n = 0;

    workdir_write(w, "f", "hello", 5);
    path = workdir_path(w, "f");
    for (; reached; n++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_looks looks;
        int rc;

        fault_arm(n);
        rc = ks_looks_take(&looks, path, &err);
        reached = fault_disarm();
        if (rc != KS_OK)
            assert_int_equal(err.code, rc);
        assert_int_equal(fault_open_fds(), fds);
    }
    assert_true(fault_count("pread") >= 2);
    assert_true(n > 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define LOOKS_TEST(f) cmocka_unit_test_setup_teardown(f, folder_up, folder_down)
        LOOKS_TEST(a_file_that_is_left_alone_looks_the_same),
        LOOKS_TEST(one_file_by_two_names_is_one_path),
        LOOKS_TEST(a_change_at_either_edge_shows_in_spite_of_its_times),
        LOOKS_TEST(each_property_alone_makes_the_difference),
        LOOKS_TEST(small_files_have_an_edge_as_well),
        LOOKS_TEST(only_ordinary_files_have_looks),
        cmocka_unit_test(looks_settle_after_two_seconds),
        LOOKS_TEST(every_call_that_fails_is_reported_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
