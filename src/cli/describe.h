#ifndef KS_CLI_DESCRIBE_H
#define KS_CLI_DESCRIBE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/output.h"
#include "vault/snapshots.h"

/*
 * describe: snapshots and numbers, in words and in JSON.
 *
 * Floor 6.
 */

#define KS_SHORT_ID_SIZE ((size_t)9) /* eight digits and a NUL */
/* The first digits of id[0..16) into out[0..KS_SHORT_ID_SIZE): enough to tell
 * the snapshots of a vault apart, and to type. */
void ks_short_id(char *out, const uint8_t *id);

/* "12 345" into out[0..KS_COUNT_TEXT_SIZE). */
#define KS_COUNT_TEXT_SIZE ((size_t)32)
void ks_count_text(uint64_t n, char *out);

/* "1 new record", "214 new records" into out[0..KS_PHRASE_SIZE). */
#define KS_PHRASE_SIZE ((size_t)96)
void ks_count_phrase(char *out, uint64_t n, const char *one, const char *many);

/* "2026-11-21 03:36", in the time zone of this machine, into
 * out[0..KS_LOCAL_TIME_SIZE). */
#define KS_LOCAL_TIME_SIZE ((size_t)32)
void ks_local_time(int64_t ms, char *out);

/* "Signal for Android, backup file" for "signal-v1"; the name itself if we do
 * not know it, borrowed as given. */
const char *ks_source_title(const char *name);

/* A JSON time, RFC 3339 in UTC. */
json_t *ks_json_time(int64_t ms);

/* What `list` says of a snapshot. NULL if out of memory. */
json_t *ks_json_snapshot(const struct ks_snapshot_info *info);
/* {"media": 3, ...}: how many were left out, by reason. */
json_t *ks_json_skips(const struct ks_snapshot_info *info);
/* [{"what", "why", "offset", "length", "lost", "raw"}, ...] */
json_t *ks_json_report(const struct ks_snapshot_info *info);

/* What was left out on purpose, one line, if anything was: this is no loss and
 * does not change the exit code. */
void ks_answer_skips(struct ks_out *out, const struct ks_snapshot_info *info);
/* What is damaged or odd: at most 20 lines and a count, all with --verbose. */
void ks_answer_report(struct ks_out *out, const struct ks_snapshot_info *info);

#endif /* KS_CLI_DESCRIBE_H */
