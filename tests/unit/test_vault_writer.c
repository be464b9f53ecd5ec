/* Enrolling, run numbers and promises. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "crash_store.h"
#include "fault.h"
#include "vault/keyring.h"
#include "vault/writer.h"
#include "vaultkit.h"
#include "workdir.h"
#include "writer_bench.h"

static void
retire(struct writer_bench *b)
{
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t content[9] = {1};

    ks_object_name(name, KS_DIR_WRITERS, ks_writer_id(b->w));
    memcpy(name + strlen(name), ".retired", sizeof(".retired"));
    wb_put_sealed(b, KS_OBJ_RETIRED, name,
                  (struct ks_bytes){.ptr = content, .len = sizeof(content)});
}

static void
a_new_writer_enrols_in_a_folder_that_nobody_else_can_read(void **state)
{
    struct writer_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf content;
    struct stat st;
    char host[256] = "";

    ks_buf_init(&content, 1000);
    wb_open(b);
    wb_assert_last(b, 0, wb_zero);
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
    ks_object_name(name, KS_DIR_WRITERS, ks_writer_id(b->w));
    KIT_OK(ks_object_get(&b->cx, KS_OBJ_WRITER, name, &content, KIT_ERR));
    assert_int_equal(gethostname(host, 255), 0);
    assert_int_equal(content.len, 10 + strlen(host));
    assert_int_equal(content.data[0], 1);
    assert_true(ks_get_u64le(content.data + 1) > 1700000000000);
    assert_int_equal(content.data[9], strlen(host));
    assert_memory_equal(content.data + 10, host, strlen(host));
    assert_int_equal(stat(wb_folder(b), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(workdir_path(&b->dir, "a/state/writer"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(workdir_path(&b->dir, "a/state/lock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    ks_buf_wipe(&content);
}

static void
a_writer_stays_the_same_from_run_to_run(void **state)
{
    struct writer_bench *b = *state;
    uint8_t id[16];
    uint64_t first;

    wb_open(b);
    memcpy(id, ks_writer_id(b->w), 16);
    first = wb_commit(b, wb_snapshot_a);
    assert_true(first == 1);
    wb_assert_last(b, 1, wb_snapshot_a);
    wb_open(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    wb_assert_last(b, 1, wb_snapshot_a);
    assert_true(wb_commit(b, wb_snapshot_b) == 2);
    assert_true(wb_begin(b, 0) == 3);
    wb_open(b);
    wb_assert_last(b, 2, wb_snapshot_b);
    assert_true(wb_begin(b, 0) == 4); /* 3 was given away */
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
}

static void
a_run_is_newer_than_any_that_the_vault_has_seen(void **state)
{
    struct writer_bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    uint64_t run = 9;

    wb_open(b);
    assert_true(wb_begin(b, 41) == 42);
    assert_true(wb_begin(b, 7) == 43);
    assert_true(wb_begin(b, UINT64_MAX - 1) == UINT64_MAX);
    assert_int_equal(ks_writer_begin(b->w, 0, &run, &err), KS_E_LIMIT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_writer_begin(b->w, UINT64_MAX, &run, &err), KS_E_LIMIT);
    assert_true(run == 9);
}

static void
two_runs_at_once_are_refused(void **state)
{
    struct writer_bench *b = *state;
    struct ks_writer *second = NULL;

    wb_open(b);
    KIT_FAILS(KS_E_BUSY,
              ks_writer_open(&second, &b->cx, wb_folder(b), KIT_ERR));
    assert_null(second);
    wb_close(b);
    KIT_OK(ks_writer_open(&second, &b->cx, wb_folder(b), KIT_ERR));
    ks_writer_close(second);
}

static void
a_retired_writer_enrols_afresh(void **state)
{
    struct writer_bench *b = *state;
    uint8_t id[16];

    for (int committed = 0; committed < 2; committed++) {
        wb_open(b);
        memcpy(id, ks_writer_id(b->w), 16);
        if (committed == 1)
            (void)wb_commit(b, wb_snapshot_a);
        retire(b);
        wb_open(b);
        assert_memory_not_equal(ks_writer_id(b->w), id, 16);
        wb_assert_last(b, 0, wb_zero);
        assert_true(wb_begin(b, 0) == 1);
    }
}

