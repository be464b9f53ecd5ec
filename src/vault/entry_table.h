#ifndef KS_VAULT_ENTRY_TABLE_H
#define KS_VAULT_ENTRY_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/idmap.h"
#include "vault/pack.h"

/*
 * entry_table: places of chunks, in memory, by chunk id.
 *
 * Floor 2. Each place is an entry and the number of its pack, and has a number
 * itself, 0 <= i < count, in the order of adding. A chunk may have several.
 * 64 bytes a place, and 4 to 8 of the map. Life: init -> add* -> wipe; the
 * struct must not be moved between.
 */
struct ks_entry_table {
    struct ks_table_block **blocks;
    uint32_t block_count;
    uint32_t count;
    struct ks_idmap map;  /* of the first place of each chunk */
    uint8_t (*bases)[32]; /* kept apart, because few entries have one */
    uint32_t base_count;
    uint32_t base_cap;
};

#define KS_ENTRY_NONE UINT32_MAX

void ks_entry_table_init(struct ks_entry_table *t);
void ks_entry_table_wipe(struct ks_entry_table *t);

/* Add a place; nothing if it is there already (same chunk, pack and offset).
 * KS_E_LIMIT, KS_E_NOMEM: the table is then as it was. */
KS_MUST_CHECK int
ks_entry_table_add(struct ks_entry_table *t, uint32_t pack,
                   const struct ks_entry *e, struct ks_err *err);

/* The first place of a chunk, and after place i the next one of the same
 * chunk; KS_ENTRY_NONE if there is none. */
uint32_t ks_entry_table_find(const struct ks_entry_table *t, const uint8_t *id);
uint32_t ks_entry_table_next(const struct ks_entry_table *t, uint32_t i);

/* Place i: the number of its pack, and its entry. */
uint32_t ks_entry_table_pack(const struct ks_entry_table *t, uint32_t i);
void ks_entry_table_get(const struct ks_entry_table *t, uint32_t i,
                        struct ks_entry *out);

/* Order of places by chunk id, then by number; for qsort_r. */
int
ks_entry_table_compare(const struct ks_entry_table *t, uint32_t a, uint32_t b);

#endif /* KS_VAULT_ENTRY_TABLE_H */
