/*
 * restore: a snapshot as a file again.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/secrets.h"
#include "crypto/secret.h"
#include "job/restore.h"

/* Where to, and under which key: all of it must be said. */
static int
check_restore_flags(struct ks_cli *c, struct ks_err *err)
{
    bool original = ks_args_has(&c->args, KS_FLAG_ORIGINAL);
    bool key = ks_args_has(&c->args, KS_FLAG_TARGET_KEY_FILE);
    bool key_out = ks_args_has(&c->args, KS_FLAG_TARGET_KEY_OUT);

    if (!ks_args_has(&c->args, KS_FLAG_TO)) {
        ks_hint(&c->out, "say where with --to FILE, or --to FOLDER");
        return ks_fail(err, KS_E_USAGE, 0, "where shall the file go?");
    }
    /* The old file opens with its old passphrase, and with no other. */
    if (original && (key || key_out)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "--original gives back the same bytes, under the key "
                       "they had: no --target-key-file or --target-key-out");
    }
    if (key && key_out) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "--target-key-file names a passphrase, "
                       "--target-key-out makes one up: give one of them");
    }
    /* No default: the very bytes and a fresh file are for different uses, and a
     * key made up unasked would be lost. */
    if (!original && !key && !key_out) {
        ks_hint(&c->out,
                "--original gives back the very file; --target-key-out FILE "
                "makes up a passphrase and writes it there; --target-key-file "
                "FILE uses yours");
        return ks_fail(err, KS_E_USAGE, 0,
                       "a fresh file needs a passphrase of its own");
    }
    return KS_OK;
}

/* What was written and where; and where its passphrase is, because the file
 * is of no use without. */
static void
answer_restored(struct ks_cli *c, const struct ks_restore_result *r,
                const struct ks_restore_job *job)
{
    char when[KS_LOCAL_TIME_SIZE];
    char size[KS_SIZE_TEXT_SIZE];

    ks_local_time(r->time_ms, when);
    ks_size_text(r->bytes, size);
    ks_answer_done(&c->out, "Restored %s of %s to %s (%s%s).",
                   ks_source_title(r->source), when, r->path, size,
                   job->original ? ", the same bytes as were backed up" : "");
    if (job->target_key_out != NULL)
        ks_answer(&c->out,
                  "  Its passphrase is in %s. The app asks for it; keep it "
                  "apart from the file.",
                  job->target_key_out);
}

/* The same for programs. The passphrase itself is in no answer. */
static void
set_restore_data(struct ks_cli *c, const struct ks_restore_result *r,
                 const struct ks_restore_job *job)
{
    struct ks_out *out = &c->out;

    ks_out_set(out, "snapshot", ks_json_hex(r->snapshot, sizeof(r->snapshot)));
    ks_out_set(out, "time", ks_json_time(r->time_ms));
    ks_out_set(out, "source", ks_json_text(r->source));
    ks_out_set(out, "path", ks_json_text(r->path));
    ks_out_set(out, "bytes", ks_json_u64(r->bytes));
    ks_out_set(out, "original", json_boolean(job->original));
    ks_out_set(out, "target_key_out",
               job->target_key_out != NULL ? ks_json_text(job->target_key_out)
                                           : json_null());
}

/* Two failures have a way out that is known here. */
static void
hint_restore(struct ks_cli *c, int code)
{
    if (code == KS_E_EXISTS)
        ks_hint(&c->out, "choose another name; --force replaces a file that "
                         "is there (but never a key file)");
    else if (code == KS_E_UNSUPPORTED &&
             ks_args_has(&c->args, KS_FLAG_ORIGINAL))
        ks_hint(&c->out, "without --original, and with --target-key-out FILE, "
                         "it can be restored as a fresh file");
}

int
ks_cmd_restore(struct ks_cli *c, struct ks_err *err)
{
    const char *which = ks_cli_word(c, 0);
    const char *key_file = c->args.value[KS_FLAG_TARGET_KEY_FILE];
    struct ks_restore_job job = {
        .snapshot = which != NULL ? which : "latest",
        .to = c->args.value[KS_FLAG_TO],
        .original = ks_args_has(&c->args, KS_FLAG_ORIGINAL),
        .replace = ks_args_has(&c->args, KS_FLAG_FORCE),
        .target_key_out = c->args.value[KS_FLAG_TARGET_KEY_OUT],
        .progress = &c->progress,
    };
    struct ks_restore_result result = {0};
    struct ks_secret *key = NULL;
    int rc;

    rc = check_restore_flags(c, err);
    /* Before the vault's key is asked for: a file that is not there should not
     * cost a passphrase typed in vain. */
    if (rc == KS_OK && key_file != NULL)
        rc = ks_secret_from_file(&key, key_file, "the new passphrase", err);
    job.target_key = key;
    if (rc == KS_OK)
        rc = ks_cli_open(c, KS_STORE_READ, false, err);
    if (rc == KS_OK) {
        rc = ks_job_restore(&result, c->session, &job, err);
        ks_meter_clear(&c->meter);
        /* KS_OK gets no hint */
        hint_restore(c, rc);
    }
    if (rc == KS_OK) {
        set_restore_data(c, &result, &job);
        answer_restored(c, &result, &job);
    }
    ks_restore_result_wipe(&result);
    ks_secret_free(key);
    return rc;
}
