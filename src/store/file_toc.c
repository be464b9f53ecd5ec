/*
 * file_toc: the table of contents of an archive file.
 *
 *   offset  size
 *        0     8  magic "KEEPTOC" 0a
 *        8     8  sequence of the commit it belongs to
 *       16     8  offset of the table before it, or 0
 *       24     8  length of that table, or 0
 *       32    32  SHA-256 of that table, or zeros
 *       64     4  number of objects
 *       68     4  number of dead stretches
 *       72        objects, their names rising:
 *                   1  length of the name
 *                   n  name
 *                   8  offset in the file
 *                   4  length
 *                  16  XXH3-128
 *                 dead stretches, their offsets rising:
 *                   8  offset in the file
 *                   8  length
 *                  16  XXH3-128
 */
#include "store/file_toc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"

#define OBJECT_FIXED ((size_t)29) /* bytes of an object beside its name */
#define DEAD_SIZE    ((size_t)32)
#define OBJECT_MIN   (OBJECT_FIXED + 1)

#define NAMES_MAX    ((size_t)UINT32_MAX) /* an entry says in 4 bytes where */
#define MIN_CAP      ((size_t)64)

static const uint8_t toc_magic[8] = {'K', 'E', 'E', 'P', 'T', 'O', 'C', 0x0a};

void
ks_toc_init(struct ks_toc *toc)
{
    *toc = (struct ks_toc){0};
}

void
ks_toc_wipe(struct ks_toc *toc)
{
    free(toc->entries);
    free(toc->dead);
    free(toc->names);
    *toc = (struct ks_toc){0};
}

bool
ks_toc_find(const struct ks_toc *toc, const char *name, size_t *at)
{
    size_t low = 0;
    size_t high = toc->count;

    /* The first name that is not below: where it is, or would be. */
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(ks_toc_name(toc, &toc->entries[mid]), name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *at = low;
    return low < toc->count &&
           strcmp(ks_toc_name(toc, &toc->entries[low]), name) == 0;
}

/* Make *array, of *cap items of `size` bytes, hold at least `need`. */
static int
grow_array(void **array, size_t *cap, size_t need, size_t size,
           struct ks_err *err)
{
    size_t target = *cap > SIZE_MAX / 2 ? SIZE_MAX : 2 * *cap;
    void *more;

    assert(size > 0);
    if (need <= *cap)
        return KS_OK;
    if (target < MIN_CAP)
        target = MIN_CAP;
    if (target < need)
        target = need;
    more = reallocarray(*array, target, size);
    if (more == NULL)
        return ks_fail(err, KS_E_NOMEM, 0,
                       "out of memory for the table of contents");
    *array = more;
    *cap = target;
    return KS_OK;
}

/* Room for n more objects whose names, each with its NUL, have `names` bytes.
 * The limits come first: nothing is allocated for what would be refused. */
static int
reserve_objects(struct ks_toc *toc, size_t n, size_t names, struct ks_err *err)
{
    void *entries = toc->entries;
    void *text = toc->names;
    int rc;

    if (n > KS_TOC_OBJECTS_MAX - toc->count)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "an archive file holds at most %u objects",
                       KS_TOC_OBJECTS_MAX);
    if (names > NAMES_MAX - toc->names_len)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "too many names for one table of contents");
    rc = grow_array(&entries, &toc->cap, toc->count + n, sizeof(*toc->entries),
                    err);
    toc->entries = entries;
    if (rc == KS_OK) {
        rc = grow_array(&text, &toc->names_cap, toc->names_len + names, 1, err);
        toc->names = text;
    }
    return rc;
}

int
ks_toc_reserve(struct ks_toc *toc, struct ks_err *err)
{
    return reserve_objects(toc, 1, KS_NAME_MAX + 1, err);
}

int
ks_toc_reserve_dead(struct ks_toc *toc, size_t n, struct ks_err *err)
{
    void *dead = toc->dead;
    int rc;

    if (n > KS_TOC_DEAD_MAX - toc->dead_count)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "too many dead stretches for one archive file");
    rc = grow_array(&dead, &toc->dead_cap, toc->dead_count + n,
                    sizeof(*toc->dead), err);
    toc->dead = dead;
    return rc;
}

void
ks_toc_insert(struct ks_toc *toc, size_t at, const char *name,
              const struct ks_toc_entry *entry)
{
    size_t len = strlen(name) + 1;

    assert(at <= toc->count && toc->count < toc->cap);
    assert(len <= toc->names_cap - toc->names_len);

    /* One move of memory for each put is nothing beside the put itself. */
    memmove(toc->entries + at + 1, toc->entries + at,
            (toc->count - at) * sizeof(*toc->entries));
    toc->entries[at] = *entry;
    toc->entries[at].name = (uint32_t)toc->names_len;
    toc->count++;
    memcpy(toc->names + toc->names_len, name, len);
    toc->names_len += len;
}

void
ks_toc_remove(struct ks_toc *toc, size_t at)
{
    assert(at < toc->count);
    /* Its name stays among the names until the table is wiped: removals are
     * few, and end in a new file soon. */
    toc->count--;
    memmove(toc->entries + at, toc->entries + at + 1,
            (toc->count - at) * sizeof(*toc->entries));
}

