/*
 * store/file_commit: the order of syncs, and what is left after the process
 * or the machine stops at any moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "base/clock.h"
#include "base/text.h"
#include "check.h"
#include "fault.h"
#include "store/file_slot.h"
#include "store/file_toc.h"

#define BLOCK ((size_t)512)

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

static void
a_commit_syncs_the_table_before_the_slot_that_names_it(void **state)
{
    struct ks_store *s;
    int rc;

    (void)state;
    s = archive_open(&dir, KS_STORE_CREATE, &rc);
    fault_arm(FAULT_NEVER);
    assert_int_equal(archive_commit(s, 1), KS_OK);
    (void)fault_disarm();
    /* Three objects, one of them empty; their table; the slots; the name. */
    assert_int_equal(fault_count("pwrite"), 4);
    assert_non_null(strstr(fault_log(), "pwrite ftruncate fdatasync "
                                        "pwrite fdatasync fsync"));
    fault_arm(FAULT_NEVER);
    assert_int_equal(archive_commit(s, 2), KS_OK);
    (void)fault_disarm();
    assert_non_null(strstr(fault_log(), "pwrite ftruncate fdatasync pwrite "
                                        "fdatasync"));
    assert_int_equal(fault_count("fsync"), 0);
    assert_int_equal(fault_count("fdatasync"), 2);
    ks_store_close(s);
}

static void
slots_are_written_in_turn(void **state)
{
    struct ks_store *s;
    uint8_t bytes[ARCHIVE_MAX];
    int rc;

    (void)state;
    s = archive_open(&dir, KS_STORE_CREATE, &rc);
    for (uint64_t n = 1; n <= 6; n++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_slot slot[2];
        char name[16];

        (void)snprintf(name, sizeof(name), "p/%d", (int)n);
        assert_int_equal(ks_store_put(s, name, "x", 1, &err), KS_OK);
        assert_int_equal(ks_store_sync(s, &err), KS_OK);
        if (n == 4) { /* whoever goes on with it does so too */
            ks_store_close(s);
            s = archive_open(&dir, KS_STORE_WRITE, &rc);
        }
        (void)archive_bytes(&dir, bytes);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(ks_slot_decode(&slot[i], bytes + i * KS_SLOT_SIZE),
                             KS_SLOT_VALID);
        assert_true(slot[0].sequence == n || slot[1].sequence == n);
        assert_true(n == 1 || slot[0].sequence + slot[1].sequence == 2 * n - 1);
    }
    ks_store_close(s);
}

/* Everything that a process can do to an archive: three commits, then one
 * that removes what the third added. *reached counts what was acknowledged,
 * *begun what may have happened. */
static void
live(struct ks_store **s, int *reached, int *begun)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store_options options = {.mode = KS_STORE_CREATE};

    *reached = 0;
    *begun = 0;
    if (ks_store_open(s, workdir_path(&dir, ARCHIVE_NAME), &options, &err) < 0)
        return;
    for (unsigned n = 1; n <= ARCHIVE_COMMITS; n++) {
        *begun = (int)n;
        if (archive_commit(*s, n) < 0)
            return;
        *reached = (int)n;
    }
    *begun = 2; /* from 3 back to 2 */
    if (ks_store_remove(*s, "packs/c", &err) < 0 ||
        ks_store_remove(*s, "notes/empty", &err) < 0 ||
        ks_store_sync(*s, &err) < 0)
        return;
    *reached = 2;
}

/* The last acknowledged state is there, or the one after it. */
static void
assert_survived(int reached, int begun)
{
    int rc;
    struct ks_store *s = archive_open(&dir, KS_STORE_WRITE, &rc);
    struct ks_err err = KS_ERR_INIT;
    int is;

    if (rc != KS_OK) {
        assert_int_equal(reached, 0);
        assert_true(rc == KS_E_NOTFOUND || rc == KS_E_INCOMPLETE);
        return;
    }
    is = archive_state(s);
    assert_true(is == reached || is == begun);
    assert_int_equal(archive_check(s).count, 0);
    assert_int_equal(ks_store_put(s, "other/after", "x", 1, &err), KS_OK);
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    assert_int_equal(archive_check(s).count, 0);
    ks_store_close(s);
    assert_int_equal(workdir_entries(&dir, "."), 1); /* no copy is left */
}

