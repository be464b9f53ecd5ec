/*
 * file: the verbs of the archive file, all objects in one file.
 *
 * An object is appended when it is put, and seen through this handle at once;
 * a sync makes everything since the last one part of the file, in one commit.
 *
 * Two locks, always taken in this order: `appending` for as long as something
 * is written to the file, so that one object follows the other; `lock` for the
 * moment in which the table in memory is read or changed. A get takes only the
 * second, and reads the file without any: what lies there does not move.
 */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/dir.h"
#include "store/file_store.h"
#include "store/name.h"
#include "store/store.h"

/* The store is the first member, so that the one is the other. */
static struct ks_file_store *
file_of(struct ks_store *s)
{
    return (struct ks_file_store *)s;
}

/* Writing on after a failed sync could make a commit that names bytes which
 * never came to the disk. */
static int
check_not_broken(const struct ks_file_store *f, struct ks_err *err)
{
    if (!f->broken)
        return KS_OK;
    return ks_fail(err, KS_E_IO, 0,
                   "writing to it failed before; open it again to go on");
}

/* The one way to say that an object is not there. */
static int
fail_missing(struct ks_err *err)
{
    return ks_fail(err, KS_E_NOTFOUND, 0, "no such object");
}

/* Append an object; `appending` is held. */
static int
append_object(struct ks_file_store *f, const char *name, const void *data,
              size_t len, struct ks_err *err)
{
    struct ks_toc_entry entry = {.offset = f->end, .len = (uint32_t)len};
    size_t at = 0;
    bool there;
    int rc = KS_OK;

    assert(f->end >= KS_SLOTS_SIZE);
    ks_sum(entry.sum, data, len);
    (void)pthread_mutex_lock(&f->lock);
    there = ks_toc_find(&f->toc, name, &at);
    if (!there)
        rc = ks_toc_reserve(&f->toc, err);
    (void)pthread_mutex_unlock(&f->lock);
    if (there)
        return ks_fail(err, KS_E_EXISTS, 0, "there is one already");
    /* The table has room now: once the bytes are there, nothing can fail. */
    if (rc == KS_OK)
        rc = ks_file_write(f->fd, data, len, f->end, err);
    if (rc < 0) {
        (void)!ftruncate(f->fd, (off_t)f->end); /* gives the space back */
        return rc;
    }

    f->end += len;
    f->changed = true;
    (void)pthread_mutex_lock(&f->lock);
    ks_toc_insert(&f->toc, at, name, &entry);
    (void)pthread_mutex_unlock(&f->lock);
    return KS_OK;
}

/* One object at a time is appended; gets go on meanwhile, for they need the
 * table only for a moment. */
static int
file_put(struct ks_store *s, const char *name, const void *data, size_t len,
         struct ks_err *err)
{
    struct ks_file_store *f = file_of(s);
    int rc;

    assert(len <= KS_OBJECT_MAX);
    (void)pthread_mutex_lock(&f->appending);
    rc = check_not_broken(f, err);
    if (rc == KS_OK)
        rc = append_object(f, name, data, len, err);
    (void)pthread_mutex_unlock(&f->appending);
    return rc < 0 ? ks_context(err, "%s: %s", f->path, name) : KS_OK;
}

/* Where an object lies. */
static int
find_object(struct ks_file_store *f, const char *name,
            struct ks_toc_entry *entry, struct ks_err *err)
{
    size_t at = 0;
    bool there;

    (void)pthread_mutex_lock(&f->lock);
    there = ks_toc_find(&f->toc, name, &at);
    if (there)
        *entry = f->toc.entries[at];
    (void)pthread_mutex_unlock(&f->lock);
    if (there)
        return KS_OK;
    (void)fail_missing(err);
    return ks_context(err, "%s: %s", f->path, name);
}

/* The bytes are not checked here: whoever sealed them does that, and a check of
 * the whole object would cost more than the part that is asked for. */
static int /* NOLINTNEXTLINE(readability-function-size): as in the table */
file_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
         size_t len, size_t *got, struct ks_err *err)
{
    struct ks_file_store *f = file_of(s);
    struct ks_toc_entry entry = {0};
    int rc = find_object(f, name, &entry, err);

    if (rc < 0)
        return rc;
    /* Never beyond the object: what follows it is another one. */
    if (offset > entry.len)
        offset = entry.len;
    if (len > entry.len - offset)
        len = (size_t)(entry.len - offset);
    rc = ks_fd_pread(f->fd, data, len, entry.offset + offset, got, err);
    if (rc == KS_OK && *got < len)
        rc = ks_fail(err, KS_E_CORRUPT, 0, "the file has become shorter");
    return rc < 0 ? ks_context(err, "%s: %s", f->path, name) : KS_OK;
}

static int
file_stat(struct ks_store *s, const char *name, uint64_t *size,
          struct ks_err *err)
{
    struct ks_toc_entry entry = {0};
    int rc = find_object(file_of(s), name, &entry, err);

    if (rc == KS_OK)
        *size = entry.len;
    return rc;
}

/* One look at every name: there are thousands, not millions, and whoever lists
 * reads much more than that afterwards. */
static int
file_list(struct ks_store *s, const char *folder,
          int (*each)(void *user, const char *name, uint64_t size), void *user,
          struct ks_err *err)
{
    struct ks_file_store *f = file_of(s);
    int rc = KS_OK;

