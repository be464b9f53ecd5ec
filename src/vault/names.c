/*
 * names: a folder's listing, kept.
 *
 * A store forbids calling it from within its listing, and gives names in any
 * order. Kept and sorted they can be gone through at leisure, searched, and
 * compared with another store's.
 */
#include "vault/names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_FIRST_CAP ((size_t)64)

/* What the listing's callback fills. */
struct names_grower {
    struct ks_names names;
    size_t cap;
    struct ks_err *err; /* where the callback says why it stopped */
};

/* Keep one name; a store gives no part longer than KS_NAME_PART_SIZE - 1. */
static int
add_name(void *user, const char *name, uint64_t size)
{
    struct names_grower *g = user;
    struct ks_name *at;

    if (g->names.count == KS_NAMES_MAX)
        return ks_fail(g->err, KS_E_LIMIT, 0, "too many objects");
    if (g->names.count == g->cap) {
        size_t cap = g->cap == 0 ? NAMES_FIRST_CAP : 2 * g->cap;

        at = reallocarray(g->names.list, cap, sizeof(*at));
        if (at == NULL)
            return ks_fail(g->err, KS_E_NOMEM, 0, "no memory for a listing");
        g->names.list = at;
        g->cap = cap;
    }
    at = &g->names.list[g->names.count];
    assert(strlen(name) < sizeof(at->text));
    memcpy(at->text, name, strlen(name) + 1);
    at->size = size;
    g->names.count++;
    return 0;
}

static int
compare_names(const void *a, const void *b)
{
    const struct ks_name *x = a;
    const struct ks_name *y = b;

    return strcmp(x->text, y->text);
}

int
ks_names_list(struct ks_names *out, struct ks_store *store, const char *folder,
              struct ks_err *err)
{
    struct names_grower g = {.err = err};
    int rc;

    rc = ks_store_list(store, folder, add_name, &g, err);
    if (rc < 0) {
        ks_names_free(&g.names);
        return ks_context(err, "list %s", folder);
    }
    if (g.names.count > 1)
        qsort(g.names.list, g.names.count, sizeof(g.names.list[0]),
              compare_names);
    *out = g.names;
    return KS_OK;
}

void
ks_names_free(struct ks_names *names)
{
    free(names->list);
    *names = (struct ks_names){0};
}

const struct ks_name *
ks_names_find(const struct ks_names *names, const char *text)
{
    struct ks_name key; /* only its text is compared */
    size_t len = strnlen(text, sizeof(key.text));

    if (len == sizeof(key.text) || names->count == 0)
        return NULL;
    memcpy(key.text, text, len + 1);
    return bsearch(&key, names->list, names->count, sizeof(key), compare_names);
}

void
ks_names_join(char *out, const char *folder, const char *text)
{
    int len;

    len = snprintf(out, KS_NAME_MAX + 1, "%s%s%s", folder,
                   folder[0] != '\0' ? "/" : "", text);
    assert(len > 0 && (size_t)len <= KS_NAME_MAX);
}
