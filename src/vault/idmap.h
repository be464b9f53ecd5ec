#ifndef KS_VAULT_IDMAP_H
#define KS_VAULT_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * idmap: from a random id to the number under which its owner keeps it.
 *
 * Floor 2. Open addressing on the id's first bytes: ids are outputs of keyed
 * hashes, so they spread by themselves and nobody outside can make
 * them collide. The ids stay with their owner; the map keeps 4 bytes a slot.
 */
struct ks_idmap {
    uint32_t *slots; /* number + 1, 0 empty */
    size_t cap;      /* a power of two, or 0 */
    size_t used;
    size_t id_len; /* 16 or 32 */
    /* The id of number `value`; valid until the owner changes. */
    const uint8_t *(*id_of)(const void *owner, uint32_t value);
    const void *owner;
};

#define KS_IDMAP_NONE UINT32_MAX

/* The number of id, or KS_IDMAP_NONE. */
uint32_t ks_idmap_find(const struct ks_idmap *map, const uint8_t *id);

/* Add a number whose id is not in the map. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_idmap_add(struct ks_idmap *map, uint32_t value, struct ks_err *err);

/* Free; empty afterwards. */
void ks_idmap_wipe(struct ks_idmap *map);

#endif /* KS_VAULT_IDMAP_H */
