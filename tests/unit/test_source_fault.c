/*
 * Every libc call of a capture and of a restore fails in turn: the failure is
 * told, nothing leaks, nothing half-made is left behind.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "crypto/secret.h"
#include "fault.h"
#include "signal_run.h"
#include "source/signal_v1/signal_v1.h"

#define SWEEP_MAX 5000L /* a sweep that is longer has lost its end */

static const struct ks_policy keep_all = {.attachment_bytes_max = UINT64_MAX};

static struct workdir dir;
static struct signal_file file;

static int
set_up(void **state)
{
    (void)state;
    workdir_make(&dir);
    signal_file_story(&file, 1);
    signal_file_raw(&file, "tail", 4);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    signal_file_free(&file);
    workdir_remove(&dir);
    return 0;
}

/* Open "f.backup" and capture it into m. */
static int
capture_into(struct memory_snapshot *m, struct ks_err *err)
{
    struct ks_source *src = NULL;
    int rc = ks_v1_source_open(&src, workdir_path(&dir, "f.backup"),
                               file.source_key, err);

    if (rc == KS_OK)
        rc = src->ops->capture(src, memory_snapshot_writer(m), &keep_all, NULL,
                               err);
    if (src != NULL)
        src->ops->close(src);
    return rc;
}

/* One capture with its n-th call failing; whether there was an n-th. */
static bool
capture_with_fault(long n)
{
    struct memory_snapshot *m = memory_snapshot_new();
    struct ks_err err = KS_ERR_INIT;
    size_t fds = fault_open_fds();
    bool reached;
    int rc;

    fault_arm(n);
    rc = capture_into(m, &err);
    reached = fault_disarm();
    assert_int_equal(rc, err.code);
    if (!reached)
        assert_int_equal(rc, KS_OK);
    else if (rc == KS_OK) /* only what is not needed may fail unnoticed */
        assert_non_null(strstr(fault_log(), "close"));
    else
        assert_true(rc == KS_E_NOMEM || rc == KS_E_IO || rc == KS_E_NOTFOUND);
    assert_int_equal(fault_open_fds(), fds);
    memory_snapshot_free(m);
    return reached;
}

static void
a_capture_tells_every_failure(void **state)
{
    long n = 0;

    (void)state;
    file.data[file.pieces[6].offset] ^= 4; /* so that it searches, too */
    signal_file_save(&file, &dir, "f.backup");
    while (capture_with_fault(n))
        assert_true(++n < SWEEP_MAX);
    assert_true(n > 20);
    assert_true(fault_count("pread") + fault_count("pread64") > 0);
    file.data[file.pieces[6].offset] ^= 4;
}

static void
a_restore_tells_every_failure_and_leaves_nothing(void **state)
{
    bool reached = true;
    long n;

    (void)state;
    for (n = 0; reached && n < SWEEP_MAX; n++) {
        struct memory_snapshot *m = signal_run_good(&file, &dir, &keep_all);
        struct ks_err err = KS_ERR_INIT;
        size_t fds = fault_open_fds();
        int rc;
        fault_arm(n);
        rc = signal_run_restore(m, &dir, "out", NULL, &err);
        reached = fault_disarm();
        assert_int_equal(rc, err.code);
        if (rc == KS_OK)
            assert_true(workdir_holds(&dir, "out", file.data, file.len));
        else if (workdir_size(&dir, "out") >= 0) /* failed after its name */
            assert_true(workdir_holds(&dir, "out", file.data, file.len));
        if (!reached)
            assert_int_equal(rc, KS_OK);
        (void)remove(workdir_path(&dir, "out"));
        assert_int_equal(fault_open_fds(), fds);
        memory_snapshot_free(m);
    }
    assert_false(reached);
    assert_true(n > 15);
}

static void
half_reads_and_half_writes_are_no_failure(void **state)
{
    bool reached = true;

    (void)state;
    signal_file_save(&file, &dir, "f.backup");
    for (long n = 0; reached; n++) {
        struct memory_snapshot *m = memory_snapshot_new();
        struct ks_err err = KS_ERR_INIT;
        fault_arm_short(n);
        assert_int_equal(capture_into(m, &err), KS_OK);
        assert_int_equal(signal_run_restore(m, &dir, "out", NULL, &err), KS_OK);
        reached = fault_disarm();
        assert_true(workdir_holds(&dir, "out", file.data, file.len));
        (void)remove(workdir_path(&dir, "out"));
        memory_snapshot_free(m);
    }
}

static void
a_full_disk_is_named_and_leaves_nothing(void **state)
{
    struct memory_snapshot *m = signal_run_good(&file, &dir, &keep_all);
    struct ks_err err = KS_ERR_INIT;
    size_t before = workdir_entries(&dir, ".");

    (void)state;
    fault_arm_lasting("write pwrite pwrite64 fsync", 0, ENOSPC);
    assert_int_equal(signal_run_restore(m, &dir, "out", NULL, &err), KS_E_FULL);
    assert_true(fault_disarm());
    assert_int_equal(workdir_entries(&dir, "."), before);
    memory_snapshot_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capture_tells_every_failure),
        cmocka_unit_test(a_restore_tells_every_failure_and_leaves_nothing),
        cmocka_unit_test(half_reads_and_half_writes_are_no_failure),
        cmocka_unit_test(a_full_disk_is_named_and_leaves_nothing),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
