#ifndef KS_VAULT_FORMAT_H
#define KS_VAULT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/*
 * format: the numbers of vault format 1, in one place. doc/format.md is the
 * normative text; every constant here stands there under the same name.
 */
#define KS_FORMAT_VERSION 1U

/* Kinds of sealed objects (crypto/seal.h, header byte 10). */
enum ks_object_kind {
    KS_OBJ_PACK = 1,
    KS_OBJ_SNAPSHOT = 2,
    KS_OBJ_INDEX = 3,
    KS_OBJ_NOTE = 4,
    KS_OBJ_WRITER = 5,
    KS_OBJ_RETIRED = 6,
    KS_OBJ_MARK = 7,
    KS_OBJ_ACK = 8,
    KS_OBJ_STATE = 9, /* client state, never in a store */
    KS_OBJ_SLOT = 10, /* the keyring within a slot, never by itself */
};

/* Folders of a store. */
#define KS_DIR_KEYS      "keys"
#define KS_DIR_PACKS     "packs"
#define KS_DIR_SNAPSHOTS "snapshots"
#define KS_DIR_INDEX     "index"
#define KS_DIR_NOTES     "notes"
#define KS_DIR_WRITERS   "writers"
#define KS_DIR_MARKS     "marks"
#define KS_DIR_ACKS      "acks"

#define KS_ID_SIZE       ((size_t)16) /* of objects, vaults, writers, slots */
#define KS_CHUNK_ID_SIZE ((size_t)32) /* of chunks and blobs */
#define KS_ID_HEX_SIZE   ((size_t)33) /* an object id as text, with NUL */

/* Plaintext kinds of chunks: the first byte under the chunk id's HMAC. */
enum ks_chunk_kind {
    KS_CHUNK_RECORDS = 1, /* records of a stream */
    KS_CHUNK_BLOB = 2,    /* a piece of a blob, or a whole small one */
    KS_CHUNK_PIECES = 3,  /* the pieces of a blob larger than one */
    KS_CHUNK_LIST = 4,    /* part of a snapshot's list */
};

/* How a chunk's bytes lie in a pack. */
enum ks_chunk_form {
    KS_FORM_RAW = 0,
    KS_FORM_ZSTD = 1,
    KS_FORM_DELTA = 2, /* zstd with the base's plaintext as prefix */
};

#define KS_CUT_MIN       ((size_t)16 << 10) /* no cut below, but at the end */
#define KS_CUT_AVG       ((size_t)48 << 10)
#define KS_CUT_MAX       ((size_t)256 << 10)
#define KS_PIECE_SIZE    ((size_t)1 << 20) /* a blob is cut at this, fixed */
#define KS_CHUNK_MAX     KS_PIECE_SIZE     /* plaintext of any chunk */
#define KS_PACK_MAX      ((size_t)8 << 20) /* sealed bytes of a pack */
#define KS_DELTA_PERCENT 35U /* a delta is kept only if at most this */

#define KS_FOLD_RUNS     16U    /* runs outside the index before a fold */
#define KS_FOLD_ENTRIES  65536U /* or so many entries */

#endif /* KS_VAULT_FORMAT_H */
