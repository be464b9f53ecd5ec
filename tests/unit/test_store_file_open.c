/*
 * store/file_open: an archive file cut at any length, damaged slots, files
 * that are none, and hostile tables. It opens as exactly one of the states
 * that were committed, or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "base/bytes.h"
#include "check.h"
#include "fault.h"
#include "store/file_slot.h"

static struct workdir dir;
static uint64_t lens[ARCHIVE_COMMITS + 1]; /* of the file after each commit */
static uint8_t whole[ARCHIVE_MAX];         /* the file after the last */

static int
set_up(void **state)
{
    (void)state;
    workdir_make(&dir);
    archive_make(&dir, lens);
    assert_int_equal(archive_bytes(&dir, whole), lens[ARCHIVE_COMMITS]);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    workdir_remove(&dir);
    return 0;
}

/* Put these bytes in the file's place. */
static void
set_file(const uint8_t *bytes, size_t len)
{
    workdir_write(&dir, ARCHIVE_NAME, bytes, len);
}

static int
open_code(enum ks_store_mode mode)
{
    int rc;

    ks_store_close(archive_open(&dir, mode, &rc));
    return rc;
}

/* Open for writing, put and sync, and see that all is well again. */
static void
assert_writable_from(int state)
{
    int rc;
    struct ks_store *s = archive_open(&dir, KS_STORE_WRITE, &rc);
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(rc, KS_OK);
    assert_int_equal(archive_state(s), state);
    assert_int_equal(ks_store_put(s, "other/x", "x", 1, &err), KS_OK);
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    ks_store_close(s);

    s = archive_open(&dir, KS_STORE_READ, &rc);
    assert_int_equal(rc, KS_OK);
    assert_int_equal(archive_check(s).count, 0);
    assert_int_equal(archive_check(s).trailing, 0);
    ks_store_close(s);
}

static void
cut_at_any_length_it_is_incomplete_and_never_another_state(void **state)
{
    size_t full = lens[ARCHIVE_COMMITS];

    (void)state;
    for (size_t len = full; len-- > 0;) {
        int older = len >= lens[2] ? 2 : KS_E_INCOMPLETE;

        assert_int_equal(truncate(workdir_path(&dir, ARCHIVE_NAME), (off_t)len),
                         0);
        assert_int_equal(archive_look(&dir, false), KS_E_INCOMPLETE);
        assert_int_equal(archive_look(&dir, true), older);
        assert_int_equal(open_code(KS_STORE_WRITE), KS_E_INCOMPLETE);
        assert_int_equal(workdir_size(&dir, ARCHIVE_NAME), (long)len);
    }
}

static void
cut_after_any_commit_it_was_whole_at_that_time(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= ARCHIVE_COMMITS; n++) {
        int rc;
        struct ks_store *s;
        uint8_t bytes[ARCHIVE_MAX];
        size_t len;

        assert_int_equal(unlink(workdir_path(&dir, ARCHIVE_NAME)), 0);
        s = archive_open(&dir, KS_STORE_CREATE, &rc);
        assert_int_equal(rc, KS_OK);
        for (unsigned i = 1; i <= n; i++)
            assert_int_equal(archive_commit(s, i), KS_OK);
        ks_store_close(s);
        assert_int_equal(archive_look(&dir, false), n);
        len = archive_bytes(&dir, bytes);
        assert_int_equal(len, lens[n]);
        /* and with every length of an interrupted append behind it */
        for (size_t more = 1; more < 600; more++) {
            bytes[len + more - 1] = (uint8_t)more;
            set_file(bytes, len + more);
            assert_int_equal(archive_look(&dir, false), n);
        }
    }
}

static void
an_interrupted_append_is_passed_over_and_overwritten(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];
    size_t len = lens[3];
    struct archive_damage damage;
    struct ks_store *s;
    int rc;

    (void)state;
    memcpy(bytes, whole, len);
    memset(bytes + len, 0xaa, 5000);
    set_file(bytes, len + 5000);
    s = archive_open(&dir, KS_STORE_READ, &rc);
    assert_int_equal(archive_state(s), 3);
    damage = archive_check(s);
    assert_int_equal(damage.count, 0);
    assert_int_equal(damage.trailing, 5000);
    ks_store_close(s);

    assert_writable_from(3);
    assert_true(workdir_size(&dir, ARCHIVE_NAME) < (long)len + 1000);
}

