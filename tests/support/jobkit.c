/*
 * jobkit: the connector is a whole one, small enough to see at a glance that
 * what a test finds wrong is not its fault.
 */
#include "jobkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/reader.h"
#include "check.h"
#include "crypto/secret.h"
#include "job/keys.h"
#include "vault/snapshot_reader.h"
#include "vault/snapshots.h"

#define FAKE_MAX ((size_t)1 << 20)

struct fake_source {
    struct ks_source base;
    struct ks_buf text;
};

static int
fake_probe(const uint8_t *head, size_t len)
{
    return len >= 5 && memcmp(head, "FAKE\n", 5) == 0 ? 90 : 0;
}

static int
fake_open(struct ks_source **out, const char *path, const struct ks_secret *key,
          struct ks_err *err)
{
    struct fake_source *f;
    int rc;

    if (key == NULL || key->len != 6 || memcmp(key->data, "sesame", 6) != 0)
        return ks_fail(err, KS_E_WRONG_SOURCE_KEY, 0, "not the word");
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory");
    f->base.ops = &jobkit_source;
    ks_buf_init(&f->text, FAKE_MAX);
    rc = ks_file_read(path, FAKE_MAX, &f->text, err);
    if (rc != KS_OK) {
        ks_buf_wipe(&f->text);
        free(f);
        return rc;
    }
    *out = &f->base;
    return KS_OK;
}

static int
fake_blob(struct ks_snapshot_writer *w, const char *text, size_t len,
          struct ks_err *err)
{
    struct ks_reader *from = NULL;
    uint8_t id[KS_BLOB_ID_SIZE];
    int rc = ks_reader_open_bytes(&from, text, len, err);

    if (rc == KS_OK)
        rc = ks_snapshot_blob(w, from, id, err);
    ks_reader_close(from);
    return rc;
}

static int
fake_line(struct ks_snapshot_writer *w, const struct ks_policy *policy,
          const char *line, size_t len, struct ks_err *err)
{
    struct ks_report_entry lost = {
        .what = "line", .why = "it is torn", .offset = 5, .lost = true};
    unsigned stream = 0;
    int rc;

    if (line[0] == '?')
        return ks_snapshot_report(w, &lost, err);
    if (line[0] == '!' && policy->no_media)
        rc = ks_snapshot_skip(w, "media", 1, err);
    else if (line[0] == '!')
        rc = fake_blob(w, line + 1, len - 1, err);
    else
        rc = KS_OK;
    if (rc == KS_OK)
        rc = ks_snapshot_stream(w, "lines", &stream, err);
    if (rc == KS_OK)
        rc = ks_snapshot_record(w, stream, line, len, KS_TIME_NONE, err);
    return rc;
}

static int
fake_capture(struct ks_source *src, struct ks_snapshot_writer *w,
             const struct ks_policy *policy, const struct ks_progress *progress,
             struct ks_err *err)
{
    struct fake_source *f = (struct fake_source *)src;
    const char *at = (const char *)f->text.data + 5;
    const char *end = (const char *)f->text.data + f->text.len;
    bool ended = false;
    int rc = KS_OK;

    ks_snapshot_source_bytes(w, f->text.len);
    while (rc == KS_OK && at < end && !ended) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((nl != NULL ? nl : end) - at);

        ended = len == 3 && memcmp(at, "END", 3) == 0;
        if (!ended && len > 0)
            rc = fake_line(w, policy, at, len, err);
        if (rc == KS_OK)
            rc = ks_progress_step(progress, "read", (uint64_t)(at - end), 0,
                                  err);
        at += len + 1;
    }
    if (rc == KS_OK && !ended && !policy->allow_incomplete)
        return ks_fail(err, KS_E_INCOMPLETE, 0, "it has no END");
    return rc;
}

static void
fake_close(struct ks_source *src)
{
    struct fake_source *f = (struct fake_source *)src;

    if (f == NULL)
        return;
    ks_buf_wipe(&f->text);
    free(f);
}

static int
fake_write_lines(struct ks_snapshot_reader *r, struct ks_outfile *file,
                 struct ks_err *err)
{
    struct ks_stream *s = NULL;
    struct ks_bytes record;
    int rc = ks_stream_open(&s, r, "lines", err);

    while (rc == KS_OK && (rc = ks_stream_next(s, &record, err)) == KS_OK) {
        rc = ks_outfile_write(file, record.ptr, record.len, err);
        if (rc == KS_OK)
            rc = ks_outfile_write(file, "\n", 1, err);
    }
    ks_stream_close(s);
    return rc == KS_END ? KS_OK : rc;
}

