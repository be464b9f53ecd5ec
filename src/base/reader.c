/*
 * reader: the checks that hold for every kind, and the reader over memory.
 */
#include "base/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int
ks_reader_read(struct ks_reader *r, void *buf, size_t cap, size_t *got,
               struct ks_err *err)
{
    size_t n = 0;
    int rc;

    assert(r != NULL && buf != NULL);
    assert(cap >= 1);

    /* Checked here once for all kinds: what each table entry promises. */
    rc = r->ops->read(r, buf, cap, &n, err);
    if (rc < 0)
        return rc;
    assert(rc == KS_OK || rc == KS_END);
    assert(rc == KS_OK ? n >= 1 && n <= cap : n == 0);
    *got = n;
    return rc;
}

int
ks_reader_fill(struct ks_reader *r, void *buf, size_t cap, size_t *got,
               struct ks_err *err)
{
    uint8_t *at = buf;
    size_t done = 0;

    while (done < cap) {
        size_t n = 0;
        int rc = ks_reader_read(r, at + done, cap - done, &n, err);

        if (rc < 0)
            return rc;
        if (rc == KS_END)
            break;
        done += n;
    }
    *got = done;
    return KS_OK;
}

void
ks_reader_close(struct ks_reader *r)
{
    if (r != NULL)
        r->ops->close(r);
}

/* What is left of the caller's bytes; they are borrowed, never copied whole. */
struct bytes_reader {
    struct ks_reader base;
    const uint8_t *ptr;
    size_t left;
};

static int
bytes_read(struct ks_reader *r, void *buf, size_t cap, size_t *got,
           struct ks_err *err)
{
    struct bytes_reader *b = (struct bytes_reader *)r;
    size_t n = b->left < cap ? b->left : cap;

    (void)err; /* memory does not fail */
    *got = n;
    if (n == 0)
        return KS_END;
    memcpy(buf, b->ptr, n);
    b->ptr += n;
    b->left -= n;
    return KS_OK;
}

static void
bytes_close(struct ks_reader *r)
{
    free(r);
}

static const struct ks_reader_ops bytes_ops = {
    .read = bytes_read,
    .close = bytes_close,
};

int
ks_reader_open_bytes(struct ks_reader **out, const void *data, size_t len,
                     struct ks_err *err)
{
    struct bytes_reader *b;

    assert(data != NULL || len == 0);

    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a reader");
    b->base.ops = &bytes_ops;
    b->ptr = data;
    b->left = len;
    *out = &b->base;
    return KS_OK;
}
