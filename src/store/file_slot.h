#ifndef KS_STORE_FILE_SLOT_H
#define KS_STORE_FILE_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * file_slot: the 512 bytes that say what an archive file holds, and which of
 * the copies to believe.
 *
 * Floor 1, inside store only; pure functions over bytes. An archive file has
 * two slots at its head, written alternately, and at its end a copy of the
 * newest, the end slot.
 * Source: doc/format-store.md, "Commit slots" and "Opening".
 */

#define KS_SLOT_SIZE  ((size_t)512)
#define KS_SLOTS_SIZE ((size_t)2 * KS_SLOT_SIZE) /* the head of the file */
#define KS_SUM_SIZE   ((size_t)16)               /* XXH3-128, big-endian */
#define KS_SHA_SIZE   ((size_t)32)

/* XXH3-128 of data[0..len) into out[0..KS_SUM_SIZE). */
void ks_sum(uint8_t *out, const void *data, size_t len);

/* A stretch of the file that holds a table of contents. */
struct ks_toc_ref {
    uint64_t offset; /* 0: there is none */
    uint64_t len;
    uint8_t sha256[KS_SHA_SIZE];
};

/* One commit: the table, then KS_SLOT_SIZE bytes of end slot, then the end. */
struct ks_slot {
    uint64_t sequence; /* from 1, rising with every commit */
    struct ks_toc_ref toc;
};

/* The length of the file that ends with this commit. */
static inline uint64_t
ks_slot_file_len(const struct ks_slot *slot)
{
    return slot->toc.offset + slot->toc.len + KS_SLOT_SIZE;
}

enum ks_slot_state {
    KS_SLOT_EMPTY,       /* all zeros: never written */
    KS_SLOT_VALID,       /* whole, and makes sense */
    KS_SLOT_UNSUPPORTED, /* whole, of a format version that is not ours */
    KS_SLOT_DAMAGED,     /* anything else */
};

/* The slot as out[0..KS_SLOT_SIZE). */
void ks_slot_encode(uint8_t *out, const struct ks_slot *slot);

/* What bytes[0..KS_SLOT_SIZE) are; *out is set only if they are valid. */
enum ks_slot_state ks_slot_decode(struct ks_slot *out, const uint8_t *bytes);

/* Whether bytes[0..len) begin as an archive file does, as far as they go. */
bool ks_slot_has_magic(const uint8_t *bytes, size_t len);

/* What the slots of a file of at least KS_SLOTS_SIZE bytes say. */
struct ks_slots {
    enum ks_slot_state state[2];
    struct ks_slot slot[2]; /* set where the state is valid */
    enum ks_slot_state end_state;
    struct ks_slot end; /* from the last KS_SLOT_SIZE bytes of the file */
    uint64_t size;      /* of the file */
    bool has_magic;     /* in either slot at the head */
};

struct ks_slot_choice {
    struct ks_slot commit; /* the newest, if the answer is KS_OK */
    struct ks_slot older;  /* the one to fall back to */
    bool has_older;
};

/*
 * Which commit to open. KS_OK: choice->commit. KS_E_INCOMPLETE: the file was
 * never finished or its end is missing. KS_E_CORRUPT: the newest commit
 * cannot be told. KS_E_FORMAT: not an archive file. KS_E_UNSUPPORTED.
 * choice->older is set, if there is such a commit, whatever the answer.
 */
KS_MUST_CHECK int
ks_slots_choose(const struct ks_slots *seen, struct ks_slot_choice *choice,
                struct ks_err *err);

/* Which slot, 0 or 1, the next commit is to overwrite: the older one. Both
 * must be valid. */
unsigned ks_slots_next(const struct ks_slots *seen);

#endif /* KS_STORE_FILE_SLOT_H */
