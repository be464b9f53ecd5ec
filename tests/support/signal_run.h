#ifndef KS_TESTS_SIGNAL_RUN_H
#define KS_TESTS_SIGNAL_RUN_H

#include <stdbool.h>

#include "memory_snapshot.h"
#include "signal_file.h"
#include "source/source.h"

/*
 * signal_run: a hand-made file through the connector and back.
 */

/* Open with its source key and capture into *out, which the caller frees; it
 * stays NULL if opening fails. The answer of the first step that failed. */
int signal_run_capture(struct memory_snapshot **out,
                       const struct signal_file *f, const struct workdir *w,
                       const struct ks_policy *policy, struct ks_err *err);

/* The same where it must succeed. */
struct memory_snapshot *
signal_run_good(const struct signal_file *f, const struct workdir *w,
                const struct ks_policy *policy);

/* Restore to `name` in w, under `passphrase` or, if NULL, the original. */
int signal_run_restore(struct memory_snapshot *m, const struct workdir *w,
                       const char *name, const char *passphrase,
                       struct ks_err *err);

/* Open the file `name` with `passphrase` and capture it; must succeed. */
struct memory_snapshot *
signal_run_file(const struct workdir *w, const char *name,
                const char *passphrase, const struct ks_policy *policy);

/* How many records of `all` are not in `part`, whose streams, the order apart,
 * must hold nothing else and in the same order. */
size_t signal_run_missing(const struct memory_snapshot *all,
                          const struct memory_snapshot *part);

/* How many records have a byte in [from, to) of the file: one of their frame,
 * or of its blob. */
size_t signal_run_touched(const struct signal_file *f, size_t from, size_t to);

/* Capture f as it is now, with --allow-incomplete. */
struct memory_snapshot *
signal_run_damaged(const struct signal_file *f, const struct workdir *w);

#endif /* KS_TESTS_SIGNAL_RUN_H */
