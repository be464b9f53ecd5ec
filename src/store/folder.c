/*
 * folder: each object is a file.
 *
 *   DIR/vault                an object with a one-part name
 *   DIR/packs/00ff           an object with a two-part name
 *   DIR/packs/.tmp-<16 hex>  an object being written; left over if that was
 *                            interrupted, and removed a day later
 *
 * A put writes the temporary file, syncs it, gives it its name without
 * replacing anything, and syncs the folder: so each put is durable when it
 * returns, and nothing is left for sync. Anything else that lies in the
 * folders (a sync tool's conflict copies, say) is passed over.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bulk.h"
#include "base/clock.h"
#include "base/file.h"
#include "store/dir.h"
#include "store/store.h"

#define FOLDER_FLAGS   (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

#define STALE_AFTER_MS ((int64_t)24 * 60 * 60 * 1000)

struct folder_store {
    struct ks_store base;
    int fd;                 /* the folder itself */
    char *path;             /* for messages */
    pthread_mutex_t making; /* one thread at a time makes a folder */
};

/* The store is the first member, so that the one is the other. */
static struct folder_store *
folder_of(struct ks_store *s)
{
    return (struct folder_store *)s;
}

/* A name in its two parts; `folder` is "." for a one-part name. */
struct name_parts {
    char folder[KS_NAME_MAX + 1];
    const char *last;
};

/* Names are checked before they come here, so the parts are safe to use as
 * they are. */
static struct name_parts
split_name(const char *name)
{
    struct name_parts part = {.folder = ".", .last = name};
    const char *slash = strchr(name, '/');

    assert(ks_store_name_ok(name));
    if (slash != NULL) {
        size_t len = (size_t)(slash - name);

        memcpy(part.folder, name, len);
        part.folder[len] = '\0';
        part.last = slash + 1;
    }
    return part;
}

/* Say which object of which folder it was about. */
static int
about_object(const struct folder_store *f, const char *name, struct ks_err *err)
{
    return ks_context(err, "%s/%s", f->path, name);
}

/* A failed put: the code follows from errno, but neither NOTFOUND nor EXISTS
 * would be about the object. */
static int
fail_put(struct ks_err *err, int sys, const char *what)
{
    if (sys == ENOENT || sys == ENOTDIR || sys == EEXIST)
        return ks_fail(err, KS_E_IO, sys, "%s", what);
    return ks_fail_sys(err, sys, "%s", what);
}

/* Make a folder of objects, durably or not at all. */
static int
make_folder(const struct folder_store *f, const char *folder,
            struct ks_err *err)
{
    int rc;

    if (mkdirat(f->fd, folder, 0700) != 0) {
        if (errno == EEXIST) /* by another program, just now */
            return KS_OK;
        return fail_put(err, errno, "its folder cannot be made");
    }
    rc = ks_dir_sync(f->fd, err);
    if (rc < 0)
        (void)unlinkat(f->fd, folder, AT_REMOVEDIR);
    return rc;
}

/* Open the folder that an object will be in, and make it if this is its first.
 * Whoever finds it while it is being made waits until it is durable. */
static int
open_or_make_folder(struct folder_store *f, const char *folder, int *fd,
                    struct ks_err *err)
{
    int rc = KS_OK;

    (void)pthread_mutex_lock(&f->making);
    *fd = openat(f->fd, folder, FOLDER_FLAGS);
    if (*fd < 0 && errno == ENOENT) {
        rc = make_folder(f, folder, err);
        if (rc == KS_OK)
            *fd = openat(f->fd, folder, FOLDER_FLAGS);
    }
    if (rc == KS_OK && *fd < 0)
        rc = ks_fail(err, KS_E_IO, errno, "its folder cannot be opened");
    (void)pthread_mutex_unlock(&f->making);
    return rc;
}

/* Write the object under a temporary name. On failure there is none. */
static int
write_temporary(int dirfd, char *temp, const struct ks_bytes *data,
                struct ks_err *err)
{
    int fd = -1;
    int rc = ks_dir_temp_name(temp, err);

    if (rc < 0)
        return rc;
    fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_put(err, errno, "cannot be written");

    rc = ks_fd_write_bulk(fd, data->ptr, data->len, temp, err);
    if (rc == KS_OK && fsync(fd) != 0)
        rc = fail_put(err, errno, "cannot be synced");
    /* Some file systems report a full disk only now. */
    if (close(fd) != 0 && rc == KS_OK)
        rc = fail_put(err, errno, "cannot be closed");
    if (rc < 0)
        (void)unlinkat(dirfd, temp, 0);
    return rc;
}

