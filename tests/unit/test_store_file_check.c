/*
 * store/file_check: no byte of an archive file changes unnoticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "check.h"
#include "fault.h"
#include "store/file_slot.h"
#include "store/file_toc.h"

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

/* Open and check; the code of opening. */
static int
check_file(struct archive_damage *damage)
{
    int rc = KS_OK;
    struct ks_store *s = archive_open(&dir, KS_STORE_READ, &rc);

    if (rc == KS_OK)
        *damage = archive_check(s);
    ks_store_close(s);
    return rc;
}

static void
an_undamaged_file_is_clean(void **state)
{
    struct archive_damage damage = {0};

    (void)state;
    archive_make(&dir, NULL);
    assert_int_equal(check_file(&damage), KS_OK);
    assert_int_equal(damage.count, 0);
    assert_int_equal(damage.trailing, 0);
}

/* Change every byte of the file in turn, in so many ways. Either it does not
 * open any more, or the check says that the damage is there. */
static void
flip_every_byte(size_t ways)
{
    static uint8_t bytes[ARCHIVE_MAX];
    static const uint8_t flips[] = {0x01, 0x80};
    size_t len = archive_bytes(&dir, bytes);
    int fd = open(workdir_path(&dir, ARCHIVE_NAME), O_WRONLY | O_CLOEXEC);
    size_t refused = 0;

    assert_true(fd >= 0);
    for (size_t i = 0; i < ways * len; i++) {
        struct archive_damage damage = {0};
        size_t at = i / ways;
        uint8_t flipped = bytes[at] ^ flips[i % ways];
        int rc;

        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        rc = check_file(&damage);
        if (rc != KS_OK) {
            assert_int_equal(rc, KS_E_CORRUPT);
            assert_true(at >= KS_SLOTS_SIZE); /* slots have a copy */
            refused++;
        } else if (damage.count != 1 || at < damage.offset ||
                   at - damage.offset >= damage.len) {
            fail_msg("byte %zu: %zu damages, the first at %llu, %llu bytes, %s",
                     at, damage.count, (unsigned long long)damage.offset,
                     (unsigned long long)damage.len, damage.what);
        }
        assert_int_equal(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    }
    assert_int_equal(close(fd), 0);
    print_message("%zu bytes flipped, %zu times refused\n", len, refused);
    assert_true(refused > 0 && refused < len);
}

static void
every_flipped_byte_is_found(void **state)
{
    (void)state;
    archive_make(&dir, NULL);
    flip_every_byte(2);
}

static void
every_flipped_byte_is_found_after_many_commits(void **state)
{
    struct ks_store *s = NULL;
    int rc;

    (void)state;
    s = archive_open(&dir, KS_STORE_CREATE, &rc);
    for (unsigned i = 0; i < KS_TOC_CHAIN_MAX + 2; i++) {
        struct ks_err err = KS_ERR_INIT;
        char name[8];

        (void)snprintf(name, sizeof(name), "%u", i);
        assert_int_equal(ks_store_put(s, name, name, i % 3, &err), KS_OK);
        assert_int_equal(ks_store_sync(s, &err), KS_OK);
    }
    ks_store_close(s);
    flip_every_byte(1);
}

static void
damage_is_named(void **state)
{
    static const struct {
        size_t at;
        const char *what;
    } cases[] = {
        {100, "commit slot 1"},   {600, "commit slot 2"},
        {1024, "object vault"},   {1063, "object vault"},
        {1064, "object packs/b"}, {1363, "object packs/b"},
    };
    uint64_t lens[ARCHIVE_COMMITS + 1];
    uint8_t bytes[ARCHIVE_MAX];
    struct archive_damage damage = {0};
    size_t len;

    (void)state;
    archive_make(&dir, lens);
    len = archive_bytes(&dir, bytes);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bytes[cases[i].at] ^= 4;
        workdir_write(&dir, ARCHIVE_NAME, bytes, len);
        assert_int_equal(check_file(&damage), KS_OK);
        assert_int_equal(damage.count, 1);
        assert_string_equal(damage.what, cases[i].what);
        bytes[cases[i].at] ^= 4;
    }
    bytes[lens[2] - 1] ^= 4; /* in the end slot of an older commit */
    workdir_write(&dir, ARCHIVE_NAME, bytes, len);
    assert_int_equal(check_file(&damage), KS_OK);
    assert_string_equal(damage.what, "table of contents");
}

