#ifndef KS_TESTS_STORE_KIND_H
#define KS_TESTS_STORE_KIND_H

#include <stdbool.h>

#include "store/store.h"
#include "workdir.h"

/*
 * store_kind: one kind of store, as the contract asks it.
 */
struct store_kind {
    const char *name;
    bool lasts; /* what it holds is there when it is opened again */

    /* Open the one store that a test has in its folder. A kind that does not
     * last is only ever asked to create. */
    int (*open)(struct ks_store **out, const struct workdir *w,
                enum ks_store_mode mode, struct ks_err *err);
};

#endif /* KS_TESTS_STORE_KIND_H */