static void
a_file_that_is_none_is_told_from_one_that_is_unfinished(void **state)
{
    static uint8_t bytes[4096];
    static const struct {
        const char *begin;
        size_t len;
        int rc;
    } cases[] = {
        {"", 0, KS_E_INCOMPLETE},
        {"", 1, KS_E_INCOMPLETE}, /* zeros */
        {"", 1023, KS_E_INCOMPLETE},
        {"", 1024, KS_E_INCOMPLETE},
        {"", 4096, KS_E_INCOMPLETE},
        {"K", 1, KS_E_INCOMPLETE},
        {"KEEPSAY", 7, KS_E_INCOMPLETE},
        {"KEEPSAY\x1a", 700, KS_E_INCOMPLETE},
        {"X", 1, KS_E_FORMAT},
        {"KEEPX", 5, KS_E_FORMAT},
        {"Dear diary", 10, KS_E_FORMAT},
        {"Dear diary", 1024, KS_E_FORMAT},
        {"Dear diary", 4096, KS_E_FORMAT},
        {"KEEPSAY\x1a", 1024, KS_E_CORRUPT},
        {"KEEPSAY\x1a", 4096, KS_E_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, cases[i].begin, strlen(cases[i].begin));
        set_file(bytes, cases[i].len);
        assert_int_equal(archive_look(&dir, false), cases[i].rc);
        assert_int_equal(archive_look(&dir, true), cases[i].rc);
        assert_int_equal(open_code(KS_STORE_WRITE), cases[i].rc);
        assert_int_equal(open_code(KS_STORE_CREATE), KS_E_EXISTS);
        assert_true(workdir_holds(&dir, ARCHIVE_NAME, bytes, cases[i].len));
    }
}

/* Which of the slots at the head is the newer one. */
static unsigned
newest_slot(const uint8_t *bytes)
{
    struct ks_slot slot[2];

    assert_int_equal(ks_slot_decode(&slot[0], bytes), KS_SLOT_VALID);
    assert_int_equal(ks_slot_decode(&slot[1], bytes + 512), KS_SLOT_VALID);
    assert_int_not_equal(slot[0].sequence, slot[1].sequence);
    return slot[1].sequence > slot[0].sequence ? 1 : 0;
}

/* A slot is torn at every byte: new up to there, old from there on; or
 * lost altogether. */
static void
a_torn_slot_loses_no_commit(void **state)
{
    static const uint8_t zeros[KS_SLOT_SIZE];
    uint8_t bytes[ARCHIVE_MAX];
    unsigned newest = newest_slot(whole);
    const uint8_t *old = whole + KS_SLOT_SIZE * (1 - newest);

    (void)state;
    for (size_t cut = 0; cut < KS_SLOT_SIZE; cut += 3) {
        memcpy(bytes, whole, lens[3]);
        memcpy(bytes + KS_SLOT_SIZE * newest + cut, old + cut,
               KS_SLOT_SIZE - cut);
        set_file(bytes, lens[3]);
        /* All of it old: then the commit is an interrupted append. */
        assert_int_equal(archive_look(&dir, false), cut < 17 ? 2 : 3);
        assert_writable_from(cut < 17 ? 2 : 3);
    }
    memcpy(bytes, whole, lens[3]);
    memcpy(bytes + KS_SLOT_SIZE * newest, zeros, KS_SLOT_SIZE);
    set_file(bytes, lens[3]);
    assert_writable_from(3);
    memcpy(bytes, whole, lens[3]);
    memcpy(bytes + KS_SLOT_SIZE * (1 - newest), zeros, KS_SLOT_SIZE);
    set_file(bytes, lens[3]);
    assert_writable_from(3);
}

static void
without_both_slots_the_end_of_the_file_tells(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];

    (void)state;
    memcpy(bytes, whole, lens[3]);
    bytes[20] ^= 1;
    bytes[520] ^= 1;
    set_file(bytes, lens[3]);
    assert_int_equal(archive_look(&dir, false), 3);
    assert_writable_from(3);

    memset(bytes, 0xff, 1024); /* not even a magic */
    set_file(bytes, lens[3]);
    assert_int_equal(archive_look(&dir, false), 3);
    memset(bytes, 0, 1024); /* as if it had never been finished */
    set_file(bytes, lens[3]);
    assert_int_equal(archive_look(&dir, false), KS_E_INCOMPLETE);
    assert_int_equal(archive_look(&dir, true), 3);
    set_file(bytes, lens[3] - 1);
    assert_int_equal(archive_look(&dir, true), KS_E_INCOMPLETE);
}

