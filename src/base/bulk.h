#ifndef KS_BASE_BULK_H
#define KS_BASE_BULK_H

#include <stddef.h>

#include "base/err.h"

/*
 * bulk: writing much data at once, around the page cache where the file
 * system allows (O_DIRECT).
 *
 * Floor 0. A pack is written once and read perhaps never: to copy it into the
 * page cache costs two CPU seconds a GB and pushes out what other programs
 * have there. Whether it is done that way changes nothing but the cost.
 */
#define KS_BULK_ALIGN ((size_t)4096)
#define KS_BULK_MIN   ((size_t)1 << 20) /* less is written as usual */

/*
 * Write data[0..len) at the file position of fd; `path` is for messages only.
 * Whole blocks of KS_BULK_ALIGN bytes go around the page cache if `data` and
 * the position are multiples of it; the rest, and whatever the file system
 * does not like, is written as usual. Needs a sync like any other write.
 * Fails as ks_fd_write() does.
 */
KS_MUST_CHECK int ks_fd_write_bulk(int fd, const void *data, size_t len,
                                   const char *path, struct ks_err *err);

#endif /* KS_BASE_BULK_H */
