/*
 * vault/capture, with every libc call failing in turn: the capture fails with
 * a reason or is whole, what was there stays readable, the next one works.
 * The capture that is swept is one that folds the index.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/reader.h"
#include "check.h"
#include "fault.h"
#include "vault/capture.h"
#include "vault/reading.h"
#include "vault/snapshot_reader.h"
#include "vault_fixture.h"
#include "vaultkit.h"
#include "workdir.h"

#define RECORDS   60
#define STREAMS   3
#define BLOB_SIZE ((size_t)1048576 + 4000)
#define NIGHTS    15 /* and the one that is swept: a fold is due */
#define CALLS_MAX 3000

/* Under a sanitizer, which makes each capture slow, every third call: leaks
 * on the way out are alike. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP 3
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STEP 3
#endif
#endif
#ifndef STEP
#define STEP 1
#endif

static const uint8_t raw_key[32] = {7, 7, 7}; /* the fixture's */
static struct workdir here;
static uint8_t blob[BLOB_SIZE];

static size_t
make_record(uint8_t *out, unsigned stream, size_t i, unsigned night)
{
    size_t len = 100 + i * 7 + stream;

    /* Some change each night. */
    memset(out, (int)(i % 10 == 0 ? night : i), len);
    out[0] = (uint8_t)stream;
    return len;
}

/* Capture what there is on that night; frees the writer. */
static int
tell(struct ks_snapshot_writer *w, unsigned night,
     struct ks_snapshot_info *info, struct ks_err *err)
{
    struct ks_reader *from = NULL;
    uint8_t record[1000];
    uint8_t id[32];
    int rc = KS_OK;

    for (unsigned s = 0; rc == KS_OK && s < STREAMS; s++) {
        char name[16];
        unsigned stream = 0;

        (void)snprintf(name, sizeof(name), "stream%u", s);
        rc = ks_snapshot_stream(w, name, &stream, err);
        for (size_t i = 0; rc == KS_OK && i < RECORDS; i++)
            rc = ks_snapshot_record(w, stream, record,
                                    make_record(record, s, i, night),
                                    1000 + (int64_t)i, err);
    }
    blob[BLOB_SIZE - 1] = (uint8_t)night;
    if (rc == KS_OK)
        rc = ks_reader_open_bytes(&from, blob, sizeof(blob), err);
    if (rc == KS_OK)
        rc = ks_snapshot_blob(w, from, id, err);
    ks_reader_close(from);
    if (rc == KS_OK)
        rc = ks_snapshot_extra(w, "blob", id, sizeof(id), err);
    if (rc == KS_OK)
        return ks_capture_commit(w, info, err);
    ks_capture_abandon(w);
    return rc;
}

static int
capture(struct vault_fixture *f, unsigned night, struct ks_snapshot_info *info,
        struct ks_err *err)
{
    struct ks_capture_options options = {
        .source = "test", .state_folder = f->state, .workers = 1};
    struct ks_snapshot_writer *w = NULL;
    int rc = ks_capture_begin(&w, f->vault, &options, err);

    return rc == KS_OK ? tell(w, night, info, err) : rc;
}

/* Read it all and compare. */
static void
expect_night(struct vault_fixture *f, const struct ks_snapshot_info *info,
             unsigned night)
{
    struct ks_snapshot_reader *r = NULL;
    struct ks_reader *from = NULL;
    struct ks_bytes id;
    static uint8_t have[BLOB_SIZE + 1];
    uint8_t record[1000];
    uint64_t size = 0;
    size_t got = 0;

    KIT_OK(ks_snapshot_reader_open(&r, f->vault, info, KIT_ERR));
    assert_int_equal(ks_snapshot_stream_count(r), STREAMS);
    for (unsigned s = 0; s < STREAMS; s++) {
        struct ks_stream *stream = NULL;
        struct ks_bytes b;

        KIT_OK(ks_stream_open(&stream, r, ks_snapshot_stream_info(r, s).name,
                              KIT_ERR));
        for (size_t i = 0; i < RECORDS; i++) {
            KIT_OK(ks_stream_next(stream, &b, KIT_ERR));
            assert_int_equal(b.len, make_record(record, s, i, night));
            assert_memory_equal(b.ptr, record, b.len);
        }
        ks_stream_close(stream);
    }
    KIT_OK(ks_snapshot_get_extra(r, "blob", &id, KIT_ERR));
    KIT_OK(ks_blob_open(&from, r, id.ptr, &size, KIT_ERR));
    assert_int_equal(size, sizeof(blob));
    KIT_OK(ks_reader_fill(from, have, sizeof(have), &got, KIT_ERR));
    assert_int_equal(got, sizeof(blob));
    assert_int_equal(have[BLOB_SIZE - 1], (uint8_t)night);
    assert_memory_equal(have, blob, BLOB_SIZE - 1);
    ks_reader_close(from);
    ks_snapshot_reader_close(r);
}

/* The vault of all nights but one, and its client state, in `from`. */
static void
make_base(void)
{
    struct vault_fixture f;

    KIT_OK(ks_make_dirs(workdir_path(&here, "base"), KIT_ERR));
    fixture_create(&f, workdir_path(&here, "base/vault"),
                   workdir_path(&here, "base/state"));
    for (unsigned night = 0; night < NIGHTS; night++) {
        struct ks_snapshot_info info;

        KIT_OK(capture(&f, night, &info, KIT_ERR));
        ks_snapshot_info_wipe(&info);
    }
    fixture_close(&f);
}