static void
an_older_commit_is_never_opened_unasked(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];
    unsigned newest = newest_slot(whole);

    (void)state;
    memcpy(bytes, whole, lens[3]);
    bytes[KS_SLOT_SIZE * newest + 30] ^= 0x10;
    bytes[lens[3]] = 0; /* an interrupted append behind the end slot */
    set_file(bytes, lens[3] + 1);
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    assert_int_equal(archive_look(&dir, true), 2);
    assert_int_equal(open_code(KS_STORE_WRITE), KS_E_CORRUPT);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, bytes, lens[3] + 1));
}

static void
opening_for_writing_heals_a_lost_slot_before_anything_is_appended(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s;
    int rc;

    (void)state;
    memcpy(bytes, whole, lens[3]);
    bytes[KS_SLOT_SIZE * newest_slot(whole) + 30] ^= 0x10;
    set_file(bytes, lens[3]);
    fault_arm(FAULT_NEVER);
    s = archive_open(&dir, KS_STORE_WRITE, &rc);
    (void)fault_disarm();
    assert_int_equal(rc, KS_OK);
    assert_non_null(strstr(fault_log(), "pwrite fdatasync"));
    assert_int_equal(ks_store_put(s, "other/x", "x", 1, &err), KS_OK);
    /* As a crash would leave it. */
    assert_int_equal(archive_look(&dir, false), 3);
    ks_store_close(s);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, whole, lens[3]));
}

static void
an_older_commit_is_never_written_on(void **state)
{
    struct ks_store_options options = {.mode = KS_STORE_WRITE,
                                       .allow_incomplete = true};
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;

    (void)state;
    set_file(whole, lens[3] - 1);
    assert_int_equal(archive_look(&dir, true), 2);
    assert_int_equal(
        ks_store_open(&s, workdir_path(&dir, ARCHIVE_NAME), &options, &err),
        KS_E_INCOMPLETE);
    assert_true(workdir_holds(&dir, ARCHIVE_NAME, whole, lens[3] - 1));
}

static void
a_damaged_table_is_refused_and_the_older_commit_offered(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];

    (void)state;
    memcpy(bytes, whole, lens[3]);
    bytes[lens[3] - KS_SLOT_SIZE - 1] ^= 1;
    set_file(bytes, lens[3]);
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    assert_int_equal(archive_look(&dir, true), 2);

    bytes[lens[2] - KS_SLOT_SIZE - 1] ^= 1; /* and that one too */
    set_file(bytes, lens[3]);
    assert_int_equal(archive_look(&dir, true), KS_E_CORRUPT);
}

static void
a_later_version_is_refused_as_that(void **state)
{
    uint8_t bytes[ARCHIVE_MAX];

    (void)state;
    memcpy(bytes, whole, lens[3]);
    ks_put_u32le(bytes + 8, 2);
    ks_sum(bytes + 496, bytes, 496);
    set_file(bytes, lens[3]);
    assert_int_equal(archive_look(&dir, false), KS_E_UNSUPPORTED);
    assert_int_equal(archive_look(&dir, true), KS_E_UNSUPPORTED);
    assert_int_equal(open_code(KS_STORE_WRITE), KS_E_UNSUPPORTED);
}

/* Hostile: table n (2 or 3) says this, and all checksums are made right. */
static void
set_table(unsigned n, size_t at, uint64_t value)
{
    uint8_t bytes[ARCHIVE_MAX];
    struct ks_slot slot;

    memcpy(bytes, whole, lens[3]);
    assert_int_equal(ks_slot_decode(&slot, bytes + lens[n] - KS_SLOT_SIZE),
                     KS_SLOT_VALID);
    ks_put_u64le(bytes + slot.toc.offset + at, value);
    if (n == 2) { /* the next one has its SHA-256 */
        uint64_t offset = slot.toc.offset;
        uint64_t len = slot.toc.len;

        assert_int_equal(ks_slot_decode(&slot, bytes + lens[3] - KS_SLOT_SIZE),
                         KS_SLOT_VALID);
        assert_non_null(
            SHA256(bytes + offset, len, bytes + slot.toc.offset + 32));
    }
    assert_non_null(
        SHA256(bytes + slot.toc.offset, slot.toc.len, slot.toc.sha256));
    ks_slot_encode(bytes + KS_SLOT_SIZE * newest_slot(whole), &slot);
    ks_slot_encode(bytes + lens[3] - KS_SLOT_SIZE, &slot);
    set_file(bytes, lens[3]);
}

