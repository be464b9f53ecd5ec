#ifndef KS_VAULT_SNAPSHOT_WRITER_H
#define KS_VAULT_SNAPSHOT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ks_reader;

/*
 * snapshot_writer: what a connector captures into.
 *
 * Floor 2, the half of the vault that a connector sees when it captures.
 * Life: a job begins it, the connector calls the verbs below, the job commits
 * or abandons it. One thread. Nothing is visible in the vault before the
 * commit; whatever a failed capture has stored is unreferenced.
 * After any failure other than KS_E_FORMAT from ks_snapshot_blob() and
 * KS_E_LIMIT from ks_snapshot_record(), the snapshot can only be abandoned.
 */
struct ks_snapshot_writer;

#define KS_BLOB_ID_SIZE    ((size_t)32)
#define KS_RECORD_MAX      ((size_t)1000000) /* bytes of one record */
#define KS_STREAM_NAME_MAX ((size_t)120)     /* bytes, without the NUL */
#define KS_EXTRA_MAX       ((size_t)65536)   /* bytes of all extras */
#define KS_REPORT_MAX      10000U    /* entries kept; more are counted */
#define KS_TIME_NONE       INT64_MIN /* a record without a time */

/*
 * The stream called `name` (UTF-8, 1..KS_STREAM_NAME_MAX bytes, no control
 * characters): begun, or continued if this snapshot has it already.
 * *stream is a number for ks_snapshot_record(), valid until the commit; any
 * number of streams may be named, and interleaved at will, but no more than
 * KS_STREAMS_OPEN are buffered at once: switching among more costs space.
 */
#define KS_STREAMS_OPEN 8U
KS_MUST_CHECK int
ks_snapshot_stream(struct ks_snapshot_writer *w, const char *name,
                   unsigned *stream, struct ks_err *err);

/*
 * Append record data[0..len) to the stream, 0 <= len <= KS_RECORD_MAX
 * (KS_E_LIMIT beyond: keep it as a blob instead). time_ms: when it
 * was said, or KS_TIME_NONE. The bytes are copied.
 */
KS_MUST_CHECK int
ks_snapshot_record(struct ks_snapshot_writer *w, unsigned stream,
                   const void *data, size_t len, int64_t time_ms,
                   struct ks_err *err);

/*
 * Keep the bytes that `from` gives, to its end, as a blob; id[0..32) gets its
 * id, the same for the same bytes whatever snapshot they are in.
 * Memory does not depend on the size. If `from` fails with KS_E_FORMAT
 * (damage found at its end, say) that is answered as it is, nothing refers to
 * the blob, and the snapshot goes on. The caller closes `from`.
 */
KS_MUST_CHECK int
ks_snapshot_blob(struct ks_snapshot_writer *w, struct ks_reader *from,
                 uint8_t *id, struct ks_err *err);

/* One thing that is damaged, unknown or odd in the source. */
struct ks_report_entry {
    char what[64];   /* "attachment blob", "frame", "trailing bytes" */
    char why[160];   /* "MAC does not match" */
    uint64_t offset; /* where in the source, bytes */
    uint64_t length; /* how much of it, bytes; 0 unknown */
    bool lost;       /* false: noteworthy, but nothing is missing */
    bool has_raw;    /* its raw bytes are kept as a blob */
    uint8_t raw[32]; /* that blob's id */
};
KS_MUST_CHECK int
ks_snapshot_report(struct ks_snapshot_writer *w,
                   const struct ks_report_entry *entry, struct ks_err *err);

/* Count `count` things left out by policy for `reason` ("media",
 * "attachment-size"): [a-z0-9-], at most 31 characters, at most 16 reasons. */
KS_MUST_CHECK int
ks_snapshot_skip(struct ks_snapshot_writer *w, const char *reason,
                 uint64_t count, struct ks_err *err);

/* Keep a small sealed value beside the snapshot, for restore --original and
 * the like. Names as for skip. Setting a name again replaces its value.
 * KS_E_LIMIT beyond KS_EXTRA_MAX in all. */
KS_MUST_CHECK int
ks_snapshot_extra(struct ks_snapshot_writer *w, const char *name,
                  const void *data, size_t len, struct ks_err *err);

/* Bytes of source read so far (for the counts) and whose it is: `account` is
 * free text such as a phone number, at most 127 bytes, or "". */
void ks_snapshot_source_bytes(struct ks_snapshot_writer *w, uint64_t bytes);
void ks_snapshot_account(struct ks_snapshot_writer *w, const char *account);

#endif /* KS_VAULT_SNAPSHOT_WRITER_H */