static void
a_process_that_stops_at_any_call_leaves_the_last_synced_state(void **state)
{
    bool fired = true;
    long n;

    (void)state;
    for (n = 0; fired; n++) {
        struct ks_store *s = NULL;
        int reached;
        int begun;

        /* From the n-th call on nothing works, not even cleaning up. */
        fault_arm_lasting(NULL, n, EIO);
        live(&s, &reached, &begun);
        ks_store_close(s);
        fired = fault_disarm();
        assert_survived(reached, begun);
        (void)unlink(workdir_path(&dir, ARCHIVE_NAME));
        assert_true(n < 1000);
    }
    print_message("stopped at each of %ld calls\n", n);
    assert_true(n > 50);
    assert_int_equal(fault_count("renameat"), 1);
}

/*
 * A machine that stops is worse: of what was written since the last sync any
 * part may be on disk. Here the file is put together block by block from what
 * it was at the last sync and what it was when the next was asked for.
 */

struct image {
    uint8_t bytes[ARCHIVE_MAX];
    size_t len;
};

static void
take_image(struct image *image)
{
    image->len = 0;
    memset(image->bytes, 0, sizeof(image->bytes));
    if (workdir_size(&dir, ARCHIVE_NAME) >= 0)
        image->len = archive_bytes(&dir, image->bytes);
}

static uint64_t noise;

static uint32_t
below(uint32_t bound)
{
    noise = noise * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(noise >> 33) % bound;
}

/* Write the file as it may be after the power went. */
static void
mix_images(const struct image *synced, const struct image *asked)
{
    uint8_t bytes[ARCHIVE_MAX] = {0};
    size_t max = asked->len > synced->len ? asked->len : synced->len;
    size_t len = below(2) == 0 ? asked->len : synced->len;

    for (size_t at = 0; at < max; at += BLOCK) {
        const struct image *from = below(2) == 0 ? synced : asked;

        memcpy(bytes + at, from->bytes + at, BLOCK);
    }
    if (below(3) == 0) { /* a block that is torn within */
        size_t at = below((uint32_t)(max / BLOCK + 1)) * BLOCK;
        size_t cut = below((uint32_t)BLOCK);

        if (at == 0 || at == KS_SLOT_SIZE || below(2) == 0) {
            memcpy(bytes + at, asked->bytes + at, cut);
            memcpy(bytes + at + cut, synced->bytes + at + cut, BLOCK - cut);
        }
    }
    workdir_write(&dir, ARCHIVE_NAME, bytes, len);
}

static void
lose_power_often(const struct image *synced, const struct image *asked,
                 int reached, int begun)
{
    for (int i = 0; i < 60; i++) {
        mix_images(synced, asked);
        assert_survived(reached, begun);
    }
}

static void
a_machine_that_stops_at_any_sync_leaves_the_last_synced_state(void **state)
{
    static struct image synced;
    static struct image asked;
    const char *seed = getenv("KEEPSAY_TEST_SEED");
    bool fired = true;
    long n;

    (void)state;
    noise = (uint64_t)ks_now_ms();
    if (seed != NULL)
        assert_true(ks_parse_u64(seed, &noise));
    print_message("KEEPSAY_TEST_SEED=%" PRIu64 "\n", noise);
    memset(&synced, 0, sizeof(synced));
    for (n = 0; fired; n++) {
        struct ks_store *s = NULL;
        int reached;
        int begun;

        /* The process stops as it asks for the n-th sync. */
        fault_arm_call("fdatasync", n, EIO);
        live(&s, &reached, &begun);
        fired = fault_disarm();
        take_image(&asked);
        ks_store_close(s);
        if (fired)
            lose_power_often(&synced, &asked, reached, begun);
        synced = asked; /* that sync, when it succeeds */
        (void)unlink(workdir_path(&dir, ARCHIVE_NAME));
    }
    assert_int_equal(n, 2 * ARCHIVE_COMMITS + 1);
}

static void
put_small(struct ks_store *s, unsigned i)
{
    struct ks_err err = KS_ERR_INIT;
    char name[24];

    (void)snprintf(name, sizeof(name), "packs/%04u", i);
    assert_int_equal(ks_store_put(s, name, name, 10, &err), KS_OK);
}

