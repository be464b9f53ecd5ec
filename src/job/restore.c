/*
 * restore: find the snapshot, name the file, make the key, let the connector
 * write.
 */
#include "job/restore.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"
#include "crypto/secret.h"
#include "job/session.h"
#include "source/source.h"
#include "vault/reading.h"
#include "vault/snapshot_reader.h"
#include "vault/snapshots.h"

#define TARGET_KEY_SIZE ((size_t)128) /* the longest that a connector makes */

/*
 * The name that a restored file gets in a folder: the app's, the snapshot's
 * time (UTC) and the ending that the app looks for, as in
 * signal-2026-11-21-03-35-59.backup.
 */
static int
name_in_folder(char **out, const char *folder,
               const struct ks_snapshot_info *info, struct ks_err *err)
{
    time_t seconds = (time_t)(info->time_ms / 1000);
    size_t app = strcspn(info->source, "-"); /* "signal" of "signal-v1" */
    char when[64];
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(when, sizeof(when), "%Y-%m-%d-%H-%M-%S", &tm) == 0)
        (void)snprintf(when, sizeof(when), "restored");
    if (asprintf(out, "%s/%.*s-%s.backup", folder, (int)app, info->source,
                 when) < 0)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a file's name");
    return KS_OK;
}

/* Where the file goes. The caller frees *out. */
static int
name_target(char **out, const struct ks_restore_job *job,
            const struct ks_snapshot_info *info, struct ks_err *err)
{
    struct stat st;
    char *path;

    /* Else it is the file's own name; whether it may be replaced is seen to
     * when it is opened. */
    if (stat(job->to, &st) == 0 && S_ISDIR(st.st_mode))
        return name_in_folder(out, job->to, info, err);
    path = strdup(job->to);
    if (path == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a file's name");
    *out = path;
    return KS_OK;
}

/* Write the text of a key and a line end, 0600, to a file that is new. */
static int
write_target_key(const char *path, const struct ks_secret *key,
                 struct ks_err *err)
{
    struct ks_outfile *file = NULL;
    int rc = ks_outfile_open(&file, path, 0600, false, err);

    if (rc == KS_OK)
        rc = ks_outfile_write(file, key->data, key->len, err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, "\n", 1, err);
    if (rc == KS_OK)
        rc = ks_outfile_commit(file, err);
    ks_outfile_close(file);
    return rc;
}

/* A key as the app wants it typed, in *out and in its file. */
static int
make_target_key(struct ks_secret **out, const struct ks_source_ops *ops,
                const char *path, struct ks_err *err)
{
    struct ks_secret *key = NULL;
    char text[TARGET_KEY_SIZE] = {0};
    int rc;

    /* zeroed above, so it ends in a NUL whatever is written */
    ops->make_target_key(text, sizeof(text));
    rc = ks_secret_copy(&key, text, strlen(text), err);
    ks_wipe(text, sizeof(text));
    if (rc == KS_OK)
        rc = write_target_key(path, key, err);
    if (rc != KS_OK) {
        ks_secret_free(key);
        return rc;
    }
    *out = key;
    return KS_OK;
}

/* Let the connector write `path`; *key may be made, and is the caller's. */
static int
write_target(const struct ks_restore_job *job, struct ks_snapshot_reader *r,
             const struct ks_source_ops *ops, const char *path,
             struct ks_err *err)
{
    struct ks_restore_options options = {
        .original = job->original,
        .replace = job->replace,
        .target_key = job->target_key,
    };
    struct ks_secret *made = NULL;
    int rc = KS_OK;

    if (job->target_key_out != NULL) {
        /* On disk before the file that it opens. */
        rc = make_target_key(&made, ops, job->target_key_out, err);
        options.target_key = made;
    }
    if (rc == KS_OK) {
        rc = ops->restore(r, path, &options, job->progress, err);
        /* A key whose file was never written would only mislead. */
        if (rc != KS_OK && made != NULL)
            (void)unlink(job->target_key_out);
    }
    ks_secret_free(made);
    return rc;
}

/* Fill in what was written. */
static int
describe(struct ks_restore_result *out, const struct ks_snapshot_info *info,
         char *path, struct ks_err *err)
{
    struct stat st;

    assert(path != NULL); /* name_target() answered KS_OK */

    if (stat(path, &st) != 0)
        return ks_fail_sys(err, errno, "cannot look at %s", path);
    *out = (struct ks_restore_result){
        .time_ms = info->time_ms,
        .path = path,
        .bytes = (uint64_t)st.st_size,
    };
    memcpy(out->snapshot, info->id, sizeof(out->snapshot));
    memcpy(out->source, info->source, sizeof(out->source));
    return KS_OK;
}

/* Restore one snapshot that was found. Its connector may be one that a newer
 * version has and this one does not. */
static int
restore_snapshot(struct ks_restore_result *out, struct ks_session *s,
                 const struct ks_restore_job *job,
                 const struct ks_snapshot_info *info, struct ks_err *err)
{
    const struct ks_source_ops *ops = ks_source_by_name(info->source);
    struct ks_snapshot_reader *r = NULL;
    char *path = NULL;
    int rc;

    if (ops == NULL) {
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "the snapshot was made from \"%s\", which this version "
                       "of keepsay cannot write",
                       info->source);
    }
    rc = name_target(&path, job, info, err);
    if (rc == KS_OK)
        /* A Ctrl-C that came while a key was derived is heard here. */
        rc = ks_progress_step(job->progress, "begin", 0, 0, err);
    if (rc == KS_OK)
        rc = ks_snapshot_reader_open(&r, ks_session_vault(s), info, err);
    if (rc == KS_OK)
        rc = write_target(job, r, ops, path, err);
    ks_snapshot_reader_close(r);
    if (rc == KS_OK)
        rc = describe(out, info, path, err);
    if (rc != KS_OK)
        free(path);
    return rc;
}

int
ks_job_restore(struct ks_restore_result *out, struct ks_session *s,
               const struct ks_restore_job *job, struct ks_err *err)
{
    const struct ks_snapshot_info *info = NULL;
    struct ks_snapshots all = {0};
    int rc;

    assert(job->original ==
           (job->target_key == NULL && job->target_key_out == NULL));
    assert(job->target_key == NULL || job->target_key_out == NULL);

    rc = ks_snapshots_read(ks_session_vault(s), &all, err);
    if (rc == KS_OK)
        rc = ks_snapshots_find(&info, &all, job->snapshot, err);
    if (rc == KS_OK)
        rc = restore_snapshot(out, s, job, info, err);
    ks_snapshots_free(&all);
    return rc;
}

void
ks_restore_result_wipe(struct ks_restore_result *result)
{
    free(result->path);
    *result = (struct ks_restore_result){0};
}
