/*
 * index_set: which index objects count, and a look-up through them.
 *
 * Objects are never merged: there is one for each 16 runs or 65 536 entries,
 * and a look-up asks them one after the other, most often out of the kept
 * segments. An object that turns out damaged is dropped from use, and whoever
 * asks is told of its packs, so that their own tables can be read instead.
 */
#include "vault/index_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"
#include "vault/index_file.h"

/* More are an error: what they cover would be read from every snapshot. */
#define FILES_MAX      ((size_t)4096)
#define CACHE_SEGMENTS 32U /* 2 MiB */

/* An opened index object. It stays a member when it is dropped: numbers of
 * packs that were given out stay good. */
struct member {
    struct ks_index_file file;
    bool used;         /* its fold is whole */
    bool dropped;      /* a look-up found it damaged */
    uint32_t *numbers; /* of its packs, as whoever asks calls them */
};

struct ks_index_set {
    struct ks_pack_reader *reader; /* NULL if there are no objects */
    struct member *members;
    size_t count;
    size_t damaged;
};

/* What cannot be read, but leaves the rest readable. A device that fails, or
 * no memory, is no damage: then nothing is known, and the call fails. */
static bool
is_index_damage(int rc)
{
    return rc == KS_E_CORRUPT || rc == KS_E_UNSUPPORTED || rc == KS_E_LIMIT ||
           rc == KS_E_NOTFOUND;
}

/* Ids and sizes of the index objects, from one listing. */
struct found_files {
    struct ks_pack_ref *refs;
    size_t count;
    struct ks_err *err;
};

