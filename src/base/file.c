/*
 * file: reads and writes that finish, whatever the system call does halfway.
 */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_READ_STEP ((size_t)65536)

static ssize_t
read_retrying(int fd, void *buf, size_t len)
{
    ssize_t n;

    do {
        n = read(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    return n;
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
            size_t step =
                max - done < FILE_READ_STEP ? max - done : FILE_READ_STEP;

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
    if (S_ISDIR(st.st_mode)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "%s is a folder; a file is expected here", path);
    }
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

    do {
        fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
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
                               (unsigned long long)offset + done);
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return KS_OK;
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