/* How many objects a table has that names those from `from` on. */
static uint32_t
count_from(const struct ks_toc *toc, uint64_t from, size_t *bytes)
{
    uint32_t n = 0;

    *bytes = 0;
    for (size_t i = 0; i < toc->count; i++) {
        if (toc->entries[i].offset < from)
            continue;
        n++;
        *bytes += OBJECT_FIXED + strlen(ks_toc_name(toc, &toc->entries[i]));
    }
    return n;
}

/* Write one object at p; returns the bytes used. */
static size_t
put_toc_object(uint8_t *p, const struct ks_toc *toc,
               const struct ks_toc_entry *entry)
{
    const char *name = ks_toc_name(toc, entry);
    size_t len = strlen(name);

    assert(len >= 1 && len <= KS_NAME_MAX);
    *p++ = (uint8_t)len;
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): none here */
    memcpy(p, name, len);
    ks_put_u64le(p + len, entry->offset);
    ks_put_u32le(p + len + 8, entry->len);
    memcpy(p + len + 12, entry->sum, KS_SUM_SIZE);
    return OBJECT_FIXED + len;
}

/* Write one dead stretch at p, DEAD_SIZE bytes. */
static void
put_dead(uint8_t *p, const struct ks_toc_dead *dead)
{
    ks_put_u64le(p, dead->offset);
    ks_put_u64le(p + 8, dead->len);
    memcpy(p + 16, dead->sum, KS_SUM_SIZE);
}

/* Write the head at p, KS_TOC_HEAD_SIZE bytes. */
static void
put_toc_head(uint8_t *p, const struct ks_toc_head *head, uint32_t objects,
             uint32_t dead)
{
    memcpy(p, toc_magic, sizeof(toc_magic));
    ks_put_u64le(p + 8, head->sequence);
    ks_put_u64le(p + 16, head->before.offset);
    ks_put_u64le(p + 24, head->before.len);
    memcpy(p + 32, head->before.sha256, KS_SHA_SIZE);
    ks_put_u32le(p + 64, objects);
    ks_put_u32le(p + 68, dead);
}

int
ks_toc_encode(const struct ks_toc *toc, const struct ks_toc_head *head,
              uint64_t from, struct ks_buf *out, struct ks_err *err)
{
    bool all = head->before.offset == 0; /* this one stands alone */
    uint32_t dead = all ? (uint32_t)toc->dead_count : 0;
    size_t names = 0;
    uint32_t objects = count_from(toc, all ? 0 : from, &names);
    size_t len = KS_TOC_HEAD_SIZE + names + dead * DEAD_SIZE;
    uint8_t *p;

    assert(head->sequence > 0);
    assert(toc->count <= KS_TOC_OBJECTS_MAX);
    assert(toc->dead_count <= KS_TOC_DEAD_MAX);
    /* With room for the end slot, which every table is followed by. */
    if (ks_buf_reserve(out, len + KS_SLOT_SIZE, err) < 0 ||
        ks_buf_zeros(out, len, err) < 0)
        return err->code;
    p = out->data + (out->len - len);
    put_toc_head(p, head, objects, dead);
    p += KS_TOC_HEAD_SIZE;
    for (size_t i = 0; i < toc->count; i++) {
        if (all || toc->entries[i].offset >= from)
            p += put_toc_object(p, toc, &toc->entries[i]);
    }
    for (size_t i = 0; i < dead; i++, p += DEAD_SIZE)
        put_dead(p, &toc->dead[i]);
    assert(p == out->data + out->len);
    return KS_OK;
}

/* Every table was checked against its SHA-256 before, so this is a writer's
 * fault, or a forgery: to whoever reads it the same as damage. */
static int
bad_table(struct ks_err *err, const char *why)
{
    return ks_fail(err, KS_E_CORRUPT, 0, "a table of contents is damaged: %s",
                   why);
}

/* Whether a stretch lies between the slots and the table at `table`. */
static bool
lies_before(uint64_t offset, uint64_t len, uint64_t table)
{
    return offset >= KS_SLOTS_SIZE && offset <= table && len <= table - offset;
}

/* Read the head; false if there is none. */
static bool
get_toc_head(struct ks_cursor *c, struct ks_toc_head *head, uint32_t *objects,
             uint32_t *dead)
{
    struct ks_bytes magic;

    return ks_cursor_bytes(c, sizeof(toc_magic), &magic) &&
           memcmp(magic.ptr, toc_magic, sizeof(toc_magic)) == 0 &&
           ks_cursor_u64le(c, &head->sequence) &&
           ks_cursor_u64le(c, &head->before.offset) &&
           ks_cursor_u64le(c, &head->before.len) &&
           ks_cursor_copy(c, head->before.sha256, KS_SHA_SIZE) &&
           ks_cursor_u32le(c, objects) && ks_cursor_u32le(c, dead);
}

