/*
 * index: packs that are known, and look-ups through both halves: an
 * entry_table and an index_set. What claims a pack, a snapshot or a whole
 * fold, tells all its entries; so a chunk that nothing is known of can only
 * lie in packs that nobody claims, and those are few.
 *
 * Every pack has a number here, and places of chunks refer to packs by it: 4
 * bytes instead of 28. A number never changes and no pack is ever dropped, so
 * numbers stay good as long as the index.
 *
 * Locking is the caller's. While a snapshot is written, pipeline.c holds its
 * own lock around every call; nothing in here may block on anything else.
 */
#include "vault/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "store/store.h"
#include "vault/entry_table.h"
#include "vault/idmap.h"
#include "vault/index_file.h"
#include "vault/index_set.h"

/* 128 TiB of full packs; below what idmap and entry_table can number. */
#define PACKS_MAX ((uint32_t)1 << 24)

/* A pack by its number. One of the run at hand has neither id nor size until
 * ks_index_name_pack(): it is not in pack_map, as nobody can name it. */
struct known_pack {
    struct ks_pack_ref ref;
    uint32_t store_size; /* as listed; 0: not in the store */
    bool claimed;        /* a snapshot or an index object names it */
    bool learnt;         /* its own table was read */
    bool doomed;
};

struct ks_index {
    const struct ks_object_context *cx;
    struct ks_index_options options;

    struct known_pack *packs;
    uint32_t pack_count;
    uint32_t pack_cap;
    struct ks_idmap pack_map;

    /* Places by chunk; grows while packs are put and while tables are read. */
    struct ks_entry_table loose;

    uint8_t (*runs)[16]; /* snapshots whose entries are loose */
    size_t run_count;
    size_t run_cap;

    struct ks_index_set *folded;

    /* Damage is rare, so the reader of tables costs nothing until then. */
    struct ks_pack_reader *tables; /* of packs; made when it is needed */
    bool searched;
};

/* For pack_map: valid until packs are added, as idmap.h asks. */
static const uint8_t *
pack_id_of(const void *owner, uint32_t value)
{
    const struct ks_index *x = owner;

    return x->packs[value].ref.id;
}

/* Append a pack, named or not. */
static int
append_pack(struct ks_index *x, const struct ks_pack_ref *ref, uint32_t *number,
            struct ks_err *err)
{
    struct known_pack p = {.claimed = false};
    struct known_pack *packs;
    int rc = KS_OK;

