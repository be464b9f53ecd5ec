#ifndef KS_TESTS_STORY_H
#define KS_TESTS_STORY_H

#include "chance.h"
#include "vault/snapshot_reader.h"
#include "vault/snapshot_writer.h"
#include "vault/snapshots.h"

struct ks_vault;

/*
 * story: conversations made from a seed, which can be told to a snapshot
 * writer and held against what a snapshot reader says. Night after night it
 * is edited, added to and taken from.
 */
struct story_record {
    uint64_t seed; /* content and length follow from it */
    int64_t time_ms;
};

struct story_stream {
    char name[32];
    struct story_record *records;
    size_t count;
};

struct story_blob {
    uint64_t seed;
    size_t len;
};

#define STORY_STREAMS 12

struct story {
    struct chance chance;
    struct story_stream streams[STORY_STREAMS];
    struct story_blob *blobs;
    size_t blob_count;
};

/* `records` in all over all streams, and `blobs`, of sizes around the borders
 * at which blobs are cut. */
void story_begin(struct story *s, uint64_t seed, size_t records, size_t blobs);
void story_end(struct story *s);

/* One night: new records at the end, edits, deletions, a new blob. */
void story_night(struct story *s, size_t fresh, size_t edits, size_t gone);

/* Tell it to w, streams interleaved. Fails the test on error. */
void story_tell(const struct story *s, struct ks_snapshot_writer *w);

/* Fails the test unless the snapshot is exactly this story. */
void story_compare(const struct story *s, struct ks_vault *vault,
                   const struct ks_snapshot_info *info);

#endif /* KS_TESTS_STORY_H */
