#ifndef KS_VAULT_SLOT_SET_H
#define KS_VAULT_SLOT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "vault/slot.h"

struct ks_notes;
struct ks_store;

/*
 * slot_set: the slots of a store, read whole, and which of them count.
 *
 * Floor 2. Needs no key, but for which count. A slot lies twice: keys/<id> and
 * keys/<id>.2. Its id follows from its bytes, so a copy proves itself.
 * Life: ks_slot_set_read -> ks_slot_set_free; a zeroed struct may be freed.
 */
#define KS_SLOT_COPIES    2
#define KS_SLOT_COUNT_MAX ((size_t)1024) /* read, and put, at most */

struct ks_slot_entry {
    uint8_t id[16];
    unsigned bad_copies; /* missing, damaged or not what the name says */
    bool readable;       /* info and bytes are there */
    struct ks_slot_info info;
    struct ks_buf bytes;
};

struct ks_slot_set {
    struct ks_slot_entry *list; /* readable ones first, newest first */
    size_t count;
};

/* Read every slot. A slot that cannot be read is in the set, unreadable.
 * KS_E_IO if that was the reason for both copies, KS_E_NOMEM. */
KS_MUST_CHECK int ks_slot_set_read(struct ks_slot_set *out,
                                   struct ks_store *store, struct ks_err *err);
void ks_slot_set_free(struct ks_slot_set *set);

/* Put both copies of a slot; the store is not synced. After a failure one copy
 * may be there. */
KS_MUST_CHECK int ks_slot_put(struct ks_store *store, const uint8_t *id,
                              const struct ks_buf *slot, struct ks_err *err);
/* Remove both copies; what is not there is fine. */
KS_MUST_CHECK int
ks_slot_remove(struct ks_store *store, const uint8_t *id, struct ks_err *err);

/* Whether a slot counts: it is in the newest roster, or there is none. */
bool ks_slot_counts(const struct ks_notes *notes, const uint8_t *id);

/* "recovery key", "passphrase", "raw key". */
const char *ks_slot_kind_text(enum ks_slot_kind kind);

#endif /* KS_VAULT_SLOT_SET_H */
