/*
 * contract_faults: every libc call that can fail does so, one after the other,
 * and after each the store must have kept its word.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "contract_bench.h"
#include "fault.h"

#define SWEEP_MAX 2000L /* a sweep that is longer has lost its end */

/* How many temporary files lie in a folder and those below it. */
static size_t
count_temporary(const char *path)
{
    size_t count = 0;
    char below_path[1024];
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (strstr(entry->d_name, ".tmp-") != NULL)
            count++;
        (void)snprintf(below_path, sizeof(below_path), "%s/%s", path,
                       entry->d_name);
        if (entry->d_type == DT_DIR)
            count += count_temporary(below_path);
    }
    (void)closedir(dir);
    return count;
}

/* What a sweep asks of the store, once with every call broken in turn. */
struct sweep {
    /* The work during which one call fails. */
    int (*work)(struct fixture *f);
    /* After it: the store as it is, and opened again if that can be. */
    void (*judge)(struct ks_store *s, int rc, bool reopened);
};

/* One round: a store with two objects, one broken call. True if there was a
 * call left to break. */
static bool
sweep_round(const struct sweep *sweep, long n)
{
    struct fixture f = {.s = NULL};
    size_t fds;
    bool fired;
    int rc;

    workdir_make(&f.dir);
    f.s = open_or_die(&f.dir, KS_STORE_CREATE);
    assert_int_equal(try_put_text(f.s, "vault", "v"), KS_OK);
    assert_int_equal(try_put_text(f.s, "packs/old", "old object"), KS_OK);
    assert_int_equal(try_sync(f.s), KS_OK);
    fds = fault_open_fds();

    fault_arm(n);
    rc = sweep->work(&f);
    fired = fault_disarm();

    assert_true(fired || rc == KS_OK);
    assert_int_equal(fault_open_fds(), fds);
    assert_int_equal(count_temporary(f.dir.path), 0);
    sweep->judge(f.s, rc, false);
    if (contract_kind->lasts) {
        reopen(&f, KS_STORE_WRITE);
        sweep->judge(f.s, rc, true);
        assert_int_equal(try_put_text(f.s, "packs/after", "goes on"), KS_OK);
        assert_int_equal(try_sync(f.s), KS_OK);
    }
    ks_store_close(f.s);
    workdir_remove(&f.dir);
    return fired;
}

static void
sweep_all(const struct sweep *sweep)
{
    long n = 0;

    while (sweep_round(sweep, n)) {
        n++;
        assert_true(n < SWEEP_MAX);
    }
    print_message("%ld calls broken\n", n);
}

static int
work_put(struct fixture *f)
{
    int rc = try_put_text(f->s, "packs/new", "new object");

    return rc == KS_OK ? try_sync(f->s) : rc;
}

static void
judge_put(struct ks_store *s, int rc, bool reopened)
{
    assert_true(holds_text(s, "vault", "v"));
    assert_true(holds_text(s, "packs/old", "old object"));
    if (rc == KS_OK)
        assert_true(has_object(s, "packs/new"));
    if (has_object(s, "packs/new"))
        assert_true(holds_text(s, "packs/new", "new object"));
    else if (!reopened) /* a failed put can be tried again */
        assert_int_equal(try_put_text(s, "packs/new", "new object"), KS_OK);
}

static void
a_put_is_all_or_nothing_whichever_call_fails(void **state)
{
    static const struct sweep sweep = {work_put, judge_put};

    (void)state;
    sweep_all(&sweep);
}

static int
work_put_in_new_folder(struct fixture *f)
{
    return try_put_text(f->s, "snapshots/new", "first in its folder");
}

static void
judge_put_in_new_folder(struct ks_store *s, int rc, bool reopened)
{
    (void)reopened;
    assert_true(holds_text(s, "packs/old", "old object"));
    if (!reopened)
        assert_int_equal(has_object(s, "snapshots/new"), rc == KS_OK);
    if (has_object(s, "snapshots/new"))
        assert_true(holds_text(s, "snapshots/new", "first in its folder"));
}

static void
a_put_in_a_new_folder_is_all_or_nothing_too(void **state)
{
    static const struct sweep sweep = {work_put_in_new_folder,
                                       judge_put_in_new_folder};

    (void)state;
    sweep_all(&sweep);
}

static int
work_remove(struct fixture *f)
{
    int rc = try_remove(f->s, "packs/old");

    return rc == KS_OK ? try_sync(f->s) : rc;
}

static void
judge_remove(struct ks_store *s, int rc, bool reopened)
{
    (void)reopened;
    assert_true(holds_text(s, "vault", "v"));
    if (rc == KS_OK)
        assert_false(has_object(s, "packs/old"));
    if (has_object(s, "packs/old"))
        assert_true(holds_text(s, "packs/old", "old object"));
}

