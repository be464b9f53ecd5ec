#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "check.h"
#include "fault.h"
#include "job/memo.h"
#include "vault/keyring.h"
#include "vaultkit.h"
#include "workdir.h"

struct bench {
    struct workdir dir;
    struct ks_keyring *keys;
    struct ks_object_context cx;
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    workdir_make(&b->dir);
    b->keys = kit_keyring(1);
    b->cx = kit_context(NULL, b->keys);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_keyring_free(b->keys);
    workdir_remove(&b->dir);
    free(b);
    return 0;
}

/* An entry of which every byte follows from n. */
static struct ks_memo_entry
entry(uint8_t n)
{
    struct ks_memo_entry e = {
        .looks = {.size = n,
                  .mtime_ns = -n,
                  .ctime_ns = n,
                  .inode = (uint64_t)7 * n},
        .policy = KS_POLICY_INIT,
    };

    memset(e.looks.path, n, sizeof(e.looks.path));
    memset(e.looks.head, n + 1, sizeof(e.looks.head));
    memset(e.looks.tail, n + 2, sizeof(e.looks.tail));
    memset(e.snapshot, n + 3, sizeof(e.snapshot));
    return e;
}

static struct ks_memo
read_memo(const struct bench *b)
{
    struct ks_memo memo;

    memset(&memo, 0xff, sizeof(memo));
    KIT_OK(ks_memo_read(&memo, &b->cx, b->dir.path, KIT_ERR));
    return memo;
}

static void
write_memo(const struct bench *b, const struct ks_memo *memo)
{
    KIT_OK(ks_memo_write(memo, &b->cx, b->dir.path, KIT_ERR));
}

static void
what_is_written_is_read(void **state)
{
    struct bench *b = *state;
    struct ks_memo memo = {.verify_cycle = 0x123456789abcdefULL};
    struct ks_memo back;

    for (uint8_t n = 0; n < 5; n++) {
        struct ks_memo_entry e = entry(n);

        e.policy.no_media = (n & 1) != 0;
        e.policy.allow_incomplete = (n & 2) != 0;
        e.policy.forget_source_key = (n & 4) != 0;
        e.policy.attachment_bytes_max = n;
        ks_memo_put(&memo, &e);
    }
    write_memo(b, &memo);
    back = read_memo(b);
    assert_int_equal(back.verify_cycle, memo.verify_cycle);
    assert_int_equal(back.count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct ks_memo_entry *e = &memo.list[i];

        assert_ptr_equal(ks_memo_find(&back, &e->looks, &e->policy),
                         &back.list[i]);
        assert_memory_equal(back.list[i].snapshot, e->snapshot, 16);
    }
}

static void
a_memo_that_is_absent_is_empty(void **state)
{
    struct ks_memo memo = read_memo(*state);

    assert_int_equal(memo.count, 0);
    assert_int_equal(memo.verify_cycle, 0);
}

static void
another_policy_is_another_entry(void **state)
{
    struct ks_memo memo = {0};
    struct ks_memo_entry e = entry(1);
    struct ks_policy other = e.policy;

    (void)state;
    ks_memo_put(&memo, &e);
    assert_non_null(ks_memo_find(&memo, &e.looks, &e.policy));
    other.no_media = true;
    assert_null(ks_memo_find(&memo, &e.looks, &other));
    other = e.policy;
    other.attachment_bytes_max--;
    assert_null(ks_memo_find(&memo, &e.looks, &other));
    e.looks.size++;
    assert_null(ks_memo_find(&memo, &e.looks, &e.policy));
}

static void
the_newest_of_a_path_counts(void **state)
{
    struct ks_memo memo = {0};
    struct ks_memo_entry e = entry(1);

    (void)state;
    ks_memo_put(&memo, &e);
    e.looks.size = 99;
    ks_memo_put(&memo, &e);
    assert_int_equal(memo.count, 1);
    assert_int_equal(memo.list[0].looks.size, 99);
}

static void
the_oldest_goes_when_it_is_full(void **state)
{
    struct bench *b = *state;
    struct ks_memo memo = {0};
    struct ks_memo_entry first = entry(0);
    struct ks_memo_entry second = entry(1);

    for (size_t n = 0; n < KS_MEMO_MAX; n++) {
        struct ks_memo_entry e = entry((uint8_t)n);

        ks_memo_put(&memo, &e);
    }
    assert_non_null(ks_memo_find(&memo, &first.looks, &first.policy));
    second.looks.path[0] = 0xee;
    ks_memo_put(&memo, &second);
    assert_int_equal(memo.count, KS_MEMO_MAX);
    assert_null(ks_memo_find(&memo, &first.looks, &first.policy));
    write_memo(b, &memo);
    assert_int_equal(read_memo(b).count, KS_MEMO_MAX);
}

