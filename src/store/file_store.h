#ifndef KS_STORE_FILE_STORE_H
#define KS_STORE_FILE_STORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/file_slot.h"
#include "store/file_toc.h"
#include "store/store.h"

/*
 * file_store: the archive file, as its parts share it.
 *
 * Floor 1, inside store only: file.c has the verbs, file_open.c finds the
 * commit to open, file_commit.c writes the next one, file_rewrite.c writes a
 * smaller file without what was removed, file_check.c reads every byte.
 * Messages name no path here: file.c adds it.
 * Source: doc/format-store.md.
 */

/* A table of contents that is in use: it, and the end slot behind it. */
struct ks_file_table {
    struct ks_toc_ref ref;
    uint8_t sum[KS_SUM_SIZE]; /* of both, as they ought to be */
};

struct ks_file_store {
    struct ks_store base;
    char *path; /* as given, for messages */
    char *leaf; /* its last part, within dirfd; NULL when only reading */
    int dirfd;  /* the folder that it lies in; -1 when only reading */
    int fd;

    struct ks_slot commit; /* the one that is open; sequence 0: none yet */
    unsigned next_slot;    /* where the next goes */
    struct ks_file_table chain[KS_TOC_CHAIN_MAX]; /* oldest first */
    size_t chain_len;

    /* Held while an object is appended, and while a commit is written. */
    pthread_mutex_t appending;
    uint64_t end;       /* where the next object goes */
    bool changed;       /* something was put, or the file is new */
    bool removed;       /* objects were removed: the file must be rewritten */
    bool folder_behind; /* the name in the folder is not durable yet */
    bool broken;        /* a sync failed: what is on disk is unknown */

    pthread_mutex_t lock; /* guards toc */
    struct ks_toc toc;
};

/* Bytes of a table and its end slot. */
static inline uint64_t
ks_file_table_len(const struct ks_file_table *table)
{
    return table->ref.len + KS_SLOT_SIZE;
}

/* file_open.c */

/* Open, lock and read in; f->path is set. See ks_store_open_file(). */
KS_MUST_CHECK int
ks_file_open(struct ks_file_store *f, const struct ks_store_options *options,
             struct ks_err *err);

/* The two slots, the end slot and the size of an open file of at least
 * KS_SLOTS_SIZE bytes. Looks again if a slot is caught half written. */
KS_MUST_CHECK int
ks_file_read_slots(int fd, struct ks_slots *seen, struct ks_err *err);

/* Whether `fd` is still the file that the folder has under that name. */
bool ks_file_is_named(int fd, int dirfd, const char *leaf);

/* file_commit.c */

/* Write data[0..len) at offset; retries EINTR and short writes. KS_E_FULL,
 * KS_E_IO. */
KS_MUST_CHECK int ks_file_write(int fd, const void *data, size_t len,
                                uint64_t offset, struct ks_err *err);

/* Append the next commit. Afterwards everything put so far is durable. */
KS_MUST_CHECK int ks_file_commit(struct ks_file_store *f, struct ks_err *err);

/*
 * Write to fd a table of the objects of `toc` from `from` on (see
 * ks_toc_encode()), and the end slot behind it, at table->ref.offset; the
 * rest of *table is set. KS_E_FULL, KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_file_write_table(int fd, const struct ks_toc *toc,
                    const struct ks_toc_head *head, uint64_t from,
                    struct ks_file_table *table, struct ks_err *err);

/* Before writing: put the commit that is open into every slot that is not
 * valid, and sync. Otherwise an interrupted append would leave no way to tell
 * the newest commit. Says which slot is next. */
KS_MUST_CHECK int ks_file_heal(struct ks_file_store *f, struct ks_slots *seen,
                               struct ks_err *err);

/* file_rewrite.c */

/* Copy what is left to a file beside, and put that in this one's place. */
KS_MUST_CHECK int ks_file_rewrite(struct ks_file_store *f, struct ks_err *err);

/* Remove what interrupted rewrites of this file left behind. */
void ks_file_sweep(struct ks_file_store *f);

/* file_check.c: see ks_store_check(). Nothing may wait for a sync. */
KS_MUST_CHECK int
ks_file_check(struct ks_file_store *f,
              void (*found)(void *user, uint64_t offset, uint64_t len,
                            const char *what),
              void *user, uint64_t *trailing, struct ks_err *err);

#endif /* KS_STORE_FILE_STORE_H */
