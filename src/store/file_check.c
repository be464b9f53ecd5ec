/*
 * file_check: read every byte of an archive file against its checksum.
 *
 * Slots, objects, tables of contents with their end slots, and dead stretches
 * tile the file from its first byte to the end of the commit. So a byte that
 * changed is in one of them, and a stretch that belongs to none is damage too.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/file.h"
#include "store/file_store.h"

#define READ_STEP ((size_t)262144)
#define WHAT_SIZE (KS_NAME_MAX + 16)

/* One of the stretches that tile the file. */
struct piece {
    uint64_t offset;
    uint64_t len;
    const uint8_t *sum;
    const char *kind;
    const char *name; /* of an object, else "" */
};

struct checking {
    const struct ks_file_store *f;
    void (*found)(void *user, uint64_t offset, uint64_t len, const char *what);
    void *user;
    struct piece *pieces;
    size_t count;
    uint8_t *step; /* a buffer of READ_STEP bytes */
    XXH3_state_t *state;
};

/* Tell whoever asked. */
static void
report(const struct checking *c, uint64_t offset, uint64_t len,
       const char *what)
{
    c->found(c->user, offset, len, what);
}

/* Pieces in the order in which they lie in the file. */
static int
by_offset(const void *a, const void *b)
{
    const struct piece *x = a;
    const struct piece *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* List all pieces that are not empty, by offset. */
static int
collect_pieces(struct checking *c, struct ks_err *err)
{
    const struct ks_toc *toc = &c->f->toc;
    size_t n = toc->count + toc->dead_count + c->f->chain_len;
    struct piece *piece;

    c->pieces = reallocarray(NULL, n + 1, sizeof(*c->pieces));
    if (c->pieces == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "out of memory for the check");
    piece = c->pieces;
    for (size_t i = 0; i < toc->count; i++) {
        const struct ks_toc_entry *entry = &toc->entries[i];

        if (entry->len > 0)
            *piece++ = (struct piece){entry->offset, entry->len, entry->sum,
                                      "object ", ks_toc_name(toc, entry)};
    }
    for (size_t i = 0; i < toc->dead_count; i++) {
        const struct ks_toc_dead *dead = &toc->dead[i];

        *piece++ = (struct piece){dead->offset, dead->len, dead->sum,
                                  "bytes no longer used", ""};
    }
    for (size_t i = 0; i < c->f->chain_len; i++) {
        const struct ks_file_table *table = &c->f->chain[i];

        *piece++ = (struct piece){table->ref.offset, ks_file_table_len(table),
                                  table->sum, "table of contents", ""};
    }
    c->count = (size_t)(piece - c->pieces);
    assert(c->count <= n);
    qsort(c->pieces, c->count, sizeof(*c->pieces), by_offset);
    return KS_OK;
}

/* XXH3-128 of a stretch; *whole is false if the disk or the file's end did
 * not let it be read to its end. */
static int
sum_stretch(const struct checking *c, uint64_t offset, uint64_t len,
            uint8_t *sum, bool *whole, struct ks_err *err)
{
    XXH128_canonical_t canonical;

    *whole = false;
    /* Neither of these can fail with a state that there is. */
    (void)XXH3_128bits_reset(c->state);
    while (len > 0) {
        size_t want = len < READ_STEP ? (size_t)len : READ_STEP;
        size_t got = 0;
        struct ks_err why = KS_ERR_INIT;

        if (ks_fd_pread(c->f->fd, c->step, want, offset, &got, &why) < 0) {
            if (why.sys == EIO) /* a bad sector: just what we look for */
                return KS_OK;
            *err = why;
            return why.code;
        }
        if (got < want) /* the file has become shorter */
            return KS_OK;
        (void)XXH3_128bits_update(c->state, c->step, got);
        offset += got;
        len -= got;
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(c->state));
    memcpy(sum, canonical.digest, KS_SUM_SIZE);
    *whole = true;
    return KS_OK;
}

/* Read one piece, and report it if it is not what it should be. */
static int
check_piece(const struct checking *c, const struct piece *piece,
            struct ks_err *err)
{
    char what[WHAT_SIZE];
    uint8_t sum[KS_SUM_SIZE];
    bool whole = false;
    int rc = sum_stretch(c, piece->offset, piece->len, sum, &whole, err);

    if (rc < 0 || (whole && memcmp(sum, piece->sum, KS_SUM_SIZE) == 0))
        return rc;
    (void)snprintf(what, sizeof(what), "%s%s", piece->kind, piece->name);
    report(c, piece->offset, piece->len, what);
    return KS_OK;
}

/* Read all pieces in the order in which they lie, and see that each begins
 * where the one before it ended. */
static int
check_file_pieces(const struct checking *c, struct ks_err *err)
{
    uint64_t at = KS_SLOTS_SIZE; /* up to here all is accounted for */
    uint64_t end = ks_slot_file_len(&c->f->commit);

    for (size_t i = 0; i < c->count; i++) {
        const struct piece *piece = &c->pieces[i];
        uint64_t next = piece->offset + piece->len;

        if (piece->offset > at)
            report(c, at, piece->offset - at, "bytes that belong to nothing");
        if (piece->offset < at)
            report(c, piece->offset, at - piece->offset,
                   "bytes that belong to two things");
        if (check_piece(c, piece, err) < 0)
            return err->code;
        at = next > at ? next : at;
    }
    assert(at == end); /* the last table of contents ends the commit */
    return KS_OK;
}

/* The slots once more, as they are by now; and what lies behind the commit. */
static int
check_commit_slots(const struct checking *c, uint64_t *trailing,
                   struct ks_err *err)
{
    static const char *const names[] = {"commit slot 1", "commit slot 2"};
    uint64_t end = ks_slot_file_len(&c->f->commit);
    struct ks_slots seen;
    int rc = ks_file_read_slots(c->f->fd, &seen, err);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < 2; i++) {
        if (seen.state[i] != KS_SLOT_VALID)
            report(c, i * KS_SLOT_SIZE, KS_SLOT_SIZE, names[i]);
    }
    *trailing = seen.size > end ? seen.size - end : 0;
    return KS_OK;
}

int
ks_file_check(struct ks_file_store *f,
              void (*found)(void *user, uint64_t offset, uint64_t len,
                            const char *what),
              void *user, uint64_t *trailing, struct ks_err *err)
{
    struct checking c = {.f = f, .found = found, .user = user};
    uint64_t beyond = 0;
    int rc;

    assert(f->commit.sequence > 0 && !f->changed && !f->removed);
    c.step = malloc(READ_STEP);
    c.state = XXH3_createState();
    if (c.step == NULL || c.state == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "out of memory for the check");
        goto done;
    }
    rc = check_commit_slots(&c, &beyond, err);
    if (rc == KS_OK)
        rc = collect_pieces(&c, err);
    if (rc == KS_OK)
        rc = check_file_pieces(&c, err);
    if (rc == KS_OK)
        *trailing = beyond;
done:
    (void)XXH3_freeState(c.state);
    free(c.step);
    free(c.pieces);
    return rc;
}
