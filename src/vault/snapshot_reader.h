#ifndef KS_VAULT_SNAPSHOT_READER_H
#define KS_VAULT_SNAPSHOT_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct ks_reader;

/*
 * snapshot_reader: what a connector restores from.
 *
 * Floor 2, the half of the vault that a connector sees when it restores.
 * Life: a job opens it, streams and blobs are opened from it and closed
 * before it. One thread. Every byte handed out has been authenticated and
 * checked against its chunk id.
 */
struct ks_snapshot_reader;
struct ks_stream;

struct ks_stream_info {
    const char *name; /* valid as long as the reader */
    uint64_t records;
    uint64_t bytes; /* of the records, framing included */
    uint64_t chunks;
    int64_t first_ms; /* KS_TIME_NONE if no record has a time */
    int64_t last_ms;
};

/* The streams, i < count, in the order in which the list first names them:
 * that in which they were begun, but for a stream so large that a part of it
 * had to go into the list before the end. */
size_t ks_snapshot_stream_count(const struct ks_snapshot_reader *r);
struct ks_stream_info
ks_snapshot_stream_info(const struct ks_snapshot_reader *r, size_t i);

/* Read a stream from its start. KS_E_NOTFOUND if there is none of that name,
 * KS_E_NOMEM. Any number may be open; each holds one chunk (<= 1 MiB). */
KS_MUST_CHECK int
ks_stream_open(struct ks_stream **out, struct ks_snapshot_reader *r,
               const char *name, struct ks_err *err);

/*
 * The next record, borrowed until the next call. KS_END after the last.
 * KS_E_CORRUPT or KS_E_NOTFOUND: a chunk is damaged or missing; err names
 * it, and the next call goes on with the chunk after it. KS_E_IO, KS_E_NOMEM:
 * nothing is known of that chunk; close the stream.
 */
KS_MUST_CHECK int ks_stream_next(struct ks_stream *s, struct ks_bytes *record,
                                 struct ks_err *err);
void ks_stream_close(struct ks_stream *s);

/* Read blob id[0..32) from its start; *size is its length in bytes.
 * KS_E_NOTFOUND, KS_E_CORRUPT, KS_E_NOMEM. Close with ks_reader_close(). */
KS_MUST_CHECK int
ks_blob_open(struct ks_reader **out, struct ks_snapshot_reader *r,
             const uint8_t *id, uint64_t *size, struct ks_err *err);

/* The extra called `name`, borrowed as long as the reader.
 * KS_E_NOTFOUND if the snapshot has none of that name. */
KS_MUST_CHECK int
ks_snapshot_get_extra(const struct ks_snapshot_reader *r, const char *name,
                      struct ks_bytes *out, struct ks_err *err);

#endif /* KS_VAULT_SNAPSHOT_READER_H */
