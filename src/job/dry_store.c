/*
 * dry_store: a list of what was put, looked through before the store behind.
 */
#include "job/dry_store.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct dry_object {
    char name[KS_NAME_MAX + 1];
    size_t size;
    void *data; /* NULL if it was too large to keep */
};

struct dry_store {
    struct ks_store base; /* must stay first */
    struct ks_store *behind;
    pthread_mutex_t lock; /* of the list; put and get come from two threads */
    struct dry_object *list;
    size_t count;
    size_t room;
};

static struct dry_store *
dry_of(struct ks_store *s)
{
    return (struct dry_store *)s;
}

/* What was put under this name, or NULL. Call with the lock held. */
static struct dry_object *
find_dry(const struct dry_store *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strcmp(d->list[i].name, name) == 0)
            return &d->list[i];
    }
    return NULL;
}

/* Room for one more. Call with the lock held. */
static int
grow_dry(struct dry_store *d, struct ks_err *err)
{
    size_t room = d->room == 0 ? 16 : 2 * d->room;
    struct dry_object *list;

    if (d->count < d->room)
        return KS_OK;
    list = reallocarray(d->list, room, sizeof(*list));
    if (list == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a dry run");
    d->list = list;
    d->room = room;
    return KS_OK;
}

/* Remember a name that is new. Call with the lock held. */
static int
add_dry(struct dry_store *d, const char *name, const void *data, size_t len,
        struct ks_err *err)
{
    struct dry_object *o;

    if (find_dry(d, name) != NULL)
        return ks_fail(err, KS_E_EXISTS, 0, "%s exists already", name);
    if (grow_dry(d, err) != KS_OK)
        return err->code;
    o = &d->list[d->count];
    *o = (struct dry_object){.size = len};
    assert(strlen(name) < sizeof(o->name));
    memcpy(o->name, name, strlen(name) + 1);
    if (len > 0 && len <= KS_DRY_KEEP_MAX) {
        o->data = malloc(len);
        if (o->data == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "no memory for a dry run");
        memcpy(o->data, data, len);
    }
    d->count++;
    return KS_OK;
}

/* Remember an object, if neither side has one of that name. */
static int
dry_put(struct ks_store *s, const char *name, const void *data, size_t len,
        struct ks_err *err)
{
    struct dry_store *d = dry_of(s);
    bool found = false;
    int rc = ks_store_has(d->behind, name, &found, err);

    if (rc == KS_OK && found)
        rc = ks_fail(err, KS_E_EXISTS, 0, "%s exists already", name);
    if (rc != KS_OK)
        return rc;
    (void)pthread_mutex_lock(&d->lock);
    rc = add_dry(d, name, data, len, err);
    (void)pthread_mutex_unlock(&d->lock);
    return rc;
}

/* Read from what was put; else from behind. The store behind is asked
 * without the lock, because it has its own. */
static int /* NOLINTNEXTLINE(readability-function-size): as in the table */
dry_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
        size_t len, size_t *got, struct ks_err *err)
{
    struct dry_store *d = dry_of(s);
    const struct dry_object *o;
    int rc = KS_OK;

    (void)pthread_mutex_lock(&d->lock);
    o = find_dry(d, name);
    if (o != NULL && o->data == NULL && o->size > 0) {
        rc = ks_fail(err, KS_E_NOTFOUND, 0,
                     "%s was put in a dry run and is not kept", name);
    } else if (o != NULL) {
        size_t left = offset < o->size ? o->size - (size_t)offset : 0;

        *got = len < left ? len : left;
        if (*got > 0)
            memcpy(data, (const char *)o->data + offset, *got);
    }
    (void)pthread_mutex_unlock(&d->lock);
    if (o == NULL)
        rc = ks_store_get(d->behind, name, offset, data, len, got, err);
    return rc;
}

/* Likewise; of a large object the size is known though its bytes are not
 * kept. */
static int
dry_stat(struct ks_store *s, const char *name, uint64_t *size,
         struct ks_err *err)
{
    struct dry_store *d = dry_of(s);
    const struct dry_object *o;

    (void)pthread_mutex_lock(&d->lock);
    o = find_dry(d, name);
    if (o != NULL)
        *size = o->size;
    (void)pthread_mutex_unlock(&d->lock);
    return o != NULL ? KS_OK : ks_store_stat(d->behind, name, size, err);
}

/* What is behind, then what was put. No lock: a listing is never run beside
 * a put. */
static int
dry_list(struct ks_store *s, const char *folder,
         int (*each)(void *user, const char *name, uint64_t size), void *user,
         struct ks_err *err)
{
    struct dry_store *d = dry_of(s);
    size_t len = strlen(folder);
    int rc = ks_store_list(d->behind, folder, each, user, err);

    (void)pthread_mutex_lock(&d->lock); /* each() does not call the store */
    for (size_t i = 0; rc == KS_OK && i < d->count; i++) {
        const char *name = d->list[i].name;
        bool inside = len == 0
                          ? strchr(name, '/') == NULL
                          : strncmp(name, folder, len) == 0 && name[len] == '/';

        if (inside)
            rc = each(user, len == 0 ? name : name + len + 1, d->list[i].size);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return rc;
}

/* Take back what was put here. What is behind stays, and so does whoever
 * asked: this is an error. */
static int
dry_remove(struct ks_store *s, const char *name, struct ks_err *err)
{
    struct dry_store *d = dry_of(s);
    struct dry_object *o;

    (void)pthread_mutex_lock(&d->lock);
    o = find_dry(d, name);
    if (o != NULL) {
        free(o->data);
        *o = d->list[--d->count];
    }
    (void)pthread_mutex_unlock(&d->lock);
    if (o == NULL) {
        return ks_fail(err, KS_E_USAGE, 0, "%s: a dry run removes nothing",
                       name);
    }
    return KS_OK;
}

/* Nothing is to be made durable. */
static int
dry_sync(struct ks_store *s, struct ks_err *err)
{
    (void)s;
    (void)err; /* there is nothing that could be lost */
    return KS_OK;
}

/* Forget all that was put, and close the store behind. */
static void
dry_close(struct ks_store *s)
{
    struct dry_store *d = dry_of(s);

    for (size_t i = 0; i < d->count; i++)
        free(d->list[i].data);
    free(d->list);
    (void)pthread_mutex_destroy(&d->lock);
    ks_store_close(d->behind);
    free(d);
}

static const struct ks_store_ops dry_ops = {
    .kind = "dry",
    .put = dry_put,
    .get = dry_get,
    .stat = dry_stat,
    .list = dry_list,
    .remove = dry_remove,
    .sync = dry_sync,
    .close = dry_close,
};

int
ks_dry_store_open(struct ks_store **store, struct ks_err *err)
{
    struct dry_store *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a dry run");
    if (pthread_mutex_init(&d->lock, NULL) != 0) {
        free(d);
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a dry run");
    }
    d->base.ops = &dry_ops;
    d->behind = *store;
    *store = &d->base;
    return KS_OK;
}