static int
fake_restore(struct ks_snapshot_reader *r, const char *target,
             const struct ks_restore_options *options,
             const struct ks_progress *progress, struct ks_err *err)
{
    struct ks_outfile *file = NULL;
    int rc;

    if (options->original != (options->target_key == NULL))
        return ks_fail(err, KS_E_USAGE, 0, "a key, or the original");
    rc = ks_outfile_open(&file, target, 0600, options->replace, err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, "FAKE\n", 5, err);
    if (rc == KS_OK)
        rc = fake_write_lines(r, file, err);
    if (rc == KS_OK)
        rc = ks_progress_step(progress, "write", 1, 1, err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, "END\n", 4, err);
    if (rc == KS_OK)
        rc = ks_outfile_commit(file, err);
    ks_outfile_close(file);
    return rc;
}

static void
fake_make_key(char *out, size_t size)
{
    (void)snprintf(out, size, "31415 92653");
}

const struct ks_source_ops jobkit_source = {
    .name = "fake-v1",
    .title = "Fake, for tests",
    .probe = fake_probe,
    .open = fake_open,
    .capture = fake_capture,
    .close = fake_close,
    .restore = fake_restore,
    .make_target_key = fake_make_key,
};

/* These two stand in for the registry, which is then not linked. */
const struct ks_source_ops *
ks_source_by_name(const char *name)
{
    return strcmp(name, "fake-v1") == 0 ? &jobkit_source : NULL;
}

int
ks_source_probe(const struct ks_source_ops **out, const char *path,
                struct ks_err *err)
{
    (void)path;
    (void)err;
    *out = &jobkit_source;
    return KS_OK;
}

static int
kit_unlock(void *user, const struct ks_unlock_ask *ask, struct ks_unlock *out,
           struct ks_err *err)
{
    struct jobkit *k = user;

    (void)err;
    k->unlock_asked++;
    k->unlock_kinds = ask->slot_kinds;
    if (ask->attempt > 0)
        return KS_END;
    *out = k->key.unlock;
    return KS_OK;
}

static int
kit_source_key(void *user, struct ks_secret **out, struct ks_err *err)
{
    struct jobkit *k = user;

    k->source_key_asked++;
    return ks_secret_copy(out, k->source_key, strlen(k->source_key), err);
}

static int
kit_step(void *user, const char *phase, uint64_t done, uint64_t total)
{
    struct jobkit *k = user;

    (void)phase;
    (void)done;
    (void)total;
    return k->steps++ == k->stop_at;
}

void
jobkit_begin(struct jobkit *k)
{
    struct ks_init_job job = {.unlock_count = 1, .slot_options = kit_quick};
    uint8_t id[16];

    *k = (struct jobkit){.source_key = "sesame", .stop_at = -1};
    workdir_make(&k->dir);
    (void)snprintf(k->vault, sizeof(k->vault), "%s",
                   workdir_path(&k->dir, "vault"));
    (void)snprintf(k->state, sizeof(k->state), "%s",
                   workdir_path(&k->dir, "state"));
    k->key = kit_raw(7);
    k->access = (struct ks_access){
        .where = k->vault,
        .state_base = k->state,
        .unlock = kit_unlock,
        .user = k,
    };
    k->progress = (struct ks_progress){.step = kit_step, .user = k};
    job.where = k->vault;
    job.unlocks = &k->key.unlock;
    KIT_OK(ks_job_init(id, &job, KIT_ERR));
}

void
jobkit_close(struct jobkit *k)
{
    ks_session_close(k->session);
    k->session = NULL;
}

void
jobkit_end(struct jobkit *k)
{
    jobkit_close(k);
    kit_lock(&k->key);
    workdir_remove(&k->dir);
}

void
jobkit_open(struct jobkit *k, enum ks_store_mode mode, bool dry_run)
{
    jobkit_close(k);
    k->access.mode = mode;
    k->access.dry_run = dry_run;
    KIT_OK(ks_session_open(&k->session, &k->access, KIT_ERR));
}

void
jobkit_source_file(struct jobkit *k, const char *name, const char *lines)
{
    char text[4096];
    int n = snprintf(text, sizeof(text), "FAKE\n%s", lines);

    assert_true(n > 0 && (size_t)n < sizeof(text));
    workdir_write(&k->dir, name, text, (size_t)n);
}

struct ks_backup_options
jobkit_options(struct jobkit *k, const char *name)
{
    return (struct ks_backup_options){
        .format = &jobkit_source,
        .path = workdir_path(&k->dir, name),
        .policy = KS_POLICY_INIT,
        .workers = 1,
        .source_key = kit_source_key,
        .user = k,
        .progress = &k->progress,
    };
}

void
jobkit_backup(struct jobkit *k, const char *name, uint8_t *id)
{
    struct ks_backup_options options = jobkit_options(k, name);
    struct ks_backup_result result;

    KIT_OK(ks_job_backup(&result, k->session, &options, KIT_ERR));
    if (id != NULL)
        memcpy(id, result.info.id, 16);
    ks_backup_result_wipe(&result);
}

size_t
jobkit_snapshots(struct jobkit *k)
{
    struct ks_snapshots all;
    size_t count;

    KIT_OK(ks_snapshots_read(ks_session_vault(k->session), &all, KIT_ERR));
    count = all.count;
    ks_snapshots_free(&all);
    return count;
}