static void
a_missing_end_is_damage_to_whoever_has_the_file_open(void **state)
{
    uint64_t lens[ARCHIVE_COMMITS + 1];
    struct archive_damage damage;
    struct ks_store *s = NULL;
    int rc;

    (void)state;
    archive_make(&dir, lens);
    s = archive_open(&dir, KS_STORE_READ, &rc);
    assert_int_equal(truncate(workdir_path(&dir, ARCHIVE_NAME), (off_t)lens[1]),
                     0);
    damage = archive_check(s);
    assert_int_equal(damage.count, 5); /* three objects and two tables */
    assert_int_equal(damage.offset, lens[1]);
    ks_store_close(s);
}

static void
a_sector_that_cannot_be_read_is_damage_and_the_rest_is_checked(void **state)
{
    struct archive_damage damage;
    struct ks_store *s = NULL;
    int rc;

    (void)state;
    archive_make(&dir, NULL);
    s = archive_open(&dir, KS_STORE_READ, &rc);
    fault_arm_call("pread", 2, EIO); /* after the slots and the end slot */
    damage = archive_check(s);
    assert_true(fault_disarm());
    assert_int_equal(damage.count, 1);
    assert_string_equal(damage.what, "object vault");
    ks_store_close(s);
}

static void
ignore_damage(void *user, uint64_t offset, uint64_t len, const char *what)
{
    (void)user;
    (void)offset;
    (void)len;
    (void)what;
}

static void
a_check_fails_plainly_whichever_call_fails(void **state)
{
    size_t fds = fault_open_fds();
    bool fired = true;
    struct ks_store *s = NULL;
    int rc;

    (void)state;
    archive_make(&dir, NULL);
    s = archive_open(&dir, KS_STORE_READ, &rc);
    for (long n = 0; fired; n++) {
        struct ks_err err = KS_ERR_INIT;
        uint64_t trailing = 99;

        fault_arm_errno(n, ENXIO); /* an EIO would be damage */
        rc = ks_store_check(s, ignore_damage, NULL, &trailing, &err);
        fired = fault_disarm();
        assert_int_equal(rc == KS_OK, !fired);
        assert_int_equal(trailing, rc == KS_OK ? 0 : 99);
        assert_int_equal(rc, err.code);
        assert_true(n < 100);
    }
    ks_store_close(s);
    assert_int_equal(fault_open_fds(), fds);
}

static void
nothing_is_checked_while_a_sync_is_due(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    uint64_t trailing;
    struct ks_store *s = NULL;
    int rc;

    (void)state;
    archive_make(&dir, NULL);
    s = archive_open(&dir, KS_STORE_WRITE, &rc);
    assert_int_equal(ks_store_put(s, "x", "x", 1, &err), KS_OK);
    assert_int_equal(ks_store_check(s, ignore_damage, NULL, &trailing, &err),
                     KS_E_USAGE);
    err = KS_ERR_INIT;
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    assert_int_equal(archive_check(s).count, 0);
    ks_store_close(s);
}

static void
other_stores_have_nothing_to_check(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    uint64_t trailing = 99;
    struct ks_store *s = NULL;

    (void)state;
    assert_int_equal(ks_store_open_memory(&s, &err), KS_OK);
    assert_int_equal(ks_store_check(s, ignore_damage, NULL, &trailing, &err),
                     KS_OK);
    assert_int_equal(trailing, 0);
    ks_store_close(s);
}

/* Hostile tables, with all their checksums right. */

