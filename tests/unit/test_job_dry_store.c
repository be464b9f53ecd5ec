#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job/dry_store.h"
#include "store/store.h"
#include "vaultkit.h"

struct bench {
    struct ks_store *store;  /* the dry one */
    struct ks_store *behind; /* closed with it */
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->behind = kit_memory();
    KIT_OK(ks_store_put(b->behind, "packs/old", "old", 3, KIT_ERR));
    b->store = b->behind;
    KIT_OK(ks_dry_store_open(&b->store, KIT_ERR));
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_store_close(b->store);
    free(b);
    return 0;
}

static size_t
get(struct bench *b, const char *name, uint64_t offset, char *out, size_t len)
{
    size_t got = 0;

    KIT_OK(ks_store_get(b->store, name, offset, out, len, &got, KIT_ERR));
    return got;
}

static void
what_is_behind_is_read(void **state)
{
    char data[8];
    uint64_t size = 0;

    assert_int_equal(get(*state, "packs/old", 1, data, sizeof(data)), 2);
    assert_memory_equal(data, "ld", 2);
    KIT_OK(ks_store_stat(((struct bench *)*state)->store, "packs/old", &size,
                         KIT_ERR));
    assert_int_equal(size, 3);
}

static void
what_is_put_is_there_and_not_behind(void **state)
{
    struct bench *b = *state;
    bool found = true;
    uint64_t size = 0;
    char data[8];

    KIT_OK(ks_store_put(b->store, "packs/new", "newer", 5, KIT_ERR));
    KIT_OK(ks_store_sync(b->store, KIT_ERR));
    assert_int_equal(get(b, "packs/new", 0, data, sizeof(data)), 5);
    assert_memory_equal(data, "newer", 5);
    assert_int_equal(get(b, "packs/new", 3, data, 1), 1);
    assert_int_equal(data[0], 'e');
    assert_int_equal(get(b, "packs/new", 5, data, sizeof(data)), 0);
    assert_int_equal(get(b, "packs/new", UINT64_MAX, data, 1), 0);
    KIT_OK(ks_store_stat(b->store, "packs/new", &size, KIT_ERR));
    assert_int_equal(size, 5);
    KIT_OK(ks_store_has(b->behind, "packs/new", &found, KIT_ERR));
    assert_false(found);
}

static void
nothing_is_put_twice(void **state)
{
    struct bench *b = *state;

    KIT_FAILS(KS_E_EXISTS,
              ks_store_put(b->store, "packs/old", "x", 1, KIT_ERR));
    KIT_OK(ks_store_put(b->store, "vault", "", 0, KIT_ERR));
    KIT_FAILS(KS_E_EXISTS, ks_store_put(b->store, "vault", "x", 1, KIT_ERR));
}

static void
of_a_large_object_only_the_size_is_kept(void **state)
{
    struct bench *b = *state;
    char *big = calloc(1, KS_DRY_KEEP_MAX + 1);
    uint64_t size = 0;
    size_t got = 0;
    char byte;

    assert_non_null(big);
    KIT_OK(ks_store_put(b->store, "packs/a", big, KS_DRY_KEEP_MAX, KIT_ERR));
    KIT_OK(
        ks_store_put(b->store, "packs/b", big, KS_DRY_KEEP_MAX + 1, KIT_ERR));
    assert_int_equal(get(b, "packs/a", KS_DRY_KEEP_MAX - 1, &byte, 1), 1);
    KIT_OK(ks_store_stat(b->store, "packs/b", &size, KIT_ERR));
    assert_int_equal(size, KS_DRY_KEEP_MAX + 1);
    KIT_SAYS(KS_E_NOTFOUND, "dry run",
             ks_store_get(b->store, "packs/b", 0, &byte, 1, &got, KIT_ERR));
    free(big);
}

static int
gather(void *user, const char *name, uint64_t size)
{
    char *all = user;
    size_t used = strlen(all);

    (void)snprintf(all + used, 200 - used, "%s:%u ", name, (unsigned)size);
    return KS_OK;
}

static void
a_listing_has_both(void **state)
{
    struct bench *b = *state;
    char all[200] = "";

    KIT_OK(ks_store_put(b->store, "packs/new", "12345", 5, KIT_ERR));
    KIT_OK(ks_store_put(b->store, "packsmith", "1", 1, KIT_ERR));
    KIT_OK(ks_store_list(b->store, "packs", gather, all, KIT_ERR));
    assert_string_equal(all, "old:3 new:5 ");
    all[0] = '\0';
    KIT_OK(ks_store_list(b->store, "", gather, all, KIT_ERR));
    assert_string_equal(all, "packsmith:1 ");
}

static int
stop_at_once(void *user, const char *name, uint64_t size)
{
    (void)name;
    (void)size;
    ++*(int *)user;
    return 7;
}

static void
a_listing_can_be_stopped(void **state)
{
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    int calls = 0;

    KIT_OK(ks_store_put(b->store, "notes/new", "1", 1, KIT_ERR));
    assert_int_equal(
        ks_store_list(b->store, "notes", stop_at_once, &calls, &err), 7);
    assert_int_equal(
        ks_store_list(b->store, "packs", stop_at_once, &calls, &err), 7);
    assert_int_equal(calls, 2);
}

static void
only_what_was_put_in_the_dry_run_is_removed(void **state)
{
    struct bench *b = *state;
    bool found = true;

    KIT_OK(ks_store_put(b->store, "notes/a", "1", 1, KIT_ERR));
    KIT_OK(ks_store_put(b->store, "notes/b", "2", 1, KIT_ERR));
    KIT_OK(ks_store_remove(b->store, "notes/a", KIT_ERR));
    KIT_OK(ks_store_has(b->store, "notes/a", &found, KIT_ERR));
    assert_false(found);
    KIT_OK(ks_store_has(b->store, "notes/b", &found, KIT_ERR));
    assert_true(found);
    KIT_FAILS(KS_E_USAGE, ks_store_remove(b->store, "packs/old", KIT_ERR));
    KIT_OK(ks_store_has(b->behind, "packs/old", &found, KIT_ERR));
    assert_true(found);
}

static void
many_objects_are_kept_apart(void **state)
{
    struct bench *b = *state;
    char name[32];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "packs/%03u", i);
        KIT_OK(ks_store_put(b->store, name, &i, sizeof(i), KIT_ERR));
    }
    for (unsigned i = 0; i < 100; i++) {
        unsigned back = 1000;

        (void)snprintf(name, sizeof(name), "packs/%03u", i);
        assert_int_equal(get(b, name, 0, (char *)&back, sizeof(back)),
                         sizeof(back));
        assert_int_equal(back, i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define DRY_TEST(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)
        DRY_TEST(what_is_behind_is_read),
        DRY_TEST(what_is_put_is_there_and_not_behind),
        DRY_TEST(nothing_is_put_twice),
        DRY_TEST(of_a_large_object_only_the_size_is_kept),
        DRY_TEST(a_listing_has_both),
        DRY_TEST(a_listing_can_be_stopped),
        DRY_TEST(only_what_was_put_in_the_dry_run_is_removed),
        DRY_TEST(many_objects_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
