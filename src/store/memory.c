/*
 * memory: objects in an array sorted by name, gone when it is closed. For
 * tests, and for whoever wants to see what a vault would write.
 *
 * It keeps copies of its own, so that nobody can change an object that was
 * put; and it is held to the same contract as the stores that last.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/name.h"
#include "store/store.h"

#define FIRST_CAP ((size_t)64)

struct memory_object {
    char *name;
    uint8_t *data;
    size_t len;
};

struct memory_store {
    struct ks_store base;
    pthread_mutex_t lock; /* guards everything below */
    struct memory_object *objects;
    size_t count;
    size_t cap;
};

/* The store is the first member, so that the one is the other. */
static struct memory_store *
memory_of(struct ks_store *s)
{
    return (struct memory_store *)s;
}

/* Where `name` is, or would have to be inserted; *there says which. */
static size_t
memory_find(const struct memory_store *m, const char *name, bool *there)
{
    size_t low = 0;
    size_t high = m->count;

    *there = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(m->objects[mid].name, name);

        if (order == 0)
            *there = true;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Also for one that was given away or never filled. */
static void
free_object(struct memory_object *object)
{
    free(object->name);
    free(object->data);
    *object = (struct memory_object){0};
}

/* Make *out an object of its own. On failure it holds nothing. */
static int
copy_bytes(struct memory_object *out, const char *name, const void *data,
           size_t len)
{
    out->name = strdup(name);
    out->data = malloc(len > 0 ? len : 1); /* malloc(0) may be NULL */
    out->len = len;
    if (out->name == NULL || out->data == NULL) {
        free_object(out);
        return KS_E_NOMEM;
    }
    if (len > 0)
        memcpy(out->data, data, len);
    return KS_OK;
}

/* Room for one more. Doubling keeps many puts cheap. */
static int
room_for_object(struct memory_store *m)
{
    size_t cap = m->cap > 0 ? 2 * m->cap : FIRST_CAP;
    struct memory_object *more;

    if (m->count < m->cap)
        return KS_OK;
    more = reallocarray(m->objects, cap, sizeof(*more));
    if (more == NULL)
        return KS_E_NOMEM;
    m->objects = more;
    m->cap = cap;
    return KS_OK;
}

/* Insert *object, which is then the store's. */
static int
memory_insert(struct memory_store *m, struct memory_object *object)
{
    bool there = false;
    size_t at = memory_find(m, object->name, &there);

    assert(m->count <= m->cap);
    if (there)
        return KS_E_EXISTS;
    if (room_for_object(m) < 0)
        return KS_E_NOMEM;
    memmove(m->objects + at + 1, m->objects + at,
            (m->count - at) * sizeof(*m->objects));
    m->objects[at] = *object;
    m->count++;
    *object = (struct memory_object){0};
    return KS_OK;
}

/* The bytes are copied before the lock is taken, so that a get on another
 * thread waits for no large copy. */
static int
memory_put(struct ks_store *s, const char *name, const void *data, size_t len,
           struct ks_err *err)
{
    struct memory_store *m = memory_of(s);
    struct memory_object object = {0};
    int rc = copy_bytes(&object, name, data, len);

    if (rc == KS_OK) {
        (void)pthread_mutex_lock(&m->lock);
        rc = memory_insert(m, &object);
        (void)pthread_mutex_unlock(&m->lock);
    }
    free_object(&object);
    if (rc == KS_E_NOMEM)
        return ks_fail(err, rc, 0, "%s: out of memory", name);
    if (rc == KS_E_EXISTS)
        return ks_fail(err, rc, 0, "%s is there already", name);
    return KS_OK;
}

static int
no_such_object(struct ks_err *err, const char *name)
{
    return ks_fail(err, KS_E_NOTFOUND, 0, "%s is not there", name);
}

/* The lock is held while bytes are copied out: a remove could free them. */
static int /* NOLINTNEXTLINE(readability-function-size): as in the table */
memory_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
           size_t len, size_t *got, struct ks_err *err)
{
    struct memory_store *m = memory_of(s);
    bool there = false;
    size_t at;

    (void)pthread_mutex_lock(&m->lock);
    at = memory_find(m, name, &there);
    if (there) {
        const struct memory_object *object = &m->objects[at];
        /* An offset beyond the end reads nothing, and is no failure. */
        size_t from = offset < object->len ? (size_t)offset : object->len;

        *got = len < object->len - from ? len : object->len - from;
        if (*got > 0)
            memcpy(data, object->data + from, *got);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return there ? KS_OK : no_such_object(err, name);
}

static int
memory_stat(struct ks_store *s, const char *name, uint64_t *size,
            struct ks_err *err)
{
    struct memory_store *m = memory_of(s);
    bool there = false;
    size_t at;

    (void)pthread_mutex_lock(&m->lock);
    at = memory_find(m, name, &there);
    if (there)
        *size = m->objects[at].len;
    (void)pthread_mutex_unlock(&m->lock);
    return there ? KS_OK : no_such_object(err, name);
}

/* each() runs under the lock, which is why it must not call the store. */
static int
memory_list(struct ks_store *s, const char *folder,
            int (*each)(void *user, const char *name, uint64_t size),
            void *user, struct ks_err *err)
{
    struct memory_store *m = memory_of(s);
    int rc = KS_OK;

    (void)err;
    (void)pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count && rc == KS_OK; i++) {
        const char *last = ks_name_within(m->objects[i].name, folder);

        if (last != NULL)
            rc = each(user, last, m->objects[i].len);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static int
memory_remove(struct ks_store *s, const char *name, struct ks_err *err)
{
    struct memory_store *m = memory_of(s);
    bool there = false;
    size_t at;

    (void)pthread_mutex_lock(&m->lock);
    at = memory_find(m, name, &there);
    if (there) {
        free_object(&m->objects[at]);
        m->count--;
        memmove(m->objects + at, m->objects + at + 1,
                (m->count - at) * sizeof(*m->objects));
    }
    (void)pthread_mutex_unlock(&m->lock);
    return there ? KS_OK : no_such_object(err, name);
}

/* As durable as memory gets. */
static int
memory_sync(struct ks_store *s, struct ks_err *err)
{
    (void)s;
    (void)err;
    return KS_OK;
}

static void
memory_close(struct ks_store *s)
{
    struct memory_store *m = memory_of(s);

    for (size_t i = 0; i < m->count; i++)
        free_object(&m->objects[i]);
    free(m->objects);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct ks_store_ops memory_ops = {
    .kind = "memory",
    .put = memory_put,
    .get = memory_get,
    .stat = memory_stat,
    .list = memory_list,
    .remove = memory_remove,
    .sync = memory_sync,
    .close = memory_close,
};

int
ks_store_open_memory(struct ks_store **out, struct ks_err *err)
{
    struct memory_store *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "open a store in memory");
    m->base.ops = &memory_ops;
    (void)pthread_mutex_init(&m->lock, NULL);
    *out = &m->base;
    return KS_OK;
}
