/*
 * idmap: linear probing, at most two thirds full, so every search meets an
 * empty slot and ends. Nothing is ever taken out. Doubling keeps adding cheap
 * on average; while it doubles, both tables are in memory.
 */
#include "vault/idmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define CAP_MIN ((size_t)64)

uint32_t
ks_idmap_find(const struct ks_idmap *map, const uint8_t *id)
{
    size_t at;

    if (map->cap == 0)
        return KS_IDMAP_NONE;
    at = (size_t)ks_get_u64le(id) & (map->cap - 1);
    while (map->slots[at] != 0) {
        uint32_t value = map->slots[at] - 1;
        if (memcmp(map->id_of(map->owner, value), id, map->id_len) == 0)
            return value;
        at = (at + 1) & (map->cap - 1);
    }
    return KS_IDMAP_NONE;
}

/* Put into a table that has room. */
static void
place(struct ks_idmap *map, uint32_t value)
{
    const uint8_t *id = map->id_of(map->owner, value);
    size_t at = (size_t)ks_get_u64le(id) & (map->cap - 1);

    while (map->slots[at] != 0)
        at = (at + 1) & (map->cap - 1);
    map->slots[at] = value + 1;
}

int
ks_idmap_add(struct ks_idmap *map, uint32_t value, struct ks_err *err)
{
    assert(value < KS_IDMAP_NONE - 1);
    if (map->used >= map->cap / 3 * 2) {
        /* made beside: without memory the map stays as it is */
        struct ks_idmap bigger = *map;

        bigger.cap = map->cap == 0 ? CAP_MIN : map->cap * 2;
        bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
        if (bigger.slots == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        for (size_t i = 0; i < map->cap; i++)
            if (map->slots[i] != 0)
                place(&bigger, map->slots[i] - 1);
        free(map->slots);
        *map = bigger;
    }
    place(map, value);
    map->used++;
    return KS_OK;
}

void
ks_idmap_wipe(struct ks_idmap *map)
{
    free(map->slots);
    map->slots = NULL;
    map->cap = 0;
    map->used = 0;
}