static void
one_that_is_cut_or_changed_anywhere_is_empty(void **state)
{
    struct bench *b = *state;
    struct ks_memo memo = {.verify_cycle = 3};
    struct ks_memo_entry e = entry(1);
    struct ks_buf whole;

    ks_memo_put(&memo, &e);
    write_memo(b, &memo);
    ks_buf_init(&whole, 1 << 20);
    KIT_OK(
        ks_file_read(workdir_path(&b->dir, "memo"), 1 << 20, &whole, KIT_ERR));
    for (size_t at = 0; at < whole.len; at += 13) {
        workdir_write(&b->dir, "memo", whole.data, at);
        assert_int_equal(read_memo(b).verify_cycle, 0);
        whole.data[at] ^= 0x40;
        workdir_write(&b->dir, "memo", whole.data, whole.len);
        whole.data[at] ^= 0x40;
        assert_int_equal(read_memo(b).verify_cycle, 0);
    }
    workdir_write(&b->dir, "memo", whole.data, whole.len);
    assert_int_equal(read_memo(b).verify_cycle, 3);
    ks_buf_wipe(&whole);
}

/* Seal `content` as the memo; how many entries it then reads as. */
static uint64_t
cycle_of(const struct bench *b, const void *content, size_t len)
{
    struct ks_buf sealed;
    uint8_t id[16];

    ks_buf_init(&sealed, 1 << 20);
    KIT_OK(ks_object_seal(&b->cx, KS_OBJ_STATE,
                          (struct ks_bytes){.ptr = content, .len = len},
                          &sealed, id, KIT_ERR));
    workdir_write(&b->dir, "memo", sealed.data, sealed.len);
    ks_buf_wipe(&sealed);
    return read_memo(b).verify_cycle;
}

static void
a_content_of_another_shape_is_empty(void **state)
{
    struct bench *b = *state;
    uint8_t content[11 + 153] = {1, 9};

    assert_int_equal(cycle_of(b, content, 11), 9);
    assert_int_equal(cycle_of(b, content, 12), 0); /* a byte too many */
    for (size_t len = 1; len < 11; len++)
        assert_int_equal(cycle_of(b, content, len), 0);
    content[9] = 1; /* one entry */
    assert_int_equal(cycle_of(b, content, sizeof(content)), 9);
    for (size_t len = 11; len < sizeof(content); len++)
        assert_int_equal(cycle_of(b, content, len), 0);
    content[9] = KS_MEMO_MAX + 1;
    assert_int_equal(cycle_of(b, content, sizeof(content)), 0);
    content[9] = 0;
    content[0] = 2; /* a newer one */
    assert_int_equal(cycle_of(b, content, 11), 0);
}

static void
the_keys_of_another_vault_do_not_open_it(void **state)
{
    struct bench *b = *state;
    struct ks_memo memo = {.verify_cycle = 3};

    write_memo(b, &memo);
    b->cx.vault_id[0] ^= 1;
    assert_int_equal(read_memo(b).verify_cycle, 0);
}

static void
a_write_that_fails_leaves_the_old_one(void **state)
{
    struct bench *b = *state;
    struct ks_memo old = {.verify_cycle = 1};
    struct ks_memo new = {.verify_cycle = 2};
    size_t fds = fault_open_fds();
    bool reached = true;
    long n = 0;

    for (; reached; n++) {
        struct ks_err err = KS_ERR_INIT;
        uint64_t cycle;
        int rc;

        write_memo(b, &old);
        fault_arm(n);
        rc = ks_memo_write(&new, &b->cx, b->dir.path, &err);
        reached = fault_disarm();
        cycle = read_memo(b).verify_cycle;
        assert_true(cycle == 1 || cycle == 2);
        if (rc == KS_OK)
            assert_int_equal(cycle, 2);
        assert_int_equal(workdir_entries(&b->dir, "."), 1);
        assert_int_equal(fault_open_fds(), fds);
    }
    assert_true(n > 8);
    KIT_FAILS(
        KS_E_NOTFOUND,
        ks_memo_write(&new, &b->cx, workdir_path(&b->dir, "no"), KIT_ERR));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define MEMO_TEST(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)
        MEMO_TEST(what_is_written_is_read),
        MEMO_TEST(a_memo_that_is_absent_is_empty),
        cmocka_unit_test(another_policy_is_another_entry),
        cmocka_unit_test(the_newest_of_a_path_counts),
        MEMO_TEST(the_oldest_goes_when_it_is_full),
        MEMO_TEST(one_that_is_cut_or_changed_anywhere_is_empty),
        MEMO_TEST(a_content_of_another_shape_is_empty),
        MEMO_TEST(the_keys_of_another_vault_do_not_open_it),
        MEMO_TEST(a_write_that_fails_leaves_the_old_one),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
