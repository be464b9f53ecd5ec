/*
 * vaultkit: short hands for the tests of the vault.
 */
#include "vaultkit.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"
#include "vault/keyring.h"
#include "vault/names.h"

const uint8_t kit_vault_id[16] = "vault id of kit";
const struct ks_slot_options kit_quick = {.argon2_mem_kib = 8,
                                          .argon2_passes = 1};

static const char *const kit_folders[] = {
    "",           KS_DIR_KEYS,    KS_DIR_PACKS, KS_DIR_SNAPSHOTS, KS_DIR_INDEX,
    KS_DIR_NOTES, KS_DIR_WRITERS, KS_DIR_MARKS, KS_DIR_ACKS,
};

#define KIT_FOLDERS (sizeof(kit_folders) / sizeof(kit_folders[0]))

int
kit_setup(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    return ks_crypto_init(&err);
}

struct ks_secret *
kit_secret(const void *data, size_t len)
{
    struct ks_secret *secret = NULL;

    KIT_OK(ks_secret_copy(&secret, data, len, KIT_ERR));
    return secret;
}

struct kit_key
kit_key(enum ks_slot_kind kind, const void *data, size_t len)
{
    struct kit_key key = {.secret = kit_secret(data, len)};

    key.unlock = (struct ks_unlock){.kind = kind, .secret = key.secret};
    return key;
}

struct kit_key
kit_raw(uint8_t fill)
{
    uint8_t bytes[KS_KEY_SIZE];

    memset(bytes, fill, sizeof(bytes));
    return kit_key(KS_SLOT_RAW, bytes, sizeof(bytes));
}

struct kit_key
kit_recovery(uint8_t fill)
{
    uint8_t bytes[KS_RECOVERY_BYTES];

    memset(bytes, fill, sizeof(bytes));
    return kit_key(KS_SLOT_RECOVERY, bytes, sizeof(bytes));
}

struct kit_key
kit_passphrase(const char *text)
{
    return kit_key(KS_SLOT_PASSPHRASE, text, strlen(text));
}

void
kit_lock(struct kit_key *key)
{
    ks_secret_free(key->secret);
    *key = (struct kit_key){0};
}

void
kit_keyring_bytes(uint8_t *out, size_t *len, unsigned epochs)
{
    *len = 98 + 40 * (size_t)epochs;
    assert_true(*len <= KIT_KEYRING_MAX);
    for (size_t i = 0; i < *len; i++)
        out[i] = (uint8_t)(31 + 7 * i + i / 251);
    out[0] = 1;
    out[97] = (uint8_t)epochs;
    for (unsigned i = 0; i < epochs; i++)
        out[98 + 40 * i] = (uint8_t)(i + 1); /* so no two ids are alike */
}

struct ks_keyring *
kit_keyring(unsigned epochs)
{
    uint8_t bytes[KIT_KEYRING_MAX];
    struct ks_keyring *keys = NULL;
    size_t len;

    kit_keyring_bytes(bytes, &len, epochs);
    KIT_OK(ks_keyring_decode(&keys, bytes, len, KIT_ERR));
    return keys;
}

struct ks_object_context
kit_context(struct ks_store *store, const struct ks_keyring *keys)
{
    struct ks_object_context cx = {.store = store, .keys = keys};

    memcpy(cx.vault_id, kit_vault_id, sizeof(cx.vault_id));
    return cx;
}

struct ks_store *
kit_memory(void)
{
    struct ks_store *store = NULL;

    KIT_OK(ks_store_open_memory(&store, KIT_ERR));
    return store;
}

struct ks_store *
kit_folder(const char *path)
{
    struct ks_store_options options = {.mode = KS_STORE_WRITE};
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *store = NULL;

    if (ks_store_open_folder(&store, path, &options, &err) == KS_OK)
        return store;
    options.mode = KS_STORE_CREATE;
    KIT_OK(ks_store_open_folder(&store, path, &options, KIT_ERR));
    return store;
}

void
kit_read(struct ks_store *store, const char *name, struct ks_buf *out)
{
    KIT_OK(ks_object_read(store, name, KS_OBJECT_MAX, out, KIT_ERR));
}

void
kit_write(struct ks_store *store, const char *name, const void *data,
          size_t len)
{
    struct ks_err ignored = KS_ERR_INIT;

    if (ks_store_remove(store, name, &ignored) != KS_OK)
        assert_int_equal(ignored.code, KS_E_NOTFOUND);
    KIT_OK(ks_store_put(store, name, data, len, KIT_ERR));
}

void
kit_remove(struct ks_store *store, const char *name)
{
    KIT_OK(ks_store_remove(store, name, KIT_ERR));
}

size_t
kit_count(struct ks_store *store, const char *folder)
{
    struct ks_names names = {0};
    size_t count;

    KIT_OK(ks_names_list(&names, store, folder, KIT_ERR));
    count = names.count;
    ks_names_free(&names);
    return count;
}

void
kit_name(struct ks_store *store, const char *folder, size_t i, char *out)
{
    struct ks_names names = {0};

    KIT_OK(ks_names_list(&names, store, folder, KIT_ERR));
    assert_true(i < names.count);
    ks_names_join(out, folder, names.list[i].text);
    ks_names_free(&names);
}

struct ks_store *
kit_twin(struct ks_store *store)
{
    struct ks_store *twin = kit_memory();
    struct ks_buf object;

    ks_buf_init(&object, KS_OBJECT_MAX);
    for (size_t f = 0; f < KIT_FOLDERS; f++) {
        size_t count = kit_count(store, kit_folders[f]);

        for (size_t i = 0; i < count; i++) {
            char name[KS_NAME_MAX + 1];

            kit_name(store, kit_folders[f], i, name);
            kit_read(store, name, &object);
            kit_write(twin, name, object.data, object.len);
        }
    }
    ks_buf_wipe(&object);
    return twin;
}

/* Whether every object of a folder of `a` is in `b`, the same. */
static bool
folder_within(struct ks_store *a, struct ks_store *b, const char *folder)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf x;
    struct ks_buf y;
    size_t count = kit_count(a, folder);
    bool same = kit_count(b, folder) == count;

    ks_buf_init(&x, KS_OBJECT_MAX);
    ks_buf_init(&y, KS_OBJECT_MAX);
    for (size_t i = 0; same && i < count; i++) {
        char name[KS_NAME_MAX + 1];

        kit_name(a, folder, i, name);
        kit_read(a, name, &x);
        same = ks_object_read(b, name, KS_OBJECT_MAX, &y, &err) == KS_OK &&
               x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    }
    ks_buf_wipe(&x);
    ks_buf_wipe(&y);
    return same;
}

bool
kit_same(struct ks_store *a, struct ks_store *b)
{
    for (size_t f = 0; f < KIT_FOLDERS; f++) {
        if (!folder_within(a, b, kit_folders[f]))
            return false;
    }
    return true;
}
