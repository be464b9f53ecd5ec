#ifndef KS_TESTS_CRASH_STORE_H
#define KS_TESTS_CRASH_STORE_H

#include <stdbool.h>

#include "store/store.h"

/*
 * crash_store: a store in front of another one that stops changing it at a
 * given step, as if the machine had stopped there.
 *
 * A step is a put, a remove or a sync. Reading goes on, so what comes after
 * the crash must be asked of the store behind. Not closed with this one.
 */
#define CRASH_NEVER 1000000L

/* The first `steps` steps pass, the rest are KS_E_IO. */
struct ks_store *crash_store(struct ks_store *behind, long steps);

/* Only step number `step` (0 the first) is KS_E_IO; the others pass. */
struct ks_store *crash_store_once(struct ks_store *behind, long step);

/* Call listed() after each listing of a folder. */
void
crash_store_watch(struct ks_store *s,
                  void (*listed)(void *user, const char *folder), void *user);

/* Whether the crash was reached. */
bool crash_store_crashed(const struct ks_store *s);

/*
 * What was done, one word a step: "sync", "put:FOLDER" or "remove:FOLDER",
 * FOLDER being the whole name for one-part names; the same step repeated is
 * there once. Each word ends with a space.
 */
const char *crash_store_log(const struct ks_store *s);

#endif /* KS_TESTS_CRASH_STORE_H */
