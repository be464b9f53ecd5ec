#ifndef KS_STORE_DIR_H
#define KS_STORE_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * dir: what the folder store and the file store do to folders.
 *
 * Floor 1, inside store only. Folders are given as descriptors, so that no
 * path is looked up twice. Messages do not name the folder: callers do, with
 * ks_context().
 */

/* ".tmp-" and 16 random hex digits, with the NUL. */
#define KS_TEMP_NAME_SIZE ((size_t)22)

/* A fresh temporary name into out[0..KS_TEMP_NAME_SIZE). KS_E_IO. */
KS_MUST_CHECK int ks_dir_temp_name(char *out, struct ks_err *err);

/* Whether `name` is one that ks_dir_temp_name() could have made. */
bool ks_dir_is_temp_name(const char *name);

/* Make the names in the folder durable. A file system that cannot sync
 * folders is taken to need no sync. KS_E_FULL, KS_E_IO. */
KS_MUST_CHECK int ks_dir_sync(int fd, struct ks_err *err);

/*
 * Call each() with the name of every entry except "." and "..", until it
 * answers something other than KS_OK, which is then returned. Closes fd,
 * whatever happens. KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_dir_walk(int fd, int (*each)(void *user, int fd, const char *name),
            void *user, struct ks_err *err);

#endif /* KS_STORE_DIR_H */
