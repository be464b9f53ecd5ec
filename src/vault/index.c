/*
 * index: the loose half in memory, and look-ups through both halves.
 * index_file.c writes and opens index objects.
 */
#include "vault/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"
#include "vault/idmap.h"
#include "vault/index_file.h"

#define BLOCK_ENTRIES ((uint32_t)4096)
#define PACKS_MAX     ((uint32_t)1 << 24)
#define LOOSE_MAX     ((uint32_t)1 << 28)
#define NO_BASE       UINT32_MAX

/* A loose entry; 60 bytes, because a first backup may hold very many. */
struct loose {
    uint8_t id[32];
    uint32_t pack;
    uint32_t offset;
    uint32_t stored;
    uint32_t plain;
    uint32_t base; /* number in bases, or NO_BASE */
    uint8_t kind;
    uint8_t form;
};

struct known_pack {
    struct ks_pack_ref ref;
    uint32_t store_size; /* as listed; 0: not in the store */
    bool claimed;        /* a snapshot or an index object names it */
    bool doomed;
};

struct ks_index {
    const struct ks_object_context *cx;
    struct ks_index_options options;

    struct known_pack *packs;
    uint32_t pack_count;
    uint32_t pack_cap;
    struct ks_idmap pack_map;

    struct loose **blocks; /* of BLOCK_ENTRIES each */
    uint32_t block_count;
    uint32_t loose_count;
    struct ks_idmap loose_map;
    uint8_t (*bases)[32];
    uint32_t base_count;
    uint32_t base_cap;

    uint8_t (*runs)[16]; /* snapshots whose entries are loose */
    size_t run_count;
    size_t run_cap;

    struct ks_index_files *files;
};

/* Make room for one more element in a growing array; false: no memory. */
static bool
make_room(void **array, uint32_t count, uint32_t *cap, size_t size)
{
    uint32_t bigger = *cap == 0 ? 64 : *cap * 2;
    void *p;

    if (count < *cap)
        return true;
    p = realloc(*array, (size_t)bigger * size);
    if (p == NULL)
        return false;
    *array = p;
    *cap = bigger;
    return true;
}

static const uint8_t *
pack_id_of(const void *owner, uint32_t value)
{
    const struct ks_index *x = owner;

    return x->packs[value].ref.id;
}

static struct loose *
loose_at(const struct ks_index *x, uint32_t value)
{
    return &x->blocks[value / BLOCK_ENTRIES][value % BLOCK_ENTRIES];
}

static const uint8_t *
loose_id_of(const void *owner, uint32_t value)
{
    return loose_at(owner, value)->id;
}

/* Append a pack, named or not. */
static int
append_pack(struct ks_index *x, const struct ks_pack_ref *ref, uint32_t *number,
            struct ks_err *err)
{
    struct known_pack p = {.claimed = false};
    int rc = KS_OK;

