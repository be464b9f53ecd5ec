/*
 * bulk: O_DIRECT while whole blocks last, then the usual way.
 */
#include "base/bulk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/file.h"

/* Ask for writes around the page cache, or for usual ones again. */
static bool
set_direct(int fd, bool direct)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return false;
    flags = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
    return fcntl(fd, F_SETFL, flags) == 0;
}

/* Whole blocks as far as they go: the bytes written. A short write or an error
 * ends it; the usual way then goes on, and says what is wrong if it is. */
static size_t
write_blocks(int fd, const uint8_t *data, size_t len)
{
    size_t whole = len - len % KS_BULK_ALIGN;
    size_t done = 0;

    if (!set_direct(fd, true))
        return 0;
    while (done < whole && done % KS_BULK_ALIGN == 0) {
        ssize_t n = write(fd, data + done, whole - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    /* If this failed, a tail that is no whole block could not be written; it
     * does not fail where the first one did not. */
    (void)set_direct(fd, false);
    return done;
}

int
ks_fd_write_bulk(int fd, const void *data, size_t len, const char *path,
                 struct ks_err *err)
{
    size_t done = 0;

    if (len >= KS_BULK_MIN && (uintptr_t)data % KS_BULK_ALIGN == 0)
        done = write_blocks(fd, data, len);
    assert(done <= len);
    return ks_fd_write(fd, (const uint8_t *)data + done, len - done, path, err);
}
