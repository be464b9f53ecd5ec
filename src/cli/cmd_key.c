/*
 * key: the ways to open a vault, looked at and changed.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/new_key.h"
#include "cli/prompt.h"
#include "cli/secrets.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"
#include "job/keys.h"
#include "vault/vault.h"

/* What people call it. */
static const char *
kind_words(enum ks_slot_kind kind)
{
    switch (kind) {
    case KS_SLOT_RECOVERY:
        return "recovery key";
    case KS_SLOT_PASSPHRASE:
        return "passphrase";
    case KS_SLOT_RAW:
        return "raw key";
    }
    return "unknown";
}

/* What programs call it. */
static const char *
kind_name(enum ks_slot_kind kind)
{
    switch (kind) {
    case KS_SLOT_RECOVERY:
        return "recovery-key";
    case KS_SLOT_PASSPHRASE:
        return "passphrase";
    case KS_SLOT_RAW:
        return "raw-key";
    }
    return "unknown";
}

/* The recovery key as a JSON string; our copy is wiped, those in the JSON
 * library and in stdout last until the process ends: it was asked to print the
 * key. */
static json_t *
recovery_json(const struct ks_secret *key)
{
    char text[KS_RECOVERY_TEXT_SIZE];
    json_t *value;

    ks_recovery_text(text, key->data);
    value = json_string(text);
    ks_wipe(text, sizeof(text));
    return value;
}

int
ks_cmd_key_show(struct ks_cli *c, struct ks_err *err)
{
    if (ks_cli_open(c, KS_STORE_READ, false, err) != KS_OK)
        return err->code;
    /* A slot holds what a key unlocks, never the key. */
    if (c->key_kind != KS_SLOT_RECOVERY) {
        ks_hint(&c->out, "`keepsay key add --recovery-key-out FILE` makes a "
                         "new one; the old one stays good until `keepsay key "
                         "remove`");
        return ks_fail(err, KS_E_USAGE, 0,
                       "a vault does not hold its recovery key, so it cannot "
                       "be shown to whoever opened it with a %s",
                       kind_words(c->key_kind));
    }
    ks_out_set(&c->out, "recovery_key", recovery_json(c->key));
    if (c->out.json) /* it is in the envelope */
        return KS_OK;
    ks_answer(&c->out, "This recovery key opens the vault:");
    if (ks_show_recovery_key(c->key, err) != KS_OK)
        return err->code;
    ks_answer(&c->out, "The same on one line, to be copied:");
    return ks_show_recovery_line(c->key, err);
}

int
ks_cmd_key_verify(struct ks_cli *c, struct ks_err *err)
{
    const uint8_t *slot;

    /* Opening it is the whole check; only reading, so it can be done from a
     * copy on a read-only medium as well. */
    if (ks_cli_open(c, KS_STORE_READ, false, err) != KS_OK) {
        /* The usual hint would name this command again. */
        if (err->code == KS_E_WRONG_KEY)
            ks_hint(&c->out, "nothing was changed; compare it letter by "
                             "letter with what you wrote down");
        return err->code;
    }
    slot = ks_vault_opened_by(ks_session_vault(c->session));
    ks_out_set(&c->out, "opens", json_true());
    ks_out_set(&c->out, "kind", json_string(kind_name(c->key_kind)));
    ks_out_set(&c->out, "slot", ks_json_hex(slot, KS_ID_SIZE));
    ks_answer_done(&c->out, "This %s opens the vault. Nothing was changed.",
                   kind_words(c->key_kind));
    return KS_OK;
}

/* The listing of slots in progress. */
struct slot_listing {
    struct ks_cli *c;
    const uint8_t *opened_by;
    json_t *list;
};

