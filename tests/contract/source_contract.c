/*
 * source_contract: one suite that every connector passes.
 */
#include "source_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/progress.h"
#include "check.h"
#include "crypto/secret.h"
#include "workdir.h"

static const struct ks_policy keep_all = {.attachment_bytes_max = UINT64_MAX};

static const struct source_kind *kind; /* the one that is asked */
static struct workdir dir;

static int
make_dir(void **state)
{
    (void)state;
    workdir_make(&dir);
    return 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    workdir_remove(&dir);
    return 0;
}

static struct ks_secret *
secret_of(const char *text)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_secret *secret = NULL;

    if (text != NULL &&
        ks_secret_copy(&secret, text, strlen(text), &err) != KS_OK)
        fail_msg("%s", err.msg);
    return secret;
}

static int
open_with_text(struct ks_source **out, const struct ks_source_ops *ops,
               const char *path, const char *text, struct ks_err *err)
{
    struct ks_secret *secret = secret_of(text);
    int rc = ops->open(out, path, secret, err);

    ks_secret_free(secret);
    assert_int_equal(rc, err->code);
    return rc;
}

struct memory_snapshot *
source_captured(const struct ks_source_ops *ops, const char *path,
                const char *secret, const struct ks_policy *policy)
{
    struct memory_snapshot *m = memory_snapshot_new();
    struct ks_err err = KS_ERR_INIT;
    struct ks_source *src = NULL;
    int rc = open_with_text(&src, ops, path, secret, &err);

    if (rc == KS_OK)
        rc = ops->capture(src, memory_snapshot_writer(m), policy, NULL, &err);
    if (rc != KS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(err.code, KS_OK);
    ops->close(src);
    return m;
}

int
source_restored(const struct ks_source_ops *ops, struct memory_snapshot *m,
                const char *path, const char *secret, struct ks_err *err)
{
    struct ks_secret *key = secret_of(secret);
    struct ks_restore_options options = {.original = secret == NULL,
                                         .target_key = key};
    int rc = ops->restore(memory_snapshot_reader(m), path, &options, NULL, err);

    ks_secret_free(key);
    assert_int_equal(rc, err->code);
    return rc;
}

/* Restore m to `name` under a new key, and capture that. */
static struct memory_snapshot *
there_and_back(struct memory_snapshot *m, const char *name)
{
    struct ks_err err = KS_ERR_INIT;
    char key[128];

    kind->ops->make_target_key(key, sizeof(key));
    if (source_restored(kind->ops, m, workdir_path(&dir, name), key, &err) !=
        KS_OK)
        fail_msg("%s", err.msg);
    return source_captured(kind->ops, workdir_path(&dir, name), key, &keep_all);
}

/* ---- the suite -------------------------------------------------------- */

static void
it_has_a_name_and_is_found_by_it_and_by_its_files(void **state)
{
    const struct ks_source_ops *found = NULL;
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    assert_true(strspn(kind->ops->name, "abcdefghijklmnopqrstuvwxyz0123456789"
                                        "-") == strlen(kind->ops->name));
    assert_true(strlen(kind->ops->title) > 0);
    assert_ptr_equal(ks_source_by_name(kind->ops->name), kind->ops);
    assert_int_equal(ks_source_probe(&found, kind->sample, &err), KS_OK);
    assert_ptr_equal(found, kind->ops);
}

static void
a_wrong_key_is_told_apart_and_never_repeated(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_source *src = NULL;

    (void)state;
    assert_int_equal(
        open_with_text(&src, kind->ops, kind->sample, kind->wrong, &err),
        KS_E_WRONG_SOURCE_KEY);
    assert_null(src);
    assert_null(strstr(err.msg, kind->wrong));
    kind->ops->close(NULL);
}

static void
a_capture_is_the_same_each_time(void **state)
{
    struct memory_snapshot *a =
        source_captured(kind->ops, kind->sample, kind->secret, &keep_all);
    struct memory_snapshot *b =
        source_captured(kind->ops, kind->sample, kind->secret, &keep_all);
    struct stat st;

    (void)state;
    assert_true(memory_snapshot_equal(a, b));
    assert_true(a->records > 0 && a->blob_count > 0);
    assert_int_equal(memory_snapshot_lost(a), 0);
    assert_int_equal(stat(kind->sample, &st), 0);
    assert_int_equal(a->source_bytes, st.st_size);
    memory_snapshot_free(a);
    memory_snapshot_free(b);
}

static void
what_is_restored_is_captured_as_it_was(void **state)
{
    struct memory_snapshot *a =
        source_captured(kind->ops, kind->sample, kind->secret, &keep_all);
    struct memory_snapshot *b = there_and_back(a, "law");
    struct stat st;

    (void)state;
    assert_true(memory_snapshot_equal(a, b));
    assert_int_equal(stat(workdir_path(&dir, "law"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    memory_snapshot_free(a);
    memory_snapshot_free(b);
}

static void
without_media_nothing_is_lost_and_the_law_holds(void **state)
{
    const struct ks_policy no_media = {.no_media = true};
    struct memory_snapshot *a =
        source_captured(kind->ops, kind->sample, kind->secret, &no_media);
    struct memory_snapshot *b = there_and_back(a, "no-media");

    (void)state;
    assert_int_equal(a->blob_count, 0);
    assert_true(memory_snapshot_skipped(a, "media") > 0);
    assert_int_equal(memory_snapshot_lost(a), 0);
    assert_true(memory_snapshot_equal(a, b));
    memory_snapshot_free(a);
    memory_snapshot_free(b);
}

static void
a_target_that_exists_is_not_replaced(void **state)
{
    struct memory_snapshot *m =
        source_captured(kind->ops, kind->sample, kind->secret, &keep_all);
    struct ks_err err = KS_ERR_INIT;
    size_t entries;

    (void)state;
    workdir_write(&dir, "there", "mine", 4);
    entries = workdir_entries(&dir, ".");
    assert_int_equal(
        source_restored(kind->ops, m, workdir_path(&dir, "there"), "1", &err),
        KS_E_EXISTS);
    assert_true(workdir_holds(&dir, "there", "mine", 4));
    assert_int_equal(workdir_entries(&dir, "."), entries);
    err = KS_ERR_INIT;
    assert_int_equal(
        source_restored(kind->ops, m, workdir_path(&dir, "none/x"), "1", &err),
        KS_E_NOTFOUND);
    memory_snapshot_free(m);
}

static int
stop_after(void *user, const char *phase, uint64_t done, uint64_t total)
{
    long *left = user;

    (void)phase;
    (void)done;
    (void)total;
    return --*left < 0;
}

static void
each_step_may_stop_it(void **state)
{
    int rc = KS_E_CANCELLED;

    (void)state;
    for (long steps = 0; rc == KS_E_CANCELLED && steps < 1000; steps++) {
        struct memory_snapshot *m = memory_snapshot_new();
        struct ks_err err = KS_ERR_INIT;
        struct ks_source *src = NULL;
        struct ks_progress progress = {stop_after, &steps};
        long left = steps;
        progress.user = &left;
        assert_int_equal(
            open_with_text(&src, kind->ops, kind->sample, kind->secret, &err),
            KS_OK);
        rc = kind->ops->capture(src, memory_snapshot_writer(m), &keep_all,
                                &progress, &err);
        assert_int_equal(rc, err.code);
        assert_true(rc == KS_OK || rc == KS_E_CANCELLED);
        kind->ops->close(src);
        memory_snapshot_free(m);
    }
    assert_int_equal(rc, KS_OK);
}

int
source_contract(const struct source_kind *asked)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_a_name_and_is_found_by_it_and_by_its_files),
        cmocka_unit_test(a_wrong_key_is_told_apart_and_never_repeated),
        cmocka_unit_test(a_capture_is_the_same_each_time),
        cmocka_unit_test(what_is_restored_is_captured_as_it_was),
        cmocka_unit_test(without_media_nothing_is_lost_and_the_law_holds),
        cmocka_unit_test(a_target_that_exists_is_not_replaced),
        cmocka_unit_test(each_step_may_stop_it),
    };
    struct ks_err err = KS_ERR_INIT;

    kind = asked;
    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests_name("source contract", tests, make_dir,
                                       remove_dir);
}