/* Whether the table before the one at `offset`, if any, ends before it. */
static bool
head_makes_sense(const struct ks_toc_head *head, uint64_t offset)
{
    if (head->before.offset == 0)
        return head->before.len == 0 && head->sequence > 0;
    return head->sequence > 1 &&
           lies_before(head->before.offset, head->before.len, offset) &&
           head->before.len + KS_SLOT_SIZE <= offset - head->before.offset;
}

/* Read one object; its name goes to name[0..KS_NAME_MAX]. */
static bool
get_object(struct ks_cursor *c, char *name, struct ks_toc_entry *entry)
{
    uint8_t len = 0;

    if (!ks_cursor_u8(c, &len) || len == 0 || len > KS_NAME_MAX ||
        !ks_cursor_copy(c, name, len))
        return false;
    name[len] = '\0';
    return strlen(name) == len && ks_cursor_u64le(c, &entry->offset) &&
           ks_cursor_u32le(c, &entry->len) &&
           ks_cursor_copy(c, entry->sum, KS_SUM_SIZE);
}

/* The objects of a table. `count` is what its head claims: it must fit the
 * bytes that are there before anything is allocated for it. */
static int
decode_objects(struct ks_toc *toc, struct ks_cursor *c, uint32_t count,
               uint64_t offset, struct ks_err *err)
{
    const char *last = "";
    int rc;

    if (count > c->left / OBJECT_MIN)
        return bad_table(err, "it ends too early");
    /* What is left has room for no more than that of names, with a NUL each. */
    rc = reserve_objects(toc, count, c->left - count * (OBJECT_FIXED - 1), err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        struct ks_toc_entry entry = {0};
        char name[KS_NAME_MAX + 1];

        if (!get_object(c, name, &entry))
            return bad_table(err, "it ends too early");
        /* Rising names come only once, and need no sorting. */
        if (!ks_store_name_ok(name) || strcmp(last, name) >= 0)
            return bad_table(err, "a name is not as it should be");
        if (entry.len > KS_OBJECT_MAX ||
            !lies_before(entry.offset, entry.len, offset))
            return bad_table(err, "an object lies outside the file");
        ks_toc_insert(toc, toc->count, name, &entry);
        last = ks_toc_name(toc, &toc->entries[toc->count - 1]);
    }
    return KS_OK;
}

/* The dead stretches of a table; as above. */
static int
decode_dead(struct ks_toc *toc, struct ks_cursor *c, uint32_t count,
            uint64_t offset, struct ks_err *err)
{
    uint64_t end = 0; /* of the stretch before */
    int rc;

    if (count > c->left / DEAD_SIZE)
        return bad_table(err, "it ends too early");
    rc = ks_toc_reserve_dead(toc, count, err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        struct ks_toc_dead *dead = &toc->dead[toc->dead_count];

        if (!ks_cursor_u64le(c, &dead->offset) ||
            !ks_cursor_u64le(c, &dead->len) ||
            !ks_cursor_copy(c, dead->sum, KS_SUM_SIZE))
            return bad_table(err, "it ends too early");
        if (!lies_before(dead->offset, dead->len, offset) ||
            dead->offset < end || dead->len == 0)
            return bad_table(err, "a dead stretch lies outside the file");
        end = dead->offset + dead->len;
        toc->dead_count++;
    }
    return KS_OK;
}

int
ks_toc_decode(struct ks_toc *toc, struct ks_bytes bytes, uint64_t offset,
              struct ks_toc_head *head, struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(bytes.ptr, bytes.len);
    struct ks_toc_head seen = {0}; /* so that *head is untouched on failure */
    uint32_t objects = 0;
    uint32_t dead = 0;
    int rc;

    if (!get_toc_head(&c, &seen, &objects, &dead))
        return bad_table(err, "it does not begin like one");
    if (!head_makes_sense(&seen, offset))
        return bad_table(err, "the one before it cannot be there");
    if (dead > 0 && seen.before.offset != 0)
        return bad_table(err, "only a first table has dead stretches");
    rc = decode_objects(toc, &c, objects, offset, err);
    if (rc == KS_OK)
        rc = decode_dead(toc, &c, dead, offset, err);
    if (rc < 0)
        return rc;
    if (c.left > 0)
        return bad_table(err, "it has bytes too many");
    *head = seen;
    return KS_OK;
}

/* Entries in the order of their names; `user` is the table. */
static int
by_name(const void *a, const void *b, void *user)
{
    const struct ks_toc *toc = user;

    return strcmp(ks_toc_name(toc, a), ks_toc_name(toc, b));
}

/* Whether every name is above the one before. */
static bool
is_sorted(const struct ks_toc *toc)
{
    for (size_t i = 1; i < toc->count; i++) {
        if (strcmp(ks_toc_name(toc, &toc->entries[i - 1]),
                   ks_toc_name(toc, &toc->entries[i])) >= 0)
            return false;
    }
    return true;
}

int
ks_toc_seal(struct ks_toc *toc, struct ks_err *err)
{
    if (is_sorted(toc)) /* as it is after one table */
        return KS_OK;
    qsort_r(toc->entries, toc->count, sizeof(*toc->entries), by_name, toc);
    return is_sorted(toc) ? KS_OK : bad_table(err, "a name is there twice");
}
