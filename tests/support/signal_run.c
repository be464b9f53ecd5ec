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

size_t
signal_run_missing(const struct memory_snapshot *all,
                   const struct memory_snapshot *part)
{
    size_t missing = 0;

    for (size_t i = 0; i < all->stream_count; i++) {
        const struct memory_stream *a = &all->streams[i];
        const struct memory_stream *p = memory_snapshot_stream(part, a->name);
        size_t at = 0;
        if (strcmp(a->name, "order") == 0)
            continue;
        for (size_t k = 0; k < a->count; k++) {
            const struct memory_record *r = p == NULL ? NULL : &p->records[at];
            if (p != NULL && at < p->count && r->len == a->records[k].len &&
                memcmp(r->data, a->records[k].data, r->len) == 0)
                at++;
            else
                missing++;
        }
        if (p != NULL && at != p->count)
            fail_msg("stream %s has records of its own", a->name);
    }
    return missing;
}

size_t
signal_run_touched(const struct signal_file *f, size_t from, size_t to)
{
    size_t touched = 0;

    for (size_t i = 1; i < f->count; i++) {
        const struct file_piece *p = &f->pieces[i];
        size_t record_end = p->end;
        if (p->kind != PIECE_FRAME)
            continue;
        if (i + 1 < f->count && f->pieces[i + 1].kind == PIECE_BLOB)
            record_end = f->pieces[i + 1].end;
        touched += p->offset < to && from < record_end;
    }
    return touched;
}

struct memory_snapshot *
signal_run_damaged(const struct signal_file *f, const struct workdir *w)
{
    struct ks_policy policy = KS_POLICY_INIT;

    policy.allow_incomplete = true;
    return signal_run_good(f, w, &policy);
}