/* A fresh copy of it, opened. */
static void
open_copy(struct vault_fixture *f)
{
    char command[1024];

    (void)snprintf(command, sizeof(command),
                   "cd '%s' && rm -rf copy && cp -R base copy", here.path);
    assert_int_equal(system(command), 0);
    memset(f, 0, sizeof(*f));
    f->key = kit_secret(raw_key, sizeof(raw_key));
    fixture_reopen(f, workdir_path(&here, "copy/vault"));
    (void)snprintf(f->state, sizeof(f->state), "%s",
                   workdir_path(&here, "copy/state"));
}

/* What must hold after a capture that failed or not. */
static void
expect_unharmed(struct vault_fixture *f, bool committed)
{
    struct ks_snapshots all = {0};
    struct ks_snapshot_info info = {.run = 0};
    size_t count;

    KIT_OK(ks_snapshots_read(f->vault, &all, KIT_ERR));
    assert_int_equal(all.damaged, 0);
    count = all.count;
    /* A capture may fail after its snapshot is durable, not the reverse. */
    assert_true(count == NIGHTS + 1 || (count == NIGHTS && !committed));
    for (size_t i = NIGHTS - 1; i < count; i++)
        expect_night(f, &all.list[i], (unsigned)i);
    ks_snapshots_free(&all);

    KIT_OK(capture(f, NIGHTS + 1, &info, KIT_ERR));
    expect_night(f, &info, NIGHTS + 1);
    assert_int_equal(info.generation, count + 1);
    ks_snapshot_info_wipe(&info);
    KIT_OK(ks_snapshots_read(f->vault, &all, KIT_ERR));
    assert_int_equal(all.count, count + 1);
    assert_int_equal(all.void_count, 0);
    ks_snapshots_free(&all);
}

/* Sweep with one way of arming; how many calls there were. */
static long
sweep(void (*arm)(long n), bool (*code_ok)(int code))
{
    bool fired = true;
    long n = 0;

    make_base();
    for (; fired && n < CALLS_MAX; n += STEP) {
        struct ks_snapshot_info info = {.run = 0};
        struct ks_err err = KS_ERR_INIT;
        struct vault_fixture f;
        size_t fds;
        int rc;

        open_copy(&f);
        fds = fault_open_fds();
        arm(n);
        rc = capture(&f, NIGHTS, &info, &err);
        fired = fault_disarm();
        if (rc == KS_OK)
            ks_snapshot_info_wipe(&info);
        else if (err.msg[0] == '\0' || err.code != rc || !code_ok(rc))
            fail_msg("call %ld: %d \"%s\"", n, rc, err.msg);
        assert_int_equal(fault_open_fds(), fds);
        assert_true(fired || rc == KS_OK);
        expect_unharmed(&f, rc == KS_OK);
        fixture_close(&f);
    }
    assert_false(fired);
    return n;
}

static bool
any_code(int code)
{
    return code == KS_E_NOMEM || code == KS_E_IO || code == KS_E_FULL ||
           code == KS_E_BUSY || code == KS_E_NOTFOUND || code == KS_E_EXISTS;
}

static bool
no_memory_only(int code)
{
    return code == KS_E_NOMEM;
}

static bool
full_only(int code)
{
    return code == KS_E_FULL;
}

static void
arm_memory(long n)
{
    fault_arm_call("malloc calloc realloc reallocarray strdup", n, 0);
}

static void
arm_files(long n)
{
    fault_arm_call("open openat close read write pread pwrite lseek ftruncate "
                   "fstat fstatat stat lstat fsync fdatasync syncfs rename "
                   "renameat renameat2 link linkat unlink unlinkat mkdir "
                   "mkdirat opendir fdopendir readdir flock getrandom "
                   "pthread_create",
                   n, 0);
}

static void
arm_full(long n)
{
    fault_arm_lasting("write pwrite fsync", n, ENOSPC);
}

static int
up(void **state)
{
    (void)state;
    workdir_make(&here);
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (uint8_t)(i * i >> 7);
    return 0;
}

static int
down(void **state)
{
    (void)state;
    workdir_remove(&here);
    return 0;
}

static void
memory_may_run_out_at_any_moment(void **unused)
{
    (void)unused;
    (void)printf("%ld calls\n", sweep(arm_memory, no_memory_only));
}

static void
any_call_of_the_system_may_fail(void **unused)
{
    (void)unused;
    (void)printf("%ld calls\n", sweep(arm_files, any_code));
}

static void
a_disk_that_fills_up_is_said_to_be_full(void **unused)
{
    (void)unused;
    (void)printf("%ld calls\n", sweep(arm_full, full_only));
}

static void
half_written_is_written_on(void **unused)
{
    (void)unused;
    (void)printf("%ld calls\n", sweep(fault_arm_short, any_code));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, up, down)
        IN_A_FOLDER(memory_may_run_out_at_any_moment),
        IN_A_FOLDER(any_call_of_the_system_may_fail),
        IN_A_FOLDER(a_disk_that_fills_up_is_said_to_be_full),
        IN_A_FOLDER(half_written_is_written_on),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
