/*
 * list, info, ls: what is in the vault.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "vault/reading.h"
#include "vault/snapshot_reader.h"
#include "vault/vault.h"

/* Read the snapshots of the open vault, and say what does not open. */
static int
read_snapshots(struct ks_cli *c, struct ks_snapshots *all, struct ks_err *err)
{
    /* One damaged snapshot takes no other with it: they are listed all the
     * same, and the exit code is 0, for the list is what was asked for. */
    if (ks_snapshots_read(ks_session_vault(c->session), all, err) != KS_OK)
        return err->code;
    if (all->damaged > 0)
        ks_warn(&c->out, "DAMAGED_SNAPSHOTS", all->damaged,
                "%" PRIu64 " snapshots are damaged and cannot be shown; "
                "`keepsay verify` says which",
                all->damaged);
    return KS_OK;
}

/* The vault's id, in the envelope of every answer about it. */
static void
set_vault_id(struct ks_cli *c)
{
    ks_out_set(
        &c->out, "vault",
        ks_json_hex(ks_vault_id(ks_session_vault(c->session)), KS_ID_SIZE));
}

/* The names of the columns, above the first snapshot only: an empty list has
 * none. */
static void
answer_list_head(struct ks_cli *c)
{
    ks_answer(&c->out, "%-*s  %-16s  %-10s %11s %8s  %10s  %10s  %s",
              c->out.verbose > 0 ? 32 : 8, "snapshot", "when", "source",
              "records", "media", "read", "added", "label");
}

/* One snapshot in a line. The id is short unless -v asks for all of it; what
 * is left out or lost stands behind the label. */
static void
answer_list_line(struct ks_cli *c, const struct ks_snapshot_info *info)
{
    char id[KS_ID_HEX_SIZE];
    char when[KS_LOCAL_TIME_SIZE];
    char records[KS_COUNT_TEXT_SIZE];
    char blobs[KS_COUNT_TEXT_SIZE];
    char read[KS_SIZE_TEXT_SIZE];
    char added[KS_SIZE_TEXT_SIZE];

    ks_hex_encode(id, info->id, sizeof(info->id));
    ks_local_time(info->time_ms, when);
    ks_count_text(info->records, records);
    ks_count_text(info->blobs, blobs);
    ks_size_text(info->source_bytes, read);
    ks_size_text(info->added_bytes, added);
    ks_answer(&c->out, "%.*s  %-16s  %-10s %11s %8s  %10s  %10s  %s%s%s",
              c->out.verbose > 0 ? 32 : 8, id, when, info->source, records,
              blobs, read, added, info->label,
              info->filtered ? " (filtered)" : "",
              info->lost > 0 ? " (with losses)" : "");
}

/* Which of the snapshots were asked for: all->list[*first..) of the source. */
static int
choose_snapshots(struct ks_cli *c, const struct ks_snapshots *all,
                 size_t *first, struct ks_err *err)
{
    const char *latest = c->args.value[KS_FLAG_LATEST];
    const char *source = c->args.value[KS_FLAG_SOURCE];
    uint64_t wanted = UINT64_MAX;

    if (latest != NULL && !ks_parse_u64(latest, &wanted))
        return ks_fail(err, KS_E_USAGE, 0, "--latest takes a number");
    /* Backwards from the newest, until enough of that source are found. */
    *first = all->count;
    while (*first > 0 && wanted > 0) {
        (*first)--;
        if (source == NULL || strcmp(all->list[*first].source, source) == 0)
            wanted--;
    }
    return KS_OK;
}

/* Why the list is empty: a vault with snapshots that were not asked for, or
 * that are damaged, must not look like an empty one. */
static void
answer_none(struct ks_cli *c, const struct ks_snapshots *all)
{
    const char *source = c->args.value[KS_FLAG_SOURCE];

    if (all->count > 0 && source != NULL)
        ks_answer(&c->out, "There is no snapshot of \"%s\".", source);
    else if (all->count > 0)
        ks_answer(&c->out, "There are snapshots, but none was asked for.");
    else if (all->damaged > 0)
        ks_answer(&c->out, "There is no snapshot that can be read.");
    else
        ks_answer(&c->out, "There is no snapshot yet. "
                           "`keepsay backup FILE` makes the first.");
}

