#ifndef KS_VAULT_SLOT_H
#define KS_VAULT_SLOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct ks_keyring;
struct ks_secret;

/*
 * slot: one way to open a vault, as it lies under keys/ (doc/format.md,
 * "Slots", has the byte table).
 *
 * Floor 2. A slot wraps the keyring under a key that follows from what its
 * owner holds: recovery key and raw key by HKDF (they are random: nothing to
 * stretch), passphrase by Argon2id with the parameters in the slot.
 * Order of checks on opening: magic and checksum (damage, needs no
 * key), bounds of the parameters, derivation, key check (wrong key), unwrap.
 */
enum ks_slot_kind {
    KS_SLOT_RECOVERY = 1,   /* secret: the 30 bytes of a recovery key */
    KS_SLOT_PASSPHRASE = 2, /* secret: the passphrase, 1..1024 bytes */
    KS_SLOT_RAW = 3,        /* secret: 32 bytes */
};

/* What the user holds. */
struct ks_unlock {
    enum ks_slot_kind kind;
    const struct ks_secret *secret;
};

struct ks_slot_options {
    uint32_t argon2_mem_kib; /* 0: 256 MiB */
    uint32_t argon2_passes;  /* 0: 3 */
};

#define KS_SLOT_SIZE_MAX ((size_t)65536)

/* What a slot says without any key. */
struct ks_slot_info {
    uint8_t id[16];
    enum ks_slot_kind kind;
    int64_t created_ms;
    uint32_t argon2_mem_kib; /* 0 unless passphrase */
    uint32_t argon2_passes;
};

/* Make a slot's bytes into out and its id[0..16) (first 16 bytes of the
 * SHA-256 of those bytes). KS_E_USAGE for a secret of the wrong length. */
struct ks_slot_in {
    const uint8_t *vault_id;
    const struct ks_keyring *keys;
    const struct ks_unlock *unlock;
    struct ks_slot_options options;
};
KS_MUST_CHECK int ks_slot_make(struct ks_buf *out, uint8_t *id,
                               const struct ks_slot_in *in, struct ks_err *err);

/* KS_E_CORRUPT (damaged), KS_E_UNSUPPORTED (newer). */
KS_MUST_CHECK int ks_slot_describe(struct ks_slot_info *out, const void *data,
                                   size_t len, struct ks_err *err);

/* KS_E_WRONG_KEY: this secret is not for this slot (or is of another kind);
 * KS_E_CORRUPT: the slot is damaged; KS_E_LIMIT: its parameters are absurd. */
KS_MUST_CHECK int
ks_slot_open(struct ks_keyring **out, const void *data, size_t len,
             const uint8_t *vault_id, const struct ks_unlock *unlock,
             struct ks_err *err);

#endif /* KS_VAULT_SLOT_H */
