/*
 * registry: every connector there is, one line each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "source/signal_v1/signal_v1.h"
#include "source/source.h"

#define PROBE_SIZE ((size_t)64 << 10) /* what a connector bids on */

/* A connector is known by being here; the order does not matter, because the
 * highest bid wins. */
static const struct ks_source_ops *const connectors[] = {
    &ks_source_signal_v1,
};
#define CONNECTORS (sizeof(connectors) / sizeof(connectors[0]))

const struct ks_source_ops *
ks_source_by_name(const char *name)
{
    for (size_t i = 0; i < CONNECTORS; i++)
        if (strcmp(connectors[i]->name, name) == 0)
            return connectors[i];
    return NULL;
}

/* Read the first bytes of the file at `path` into head[0..PROBE_SIZE). */
static int
read_first_bytes(const char *path, uint8_t *head, size_t *got,
                 struct ks_err *err)
{
    struct stat st;
    int rc;
    /* O_NONBLOCK: a FIFO must not hang us before we see what it is. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return ks_fail_sys(err, errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0)
        rc = ks_fail_sys(err, errno, "cannot examine %s", path);
    else if (S_ISDIR(st.st_mode))
        rc = ks_fail(err, KS_E_USAGE, 0,
                     "%s is a folder; name the backup file in it", path);
    else if (!S_ISREG(st.st_mode))
        rc = ks_fail(err, KS_E_USAGE, 0, "%s is not a regular file", path);
    else
        /* A shorter file is no failure: *got says how much there is. */
        rc = ks_fd_pread(fd, head, PROBE_SIZE, 0, got, err);
    (void)close(fd); /* only read from: nothing can be lost */
    return rc;
}

/* Everybody is asked: a file may look like two formats, and more like one. */
int
ks_source_probe(const struct ks_source_ops **out, const char *path,
                struct ks_err *err)
{
    const struct ks_source_ops *best = NULL;
    uint8_t *head = malloc(PROBE_SIZE);
    size_t got = 0;
    int highest = 0;
    int rc;

    if (head == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "examining %s", path);
    rc = read_first_bytes(path, head, &got, err);
    for (size_t i = 0; rc == KS_OK && i < CONNECTORS; i++) {
        /* Of equal bids the first in the table wins. */
        int bid = connectors[i]->probe(head, got);
        if (bid > highest) {
            highest = bid;
            best = connectors[i];
        }
    }
    free(head);
    if (rc != KS_OK)
        return rc;
    if (best == NULL)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       got == 0 ? "%s is empty (0 bytes)"
                                : "%s is in no format that this keepsay knows",
                       path);
    *out = best;
    return KS_OK;
}
