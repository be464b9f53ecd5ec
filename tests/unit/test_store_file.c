/*
 * store/file: what is special about the archive file's verbs. What all
 * stores share is in tests/contract.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "base/buf.h"
#include "base/file.h"
#include "check.h"
#include "fault.h"
#include "vectors.h"

static struct workdir dir;

static int
set_up(void **state)
{
    (void)state;
    workdir_make(&dir);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    workdir_remove(&dir);
    return 0;
}

static struct ks_store *
open_archive(enum ks_store_mode mode)
{
    int rc;
    struct ks_store *s = archive_open(&dir, mode, &rc);

    assert_int_equal(rc, KS_OK);
    return s;
}

static int
put(struct ks_store *s, const char *name)
{
    struct ks_err err = KS_ERR_INIT;

    return ks_store_put(s, name, "text", 4, &err);
}

static int
sync_it(struct ks_store *s)
{
    struct ks_err err = KS_ERR_INIT;

    return ks_store_sync(s, &err);
}

static void
only_one_may_write_and_anyone_may_read(void **state)
{
    struct ks_store *writer = open_archive(KS_STORE_CREATE);
    struct ks_store *reader;
    int rc;

    (void)state;
    assert_int_equal(archive_commit(writer, 1), KS_OK);
    assert_null(archive_open(&dir, KS_STORE_WRITE, &rc));
    assert_int_equal(rc, KS_E_BUSY);
    reader = open_archive(KS_STORE_READ);
    assert_int_equal(archive_commit(writer, 2), KS_OK);
    assert_int_equal(archive_state(reader), 1); /* as it was opened */
    assert_int_equal(archive_look(&dir, false), 2);
    ks_store_close(writer);
    writer = open_archive(KS_STORE_WRITE);
    assert_int_equal(archive_commit(writer, 3), KS_OK);
    assert_int_equal(archive_state(reader), 1);
    ks_store_close(reader);
    ks_store_close(writer);
    assert_int_equal(archive_look(&dir, false), 3);
}

static void
closing_without_a_sync_leaves_the_file_as_it_was(void **state)
{
    uint8_t before[ARCHIVE_MAX];
    struct ks_store *s;
    size_t len;

    (void)state;
    archive_make(&dir, NULL);
    len = archive_bytes(&dir, before);
    s = open_archive(KS_STORE_WRITE);
    assert_int_equal(put(s, "packs/unsynced"), KS_OK);
    assert_true(workdir_size(&dir, ARCHIVE_NAME) > (long)len);
    ks_store_close(s);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, before, len));
}

static void
a_new_file_is_incomplete_until_its_first_sync(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(archive_look(&dir, true), KS_E_INCOMPLETE);
    assert_int_equal(put(s, "packs/a"), KS_OK);
    assert_int_equal(archive_look(&dir, true), KS_E_INCOMPLETE);
    ks_store_close(s);
    assert_int_equal(workdir_entries(&dir, "."), 0); /* and then it is gone */

    s = open_archive(KS_STORE_CREATE);
    assert_int_equal(sync_it(s), KS_OK);
    assert_int_equal(archive_look(&dir, false), 0);
    ks_store_close(s);
}

static void
closing_removes_no_file_but_its_own(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_CREATE);

    (void)state;
    assert_int_equal(unlink(workdir_path(&dir, ARCHIVE_NAME)), 0);
    workdir_write(&dir, ARCHIVE_NAME, "another", 7);
    ks_store_close(s);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, "another", 7));
}

static void
syncing_nothing_does_nothing(void **state)
{
    uint8_t before[ARCHIVE_MAX];
    struct ks_store *s;
    size_t len;

    (void)state;
    archive_make(&dir, NULL);
    len = archive_bytes(&dir, before);
    s = open_archive(KS_STORE_WRITE);
    fault_arm(FAULT_NEVER);
    assert_int_equal(sync_it(s), KS_OK);
    (void)fault_disarm();
    assert_string_equal(fault_log(), "");
    ks_store_close(s);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, before, len));
}

