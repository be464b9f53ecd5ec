#ifndef KS_VAULT_STREAMS_H
#define KS_VAULT_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "vault/list.h"
#include "vault/parent.h"
#include "vault/pipeline.h"

/*
 * streams: records on their way into chunks, and chunks on their way into the
 * list of a snapshot.
 *
 * Floor 2. A stream's records are cut into chunks as doc/format.md says
 * ("Cutting"); the references of its chunks wait, a few dozen bytes each,
 * until they go into the list as a section. Level n of the list is a
 * stream too, whose records are the references of level n - 1's chunks.
 * One thread: the capturing one.
 */
struct ks_streams;

struct ks_streams_options {
    struct ks_pipeline *pipeline;
    struct ks_parent *parent;
    const uint8_t *cut_key; /* KS_SIPHASH_KEY_SIZE bytes */
};

/* Streams of a snapshot before their numbers run out. */
#define KS_STREAMS_MAX 4096U

/* What the options name is borrowed; closing uses none of it. Close after the
 * pipeline has been closed or drained: its works may point here. NULL is ok.
 * KS_E_NOMEM. */
KS_MUST_CHECK int
ks_streams_open(struct ks_streams **out,
                const struct ks_streams_options *options, struct ks_err *err);
void ks_streams_close(struct ks_streams *s);

/* The number of the stream called name, made if new. KS_E_LIMIT, KS_E_NOMEM. */
KS_MUST_CHECK int ks_streams_name(struct ks_streams *s, const char *name,
                                  unsigned *stream, struct ks_err *err);

/* Append a record (<= KS_RECORD_MAX bytes; KS_TIME_NONE: no time); it is
 * copied. An error may be that of a record long before, from the pipeline;
 * after any the streams can only be closed. */
KS_MUST_CHECK int
ks_streams_record(struct ks_streams *s, unsigned stream, struct ks_bytes record,
                  int64_t time_ms, struct ks_err *err);

/* Append a record of the blobs section. */
KS_MUST_CHECK int ks_streams_blob(struct ks_streams *s, struct ks_bytes record,
                                  struct ks_err *err);

/* Cut what is left, write the list, drain the pipeline: the root chunk and its
 * level. Nothing may be appended afterwards. */
KS_MUST_CHECK int ks_streams_finish(struct ks_streams *s, uint8_t *root,
                                    uint8_t *level, struct ks_err *err);

struct ks_stream_counts {
    uint64_t streams;
    uint64_t records;
    uint64_t new_records;
};
struct ks_stream_counts ks_streams_counts(const struct ks_streams *s);

#endif /* KS_VAULT_STREAMS_H */
