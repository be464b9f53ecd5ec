/*
 * init: a new vault, and a recovery key that somebody really holds.
 */
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/new_key.h"
#include "cli/secrets.h"
#include "crypto/secret.h"
#include "job/keys.h"
#include "vault/format.h"

/* The keys of the new vault; the recovery key comes last, because it may be
 * in a file by then. */
struct new_keys {
    struct ks_secret *secrets[KS_INIT_UNLOCKS_MAX];
    struct ks_unlock unlocks[KS_INIT_UNLOCKS_MAX];
    size_t count;
};

/* Takes the secret. */
static void
add_new_key(struct new_keys *keys, enum ks_slot_kind kind,
            struct ks_secret *secret)
{
    assert(keys->count < KS_INIT_UNLOCKS_MAX);
    keys->secrets[keys->count] = secret;
    keys->unlocks[keys->count] =
        (struct ks_unlock){.kind = kind, .secret = secret};
    keys->count++;
}

/* Free every key. Each is in secret memory, which is wiped. */
static void
wipe_new_keys(struct new_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        ks_secret_free(keys->secrets[i]);
    *keys = (struct new_keys){0};
}

/* The further keys that the flags ask for. Read before anything is made. */
static int
read_further_keys(struct ks_cli *c, struct new_keys *keys, struct ks_err *err)
{
    const char *passphrase = c->args.value[KS_FLAG_PASSPHRASE_FILE];
    const char *raw = c->args.value[KS_FLAG_RAW_KEY_FILE];
    struct ks_secret *secret = NULL;

    /* Here these flags do not open a vault: they say what else shall open the
     * new one. */
    if (passphrase != NULL) {
        if (ks_read_new_passphrase(&secret, c, passphrase, err) != KS_OK)
            return err->code;
        add_new_key(keys, KS_SLOT_PASSPHRASE, secret);
    }
    if (ks_args_has(&c->args, KS_FLAG_NEW_PASSPHRASE)) {
        if (ks_ask_new_passphrase(&secret, c, err) != KS_OK)
            return err->code;
        add_new_key(keys, KS_SLOT_PASSPHRASE, secret);
    }
    if (raw != NULL) {
        if (ks_raw_key_from_file(&secret, raw, err) != KS_OK)
            return err->code;
        add_new_key(keys, KS_SLOT_RAW, secret);
    }
    return KS_OK;
}

/* The recovery key: in its file, or to be shown, if there is a screen. */
static int
make_recovery_key(struct ks_cli *c, struct new_keys *keys, struct ks_err *err)
{
    const char *path = c->args.value[KS_FLAG_RECOVERY_KEY_OUT];
    struct ks_secret *key = NULL;
    int rc;

    if (path != NULL)
        rc = ks_make_recovery_file(&key, c, path, err);
    else
        rc = ks_recovery_key_new(&key, err);
    if (rc == KS_OK)
        add_new_key(keys, KS_SLOT_RECOVERY, key);
    return rc;
}

/* A key that scrolls into a log or a pipe is a key given away. */
static int
check_screen(struct ks_cli *c, struct ks_err *err)
{
    if (ks_args_has(&c->args, KS_FLAG_RECOVERY_KEY_OUT))
        return KS_OK;
    /* With --json a program reads the answer, and keeps logs of it. */
    if (!c->out.json && isatty(STDOUT_FILENO))
        return KS_OK;
    ks_hint(&c->out, "--recovery-key-out FILE writes it to a file that only "
                     "you can read");
    return ks_fail(err, KS_E_USAGE, 0,
                   "a new vault has a recovery key, and this is no terminal "
                   "to show it on");
}

/* Where the new vault goes: a word of its own, as people type it, or -r and
 * KEEPSAY_VAULT as everywhere else. */
static int
init_place(struct ks_cli *c, const char **where, struct ks_err *err)
{
    *where = ks_cli_word(c, 0);
    if (*where == NULL)
        return ks_cli_where(c, where, err);
    if (ks_args_has(&c->args, KS_FLAG_VAULT))
        return ks_fail(err, KS_E_USAGE, 0,
                       "the vault is named twice: by -r and without it");
    return KS_OK;
}

/* What was made, where the key is, and what losing it means: this is the
 * only moment at which everybody reads it. A key that could not be shown is
 * a failure: nobody has it, and the vault is good for nothing. */
static int
answer_init(struct ks_cli *c, const char *where, const struct ks_secret *key,
            struct ks_err *err)
{
    const char *path = c->args.value[KS_FLAG_RECOVERY_KEY_OUT];
    struct ks_out *out = &c->out;

    ks_answer_done(out, "Made the vault %s.", where);
    if (path != NULL) {
        ks_answer(out,
                  "  Its recovery key is in %s. Keep it apart from the "
                  "vault, and a copy on paper.",
                  path);
    } else {
        ks_answer_always(out, "Its recovery key is shown this once and kept "
                              "nowhere else. Write it down now:");
        ks_answer_always(out, "%s", "");
        if (ks_show_recovery_key(key, err) != KS_OK) {
            ks_hint(out, "nobody has this vault's key: remove the vault, and "
                         "make it again with --recovery-key-out FILE");
            return err->code;
        }
        ks_answer_always(out, "%s", "");
    }
    ks_answer(out, "  Whoever has the recovery key can read everything in the "
                   "vault.");
    ks_answer(out, "  If it is lost, and no other key was added, nobody can: "
                   "not you, not us.");
    ks_answer(out,
              "  Check what you wrote down at any time: keepsay key "
              "verify -r %s",
              where);
    return KS_OK;
}

/* Make the vault. A key file that was just written for one that could not be
 * made is taken away again: it would open nothing. */
static int
init_vault(struct ks_cli *c, const char *where, const struct new_keys *keys,
           struct ks_err *err)
{
    const char *path = c->args.value[KS_FLAG_RECOVERY_KEY_OUT];
    struct ks_init_job job = {
        .where = where,
        .unlocks = keys->unlocks,
        .unlock_count = keys->count,
    };
    uint8_t vault_id[KS_ID_SIZE];

    if (ks_job_init(vault_id, &job, err) != KS_OK) {
        if (path != NULL)
            ks_forget_key_file(path);
        if (err->code == KS_E_EXISTS)
            ks_hint(&c->out, "choose a name where nothing is, or an empty "
                             "folder");
        else if (err->code == KS_E_NOTFOUND)
            ks_hint(&c->out, "make the folder first that it is to be in");
        return err->code;
    }
    ks_out_set(&c->out, "vault", ks_json_hex(vault_id, sizeof(vault_id)));
    ks_out_set(&c->out, "where", ks_json_text(where));
    ks_out_set(&c->out, "recovery_key_out",
               path != NULL ? ks_json_text(path) : json_null());
    ks_out_set(&c->out, "slots", ks_json_u64(keys->count));
    return KS_OK;
}

int
ks_cmd_init(struct ks_cli *c, struct ks_err *err)
{
    struct new_keys keys = {0};
    const char *where = NULL;
    int rc;

    rc = init_place(c, &where, err);
    if (rc == KS_OK)
        /* Refused, if at all, before a key is written or a vault begun. */
        rc = check_screen(c, err);
    if (rc == KS_OK)
        rc = read_further_keys(c, &keys, err);
    if (rc == KS_OK)
        rc = make_recovery_key(c, &keys, err);
    if (rc == KS_OK)
        rc = init_vault(c, where, &keys, err);
    if (rc == KS_OK) /* the recovery key came last */
        rc = answer_init(c, where, keys.secrets[keys.count - 1], err);
    wipe_new_keys(&keys);
    return rc;
}
