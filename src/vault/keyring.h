#ifndef KS_VAULT_KEYRING_H
#define KS_VAULT_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ks_secret;

/*
 * keyring: every key of an open vault.
 *
 * Floor 2. In secret memory, read-only once made. Control key: seals
 * notes, writers, marks and acks (epoch id all zero). Id key and cut key: name
 * and cut chunks; they live as long as the vault. Epoch keys: seal packs,
 * snapshots and indexes; new data uses the current epoch.
 *
 * Encoded (what a slot wraps): u8 1 ‖ control key 32 ‖ id key 32 ‖
 * cut key 32 ‖ u8 n (1..KS_EPOCHS_MAX) ‖ n × (epoch id 8 ‖ epoch key 32),
 * the last one current.
 */
struct ks_keyring;

#define KS_EPOCHS_MAX 255U

/* Fresh random keys with one epoch. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_keyring_generate(struct ks_keyring **out, struct ks_err *err);
/* KS_E_CORRUPT for anything but an exact encoding; KS_E_UNSUPPORTED for a
 * newer one; KS_E_NOMEM. */
KS_MUST_CHECK int ks_keyring_decode(struct ks_keyring **out, const void *data,
                                    size_t len, struct ks_err *err);
/* The encoding, in secret memory; the caller frees. */
KS_MUST_CHECK int ks_keyring_encode(const struct ks_keyring *k,
                                    struct ks_secret **out, struct ks_err *err);
void ks_keyring_free(struct ks_keyring *k);

/* 32 bytes each, valid as long as the keyring. */
const uint8_t *ks_keyring_control(const struct ks_keyring *k);
const uint8_t *ks_keyring_id_key(const struct ks_keyring *k);
const uint8_t *ks_keyring_cut_key(const struct ks_keyring *k);
/* HKDF of the id key with KS_CTX_FINGERPRINT: for crypto/cipher.h. */
const uint8_t *ks_keyring_fingerprint_key(const struct ks_keyring *k);

/* The current epoch's id[0..8). */
const uint8_t *ks_keyring_current(const struct ks_keyring *k);
/* The key of an epoch; the control key for the all-zero id; NULL if the
 * keyring has no such epoch. */
const uint8_t *
ks_keyring_epoch(const struct ks_keyring *k, const uint8_t *epoch_id);

#endif /* KS_VAULT_KEYRING_H */
