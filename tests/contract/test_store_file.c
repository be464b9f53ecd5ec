/*
 * The file store keeps the contract of stores.
 */
#include "store_contract.h"

static int
open_file(struct ks_store **out, const struct workdir *w,
          enum ks_store_mode mode, struct ks_err *err)
{
    struct ks_store_options options = {.mode = mode};

    return ks_store_open_file(out, workdir_path(w, "x.keepsay"), &options, err);
}

int
main(void)
{
    static const struct store_kind kind = {"file store", true, open_file};

    return store_contract(&kind);
}
