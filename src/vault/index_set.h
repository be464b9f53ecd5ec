#ifndef KS_VAULT_INDEX_SET_H
#define KS_VAULT_INDEX_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/object.h"
#include "vault/pack.h"

/*
 * index_set: the index objects of a store that are in use.
 *
 * Floor 2. A fold of several objects counts only as a whole: the object that
 * covers the snapshots names the others, and if one of them is missing or
 * damaged, none of them is used. One thread at a time.
 */
struct ks_index_set;

/* List and open. What is damaged is counted and passed over. cx is borrowed
 * and must outlive the set. KS_E_LIMIT beyond 4096 objects, KS_E_IO,
 * KS_E_NOMEM. */
KS_MUST_CHECK int
ks_index_set_open(struct ks_index_set **out, const struct ks_object_context *cx,
                  struct ks_err *err);
/* NULL is ok. */
void ks_index_set_close(struct ks_index_set *set);

/* Give every pack that the objects in use name the number by which hits will
 * call it; number() answers KS_OK or an error. Once, before any look-up. */
KS_MUST_CHECK int
ks_index_set_number(struct ks_index_set *set,
                    int (*number)(void *user, const struct ks_pack_ref *ref,
                                  uint32_t *out),
                    void *user, struct ks_err *err);

/* Whether an object in use covers the snapshot. */
bool
ks_index_set_covers(const struct ks_index_set *set, const uint8_t *snapshot);

/* Objects that do not open, or were found damaged since. */
size_t ks_index_set_damaged(const struct ks_index_set *set);

/* Whom to show the places of a chunk. */
struct ks_index_seeker {
    const uint8_t *id;
    /* A place; true ends the search. */
    bool (*take)(void *user, uint32_t pack, const struct ks_entry *e);
    /* An object turns out to be damaged and is not used any more: it had
     * places in this pack. KS_OK or an error, which ends the search. */
    int (*lost)(void *user, uint32_t pack);
    void *user;
};
KS_MUST_CHECK int
ks_index_set_find(struct ks_index_set *set,
                  const struct ks_index_seeker *seeker, struct ks_err *err);

#endif /* KS_VAULT_INDEX_SET_H */