static void
the_same_puts_make_the_same_file(void **state)
{
    uint8_t first[ARCHIVE_MAX];
    size_t len;

    (void)state;
    archive_make(&dir, NULL);
    len = archive_bytes(&dir, first);
    assert_int_equal(unlink(workdir_path(&dir, ARCHIVE_NAME)), 0);
    archive_make(&dir, NULL);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, first, len));
}

static void
a_full_disk_is_said_to_be_full_and_can_be_tried_again(void **state)
{
    static const int whys[] = {ENOSPC, EDQUOT, EFBIG};
    struct ks_store *s = open_archive(KS_STORE_CREATE);
    long size;

    (void)state;
    assert_int_equal(archive_commit(s, 1), KS_OK);
    size = workdir_size(&dir, ARCHIVE_NAME);
    for (size_t i = 0; i < 3; i++) {
        struct ks_err err = KS_ERR_INIT;

        fault_arm_call("pwrite", 0, whys[i]);
        assert_int_equal(ks_store_put(s, "packs/x", "x", 1, &err), KS_E_FULL);
        assert_true(fault_disarm());
        assert_non_null(strstr(err.msg, ARCHIVE_NAME ": packs/x"));
        assert_int_equal(workdir_size(&dir, ARCHIVE_NAME), size);
    }

    /* The same while the commit is written. */
    fault_arm_call("pwrite", 2, ENOSPC);
    assert_int_equal(archive_commit(s, 2), KS_E_FULL);
    assert_true(fault_disarm());
    assert_int_equal(archive_look(&dir, false), 1);
    assert_int_equal(sync_it(s), KS_OK);
    assert_int_equal(archive_look(&dir, false), 2);
    assert_int_equal(archive_commit(s, 3), KS_OK);
    ks_store_close(s);
    assert_int_equal(archive_look(&dir, false), 3);
}

