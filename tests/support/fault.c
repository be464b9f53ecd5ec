/*
 * fault: one plan, asked by every wrapped call whether it may go ahead.
 *
 * The linker turns a call of `name` into __wrap_name, and __real_name into
 * the true one. The list of names is in meson.build beside this file: a name
 * here that is missing there does not link.
 */
#include "fault.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#define FDS_MAX 1024 /* more than any test of ours opens */

enum mode { MODE_FAIL, MODE_FAIL_ON, MODE_SHORT };

static struct {
    bool armed;
    bool fired;
    enum mode mode;
    long left;        /* calls that still pass before the fault */
    int why;          /* errno, or 0 for the usual one of the call */
    const char *only; /* count only calls of these names; NULL counts all */
} plan;

static int fixed_random = -1; /* what getrandom fills in; -1: random bytes */
static char *log_text;
static size_t log_len;
static size_t log_cap;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *__real_realloc(void *p, size_t n);

/* How often `word` is among the words of text. */
static size_t
count_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    size_t count = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (n == len && memcmp(text, word, len) == 0)
            count++;
        text += n;
        text += strspn(text, " ");
    }
    return count;
}

static void
arm(enum mode mode, const char *only, long n, int why)
{
    assert(n >= 0);
    (void)pthread_mutex_lock(&lock);
    plan.armed = true;
    plan.fired = false;
    plan.mode = mode;
    plan.left = n;
    plan.why = why;
    plan.only = only;
    log_len = 0;
    if (log_text != NULL)
        log_text[0] = '\0';
    (void)pthread_mutex_unlock(&lock);
}

void
fault_arm(long n)
{
    arm(MODE_FAIL, NULL, n, 0);
}

void
fault_arm_errno(long n, int why)
{
    arm(MODE_FAIL, NULL, n, why);
}

void
fault_arm_call(const char *calls, long n, int why)
{
    arm(MODE_FAIL, calls, n, why);
}

void
fault_arm_lasting(const char *calls, long n, int why)
{
    arm(MODE_FAIL_ON, calls, n, why);
}

void
fault_arm_short(long n)
{
    arm(MODE_SHORT, NULL, n, 0);
}

void
fault_fix_random(int byte)
{
    assert(byte >= -1 && byte <= 255);
    fixed_random = byte;
}

bool
fault_disarm(void)
{
    bool fired;

    (void)pthread_mutex_lock(&lock);
    plan.armed = false;
    fired = plan.fired;
    (void)pthread_mutex_unlock(&lock);
    return fired;
}

const char *
fault_log(void)
{
    return log_text != NULL ? log_text : "";
}

size_t
fault_count(const char *call)
{
    return count_word(fault_log(), call);
}

size_t
fault_open_fds(void)
{
    size_t open_fds = 0;

    for (int fd = 0; fd < FDS_MAX; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            open_fds++;
    }
    return open_fds;
}

/* Append one name. Running out of memory here ends the test program. */
static void
log_call(const char *call)
{
    size_t len = strlen(call);

    if (log_cap - log_len < len + 2) {
        log_cap = 2 * log_cap + len + 256;
        log_text = __real_realloc(log_text, log_cap);
        if (log_text == NULL)
            abort();
    }
    if (log_len > 0)
        log_text[log_len++] = ' ';
    memcpy(log_text + log_len, call, len + 1);
    log_len += len;
}

/*
 * Log one call; true if it is the one that the plan means. `size` is what a
 * read or write was asked to move, 0 for all other calls.
 */
static bool
reached(const char *call, size_t size)
{
    if (!plan.armed)
        return false;
    log_call(call);
    if (plan.only != NULL && count_word(plan.only, call) == 0)
        return false;
    if (plan.mode == MODE_SHORT && size < 2)
        return false;
    if (plan.left > 0) {
        plan.left--;
        return false;
    }
    if (plan.fired && plan.mode != MODE_FAIL_ON)
        return false;
    plan.fired = true;
    return true;
}

/* 0 if the call may go ahead, else the errno that it must fail with. A short
 * transfer goes ahead with a smaller *size. */
static int
judge(const char *call, int usual, size_t *size)
{
    int why = 0;

    (void)pthread_mutex_lock(&lock);
    if (reached(call, size != NULL ? *size : 0)) {
        if (plan.mode == MODE_SHORT && size != NULL)
            *size /= 2;
        else
            why = plan.why != 0 && usual != ENOMEM ? plan.why : usual;
    }
    (void)pthread_mutex_unlock(&lock);
    return why;
}

