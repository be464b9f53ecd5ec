/*
 * outfile: files that appear only when finished.
 *
 *   FOLDER/<name>                      the target; old or new, never between
 *   FOLDER/.<name>.tmp-<8 hex digits>  what is being written; random, so that
 *                                      two writers never share one
 *
 * The folder is held open from the start and all names are relative to it: a
 * folder that is moved meanwhile, or a change of the working directory, does
 * not send the temporary file and the target to different places.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bulk.h"
#include "base/file.h"
#include "base/text.h"

#define OUT_BUFFER    KS_BULK_MIN
#define TMP_RANDOM    ((size_t)4)
#define TMP_ATTEMPTS  16
#define TMP_EXTRA     (sizeof("..tmp-") - 1 + 2 * TMP_RANDOM)
#define TMP_NAME_SIZE ((size_t)NAME_MAX + 1)

struct ks_outfile {
    char *path; /* as the caller gave it, for messages */
    char *name; /* its last part */
    char tmp[TMP_NAME_SIZE];
    int dirfd;
    int fd;      /* the temporary file while it is open, else -1 */
    bool exists; /* the temporary name is taken by us */
    bool replace;
    bool broken;     /* a write failed: it can never be committed */
    uint8_t *memory; /* what was allocated for buf */
    uint8_t *buf;    /* OUT_BUFFER bytes, aligned for bulk writes */
    size_t len;      /* bytes of buf not yet written */
};

static int
fail_is_folder(struct ks_err *err, const char *path)
{
    return ks_fail(err, KS_E_USAGE, 0,
                   "%s is a folder; a file is expected here", path);
}

