/*
 * backup: what is new in a file goes into the vault.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/exit_code.h"
#include "cli/prompt.h"
#include "cli/secrets.h"
#include "cli/text_clean.h"
#include "crypto/secret.h"
#include "job/backup.h"

#define LABEL_MAX ((size_t)255) /* bytes, as a snapshot holds them */

/* The source's key: from its file, else from the user. */
static int
give_source_key(void *user, struct ks_secret **out, struct ks_err *err)
{
    struct ks_cli *c = user;
    const char *file = c->args.value[KS_FLAG_SOURCE_KEY_FILE];

    /* KEEPSAY_KEY_FILE and the like are the vault's; they are not tried here,
     * for a wrong guess would look like a wrong passphrase. */
    if (file != NULL)
        return ks_secret_from_file(out, file, "the source's passphrase", err);
    if (ks_args_has(&c->args, KS_FLAG_NO_INPUT) || !ks_prompt_possible()) {
        ks_hint(&c->out, "give it with --source-key-file FILE");
        return ks_fail(err, KS_E_WRONG_SOURCE_KEY, 0,
                       "the passphrase of the backup file is needed, and "
                       "there is nobody to ask");
    }
    ks_meter_clear(&c->meter);
    return ks_prompt_secret(out,
                            "Passphrase of the backup file (not shown): ", err);
}

/* What the flags ask to leave out and to accept. */
static int
read_policy(const struct ks_cli *c, struct ks_policy *policy,
            struct ks_err *err)
{
    const char *size = c->args.value[KS_FLAG_MAX_ATTACHMENT_SIZE];

    *policy = KS_POLICY_INIT;
    policy->no_media = ks_args_has(&c->args, KS_FLAG_NO_MEDIA);
    policy->allow_incomplete = ks_args_has(&c->args, KS_FLAG_ALLOW_INCOMPLETE);
    policy->forget_source_key =
        ks_args_has(&c->args, KS_FLAG_FORGET_SOURCE_KEY);
    if (size != NULL && !ks_parse_size(size, &policy->attachment_bytes_max)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "--max-attachment-size takes a size such as 500K, 10M "
                       "or 1G");
    }
    return KS_OK;
}

/* A label stands in lists and in JSON: text, and on one line. */
static int
check_label(const char *label, struct ks_err *err)
{
    if (label == NULL ||
        (label[0] != '\0' && strlen(label) <= LABEL_MAX && ks_text_ok(label)))
        return KS_OK;
    return ks_fail(err, KS_E_USAGE, 0,
                   "a label is one line of text, up to %zu bytes", LABEL_MAX);
}

/* What the answer says in JSON. The same members always, so that a script
 * need not know which kind of run it was. */
static void
set_backup_data(struct ks_cli *c, const struct ks_backup_result *r,
                double seconds)
{
    const struct ks_snapshot_info *info = &r->info;
    struct ks_out *out = &c->out;
    bool dry = ks_session_dry(c->session);
    /* Of what was there already nothing is new. */
    uint64_t new_records = r->unchanged ? 0 : info->new_records;
    uint64_t new_blobs = r->unchanged ? 0 : info->new_blobs;
    uint64_t added = r->unchanged ? 0 : info->added_bytes;

    ks_out_set(out, "snapshot",
               dry && !r->unchanged ? json_null()
                                    : ks_json_hex(info->id, sizeof(info->id)));
    ks_out_set(out, "unchanged", json_boolean(r->unchanged));
    ks_out_set(out, "dry_run", json_boolean(dry));
    ks_out_set(out, "generation", ks_json_u64(info->generation));
    ks_out_set(out, "time", ks_json_time(info->time_ms));
    ks_out_set(out, "source", ks_json_text(info->source));
    ks_out_set(out, "label",
               info->label[0] != '\0' ? ks_json_text(info->label)
                                      : json_null());
    ks_out_set(out, "streams", ks_json_u64(info->streams));
    ks_out_set(out, "records", ks_json_u64(info->records));
    ks_out_set(out, "blobs", ks_json_u64(info->blobs));
    ks_out_set(out, "new_records", ks_json_u64(new_records));
    ks_out_set(out, "new_blobs", ks_json_u64(new_blobs));
    ks_out_set(out, "source_bytes", ks_json_u64(info->source_bytes));
    ks_out_set(out, "added_bytes", ks_json_u64(added));
    ks_out_set(out, "filtered", json_boolean(info->filtered));
    ks_out_set(out, "skipped", ks_json_skips(info));
    ks_out_set(out, "lost", ks_json_u64(info->lost));
    ks_out_set(out, "report_count", ks_json_u64(info->report_count));
    ks_out_set(out, "report", ks_json_report(info));
    ks_out_set(out, "seconds", json_real(seconds));
}

/* Nothing was read. Say which snapshot has it, and how to read the file
 * anyway, for whoever does not believe it. */