static void
add_object(struct ks_toc *toc, const char *name, uint64_t offset, uint32_t len,
           const uint8_t *bytes)
{
    struct ks_toc_entry entry = {.offset = offset, .len = len};
    struct ks_err err = KS_ERR_INIT;
    size_t at;

    ks_sum(entry.sum, bytes + offset, len);
    assert_false(ks_toc_find(toc, name, &at));
    assert_int_equal(ks_toc_reserve(toc, &err), KS_OK);
    ks_toc_insert(toc, at, name, &entry);
}

/* A file of `len` bytes before its table, which names two objects. */
static void
write_hostile(const uint64_t *offsets, const uint32_t *sizes, size_t len)
{
    static uint8_t bytes[ARCHIVE_MAX];
    struct ks_toc_head head = {.sequence = 1};
    struct ks_slot slot = {.sequence = 1, .toc = {.offset = len}};
    struct ks_err err = KS_ERR_INIT;
    struct ks_toc toc;
    struct ks_buf buf;

    memset(bytes, 0x33, sizeof(bytes));
    ks_toc_init(&toc);
    add_object(&toc, "a", offsets[0], sizes[0], bytes);
    add_object(&toc, "b", offsets[1], sizes[1], bytes);
    ks_buf_init(&buf, 4096);
    assert_int_equal(ks_toc_encode(&toc, &head, 0, &buf, &err), KS_OK);
    memcpy(bytes + len, buf.data, buf.len);
    slot.toc.len = buf.len;
    assert_non_null(SHA256(buf.data, buf.len, slot.toc.sha256));
    ks_slot_encode(bytes, &slot);
    ks_slot_encode(bytes + KS_SLOT_SIZE, &slot);
    ks_slot_encode(bytes + len + buf.len, &slot);
    workdir_write(&dir, ARCHIVE_NAME, bytes, len + buf.len + KS_SLOT_SIZE);
    ks_toc_wipe(&toc);
    ks_buf_wipe(&buf);
}

static void
stretches_that_do_not_tile_the_file_are_damage(void **state)
{
    static const struct {
        uint64_t offsets[2];
        uint32_t sizes[2];
        size_t count;
        uint64_t at;
        uint64_t len;
    } cases[] = {
        {{1024, 1034}, {10, 10}, 0, 0, 0},
        {{1034, 1024}, {10, 10}, 0, 0, 0},
        {{1025, 1034}, {9, 10}, 1, 1024, 1},
        {{1024, 1035}, {10, 9}, 1, 1034, 1},
        {{1024, 1034}, {10, 9}, 1, 1043, 1},
        {{1024, 1033}, {10, 11}, 1, 1033, 1},
        {{1024, 1024}, {20, 20}, 1, 1024, 20},
        {{1024, 1030}, {20, 4}, 1, 1030, 14},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct archive_damage damage = {0};

        write_hostile(cases[i].offsets, cases[i].sizes, 1044);
        assert_int_equal(check_file(&damage), KS_OK);
        assert_int_equal(damage.count, cases[i].count);
        if (damage.count > 0) {
            assert_int_equal(damage.offset, cases[i].at);
            assert_int_equal(damage.len, cases[i].len);
        }
    }
}

int
main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(an_undamaged_file_is_clean),
        EACH(every_flipped_byte_is_found),
        EACH(every_flipped_byte_is_found_after_many_commits),
        EACH(damage_is_named),
        EACH(a_missing_end_is_damage_to_whoever_has_the_file_open),
        EACH(a_sector_that_cannot_be_read_is_damage_and_the_rest_is_checked),
        EACH(a_check_fails_plainly_whichever_call_fails),
        EACH(nothing_is_checked_while_a_sync_is_due),
        EACH(other_stores_have_nothing_to_check),
        EACH(stretches_that_do_not_tile_the_file_are_damage),
    };
#undef EACH

    return cmocka_run_group_tests(tests, NULL, NULL);
}
