/*
 * vault/entry_table: every place of every chunk is kept once, in the order of
 * adding, also when memory runs out on the way.
 */
#include <string.h>

#include "check.h"
#include "enginekit.h"
#include "fault.h"
#include "vault/entry_table.h"

#define MANY 20000U /* several blocks */

static void
an_empty_table_has_no_place(void **unused)
{
    struct ks_entry_table t;
    uint8_t id[32];

    (void)unused;
    engine_id(id, 1);
    ks_entry_table_init(&t);
    assert_int_equal(ks_entry_table_find(&t, id), KS_ENTRY_NONE);
    ks_entry_table_wipe(&t);
    assert_int_equal(ks_entry_table_find(&t, id), KS_ENTRY_NONE);
}

static void
every_place_is_found_as_it_was(void **unused)
{
    struct ks_entry_table t;
    struct ks_entry have;

    (void)unused;
    ks_entry_table_init(&t);
    for (uint32_t i = 0; i < MANY; i++) {
        struct ks_entry e = engine_entry(i);
        KIT_OK(ks_entry_table_add(&t, i % 7, &e, KIT_ERR));
    }
    assert_int_equal(t.count, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        struct ks_entry e = engine_entry(i);

        assert_int_equal(ks_entry_table_find(&t, e.id), i);
        assert_int_equal(ks_entry_table_next(&t, i), KS_ENTRY_NONE);
        assert_int_equal(ks_entry_table_pack(&t, i), i % 7);
        ks_entry_table_get(&t, i, &have);
        assert_true(engine_same_entry(&have, &e));
    }
    ks_entry_table_wipe(&t);
}

static void
places_of_one_chunk_come_in_the_order_of_adding(void **unused)
{
    struct ks_entry_table t;
    struct ks_entry e = engine_entry(3);
    struct ks_entry other = engine_entry(4);
    uint32_t at;

    (void)unused;
    ks_entry_table_init(&t);
    for (uint32_t pack = 0; pack < 50; pack++) {
        KIT_OK(ks_entry_table_add(&t, pack, &e, KIT_ERR));
        KIT_OK(ks_entry_table_add(&t, pack, &other, KIT_ERR));
        KIT_OK(ks_entry_table_add(&t, pack / 2, &e, KIT_ERR)); /* again */
    }
    assert_int_equal(t.count, 100);
    at = ks_entry_table_find(&t, e.id);
    for (uint32_t pack = 0; pack < 50; pack++) {
        assert_int_equal(ks_entry_table_pack(&t, at), pack);
        at = ks_entry_table_next(&t, at);
    }
    assert_int_equal(at, KS_ENTRY_NONE);
    /* Another offset in the same pack is another place. */
    e.offset++;
    KIT_OK(ks_entry_table_add(&t, 0, &e, KIT_ERR));
    assert_int_equal(t.count, 101);
    ks_entry_table_wipe(&t);
}

static void
places_compare_by_id_and_then_by_number(void **unused)
{
    struct ks_entry_table t;
    struct ks_entry low = engine_entry(1);
    struct ks_entry high = engine_entry(1);

    (void)unused;
    low.id[31] = 0;
    high.id[31] = 0xff;
    ks_entry_table_init(&t);
    KIT_OK(ks_entry_table_add(&t, 0, &high, KIT_ERR));
    KIT_OK(ks_entry_table_add(&t, 0, &low, KIT_ERR));
    KIT_OK(ks_entry_table_add(&t, 1, &low, KIT_ERR));
    assert_true(ks_entry_table_compare(&t, 0, 1) > 0);
    assert_true(ks_entry_table_compare(&t, 1, 0) < 0);
    assert_true(ks_entry_table_compare(&t, 1, 2) < 0);
    assert_true(ks_entry_table_compare(&t, 2, 1) > 0);
    assert_int_equal(ks_entry_table_compare(&t, 2, 2), 0);
    ks_entry_table_wipe(&t);
}

/* Whatever could not be added is not there, and can be added after all. */
static void
without_memory_nothing_changes(void **unused)
{
    struct ks_entry_table t;
    size_t failures = 0;

    (void)unused;
    ks_entry_table_init(&t);
    for (uint32_t i = 0; i < 5000; i++) {
        struct ks_entry e = engine_entry(i);

        for (long n = 0;; n++) {
            struct ks_err err = KS_ERR_INIT;
            int rc;

            fault_arm_call("malloc calloc realloc", n, 0);
            rc = ks_entry_table_add(&t, 0, &e, &err);
            if (!fault_disarm()) {
                assert_int_equal(rc, KS_OK);
                break;
            }
            failures++;
            assert_int_equal(rc, KS_E_NOMEM);
            assert_int_equal(t.count, i);
            assert_int_equal(ks_entry_table_find(&t, e.id), KS_ENTRY_NONE);
        }
        assert_int_equal(ks_entry_table_find(&t, e.id), i);
    }
    assert_true(failures > 10);
    ks_entry_table_wipe(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_no_place),
        cmocka_unit_test(every_place_is_found_as_it_was),
        cmocka_unit_test(places_of_one_chunk_come_in_the_order_of_adding),
        cmocka_unit_test(places_compare_by_id_and_then_by_number),
        cmocka_unit_test(without_memory_nothing_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
