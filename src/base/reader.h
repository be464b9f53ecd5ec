#ifndef KS_BASE_READER_H
#define KS_BASE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * reader: bytes that arrive in order, pulled by whoever needs them.
 *
 * Floor 0. An interface: each implementation has a struct ks_reader as its
 * first member and a static const table. Life: (made by its kind) -> read* ->
 * close. Not seekable, one thread at a time, the caller brings the buffer.
 */
struct ks_reader;

struct ks_reader_ops {
    /* KS_OK: 1 <= *got <= cap. KS_END: *got == 0, and again for ever.
     * Fails with whatever its kind says; then it may only be closed. */
    int (*read)(struct ks_reader *r, void *buf, size_t cap, size_t *got,
                struct ks_err *err);
    void (*close)(struct ks_reader *r);
};

struct ks_reader {
    const struct ks_reader_ops *ops;
};

/* Read the next 1..cap bytes, cap >= 1. See the table for the answers. */
KS_MUST_CHECK int ks_reader_read(struct ks_reader *r, void *buf, size_t cap,
                                 size_t *got, struct ks_err *err);

/* Read until buf[0..cap) is full or the end: *got < cap only at the end.
 * Always KS_OK or an error, never KS_END. */
KS_MUST_CHECK int ks_reader_fill(struct ks_reader *r, void *buf, size_t cap,
                                 size_t *got, struct ks_err *err);

/* Close and free. NULL is ok. */
void ks_reader_close(struct ks_reader *r);

/* A reader over data[0..len), which must outlive it. KS_E_NOMEM. */
KS_MUST_CHECK int ks_reader_open_bytes(struct ks_reader **out, const void *data,
                                       size_t len, struct ks_err *err);

#endif /* KS_BASE_READER_H */