int
ks_cmd_list(struct ks_cli *c, struct ks_err *err)
{
    const char *source = c->args.value[KS_FLAG_SOURCE];
    struct ks_snapshots all = {0};
    json_t *list = json_array();
    size_t shown = 0;
    size_t first = 0;
    int rc;

    rc = ks_cli_open(c, KS_STORE_READ, false, err);
    if (rc == KS_OK)
        rc = read_snapshots(c, &all, err);
    if (rc == KS_OK)
        rc = choose_snapshots(c, &all, &first, err);
    for (size_t i = first; rc == KS_OK && i < all.count; i++) {
        const struct ks_snapshot_info *info = &all.list[i];

        if (source != NULL && strcmp(info->source, source) != 0)
            continue;
        if (shown++ == 0)
            answer_list_head(c);
        answer_list_line(c, info);
        (void)json_array_append_new(list, ks_json_snapshot(info));
    }
    if (rc == KS_OK) {
        set_vault_id(c);
        /* ks_out_set() takes one reference; ours goes below, whatever failed.
         */
        ks_out_set(&c->out, "snapshots", json_incref(list));
        if (shown == 0)
            answer_none(c, &all);
    }
    json_decref(list);
    ks_snapshots_free(&all);
    return rc;
}

/* The snapshot that the command is about; NULL, with KS_OK, if none was named
 * and there is none. */
static int
find_snapshot(const struct ks_snapshot_info **out, struct ks_cli *c,
              const struct ks_snapshots *all, const char *which,
              struct ks_err *err)
{
    *out = NULL;
    if (which == NULL && all->count == 0)
        return KS_OK;
    if (ks_snapshots_find(out, all, which != NULL ? which : "latest", err) !=
        KS_OK) {
        ks_hint(&c->out, "`keepsay list` shows the snapshots there are");
        return err->code;
    }
    return KS_OK;
}

/* Whether a word is the name of an archive file and no snapshot's: ids are
 * hex digits, and hold no dot. */
static bool
is_archive_name(const char *word)
{
    static const char ending[] = ".keepsay";
    size_t len = word != NULL ? strlen(word) : 0;
    size_t tail = sizeof(ending) - 1;

    return len > tail && strcmp(word + len - tail, ending) == 0;
}

/* What `info` says of a snapshot in JSON: what `list` says, and more. */
static json_t *
info_object(const struct ks_snapshot_info *info)
{
    json_t *o = ks_json_snapshot(info);

    (void)json_object_set_new(o, "source_title",
                              ks_json_text(ks_source_title(info->source)));
    (void)json_object_set_new(
        o, "account",
        info->account[0] != '\0' ? ks_json_text(info->account) : json_null());
    (void)json_object_set_new(o, "new_records", ks_json_u64(info->new_records));
    (void)json_object_set_new(o, "new_blobs", ks_json_u64(info->new_blobs));
    (void)json_object_set_new(o, "skipped", ks_json_skips(info));
    (void)json_object_set_new(o, "report_count",
                              ks_json_u64(info->report_count));
    (void)json_object_set_new(o, "report", ks_json_report(info));
    return o;
}

/* All about one snapshot, a line for each thing; what is not in it comes
 * last, where it is seen. */
static void
answer_info(struct ks_cli *c, const struct ks_snapshot_info *info)
{
    struct ks_out *out = &c->out;
    char text[KS_ID_HEX_SIZE];
    char when[KS_LOCAL_TIME_SIZE];
    char count[KS_PHRASE_SIZE];
    char more[KS_PHRASE_SIZE];
    char size[KS_SIZE_TEXT_SIZE];

    ks_hex_encode(text, info->id, sizeof(info->id));
    ks_local_time(info->time_ms, when);
    ks_answer(out, "Snapshot   %s", text);
    ks_answer(out, "Made       %s, generation %" PRIu64, when,
              info->generation);
    ks_answer(out, "Source     %s%s%s", ks_source_title(info->source),
              info->account[0] != '\0' ? ", " : "", info->account);
    if (info->label[0] != '\0')
        ks_answer(out, "Label      %s", info->label);
    ks_count_phrase(count, info->records, "record", "records");
    ks_count_phrase(more, info->streams, "stream", "streams");
    ks_answer(out, "Included   %s in %s", count, more);
    ks_count_phrase(count, info->blobs, "media file", "media files");
    ks_answer(out, "           %s", count);
    ks_size_text(info->source_bytes, size);
    ks_answer(out, "Read       %s", size);
    ks_count_phrase(count, info->new_records, "new record", "new records");
    ks_count_phrase(more, info->new_blobs, "new media file", "new media files");
    ks_size_text(info->added_bytes, size);
    ks_answer(out, "Added      %s: %s, %s", size, count, more);
    ks_answer(out, "Verified   %s",
              info->verified ? "all of its data was read and found whole"
                             : "not yet with `keepsay verify --read-data`");
    ks_answer_skips(out, info);
    ks_answer_report(out, info);
}