/* The same; true, with errno set, if the call must fail. */
static bool
strike(const char *call, int usual, size_t *size)
{
    int why = judge(call, usual, size);

    if (why != 0)
        errno = why;
    return why != 0;
}

/* One wrapped symbol, logged as `name`. */
#define WRAP_AS(sym, name, type, params, args, failed, usual)                  \
    type __real_##sym params;                                                  \
    type __wrap_##sym params;                                                  \
    type __wrap_##sym params                                                   \
    {                                                                          \
        if (strike(#name, usual, NULL))                                        \
            return failed;                                                     \
        return __real_##sym args;                                              \
    }

#define WRAP(name, type, params, args, failed, usual)                          \
    WRAP_AS(name, name, type, params, args, failed, usual)

/* A symbol and its large-file twin. */
#define WRAP_64(name, type, params, args, failed, usual)                       \
    WRAP_AS(name, name, type, params, args, failed, usual)                     \
    WRAP_AS(name##64, name, type, params, args, failed, usual)

/* A transfer of n bytes, which may also come out short. */
#define WRAP_MOVE(sym, name, params, args, usual)                              \
    ssize_t __real_##sym params;                                               \
    ssize_t __wrap_##sym params;                                               \
    ssize_t __wrap_##sym params                                                \
    {                                                                          \
        if (strike(#name, usual, &n))                                          \
            return -1;                                                         \
        return __real_##sym args;                                              \
    }

/* A call that returns its error number instead of setting errno. */
#define WRAP_NUMBER(sym, name, params, args, usual)                            \
    int __real_##sym params;                                                   \
    int __wrap_##sym params;                                                   \
    int __wrap_##sym params                                                    \
    {                                                                          \
        int why = judge(#name, usual, NULL);                                   \
                                                                               \
        return why != 0 ? why : __real_##sym args;                             \
    }

/* memory */
WRAP(malloc, void *, (size_t n), (n), NULL, ENOMEM)
WRAP(calloc, void *, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAP(realloc, void *, (void *p, size_t n), (p, n), NULL, ENOMEM)
WRAP(reallocarray, void *, (void *p, size_t n, size_t size), (p, n, size), NULL,
     ENOMEM)
WRAP(strdup, char *, (const char *s), (s), NULL, ENOMEM)

/* open and openat take a mode only when they may create. */
static bool
takes_mode(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

#define WRAP_OPEN(sym)                                                         \
    int __real_##sym(const char *path, int flags, ...);                        \
    int __wrap_##sym(const char *path, int flags, ...);                        \
    int __wrap_##sym(const char *path, int flags, ...)                         \
    {                                                                          \
        mode_t mode = 0;                                                       \
        va_list ap;                                                            \
                                                                               \
        va_start(ap, flags);                                                   \
        if (takes_mode(flags))                                                 \
            mode = va_arg(ap, mode_t);                                         \
        va_end(ap);                                                            \
        if (strike("open", EMFILE, NULL))                                      \
            return -1;                                                         \
        return __real_##sym(path, flags, mode);                                \
    }

#define WRAP_OPENAT(sym)                                                       \
    int __real_##sym(int dir, const char *path, int flags, ...);               \
    int __wrap_##sym(int dir, const char *path, int flags, ...);               \
    int __wrap_##sym(int dir, const char *path, int flags, ...)                \
    {                                                                          \
        mode_t mode = 0;                                                       \
        va_list ap;                                                            \
                                                                               \
        va_start(ap, flags);                                                   \
        if (takes_mode(flags))                                                 \
            mode = va_arg(ap, mode_t);                                         \
        va_end(ap);                                                            \
        if (strike("openat", EMFILE, NULL))                                    \
            return -1;                                                         \
        return __real_##sym(dir, path, flags, mode);                           \
    }

/* files */
WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP_MOVE(read, read, (int fd, void *b, size_t n), (fd, b, n), EIO)
WRAP_MOVE(write, write, (int fd, const void *b, size_t n), (fd, b, n), ENOSPC)
WRAP_MOVE(pread, pread, (int fd, void *b, size_t n, off_t at), (fd, b, n, at),
          EIO)
WRAP_MOVE(pread64, pread, (int fd, void *b, size_t n, off_t at), (fd, b, n, at),
          EIO)
WRAP_MOVE(pwrite, pwrite, (int fd, const void *b, size_t n, off_t at),
          (fd, b, n, at), ENOSPC)
WRAP_MOVE(pwrite64, pwrite, (int fd, const void *b, size_t n, off_t at),
          (fd, b, n, at), ENOSPC)
WRAP_64(lseek, off_t, (int fd, off_t at, int from), (fd, at, from), -1, EINVAL)
WRAP_64(ftruncate, int, (int fd, off_t len), (fd, len), -1, EIO)
WRAP_64(fstat, int, (int fd, struct stat *st), (fd, st), -1, EIO)
WRAP_64(fstatat, int, (int dir, const char *path, struct stat *st, int flags),
        (dir, path, st, flags), -1, EACCES)
WRAP_64(stat, int, (const char *path, struct stat *st), (path, st), -1, EACCES)
WRAP_64(lstat, int, (const char *path, struct stat *st), (path, st), -1, EACCES)
WRAP_NUMBER(posix_fallocate, posix_fallocate, (int fd, off_t at, off_t len),
            (fd, at, len), ENOSPC)
WRAP_NUMBER(posix_fallocate64, posix_fallocate, (int fd, off_t at, off_t len),
            (fd, at, len), ENOSPC)

int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    bool fails = strike("close", EIO, NULL);
    int why = errno;
    int rc = __real_close(fd);

    if (!fails)
        return rc;
    errno = why;
    return -1;
}

/* What the compiler may call instead when _FORTIFY_SOURCE is on. */
WRAP_AS(__open64_2, open, int, (const char *path, int flags), (path, flags), -1,
        EMFILE)
WRAP_AS(__openat64_2, openat, int, (int dir, const char *path, int flags),
        (dir, path, flags), -1, EMFILE)
WRAP_MOVE(__read_chk, read, (int fd, void *b, size_t n, size_t cap),
          (fd, b, n, cap), EIO)
WRAP_MOVE(__pread64_chk, pread,
          (int fd, void *b, size_t n, off_t at, size_t cap),
          (fd, b, n, at, cap), EIO)

/* syncs */
WRAP(fsync, int, (int fd), (fd), -1, EIO)
WRAP(fdatasync, int, (int fd), (fd), -1, EIO)
WRAP(syncfs, int, (int fd), (fd), -1, EIO)

/* names */
WRAP(rename, int, (const char *from, const char *to), (from, to), -1, EIO)
WRAP(renameat, int, (int a, const char *from, int b, const char *to),
     (a, from, b, to), -1, EIO)
WRAP(renameat2, int,
     (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags), -1, EIO)
WRAP(link, int, (const char *from, const char *to), (from, to), -1, EPERM)
WRAP(linkat, int, (int a, const char *from, int b, const char *to, int flags),
     (a, from, b, to, flags), -1, EPERM)
WRAP(unlink, int, (const char *path), (path), -1, EACCES)
WRAP(unlinkat, int, (int dir, const char *path, int flags), (dir, path, flags),
     -1, EACCES)
WRAP(rmdir, int, (const char *path), (path), -1, EACCES)
WRAP(mkdir, int, (const char *path, mode_t mode), (path, mode), -1, EACCES)
WRAP(mkdirat, int, (int dir, const char *path, mode_t mode), (dir, path, mode),
     -1, EACCES)
WRAP(opendir, DIR *, (const char *path), (path), NULL, EMFILE)
WRAP(fdopendir, DIR *, (int fd), (fd), NULL, EMFILE)
WRAP_64(readdir, struct dirent *, (DIR * dir), (dir), NULL, EIO)

/* others */
WRAP(flock, int, (int fd, int how), (fd, how), -1, ENOLCK)
ssize_t __real_getrandom(void *buf, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags);
ssize_t
__wrap_getrandom(void *buf, size_t n, unsigned flags)
{
    if (strike("getrandom", ENOSYS, NULL))
        return -1;
    if (fixed_random < 0)
        return __real_getrandom(buf, n, flags);
    memset(buf, fixed_random, n);
    return (ssize_t)n;
}

WRAP_NUMBER(pthread_create, pthread_create,
            (pthread_t * thread, const pthread_attr_t *attr,
             void *(*run)(void *), void *arg),
            (thread, attr, run, arg), EAGAIN)
