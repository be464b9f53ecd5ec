#ifndef KS_SOURCE_SIGNAL_V1_STREAMS_H
#define KS_SOURCE_SIGNAL_V1_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct ks_snapshot_writer;

/*
 * streams: which streams a snapshot of a Signal backup has, and the `order`
 * stream, which says how their records follow one another in the file.
 *
 * Floor 3. Streams are numbered in the order of their first use, from 1.
 * A record of `order` is one of
 *
 *     varint 0, name           the next number is the stream called so
 *     varint number, varint n  the next n records of that stream, n >= 1
 *
 * so one more message in the middle changes one record, and a file of half a
 * million rows has as many as it has runs. Source: doc/format-signal-v1.md.
 */
#define KS_V1_ORDER      "order"
#define KS_V1_STATEMENTS "frame/statement"
#define KS_V1_LARGE      "frame/large"
#define KS_V1_STREAM_MAX ((size_t)600)        /* streams of one snapshot */
#define KS_V1_NAME_SIZE  ((size_t)4 + 64 + 1) /* "sql/" and a table, NUL */

struct ks_v1_streams;

/* KS_E_NOMEM, or what ks_snapshot_stream() says. */
KS_MUST_CHECK int
ks_v1_streams_new(struct ks_v1_streams **out, struct ks_snapshot_writer *w,
                  struct ks_err *err);
void ks_v1_streams_free(struct ks_v1_streams *s); /* NULL is ok */

/* The number of the stream `name` (fits KS_V1_NAME_SIZE), begun if new; that
 * of "frame/statement" for a new table when there are too many already. Fails
 * as the writer does. */
KS_MUST_CHECK int
ks_v1_streams_number(struct ks_v1_streams *s, const char *name,
                     unsigned *number, struct ks_err *err);

/* Append a record to stream `number`, and to the order. */
KS_MUST_CHECK int
ks_v1_streams_put(struct ks_v1_streams *s, unsigned number,
                  struct ks_bytes record, int64_t time_ms, struct ks_err *err);

/* Write what is still held back of the order. Once, at the end. */
KS_MUST_CHECK int
ks_v1_streams_finish(struct ks_v1_streams *s, struct ks_err *err);

/* One record of the order, read. */
struct ks_v1_run {
    unsigned number;      /* 0: a name */
    uint64_t records;     /* of a run, >= 1 */
    struct ks_bytes name; /* borrowed; 1..KS_V1_NAME_SIZE-1 bytes */
};
/* False if it is no such record. */
bool ks_v1_run_parse(struct ks_v1_run *out, struct ks_bytes record);

#endif /* KS_SOURCE_SIGNAL_V1_STREAMS_H */
