/*
 * dir: temporary names, folder syncs, and walks over a folder.
 */
#include "store/dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"

#define TEMP_PREFIX ".tmp-"
#define TEMP_BYTES  8 /* random bytes in a temporary name */

int
ks_dir_temp_name(char *out, struct ks_err *err)
{
    uint8_t noise[TEMP_BYTES];
    char hex[2 * TEMP_BYTES + 1];
    ssize_t n;

    /* Names only have to differ: no key is made from this. */
    do {
        n = getrandom(noise, sizeof(noise), 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(noise))
        return ks_fail(err, KS_E_IO, errno, "no random numbers");
    ks_hex_encode(hex, noise, sizeof(noise));
    n = snprintf(out, KS_TEMP_NAME_SIZE, TEMP_PREFIX "%s", hex);
    assert(n == (ssize_t)KS_TEMP_NAME_SIZE - 1);
    return KS_OK;
}

bool
ks_dir_is_temp_name(const char *name)
{
    size_t prefix = strlen(TEMP_PREFIX);

    return strncmp(name, TEMP_PREFIX, prefix) == 0 &&
           strspn(name + prefix, "0123456789abcdef") ==
               KS_TEMP_NAME_SIZE - 1 - prefix &&
           strlen(name) == KS_TEMP_NAME_SIZE - 1;
}

int
ks_dir_sync(int fd, struct ks_err *err)
{
    /* EINVAL and ENOTSUP are what file systems say that know no such sync. */
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP)
        return KS_OK;
    return ks_fail_sys(err, errno, "the folder cannot be synced");
}

/* The two entries that every folder has. */
static bool
is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int
ks_dir_walk(int fd, int (*each)(void *user, int fd, const char *name),
            void *user, struct ks_err *err)
{
    DIR *dir = fdopendir(fd);
    int rc = KS_OK;

    assert(fd >= 0 && each != NULL);
    if (dir == NULL) {
        rc = ks_fail(err, KS_E_IO, errno, "the folder cannot be listed");
        (void)close(fd);
        return rc;
    }
    while (rc == KS_OK) {
        const struct dirent *entry;

        errno = 0; /* the only way to tell the end from a failure */
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            rc = ks_fail(err, KS_E_IO, errno, "the folder cannot be listed");
        if (entry == NULL)
            break;
        if (!is_dots(entry->d_name))
            rc = each(user, dirfd(dir), entry->d_name);
    }
    (void)closedir(dir); /* and fd with it */
    return rc;
}
