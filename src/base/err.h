#ifndef KS_BASE_ERR_H
#define KS_BASE_ERR_H

#include <stdbool.h>

/*
 * err: how every function in this library fails.
 *
 * A fallible function returns int and takes `struct ks_err *err` last:
 *
 *     KS_OK  (0)   you got what you asked for
 *     KS_END (1)   iterators and readers only: nothing more, not a failure
 *     KS_E_* (<0)  it failed; *err says why, and outputs are untouched
 *
 * The struct lives on the caller's stack, holds no pointers and needs no
 * freeing, so reporting out-of-memory cannot itself run out of memory.
 * Messages are for people under stress: what, where, what to do. They never
 * contain keys, passphrases or message text. They may quote file names: what
 * is no printable UTF-8 is recorded as '?', so that every message is safe to
 * print and to put into JSON.
 */
enum ks_code {
    KS_OK = 0,
    KS_END = 1,
    KS_E_NOMEM = -1,       /* an allocation failed */
    KS_E_IO = -2,          /* the operating system refused; sys = errno */
    KS_E_NOTFOUND = -3,    /* the named thing does not exist */
    KS_E_EXISTS = -4,      /* it exists and must not be replaced */
    KS_E_FORMAT = -5,      /* someone else's bytes break their own format */
    KS_E_CORRUPT = -6,     /* our bytes fail authentication or a checksum */
    KS_E_LIMIT = -7,       /* well formed, but larger than we accept */
    KS_E_UNSUPPORTED = -8, /* a version or feature we do not know */
    KS_E_WRONG_KEY = -9,   /* no slot of the vault opens with this key */
    KS_E_WRONG_SOURCE_KEY = -10, /* the source does not open with this key */
    KS_E_INCOMPLETE = -11,       /* its creation was never finished */
    KS_E_FULL = -12,             /* disk full or quota reached */
    KS_E_BUSY = -13,             /* in use by another program */
    KS_E_CANCELLED = -14,        /* the user or the caller asked to stop */
    KS_E_USAGE = -15,            /* the request itself makes no sense */
};

struct ks_err {
    int code;      /* enum ks_code; KS_OK until something fails */
    int sys;       /* errno that caused it, else 0 */
    bool retry;    /* true when the same call may succeed later */
    char msg[512]; /* "outer: inner", NUL-terminated UTF-8 */
};

#define KS_ERR_INIT   ((struct ks_err){0})
#define KS_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Record a first failure and return `code`, so callers `return ks_fail(...)`.
 * With sys != 0 the text of that errno is appended to the message.
 */
int ks_fail(struct ks_err *err, int code, int sys, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Record a failed system call: the code follows from `sys` (ENOENT and
 * ENOTDIR: NOTFOUND; EEXIST: EXISTS; ENOSPC, EDQUOT, EFBIG: FULL; ENOMEM:
 * NOMEM; else IO), and its text is appended; `retry` is set for EAGAIN, EINTR,
 * EBUSY, EMFILE and ENFILE. Returns the code.
 */
int ks_fail_sys(struct ks_err *err, int sys, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Prefix the message with where we were; returns err->code unchanged. */
int ks_context(struct ks_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The name of a code as JSON shows it, e.g. "WRONG_KEY"; never NULL. */
const char *ks_code_name(int code);

#endif /* KS_BASE_ERR_H */
