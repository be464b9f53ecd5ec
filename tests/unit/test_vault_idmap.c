/*
 * vault/idmap: what was added is found, and nothing else, also when ids
 * collide and when memory runs out.
 */
#include <string.h>

#include "check.h"
#include "enginekit.h"
#include "fault.h"
#include "vault/idmap.h"

#define MANY 20000

static uint8_t ids[MANY][32];

static const uint8_t *
id_of(const void *owner, uint32_t value)
{
    return (const uint8_t *)owner + (size_t)value * 32;
}

static struct ks_idmap
new_map(size_t id_len)
{
    return (struct ks_idmap){.id_len = id_len, .id_of = id_of, .owner = ids};
}

static int
make_ids(void **unused)
{
    (void)unused;
    for (uint32_t i = 0; i < MANY; i++)
        engine_id(ids[i], i);
    return 0;
}

static void
an_empty_map_has_nothing(void **unused)
{
    struct ks_idmap map = new_map(32);

    (void)unused;
    assert_int_equal(ks_idmap_find(&map, ids[0]), KS_IDMAP_NONE);
    ks_idmap_wipe(&map);
    assert_int_equal(ks_idmap_find(&map, ids[0]), KS_IDMAP_NONE);
}

static void
what_was_added_is_found_however_many_there_are(void **unused)
{
    static const size_t lengths[] = {16, 32};

    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct ks_idmap map = new_map(lengths[k]);

        for (uint32_t i = 0; i < MANY; i++) {
            assert_int_equal(ks_idmap_find(&map, ids[i]), KS_IDMAP_NONE);
            KIT_OK(ks_idmap_add(&map, i, KIT_ERR));
            assert_int_equal(ks_idmap_find(&map, ids[i]), i);
        }
        assert_int_equal(map.used, MANY);
        for (uint32_t i = 0; i < MANY; i++)
            assert_int_equal(ks_idmap_find(&map, ids[i]), i);
        ks_idmap_wipe(&map);
    }
}

/* All in one place of the table, and told apart by their last byte only. */
static void
ids_that_begin_alike_are_told_apart(void **unused)
{
    struct ks_idmap map = new_map(32);

    (void)unused;
    for (uint32_t i = 0; i < 256; i++) {
        memset(ids[i], 0xff, 32);
        ids[i][31] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < 255; i++)
        KIT_OK(ks_idmap_add(&map, i, KIT_ERR));
    for (uint32_t i = 0; i < 255; i++)
        assert_int_equal(ks_idmap_find(&map, ids[i]), i);
    assert_int_equal(ks_idmap_find(&map, ids[255]), KS_IDMAP_NONE);
    ks_idmap_wipe(&map);
}

static void
without_memory_nothing_changes(void **unused)
{
    struct ks_idmap map = new_map(32);
    uint32_t added = 0;

    (void)unused;
    while (added < 1000) {
        struct ks_err err = KS_ERR_INIT;
        int rc;

        fault_arm_call("calloc", 0, 0);
        rc = ks_idmap_add(&map, added, &err);
        if (!fault_disarm()) {
            assert_int_equal(rc, KS_OK);
            added++;
            continue;
        }
        assert_int_equal(rc, KS_E_NOMEM);
        assert_int_equal(map.used, added);
        assert_int_equal(ks_idmap_find(&map, ids[added]), KS_IDMAP_NONE);
        for (uint32_t i = 0; i < added; i++)
            assert_int_equal(ks_idmap_find(&map, ids[i]), i);
        KIT_OK(ks_idmap_add(&map, added, KIT_ERR));
        added++;
    }
    ks_idmap_wipe(&map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_map_has_nothing, make_ids),
        cmocka_unit_test_setup(what_was_added_is_found_however_many_there_are,
                               make_ids),
        cmocka_unit_test_setup(ids_that_begin_alike_are_told_apart, make_ids),
        cmocka_unit_test_setup(without_memory_nothing_changes, make_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
