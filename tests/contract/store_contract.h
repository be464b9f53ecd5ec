#ifndef KS_TESTS_STORE_CONTRACT_H
#define KS_TESTS_STORE_CONTRACT_H

#include "store_kind.h"

/*
 * store_contract: what src/store/store.h promises, asked of one kind of
 * store. The suite is the same for all; a kind is a few lines.
 */

/* Run the suite; the answer is for main() to return. */
int store_contract(const struct store_kind *kind);

#endif /* KS_TESTS_STORE_CONTRACT_H */
