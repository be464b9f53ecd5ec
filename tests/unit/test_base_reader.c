/*
 * base/reader: short reads are normal, the end repeats, failures pass through.
 */
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "check.h"
#include "fault.h"

/* A reader that gives 1, 2, 3, ... bytes a time, and may fail at some point. */
struct dribble {
    struct ks_reader base;
    size_t left;
    size_t next;
    size_t fail_at; /* bytes left when it fails; SIZE_MAX: never */
    bool closed;
};

static int
dribble_read(struct ks_reader *r, void *buf, size_t cap, size_t *got,
             struct ks_err *err)
{
    struct dribble *d = (struct dribble *)r;
    size_t n = ++d->next;

    if (d->left <= d->fail_at && d->fail_at != SIZE_MAX)
        return ks_fail(err, KS_E_CORRUPT, 0, "the dribble broke");
    if (n > cap)
        n = cap;
    if (n > d->left)
        n = d->left;
    memset(buf, 'd', n);
    d->left -= n;
    *got = n;
    return n > 0 ? KS_OK : KS_END;
}

static void
dribble_close(struct ks_reader *r)
{
    ((struct dribble *)r)->closed = true;
}

static const struct ks_reader_ops dribble_ops = {dribble_read, dribble_close};

static struct dribble
dribble_of(size_t len)
{
    return (struct dribble){
        .base = {&dribble_ops}, .left = len, .fail_at = SIZE_MAX};
}

static void
bytes_come_in_order_and_then_the_end_for_ever(void **state)
{
    static const char text[] = "0123456789";

    (void)state;
    for (size_t len = 0; len <= 10; len++) {
        for (size_t cap = 1; cap <= 11; cap++) {
            struct ks_err err = KS_ERR_INIT;
            struct ks_reader *r = NULL;
            char all[16] = {0};
            size_t total = 0;
            size_t got = 99;

            assert_int_equal(ks_reader_open_bytes(&r, text, len, &err), KS_OK);
            while (ks_reader_read(r, all + total, cap, &got, &err) == KS_OK)
                total += got;
            assert_int_equal(total, len);
            assert_memory_equal(all, text, len);
            for (int again = 0; again < 3; again++) {
                got = 99;
                assert_int_equal(ks_reader_read(r, all, cap, &got, &err),
                                 KS_END);
                assert_int_equal(got, 0);
            }
            assert_int_equal(err.code, KS_OK);
            ks_reader_close(r);
        }
    }
}

static void
nothing_at_all_may_be_read_from_nowhere(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_reader *r = NULL;
    size_t got = 99;
    char c;

    (void)state;
    assert_int_equal(ks_reader_open_bytes(&r, NULL, 0, &err), KS_OK);
    assert_int_equal(ks_reader_read(r, &c, 1, &got, &err), KS_END);
    assert_int_equal(got, 0);
    assert_int_equal(ks_reader_fill(r, &c, 1, &got, &err), KS_OK);
    assert_int_equal(got, 0);
    ks_reader_close(r);
}

static void
fill_gathers_short_reads_until_full_or_the_end(void **state)
{
    static const size_t lens[] = {0, 1, 9, 10, 11, 25};

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct dribble d = dribble_of(lens[i]);
        struct ks_err err = KS_ERR_INIT;
        size_t total = 0;
        size_t got = 0;
        char buf[10];

        do {
            assert_int_equal(ks_reader_fill(&d.base, buf, 10, &got, &err),
                             KS_OK);
            total += got;
            /* short only at the end */
            assert_true(got == 10 || total == lens[i]);
        } while (got == 10);
        assert_int_equal(total, lens[i]);
        assert_int_equal(ks_reader_fill(&d.base, buf, 10, &got, &err), KS_OK);
        assert_int_equal(got, 0);
    }
}

static void
a_failure_passes_through_and_leaves_the_count_alone(void **state)
{
    struct dribble d = dribble_of(20);
    struct ks_err err = KS_ERR_INIT;
    size_t got = 99;
    char buf[20];

    (void)state;
    d.fail_at = 5;
    assert_int_equal(ks_reader_fill(&d.base, buf, sizeof(buf), &got, &err),
                     KS_E_CORRUPT);
    assert_int_equal(got, 99);
    assert_string_equal(err.msg, "the dribble broke");
    err = KS_ERR_INIT;
    assert_int_equal(ks_reader_read(&d.base, buf, sizeof(buf), &got, &err),
                     KS_E_CORRUPT);
    assert_int_equal(got, 99);
}

static void
close_reaches_the_reader_and_forgives_null(void **state)
{
    struct dribble d = dribble_of(0);

    (void)state;
    ks_reader_close(&d.base);
    assert_true(d.closed);
    ks_reader_close(NULL);
}

static void
a_reader_without_memory_is_not_made(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_reader *r = NULL;
    int rc;

    (void)state;
    fault_arm(0);
    rc = ks_reader_open_bytes(&r, "x", 1, &err);
    assert_true(fault_disarm());
    assert_string_equal(fault_log(), "calloc");
    assert_int_equal(rc, KS_E_NOMEM);
    assert_null(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_in_order_and_then_the_end_for_ever),
        cmocka_unit_test(nothing_at_all_may_be_read_from_nowhere),
        cmocka_unit_test(fill_gathers_short_reads_until_full_or_the_end),
        cmocka_unit_test(a_failure_passes_through_and_leaves_the_count_alone),
        cmocka_unit_test(close_reaches_the_reader_and_forgives_null),
        cmocka_unit_test(a_reader_without_memory_is_not_made),
    };

    return cmocka_run_group_tests_name("base/reader", tests, NULL, NULL);
}