/* What file systems answer to a call that they do not know. */
static bool
is_missing_feature(int sys)
{
    return sys == EPERM || sys == EOPNOTSUPP || sys == ENOSYS || sys == EINVAL;
}

/*
 * Give the file `temp` the name `last`, which must not exist. Returns 0, or
 * the errno, and then `temp` is still there.
 *
 * Three ways, for file systems differ: network ones often know no rename
 * that refuses to replace, and some of those know no links either. The last
 * way could replace what another program puts under the same name in the
 * moment between look and rename.
 */
static int
take_name(int dirfd, const char *temp, const char *last)
{
    struct stat st;

    if (renameat2(dirfd, temp, dirfd, last, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;

    if (linkat(dirfd, temp, dirfd, last, 0) == 0) {
        (void)unlinkat(dirfd, temp, 0); /* one name too many, at worst */
        return 0;
    }
    if (!is_missing_feature(errno))
        return errno;

    if (fstatat(dirfd, last, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    if (errno != ENOENT)
        return errno;
    return renameat(dirfd, temp, dirfd, last) == 0 ? 0 : errno;
}

/* The three steps of a put, in a folder that is open. When a step fails, what
 * the steps before it did is undone. */
static int
put_in_folder(int dirfd, const char *last, const struct ks_bytes *data,
              struct ks_err *err)
{
    char temp[KS_TEMP_NAME_SIZE];
    int sys;
    int rc = write_temporary(dirfd, temp, data, err);

    assert(ks_store_name_ok(last));
    if (rc < 0)
        return rc;
    sys = take_name(dirfd, temp, last);
    if (sys != 0) {
        (void)unlinkat(dirfd, temp, 0);
        if (sys == EEXIST)
            return ks_fail(err, KS_E_EXISTS, 0, "there is one already");
        return fail_put(err, sys, "cannot be given its name");
    }
    /* A name that may vanish again is not one that was put. */
    rc = ks_dir_sync(dirfd, err);
    if (rc < 0)
        (void)unlinkat(dirfd, last, 0);
    return rc;
}

/* The descriptor of the folder is kept for the whole put: were the folder moved
 * meanwhile, the object would still be in it, whole. */
static int
folder_put(struct ks_store *s, const char *name, const void *data, size_t len,
           struct ks_err *err)
{
    struct folder_store *f = folder_of(s);
    struct name_parts part = split_name(name);
    struct ks_bytes bytes = {.ptr = data, .len = len};
    int dirfd = -1;
    int rc = open_or_make_folder(f, part.folder, &dirfd, err);

    if (rc == KS_OK)
        rc = put_in_folder(dirfd, part.last, &bytes, err);
    if (dirfd >= 0)
        (void)close(dirfd);
    return rc < 0 ? about_object(f, name, err) : KS_OK;
}

/*
 * Open an object for reading. Links are not followed and pipes not waited
 * for: what is not a plain file cannot have been put here by us.
 */
static int
open_object_file(const struct folder_store *f, const char *name, int *fd,
                 struct stat *st, struct ks_err *err)
{
    *fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ks_fail(err, KS_E_NOTFOUND, 0, "no such object");
    if (*fd < 0 && (errno == ELOOP || errno == ENXIO))
        return ks_fail(err, KS_E_CORRUPT, 0, "not a regular file");
    if (*fd < 0)
        return ks_fail(err, KS_E_IO, errno, "cannot be opened");
    if (fstat(*fd, st) != 0)
        return ks_fail(err, KS_E_IO, errno, "cannot be examined");
    if (!S_ISREG(st->st_mode))
        return ks_fail(err, KS_E_CORRUPT, 0, "not a regular file");
    return KS_OK;
}

/* One open for each get: a vault reads few large pieces, and a descriptor that
 * is kept would keep a removed object alive. */
static int /* NOLINTNEXTLINE(readability-function-size): as in the table */
folder_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
           size_t len, size_t *got, struct ks_err *err)
{
    const struct folder_store *f = folder_of(s);
    struct stat st = {0};
    int fd = -1;
    int rc = open_object_file(f, name, &fd, &st, err);

    if (rc == KS_OK && offset < (uint64_t)st.st_size)
        rc = ks_fd_pread(fd, data, len, offset, got, err);
    else if (rc == KS_OK)
        *got = 0;
    if (fd >= 0)
        (void)close(fd);
    return rc < 0 ? about_object(f, name, err) : KS_OK;
}

/* Answers like open_object_file() would, without opening. */
static int
folder_stat(struct ks_store *s, const char *name, uint64_t *size,
            struct ks_err *err)
{
    const struct folder_store *f = folder_of(s);
    struct stat st;
    int rc = KS_OK;

    if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            rc = ks_fail(err, KS_E_NOTFOUND, 0, "no such object");
        else
            rc = ks_fail(err, KS_E_IO, errno, "cannot be examined");
    } else if (!S_ISREG(st.st_mode)) {
        rc = ks_fail(err, KS_E_CORRUPT, 0, "not a regular file");
    }
    if (rc < 0)
        return about_object(f, name, err);
    *size = (uint64_t)st.st_size;
    return KS_OK;
}

/* What folder_list() hands to each entry of the walk. */
struct listing {
    int (*each)(void *user, const char *name, uint64_t size);
    void *user;
    struct ks_err *err;
};

/* Whether this is one part of an object's name. */
static bool
is_part(const char *name)
{
    return strchr(name, '/') == NULL && ks_store_name_ok(name);
}

/* Hand on one entry of a folder, if it is an object. */
static int
list_entry(void *user, int fd, const char *name)
{
    const struct listing *l = user;
    struct stat st;

    if (!is_part(name))
        return KS_OK;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) /* removed since the listing began */
            return KS_OK;
        return ks_fail(l->err, KS_E_IO, errno, "%s cannot be examined", name);
    }
    if (!S_ISREG(st.st_mode))
        return KS_OK;
    return l->each(l->user, name, (uint64_t)st.st_size);
}

