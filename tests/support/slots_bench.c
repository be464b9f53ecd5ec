/*
 * slots_bench: the pieces that tests of slots share.
 */
#include "slots_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check.h"
#include "crash_store.h"
#include "vault/keyring.h"

int
sb_up(void **state)
{
    struct slots_bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->behind = kit_memory();
    b->key = kit_raw(3);
    b->other = kit_passphrase("open sesame");
    KIT_OK(ks_vault_create(&b->v, crash_store(b->behind, CRASH_NEVER),
                           &b->key.unlock, NULL, KIT_ERR));
    memcpy(b->first, ks_vault_opened_by(b->v), 16);
    *state = b;
    return 0;
}

int
sb_down(void **state)
{
    struct slots_bench *b = *state;

    ks_vault_close(b->v);
    ks_store_close(b->behind);
    kit_lock(&b->key);
    kit_lock(&b->other);
    free(b);
    return 0;
}

void
sb_add_other(struct slots_bench *b)
{
    KIT_OK(ks_vault_slot_add(b->v, &b->other.unlock, &kit_quick, b->second,
                             KIT_ERR));
}

int
sb_try_open(const struct slots_bench *b, const struct kit_key *key,
            struct ks_vault_warnings *warnings, struct ks_err *err)
{
    struct ks_store *twin = kit_twin(b->behind);
    struct ks_vault *v = NULL;
    int rc;

    *err = KS_ERR_INIT;
    rc = ks_vault_open(&v, twin, &key->unlock, err);
    assert_int_equal(rc, err->code);
    if (rc < 0) {
        ks_store_close(twin);
        return rc;
    }
    assert_memory_equal(ks_keyring_control(ks_vault_keys(v)),
                        ks_keyring_control(ks_vault_keys(b->v)), 32);
    *warnings = ks_vault_get_warnings(v);
    ks_vault_close(v);
    return rc;
}

int
sb_opens(const struct slots_bench *b, const struct kit_key *key)
{
    struct ks_vault_warnings w;
    struct ks_err err;

    return sb_try_open(b, key, &w, &err);
}

void
sb_assert_fails(const struct slots_bench *b, const struct kit_key *key,
                int code, const char *words)
{
    struct ks_vault_warnings w;
    struct ks_err err;

    assert_int_equal(sb_try_open(b, key, &w, &err), code);
    if (strstr(err.msg, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", err.msg, words);
}

struct ks_vault_warnings
sb_warnings(const struct slots_bench *b, const struct kit_key *key)
{
    struct ks_vault_warnings w = {0};
    struct ks_err err;

    if (sb_try_open(b, key, &w, &err) != KS_OK)
        fail_msg("%s", err.msg);
    return w;
}

void
sb_slot_name(char *out, const uint8_t *id, int copy)
{
    char hex[33];

    ks_hex_encode(hex, id, 16);
    (void)snprintf(out, KS_OBJECT_NAME_SIZE, "keys/%s%s", hex,
                   copy == 1 ? "" : ".2");
}

void
sb_damage(struct slots_bench *b, const uint8_t *id, int copy, size_t at)
{
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    sb_slot_name(name, id, copy);
    kit_read(b->behind, name, &slot);
    slot.data[at] ^= 1;
    kit_write(b->behind, name, slot.data, slot.len);
    ks_buf_wipe(&slot);
}

static int
list_one(void *user, const struct ks_slot_info *slot)
{
    struct sb_listing *l = user;

    assert_true(l->count < 8);
    l->slots[l->count++] = *slot;
    return 0;
}

struct sb_listing
sb_list(struct slots_bench *b)
{
    struct sb_listing l = {0};

    KIT_OK(ks_vault_slots(b->v, list_one, &l, KIT_ERR));
    return l;
}