/* For the listing, from within which the store must not be called. */
static int
note_file(void *user, const char *name, uint64_t size)
{
    struct found_files *found = user;
    struct ks_pack_ref ref = {.size = (uint32_t)size};
    struct ks_pack_ref *bigger;

    if (!ks_hex_decode(ref.id, sizeof(ref.id), name) || size > KS_OBJECT_MAX)
        return 0; /* no index object: verify names it */
    if (found->count >= FILES_MAX)
        return ks_fail(found->err, KS_E_LIMIT, 0, "too many index objects");
    bigger = realloc(found->refs, (found->count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return ks_fail(found->err, KS_E_NOMEM, 0, "not enough memory");
    found->refs = bigger;
    found->refs[found->count++] = ref;
    return 0;
}

/* Open those that can be opened. Members are as many as were found at most, so
 * the array never moves. */
static int
open_members(struct ks_index_set *set, const struct ks_object_context *cx,
             const struct found_files *found, struct ks_err *err)
{
    int rc;

    if (found->count == 0)
        return KS_OK;
    set->members = calloc(found->count, sizeof(*set->members));
    if (set->members == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    rc = ks_pack_reader_open(&set->reader, cx, KS_OBJ_INDEX, CACHE_SEGMENTS,
                             err);
    for (size_t i = 0; rc == KS_OK && i < found->count; i++) {
        struct ks_err why = KS_ERR_INIT;

        rc = ks_index_file_open(&set->members[set->count].file, set->reader,
                                &found->refs[i], &why);
        if (rc == KS_OK) {
            set->count++;
        } else if (is_index_damage(rc)) {
            set->damaged += rc != KS_E_NOTFOUND; /* gone since the listing */
            rc = KS_OK;
        } else {
            *err = why;
        }
    }
    return rc;
}

/* The member with that id, or NULL. */
static struct member *
find_member(struct ks_index_set *set, const uint8_t *id)
{
    for (size_t i = 0; i < set->count; i++)
        if (memcmp(set->members[i].file.ref.id, id, 16) == 0)
            return &set->members[i];
    return NULL;
}

/* Whether the fold is all there whose last object m is: it covers something,
 * and every object it names has opened. An object that covers nothing is part
 * of another's fold, or of one that never came to its end. */
static bool
is_whole_fold(struct ks_index_set *set, const struct member *m)
{
    if (m->file.covered_count == 0)
        return false;
    for (size_t i = 0; i < m->file.other_count; i++)
        if (find_member(set, m->file.others[i]) == NULL)
            return false;
    return true;
}

/* Mark what is in use: objects of whole folds. The parts are there: that was
 * what made the fold whole. */
static void
use_whole_folds(struct ks_index_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct member *m = &set->members[i];

        if (!is_whole_fold(set, m))
            continue;
        m->used = true;
        for (size_t k = 0; k < m->file.other_count; k++)
            find_member(set, m->file.others[k])->used = true;
    }
}

int
ks_index_set_open(struct ks_index_set **out, const struct ks_object_context *cx,
                  struct ks_err *err)
{
    struct ks_index_set *set = calloc(1, sizeof(*set));
    struct found_files found = {.err = err};
    int rc;

    if (set == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    rc = ks_store_list(cx->store, KS_DIR_INDEX, note_file, &found, err);
    if (rc == KS_OK)
        rc = open_members(set, cx, &found, err);
    free(found.refs);
    if (rc == KS_OK) {
        use_whole_folds(set);
        *out = set;
        set = NULL;
    }
    ks_index_set_close(set);
    return rc;
}

void
ks_index_set_close(struct ks_index_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        ks_index_file_wipe(&set->members[i].file);
        free(set->members[i].numbers);
    }
    free(set->members);
    ks_pack_reader_close(set->reader);
    free(set);
}

int
ks_index_set_number(struct ks_index_set *set,
                    int (*number)(void *user, const struct ks_pack_ref *ref,
                                  uint32_t *out),
                    void *user, struct ks_err *err)
{
    int rc = KS_OK;

    for (size_t i = 0; rc == KS_OK && i < set->count; i++) {
        struct member *m = &set->members[i];
        size_t packs = m->file.pack_count;

        assert(m->numbers == NULL);
        if (!m->used)
            continue;
        /* never of no size; packs is at most KS_INDEX_PACKS_MAX */
        m->numbers = calloc(packs + 1, sizeof(*m->numbers));
        if (m->numbers == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        for (size_t k = 0; rc == KS_OK && k < packs; k++)
            rc = number(user, &m->file.packs[k], &m->numbers[k]);
    }
    return rc;
}

bool
ks_index_set_covers(const struct ks_index_set *set, const uint8_t *snapshot)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct member *m = &set->members[i];

        for (size_t k = 0; m->used && k < m->file.covered_count; k++)
            if (memcmp(m->file.covered[k], snapshot, 16) == 0)
                return true;
    }
    return false;
}

size_t
ks_index_set_damaged(const struct ks_index_set *set)
{
    return set->damaged;
}

/* A look-up in one member. */
struct asking {
    const struct ks_index_seeker *seeker;
    const struct member *member;
    bool ended;
};

/* Pass a hit on under the number that the asker knows the pack by; decode
 * has seen that hit->pack is one of the object's. */
static bool
show_hit(void *user, const struct ks_index_hit *hit)
{
    struct asking *a = user;

    a->ended = a->seeker->take(a->seeker->user, a->member->numbers[hit->pack],
                               &hit->entry);
    return a->ended;
}

/* It is damaged after all. An object that is gone was deleted by a collector
 * after it had put a better one, and is not counted as damage. */
static int
drop_member(struct ks_index_set *set, struct member *m,
            const struct ks_index_seeker *seeker, int why)
{
    int rc = KS_OK;

    m->dropped = true;
    set->damaged += why != KS_E_NOTFOUND;
    for (size_t i = 0; rc == KS_OK && i < m->file.pack_count; i++)
        rc = seeker->lost(seeker->user, m->numbers[i]);
    return rc;
}

int
ks_index_set_find(struct ks_index_set *set,
                  const struct ks_index_seeker *seeker, struct ks_err *err)
{
    /* Every object may have places of the chunk: all are asked until one is
     * taken. A place in a pack that does not count must not hide another. */
    struct asking a = {.seeker = seeker};
    int rc = KS_OK;

    for (size_t i = 0; rc == KS_OK && !a.ended && i < set->count; i++) {
        struct member *m = &set->members[i];
        struct ks_index_query query = {seeker->id, show_hit, &a};
        struct ks_err why = KS_ERR_INIT;

        if (!m->used || m->dropped)
            continue;
        a.member = m;
        rc = ks_index_file_find(&m->file, set->reader, &query, &why);
        if (is_index_damage(rc))
            rc = drop_member(set, m, seeker, rc);
        else if (rc < 0)
            *err = why;
    }
    return rc;
}