static void
tables_out_of_order_are_refused(void **state)
{
    (void)state;
    set_table(3, 8, 3); /* the sequence that it has */
    assert_int_equal(archive_look(&dir, false), 3);
    set_table(3, 8, 2);
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    set_table(3, 8, 4);
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    set_table(2, 8, 2);
    assert_int_equal(archive_look(&dir, false), 3);
    set_table(2, 8, 3); /* as high as the one after it */
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    set_table(3, 16, 1024); /* there is no table there */
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    set_table(3, 24, UINT64_MAX);
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
    set_table(3, 16, lens[3]);
    assert_int_equal(archive_look(&dir, false), KS_E_CORRUPT);
}

static void
what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(unlink(workdir_path(&dir, ARCHIVE_NAME)), 0);
    assert_int_equal(mkfifo(workdir_path(&dir, ARCHIVE_NAME), 0600), 0);
    assert_int_equal(open_code(KS_STORE_READ), KS_E_USAGE);
    assert_int_equal(open_code(KS_STORE_WRITE), KS_E_USAGE);
    assert_int_equal(open_code(KS_STORE_CREATE), KS_E_EXISTS);
}

static void
a_link_is_followed_and_stays_a_link(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s;
    struct stat st;
    int rc;

    (void)state;
    assert_int_equal(mkdir(workdir_path(&dir, "elsewhere"), 0700), 0);
    assert_int_equal(rename(workdir_path(&dir, ARCHIVE_NAME),
                            workdir_path(&dir, "elsewhere/real")),
                     0);
    assert_int_equal(
        symlink("elsewhere/real", workdir_path(&dir, ARCHIVE_NAME)), 0);
    s = archive_open(&dir, KS_STORE_WRITE, &rc);
    assert_int_equal(rc, KS_OK);
    assert_int_equal(ks_store_remove(s, "vault", &err), KS_OK);
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    ks_store_close(s);
    assert_int_equal(lstat(workdir_path(&dir, ARCHIVE_NAME), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(workdir_entries(&dir, "elsewhere"), 1);
    assert_int_equal(workdir_entries(&dir, "."), 2);
    assert_true(workdir_size(&dir, "elsewhere/real") < (long)lens[3]);
}

static void
opening_for_writing_leaks_nothing_whichever_call_fails(void **state)
{
    size_t fds = fault_open_fds();
    uint8_t bytes[ARCHIVE_MAX];
    bool fired = true;
    long n;

    (void)state;
    memcpy(bytes, whole, lens[3]);
    bytes[30] ^= 1; /* so that there is a slot to heal */
    for (n = 0; fired; n++) {
        struct ks_store *s;
        int rc;

        set_file(bytes, lens[3]);
        fault_arm(n);
        s = archive_open(&dir, KS_STORE_WRITE, &rc);
        fired = fault_disarm();
        assert_true(fired || rc == KS_OK);
        ks_store_close(s);
        assert_int_equal(fault_open_fds(), fds);
        assert_int_equal(archive_look(&dir, false), 3);
        assert_true(n < 1000);
    }
    assert_true(n > 20);
    assert_non_null(strstr(fault_log(), "flock fstat fstatat"));
}

int
main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(cut_at_any_length_it_is_incomplete_and_never_another_state),
        EACH(cut_after_any_commit_it_was_whole_at_that_time),
        EACH(an_interrupted_append_is_passed_over_and_overwritten),
        EACH(a_file_that_is_none_is_told_from_one_that_is_unfinished),
        EACH(a_torn_slot_loses_no_commit),
        EACH(without_both_slots_the_end_of_the_file_tells),
        EACH(an_older_commit_is_never_opened_unasked),
        EACH(opening_for_writing_heals_a_lost_slot_before_anything_is_appended),
        EACH(an_older_commit_is_never_written_on),
        EACH(a_damaged_table_is_refused_and_the_older_commit_offered),
        EACH(a_later_version_is_refused_as_that),
        EACH(tables_out_of_order_are_refused),
        EACH(what_is_no_regular_file_is_refused),
        EACH(a_link_is_followed_and_stays_a_link),
        EACH(opening_for_writing_leaks_nothing_whichever_call_fails),
    };
#undef EACH

    return cmocka_run_group_tests(tests, NULL, NULL);
}