/* One line of the list, in words and in JSON. */
static int
show_slot(void *user, const struct ks_slot_info *slot)
{
    struct slot_listing *l = user;
    bool opened = memcmp(slot->id, l->opened_by, sizeof(slot->id)) == 0;
    /* only these go through Argon2id */
    bool slow = slot->kind == KS_SLOT_PASSPHRASE;
    char id[KS_ID_HEX_SIZE];
    char when[KS_LOCAL_TIME_SIZE];

    ks_hex_encode(id, slot->id, sizeof(slot->id));
    ks_local_time(slot->created_ms, when);
    ks_answer(&l->c->out, "%.*s  %-12s  %s%s", l->c->out.verbose > 0 ? 32 : 8,
              id, kind_words(slot->kind), when,
              opened ? "  (opened it now)" : "");
    (void)json_array_append_new(
        l->list,
        json_pack("{s:s, s:s, s:o, s:b, s:o, s:o}", "id", id, "kind",
                  kind_name(slot->kind), "created",
                  ks_json_time(slot->created_ms), "opened_by", opened ? 1 : 0,
                  "argon2_mem_kib",
                  slow ? ks_json_u64(slot->argon2_mem_kib) : json_null(),
                  "argon2_passes",
                  slow ? ks_json_u64(slot->argon2_passes) : json_null()));
    return KS_OK;
}

int
ks_cmd_key_slots(struct ks_cli *c, struct ks_err *err)
{
    struct slot_listing listing = {.c = c};
    struct ks_vault *v;

    if (ks_cli_open(c, KS_STORE_READ, false, err) != KS_OK)
        return err->code;
    v = ks_session_vault(c->session);
    listing.opened_by = ks_vault_opened_by(v);
    listing.list = json_array();
    ks_answer(&c->out, "%-*s  %-12s  %s", c->out.verbose > 0 ? 32 : 8, "slot",
              "opened by", "made");
    if (ks_vault_slots(v, show_slot, &listing, err) != KS_OK) {
        json_decref(listing.list);
        return err->code;
    }
    ks_out_set(&c->out, "slots", listing.list);
    return KS_OK;
}

/* The key that is to be added, as the one flag says. */
static int
make_new_key(struct ks_cli *c, enum ks_slot_kind *kind, struct ks_secret **out,
             struct ks_err *err)
{
    const char *const *value = c->args.value;
    const char *recovery = value[KS_FLAG_RECOVERY_KEY_OUT];
    const char *passphrase = value[KS_FLAG_NEW_PASSPHRASE_FILE];
    const char *raw = value[KS_FLAG_NEW_RAW_KEY_FILE];

    /* check_add_flags() has seen to it that one flag is there. */
    if (recovery != NULL) {
        *kind = KS_SLOT_RECOVERY;
        return ks_make_recovery_file(out, c, recovery, err);
    }
    if (raw != NULL) {
        *kind = KS_SLOT_RAW;
        return ks_raw_key_from_file(out, raw, err);
    }
    *kind = KS_SLOT_PASSPHRASE;
    if (passphrase != NULL)
        return ks_read_new_passphrase(out, c, passphrase, err);
    return ks_ask_new_passphrase(out, c, err);
}

/* Exactly one key is added: with two, half of it could fail. */
static int
check_add_flags(const struct ks_cli *c, struct ks_err *err)
{
    uint64_t given = c->args.seen & (KS_FLAG_BIT(KS_FLAG_RECOVERY_KEY_OUT) |
                                     KS_FLAG_BIT(KS_FLAG_NEW_PASSPHRASE) |
                                     KS_FLAG_BIT(KS_FLAG_NEW_PASSPHRASE_FILE) |
                                     KS_FLAG_BIT(KS_FLAG_NEW_RAW_KEY_FILE));

    /* one bit and no more */
    if (given != 0 && (given & (given - 1)) == 0)
        return KS_OK;
    return ks_fail(err, KS_E_USAGE, 0,
                   "which key shall be added? Give one of --recovery-key-out, "
                   "--new-passphrase, --new-passphrase-file and "
                   "--new-raw-key-file");
}

/* What opens the vault from now on. */
static void
answer_added(struct ks_cli *c, enum ks_slot_kind kind, const uint8_t *slot)
{
    const char *file = c->args.value[KS_FLAG_RECOVERY_KEY_OUT];
    char id[KS_SHORT_ID_SIZE];

    ks_short_id(id, slot);
    ks_out_set(&c->out, "slot", ks_json_hex(slot, KS_ID_SIZE));
    ks_out_set(&c->out, "kind", json_string(kind_name(kind)));
    ks_out_set(&c->out, "recovery_key_out",
               file != NULL ? ks_json_text(file) : json_null());
    ks_answer_done(&c->out, "Added slot %s: a %s opens the vault.", id,
                   file != NULL ? "new recovery key" : kind_words(kind));
    if (file != NULL)
        ks_answer(&c->out, "  It is in %s. Keep it apart from the vault.",
                  file);
}

