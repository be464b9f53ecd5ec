#ifndef KS_VAULT_VAULT_H
#define KS_VAULT_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/format.h"
#include "vault/object.h"
#include "vault/slot.h"

struct ks_keyring;
struct ks_store;

/*
 * vault: an encrypted, deduplicated set of snapshots in a store.
 *
 * Floor 2. Life: create or open -> ... -> close. One thread. What a vault can
 * do is spread over its room: snapshots.h lists them, capture.h writes
 * one, snapshot_reader.h reads one, verify.h proves all.
 */
struct ks_vault;

/* What was odd when a vault was opened, for the user's eyes. */
struct ks_vault_warnings {
    unsigned damaged_slots;  /* copies of slots missing or damaged */
    unsigned unlisted_slots; /* refused: not in the roster */
    unsigned damaged_notes;
    bool damaged_header_copy; /* one of the two `vault` copies */
};

/*
 * Make a new vault in an empty store: fresh keys, one slot for `unlock`, both
 * copies of everything, the roster; synced. *out takes the store; on
 * failure the caller still owns it. KS_E_EXISTS if a vault is there.
 */
KS_MUST_CHECK int
ks_vault_create(struct ks_vault **out, struct ks_store *store,
                const struct ks_unlock *unlock,
                const struct ks_slot_options *options, struct ks_err *err);

/*
 * Open with the first slot that `unlock` opens. Takes the store likewise.
 * KS_E_NOTFOUND: no vault there; KS_E_WRONG_KEY: no slot opens;
 * KS_E_CORRUPT: both copies of the header, or of every slot that could match,
 * are damaged; KS_E_UNSUPPORTED: a newer format.
 */
KS_MUST_CHECK int
ks_vault_open(struct ks_vault **out, struct ks_store *store,
              const struct ks_unlock *unlock, struct ks_err *err);

/* Close the store too. NULL is ok. */
void ks_vault_close(struct ks_vault *v);

/* All borrowed, valid until ks_vault_close(). */
const struct ks_object_context *ks_vault_context(const struct ks_vault *v);
struct ks_store *ks_vault_store(const struct ks_vault *v);
const struct ks_keyring *ks_vault_keys(const struct ks_vault *v);
const uint8_t *ks_vault_id(const struct ks_vault *v);
struct ks_vault_warnings ks_vault_get_warnings(const struct ks_vault *v);
/* The id of the slot that opened it. */
const uint8_t *ks_vault_opened_by(const struct ks_vault *v);

/* The plaintext header alone: is this a vault, and which? Needs no key.
 * KS_E_NOTFOUND, KS_E_CORRUPT, KS_E_UNSUPPORTED. */
KS_MUST_CHECK int
ks_vault_probe(struct ks_store *store, uint8_t *vault_id, struct ks_err *err);

/* Slots. each() per slot that counts; damaged copies are skipped. What it is
 * shown is borrowed for that call; a nonzero answer ends the walk and is
 * returned. KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_vault_slots(struct ks_vault *v,
               int (*each)(void *user, const struct ks_slot_info *slot),
               void *user, struct ks_err *err);
/* Add a slot: put both copies, sync, then the roster, sync. */
KS_MUST_CHECK int
ks_vault_slot_add(struct ks_vault *v, const struct ks_unlock *unlock,
                  const struct ks_slot_options *options, uint8_t *slot_id,
                  struct ks_err *err);
/* Remove a slot: the roster first, then both copies. KS_E_USAGE for the last
 * slot. What this does not undo: whoever had the key may have kept a copy of
 * the vault or of its inner keys. */
KS_MUST_CHECK int
ks_vault_slot_remove(struct ks_vault *v, const uint8_t *slot_id,
                     struct ks_err *err);

#endif /* KS_VAULT_VAULT_H */
