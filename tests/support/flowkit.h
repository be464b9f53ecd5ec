#ifndef KS_TESTS_FLOWKIT_H
#define KS_TESTS_FLOWKIT_H

#include <stdbool.h>
#include <stdint.h>

#include "enginekit.h"
#include "vault/blobs.h"
#include "vault/chunk_reader.h"
#include "vault/list.h"
#include "vault/parent.h"
#include "vault/pipeline.h"
#include "vault/streams.h"

/*
 * flowkit: the moving parts of a capture without a vault around them: streams
 * and blobs on their way through a pipeline into packs, night after night on
 * one index. Whatever goes wrong in here fails the test.
 */
struct flow {
    struct engine e;
    struct ks_index *index;
    struct ks_chunk_reader *chunks;
    unsigned workers;
    /* While a night lasts. */
    struct ks_parent *parent;
    struct ks_pipeline *pipeline;
    struct ks_streams *streams;
    struct ks_blobs *blobs;
    /* The list of the last night that ended, if any did. */
    bool has_list;
    uint8_t root[32];
    uint8_t level;
    struct ks_stream_counts counts;
};

/* keyring: an encoded one, or NULL for vaultkit's. */
void flow_open(struct flow *f, const uint8_t *keyring, size_t len);
void flow_close(struct flow *f);

/* Begin a night, with the one before as its parent. */
void flow_begin(struct flow *f);
/* End it: list and packs are written. */
void flow_end(struct flow *f);
/* Give it up. */
void flow_abandon(struct flow *f);

/* The references of all chunks of one stream of the last list (NULL: of the
 * blobs section), in order, into refs[0..max); how many. */
size_t flow_refs(struct flow *f, const char *stream, struct ks_chunk_ref *refs,
                 size_t max);

/* The plaintext of a chunk, which the reader keeps until the next one. */
struct ks_chunk flow_chunk(struct flow *f, const uint8_t *id);

#endif /* KS_TESTS_FLOWKIT_H */