/* The folder is read afresh each time, never from memory: another writer may
 * have put objects since, and a listing must show them. */
static int
folder_list(struct ks_store *s, const char *folder,
            int (*each)(void *user, const char *name, uint64_t size),
            void *user, struct ks_err *err)
{
    const struct folder_store *f = folder_of(s);
    struct listing l = {.each = each, .user = user, .err = err};
    int fd = openat(f->fd, folder[0] != '\0' ? folder : ".", FOLDER_FLAGS);
    int before = err->code;
    int rc;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return KS_OK; /* an absent folder lists nothing */
    if (fd < 0)
        rc = ks_fail(err, KS_E_IO, errno, "cannot be opened");
    else
        rc = ks_dir_walk(fd, list_entry, &l, err);
    if (err->code != before) /* ours, not an answer of each() */
        return ks_context(err, "%s/%s", f->path, folder);
    return rc;
}

/* A removal that is not durable could bring an object back after others that
 * were removed with it: so the folder is synced here too. */
static int
remove_in_folder(const struct folder_store *f, const struct name_parts *part,
                 struct ks_err *err)
{
    int rc = KS_OK;
    int fd = openat(f->fd, part->folder, FOLDER_FLAGS);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ks_fail(err, KS_E_NOTFOUND, 0, "no such object");
    if (fd < 0)
        return ks_fail(err, KS_E_IO, errno, "its folder cannot be opened");
    if (unlinkat(fd, part->last, 0) == 0)
        rc = ks_dir_sync(fd, err);
    else if (errno == ENOENT)
        rc = ks_fail(err, KS_E_NOTFOUND, 0, "no such object");
    else
        rc = ks_fail(err, KS_E_IO, errno, "cannot be removed");
    (void)close(fd);
    return rc;
}

static int
folder_remove(struct ks_store *s, const char *name, struct ks_err *err)
{
    const struct folder_store *f = folder_of(s);
    struct name_parts part = split_name(name);
    int rc = remove_in_folder(f, &part, err);

    return rc < 0 ? about_object(f, name, err) : KS_OK;
}

/* Every put and remove was durable when it returned. */
static int
folder_sync(struct ks_store *s, struct ks_err *err)
{
    (void)s;
    (void)err;
    return KS_OK;
}

/* Every put was durable, so there is nothing to finish. */
static void
folder_close(struct ks_store *s)
{
    struct folder_store *f = folder_of(s);

    if (f->fd >= 0)
        (void)close(f->fd);
    (void)pthread_mutex_destroy(&f->making);
    free(f->path);
    free(f);
}

static const struct ks_store_ops folder_ops = {
    .kind = "folder",
    .put = folder_put,
    .get = folder_get,
    .stat = folder_stat,
    .list = folder_list,
    .remove = folder_remove,
    .sync = folder_sync,
    .close = folder_close,
};

/* Remove a left-over temporary file; a courtesy, so failures do not matter. */
static int
sweep_entry(void *user, int fd, const char *name)
{
    const int64_t *now_ms = user;
    struct stat st;

    if (ks_dir_is_temp_name(name) &&
        fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) &&
        *now_ms - (int64_t)st.st_mtime * 1000 > STALE_AFTER_MS)
        (void)unlinkat(fd, name, 0);
    return KS_OK;
}

