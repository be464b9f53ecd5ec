/*
 * The memory store keeps the contract of stores.
 */
#include "store_contract.h"

static int
open_memory(struct ks_store **out, const struct workdir *w,
            enum ks_store_mode mode, struct ks_err *err)
{
    (void)w;
    (void)mode;
    return ks_store_open_memory(out, err);
}

int
main(void)
{
    static const struct store_kind kind = {"memory store", false, open_memory};

    return store_contract(&kind);
}