int
ks_cmd_info(struct ks_cli *c, struct ks_err *err)
{
    const struct ks_snapshot_info *info = NULL;
    const char *which = ks_cli_word(c, 0);
    struct ks_snapshots all = {0};
    int rc;

    /* `keepsay info x.keepsay`, as one would ask about any file. */
    if (is_archive_name(which) && c->args.value[KS_FLAG_VAULT] == NULL) {
        c->args.value[KS_FLAG_VAULT] = which;
        which = NULL;
    }
    rc = ks_cli_open(c, KS_STORE_READ, false, err);
    if (rc == KS_OK)
        rc = read_snapshots(c, &all, err);
    if (rc == KS_OK)
        rc = find_snapshot(&info, c, &all, which, err);
    if (rc == KS_OK) {
        set_vault_id(c);
        ks_out_set(&c->out, "snapshots", ks_json_u64(all.count));
        ks_out_set(&c->out, "snapshot",
                   info != NULL ? info_object(info) : json_null());
        if (info != NULL)
            answer_info(c, info);
        else
            ks_answer(&c->out, all.damaged > 0
                                   ? "The vault has no snapshot that can be "
                                     "read."
                                   : "The vault has no snapshot yet.");
    }
    ks_snapshots_free(&all);
    return rc;
}

/* A JSON time; null for records that have none. */
static json_t *
time_or_null(int64_t ms)
{
    return ms != KS_TIME_NONE ? ks_json_time(ms) : json_null();
}

/* One stream, in words and as JSON. */
static json_t *
show_stream(struct ks_cli *c, const struct ks_stream_info *info)
{
    char records[KS_COUNT_TEXT_SIZE];
    char size[KS_SIZE_TEXT_SIZE];
    char first[KS_LOCAL_TIME_SIZE] = "";
    char last[KS_LOCAL_TIME_SIZE] = "";

    ks_count_text(info->records, records);
    ks_size_text(info->bytes, size);
    if (info->first_ms != KS_TIME_NONE)
        ks_local_time(info->first_ms, first);
    if (info->last_ms != KS_TIME_NONE)
        ks_local_time(info->last_ms, last);
    ks_answer(&c->out, "%12s  %10s  %-16s  %-16s  %s", records, size, first,
              last, info->name);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "name", ks_json_text(info->name),
        "records", ks_json_u64(info->records), "bytes",
        ks_json_u64(info->bytes), "first", time_or_null(info->first_ms), "last",
        time_or_null(info->last_ms));
}

/* All streams of a snapshot. */
static int
show_streams(struct ks_cli *c, const struct ks_snapshot_info *info,
             struct ks_err *err)
{
    struct ks_snapshot_reader *r = NULL;
    json_t *list = json_array();
    int rc =
        ks_snapshot_reader_open(&r, ks_session_vault(c->session), info, err);

    if (rc == KS_OK) {
        ks_answer(&c->out, "%12s  %10s  %-16s  %-16s  %s", "records", "size",
                  "first", "last", "stream");
        for (size_t i = 0; i < ks_snapshot_stream_count(r); i++) {
            struct ks_stream_info stream = ks_snapshot_stream_info(r, i);

            (void)json_array_append_new(list, show_stream(c, &stream));
        }
        ks_out_set(&c->out, "snapshot",
                   ks_json_hex(info->id, sizeof(info->id)));
        ks_out_set(&c->out, "streams", json_incref(list));
    }
    json_decref(list);
    ks_snapshot_reader_close(r);
    return rc;
}

int
ks_cmd_ls(struct ks_cli *c, struct ks_err *err)
{
    const struct ks_snapshot_info *info = NULL;
    const char *which = ks_cli_word(c, 0);
    struct ks_snapshots all = {0};
    int rc;

    rc = ks_cli_open(c, KS_STORE_READ, false, err);
    if (rc == KS_OK)
        rc = read_snapshots(c, &all, err);
    if (rc == KS_OK)
        rc = find_snapshot(&info, c, &all, which != NULL ? which : "latest",
                           err);
    if (rc == KS_OK)
        rc = show_streams(c, info, err);
    ks_snapshots_free(&all);
    return rc;
}
