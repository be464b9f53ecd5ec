#ifndef KS_TESTS_ARCHIVE_H
#define KS_TESTS_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"
#include "workdir.h"

/*
 * archive: a small archive file of three commits, in a test's folder.
 *
 * State n is what the n-th commit left; state 0 holds nothing. Whatever fails
 * here fails the test.
 */

#define ARCHIVE_NAME    "a.keepsay"
#define ARCHIVE_COMMITS 3U
#define ARCHIVE_MAX     ((size_t)65536) /* more than any test's file has */

/* Make it. lens[n]: the length of the file after commit n; NULL is ok. */
void archive_make(const struct workdir *w, uint64_t *lens);

/* Put the objects of commit n, 1..ARCHIVE_COMMITS, and sync. Stops at the
 * first failure and returns its code. */
int archive_commit(struct ks_store *s, unsigned n);

/* The state that s holds, name by name and byte by byte; -1 if it is none. */
int archive_state(struct ks_store *s);

/* Open it; NULL and *rc, the code, if that is refused. */
struct ks_store *
archive_open(const struct workdir *w, enum ks_store_mode mode, int *rc);

/* Open it for reading as it is, or with allow_incomplete: the state, or the
 * code if it does not open. */
int archive_look(const struct workdir *w, bool allow_incomplete);

/* The bytes of the file into out[0..ARCHIVE_MAX); returns how many. */
size_t archive_bytes(const struct workdir *w, uint8_t *out);

/* Damage that ks_store_check() found. */
struct archive_damage {
    size_t count;
    uint64_t offset; /* the first */
    uint64_t len;
    char what[192];
    uint64_t trailing;
};
struct archive_damage archive_check(struct ks_store *s);

#endif /* KS_TESTS_ARCHIVE_H */
