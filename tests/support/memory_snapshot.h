#ifndef KS_TESTS_MEMORY_SNAPSHOT_H
#define KS_TESTS_MEMORY_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/snapshot_reader.h"
#include "vault/snapshot_writer.h"

/*
 * memory_snapshot: the two headers that a connector sees of the vault, over
 * plain memory. A blob's id is the SHA-256 of its bytes. Checks what the
 * headers ask of a connector, and ends the program with a message where it is
 * not kept. A test that links this links no vault.
 */
struct memory_record {
    uint8_t *data;
    size_t len;
    int64_t time_ms;
};

struct memory_stream {
    char name[KS_STREAM_NAME_MAX + 1];
    struct memory_record *records;
    size_t count;
};

struct memory_blob {
    uint8_t id[KS_BLOB_ID_SIZE];
    uint8_t *data;
    size_t len;
};

struct memory_extra {
    char name[32];
    uint8_t *data;
    size_t len;
};

struct memory_skip {
    char reason[32];
    uint64_t count;
};

struct memory_snapshot {
    struct memory_stream *streams;
    size_t stream_count;
    struct memory_blob *blobs; /* each content once */
    size_t blob_count;
    struct memory_extra *extras;
    size_t extra_count;
    struct ks_report_entry *report;
    size_t report_count;
    struct memory_skip skips[16];
    size_t skip_count;
    uint64_t source_bytes;
    char account[128];

    bool discard;     /* count only: keep neither records nor blobs */
    uint64_t records; /* that were given */
    uint64_t bytes;   /* of records and blobs that were given */
    size_t open;      /* streams and blobs open for reading */
    size_t open_most; /* the most there were at once */
    long fail_write;  /* the verb after so many fails with KS_E_FULL */
    long fail_read;   /* the record after so many is KS_E_CORRUPT */
};

/* Empty; nothing fails. */
struct memory_snapshot *memory_snapshot_new(void);
void memory_snapshot_free(struct memory_snapshot *m); /* NULL is ok */

struct ks_snapshot_writer *memory_snapshot_writer(struct memory_snapshot *m);
struct ks_snapshot_reader *memory_snapshot_reader(struct memory_snapshot *m);

/* NULL if there is none. */
const struct memory_stream *
memory_snapshot_stream(const struct memory_snapshot *m, const char *name);
const struct memory_blob *
memory_snapshot_blob(const struct memory_snapshot *m, const uint8_t *id);
const struct memory_extra *
memory_snapshot_extra(const struct memory_snapshot *m, const char *name);

/* How many were skipped for `reason`, and how many report entries say lost. */
uint64_t
memory_snapshot_skipped(const struct memory_snapshot *m, const char *reason);
size_t memory_snapshot_lost(const struct memory_snapshot *m);

/* Whether streams, their order, records, times and blobs are equal. Prints
 * the first difference. */
bool memory_snapshot_equal(const struct memory_snapshot *a,
                           const struct memory_snapshot *b);

#endif /* KS_TESTS_MEMORY_SNAPSHOT_H */