static int
openat_retrying(int dirfd, const char *path, int flags, unsigned mode)
{
    int fd;

    do {
        fd = openat(dirfd, path, flags | O_CLOEXEC, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int
sync_retrying(int fd)
{
    int rc;

    do {
        rc = fsync(fd);
    } while (rc != 0 && errno == EINTR);
    return rc;
}

/* Is a file that may be written standing, or missing, at the target? */
static int
check_out_target(const struct ks_outfile *f, struct ks_err *err)
{
    struct stat st;

    assert(f->name != NULL && f->dirfd >= 0);

    if (fstatat(f->dirfd, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return KS_OK;
        return ks_fail_sys(err, errno, "cannot look at %s", f->path);
    }
    if (S_ISDIR(st.st_mode))
        return fail_is_folder(err, f->path);
    if (!f->replace) {
        return ks_fail(err, KS_E_EXISTS, 0,
                       "%s exists already and is not replaced", f->path);
    }
    if (!S_ISREG(st.st_mode)) {
        return ks_fail(err, KS_E_EXISTS, 0,
                       "%s exists, is no ordinary file, and is not replaced",
                       f->path);
    }
    return KS_OK;
}

/* Split path: f->name is the last part, f->dirfd its folder. */
static int
open_folder(struct ks_outfile *f, struct ks_err *err)
{
    const char *slash = strrchr(f->path, '/');
    const char *name = slash != NULL ? slash + 1 : f->path;
    const char *folder = ".";
    char *copy = NULL;
    int rc = KS_OK;

    if (f->path[0] == '\0')
        return ks_fail(err, KS_E_USAGE, 0, "a file name is missing");
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return fail_is_folder(err, f->path);

    f->name = strdup(name);
    copy = strdup(f->path);
    if (f->name == NULL || copy == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "no memory to write %s", f->path);
        goto done;
    }
    if (slash != NULL) {
        copy[slash - f->path + 1] = '\0'; /* with the slash: "/" stays "/" */
        folder = copy;
    }
    f->dirfd = openat_retrying(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
    if (f->dirfd < 0)
        rc = ks_fail_sys(err, errno, "cannot open the folder of %s", f->path);
done:
    free(copy);
    return rc;
}

/* A fresh temporary name. A long name is cut so that it still fits. */
static int
draw_tmp_name(struct ks_outfile *f, struct ks_err *err)
{
    char hex[2 * TMP_RANDOM + 1];
    uint8_t bytes[TMP_RANDOM];
    ssize_t n;

    do {
        n = getrandom(bytes, sizeof(bytes), 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(bytes)) {
        return ks_fail_sys(err, n < 0 ? errno : EIO,
                           "cannot draw random bytes to write %s", f->path);
    }
    ks_hex_encode(hex, bytes, sizeof(bytes));
    (void)snprintf(f->tmp, sizeof(f->tmp), ".%.*s.tmp-%s",
                   (int)(NAME_MAX - TMP_EXTRA), f->name, hex);
    return KS_OK;
}

static int
create_tmp(struct ks_outfile *f, unsigned mode, struct ks_err *err)
{
    for (int i = 0; i < TMP_ATTEMPTS; i++) {
        int rc = draw_tmp_name(f, err);

        if (rc != KS_OK)
            return rc;
        f->fd = openat_retrying(f->dirfd, f->tmp,
                                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (f->fd >= 0) {
            f->exists = true;
            return KS_OK;
        }
        if (errno != EEXIST)
            break;
    }
    return ks_fail_sys(err, errno, "cannot create %s", f->path);
}

int
ks_outfile_open(struct ks_outfile **out, const char *path, unsigned mode,
                bool replace, struct ks_err *err)
{
    struct ks_outfile *f;
    int rc;

    assert(path != NULL);
    assert((mode & ~0777U) == 0);

    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory to write %s", path);
    f->dirfd = -1;
    f->fd = -1;
    f->replace = replace;
    f->path = strdup(path);
    f->memory = malloc(OUT_BUFFER + KS_BULK_ALIGN);
    if (f->path == NULL || f->memory == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "no memory to write %s", path);
        goto done;
    }
    f->buf = f->memory + (KS_BULK_ALIGN - (uintptr_t)f->memory % KS_BULK_ALIGN);
    rc = open_folder(f, err);
    if (rc != KS_OK)
        goto done;
    rc = check_out_target(f, err);
    if (rc != KS_OK)
        goto done;
    rc = create_tmp(f, mode, err);
    if (rc != KS_OK)
        goto done;
    *out = f;
    f = NULL;
done:
    ks_outfile_close(f);
    return rc;
}

/* Write bytes to the temporary file, past the buffer. */
static int
write_out(struct ks_outfile *f, const void *data, size_t len,
          struct ks_err *err)
{
    int rc = ks_fd_write_bulk(f->fd, data, len, f->path, err);

    if (rc != KS_OK)
        f->broken = true;
    return rc;
}

static int
flush_buffer(struct ks_outfile *f, struct ks_err *err)
{
    int rc = write_out(f, f->buf, f->len, err);

    f->len = 0;
    return rc;
}

static int
fail_if_broken(const struct ks_outfile *f, struct ks_err *err)
{
    if (!f->broken)
        return KS_OK;
    return ks_fail(err, KS_E_IO, 0, "an earlier write to %s failed", f->path);
}

int
ks_outfile_write(struct ks_outfile *f, const void *data, size_t len,
                 struct ks_err *err)
{
    const uint8_t *at = data;
    int rc = fail_if_broken(f, err);

    assert(f->fd >= 0 || f->broken); /* not after commit */
    assert(f->len <= OUT_BUFFER);

    while (rc == KS_OK && len > 0) {
        size_t room = OUT_BUFFER - f->len;
        size_t n = len < room ? len : room;

        memcpy(f->buf + f->len, at, n);
        f->len += n;
        if (f->len == OUT_BUFFER)
            rc = flush_buffer(f, err);
        at += n;
        len -= n;
    }
    return rc;
}

/* Bytes to the disk, and the descriptor given back: some network file systems
 * report a failed write only then. */
static int
finish_tmp(struct ks_outfile *f, struct ks_err *err)
{
    int fd = f->fd;

    if (sync_retrying(fd) != 0)
        return ks_fail_sys(err, errno, "cannot write %s to disk", f->path);
    f->fd = -1;
    if (close(fd) != 0 && errno != EINTR)
        return ks_fail_sys(err, errno, "cannot write %s to disk", f->path);
    return KS_OK;
}

/* Does this errno mean that a file system lacks the call? */
static bool
is_lacking(int sys)
{
    return sys == EINVAL || sys == ENOSYS || sys == ENOTSUP || sys == EPERM;
}

/*
 * Give the temporary file its name where nothing may be replaced; returns an
 * errno. Not every file system has the first way (NFS), nor the second (some
 * mounted clouds); the third leaves a moment between looking and renaming.
 */
static int
take_free_name(struct ks_outfile *f)
{
    struct stat st;

    if (renameat2(f->dirfd, f->tmp, f->dirfd, f->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (!is_lacking(errno))
        return errno;
    if (linkat(f->dirfd, f->tmp, f->dirfd, f->name, 0) == 0) {
        (void)unlinkat(f->dirfd, f->tmp, 0); /* the target stands already */
        return 0;
    }
    if (!is_lacking(errno))
        return errno;
    if (fstatat(f->dirfd, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    if (errno != ENOENT)
        return errno;
    return renameat(f->dirfd, f->tmp, f->dirfd, f->name) == 0 ? 0 : errno;
}

static int
take_target_name(struct ks_outfile *f, struct ks_err *err)
{
    int sys;

    if (f->replace) {
        int rc = check_out_target(f, err);

        if (rc != KS_OK)
            return rc;
        sys = 0;
        if (renameat(f->dirfd, f->tmp, f->dirfd, f->name) != 0)
            sys = errno;
    } else {
        sys = take_free_name(f);
    }
    if (sys == EEXIST) {
        return ks_fail(err, KS_E_EXISTS, 0,
                       "%s appeared meanwhile and is not replaced", f->path);
    }
    if (sys != 0)
        return ks_fail_sys(err, sys, "cannot finish %s", f->path);
    f->exists = false;
    return KS_OK;
}

int
ks_outfile_commit(struct ks_outfile *f, struct ks_err *err)
{
    int rc = fail_if_broken(f, err);

    if (rc != KS_OK)
        return rc;
    assert(f->fd >= 0); /* once only */

    /* The bytes, then the name, then the folder: in that order on disk. */
    rc = flush_buffer(f, err);
    if (rc == KS_OK)
        rc = finish_tmp(f, err);
    if (rc == KS_OK)
        rc = take_target_name(f, err);
    if (rc != KS_OK) {
        f->broken = true;
        return rc;
    }
    /* A file system that cannot sync a folder says EINVAL: it has no more to
     * give. */
    if (sync_retrying(f->dirfd) != 0 && errno != EINVAL && errno != ENOTSUP)
        return ks_fail_sys(err, errno, "cannot sync the folder of %s", f->path);
    return KS_OK;
}

void
ks_outfile_close(struct ks_outfile *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        (void)close(f->fd); /* it is thrown away */
    if (f->exists)
        (void)unlinkat(f->dirfd, f->tmp, 0);
    if (f->dirfd >= 0)
        (void)close(f->dirfd);
    if (f->memory != NULL)
        explicit_bzero(f->memory, OUT_BUFFER + KS_BULK_ALIGN);
    free(f->memory);
    free(f->name);
    free(f->path);
    free(f);
}