/* Many commits: the chain of tables is cut again and again, the tables before
 * become dead bytes, and what a commit adds stays small. */
static void
a_commit_costs_what_is_new_however_many_there_were(void **state)
{
    struct ks_store *s;
    long before = 0;
    unsigned large = 0;
    int rc;

    (void)state;
    s = archive_open(&dir, KS_STORE_CREATE, &rc);
    for (unsigned i = 0; i < 500; i++)
        put_small(s, i);
    for (unsigned i = 500; i < 600; i++) {
        struct ks_err err = KS_ERR_INIT;
        long size;

        put_small(s, i);
        assert_int_equal(ks_store_sync(s, &err), KS_OK);
        size = workdir_size(&dir, ARCHIVE_NAME);
        if (i > 500 && size - before != 10 + 72 + 39 + 512)
            large++;
        before = size;
        if (i % 7 == 0) {
            ks_store_close(s);
            s = archive_open(&dir, KS_STORE_WRITE, &rc);
            assert_int_equal(rc, KS_OK);
        }
    }
    assert_int_equal(large, 100 / KS_TOC_CHAIN_MAX);
    assert_int_equal(archive_check(s).count, 0);
    ks_store_close(s);
}

static void
every_object_of_many_commits_is_there(void **state)
{
    struct ks_store *s;
    int rc;

    (void)state;
    s = archive_open(&dir, KS_STORE_CREATE, &rc);
    for (unsigned i = 0; i < 3 * KS_TOC_CHAIN_MAX + 2; i++) {
        struct ks_err err = KS_ERR_INIT;

        put_small(s, i);
        assert_int_equal(ks_store_sync(s, &err), KS_OK);
        ks_store_close(s);
        s = archive_open(&dir, i % 2 == 0 ? KS_STORE_READ : KS_STORE_WRITE,
                         &rc);
        assert_int_equal(rc, KS_OK);
        for (unsigned j = 0; j <= i; j++) {
            char name[24];
            char text[16];
            size_t got;

            (void)snprintf(name, sizeof(name), "packs/%04u", j);
            assert_int_equal(ks_store_get(s, name, 0, text, 16, &got, &err),
                             KS_OK);
            assert_int_equal(got, 10);
            assert_memory_equal(text, name, 10);
        }
        if (i % 2 == 0) {
            ks_store_close(s);
            s = archive_open(&dir, KS_STORE_WRITE, &rc);
        }
    }
    ks_store_close(s);
}

static void
a_full_disk_when_the_chain_is_cut_can_be_tried_again(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s;
    int rc;

    (void)state;
    s = archive_open(&dir, KS_STORE_CREATE, &rc);
    for (unsigned i = 0; i < KS_TOC_CHAIN_MAX; i++) {
        put_small(s, i);
        assert_int_equal(ks_store_sync(s, &err), KS_OK);
    }
    put_small(s, 99);
    for (int i = 0; i < 2; i++) {
        fault_arm_call("pwrite", 0, ENOSPC);
        assert_int_equal(ks_store_sync(s, &err), KS_E_FULL);
        assert_true(fault_disarm());
        err = KS_ERR_INIT;
    }
    assert_int_equal(ks_store_sync(s, &err), KS_OK);
    ks_store_close(s);
    s = archive_open(&dir, KS_STORE_READ, &rc);
    assert_int_equal(rc, KS_OK);
    assert_int_equal(archive_check(s).count, 0);
    ks_store_close(s);
}

int
main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(a_commit_syncs_the_table_before_the_slot_that_names_it),
        EACH(slots_are_written_in_turn),
        EACH(a_process_that_stops_at_any_call_leaves_the_last_synced_state),
        EACH(a_machine_that_stops_at_any_sync_leaves_the_last_synced_state),
        EACH(a_commit_costs_what_is_new_however_many_there_were),
        EACH(every_object_of_many_commits_is_there),
        EACH(a_full_disk_when_the_chain_is_cut_can_be_tried_again),
    };
#undef EACH

    return cmocka_run_group_tests(tests, NULL, NULL);
}
