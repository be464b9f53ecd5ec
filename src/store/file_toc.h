#ifndef KS_STORE_FILE_TOC_H
#define KS_STORE_FILE_TOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/file_slot.h"
#include "store/store.h"

/*
 * file_toc: which object of an archive file lies where.
 *
 * Floor 1, inside store only. In memory it is one array sorted by name, 32
 * bytes and the name for each object. In the file it is a chain of tables of
 * contents: each names what its commit added, and the table before it.
 * Life: init -> (decode* -> seal) | insert* -> wipe. Not thread-safe.
 * Source: doc/format-store.md, "Table of contents".
 */

#define KS_TOC_OBJECTS_MAX 4000000U /* objects in one archive file */
#define KS_TOC_DEAD_MAX    1000000U /* stretches without use in one */
#define KS_TOC_CHAIN_MAX   32U      /* tables that make up one state */

#define KS_TOC_HEAD_SIZE   ((size_t)72)
#define KS_TOC_SIZE_MAX                                                        \
    (KS_TOC_HEAD_SIZE + KS_TOC_OBJECTS_MAX * (KS_NAME_MAX + 29) +              \
     KS_TOC_DEAD_MAX * (size_t)32)

struct ks_toc_entry {
    uint64_t offset; /* in the file */
    uint32_t len;    /* <= KS_OBJECT_MAX */
    uint32_t name;   /* where its name is among the names */
    uint8_t sum[KS_SUM_SIZE];
};

/* Bytes of the file that belong to no object: older tables of contents. */
struct ks_toc_dead {
    uint64_t offset;
    uint64_t len;
    uint8_t sum[KS_SUM_SIZE];
};

struct ks_toc {
    struct ks_toc_entry *entries; /* by name */
    size_t count;
    size_t cap;
    struct ks_toc_dead *dead; /* by offset */
    size_t dead_count;
    size_t dead_cap;
    char *names; /* one after another, each with its NUL */
    size_t names_len;
    size_t names_cap;
};

void ks_toc_init(struct ks_toc *toc);
void ks_toc_wipe(struct ks_toc *toc);

static inline const char *
ks_toc_name(const struct ks_toc *toc, const struct ks_toc_entry *entry)
{
    return toc->names + entry->name;
}

/* Whether there is an object of that name. *at: where, or where it would be. */
bool ks_toc_find(const struct ks_toc *toc, const char *name, size_t *at);

/* Room for one more object, so that the next insert cannot fail.
 * KS_E_LIMIT, KS_E_NOMEM. */
KS_MUST_CHECK int ks_toc_reserve(struct ks_toc *toc, struct ks_err *err);

/* Add an object at `at`, as ks_toc_find() said; entry->name is set here.
 * There must be room. */
void ks_toc_insert(struct ks_toc *toc, size_t at, const char *name,
                   const struct ks_toc_entry *entry);

void ks_toc_remove(struct ks_toc *toc, size_t at);

/* Room for n more dead stretches. KS_E_LIMIT, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_toc_reserve_dead(struct ks_toc *toc, size_t n, struct ks_err *err);

/* What a table says about itself. */
struct ks_toc_head {
    uint64_t sequence;        /* of its commit */
    struct ks_toc_ref before; /* the table before it; offset 0: none */
};

/*
 * Append to out the table of a commit: the objects at `from` in the file and
 * beyond, and, if there is no table before it, all objects and everything
 * dead. KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_toc_encode(const struct ks_toc *toc, const struct ks_toc_head *head,
              uint64_t from, struct ks_buf *out, struct ks_err *err);

/*
 * Take in the table bytes, which lies at `offset` in the file: everything it
 * names must lie before that. Its objects are added unsorted. *head is what
 * it says about itself. KS_E_CORRUPT, KS_E_LIMIT, KS_E_NOMEM; then toc can
 * only be wiped.
 */
KS_MUST_CHECK int
ks_toc_decode(struct ks_toc *toc, struct ks_bytes bytes, uint64_t offset,
              struct ks_toc_head *head, struct ks_err *err);

/* After the last decode: sort. KS_E_CORRUPT if a name is there twice. */
KS_MUST_CHECK int ks_toc_seal(struct ks_toc *toc, struct ks_err *err);

#endif /* KS_STORE_FILE_TOC_H */