static void
a_removal_is_all_or_nothing_whichever_call_fails(void **state)
{
    static const struct sweep sweep = {work_remove, judge_remove};

    (void)state;
    sweep_all(&sweep);
}

static int
work_read(struct fixture *f)
{
    struct ks_err err = KS_ERR_INIT;
    struct seen seen = {.count = 0};
    char text[16] = {0};
    uint64_t size = 0;
    size_t got = 0;
    int rc = try_get(f->s, "packs/old", 0, text, sizeof(text), &got);

    if (rc == KS_OK) {
        assert_int_equal(got, 10);
        assert_string_equal(text, "old object");
        rc = try_stat(f->s, "packs/old", &size);
    }
    if (rc == KS_OK) {
        assert_int_equal(size, 10);
        rc =
            judged(ks_store_list(f->s, "packs", see_object, &seen, &err), &err);
    }
    if (rc == KS_OK)
        assert_true(seen.count == 1 && saw_once(&seen, "old", 10));
    return rc;
}

static void
judge_read(struct ks_store *s, int rc, bool reopened)
{
    (void)rc;
    (void)reopened;
    assert_true(holds_text(s, "vault", "v"));
    assert_true(holds_text(s, "packs/old", "old object"));
}

static void
reading_fails_plainly_or_not_at_all(void **state)
{
    static const struct sweep sweep = {work_read, judge_read};

    (void)state;
    sweep_all(&sweep);
}

static int
work_open(struct fixture *f)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;
    int rc =
        judged(contract_kind->open(&s, &f->dir, KS_STORE_READ, &err), &err);

    assert_int_equal(rc == KS_OK, s != NULL);
    ks_store_close(s);
    return rc;
}

static void
opening_leaks_nothing_whichever_call_fails(void **state)
{
    static const struct sweep sweep = {work_open, judge_read};

    (void)state;
    if (!contract_kind->lasts)
        skip();
    sweep_all(&sweep);
}

/* Creating has nothing before it, so it has a sweep of its own. */
static bool
create_round(long n)
{
    struct ks_err err = KS_ERR_INIT;
    struct workdir dir;
    struct ks_store *s = NULL;
    size_t fds = fault_open_fds();
    bool fired;
    int rc;

    workdir_make(&dir);
    fault_arm(n);
    rc = judged(contract_kind->open(&s, &dir, KS_STORE_CREATE, &err), &err);
    fired = fault_disarm();
    assert_true(fired || rc == KS_OK);
    assert_int_equal(rc == KS_OK, s != NULL);
    if (rc < 0) { /* and then it can be tried again */
        assert_int_equal(fault_open_fds(), fds);
        s = open_or_die(&dir, KS_STORE_CREATE);
    }
    assert_int_equal(try_put_text(s, "vault", "v"), KS_OK);
    assert_int_equal(try_sync(s), KS_OK);
    ks_store_close(s);
    workdir_remove(&dir);
    return fired;
}

static void
creating_can_be_tried_again_whichever_call_fails(void **state)
{
    long n = 0;

    (void)state;
    while (create_round(n)) {
        n++;
        assert_true(n < SWEEP_MAX);
    }
}

static void
short_and_interrupted_transfers_are_finished(void **state)
{
    static const char *const calls[] = {"read", "pread", "write", "pwrite"};
    struct fixture *f = *state;
    uint8_t data[5000];
    char name[32];

    fill_bytes(data, sizeof(data), 5);
    for (int n = 0; n < 12; n++) {
        size_t got = 0;
        uint8_t back[sizeof(data)];

        (void)snprintf(name, sizeof(name), "packs/%d", n);
        if (n < 8)
            fault_arm_short(n);
        else
            fault_arm_call(calls[n - 8], 0, EINTR);
        assert_int_equal(try_put(f->s, name, data, sizeof(data)), KS_OK);
        assert_int_equal(try_sync(f->s), KS_OK);
        assert_int_equal(try_get(f->s, name, 0, back, sizeof(back), &got),
                         KS_OK);
        (void)fault_disarm();
        assert_int_equal(got, sizeof(data));
        assert_memory_equal(back, data, sizeof(data));
        assert_true(holds_bytes(f->s, name, data, sizeof(data)));
    }
}

int
contract_faults(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_all_or_nothing_whichever_call_fails),
        cmocka_unit_test(a_put_in_a_new_folder_is_all_or_nothing_too),
        cmocka_unit_test(a_removal_is_all_or_nothing_whichever_call_fails),
        cmocka_unit_test(reading_fails_plainly_or_not_at_all),
        cmocka_unit_test(opening_leaks_nothing_whichever_call_fails),
        cmocka_unit_test(creating_can_be_tried_again_whichever_call_fails),
        EACH(short_and_interrupted_transfers_are_finished),
    };
#undef EACH

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
