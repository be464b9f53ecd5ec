/*
 * entry_table: places lie in blocks that never move, so the table grows
 * without ever being copied: a first backup of 20 GB has 400 000 of them. The
 * map leads from an id to its first place; further ones hang behind it.
 */
#include "vault/entry_table.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A block is 240 KiB. PLACES_MAX keeps every number below KS_ENTRY_NONE and
 * block_count * BLOCK_PLACES within 32 bits. */
#define BLOCK_PLACES ((uint32_t)4096)
#define PLACES_MAX   ((uint32_t)1 << 28)

/* An entry and its pack, without the base, which few have: that is a number. */
struct table_place {
    uint8_t id[32];
    uint32_t pack;
    uint32_t offset;
    uint32_t stored;
    uint32_t plain;
    uint32_t base; /* number in bases, or KS_ENTRY_NONE */
    uint32_t next; /* another place of the same chunk, or KS_ENTRY_NONE */
    uint8_t kind;
    uint8_t form;
};

struct ks_table_block {
    struct table_place places[BLOCK_PLACES];
};

/* Place i < count, or the one behind the last while it is being filled. The
 * pointer stays good until the table is wiped. */
static struct table_place *
place_at(const struct ks_entry_table *t, uint32_t i)
{
    assert(i < t->block_count * BLOCK_PLACES);
    return &t->blocks[i / BLOCK_PLACES]->places[i % BLOCK_PLACES];
}

/* For the map. */
static const uint8_t *
place_id(const void *owner, uint32_t i)
{
    return place_at(owner, i)->id;
}

void
ks_entry_table_init(struct ks_entry_table *t)
{
    *t = (struct ks_entry_table){
        .map = {.id_len = 32, .id_of = place_id, .owner = t}};
}

void
ks_entry_table_wipe(struct ks_entry_table *t)
{
    for (uint32_t i = 0; i < t->block_count; i++)
        free(t->blocks[i]);
    free(t->blocks);
    free(t->bases);
    ks_idmap_wipe(&t->map);
    ks_entry_table_init(t);
}

/* One message for all; the table is as it was before the call. */
static int
no_table_memory(struct ks_err *err)
{
    return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
}

/* Room for BLOCK_PLACES more. Only the list of blocks is copied. */
static int
append_block(struct ks_entry_table *t, struct ks_err *err)
{
    struct ks_table_block *block = calloc(1, sizeof(*block));
    struct ks_table_block **blocks;

    if (block == NULL)
        return no_table_memory(err);
    blocks = realloc(t->blocks,
                     (t->block_count + 1) * sizeof(struct ks_table_block *));
    if (blocks == NULL) {
        free(block);
        return no_table_memory(err);
    }
    t->blocks = blocks;
    t->blocks[t->block_count++] = block;
    return KS_OK;
}

/* Keep a base id; *base is its number. A base that many deltas share is kept
 * for each: 32 bytes are less than a map would cost. */
static int
add_base(struct ks_entry_table *t, const uint8_t *id, uint32_t *base,
         struct ks_err *err)
{
    if (t->base_count == t->base_cap) {
        uint32_t cap = t->base_cap == 0 ? 64 : t->base_cap * 2;
        uint8_t(*bigger)[32] = realloc(t->bases, cap * sizeof(*bigger));

        if (bigger == NULL)
            return no_table_memory(err);
        t->bases = bigger;
        t->base_cap = cap;
    }
    memcpy(t->bases[t->base_count], id, 32);
    *base = t->base_count++;
    return KS_OK;
}

/* Fill the place behind the last; it counts only once count is raised. If that
 * does not come to pass, the next add fills it again. */
static int
fill_place(struct ks_entry_table *t, uint32_t pack, const struct ks_entry *e,
           struct ks_err *err)
{
    uint32_t base = KS_ENTRY_NONE;
    struct table_place *p;
    int rc = KS_OK;

    if (t->count >= PLACES_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the index is too large");
    if (t->count == t->block_count * BLOCK_PLACES)
        rc = append_block(t, err);
    if (rc == KS_OK && e->form == KS_FORM_DELTA)
        rc = add_base(t, e->base, &base, err);
    if (rc < 0)
        return rc;
    p = place_at(t, t->count);
    *p = (struct table_place){.pack = pack,
                              .offset = e->offset,
                              .stored = e->stored,
                              .plain = e->plain,
                              .base = base,
                              .next = KS_ENTRY_NONE,
                              .kind = e->kind,
                              .form = e->form};
    memcpy(p->id, e->id, sizeof(p->id));
    return KS_OK;
}

/* Whether the row that begins at place i has that very place. *last: the end
 * of the row. */
static bool
row_has(const struct ks_entry_table *t, uint32_t i, uint32_t pack,
        uint32_t offset, uint32_t *last)
{
    for (; i != KS_ENTRY_NONE; i = place_at(t, i)->next) {
        const struct table_place *p = place_at(t, i);

        if (p->pack == pack && p->offset == offset)
            return true;
        *last = i;
    }
    return false;
}

int
ks_entry_table_add(struct ks_entry_table *t, uint32_t pack,
                   const struct ks_entry *e, struct ks_err *err)
{
    uint32_t first = ks_idmap_find(&t->map, e->id);
    uint32_t last = KS_ENTRY_NONE;
    int rc;

    if (row_has(t, first, pack, e->offset, &last))
        return KS_OK;
    /* Filled before the map knows of it: the map asks for the id. Linked and
     * counted last, so that a failure leaves the table as it was. */
    rc = fill_place(t, pack, e, err);
    if (rc == KS_OK && last == KS_ENTRY_NONE)
        rc = ks_idmap_add(&t->map, t->count, err);
    if (rc < 0)
        return rc;
    if (last != KS_ENTRY_NONE)
        place_at(t, last)->next = t->count;
    t->count++;
    return KS_OK;
}

uint32_t
ks_entry_table_find(const struct ks_entry_table *t, const uint8_t *id)
{
    static_assert(KS_IDMAP_NONE == KS_ENTRY_NONE, "passed on as it is");
    return ks_idmap_find(&t->map, id);
}

uint32_t
ks_entry_table_next(const struct ks_entry_table *t, uint32_t i)
{
    return place_at(t, i)->next;
}

uint32_t
ks_entry_table_pack(const struct ks_entry_table *t, uint32_t i)
{
    return place_at(t, i)->pack;
}

void
ks_entry_table_get(const struct ks_entry_table *t, uint32_t i,
                   struct ks_entry *out)
{
    const struct table_place *p = place_at(t, i);

    *out = (struct ks_entry){.kind = p->kind,
                             .form = p->form,
                             .offset = p->offset,
                             .stored = p->stored,
                             .plain = p->plain};
    memcpy(out->id, p->id, sizeof(out->id));
    if (p->base != KS_ENTRY_NONE)
        memcpy(out->base, t->bases[p->base], sizeof(out->base));
}

int
ks_entry_table_compare(const struct ks_entry_table *t, uint32_t a, uint32_t b)
{
    int order = memcmp(place_id(t, a), place_id(t, b), 32);

    if (order != 0)
        return order;
    return a < b ? -1 : a > b;
}
