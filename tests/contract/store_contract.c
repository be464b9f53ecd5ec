/*
 * store_contract: objects, names and listings; then the other groups.
 */
#include "store_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "contract_bench.h"

/* Objects */

static void
what_was_put_comes_back_whatever_its_size(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 4096, 300000, 1048579};
    struct fixture *f = *state;
    uint8_t *data = malloc(1048579);
    char name[32];

    assert_non_null(data);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)snprintf(name, sizeof(name), "packs/%zu", i);
        fill_bytes(data, sizes[i], i);
        assert_int_equal(try_put(f->s, name, data, sizes[i]), KS_OK);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)snprintf(name, sizeof(name), "packs/%zu", i);
        fill_bytes(data, sizes[i], i);
        assert_true(holds_bytes(f->s, name, data, sizes[i]));
    }
    free(data);
}

static void
the_largest_object_is_kept_and_a_larger_one_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = calloc(1, KS_OBJECT_MAX + 1);

    assert_non_null(data);
    data[KS_OBJECT_MAX - 1] = 7;
    assert_int_equal(try_put(f->s, "large", data, KS_OBJECT_MAX), KS_OK);
    assert_true(holds_bytes(f->s, "large", data, KS_OBJECT_MAX));
    assert_int_equal(try_put(f->s, "larger", data, KS_OBJECT_MAX + 1),
                     KS_E_LIMIT);
    assert_false(has_object(f->s, "larger"));
    free(data);
}

static void
put_never_replaces(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(try_put_text(f->s, "packs/a", "first"), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs/a", "second"), KS_E_EXISTS);
    assert_int_equal(try_put_text(f->s, "packs/a", ""), KS_E_EXISTS);
    assert_true(holds_text(f->s, "packs/a", "first"));
}

static void
any_part_of_an_object_can_be_read(void **state)
{
    static const char text[] = "0123456789";
    struct fixture *f = *state;
    char part[16];
    size_t got = 99;

    assert_int_equal(try_put(f->s, "digits", text, 10), KS_OK);
    for (size_t from = 0; from <= 12; from++) {
        for (size_t len = 0; len <= 12; len++) {
            size_t rest = from < 10 ? 10 - from : 0;
            size_t want = len < rest ? len : rest;

            assert_int_equal(try_get(f->s, "digits", from, part, len, &got),
                             KS_OK);
            assert_int_equal(got, want);
            assert_memory_equal(part, text + (from < 10 ? from : 10), want);
        }
    }
    assert_int_equal(try_get(f->s, "digits", UINT64_MAX, part, 5, &got), KS_OK);
    assert_int_equal(got, 0);
    assert_int_equal(try_get(f->s, "digits", 3, part, 0, &got), KS_OK);
    assert_int_equal(got, 0);
}

static void
what_is_not_there_is_said_to_be_missing(void **state)
{
    static const char *const absent[] = {"vault", "packs/00", "packs/0",
                                         "pack/00a", "packs.00a"};
    struct fixture *f = *state;
    uint64_t size = 42;
    size_t got = 42;
    char byte;

    assert_int_equal(try_put_text(f->s, "packs/00a", "x"), KS_OK);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        assert_false(has_object(f->s, absent[i]));
        assert_int_equal(try_get(f->s, absent[i], 0, &byte, 1, &got),
                         KS_E_NOTFOUND);
        assert_int_equal(try_stat(f->s, absent[i], &size), KS_E_NOTFOUND);
        assert_int_equal(try_remove(f->s, absent[i]), KS_E_NOTFOUND);
    }
    assert_int_equal(size, 42); /* outputs are untouched */
    assert_int_equal(got, 42);
}

