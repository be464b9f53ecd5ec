#ifndef KS_VAULT_NAMES_H
#define KS_VAULT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/*
 * names: what lies in one folder of a store, listed once and sorted, so that
 * the store can be called while it is gone through.
 *
 * Floor 2. Life: ks_names_list -> ks_names_free; a zeroed struct may be freed.
 */
#define KS_NAME_PART_SIZE                                                      \
    ((size_t)101) /* the last part of a name, with NUL                         \
                   */
#define KS_NAMES_MAX ((size_t)1 << 22)

struct ks_name {
    char text[KS_NAME_PART_SIZE]; /* without the folder */
    uint64_t size;
};

struct ks_names {
    struct ks_name *list; /* list[0..count), ascending by strcmp */
    size_t count;
};

/* List a folder ("" for the one-part names). KS_E_LIMIT beyond KS_NAMES_MAX,
 * KS_E_NOMEM, KS_E_IO. */
KS_MUST_CHECK int ks_names_list(struct ks_names *out, struct ks_store *store,
                                const char *folder, struct ks_err *err);
void ks_names_free(struct ks_names *names);

/* The entry called `text`, or NULL. */
const struct ks_name *
ks_names_find(const struct ks_names *names, const char *text);

/* "folder/text", or "text" if folder is "", into out[0..KS_NAME_MAX + 1). */
void ks_names_join(char *out, const char *folder, const char *text);

#endif /* KS_VAULT_NAMES_H */
