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
 * A chunk may lie in the vault more than once: two writers may have stored it
 * at the same time, or one again because its pack was doomed. Every place is
 * kept, here and in a fold: one may be whole where the other is a delta, and
 * what does not count now may count for whoever looks next.
 *
 * An index is a cache. What is damaged or missing of it, or of the snapshots
 * that its loose half comes from, is read again from the packs' own tables.
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
 * the caller. A damaged index object is passed over and counted, and so are
 * those that belong with it: what they covered is then loose. cx, and what
 * the options' user points at, must outlive the index. KS_E_LIMIT, KS_E_IO,
 * KS_E_NOMEM. */
KS_MUST_CHECK int
ks_index_open(struct ks_index **out, const struct ks_object_context *cx,
              const struct ks_index_options *options, struct ks_err *err);
/* NULL is ok. */
void ks_index_close(struct ks_index *x);

/* Whether index objects in use cover the snapshot. */
bool ks_index_covers(const struct ks_index *x, const uint8_t *snapshot);

/* A pack's number: added if new. For a pack of this run that has no name yet,
 * ref is NULL; ks_index_name_pack() completes it. */
KS_MUST_CHECK int
ks_index_add_pack(struct ks_index *x, const struct ks_pack_ref *ref,
                  uint32_t *number, struct ks_err *err);
void ks_index_name_pack(struct ks_index *x, uint32_t number,
                        const struct ks_pack_ref *ref);

/* Add a loose entry, unless that very place is there already. */
KS_MUST_CHECK int ks_index_add(struct ks_index *x, uint32_t pack,
                               const struct ks_entry *e, struct ks_err *err);

/* *found, and then *out (its pack may still be unnamed: all zero). A delta is
 * found whether or not its base is. Damage of an index object is no error: the
 * tables of its packs are read instead. KS_E_IO, KS_E_NOMEM, KS_E_LIMIT. */
KS_MUST_CHECK int
ks_index_find(struct ks_index *x, const uint8_t *id, struct ks_place *out,
              bool *found, struct ks_err *err);

/*
 * Whether a chunk need not be stored again: a place of it counts, and if that
 * is a delta, so does a place of its base, stored whole. A delta whose base
 * is gone or doomed is as good as lost, and what is stored again heals the
 * snapshots that rely on it. *stored is set on KS_OK; errors as above.
 */
KS_MUST_CHECK int ks_index_stored(struct ks_index *x, const uint8_t *id,
                                  bool *stored, struct ks_err *err);

/*
 * The same for a chunk that must be there: KS_E_NOTFOUND if it is not. Of a
 * chunk that nothing says anything of, the tables of all packs that nobody
 * claims are searched, once for each index. whole: for a base, only a copy
 * that is no delta will do. Else a copy that can be read is preferred to a
 * delta whose base is not there; such a one is still better than nothing.
 */
KS_MUST_CHECK int
ks_index_need(struct ks_index *x, const uint8_t *id, bool whole,
              struct ks_place *out, struct ks_err *err);

/* Add the entries of all packs that nobody claims, out of their own tables:
 * for when a snapshot or an index object does not open. */
KS_MUST_CHECK int ks_index_search_packs(struct ks_index *x, struct ks_err *err);

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
    /* A snapshot or an index object names it, or one that does not open may
     * have: its own table was read. */
    bool claimed;
};
struct ks_pack_state ks_index_pack_state(const struct ks_index *x, size_t i);

#endif /* KS_VAULT_INDEX_H */