static void
a_writer_that_the_vault_has_forgotten_enrols_afresh(void **state)
{
    struct writer_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[16];

    wb_open(b);
    (void)wb_commit(b, wb_snapshot_a);
    memcpy(id, ks_writer_id(b->w), 16);
    ks_object_name(name, KS_DIR_WRITERS, id);
    kit_remove(b->store, name); /* the store went back in time */
    wb_open(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    wb_assert_last(b, 0, wb_zero);
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
}

static void
a_writer_that_has_begun_no_run_keeps_its_name(void **state)
{
    struct writer_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[16];

    wb_open(b);
    memcpy(id, ks_writer_id(b->w), 16);
    ks_object_name(name, KS_DIR_WRITERS, id);
    kit_remove(b->store, name); /* the put is still on its way */
    wb_open(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
}

static void
a_promised_snapshot_that_is_there_was_committed(void **state)
{
    struct writer_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    wb_open(b);
    (void)wb_commit(b, wb_snapshot_a);
    assert_true(wb_begin(b, 0) == 2);
    KIT_OK(ks_writer_promise(b->w, wb_snapshot_b, KIT_ERR));
    ks_object_name(name, KS_DIR_SNAPSHOTS, wb_snapshot_b);
    kit_write(b->store, name, "snapshot", 8);
    wb_open(b); /* as after a crash */
    wb_assert_last(b, 2, wb_snapshot_b);
    assert_true(wb_begin(b, 0) == 3);
    wb_open(b);
    wb_assert_last(b, 2, wb_snapshot_b);
}

static void
a_promised_snapshot_that_is_not_there_is_void_for_ever(void **state)
{
    struct writer_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    wb_open(b);
    (void)wb_commit(b, wb_snapshot_a);
    assert_true(wb_begin(b, 0) == 2);
    KIT_OK(ks_writer_promise(b->w, wb_snapshot_b, KIT_ERR));
    wb_open(b);
    wb_assert_last(b, 1, wb_snapshot_a);
    ks_object_name(name, KS_DIR_SNAPSHOTS, wb_snapshot_b);
    kit_write(b->store, name, "snapshot", 8); /* too late */
    wb_open(b);
    wb_assert_last(b, 1, wb_snapshot_a);
    assert_true(wb_begin(b, 0) == 3);
}

static void
a_crash_while_enrolling_leaves_no_writer_that_nobody_is(void **state)
{
    struct writer_bench *b = *state;
    bool crashed = true;

    for (long steps = 0; crashed; steps++) {
        struct writer_bench c = {.store = kit_memory(), .keys = b->keys};
        struct ks_store *s = crash_store(c.store, steps);
        struct ks_err err;
        int rc;

        workdir_make(&c.dir);
        c.cx = kit_context(c.store, c.keys);
        wb_put_mark(&c, 7, 2);
        c.cx.store = s;
        rc = wb_try_open(&c, &err);
        crashed = crash_store_crashed(s);
        assert_int_equal(rc, crashed ? KS_E_IO : KS_OK);
        c.cx.store = c.store;
        wb_open(&c);
        assert_int_equal(kit_count(c.store, KS_DIR_WRITERS), 1);
        assert_int_equal(kit_count(c.store, KS_DIR_ACKS), 1);
        assert_true(wb_doomed(&c, 8));
        wb_close(&c);
        ks_store_close(s);
        ks_store_close(c.store);
        workdir_remove(&c.dir);
    }
}

static void
any_failing_call_while_enrolling_can_be_tried_again(void **state)
{
    struct writer_bench *b = *state;
    bool fired = true;
    long n = 0;

    for (; fired; n++) {
        struct writer_bench c = {.store = kit_memory(), .keys = b->keys};
        struct ks_err err;
        size_t fds = fault_open_fds();
        int rc;

        workdir_make(&c.dir);
        c.cx = kit_context(c.store, c.keys);
        wb_put_mark(&c, 7, 2);
        fault_arm(n);
        rc = wb_try_open(&c, &err);
        fired = fault_disarm();
        if (rc == KS_OK)
            assert_true(wb_doomed(&c, 8));
        wb_close(&c);
        assert_int_equal(fault_open_fds(), fds);
        wb_open(&c);
        assert_int_equal(kit_count(c.store, KS_DIR_WRITERS), 1);
        assert_true(wb_doomed(&c, 8));
        wb_close(&c);
        ks_store_close(c.store);
        workdir_remove(&c.dir);
    }
    assert_true(n > 30);
    assert_int_equal(fault_count("flock"), 1);
    assert_int_equal(fault_count("renameat") + fault_count("rename") +
                         fault_count("renameat2"),
                     1);
    assert_true(fault_count("fsync") >= 2);
}

/* Begin, promise and commit with the n-th call failing; whether it failed. */
static bool
run_under_fault(struct writer_bench *b, long n, int *done)
{
    struct ks_err err = KS_ERR_INIT;
    uint64_t run = 0;

    *done = 0;
    fault_arm(n);
    if (ks_writer_begin(b->w, 0, &run, &err) == KS_OK)
        *done = 1;
    if (*done == 1 && ks_writer_promise(b->w, wb_snapshot_b, &err) == KS_OK)
        *done = 2;
    if (*done == 2 && ks_writer_committed(b->w, &err) == KS_OK)
        *done = 3;
    return fault_disarm();
}

static void
any_failing_call_in_a_run_leaves_the_old_state_or_the_new_one(void **state)
{
    struct writer_bench *b = *state;
    bool fired = true;
    long n = 0;

    for (; fired; n++) {
        struct writer_bench c = {.store = kit_memory(), .keys = b->keys};
        uint8_t last[16] = {0};
        uint64_t run = 0;
        int done;

        workdir_make(&c.dir);
        c.cx = kit_context(c.store, c.keys);
        wb_open(&c);
        (void)wb_commit(&c, wb_snapshot_a);
        fired = run_under_fault(&c, n, &done);
        wb_open(&c);
        ks_writer_last(c.w, &run, last);
        if (done == 3 || run == 2)
            wb_assert_last(&c, 2, wb_snapshot_b);
        else
            wb_assert_last(&c, 1,
                           wb_snapshot_a); /* no such snapshot is there */
        assert_true(wb_begin(&c, 0) >= (uint64_t)(done > 0 ? 3 : 2));
        wb_close(&c);
        ks_store_close(c.store);
        workdir_remove(&c.dir);
    }
    assert_true(n > 20);
    assert_true(fault_count("fsync") >= 6);
}

static void
a_file_where_the_folder_should_be_is_told(void **state)
{
    struct writer_bench *b = *state;
    struct ks_err err;

    workdir_write(&b->dir, "a", "file", 4);
    assert_true(wb_try_open(b, &err) < 0);
    assert_true(err.msg[0] != '\0');
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, wb_up, wb_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_new_writer_enrols_in_a_folder_that_nobody_else_can_read),
        BENCH_TEST(a_writer_stays_the_same_from_run_to_run),
        BENCH_TEST(a_run_is_newer_than_any_that_the_vault_has_seen),
        BENCH_TEST(two_runs_at_once_are_refused),
        BENCH_TEST(a_retired_writer_enrols_afresh),
        BENCH_TEST(a_writer_that_the_vault_has_forgotten_enrols_afresh),
        BENCH_TEST(a_writer_that_has_begun_no_run_keeps_its_name),
        BENCH_TEST(a_promised_snapshot_that_is_there_was_committed),
        BENCH_TEST(a_promised_snapshot_that_is_not_there_is_void_for_ever),
        BENCH_TEST(a_crash_while_enrolling_leaves_no_writer_that_nobody_is),
        BENCH_TEST(any_failing_call_while_enrolling_can_be_tried_again),
        BENCH_TEST(
            any_failing_call_in_a_run_leaves_the_old_state_or_the_new_one),
        BENCH_TEST(a_file_where_the_folder_should_be_is_told),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
