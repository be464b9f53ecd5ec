#ifndef KS_VAULT_LIST_H
#define KS_VAULT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "base/err.h"
#include "vault/chunk_reader.h"

/*
 * list: which chunks a snapshot consists of (doc/format.md, "Lists").
 *
 * Floor 2. A chunk of records is a row of (varint length ‖ record). A list is
 * itself records:
 *
 *     u8 1 ‖ u8 section kind ‖ name        what follows belongs to it
 *     u8 2 ‖ chunk reference               one chunk of the section
 *     chunk reference: id 32 ‖ varint plain bytes ‖ varint records ‖
 *                      u32le hash of the first record ‖ u8 has times ‖
 *                      [ i64le first_ms ‖ varint last_ms - first_ms ]
 *
 * cut into chunks of kind KS_CHUNK_LIST like any stream. While a level has
 * more than one chunk, its chunk references (with u8 2) are the next level.
 * A section may come again under the same name: it is then continued.
 *
 * Section kinds: 0 a stream (name: the stream's), 1 the blobs (no name). The
 * chunks of the blobs section are of kind KS_CHUNK_LIST; each of their
 * records is one blob, in order of first appearance:
 *
 *     blob id 32 ‖ varint length ‖ fingerprint 16          length <= 1 MiB
 *     blob id 32 ‖ varint length ‖ pieces × (chunk id 32 ‖ fingerprint 16)
 *
 * and the chunk that has the blob id as its id is, for a blob of one
 * piece, the blob; else of kind KS_CHUNK_PIECES: u64le length ‖ chunk ids.
 */
enum ks_section {
    KS_SECTION_STREAM = 0,
    KS_SECTION_BLOBS = 1,
};

struct ks_chunk_ref {
    uint8_t id[32];
    uint32_t plain;
    uint32_t records;
    uint32_t first_hash;
    bool has_times;
    int64_t first_ms;
    int64_t last_ms;
};

#define KS_LIST_LEVELS_MAX 8U
#define KS_BLOB_PIECES_MAX ((size_t)16384)
#define KS_BLOB_MAX        ((uint64_t)KS_BLOB_PIECES_MAX * KS_PIECE_SIZE)

/* Pieces of a blob of `length` bytes: 1 for an empty one. */
size_t ks_blob_pieces(uint64_t length);

/* Append one list record, without framing, to a buffer. */
KS_MUST_CHECK int ks_list_put_section(struct ks_buf *out, enum ks_section kind,
                                      const char *name, struct ks_err *err);
KS_MUST_CHECK int
ks_list_put_chunk(struct ks_buf *out, const struct ks_chunk_ref *ref,
                  struct ks_err *err);

/* The next record of a chunk of records, borrowed from what c reads; at most
 * KS_RECORD_MAX bytes. KS_END at its end; KS_E_CORRUPT, after which the rest of
 * the chunk cannot be told into records. */
KS_MUST_CHECK int ks_records_next(struct ks_cursor *c, struct ks_bytes *record,
                                  struct ks_err *err);

/* One blob of the blobs section; `pieces` walks its piece pairs. */
struct ks_blob_entry {
    uint8_t id[32];
    uint64_t length;
    size_t pieces;
    struct ks_cursor rest;
};
/* False if the record is not exactly that; *out borrows from it. */
bool ks_blob_entry_decode(struct ks_bytes record, struct ks_blob_entry *out);
/* Piece after piece: its chunk id (borrowed) and fingerprint; false at the
 * end. For a blob of one piece the chunk id is the blob id. */
bool ks_blob_entry_piece(struct ks_blob_entry *e, const uint8_t **chunk,
                         const uint8_t **fingerprint);

/* Called as a list is walked; NULL members are passed over. A nonzero answer
 * stops the walk and is returned. */
struct ks_list_visitor {
    /* A chunk of the list itself: level 0 is what holds sections. */
    int (*list_chunk)(void *user, unsigned level,
                      const struct ks_chunk_ref *ref);
    int (*section)(void *user, enum ks_section kind, struct ks_bytes name);
    int (*chunk)(void *user, const struct ks_chunk_ref *ref);
    void *user;
};

/*
 * Walk the list under root[0..32), a chunk at `level`, in order, depth first.
 * KS_E_CORRUPT, KS_E_NOTFOUND, KS_E_IO, KS_E_NOMEM, or a visitor's answer.
 */
KS_MUST_CHECK int
ks_list_walk(struct ks_chunk_reader *chunks, const uint8_t *root,
             unsigned level, const struct ks_list_visitor *visitor,
             struct ks_err *err);

#endif /* KS_VAULT_LIST_H */