    if (x->pack_count >= PACKS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the vault has too many packs");
    if (!make_room((void **)&x->packs, x->pack_count, &x->pack_cap,
                   sizeof(*x->packs)))
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    if (ref != NULL) {
        p.ref = *ref;
        p.doomed = x->options.doomed != NULL &&
                   x->options.doomed(x->options.user, ref->id);
    }
    x->packs[x->pack_count] = p;
    if (ref != NULL)
        rc = ks_idmap_add(&x->pack_map, x->pack_count, err);
    if (rc == KS_OK)
        *number = x->pack_count++;
    return rc;
}

struct listing {
    struct ks_index *x;
    struct ks_err *err;
};

/* Note a pack that the store has. Its commitment is learnt later. */
static int
note_listed(void *user, const char *name, uint64_t size)
{
    struct listing *l = user;
    struct ks_pack_ref ref = {.size = (uint32_t)size};
    uint32_t number = 0;
    int rc;

    if (!ks_hex_decode(ref.id, sizeof(ref.id), name) || size > KS_PACK_MAX)
        return 0; /* not a pack: verify names it */
    rc = append_pack(l->x, &ref, &number, l->err);
    if (rc == KS_OK)
        l->x->packs[number].store_size = (uint32_t)size;
    return rc;
}

int
ks_index_open(struct ks_index **out, const struct ks_object_context *cx,
              const struct ks_index_options *options, struct ks_err *err)
{
    struct ks_index *x = calloc(1, sizeof(*x));
    struct listing l = {.x = x, .err = err};
    int rc;

    if (x == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    x->cx = cx;
    if (options != NULL)
        x->options = *options;
    x->pack_map =
        (struct ks_idmap){.id_len = 16, .id_of = pack_id_of, .owner = x};
    x->loose_map =
        (struct ks_idmap){.id_len = 32, .id_of = loose_id_of, .owner = x};
    rc = ks_store_list(cx->store, KS_DIR_PACKS, note_listed, &l, err);
    if (rc == KS_OK)
        rc = ks_index_files_open(&x->files, x, cx, err);
    if (rc == KS_OK) {
        *out = x;
        x = NULL;
    }
    ks_index_close(x);
    return rc;
}

void
ks_index_close(struct ks_index *x)
{
    if (x == NULL)
        return;
    ks_index_files_close(x->files);
    for (uint32_t i = 0; i < x->block_count; i++)
        free(x->blocks[i]);
    free(x->blocks);
    free(x->bases);
    free(x->packs);
    free(x->runs);
    ks_idmap_wipe(&x->pack_map);
    ks_idmap_wipe(&x->loose_map);
    free(x);
}

bool
ks_index_covers(const struct ks_index *x, const uint8_t *snapshot)
{
    return ks_index_files_cover(x->files, snapshot);
}

int
ks_index_add_pack(struct ks_index *x, const struct ks_pack_ref *ref,
                  uint32_t *number, struct ks_err *err)
{
    uint32_t known = KS_IDMAP_NONE;

    if (ref != NULL)
        known = ks_idmap_find(&x->pack_map, ref->id);
    if (known == KS_IDMAP_NONE) {
        int rc = append_pack(x, ref, number, err);
        if (rc < 0)
            return rc;
        known = *number;
    } else {
        x->packs[known].ref = *ref; /* a listing knows no commitment */
    }
    x->packs[known].claimed = ref != NULL;
    *number = known;
    return KS_OK;
}

void
ks_index_name_pack(struct ks_index *x, uint32_t number,
                   const struct ks_pack_ref *ref)
{
    assert(number < x->pack_count);
    x->packs[number].ref = *ref;
    x->packs[number].store_size = ref->size;
    x->packs[number].claimed = true;
}

/* In the store with the size it was written with. A pack of this run has no
 * name and no size yet: its chunks count as stored all the same. */
static bool
usable(const struct known_pack *p)
{
    return p->ref.size == p->store_size && !p->doomed;
}

static int
append_block(struct ks_index *x, struct ks_err *err)
{
    struct loose **blocks;
    struct loose *block = calloc(BLOCK_ENTRIES, sizeof(*block));

    if (block == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    blocks = realloc(x->blocks, (x->block_count + 1) * sizeof(struct loose *));
    if (blocks == NULL) {
        free(block);
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    }
    x->blocks = blocks;
    x->blocks[x->block_count++] = block;
    return KS_OK;
}

/* Fill *l from e; a base is kept apart, because few entries have one. */
static int
fill_loose(struct ks_index *x, struct loose *l, uint32_t pack,
           const struct ks_entry *e, struct ks_err *err)
{
    uint32_t base = NO_BASE;

    if (e->form == KS_FORM_DELTA) {
        if (!make_room((void **)&x->bases, x->base_count, &x->base_cap, 32))
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        base = x->base_count++;
        memcpy(x->bases[base], e->base, 32);
    }
    memcpy(l->id, e->id, sizeof(l->id));
    l->pack = pack;
    l->offset = e->offset;
    l->stored = e->stored;
    l->plain = e->plain;
    l->base = base;
    l->kind = e->kind;
    l->form = e->form;
    return KS_OK;
}

int
ks_index_add(struct ks_index *x, uint32_t pack, const struct ks_entry *e,
             struct ks_err *err)
{
    uint32_t known = ks_idmap_find(&x->loose_map, e->id);
    int rc = KS_OK;

    assert(pack < x->pack_count);
    if (known != KS_IDMAP_NONE) {
        struct loose *l = loose_at(x, known);
        /* A chunk whose pack went away and that was stored again, or the
         * same chunk from two writers: prefer the one that can be read. */
        if (usable(&x->packs[l->pack]) || !usable(&x->packs[pack]))
            return KS_OK;
        return fill_loose(x, l, pack, e, err);
    }
    if (x->loose_count >= LOOSE_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the index is too large");
    if (x->loose_count == x->block_count * BLOCK_ENTRIES)
        rc = append_block(x, err);
    if (rc == KS_OK)
        rc = fill_loose(x, loose_at(x, x->loose_count), pack, e, err);
    if (rc == KS_OK)
        rc = ks_idmap_add(&x->loose_map, x->loose_count, err);
    if (rc == KS_OK)
        x->loose_count++;
    return rc;
}

void
ks_index_loose_entry(const struct ks_index *x, uint32_t i, uint32_t *pack,
                     struct ks_entry *out)
{
    const struct loose *l = loose_at(x, i);

    memset(out, 0, sizeof(*out));
    memcpy(out->id, l->id, sizeof(out->id));
    out->kind = l->kind;
    out->form = l->form;
    out->offset = l->offset;
    out->stored = l->stored;
    out->plain = l->plain;
    if (l->base != NO_BASE)
        memcpy(out->base, x->bases[l->base], sizeof(out->base));
    *pack = l->pack;
}

int
ks_index_find(struct ks_index *x, const uint8_t *id, struct ks_place *out,
              bool *found, struct ks_err *err)
{
    uint32_t known = ks_idmap_find(&x->loose_map, id);
    struct ks_index_hit hit = {.found = false};
    int rc = KS_OK;

    if (known != KS_IDMAP_NONE) {
        ks_index_loose_entry(x, known, &hit.pack, &hit.entry);
        hit.found = usable(&x->packs[hit.pack]);
    }
    if (!hit.found)
        rc = ks_index_files_find(x->files, id, &hit, err);
    if (rc < 0)
        return rc;
    *found = hit.found;
    if (hit.found) {
        out->pack = x->packs[hit.pack].ref;
        out->entry = hit.entry;
    }
    return KS_OK;
}

bool
ks_index_pack_usable(const struct ks_index *x, uint32_t number)
{
    return usable(&x->packs[number]);
}

int
ks_index_add_run(struct ks_index *x, const uint8_t *snapshot,
                 struct ks_err *err)
{
    uint8_t(*runs)[16];

    if (x->run_count == x->run_cap) {
        size_t cap = x->run_cap == 0 ? 32 : x->run_cap * 2;
        runs = realloc(x->runs, cap * sizeof(*runs));
        if (runs == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        x->runs = runs;
        x->run_cap = cap;
    }
    memcpy(x->runs[x->run_count++], snapshot, 16);
    return KS_OK;
}

bool
ks_index_should_fold(const struct ks_index *x)
{
    return x->run_count >= KS_FOLD_RUNS ||
           (x->run_count > 0 && x->loose_count >= KS_FOLD_ENTRIES);
}

static int
compare_ids(const void *a, const void *b, void *owner)
{
    return memcmp(loose_id_of(owner, *(const uint32_t *)a),
                  loose_id_of(owner, *(const uint32_t *)b), 32);
}

int
ks_index_fold(struct ks_index *x, struct ks_err *err)
{
    struct ks_index_fold fold = {.cx = x->cx,
                                 .index = x,
                                 .runs = (const uint8_t(*)[16])x->runs,
                                 .run_count = x->run_count};
    uint32_t *order = NULL;
    int rc;

    if (x->loose_count > 0)
        order = malloc(x->loose_count * sizeof(*order));
    if (order == NULL && x->loose_count > 0)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    for (uint32_t i = 0; i < x->loose_count; i++)
        if (usable(&x->packs[loose_at(x, i)->pack]))
            order[fold.count++] = i;
    if (fold.count > 0)
        qsort_r(order, fold.count, sizeof(*order), compare_ids, x);
    fold.order = order;
    rc = ks_index_files_write(&fold, err);
    free(order);
    return rc;
}

size_t
ks_index_pack_count(const struct ks_index *x)
{
    return x->pack_count;
}

size_t
ks_index_damaged(const struct ks_index *x)
{
    return ks_index_files_damaged(x->files);
}

struct ks_pack_state
ks_index_pack_state(const struct ks_index *x, size_t i)
{
    const struct known_pack *p = &x->packs[i];

    assert(i < x->pack_count);
    return (struct ks_pack_state){.ref = p->ref,
                                  .store_size = p->store_size,
                                  .in_store = p->store_size != 0,
                                  .right_size = p->ref.size == p->store_size,
                                  .claimed = p->claimed};
}
