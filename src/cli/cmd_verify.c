/*
 * verify: proof that the vault is whole, or a list of what is not.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "job/verify.h"

/* As many as fit on a screen with the sentence that follows. */
#define FINDING_LINES 20U

/* What the findings are gathered into. */
struct findings_list {
    struct ks_cli *c;
    json_t *list;
    uint64_t shown;
    uint64_t hidden;
};

/* Called for each finding as it comes. Words are shown at once, up to a
 * number that can be read; JSON has them all. */
static void
take_finding(void *user, const struct ks_finding *f)
{
    struct findings_list *l = user;
    struct ks_out *out = &l->c->out;

    if (out->json)
        (void)json_array_append_new(
            l->list,
            json_pack("{s:o, s:o, s:b, s:o}", "object", ks_json_text(f->object),
                      "what", ks_json_text(f->what), "damage",
                      f->damage ? 1 : 0, "hint",
                      f->hint != NULL ? ks_json_text(f->hint) : json_null()));
    if (out->verbose == 0 && l->shown >= FINDING_LINES) {
        l->hidden++;
        return;
    }
    l->shown++;
    ks_answer_always(
        out, "%s %s: %s%s%s", f->damage ? "damage:" : "note:", f->object,
        f->what, f->hint != NULL ? "; " : "", f->hint != NULL ? f->hint : "");
}

/* "10", "10%" or nothing after --read-data: how much to read. */
static int
read_percent(const struct ks_cli *c, unsigned *percent, struct ks_err *err)
{
    const char *text = c->args.value[KS_FLAG_READ_DATA];
    char digits[8];
    uint64_t n = 100;

    *percent = 0;
    if (!ks_args_has(&c->args, KS_FLAG_READ_DATA))
        return KS_OK;
    if (text != NULL) {
        size_t len = strlen(text);
        int put;

        if (len > 0 && text[len - 1] == '%')
            len--;
        put = snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
        if (put < 0 || (size_t)put >= sizeof(digits) ||
            !ks_parse_u64(digits, &n) || n < 1 || n > 100) {
            return ks_fail(err, KS_E_USAGE, 0,
                           "--read-data takes a share from 1%% to 100%%, as "
                           "in --read-data=10%%");
        }
    }
    *percent = (unsigned)n;
    return KS_OK;
}

/* The counts, for programs. */
static void
set_verify_data(struct ks_cli *c, const struct ks_verify_result *r,
                unsigned percent, bool noted)
{
    struct ks_out *out = &c->out;

    ks_out_set(out, "snapshots", ks_json_u64(r->snapshots));
    ks_out_set(out, "snapshots_whole", ks_json_u64(r->snapshots_whole));
    ks_out_set(out, "chunks", ks_json_u64(r->chunks));
    ks_out_set(out, "packs", ks_json_u64(r->packs));
    ks_out_set(out, "packs_read", ks_json_u64(r->packs_read));
    ks_out_set(out, "bytes_read", ks_json_u64(r->bytes_read));
    ks_out_set(out, "data_percent", ks_json_u64(percent));
    ks_out_set(out, "damaged", ks_json_u64(r->damaged));
    ks_out_set(out, "unreferenced", ks_json_u64(r->unreferenced));
    ks_out_set(out, "noted", json_boolean(noted));
}

/* What was proved, in a sentence. */
static void
answer_whole(struct ks_cli *c, const struct ks_verify_result *r,
             unsigned percent)
{
    char snapshots[KS_PHRASE_SIZE];
    char packs[KS_PHRASE_SIZE];
    char read[KS_SIZE_TEXT_SIZE];

    ks_count_phrase(snapshots, r->snapshots, "snapshot", "snapshots");
    ks_count_phrase(packs, r->packs, "pack", "packs");
    ks_size_text(r->bytes_read, read);
    /* Only who has read all says "whole"; the others say what they saw. */
    if (percent == 100)
        ks_answer_done(&c->out,
                       "The vault is whole: %s, %s; all data was read (%s).",
                       snapshots, packs, read);
    else if (percent > 0)
        ks_answer_done(&c->out,
                       "No damage found: %s, %s; %u %% of the data was read "
                       "(%s).",
                       snapshots, packs, percent, read);
    else
        ks_answer_done(&c->out,
                       "Nothing is missing: %s, %s. (--read-data also reads "
                       "all data.)",
                       snapshots, packs);
}

/* What follows the findings: how many were not shown, and what is harmless. */
static void
answer_rest(struct ks_cli *c, const struct findings_list *findings,
            const struct ks_verify_result *r)
{
    char count[KS_COUNT_TEXT_SIZE];
    char phrase[KS_PHRASE_SIZE];

    if (findings->hidden > 0) {
        ks_count_text(findings->hidden, count);
        ks_answer_always(&c->out, "and %s more (all with -v)", count);
    }
    if (r->unreferenced > 0 && r->damaged == 0) {
        ks_count_phrase(phrase, r->unreferenced, "pack belongs",
                        "packs belong");
        ks_answer(&c->out,
                  "  %s to no snapshot: left over from interrupted runs, "
                  "harmless.",
                  phrase);
    }
}

/* Damage is a failure (exit 13), though the verification went well. */
static int
fail_damaged(struct ks_cli *c, const struct ks_verify_result *r,
             struct ks_err *err)
{
    ks_hint(&c->out,
            "keep the vault as it is, and copy what is whole: another copy of "
            "the vault may have what is damaged here");
    return ks_fail(err, KS_E_CORRUPT, 0,
                   "the vault is damaged in %" PRIu64 " %s; %" PRIu64
                   " of %" PRIu64 " snapshots are whole",
                   r->damaged, r->damaged == 1 ? "place" : "places",
                   r->snapshots_whole, r->snapshots);
}

int
ks_cmd_verify(struct ks_cli *c, struct ks_err *err)
{
    struct findings_list findings = {.c = c, .list = json_array()};
    struct ks_verify_job job = {
        .found = take_finding,
        .user = &findings,
        .progress = &c->progress,
    };
    struct ks_verify_result result = {0};
    bool noted = false;
    int rc;

    rc = read_percent(c, &job.data_percent, err);
    if (rc == KS_OK)
        rc = ks_cli_open(c, KS_STORE_READ, false, err);
    if (rc == KS_OK)
        /* Damage is an answer; a failure here means that nothing was proved. */
        rc = ks_job_verify(&result, &noted, c->session, &job, err);
    ks_meter_clear(&c->meter);
    if (rc == KS_OK) {
        set_verify_data(c, &result, job.data_percent, noted);
        ks_out_set(&c->out, "findings", json_incref(findings.list));
        /* The findings stay in the answer also when it is a failure. */
        answer_rest(c, &findings, &result);
        if (result.damaged > 0)
            rc = fail_damaged(c, &result, err);
        else
            answer_whole(c, &result, job.data_percent);
    }
    json_decref(findings.list);
    return rc;
}
