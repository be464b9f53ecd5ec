#ifndef KS_VAULT_VAULT_HEADER_H
#define KS_VAULT_VAULT_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ks_store;

/*
 * vault_header: the plaintext object that says "here is a vault, this one".
 *
 * Floor 2. Two copies, `vault` and `vault.2`. Nothing that matters for
 * security is believed from it: another vault id opens no slot.
 */
#define KS_HEADER_SIZE   ((size_t)64)
#define KS_HEADER_COPIES 2
extern const char *const ks_header_names[KS_HEADER_COPIES];

/* The header of vault_id[0..16) into out[0..KS_HEADER_SIZE). */
void ks_header_encode(uint8_t *out, const uint8_t *vault_id);

/* vault_id[0..16) out of a header. KS_E_CORRUPT, KS_E_UNSUPPORTED (newer). */
KS_MUST_CHECK int ks_header_decode(uint8_t *vault_id, const void *data,
                                   size_t len, struct ks_err *err);

/* Read it from a store; *damaged says whether one of the copies is missing,
 * damaged or another. KS_E_NOTFOUND: there is none; else as decode says of
 * both copies; KS_E_IO. */
KS_MUST_CHECK int ks_header_read(struct ks_store *store, uint8_t *vault_id,
                                 bool *damaged, struct ks_err *err);

#endif /* KS_VAULT_VAULT_HEADER_H */
