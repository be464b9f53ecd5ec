/*
 * store/open: the look of a path says which store it means.
 */
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "store/store.h"
#include "workdir.h"

static int
open_at(const struct workdir *w, const char *name, enum ks_store_mode mode,
        const char **kind)
{
    struct ks_store_options options = {.mode = mode};
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;
    int rc = ks_store_open(&s, workdir_path(w, name), &options, &err);

    *kind = s != NULL ? s->ops->kind : "none";
    ks_store_close(s);
    return rc;
}

static void
an_archive_file_is_known_by_its_ending(void **state)
{
    static const struct {
        const char *name;
        const char *kind;
    } paths[] = {
        {"a.keepsay", "file"},
        {"b.KEEPSAY", "folder"},
        {"c", "folder"},
        {"keepsay", "folder"},
        {"d.keepsay.d", "folder"},
        {"e.keepsay/", "folder"},
        {"f g.keepsay", "file"},
        {"xkeepsay", "folder"},
        {"g.keepsay.keepsay", "file"},
    };
    struct workdir w;
    const char *kind;

    (void)state;
    workdir_make(&w);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(open_at(&w, paths[i].name, KS_STORE_CREATE, &kind),
                         KS_OK);
        assert_string_equal(kind, paths[i].kind);
    }
    workdir_remove(&w);
}

static void
a_folder_is_no_archive_file_and_the_reverse(void **state)
{
    static const enum ks_store_mode modes[] = {KS_STORE_READ, KS_STORE_WRITE};
    struct workdir w;
    const char *kind;

    (void)state;
    workdir_make(&w);
    assert_int_equal(mkdir(workdir_path(&w, "d.keepsay"), 0700), 0);
    workdir_write(&w, "f", "x", 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(open_at(&w, "d.keepsay", modes[i], &kind), KS_E_USAGE);
        assert_int_equal(open_at(&w, "f", modes[i], &kind), KS_E_USAGE);
        assert_int_equal(open_at(&w, "no.keepsay", modes[i], &kind),
                         KS_E_NOTFOUND);
        assert_int_equal(open_at(&w, "no", modes[i], &kind), KS_E_NOTFOUND);
        assert_int_equal(open_at(&w, "f/x.keepsay", modes[i], &kind),
                         KS_E_NOTFOUND);
        assert_int_equal(open_at(&w, "f/x", modes[i], &kind), KS_E_NOTFOUND);
    }
    assert_int_equal(open_at(&w, "d.keepsay", KS_STORE_CREATE, &kind),
                     KS_E_EXISTS);
    assert_int_equal(open_at(&w, "f", KS_STORE_CREATE, &kind), KS_E_USAGE);
    assert_int_equal(open_at(&w, "no/x.keepsay", KS_STORE_CREATE, &kind),
                     KS_E_NOTFOUND);
    assert_int_equal(open_at(&w, "no/x", KS_STORE_CREATE, &kind),
                     KS_E_NOTFOUND);
    assert_true(workdir_holds(&w, "f", "x", 1));
    workdir_remove(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_file_is_known_by_its_ending),
        cmocka_unit_test(a_folder_is_no_archive_file_and_the_reverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
