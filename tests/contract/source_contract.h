#ifndef KS_TESTS_SOURCE_CONTRACT_H
#define KS_TESTS_SOURCE_CONTRACT_H

#include "memory_snapshot.h"
#include "source/source.h"

/*
 * source_contract: what src/source/source.h promises, asked of one connector
 * over plain memory. The suite is the same for all; a kind is a sample.
 */
struct source_kind {
    const struct ks_source_ops *ops;
    const char *sample; /* path of a good source with media in it */
    const char *secret; /* opens it */
    const char *wrong;  /* does not */
};

/* Run the suite; the answer is for main() to return. */
int source_contract(const struct source_kind *asked);

/* For a kind's own tests: capture the file at `path`, which must succeed. */
struct memory_snapshot *
source_captured(const struct ks_source_ops *ops, const char *path,
                const char *secret, const struct ks_policy *policy);

/* Restore m to `path`: the original if secret is NULL. */
int source_restored(const struct ks_source_ops *ops, struct memory_snapshot *m,
                    const char *path, const char *secret, struct ks_err *err);

#endif /* KS_TESTS_SOURCE_CONTRACT_H */
