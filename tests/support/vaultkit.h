#ifndef KS_TESTS_VAULTKIT_H
#define KS_TESTS_VAULTKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"
#include "vault/object.h"
#include "vault/slot.h"
#include "vault/vault.h"

/*
 * vaultkit: known keys, a memory store, and hands to change what lies in one.
 * Whatever goes wrong in here fails the test.
 */

/* Succeeds, or the test fails with the error's message. */
#define KIT_OK(call)                                                           \
    do {                                                                       \
        struct ks_err kit_err = KS_ERR_INIT;                                   \
        int kit_rc = (call);                                                   \
                                                                               \
        if (kit_rc != KS_OK)                                                   \
            fail_msg("%s: %s", #call, kit_err.msg);                            \
    } while (0)

/* Fails with exactly this code, and says so in the error. */
#define KIT_FAILS(code_, call)                                                 \
    do {                                                                       \
        struct ks_err kit_err = KS_ERR_INIT;                                   \
        int kit_rc = (call);                                                   \
                                                                               \
        if (kit_rc != (code_) || kit_err.code != (code_) ||                    \
            kit_err.msg[0] == '\0')                                            \
            fail_msg("%s: %d, not %d: %s", #call, kit_rc, (int)(code_),        \
                     kit_err.msg);                                             \
    } while (0)

/* The same, with these words in the message. */
#define KIT_SAYS(code_, words, call)                                           \
    do {                                                                       \
        struct ks_err kit_err = KS_ERR_INIT;                                   \
        int kit_rc = (call);                                                   \
                                                                               \
        if (kit_rc != (code_) || strstr(kit_err.msg, (words)) == NULL)         \
            fail_msg("%s: %d: \"%s\" has no \"%s\"", #call, kit_rc,            \
                     kit_err.msg, (words));                                    \
    } while (0)

/* The error of the macros' call: `KIT_OK(ks_x(..., KIT_ERR))`. */
#define KIT_ERR (&kit_err)

/* Group set-up: start the libraries. */
int kit_setup(void **state);

/* A secret of these bytes; free with ks_secret_free(). */
struct ks_secret *kit_secret(const void *data, size_t len);

/* A secret and what it unlocks. Release with kit_lock(). */
struct kit_key {
    struct ks_secret *secret;
    struct ks_unlock unlock;
};
struct kit_key kit_key(enum ks_slot_kind kind, const void *data, size_t len);
struct kit_key kit_raw(uint8_t fill); /* 32 equal bytes */
struct kit_key kit_recovery(uint8_t fill);
struct kit_key kit_passphrase(const char *text);
void kit_lock(struct kit_key *key);

/* Argon2id as weak and quick as it goes. */
extern const struct ks_slot_options kit_quick;

/* The encoding of a keyring with `epochs` epochs, every byte known: len gets
 * its length, out has room for 10 300 bytes. */
#define KIT_KEYRING_MAX ((size_t)10300)
void kit_keyring_bytes(uint8_t *out, size_t *len, unsigned epochs);
struct ks_keyring *kit_keyring(unsigned epochs);

/* A vault id, and a context of it; keys and store stay the caller's. */
extern const uint8_t kit_vault_id[16];
struct ks_object_context
kit_context(struct ks_store *store, const struct ks_keyring *keys);

struct ks_store *kit_memory(void);

/* The folder store at path, there or made. */
struct ks_store *kit_folder(const char *path);

/* Read, replace, put, remove an object. */
void kit_read(struct ks_store *store, const char *name, struct ks_buf *out);
void kit_write(struct ks_store *store, const char *name, const void *data,
               size_t len);
void kit_remove(struct ks_store *store, const char *name);

/* How many objects a folder has. */
size_t kit_count(struct ks_store *store, const char *folder);

/* The full name of object i of a folder, in order, into out[0..161). */
void kit_name(struct ks_store *store, const char *folder, size_t i, char *out);

/* A memory store with the same objects in all of a vault's folders. */
struct ks_store *kit_twin(struct ks_store *store);

/* Whether both have the same objects, byte for byte. */
bool kit_same(struct ks_store *a, struct ks_store *b);

#endif /* KS_TESTS_VAULTKIT_H */
