#ifndef KS_TESTS_STORE_CONTRACT_H
#define KS_TESTS_STORE_CONTRACT_H

#include <stdbool.h>

#include "store/store.h"
#include "workdir.h"

/*
 * store_contract: what src/store/store.h promises, asked of one kind of
 * store. The suite is the same for all; a kind is a few lines.
 */
struct store_kind {
    const char *name;
    bool lasts; /* what it holds is there when it is opened again */

    /* Open the one store that a test has in its folder. A kind that does not
     * last is only ever asked to create. */
    int (*open)(struct ks_store **out, const struct workdir *w,
                enum ks_store_mode mode, struct ks_err *err);
};

/* Run the suite; the answer is for main() to return. */
int store_contract(const struct store_kind *kind);

#endif /* KS_TESTS_STORE_CONTRACT_H */