int
ks_cmd_key_add(struct ks_cli *c, struct ks_err *err)
{
    const char *file = c->args.value[KS_FLAG_RECOVERY_KEY_OUT];
    struct ks_slot_options options = {0};
    struct ks_unlock unlock = {0};
    struct ks_secret *secret = NULL;
    uint8_t slot[KS_ID_SIZE];
    int rc;

    /* What is wrong with the flags is said before a key is asked for, and the
     * vault must open before a key file is written. */
    rc = check_add_flags(c, err);
    if (rc == KS_OK)
        rc = ks_cli_open(c, KS_STORE_WRITE, false, err);
    if (rc == KS_OK)
        rc = make_new_key(c, &unlock.kind, &secret, err);
    if (rc == KS_OK) {
        unlock.secret = secret;
        rc = ks_vault_slot_add(ks_session_vault(c->session), &unlock, &options,
                               slot, err);
        if (rc == KS_OK)
            answer_added(c, unlock.kind, slot);
        /* It opens nothing, and would be taken for a key some day. */
        else if (file != NULL)
            ks_forget_key_file(file);
    }
    ks_secret_free(secret);
    return rc;
}

/* Say what goes, and what that does not undo; ask unless --yes. */
static int
confirm_removal(struct ks_cli *c, const struct ks_slot_info *slot,
                struct ks_err *err)
{
    char id[KS_SHORT_ID_SIZE];
    char when[KS_LOCAL_TIME_SIZE];
    size_t recovery_keys = 0;
    bool yes = false;

    ks_short_id(id, slot->id);
    ks_local_time(slot->created_ms, when);
    if (ks_slot_count(&recovery_keys, c->session, KS_SLOT_RECOVERY, err) !=
        KS_OK)
        return err->code;
    ks_talk(&c->out, "Slot %s: a %s, made %s.", id, kind_words(slot->kind),
            when);
    ks_talk(&c->out,
            "Whoever has that key and copied the vault before now, or ever had "
            "it open, can still read what was in it then.");
    /* A warning only: a raw key or a passphrase may do for this user. That the
     * last slot of all stays is seen to by the vault. */
    if (slot->kind == KS_SLOT_RECOVERY && recovery_keys == 1)
        ks_warn(&c->out, "LAST_RECOVERY_KEY", 1,
                "this is the last recovery key of the vault");
    if (ks_args_has(&c->args, KS_FLAG_YES))
        return KS_OK;
    if (ks_args_has(&c->args, KS_FLAG_NO_INPUT) || !ks_prompt_possible()) {
        ks_hint(&c->out, "--yes does it without asking");
        return ks_fail(err, KS_E_USAGE, 0,
                       "removing a slot needs a yes, and there is nobody to "
                       "ask");
    }
    if (ks_prompt_yes(&yes, "Remove it? [y/N] ", err) != KS_OK)
        return err->code;
    if (yes)
        return KS_OK;
    ks_hint(&c->out, "nothing: that key opens the vault as before");
    return ks_fail(err, KS_E_CANCELLED, 0, "nothing was removed");
}

int
ks_cmd_key_remove(struct ks_cli *c, struct ks_err *err)
{
    const char *text = ks_cli_word(c, 0);
    struct ks_slot_info slot;
    char id[KS_SHORT_ID_SIZE];
    int rc;

    assert(text != NULL);

    rc = ks_cli_open(c, KS_STORE_WRITE, false, err);
    if (rc == KS_OK)
        /* By the beginning of its id; two that match remove neither. */
        rc = ks_slot_find(&slot, c->session, text, err);
    if (rc == KS_OK)
        rc = confirm_removal(c, &slot, err);
    if (rc == KS_OK)
        rc = ks_vault_slot_remove(ks_session_vault(c->session), slot.id, err);
    if (rc == KS_OK) {
        ks_short_id(id, slot.id);
        ks_out_set(&c->out, "slot", ks_json_hex(slot.id, sizeof(slot.id)));
        ks_out_set(&c->out, "kind", json_string(kind_name(slot.kind)));
        ks_answer_done(&c->out, "Removed slot %s.", id);
    }
    return rc;
}
