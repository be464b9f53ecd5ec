#ifndef KS_STORE_STORE_H
#define KS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * store: a place that keeps sealed objects under short names.
 *
 * Floor 1. Sees ciphertext only: this folder must not include crypto/.
 * Names:   one or two parts of [0-9a-z.-] joined by '/', each part 1..100
 *          characters and not beginning with '.', at most KS_NAME_MAX in all:
 *          "vault", "packs/00ff...".
 * Put:     all or nothing; never replaces. After a failure or crash a name is
 *          absent or whole.
 * Durable: what was put is durable once ks_store_sync() has returned KS_OK;
 *          a store may make it durable earlier. Nothing put after a sync may
 *          become durable without everything put before that sync.
 * Listing: one begun after a put or remove returned shows it (assumption L).
 * Threads: put and get may be called from two threads at once; everything
 *          else by one thread at a time.
 * Every store passes tests/contract/store_contract.c unchanged.
 */
struct ks_store;

#define KS_NAME_MAX   ((size_t)160)      /* characters, without the NUL */
#define KS_OBJECT_MAX ((size_t)64 << 20) /* bytes in one object: 64 MiB */

struct ks_store_ops {
    const char *kind; /* "memory", "folder", "file" */

    /* Keep data[0..len) as `name`. KS_E_EXISTS if there is one already,
     * KS_E_FULL, KS_E_IO. On failure the name is as it was. */
    int (*put)(struct ks_store *s, const char *name, const void *data,
               size_t len, struct ks_err *err);

    /* Read data[0..len) from `offset` of the object. *got < len only where
     * the object ends. KS_E_NOTFOUND, KS_E_IO, KS_E_CORRUPT. */
    int (*get)(struct ks_store *s, const char *name, uint64_t offset,
               void *data, size_t len, size_t *got, struct ks_err *err);

    /* The object's size. KS_E_NOTFOUND. */
    int (*stat)(struct ks_store *s, const char *name, uint64_t *size,
                struct ks_err *err);

    /* Call each() for every object in `folder` ("packs"; "" for those with a
     * one-part name), in no order. each() gets the last part of the name,
     * and must not call the store; a nonzero answer stops the
     * listing and is returned. A folder that is absent lists nothing.
     * Files that are not named like objects are passed over. */
    int (*list)(struct ks_store *s, const char *folder,
                int (*each)(void *user, const char *name, uint64_t size),
                void *user, struct ks_err *err);

    /* Remove the object. KS_E_NOTFOUND if there is none. */
    int (*remove)(struct ks_store *s, const char *name, struct ks_err *err);

    /* See "Durable" above. */
    int (*sync)(struct ks_store *s, struct ks_err *err);

    /* Free; what was not synced may be lost. */
    void (*close)(struct ks_store *s);

    /* See ks_store_check(); NULL for a store that has nothing to check. */
    int (*check)(struct ks_store *s,
                 void (*found)(void *user, uint64_t offset, uint64_t len,
                               const char *what),
                 void *user, uint64_t *trailing, struct ks_err *err);
};

/* The first member of every store. */
struct ks_store {
    const struct ks_store_ops *ops;
    bool read_only; /* put, remove and sync are KS_E_USAGE */
};

/* The verbs; each checks its arguments once for all stores. A name or length
 * out of range is KS_E_USAGE / KS_E_LIMIT. */
KS_MUST_CHECK int
ks_store_put(struct ks_store *s, const char *name, const void *data, size_t len,
             struct ks_err *err);
KS_MUST_CHECK int
ks_store_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
             size_t len, size_t *got, struct ks_err *err);
KS_MUST_CHECK int ks_store_stat(struct ks_store *s, const char *name,
                                uint64_t *size, struct ks_err *err);
/* Like stat, with absence as an answer: *found. */
KS_MUST_CHECK int ks_store_has(struct ks_store *s, const char *name,
                               bool *found, struct ks_err *err);
KS_MUST_CHECK int
ks_store_list(struct ks_store *s, const char *folder,
              int (*each)(void *user, const char *name, uint64_t size),
              void *user, struct ks_err *err);
KS_MUST_CHECK int
ks_store_remove(struct ks_store *s, const char *name, struct ks_err *err);
KS_MUST_CHECK int ks_store_sync(struct ks_store *s, struct ks_err *err);
/* NULL is ok. */
void ks_store_close(struct ks_store *s);

/* Whether `name` is one that a store accepts. */
bool ks_store_name_ok(const char *name);

enum ks_store_mode {
    KS_STORE_READ,   /* must exist; put, remove and sync are KS_E_USAGE */
    KS_STORE_WRITE,  /* must exist */
    KS_STORE_CREATE, /* must not exist, or be an empty folder */
};

struct ks_store_options {
    enum ks_store_mode mode;
    /* file store, READ: if the newest commit is incomplete or cannot be told
     * or read, open the one before it, if that is whole */
    bool allow_incomplete;
};

/*
 * Open the store at `where`: a path ending in ".keepsay" is a file store,
 * any other a folder store. KS_E_NOTFOUND says that nothing is there;
 * KS_E_EXISTS (create), KS_E_INCOMPLETE (file), KS_E_CORRUPT (file), KS_E_BUSY
 * (a file open for writing elsewhere), KS_E_USAGE (a folder where a file
 * is expected and the reverse), KS_E_FORMAT (no archive file), KS_E_UNSUPPORTED
 * (of a later version), KS_E_IO, KS_E_NOMEM.
 * A file store that is closed before its first sync leaves no file. Its sync
 * after a remove copies the whole file, and needs room for that: remove much,
 * sync once.
 */
KS_MUST_CHECK int
ks_store_open(struct ks_store **out, const char *where,
              const struct ks_store_options *options, struct ks_err *err);
KS_MUST_CHECK int
ks_store_open_memory(struct ks_store **out, struct ks_err *err);
KS_MUST_CHECK int ks_store_open_folder(struct ks_store **out, const char *path,
                                       const struct ks_store_options *options,
                                       struct ks_err *err);
KS_MUST_CHECK int
ks_store_open_file(struct ks_store **out, const char *path,
                   const struct ks_store_options *options, struct ks_err *err);

/*
 * What only the file store has: read every byte of the archive file against
 * the checksums in its tables of contents, and both commit slots.
 * found() is told of each damage (offset, length, what); *trailing gets the
 * bytes beyond the commit that is open. Answers KS_OK though damage was found;
 * for other kinds of store it does nothing. KS_E_USAGE if a sync is due;
 * KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_store_check(struct ks_store *s,
               void (*found)(void *user, uint64_t offset, uint64_t len,
                             const char *what),
               void *user, uint64_t *trailing, struct ks_err *err);

#endif /* KS_STORE_STORE_H */
