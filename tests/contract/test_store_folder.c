/*
 * The folder store keeps the contract of stores.
 */
#include "store_contract.h"

static int
open_folder(struct ks_store **out, const struct workdir *w,
            enum ks_store_mode mode, struct ks_err *err)
{
    struct ks_store_options options = {.mode = mode};

    return ks_store_open_folder(out, workdir_path(w, "vault"), &options, err);
}

int
main(void)
{
    static const struct store_kind kind = {"folder store", true, open_folder};

    return store_contract(&kind);
}
