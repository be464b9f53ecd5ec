#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fault.h"
#include "vault/names.h"
#include "vaultkit.h"
#include "workdir.h"

static void
a_listing_is_sorted_and_has_sizes(void **state)
{
    struct ks_names names = {0};
    struct ks_store *store;
    struct workdir dir;

    (void)state;
    workdir_make(&dir);
    store = kit_folder(workdir_path(&dir, "vault")); /* lists in any order */
    for (unsigned i = 0; i < 200; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "packs/%03u", i * 77 % 200);
        kit_write(store, name, "0123456789", i * 77 % 200 % 10);
    }
    kit_write(store, "vault", "x", 1);
    KIT_OK(ks_names_list(&names, store, "packs", KIT_ERR));
    assert_int_equal(names.count, 200);
    for (unsigned i = 0; i < 200; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%03u", i);
        assert_string_equal(names.list[i].text, name);
        assert_int_equal(names.list[i].size, i % 10);
        assert_ptr_equal(ks_names_find(&names, name), &names.list[i]);
    }
    assert_null(ks_names_find(&names, "200"));
    assert_null(ks_names_find(&names, ""));
    ks_names_free(&names);
    assert_int_equal(names.count, 0);
    KIT_OK(ks_names_list(&names, store, "", KIT_ERR));
    assert_int_equal(names.count, 1);
    assert_string_equal(names.list[0].text, "vault");
    ks_names_free(&names);
    ks_store_close(store);
    workdir_remove(&dir);
}

static void
an_empty_folder_has_no_names(void **state)
{
    struct ks_store *store = kit_memory();
    struct ks_names names = {0};

    (void)state;
    KIT_OK(ks_names_list(&names, store, "packs", KIT_ERR));
    assert_int_equal(names.count, 0);
    assert_null(ks_names_find(&names, "anything"));
    ks_names_free(&names);
    ks_store_close(store);
}

static void
the_longest_name_is_kept_whole_and_a_longer_one_not_found(void **state)
{
    struct ks_store *store = kit_memory();
    struct ks_names names = {0};
    char text[102];
    char name[KS_NAME_MAX + 1];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[100] = '\0';
    ks_names_join(name, "keys", text);
    kit_write(store, name, "x", 1);
    KIT_OK(ks_names_list(&names, store, "keys", KIT_ERR));
    assert_string_equal(names.list[0].text, text);
    assert_non_null(ks_names_find(&names, text));
    text[100] = 'a';
    text[101] = '\0';
    assert_null(ks_names_find(&names, text));
    ks_names_free(&names);
    ks_store_close(store);
}

static void
names_are_joined_with_a_slash_unless_there_is_no_folder(void **state)
{
    char name[KS_NAME_MAX + 1];

    (void)state;
    ks_names_join(name, "keys", "abc");
    assert_string_equal(name, "keys/abc");
    ks_names_join(name, "", "vault");
    assert_string_equal(name, "vault");
}

static void
running_out_of_memory_leaves_no_half_listing(void **state)
{
    struct ks_store *store = kit_memory();
    long n = 0;
    bool fired;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "packs/%03u", i);
        kit_write(store, name, "", 0);
    }
    do {
        struct ks_names names = {0};
        struct ks_err err = KS_ERR_INIT;
        int rc;

        fault_arm(n++);
        rc = ks_names_list(&names, store, "packs", &err);
        fired = fault_disarm();
        assert_int_equal(rc, fired ? KS_E_NOMEM : KS_OK);
        assert_int_equal(names.count, fired ? 0 : 200);
        ks_names_free(&names);
    } while (fired);
    assert_true(fault_count("reallocarray") == 3); /* 64, 128, 256 */
    ks_store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_is_sorted_and_has_sizes),
        cmocka_unit_test(an_empty_folder_has_no_names),
        cmocka_unit_test(
            the_longest_name_is_kept_whole_and_a_longer_one_not_found),
        cmocka_unit_test(
            names_are_joined_with_a_slash_unless_there_is_no_folder),
        cmocka_unit_test(running_out_of_memory_leaves_no_half_listing),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