    if (x->pack_count >= PACKS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the vault has too many packs");
    packs = ks_array_more(x->packs, x->pack_count, &x->pack_cap, sizeof(p));
    if (packs == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    x->packs = packs;
    if (ref != NULL) {
        p.ref = *ref;
        p.doomed = x->options.doomed != NULL &&
                   x->options.doomed(x->options.user, ref->id);
    }
    x->packs[x->pack_count] = p;
    if (ref != NULL)
        /* The map asks for the id of the new number: it is in place by now. */
        rc = ks_idmap_add(&x->pack_map, x->pack_count, err);
    if (rc == KS_OK)
        *number = x->pack_count++;
    return rc;
}

/* What the callbacks of a listing and of numbering need. */
struct listing {
    struct ks_index *x;
    struct ks_err *err;
};

/* Note a pack that the store has. Its commitment is learnt later: from
 * whoever claims it, or from its own header. A size of 0 is kept, but a pack
 * of that size is as good as none: see usable() and learn_pack(). */
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

/* What cannot be read, but leaves the rest readable. */
static bool
is_pack_damage(int rc)
{
    return rc == KS_E_CORRUPT || rc == KS_E_UNSUPPORTED || rc == KS_E_LIMIT ||
           rc == KS_E_NOTFOUND;
}

/* For ks_index_set_number(): an index object claims the pack. */
static int
number_pack(void *user, const struct ks_pack_ref *ref, uint32_t *number)
{
    struct listing *l = user;

    return ks_index_add_pack(l->x, ref, number, l->err);
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
    ks_entry_table_init(&x->loose);
    /* Packs before index objects: what an index object names was put before
     * it, unless a collector deletes it right now, and then it does not
     * count. */
    rc = ks_store_list(cx->store, KS_DIR_PACKS, note_listed, &l, err);
    if (rc == KS_OK)
        rc = ks_index_set_open(&x->folded, cx, err);
    if (rc == KS_OK)
        rc = ks_index_set_number(x->folded, number_pack, &l, err);
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
    ks_index_set_close(x->folded);
    ks_pack_reader_close(x->tables);
    ks_entry_table_wipe(&x->loose);
    free(x->packs);
    free(x->runs);
    ks_idmap_wipe(&x->pack_map);
    free(x);
}

bool
ks_index_covers(const struct ks_index *x, const uint8_t *snapshot)
{
    return ks_index_set_covers(x->folded, snapshot);
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
        /* Size and commitment as they should be, against which the listed
         * size and the header that is read are held. */
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
    /* Put by us, whole, a moment ago: no listing need say so. */
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

int
ks_index_add(struct ks_index *x, uint32_t pack, const struct ks_entry *e,
             struct ks_err *err)
{
    assert(pack < x->pack_count);
    return ks_entry_table_add(&x->loose, pack, e, err);
}

/* Into the loose half goes what a pack's own table says. */
struct learning {
    struct ks_index *x;
    uint32_t pack;
    struct ks_err *err;
};

/* One entry of a table into the loose half. A pack whose entries are there
 * already adds nothing: the very same place is kept once. */
static int
learn_entry(void *user, const struct ks_entry *e)
{
    struct learning *l = user;

    return ks_index_add(l->x, l->pack, e, l->err);
}

/* Read a pack's own table, if the pack can be read: KS_OK also if it cannot,
 * for then its chunks are missing, and that is said when one is wanted. Only
 * once: `learnt` ends it. A failure of the device or of memory is no damage
 * and is passed on. */
static int
learn_pack(struct ks_index *x, uint32_t number, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    struct learning l = {.x = x, .pack = number, .err = &why};
    /* Stays where it is: reading a table adds places, never packs. */
    struct known_pack *p = &x->packs[number];
    struct ks_pack_ref ref = p->ref;
    int rc = KS_OK;

    if (p->learnt || p->store_size == 0 || p->ref.size != p->store_size)
        return KS_OK;
    if (x->tables == NULL)
        rc = ks_pack_reader_open(&x->tables, x->cx, KS_OBJ_PACK, 1, &why);
    if (rc == KS_OK)
        rc = ks_pack_table(x->tables, &ref, learn_entry, &l, &why);
    p->learnt = rc == KS_OK;
    if (p->learnt && !p->claimed)
        p->ref = ref; /* else its commitment must be the one it should be */
    if (rc == KS_OK || is_pack_damage(rc))
        return KS_OK;
    *err = why;
    return rc;
}

int
ks_index_search_packs(struct ks_index *x, struct ks_err *err)
{
    int rc = KS_OK;

    for (uint32_t i = 0; rc == KS_OK && i < x->pack_count; i++)
        if (!x->packs[i].claimed)
            rc = learn_pack(x, i, err);
    x->searched = rc == KS_OK;
    return rc;
}

/* A look-up. */
struct seeking {
    struct ks_index *x;
    const uint8_t *id;
    bool whole; /* a delta will not do */
    bool sound; /* a delta will do only if its base is there, stored whole */
    int failed; /* looking for a base failed with this; 0 it did not */
    bool known; /* there is a place, which may not count */
    bool found; /* here is one that does: */
    uint32_t pack;
    struct ks_entry entry;
    struct ks_err *err;
};

static int seek(struct seeking *s, struct ks_err *err);

/* Whether a base has a place of its own that counts. This looks into the index
 * in the middle of another look-up, which is fine: a base is never a delta, so
 * it goes one deep, and the outer one holds a copy of what it has read. */
static bool
base_counts(struct seeking *s, const uint8_t *base)
{
    struct seeking below = {.x = s->x, .id = base, .whole = true};

    s->failed = seek(&below, s->err);
    return s->failed == KS_OK && below.found;
}

/* Take the place unless it does not count; true ends the search. */
static bool
take_place(void *user, uint32_t pack, const struct ks_entry *e)
{
    struct seeking *s = user;

    if (s->whole && e->form == KS_FORM_DELTA)
        return false;
    s->known = true;
    s->found = usable(&s->x->packs[pack]);
    if (s->found && s->sound && e->form == KS_FORM_DELTA)
        s->found = base_counts(s, e->base);
    if (s->failed < 0)
        return true;
    if (s->found) {
        s->pack = pack;
        s->entry = *e;
    }
    return s->found;
}

/* Offer the places that the loose half has. The table may grow while a place
 * is looked at (base_counts() may learn packs), but places do not move, and
 * new ones go to the end of the row. */
static void
seek_loose(struct seeking *s)
{
    const struct ks_entry_table *t = &s->x->loose;
    uint32_t i = ks_entry_table_find(t, s->id);

    for (; i != KS_ENTRY_NONE; i = ks_entry_table_next(t, i)) {
        struct ks_entry e;

        ks_entry_table_get(t, i, &e);
        if (take_place(s, ks_entry_table_pack(t, i), &e))
            return;
    }
}

/* What an index object said of this pack, the pack says itself. */
static int
seek_lost(void *user, uint32_t pack)
{
    struct seeking *s = user;

    return learn_pack(s->x, pack, s->err);
}

/* Look for a place that counts, the loose half first: it is in memory. Sets
 * known and found, and if found, pack and entry. */
static int
seek(struct seeking *s, struct ks_err *err)
{
    struct ks_index_seeker seeker = {
        .id = s->id, .take = take_place, .lost = seek_lost, .user = s};
    int rc;

    s->err = err;
    seek_loose(s);
    if (s->found || s->failed < 0)
        return s->failed;
    rc = ks_index_set_find(s->x->folded, &seeker, err);
    if (rc == KS_OK && !s->found && s->failed == KS_OK)
        seek_loose(s); /* packs may have been learnt */
    return rc < 0 ? rc : s->failed;
}

int
ks_index_find(struct ks_index *x, const uint8_t *id, struct ks_place *out,
              bool *found, struct ks_err *err)
{
    struct seeking s = {.x = x, .id = id};
    int rc = seek(&s, err);

    if (rc < 0)
        return rc;
    *found = s.found;
    if (s.found)
        *out = (struct ks_place){x->packs[s.pack].ref, s.entry};
    return KS_OK;
}

int
ks_index_stored(struct ks_index *x, const uint8_t *id, bool *stored,
                struct ks_err *err)
{
    struct seeking s = {.x = x, .id = id, .sound = true};
    int rc = seek(&s, err);

    if (rc == KS_OK)
        *stored = s.found;
    return rc;
}

int
ks_index_need(struct ks_index *x, const uint8_t *id, bool whole,
              struct ks_place *out, struct ks_err *err)
{
    struct seeking s = {.x = x, .id = id, .whole = whole, .sound = !whole};
    char hex[17];
    int rc = seek(&s, err);

    /* A delta without its base, if there is nothing better: whoever reads it
     * looks harder for the base, and names it if it is not there. */
    if (rc == KS_OK && !s.found && s.sound) {
        s.sound = false;
        rc = seek(&s, err);
    }
    if (rc == KS_OK && !s.known && !x->searched) {
        rc = ks_index_search_packs(x, err);
        if (rc == KS_OK)
            seek_loose(&s);
    }
    if (rc < 0)
        return rc;
    if (!s.found) {
        ks_hex_encode(hex, id, 8);
        return ks_fail(err, KS_E_NOTFOUND, 0,
                       "chunk %s is missing: the pack that held it is gone",
                       hex);
    }
    *out = (struct ks_place){x->packs[s.pack].ref, s.entry};
    return KS_OK;
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
           (x->run_count > 0 && x->loose.count >= KS_FOLD_ENTRIES);
}

/* The loose half as index_write.c wants it: by place in `order`. */
struct fold {
    const struct ks_index *x;
    uint32_t *order; /* places by id */
};

/* Entry i in the order of ids. */
static void
fold_entry(const void *user, size_t i, uint32_t *pack, struct ks_entry *out)
{
    const struct fold *f = user;

    *pack = ks_entry_table_pack(&f->x->loose, f->order[i]);
    ks_entry_table_get(&f->x->loose, f->order[i], out);
}

/* A pack by the number that fold_entry() gave. */
static struct ks_pack_ref
fold_pack(const void *user, uint32_t number)
{
    const struct fold *f = user;

    return f->x->packs[number].ref;
}

/* For qsort_r: by id, then by number, so that equal ids keep their order. */
static int
compare_places(const void *a, const void *b, void *table)
{
    return ks_entry_table_compare(table, *(const uint32_t *)a,
                                  *(const uint32_t *)b);
}

int
ks_index_fold(struct ks_index *x, struct ks_err *err)
{
    struct fold f = {.x = x};
    struct ks_index_source source = {.entry = fold_entry,
                                     .pack = fold_pack,
                                     .pack_count = x->pack_count,
                                     .user = &f,
                                     .covers = (const uint8_t(*)[16])x->runs,
                                     .cover_count = x->run_count};
    int rc;

    /* 4 bytes a place, of at most 2^28: this cannot wrap. Sorting numbers
     * leaves the table in the order of adding, which its rows rely on. */
    f.order = malloc(((size_t)x->loose.count + 1) * sizeof(*f.order));
    if (f.order == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    /* Places in packs that do not count go in as well: a mark may be given
     * up, a sync program may still be bringing a pack. Only what was never
     * put at all stays out: a pack that has no name. */
    for (uint32_t i = 0; i < x->loose.count; i++)
        if (x->packs[ks_entry_table_pack(&x->loose, i)].ref.size != 0)
            f.order[source.count++] = i;
    qsort_r(f.order, source.count, sizeof(*f.order), compare_places, &x->loose);
    rc = ks_index_write(x->cx, &source, err);
    free(f.order);
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
    return ks_index_set_damaged(x->folded);
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
                                  /* A pack whose table was read because
                                   * something did not open may belong to
                                   * that: verify must not call it left over. */
                                  .claimed = p->claimed || p->learnt};
}