    (void)err;
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->toc.count && rc == KS_OK; i++) {
        const struct ks_toc_entry *entry = &f->toc.entries[i];
        const char *last = ks_name_within(ks_toc_name(&f->toc, entry), folder);

        if (last != NULL)
            rc = each(user, last, entry->len);
    }
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* Only the table forgets it for now. The next sync writes the file anew. */
static int
file_remove(struct ks_store *s, const char *name, struct ks_err *err)
{
    struct ks_file_store *f = file_of(s);
    size_t at = 0;
    int rc;

    (void)pthread_mutex_lock(&f->appending);
    rc = check_not_broken(f, err);
    (void)pthread_mutex_lock(&f->lock);
    if (rc == KS_OK && ks_toc_find(&f->toc, name, &at)) {
        ks_toc_remove(&f->toc, at);
        f->removed = true;
    } else if (rc == KS_OK) {
        rc = fail_missing(err);
    }
    (void)pthread_mutex_unlock(&f->lock);
    (void)pthread_mutex_unlock(&f->appending);
    return rc < 0 ? ks_context(err, "%s: %s", f->path, name) : KS_OK;
}

/* Make the file's name durable: it is new, or has just been replaced. */
static int
sync_file_name(struct ks_file_store *f, struct ks_err *err)
{
    int rc = ks_dir_sync(f->dirfd, err);

    if (rc == KS_OK)
        f->folder_behind = false;
    else
        f->broken = true;
    return rc;
}

/* A removal needs a new file, in which everything put so far has its place
 * too: so one or the other. */
static int
file_sync(struct ks_store *s, struct ks_err *err)
{
    struct ks_file_store *f = file_of(s);
    int rc;

    (void)pthread_mutex_lock(&f->appending);
    rc = check_not_broken(f, err);
    if (rc == KS_OK && f->removed)
        rc = ks_file_rewrite(f, err);
    else if (rc == KS_OK && f->changed)
        rc = ks_file_commit(f, err);
    if (rc == KS_OK && f->folder_behind)
        rc = sync_file_name(f, err);
    (void)pthread_mutex_unlock(&f->appending);
    return rc < 0 ? ks_context(err, "%s", f->path) : KS_OK;
}

/* What is not synced lies in the file but in no table: it would look like
 * damage. */
static int
file_check(struct ks_store *s,
           void (*found)(void *user, uint64_t offset, uint64_t len,
                         const char *what),
           void *user, uint64_t *trailing, struct ks_err *err)
{
    struct ks_file_store *f = file_of(s);
    int rc;

    if (f->changed || f->removed)
        return ks_fail(err, KS_E_USAGE, 0,
                       "%s: to be synced before it is checked", f->path);
    rc = ks_file_check(f, found, user, trailing, err);
    return rc < 0 ? ks_context(err, "%s", f->path) : KS_OK;
}

/*
 * Leave the file as it was: without what was not synced, and not at all if it
 * never came to a first commit. After a failed sync it is unknown which bytes
 * a commit needs, so then all stay.
 */
static void
drop_unsynced(const struct ks_file_store *f)
{
    if (f->fd < 0 || f->dirfd < 0 || f->broken)
        return;
    if (f->commit.sequence == 0) { /* we created it, or could not read it */
        if (f->changed && ks_file_is_named(f->fd, f->dirfd, f->leaf))
            (void)unlinkat(f->dirfd, f->leaf, 0);
    } else if (f->end > ks_slot_file_len(&f->commit)) {
        (void)!ftruncate(f->fd, (off_t)ks_slot_file_len(&f->commit));
    }
}

/* Closing the file also gives back its lock, so that comes after the last
 * change to it. */
static void
file_close(struct ks_store *s)
{
    struct ks_file_store *f = file_of(s);

    drop_unsynced(f);
    if (f->fd >= 0)
        (void)close(f->fd);
    if (f->dirfd >= 0)
        (void)close(f->dirfd);
    ks_toc_wipe(&f->toc);
    (void)pthread_mutex_destroy(&f->appending);
    (void)pthread_mutex_destroy(&f->lock);
    free(f->path);
    free(f->leaf);
    free(f);
}

static const struct ks_store_ops file_ops = {
    .kind = "file",
    .put = file_put,
    .get = file_get,
    .stat = file_stat,
    .list = file_list,
    .remove = file_remove,
    .sync = file_sync,
    .close = file_close,
    .check = file_check,
};

int
ks_store_open_file(struct ks_store **out, const char *path,
                   const struct ks_store_options *options, struct ks_err *err)
{
    struct ks_file_store *f = calloc(1, sizeof(*f));
    int rc;

    if (f == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "%s: out of memory", path);
    f->base.ops = &file_ops;
    f->base.read_only = options->mode == KS_STORE_READ;
    f->fd = -1; /* so that it can be closed whatever fails */
    f->dirfd = -1;
    (void)pthread_mutex_init(&f->appending, NULL);
    (void)pthread_mutex_init(&f->lock, NULL);
    ks_toc_init(&f->toc);
    f->path = strdup(path);
    if (f->path == NULL)
        rc = ks_fail(err, KS_E_NOMEM, 0, "out of memory");
    else
        rc = ks_file_open(f, options, err);
    if (rc < 0) {
        (void)ks_context(err, "%s", path);
        file_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return KS_OK;
}
