#ifndef KS_VAULT_PIPELINE_H
#define KS_VAULT_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "vault/index.h"
#include "vault/object.h"

/*
 * pipeline: chunks on their way into packs.
 *
 * Floor 2. The capturing thread fills work buffers; workers name, look up and
 * compress; the capturing thread takes the results back in order and lays
 * them into a pack; a pack that is full is sealed and put by a thread of
 * its own. Memory: (workers + 4) buffers of 1 MiB, two packs, a codec each
 * worker. Everything here is called on the capturing thread.
 */
struct ks_pipeline;

/* One chunk. The caller fills the first part between take and submit. */
struct ks_work {
    struct ks_task task; /* must stay first */
    uint8_t *data;       /* KS_CHUNK_MAX bytes */
    size_t len;
    enum ks_chunk_kind kind;
    bool has_id;     /* id is known already */
    bool has_parent; /* `parent` is a chunk that this one may resemble */
    uint8_t id[32];
    uint8_t parent[32];
    uint32_t records; /* 0 for blobs */
    /* Called in order of submission, once the chunk is stored or known. A
     * negative answer (err filled) ends the pipeline. */
    int (*retired)(void *user, const struct ks_work *work, struct ks_err *err);
    void *user;
    uint64_t tag;        /* the caller's */
    uint32_t first_hash; /* the caller's */
    int64_t first_ms;    /* the caller's; KS_TIME_NONE if none */
    int64_t last_ms;

    /* Results, for retired(). */
    bool known;           /* the vault had it */
    uint32_t new_records; /* records that `parent` does not have */

    /* The pipeline's. */
    struct ks_pipeline *pipeline;
    struct ks_entry entry;
    int rc;
    struct ks_err err;
};

struct ks_pipeline_options {
    const struct ks_object_context *cx;
    struct ks_index *index; /* used under the pipeline's lock while it runs */
    unsigned workers;
};

/* Start threads. cx and index are borrowed, and must outlive the pipeline; what
 * the options point at besides need not. workers: 1..KS_POOL_WORKERS_MAX.
 * KS_E_NOMEM, or KS_E_IO if threads cannot be had. */
KS_MUST_CHECK int
ks_pipeline_open(struct ks_pipeline **out,
                 const struct ks_pipeline_options *options, struct ks_err *err);

/* A work buffer to fill; the same again until it is submitted. May block, and
 * may call retired() of older works first. The fields of the first part are
 * reset. An error is that of an older work, of its retired() or of a pack: the
 * pipeline can then only be closed. So it is for drain and finish. */
KS_MUST_CHECK int ks_pipeline_take(struct ks_pipeline *p, struct ks_work **out,
                                   struct ks_err *err);
/* Give a filled work away; it comes back through its retired(). len is at most
 * KS_CHUNK_MAX. Never blocks. */
void ks_pipeline_submit(struct ks_pipeline *p, struct ks_work *work);

/* Whether a usable pack has this chunk, or will have: see ks_index_stored().
 * Errors of reading the index: KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int ks_pipeline_known(struct ks_pipeline *p, const uint8_t *id,
                                    bool *known, struct ks_err *err);

/* Retire everything submitted. */
KS_MUST_CHECK int ks_pipeline_drain(struct ks_pipeline *p, struct ks_err *err);

/* Drain, and put the last pack. Nothing may be submitted afterwards. */
KS_MUST_CHECK int ks_pipeline_finish(struct ks_pipeline *p, struct ks_err *err);

/* After finish: sealed bytes put, and the packs as fields of a snapshot object
 * (borrowed until close). */
uint64_t ks_pipeline_bytes(const struct ks_pipeline *p);
struct ks_bytes ks_pipeline_packs(const struct ks_pipeline *p);

/* Wait for what was submitted, call nobody any more, free. NULL is ok. Packs
 * that were put stay in the store, unreferenced. */
void ks_pipeline_close(struct ks_pipeline *p);

#endif /* KS_VAULT_PIPELINE_H */