static void
a_removed_object_is_gone_and_its_name_free(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(try_put_text(f->s, "marks/a", "one"), KS_OK);
    assert_int_equal(try_put_text(f->s, "marks/b", "two"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    assert_int_equal(try_remove(f->s, "marks/a"), KS_OK);
    assert_false(has_object(f->s, "marks/a"));
    assert_int_equal(try_remove(f->s, "marks/a"), KS_E_NOTFOUND);
    assert_true(holds_text(f->s, "marks/b", "two"));
    assert_int_equal(try_put_text(f->s, "marks/a", "three"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    assert_true(holds_text(f->s, "marks/a", "three"));
    assert_true(holds_text(f->s, "marks/b", "two"));
}

/* Names */

static void
only_plain_names_are_taken(void **state)
{
    static const char *const bad[] = {
        "",     "/",     "a/",   "/a",    "a//b",     ".",    "..",
        ".a",   "a/.b",  ".a/b", "../a",  "a/..",     "A",    "a b",
        "a\\b", "a/b/c", "a_b",  "a/b\n", "\xc3\xa9", "a/b/", "%61",
    };
    struct fixture *f = *state;
    uint64_t size;
    size_t got;
    char byte;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(try_put_text(f->s, bad[i], "x"), KS_E_USAGE);
        assert_int_equal(try_get(f->s, bad[i], 0, &byte, 1, &got), KS_E_USAGE);
        assert_int_equal(try_stat(f->s, bad[i], &size), KS_E_USAGE);
        assert_int_equal(try_remove(f->s, bad[i]), KS_E_USAGE);
    }
}

static void
the_longest_names_are_taken_and_longer_ones_not(void **state)
{
    struct fixture *f = *state;
    char part[102];
    char both[KS_NAME_MAX + 3];

    memset(part, 'z', 101);
    part[101] = '\0';
    assert_int_equal(try_put_text(f->s, part, "x"), KS_E_USAGE);
    part[100] = '\0';
    assert_int_equal(try_put_text(f->s, part, "one part"), KS_OK);
    assert_true(holds_text(f->s, part, "one part"));

    memset(both, '0', sizeof(both));
    both[80] = '/';
    both[KS_NAME_MAX + 1] = '\0';
    assert_int_equal(try_put_text(f->s, both, "x"), KS_E_USAGE);
    both[KS_NAME_MAX] = '\0';
    assert_int_equal(try_put_text(f->s, both, "two parts"), KS_OK);
    assert_true(holds_text(f->s, both, "two parts"));
    assert_int_equal(try_put_text(f->s, "9.-z/-.", "odd"), KS_OK);
    assert_true(holds_text(f->s, "9.-z/-.", "odd"));
}

/* Listing */

static void
a_listing_shows_one_folder_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    assert_int_equal(try_put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs", "object, not folder"), KS_OK);
    assert_int_equal(try_put_text(f->s, "pack/a", ""), KS_OK);
    assert_int_equal(try_put_text(f->s, "keys/a", "1"), KS_OK);
    assert_int_equal(try_put_text(f->s, "keys/b", "22"), KS_OK);
    assert_int_equal(try_put_text(f->s, "keys-/c", "333"), KS_OK);

    seen = list_folder(f->s, "keys");
    assert_int_equal(seen.count, 2);
    assert_true(saw_once(&seen, "a", 1) && saw_once(&seen, "b", 2));
    seen = list_folder(f->s, "");
    assert_int_equal(seen.count, 2);
    assert_true(saw_once(&seen, "vault", 1) && saw_once(&seen, "packs", 18));
    assert_int_equal(list_folder(f->s, "packs").count, 0);
    assert_int_equal(list_folder(f->s, "absent").count, 0);
    assert_int_equal(list_folder(f->s, "pack").count, 1);
}

static void
a_listing_shows_what_was_just_put_or_removed(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    assert_int_equal(list_folder(f->s, "packs").count, 0);
    assert_int_equal(try_put_text(f->s, "packs/a", "1"), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs/b", "22"), KS_OK);
    seen = list_folder(f->s, "packs");
    assert_int_equal(seen.count, 2);
    assert_int_equal(try_remove(f->s, "packs/a"), KS_OK);
    seen = list_folder(f->s, "packs");
    assert_int_equal(seen.count, 1);
    assert_true(saw_once(&seen, "b", 2));
}

static void
a_listing_stops_when_it_is_told(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {.stop_after = 2};
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(try_put_text(f->s, "packs/a", ""), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs/b", ""), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs/c", ""), KS_OK);
    assert_int_equal(ks_store_list(f->s, "packs", see_object, &seen, &err), 7);
    assert_int_equal(seen.count, 2);
    assert_int_equal(err.code, KS_OK);
}

static void
only_plain_folder_names_are_listed(void **state)
{
    static const char *const bad[] = {".", "..", "a/b", "packs/", "A", "/"};
    struct fixture *f = *state;
    struct seen seen = {.count = 0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_store_list(f->s, bad[i], see_object, &seen, &err),
                         KS_E_USAGE);
    }
    assert_int_equal(seen.count, 0);
}

static int
contract_objects(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(what_was_put_comes_back_whatever_its_size),
        EACH(the_largest_object_is_kept_and_a_larger_one_refused),
        EACH(put_never_replaces),
        EACH(any_part_of_an_object_can_be_read),
        EACH(what_is_not_there_is_said_to_be_missing),
        EACH(a_removed_object_is_gone_and_its_name_free),
        EACH(only_plain_names_are_taken),
        EACH(the_longest_names_are_taken_and_longer_ones_not),
        EACH(a_listing_shows_one_folder_and_nothing_else),
        EACH(a_listing_shows_what_was_just_put_or_removed),
        EACH(a_listing_stops_when_it_is_told),
        EACH(only_plain_folder_names_are_listed),
    };
#undef EACH

    return cmocka_run_group_tests_name("objects", tests, NULL, NULL);
}

int
store_contract(const struct store_kind *kind)
{
    int failed;

    contract_kind = kind;
    print_message("%s\n", kind->name);
    failed = contract_objects();
    failed += contract_life();
    failed += contract_faults();
    return failed;
}
