/*
 * describe: the one place where numbers and states become words.
 */
#include "cli/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "source/source.h"

/* A badly damaged file has thousands of findings; on a screen the first ones
 * and their number say enough. */
#define REPORT_LINES 20U

void
ks_short_id(char *out, const uint8_t *id)
{
    ks_hex_encode(out, id, (KS_SHORT_ID_SIZE - 1) / 2);
}

void
ks_count_text(uint64_t n, char *out)
{
    char digits[KS_COUNT_TEXT_SIZE];
    int count = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    size_t used = 0;

    /* A space before each group of three, counted from the end. 20 digits and 6
     * spaces at most. */
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            out[used++] = ' ';
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

void
ks_count_phrase(char *out, uint64_t n, const char *one, const char *many)
{
    char count[KS_COUNT_TEXT_SIZE];

    ks_count_text(n, count);
    (void)snprintf(out, KS_PHRASE_SIZE, "%s %s", count, n == 1 ? one : many);
}

void
ks_local_time(int64_t ms, char *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    /* A time from a damaged or hostile vault may be one that no calendar has.
     */
    if (localtime_r(&seconds, &tm) == NULL ||
        strftime(out, KS_LOCAL_TIME_SIZE, "%Y-%m-%d %H:%M", &tm) == 0)
        (void)snprintf(out, KS_LOCAL_TIME_SIZE, "?");
}

const char *
ks_source_title(const char *name)
{
    /* A newer keepsay may have made the snapshot from a source that this one
     * does not know. */
    const struct ks_source_ops *ops = ks_source_by_name(name);

    return ops != NULL ? ops->title : name;
}

json_t *
ks_json_time(int64_t ms)
{
    char text[KS_TIME_TEXT_SIZE];

    ks_time_text(ms, text);
    return json_string(text);
}

json_t *
ks_json_snapshot(const struct ks_snapshot_info *info)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, "
        "s:b}",
        "id", ks_json_hex(info->id, sizeof(info->id)), "generation",
        ks_json_u64(info->generation), "time", ks_json_time(info->time_ms),
        "source", ks_json_text(info->source), "label",
        info->label[0] != '\0' ? ks_json_text(info->label) : json_null(),
        "streams", ks_json_u64(info->streams), "records",
        ks_json_u64(info->records), "blobs", ks_json_u64(info->blobs),
        "source_bytes", ks_json_u64(info->source_bytes), "added_bytes",
        ks_json_u64(info->added_bytes), "lost", ks_json_u64(info->lost),
        "filtered", info->filtered ? 1 : 0, "pinned", info->pinned ? 1 : 0,
        "verified", info->verified ? 1 : 0);
}

json_t *
ks_json_skips(const struct ks_snapshot_info *info)
{
    json_t *skips = json_object();

    for (size_t i = 0; i < info->skip_count; i++)
        (void)json_object_set_new(skips, info->skips[i].reason,
                                  ks_json_u64(info->skips[i].count));
    return skips;
}

json_t *
ks_json_report(const struct ks_snapshot_info *info)
{
    json_t *report = json_array();

    for (size_t i = 0; i < info->report_kept; i++) {
        const struct ks_report_entry *e = &info->report[i];

        (void)json_array_append_new(
            report,
            json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "what",
                      ks_json_text(e->what), "why", ks_json_text(e->why),
                      "offset", ks_json_u64(e->offset), "length",
                      ks_json_u64(e->length), "lost", e->lost ? 1 : 0, "raw",
                      e->has_raw ? ks_json_hex(e->raw, sizeof(e->raw))
                                 : json_null()));
    }
    return report;
}

/* What a reason for leaving out is called. */
static const char *
skip_words(const char *reason)
{
    if (strcmp(reason, "attachment-size") == 0)
        return "above the attachment size";
    return reason;
}

void
ks_answer_skips(struct ks_out *out, const struct ks_snapshot_info *info)
{
    char line[512] = "";
    size_t used = 0;

    for (size_t i = 0; i < info->skip_count && used < sizeof(line); i++) {
        char count[KS_COUNT_TEXT_SIZE];
        int n;

        ks_count_text(info->skips[i].count, count);
        n = snprintf(line + used, sizeof(line) - used, "%s%s %s",
                     i > 0 ? ", " : "", count,
                     skip_words(info->skips[i].reason));
        /* More than fits is cut off; the loop then ends. */
        used += n > 0 ? (size_t)n : 0;
    }
    if (info->skip_count > 0)
        ks_answer(out, "  Left out as asked: %s.", line);
}

/* One finding: what, where in the source, how much of it, and why. */
static void
answer_entry(struct ks_out *out, const struct ks_report_entry *e)
{
    char length[KS_SIZE_TEXT_SIZE + 2] = "";

    if (e->length > 0) {
        char size[KS_SIZE_TEXT_SIZE];

        ks_size_text(e->length, size);
        (void)snprintf(length, sizeof(length), ", %s", size);
    }
    ks_answer(out, "    %s %s at byte %" PRIu64 "%s: %s%s",
              e->lost ? "lost:" : "note:", e->what, e->offset, length, e->why,
              e->has_raw ? " (raw bytes kept)" : "");
}

void
ks_answer_report(struct ks_out *out, const struct ks_snapshot_info *info)
{
    size_t lines = info->report_kept;
    char odd[KS_PHRASE_SIZE];
    char lost[KS_COUNT_TEXT_SIZE];

    if (info->report_count == 0)
        return;
    ks_count_phrase(odd, info->report_count, "thing was", "things were");
    ks_count_text(info->lost, lost);
    ks_answer(out, "  In the source %s odd; lost: %s.", odd, lost);
    if (out->verbose == 0 && lines > REPORT_LINES)
        lines = REPORT_LINES;
    for (size_t i = 0; i < lines; i++)
        answer_entry(out, &info->report[i]);
    /* The vault keeps only so many entries of a report, but counts all. */
    if (info->report_count > lines) {
        ks_count_text(info->report_count - lines, odd);
        ks_answer(out, "    and %s more%s", odd,
                  lines < info->report_kept ? " (all with -v)" : "");
    }
}