/* A limit on file sizes fails a write halfway, as a full disk does. */
static void
a_put_that_stops_halfway_gives_its_room_back(void **state)
{
    struct ks_store *s = open_archive(KS_STORE_CREATE);
    struct ks_err err = KS_ERR_INIT;
    static const uint8_t data[9000];
    struct rlimit unlimited;
    struct rlimit limit;
    long size;

    (void)state;
    assert_int_equal(archive_commit(s, 1), KS_OK);
    size = workdir_size(&dir, ARCHIVE_NAME);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limit = unlimited;
    limit.rlim_cur = 8192;
    assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(ks_store_put(s, "packs/x", data, sizeof(data), &err),
                     KS_E_FULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_equal(workdir_size(&dir, ARCHIVE_NAME), size);
    assert_int_equal(archive_commit(s, 2), KS_OK);
    ks_store_close(s);
    assert_int_equal(archive_look(&dir, false), 2);
}

static void
after_a_failed_sync_nothing_more_is_written(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s;

    (void)state;
    archive_make(&dir, NULL);
    s = open_archive(KS_STORE_WRITE);
    assert_int_equal(put(s, "packs/x"), KS_OK);
    fault_arm_call("fdatasync", 0, EIO);
    assert_int_equal(sync_it(s), KS_E_IO);
    assert_true(fault_disarm());
    assert_int_equal(sync_it(s), KS_E_IO);
    assert_int_equal(put(s, "packs/y"), KS_E_IO);
    assert_int_equal(ks_store_remove(s, "packs/x", &err), KS_E_IO);
    ks_store_close(s);
    assert_int_equal(archive_look(&dir, false), 3);
}

static void
a_file_that_lost_its_end_while_open_is_not_read_as_whole(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    uint64_t lens[ARCHIVE_COMMITS + 1];
    struct ks_store *s;
    char text[512];
    size_t got;

    (void)state;
    archive_make(&dir, lens);
    s = open_archive(KS_STORE_READ);
    assert_int_equal(truncate(workdir_path(&dir, ARCHIVE_NAME), (off_t)lens[1]),
                     0);
    assert_int_equal(ks_store_get(s, "packs/b", 0, text, 512, &got, &err),
                     KS_OK);
    assert_int_equal(ks_store_get(s, "packs/a", 0, text, 512, &got, &err),
                     KS_E_CORRUPT);
    ks_store_close(s);
}

static void
an_archive_is_read_on_a_medium_that_cannot_be_written(void **state)
{
    char text[64];
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s;
    size_t got;

    (void)state;
    archive_make(&dir, NULL);
    assert_int_equal(chmod(workdir_path(&dir, ARCHIVE_NAME), 0400), 0);
    fault_arm(FAULT_NEVER);
    s = open_archive(KS_STORE_READ);
    assert_int_equal(ks_store_get(s, "vault", 0, text, 64, &got, &err), KS_OK);
    ks_store_close(s);
    (void)fault_disarm();
    assert_int_equal(fault_count("flock"), 0);
    assert_int_equal(fault_count("pwrite"), 0);
    assert_int_equal(fault_count("ftruncate"), 0);
    assert_int_equal(fault_count("unlinkat"), 0);
    assert_int_equal(fault_count("open"), 1);
}

/* Commit n of the files in archive.txt. */
static void
commit_example(struct ks_store *s, unsigned n)
{
    struct ks_err err = KS_ERR_INIT;
    uint8_t data[512];
    char name[24];

    assert_true(n <= sizeof(data));
    memset(data, (int)(n % 256), n);
    (void)snprintf(name, sizeof(name), "packs/%04u", n);
    assert_int_equal(ks_store_put(s, name, data, n, &err), KS_OK);
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
}

static void
its_bytes_are_those_of_a_writer_made_from_the_description(void **state)
{
    struct vectors *v = vectors_open("archive.txt");

    (void)state;
    while (vectors_next(v)) {
        struct ks_store *s = open_archive(KS_STORE_CREATE);
        unsigned commits = (unsigned)vectors_number(v, "commits");
        struct ks_buf file;
        struct ks_err err = KS_ERR_INIT;
        uint8_t want[32];
        uint8_t have[32];

        for (unsigned n = 1; n <= commits; n++) {
            commit_example(s, n);
            if (n % 5 == 0) { /* it makes no difference who goes on */
                ks_store_close(s);
                s = open_archive(KS_STORE_WRITE);
            }
        }
        ks_store_close(s);

        ks_buf_init(&file, (size_t)1 << 20);
        assert_int_equal(ks_file_read(workdir_path(&dir, ARCHIVE_NAME),
                                      file.max, &file, &err),
                         KS_OK);
        assert_int_equal(file.len, vectors_number(v, "length"));
        if (vectors_has(v, "bytes")) {
            static uint8_t bytes[ARCHIVE_MAX];

            vectors_bytes(v, "bytes", bytes, file.len);
            assert_memory_equal(file.data, bytes, file.len);
        }
        vectors_bytes(v, "sha256", want, sizeof(want));
        assert_non_null(SHA256(file.data, file.len, have));
        assert_memory_equal(have, want, sizeof(want));
        ks_buf_wipe(&file);
        assert_int_equal(unlink(workdir_path(&dir, ARCHIVE_NAME)), 0);
    }
    assert_int_equal(vectors_close(v), 9);
}

int
main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(only_one_may_write_and_anyone_may_read),
        EACH(closing_without_a_sync_leaves_the_file_as_it_was),
        EACH(a_new_file_is_incomplete_until_its_first_sync),
        EACH(closing_removes_no_file_but_its_own),
        EACH(syncing_nothing_does_nothing),
        EACH(the_same_puts_make_the_same_file),
        EACH(its_bytes_are_those_of_a_writer_made_from_the_description),
        EACH(a_full_disk_is_said_to_be_full_and_can_be_tried_again),
        EACH(a_put_that_stops_halfway_gives_its_room_back),
        EACH(after_a_failed_sync_nothing_more_is_written),
        EACH(a_file_that_lost_its_end_while_open_is_not_read_as_whole),
        EACH(an_archive_is_read_on_a_medium_that_cannot_be_written),
    };
#undef EACH

    return cmocka_run_group_tests(tests, NULL, NULL);
}
