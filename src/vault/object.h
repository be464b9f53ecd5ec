#ifndef KS_VAULT_OBJECT_H
#define KS_VAULT_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "vault/format.h"

struct ks_keyring;
struct ks_store;

/*
 * object: whole sealed objects, read and written in one piece: everything but
 * packs and indexes.
 *
 * Floor 2. Plaintext = u32le content length ‖ content ‖ zeros up to the
 * padded length (ks_padded): 4 KiB below that, Padmé above, so that sizes
 * tell little. Control objects (notes, writers, retired, marks, acks) are
 * sealed under the control key with epoch id zero, client state likewise under
 * HKDF of that key with KS_CTX_STATE, the rest under the current epoch.
 */
#define KS_OBJECT_CONTENT_MAX ((size_t)48 << 20)

struct ks_object_context {
    struct ks_store *store;
    const struct ks_keyring *keys;
    uint8_t vault_id[16];
};

/* The padded length for `len` bytes of plaintext: 4096 up to that, then the
 * Padmé length (Nikitin et al., PETS 2019, section 4). */
size_t ks_padded(size_t len);

/* Seal content[0..len) as `kind` into `sealed` (reset first) and its name
 * into id[0..16). Nothing is stored. KS_E_NOMEM, KS_E_LIMIT. */
KS_MUST_CHECK int
ks_object_seal(const struct ks_object_context *cx, enum ks_object_kind kind,
               struct ks_bytes content, struct ks_buf *sealed, uint8_t *id,
               struct ks_err *err);

/* Open sealed[0..len) that is expected to be of `kind`; the content replaces
 * that of `content`. KS_E_CORRUPT (also when the header names no
 * key we hold: err says so), KS_E_UNSUPPORTED, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_object_unseal(const struct ks_object_context *cx, enum ks_object_kind kind,
                 struct ks_bytes sealed, struct ks_buf *content,
                 struct ks_err *err);

/* Read the object `name` whole and open it. Also KS_E_NOTFOUND, KS_E_IO.
 * Snapshots, notes, marks, packs and indexes are named by their bytes
 * (crypto/seal.h): another name is KS_E_CORRUPT. */
KS_MUST_CHECK int
ks_object_get(const struct ks_object_context *cx, enum ks_object_kind kind,
              const char *name, struct ks_buf *content, struct ks_err *err);

/* "FOLDER/<hex of id>" into out[0..KS_OBJECT_NAME_SIZE). */
#define KS_OBJECT_NAME_SIZE ((size_t)96)
void ks_object_name(char *out, const char *folder, const uint8_t *id);

/* Read any object whole, at most max bytes, replacing out's content. */
KS_MUST_CHECK int
ks_object_read(struct ks_store *store, const char *name, size_t max,
               struct ks_buf *out, struct ks_err *err);

#endif /* KS_VAULT_OBJECT_H */
