#ifndef KS_JOB_LOOKS_H
#define KS_JOB_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * looks: the cheap way to know that nothing changed in a file.
 *
 * Floor 4. Size, times and inode, and a hash of the first and the last 64 KiB:
 * every backup that an app writes anew differs in its head (a fresh salt), so
 * two files that look the same are the same unless somebody took
 * care that they do. `backup --force-read` reads everything all the same.
 */
#define KS_LOOKS_EDGE ((size_t)65536) /* bytes hashed at each end */

struct ks_looks {
    uint8_t path[32]; /* SHA-256 of the canonical path */
    uint64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint64_t inode;
    uint8_t head[32];
    uint8_t tail[32];
};

/* Look at the regular file at `path`. KS_E_NOTFOUND, KS_E_USAGE (a folder, or
 * no ordinary file), KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_looks_take(struct ks_looks *out, const char *path, struct ks_err *err);

/* Whether nothing that is looked at differs, the path included. */
bool ks_looks_same(const struct ks_looks *a, const struct ks_looks *b);

/*
 * Whether a later change of the file would have to show: its times lie at
 * least two seconds (the coarsest clock of a file system in use) before
 * `now_ms`. Looks that have not settled are not worth remembering.
 */
bool ks_looks_settled(const struct ks_looks *looks, int64_t now_ms);

#endif /* KS_JOB_LOOKS_H */