/* The same in the store's folder and in the folders of objects below it. */
static int
sweep_tree_entry(void *user, int fd, const char *name)
{
    struct ks_err ignored = KS_ERR_INIT;
    int below = -1;

    if (is_part(name))
        below = openat(fd, name, FOLDER_FLAGS | O_NOFOLLOW);
    if (below >= 0)
        (void)!ks_dir_walk(below, sweep_entry, user, &ignored);
    return sweep_entry(user, fd, name);
}

/* Remove what interrupted puts left here long ago. A younger one may be
 * another program's that is at it right now. */
static void
sweep_leftovers(const struct folder_store *f)
{
    struct ks_err ignored = KS_ERR_INIT;
    int64_t now_ms = ks_now_ms();
    int fd = openat(f->fd, ".", FOLDER_FLAGS);

    if (fd >= 0)
        (void)!ks_dir_walk(fd, sweep_tree_entry, &now_ms, &ignored);
}

/* For a walk over a folder that must have nothing in it. */
static int
refuse_entry(void *user, int fd, const char *name)
{
    struct ks_err *err = user;

    (void)fd;
    return ks_fail(err, KS_E_EXISTS, 0, "the folder is not empty: it has %s",
                   name);
}

/* A vault is never made among other files, where it would be hard to tell
 * from them, and to move. */
static int
expect_empty(const struct folder_store *f, struct ks_err *err)
{
    int fd = openat(f->fd, ".", FOLDER_FLAGS);

    if (fd < 0)
        return ks_fail(err, KS_E_IO, errno, "cannot be opened");
    return ks_dir_walk(fd, refuse_entry, err, err);
}

/* Make the new folder's own name durable. A folder above that we may not
 * even open is somebody else's to keep. */
static int
sync_above(const struct folder_store *f, struct ks_err *err)
{
    int rc;
    int fd = openat(f->fd, "..", FOLDER_FLAGS);

    if (fd < 0 && errno == EACCES)
        return KS_OK;
    if (fd < 0)
        return ks_fail(err, KS_E_IO, errno, "the folder above");
    rc = ks_dir_sync(fd, err);
    (void)close(fd);
    return rc;
}

/* Open the folder itself, and make it before if it is to be created. */
static int
open_path(struct folder_store *f, enum ks_store_mode mode, struct ks_err *err)
{
    struct stat st;
    int sys;

    if (mode == KS_STORE_CREATE && mkdir(f->path, 0700) != 0 && errno != EEXIST)
        return ks_fail_sys(err, errno, "the folder cannot be made");
    f->fd = open(f->path, FOLDER_FLAGS);
    if (f->fd >= 0)
        return KS_OK;

    /* Both a file in its place and a missing folder above are ENOTDIR. */
    sys = errno;
    if (sys == ENOTDIR && stat(f->path, &st) == 0)
        return ks_fail(err, KS_E_USAGE, 0,
                       "is a file, but a folder was expected (the name of an "
                       "archive file ends in .keepsay)");
    if (sys == ENOENT || sys == ENOTDIR)
        return ks_fail(err, KS_E_NOTFOUND, 0, "there is no such folder");
    return ks_fail_sys(err, sys, "the folder cannot be opened");
}

/* What each mode needs beyond an open folder. Reading needs nothing, so that it
 * goes on a medium that cannot be written. */
static int
open_folder_store(struct folder_store *f, enum ks_store_mode mode,
                  struct ks_err *err)
{
    int rc = open_path(f, mode, err);

    assert(f->path != NULL);
    if (rc == KS_OK && mode == KS_STORE_CREATE) {
        rc = expect_empty(f, err);
        if (rc == KS_OK)
            rc = sync_above(f, err);
    }
    if (rc == KS_OK && mode == KS_STORE_WRITE)
        sweep_leftovers(f);
    return rc < 0 ? ks_context(err, "%s", f->path) : KS_OK;
}

int
ks_store_open_folder(struct ks_store **out, const char *path,
                     const struct ks_store_options *options, struct ks_err *err)
{
    struct folder_store *f = calloc(1, sizeof(*f));
    int rc;

    if (f == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "%s: out of memory", path);
    f->base.ops = &folder_ops;
    f->base.read_only = options->mode == KS_STORE_READ;
    f->fd = -1;
    (void)pthread_mutex_init(&f->making, NULL);
    f->path = strdup(path);
    if (f->path == NULL)
        rc = ks_fail(err, KS_E_NOMEM, 0, "%s: out of memory", path);
    else
        rc = open_folder_store(f, options->mode, err);
    if (rc < 0) {
        folder_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return KS_OK;
}
