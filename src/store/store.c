/*
 * store: the verbs, which check once for all stores what every store relies on.
 */
#include "store/store.h"

#include <assert.h>
#include <string.h>

#include "store/name.h"

#define PART_MAX ((size_t)100) /* characters of one part of a name */

/* The characters of the part that `name` begins with; 0 if it is a bad one. */
static size_t
name_part(const char *name)
{
    size_t len = strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz.-");

    return name[0] != '.' && len <= PART_MAX ? len : 0;
}

bool
ks_store_name_ok(const char *name)
{
    size_t first = name_part(name);
    size_t second;

    if (first == 0)
        return false;
    if (name[first] == '\0')
        return true;
    if (name[first] != '/')
        return false;
    second = name_part(name + first + 1);
    return second > 0 && name[first + 1 + second] == '\0' &&
           first + 1 + second <= KS_NAME_MAX;
}

const char *
ks_name_within(const char *name, const char *folder)
{
    size_t len = strlen(folder);

    if (len == 0)
        return strchr(name, '/') == NULL ? name : NULL;
    if (strncmp(name, folder, len) != 0 || name[len] != '/')
        return NULL;
    return name + len + 1;
}

/* Names are checked here and nowhere else: a store may take it that one has
 * no "..", no empty part, and no character that a file system or a shell
 * would understand as something else. */
static int
check_name(const char *name, struct ks_err *err)
{
    if (ks_store_name_ok(name))
        return KS_OK;
    return ks_fail(err, KS_E_USAGE, 0, "not a name for an object");
}

/* The mode that a store was opened with is kept here, not in each store. */
static int
check_writable(const struct ks_store *s, struct ks_err *err)
{
    if (!s->read_only)
        return KS_OK;
    return ks_fail(err, KS_E_USAGE, 0, "this %s is open for reading only",
                   s->ops->kind);
}

int
ks_store_put(struct ks_store *s, const char *name, const void *data, size_t len,
             struct ks_err *err)
{
    int rc;

    assert(data != NULL || len == 0);
    rc = check_writable(s, err);
    if (rc == KS_OK)
        rc = check_name(name, err);
    if (rc < 0)
        return rc;
    /* Beyond this no reader would take it: see KS_OBJECT_MAX. */
    if (len > KS_OBJECT_MAX)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "%s: %zu bytes are more than an object may have", name,
                       len);
    return s->ops->put(s, name, data, len, err);
}

int /* NOLINTNEXTLINE(readability-function-size): as in the table */
ks_store_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
             size_t len, size_t *got, struct ks_err *err)
{
    size_t n = 0; /* so that *got is untouched when it fails */
    int rc = check_name(name, err);

    assert(data != NULL || len == 0);
    if (rc == KS_OK)
        rc = s->ops->get(s, name, offset, data, len, &n, err);
    if (rc < 0)
        return rc;
    assert(n <= len);
    *got = n;
    return KS_OK;
}

int
ks_store_stat(struct ks_store *s, const char *name, uint64_t *size,
              struct ks_err *err)
{
    int rc = check_name(name, err);

    return rc < 0 ? rc : s->ops->stat(s, name, size, err);
}

int
ks_store_has(struct ks_store *s, const char *name, bool *found,
             struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT; /* absence is no failure here */
    uint64_t size;
    int rc = ks_store_stat(s, name, &size, &why);

    if (rc < 0 && rc != KS_E_NOTFOUND) {
        *err = why;
        return rc;
    }
    *found = rc == KS_OK;
    return KS_OK;
}

int
ks_store_list(struct ks_store *s, const char *folder,
              int (*each)(void *user, const char *name, uint64_t size),
              void *user, struct ks_err *err)
{
    size_t len = name_part(folder); /* 0 for "": the objects in no folder */

    assert(each != NULL);
    if (folder[len] != '\0')
        return ks_fail(err, KS_E_USAGE, 0, "not a name for a folder");
    return s->ops->list(s, folder, each, user, err);
}

int
ks_store_remove(struct ks_store *s, const char *name, struct ks_err *err)
{
    int rc = check_writable(s, err);

    if (rc == KS_OK)
        rc = check_name(name, err);
    return rc < 0 ? rc : s->ops->remove(s, name, err);
}

int
ks_store_sync(struct ks_store *s, struct ks_err *err)
{
    int rc = check_writable(s, err);

    return rc < 0 ? rc : s->ops->sync(s, err);
}

int
ks_store_check(struct ks_store *s,
               void (*found)(void *user, uint64_t offset, uint64_t len,
                             const char *what),
               void *user, uint64_t *trailing, struct ks_err *err)
{
    assert(found != NULL);
    if (s->ops->check == NULL) {
        *trailing = 0;
        return KS_OK;
    }
    return s->ops->check(s, found, user, trailing, err);
}

void
ks_store_close(struct ks_store *s)
{
    if (s != NULL)
        s->ops->close(s);
}
