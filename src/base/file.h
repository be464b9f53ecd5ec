#ifndef KS_BASE_FILE_H
#define KS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * file: whole reads and writes, and files that appear only when finished.
 *
 * Floor 0. Every call retries EINTR and short transfers. Errors name the
 * path. A directory where a file is expected is KS_E_USAGE, said so.
 */

/* Read all of path, at most max bytes (KS_E_LIMIT beyond), appended to out.
 * Fails with KS_E_NOTFOUND, KS_E_USAGE, KS_E_LIMIT, KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int ks_file_read(const char *path, size_t max, struct ks_buf *out,
                               struct ks_err *err);

/* Write data[0..len) to fd. `path` is for messages only. */
KS_MUST_CHECK int ks_fd_write(int fd, const void *data, size_t len,
                              const char *path, struct ks_err *err);

/* Read up to len bytes at offset; *got < len only at the end of the file. */
KS_MUST_CHECK int ks_fd_pread(int fd, void *buf, size_t len, uint64_t offset,
                              size_t *got, struct ks_err *err);

/*
 * outfile: a file written under a temporary name beside its target, which
 * takes the target's name only when committed.
 *
 * Life: open -> write* -> commit, then close. close without commit removes
 * the temporary file and leaves whatever was at the target.
 */
struct ks_outfile;

/*
 * Begin writing the file that will be called `path`; its folder must exist.
 * mode: permission bits, e.g. 0600. replace: whether an existing regular file
 * may be replaced; if not, its existence is KS_E_EXISTS, now and at commit. A
 * symbolic link, device or pipe is never replaced (KS_E_EXISTS).
 */
KS_MUST_CHECK int
ks_outfile_open(struct ks_outfile **out, const char *path, unsigned mode,
                bool replace, struct ks_err *err);

/* Append data[0..len); buffered (1 MiB). Fails with KS_E_FULL, KS_E_IO. */
KS_MUST_CHECK int ks_outfile_write(struct ks_outfile *f, const void *data,
                                   size_t len, struct ks_err *err);

/* Flush, fsync, rename, fsync the folder. On KS_OK the file is durable. Once
 * only, also if it fails: then close. */
KS_MUST_CHECK int ks_outfile_commit(struct ks_outfile *f, struct ks_err *err);

/* Free; discards the temporary file unless committed. NULL is ok. */
void ks_outfile_close(struct ks_outfile *f);

/* Create the folder path (0700) and those above it that are missing. */
KS_MUST_CHECK int ks_make_dirs(const char *path, struct ks_err *err);

#endif /* KS_BASE_FILE_H */
