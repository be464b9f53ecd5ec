#ifndef KS_VAULT_INDEX_H
#define KS_VAULT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "vault/object.h"
#include "vault/pack.h"

/*
 * index: where every chunk of a vault lies.
 *
 * Floor 2. Two halves. Loose: the entries of runs that no index object
 * covers, in memory. Folded: index objects, of which only fence keys and the
 * pack table are in memory; a look-up opens one 64 KiB segment.
 * An entry counts only if its pack is listed in the store with the right size
 * and not doomed by a mark. One thread at a time; the caller locks.
 *
 *     plaintext of an index object:
 *       segments of 65 536 bytes: 744 entries of 88 bytes, then 64 zeros;
 *       the last segment's unused entries are zero
 *     ‖ zeros ‖ tail ‖ u32le length of the tail
 *     entry: id 32 ‖ base 32 ‖ u32le pack ‖ u32le offset ‖ u32le stored ‖
 *            u32le plain ‖ u8 kind ‖ u8 form ‖ 6 zeros; sorted by id
 *     tail:  u8 1 ‖ varint entries ‖ varint snapshots ‖ snapshot ids it
 *            covers ‖ varint packs ‖ pack references ‖
 *            first 8 bytes of the first id of each segment
 */
struct ks_index;

struct ks_place {
    struct ks_pack_ref pack;
    struct ks_entry entry;
};

struct ks_index_options {
    /* Whether a pack may vanish (a mark names it); NULL: none may. */
    bool (*doomed)(const void *user, const uint8_t *pack);
    const void *user;
};

/* List the store's packs and open its index objects; loose runs are added by
 * the caller. A damaged index object is passed over and counted: what it
 * covered is then loose. */
KS_MUST_CHECK int
ks_index_open(struct ks_index **out, const struct ks_object_context *cx,
              const struct ks_index_options *options, struct ks_err *err);
void ks_index_close(struct ks_index *x);

/* Whether an index object covers the snapshot. */
bool ks_index_covers(const struct ks_index *x, const uint8_t *snapshot);

/* A pack's number: added if new. For a pack of this run that has no name yet,
 * ref is NULL; ks_index_name_pack() completes it. */
KS_MUST_CHECK int
ks_index_add_pack(struct ks_index *x, const struct ks_pack_ref *ref,
                  uint32_t *number, struct ks_err *err);
void ks_index_name_pack(struct ks_index *x, uint32_t number,
                        const struct ks_pack_ref *ref);

/* Add a loose entry; one that is there already with a usable pack is kept. */
KS_MUST_CHECK int ks_index_add(struct ks_index *x, uint32_t pack,
                               const struct ks_entry *e, struct ks_err *err);

/* *found, and then *out (its pack may still be unnamed: all zero). */
KS_MUST_CHECK int
ks_index_find(struct ks_index *x, const uint8_t *id, struct ks_place *out,
              bool *found, struct ks_err *err);

/* A run whose entries are loose; counted for folding. */
KS_MUST_CHECK int ks_index_add_run(struct ks_index *x, const uint8_t *snapshot,
                                   struct ks_err *err);
bool ks_index_should_fold(const struct ks_index *x);

/* Write index objects that cover all loose runs. The store is not synced. */
KS_MUST_CHECK int ks_index_fold(struct ks_index *x, struct ks_err *err);

/* Packs known, and index objects that do not open. */
size_t ks_index_pack_count(const struct ks_index *x);
size_t ks_index_damaged(const struct ks_index *x);

/* What is known of pack number i < ks_index_pack_count(). */
struct ks_pack_state {
    struct ks_pack_ref ref;
    uint32_t store_size; /* as the store lists it; 0 if it does not */
    bool in_store;
    bool right_size;
    bool claimed; /* a snapshot or index names it */
};
struct ks_pack_state ks_index_pack_state(const struct ks_index *x, size_t i);

#endif /* KS_VAULT_INDEX_H */