static void
answer_unchanged(struct ks_cli *c, const struct ks_snapshot_info *info)
{
    char when[KS_LOCAL_TIME_SIZE];
    char id[KS_SHORT_ID_SIZE];

    ks_local_time(info->time_ms, when);
    ks_short_id(id, info->id);
    ks_answer_done(&c->out,
                   "Nothing changed since %s: snapshot %s has %s. "
                   "(--force-read reads the file all the same.)",
                   when, id, info->lost > 0 ? "what could be read" : "it all");
}

/* The name of a file without its folders. */
static const char *
last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Two lines: what this run brought, and what the snapshot has in all. */
static void
answer_made(struct ks_cli *c, const struct ks_snapshot_info *info,
            double seconds)
{
    const char *path = ks_cli_word(c, 0);
    bool dry = ks_session_dry(c->session);
    char records[KS_PHRASE_SIZE];
    char media[KS_PHRASE_SIZE];
    char read[KS_SIZE_TEXT_SIZE];
    char added[KS_SIZE_TEXT_SIZE];
    char id[KS_SHORT_ID_SIZE];
    /* Beside older snapshots the count of new records is a little too high. */
    bool estimate = info->new_records > 0 && info->new_records < info->records;

    ks_count_phrase(records, info->new_records, "new record", "new records");
    ks_count_phrase(media, info->new_blobs, "new media file",
                    "new media files");
    ks_size_text(info->source_bytes, read);
    ks_size_text(info->added_bytes, added);
    ks_short_id(id, info->id);
    ks_answer_done(
        &c->out, "%s %s (%s): %s%s and %s; read %s, %s %s in %.1f s.",
        dry ? "Would back up" : "Backed up", last_part(path),
        ks_source_title(info->source), estimate ? "about " : "", records, media,
        read, dry ? "would add" : "added", added, seconds);
    ks_count_phrase(records, info->records, "record", "records");
    ks_count_phrase(media, info->blobs, "media file", "media files");
    if (dry)
        ks_answer(&c->out, "  Nothing was stored. It has %s and %s.", records,
                  media);
    else
        ks_answer(&c->out, "  Snapshot %s, generation %llu, has %s and %s.", id,
                  (unsigned long long)info->generation, records, media);
}

/* Losses make the run end with 3, policy does not. */
static void
judge_losses(struct ks_cli *c, const struct ks_snapshot_info *info)
{
    if (info->lost == 0)
        return;
    c->out.exit = KS_EXIT_LOSSES;
    ks_warn(&c->out, "LOST", info->lost,
            "%llu %s of the source could not be read; the rest is kept",
            (unsigned long long)info->lost, info->lost == 1 ? "part" : "parts");
}

/* The work and its answer, in an open session. */
static int
run_backup(struct ks_cli *c, struct ks_backup_options *options,
           struct ks_err *err)
{
    struct ks_backup_result result = {0};
    double began = ks_monotonic_s();
    double seconds;

    if (ks_job_backup(&result, c->session, options, err) != KS_OK) {
        if (err->code == KS_E_INCOMPLETE)
            ks_hint(&c->out, "--allow-incomplete keeps what is there, marked "
                             "as such");
        return err->code;
    }
    seconds = ks_monotonic_s() - began;
    ks_meter_clear(&c->meter);
    set_backup_data(c, &result, seconds);
    if (result.unchanged) {
        answer_unchanged(c, &result.info);
        if (ks_args_has(&c->args, KS_FLAG_FAIL_IF_EMPTY))
            c->out.exit = KS_EXIT_NOTHING;
    } else {
        answer_made(c, &result.info, seconds);
        ks_answer_skips(&c->out, &result.info);
    }
    /* Of an unchanged file too: what is lost in it is still lost, and a job
     * that runs every night must not turn green on the second one. */
    if (!result.unchanged || result.info.lost > 0)
        ks_answer_report(&c->out, &result.info);
    judge_losses(c, &result.info);
    ks_backup_result_wipe(&result);
    return KS_OK;
}

int
ks_cmd_backup(struct ks_cli *c, struct ks_err *err)
{
    struct ks_backup_options options = {
        .path = ks_cli_word(c, 0),
        .label = c->args.value[KS_FLAG_LABEL],
        .force_read = ks_args_has(&c->args, KS_FLAG_FORCE_READ),
        .source_key = give_source_key,
        .user = c,
        .progress = &c->progress,
    };
    bool dry = ks_args_has(&c->args, KS_FLAG_DRY_RUN);
    int rc;

    assert(options.path != NULL);

    /* What can be told without a key is told before one is asked for: flags,
     * then whether the file is of a kind we know. */
    rc = check_label(options.label, err);
    if (rc == KS_OK)
        rc = read_policy(c, &options.policy, err);
    if (rc == KS_OK)
        rc = ks_source_probe(&options.format, options.path, err);
    if (rc == KS_E_UNSUPPORTED)
        ks_hint(&c->out, "keepsay backs up Signal's .backup files; if this "
                         "should be one, make or copy it anew");
    if (rc == KS_OK)
        rc = ks_cli_open(c, dry ? KS_STORE_READ : KS_STORE_WRITE, dry, err);
    if (rc == KS_OK)
        rc = run_backup(c, &options, err);
    return rc;
}
