/*
 * open: which kind of store a path means.
 */
#include <string.h>

#include "store/store.h"

int
ks_store_open(struct ks_store **out, const char *where,
              const struct ks_store_options *options, struct ks_err *err)
{
    static const char suffix[] = ".keepsay";
    size_t len = strlen(where);
    size_t tail = sizeof(suffix) - 1;

    /* By the name alone: what is there may be damaged, or not there yet. */
    if (len >= tail && memcmp(where + len - tail, suffix, tail) == 0)
        return ks_store_open_file(out, where, options, err);
    return ks_store_open_folder(out, where, options, err);
}
