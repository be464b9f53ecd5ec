/*
 * file: reads and writes that finish, and files that appear only finished.
 *
 *   FOLDER/<name>                      the target; old or new, never between
 *   FOLDER/.<name>.tmp-<8 hex digits>  what is being written; random, so that
 *                                      two writers never share one
 *
 * The folder is held open from the start and all names are relative to it: a
 * folder that is moved meanwhile, or a change of the working directory, does
 * not send the temporary file and the target to different places.
 */
#include "base/file.h"

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

#include "base/text.h"

#define READ_STEP     ((size_t)65536)
#define OUT_BUFFER    ((size_t)262144)
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
    bool broken; /* a write failed: it can never be committed */
    uint8_t *buf;
    size_t len; /* bytes of buf not yet written */
};

static int
fail_is_folder(struct ks_err *err, const char *path)
{
    return ks_fail(err, KS_E_USAGE, 0,
                   "%s is a folder; a file is expected here", path);
}

static int
open_retrying(int dirfd, const char *path, int flags, unsigned mode)
{
    int fd;

    do {
        fd = openat(dirfd, path, flags | O_CLOEXEC, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t
read_retrying(int fd, void *buf, size_t len)
{
    ssize_t n;

    do {
        n = read(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    return n;
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

/*
 * Append what fd still has to out, at most max bytes. It reads into the room
 * that out has; with none left it reads one byte to tell the end from more,
 * so that a buffer of just the right size is not grown (and copied) in vain.
 */
static int
read_to_end(int fd, const char *path, size_t max, struct ks_buf *out,
            struct ks_err *err)
{
    size_t done = 0;

    for (;;) {
        size_t spare = out->cap - out->len;
        size_t room = spare < max - done ? spare : max - done;
        uint8_t extra = 0;
        ssize_t n;

        n = room > 0 ? read_retrying(fd, out->data + out->len, room)
                     : read_retrying(fd, &extra, 1);
        if (n < 0)
            return ks_fail_sys(err, errno, "cannot read %s", path);
        if (n == 0)
            return KS_OK;
        if (room == 0 && done == max) {
            return ks_fail(err, KS_E_LIMIT, 0,
                           "%s is larger than the %zu bytes allowed here", path,
                           max);
        }
        if (room == 0) {
            size_t step = max - done < READ_STEP ? max - done : READ_STEP;

            if (ks_buf_reserve(out, step, err) != KS_OK)
                return ks_context(err, "cannot read %s", path);
            out->data[out->len] = extra;
        }
        out->len += (size_t)n;
        done += (size_t)n;
    }
}

/* What is open must be no folder; a regular file tells its size at once. */
static int
prepare_read(int fd, const char *path, size_t max, struct ks_buf *out,
             struct ks_err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return ks_fail_sys(err, errno, "cannot read %s", path);
    if (S_ISDIR(st.st_mode))
        return fail_is_folder(err, path);
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return KS_OK; /* a pipe; or a file in /proc, which says 0 */
    if ((uint64_t)st.st_size > max) {
        return ks_fail(err, KS_E_LIMIT, 0,
                       "%s has %lld bytes; %zu are allowed here", path,
                       (long long)st.st_size, max);
    }
    if (ks_buf_reserve(out, (size_t)st.st_size, err) != KS_OK)
        return ks_context(err, "cannot read %s", path);
    return KS_OK;
}

int
ks_file_read(const char *path, size_t max, struct ks_buf *out,
             struct ks_err *err)
{
    size_t before = out->len;
    int fd;
    int rc;

    if (max > out->max - out->len)
        max = out->max - out->len;

    fd = open_retrying(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    if (fd < 0)
        return ks_fail_sys(err, errno, "cannot open %s", path);
    rc = prepare_read(fd, path, max, out, err);
    if (rc == KS_OK)
        rc = read_to_end(fd, path, max, out, err);
    if (rc != KS_OK && out->len > before) {
        explicit_bzero(out->data + before, out->len - before);
        out->len = before;
    }
    (void)close(fd); /* nothing was written that could be lost */
    return rc;
}

int
ks_fd_write(int fd, const void *data, size_t len, const char *path,
            struct ks_err *err)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            /* 0 for more than 0 bytes would otherwise go on for ever */
            return ks_fail_sys(err, n < 0 ? errno : EIO, "cannot write %s",
                               path);
        }
        assert((size_t)n <= len);
        at += n;
        len -= (size_t)n;
    }
    return KS_OK;
}

int
ks_fd_pread(int fd, void *buf, size_t len, uint64_t offset, size_t *got,
            struct ks_err *err)
{
    uint8_t *at = buf;
    size_t done = 0;

    /* No file has bytes beyond INT64_MAX. */
    if (offset > INT64_MAX)
        len = 0;
    else if (len > INT64_MAX - offset)
        len = (size_t)(INT64_MAX - offset);

    while (done < len) {
        ssize_t n = pread(fd, at + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            return ks_fail_sys(err, errno, "cannot read at offset %llu",
                               (unsigned long long)(offset + done));
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return KS_OK;
}

/* Is a file that may be written standing, or missing, at the target? */
static int
check_target(const struct ks_outfile *f, struct ks_err *err)
{
    struct stat st;

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
    f->dirfd = open_retrying(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
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
        f->fd = open_retrying(f->dirfd, f->tmp,
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
    f->buf = malloc(OUT_BUFFER);
    if (f->path == NULL || f->buf == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "no memory to write %s", path);
        goto done;
    }
    rc = open_folder(f, err);
    if (rc != KS_OK)
        goto done;
    rc = check_target(f, err);
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
    int rc = ks_fd_write(f->fd, data, len, f->path, err);

    if (rc != KS_OK)
        f->broken = true;
    return rc;
}

static int
flush(struct ks_outfile *f, struct ks_err *err)
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

        if (f->len == 0 && len >= OUT_BUFFER) {
            n = len - len % OUT_BUFFER; /* large enough to go straight */
            rc = write_out(f, at, n, err);
        } else {
            memcpy(f->buf + f->len, at, n);
            f->len += n;
            if (f->len == OUT_BUFFER)
                rc = flush(f, err);
        }
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
take_name(struct ks_outfile *f, struct ks_err *err)
{
    int sys;

    if (f->replace) {
        int rc = check_target(f, err);

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
    rc = flush(f, err);
    if (rc == KS_OK)
        rc = finish_tmp(f, err);
    if (rc == KS_OK)
        rc = take_name(f, err);
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
    if (f->buf != NULL)
        explicit_bzero(f->buf, OUT_BUFFER);
    free(f->buf);
    free(f->name);
    free(f->path);
    free(f);
}

/* Make one folder unless it stands already. */
static int
make_dir(const char *path, struct ks_err *err)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return KS_OK;
    if (errno != EEXIST)
        return ks_fail_sys(err, errno, "cannot create the folder %s", path);
    if (stat(path, &st) != 0)
        return ks_fail_sys(err, errno, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "%s is a file; a folder is expected here", path);
    }
    return KS_OK;
}

int
ks_make_dirs(const char *path, struct ks_err *err)
{
    char *copy = strdup(path);
    char *slash = copy;
    int rc = KS_OK;

    if (copy == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory to create %s", path);
    if (path[0] == '\0')
        rc = ks_fail(err, KS_E_USAGE, 0, "a folder name is missing");

    /* Each part in turn, leaving out the empty ones of "//" and a first "/". */
    while (rc == KS_OK && slash != NULL) {
        slash += strspn(slash, "/");
        if (*slash == '\0')
            break;
        slash = strchr(slash, '/');
        if (slash != NULL)
            *slash = '\0';
        rc = make_dir(copy, err);
        if (slash != NULL)
            *slash = '/';
    }
    free(copy);
    return rc;
}
