#include "signal_run.h"

#include <string.h>

#include "check.h"
#include "crypto/secret.h"
#include "source/signal_v1/signal_v1.h"

int
signal_run_capture(struct memory_snapshot **out, const struct signal_file *f,
                   const struct workdir *w, const struct ks_policy *policy,
                   struct ks_err *err)
{
    struct memory_snapshot *m = NULL;
    struct ks_source *src = NULL;
    int rc;

    *out = NULL;
    signal_file_save(f, w, "run.backup");
    rc = ks_v1_source_open(&src, workdir_path(w, "run.backup"), f->source_key,
                           err);
    if (rc != KS_OK)
        return rc;
    m = memory_snapshot_new();
    rc = src->ops->capture(src, memory_snapshot_writer(m), policy, NULL, err);
    src->ops->close(src);
    *out = m;
    return rc;
}

struct memory_snapshot *
signal_run_good(const struct signal_file *f, const struct workdir *w,
                const struct ks_policy *policy)
{
    struct memory_snapshot *m = NULL;
    struct ks_err err = KS_ERR_INIT;

    if (signal_run_capture(&m, f, w, policy, &err) != KS_OK)
        fail_msg("capture: %s", err.msg);
    assert_int_equal(err.code, KS_OK);
    return m;
}

int
signal_run_restore(struct memory_snapshot *m, const struct workdir *w,
                   const char *name, const char *passphrase, struct ks_err *err)
{
    struct ks_restore_options options = {.original = passphrase == NULL};
    struct ks_secret *key = NULL;
    int rc;

    if (passphrase != NULL)
        assert_int_equal(
            ks_secret_copy(&key, passphrase, strlen(passphrase), err), KS_OK);
    options.target_key = key;
    rc = ks_source_signal_v1.restore(
        memory_snapshot_reader(m), workdir_path(w, name), &options, NULL, err);
    ks_secret_free(key);
    return rc;
}

struct memory_snapshot *
signal_run_file(const struct workdir *w, const char *name,
                const char *passphrase, const struct ks_policy *policy)
{
    struct memory_snapshot *m = memory_snapshot_new();
    struct ks_err err = KS_ERR_INIT;
    struct ks_secret *key = NULL;
    struct ks_source *src = NULL;
    int rc = ks_secret_copy(&key, passphrase, strlen(passphrase), &err);

    if (rc == KS_OK)
        rc = ks_source_signal_v1.open(&src, workdir_path(w, name), key, &err);
    if (rc == KS_OK)
        rc = src->ops->capture(src, memory_snapshot_writer(m), policy, NULL,
                               &err);
    if (rc != KS_OK || src == NULL) {
        fail_msg("capture of %s: %s", name, err.msg);
        return NULL;
    }
    src->ops->close(src);
    ks_secret_free(key);
    return m;
}
