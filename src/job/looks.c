/*
 * looks: one stat and two short reads.
 */
#include "job/looks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"

/* Two seconds, the step of FAT's clock: a change within it could leave the
 * times as they are. */
#define SETTLE_NS ((int64_t)2 * 1000 * 1000 * 1000)

/* A time of the file system in nanoseconds. */
static int64_t
ns_of(const struct timespec *t)
{
    int64_t ns;

    if (__builtin_mul_overflow((int64_t)t->tv_sec, 1000000000, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
        return INT64_MAX; /* a time that no clock has: never settled */
    return ns;
}

/* The canonical path by its hash: what is remembered does not say which
 * files a person has. */
static int
hash_path(uint8_t *out, const char *path, struct ks_err *err)
{
    char *canonical = realpath(path, NULL);

    if (canonical == NULL)
        return ks_fail_sys(err, errno, "cannot find %s", path);
    ks_sha256(out, canonical, strlen(canonical));
    free(canonical);
    return KS_OK;
}

/* The SHA-256 of up to KS_LOOKS_EDGE bytes at `offset`. */
static int
hash_edge(uint8_t *out, int fd, uint64_t offset, struct ks_err *err)
{
    uint8_t *edge = malloc(KS_LOOKS_EDGE);
    size_t got = 0;
    int rc;

    if (edge == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory to look at a file");
    rc = ks_fd_pread(fd, edge, KS_LOOKS_EDGE, offset, &got, err);
    if (rc == KS_OK)
        ks_sha256(out, edge, got);
    free(edge);
    return rc;
}

/* Fill in what can be seen of an open file. */
static int
look_at(struct ks_looks *l, int fd, const char *path, struct ks_err *err)
{
    struct stat st;
    int rc;

    if (fstat(fd, &st) != 0)
        return ks_fail_sys(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       S_ISDIR(st.st_mode)
                           ? "%s is a folder; a backup file is expected here"
                           : "%s is no ordinary file",
                       path);
    }
    l->size = (uint64_t)st.st_size;
    l->mtime_ns = ns_of(&st.st_mtim);
    l->ctime_ns = ns_of(&st.st_ctim);
    l->inode = (uint64_t)st.st_ino;
    rc = hash_edge(l->head, fd, 0, err);
    if (rc == KS_OK)
        rc = hash_edge(l->tail, fd,
                       l->size > KS_LOOKS_EDGE ? l->size - KS_LOOKS_EDGE : 0,
                       err);
    return rc == KS_OK ? rc : ks_context(err, "%s", path);
}

int
ks_looks_take(struct ks_looks *out, const char *path, struct ks_err *err)
{
    struct ks_looks l = {0};
    int fd;
    int rc;

    /* Without O_NONBLOCK a pipe would hold us here until somebody writes. */
    fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return ks_fail_sys(err, errno, "cannot open %s", path);
    rc = look_at(&l, fd, path, err);
    (void)close(fd);
    if (rc == KS_OK)
        rc = hash_path(l.path, path, err);
    if (rc == KS_OK)
        *out = l;
    return rc;
}

bool
ks_looks_same(const struct ks_looks *a, const struct ks_looks *b)
{
    return memcmp(a->path, b->path, sizeof(a->path)) == 0 &&
           a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns && a->inode == b->inode &&
           memcmp(a->head, b->head, sizeof(a->head)) == 0 &&
           memcmp(a->tail, b->tail, sizeof(a->tail)) == 0;
}

bool
ks_looks_settled(const struct ks_looks *looks, int64_t now_ms)
{
    /* A clock that was set back gives an age below zero, and a time that no
     * clock has one that no number holds: neither is settled. */
    int64_t newest =
        looks->mtime_ns > looks->ctime_ns ? looks->mtime_ns : looks->ctime_ns;
    int64_t now_ns;
    int64_t age;

    return !__builtin_mul_overflow(now_ms, 1000000, &now_ns) &&
           !__builtin_sub_overflow(now_ns, newest, &age) && age >= SETTLE_NS;
}
