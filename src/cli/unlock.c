/*
 * unlock: flags first, then the environment, then a question.
 */
#include "cli/unlock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/prompt.h"
#include "cli/secrets.h"
#include "cli/text_clean.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"

/* Questions a run: a person mistypes; a program would go on for ever. */
#define PROMPT_ATTEMPTS 3U

/* Keep `secret` as the key of this run; takes it. */
static void
keep_key(struct ks_cli *c, enum ks_slot_kind kind, struct ks_secret *secret)
{
    /* the wrong one that was typed before, if any */
    ks_secret_free(c->key);
    c->key = secret;
    c->key_kind = kind;
}

/* Keep the recovery key that `text` spells; takes it. */
static int
keep_recovery_text(struct ks_cli *c, struct ks_secret *text, struct ks_err *err)
{
    struct ks_secret *key = NULL;
    int rc = ks_recovery_from_text(&key, text, err);

    ks_secret_free(text);
    if (rc == KS_OK)
        keep_key(c, KS_SLOT_RECOVERY, key);
    return rc;
}

/* From --key-file or KEEPSAY_KEY_FILE. Failures name the file. */
static int
recovery_key_from_file(struct ks_cli *c, const char *path, struct ks_err *err)
{
    struct ks_secret *text = NULL;

    if (ks_secret_from_file(&text, path, "the recovery key", err) != KS_OK)
        return err->code;
    if (keep_recovery_text(c, text, err) != KS_OK)
        return ks_context(err, "%s", path);
    return KS_OK;
}

/* From --key-fd: a pipe that the caller holds open, so that the key is in no
 * file at all. */
static int
recovery_key_from_fd(struct ks_cli *c, const char *number, struct ks_err *err)
{
    struct ks_secret *text = NULL;
    uint64_t fd = 0;

    /* More descriptors than that no shell hands on. */
    if (!ks_parse_u64(number, &fd) || fd > 65535) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "--key-fd takes the number of an open descriptor");
    }
    if (ks_secret_from_fd(&text, (int)fd, "--key-fd", err) != KS_OK)
        return err->code;
    return keep_recovery_text(c, text, err);
}

/* From --key-command: a password manager, say. */
static int
recovery_key_from_command(struct ks_cli *c, const char *command,
                          struct ks_err *err)
{
    struct ks_secret *text = NULL;

    if (ks_secret_from_command(&text, command, err) != KS_OK)
        return err->code;
    return keep_recovery_text(c, text, err);
}

/* The key that a flag or the environment names; KS_END if none does. */
static int
key_from_flags(struct ks_cli *c, struct ks_err *err)
{
    const char *const *value = c->args.value;
    const char *file = getenv("KEEPSAY_KEY_FILE");
    struct ks_secret *secret = NULL;
    int rc;

    if (ks_args_has(&c->args, KS_FLAG_KEY_FILE))
        return recovery_key_from_file(c, value[KS_FLAG_KEY_FILE], err);
    if (ks_args_has(&c->args, KS_FLAG_KEY_FD))
        return recovery_key_from_fd(c, value[KS_FLAG_KEY_FD], err);
    if (ks_args_has(&c->args, KS_FLAG_KEY_COMMAND))
        return recovery_key_from_command(c, value[KS_FLAG_KEY_COMMAND], err);
    if (ks_args_has(&c->args, KS_FLAG_PASSPHRASE_FILE)) {
        rc = ks_secret_from_file(&secret, value[KS_FLAG_PASSPHRASE_FILE],
                                 "the passphrase", err);
        if (rc == KS_OK)
            keep_key(c, KS_SLOT_PASSPHRASE, secret);
        return rc;
    }
    if (ks_args_has(&c->args, KS_FLAG_RAW_KEY_FILE)) {
        rc = ks_raw_key_from_file(&secret, value[KS_FLAG_RAW_KEY_FILE], err);
        if (rc == KS_OK)
            keep_key(c, KS_SLOT_RAW, secret);
        return rc;
    }
    if (file != NULL && file[0] != '\0')
        return recovery_key_from_file(c, file, err);
    return KS_END;
}

/* Whether text has the length of a recovery key, separators aside. */
static bool
has_recovery_length(const struct ks_secret *text)
{
    size_t count = 0;

    /* As ks_recovery_parse() does, groups may be set apart by spaces or dashes.
     */
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] != ' ' && text->data[i] != '-')
            count++;
    }
    return count == KS_RECOVERY_CHARS;
}

/* What the question asks for, given the slots that the vault has. */
static const char *
key_words(unsigned kinds)
{
    bool passphrase = (kinds & 1U << KS_SLOT_PASSPHRASE) != 0;
    bool recovery = (kinds & 1U << KS_SLOT_RECOVERY) != 0;

    if (passphrase && recovery)
        return "Recovery key or passphrase";
    return passphrase ? "Passphrase" : "Recovery key";
}

/* Ask once. KS_E_WRONG_KEY: what was typed is mistyped, ask again. */
static int
ask_for_key(struct ks_cli *c, const struct ks_unlock_ask *ask,
            struct ks_err *err)
{
    bool passphrases = (ask->slot_kinds & 1U << KS_SLOT_PASSPHRASE) != 0;
    struct ks_secret *text = NULL;
    char where[256];
    char question[320];

    ks_text_clean(where, sizeof(where), ask->where);
    (void)snprintf(
        question, sizeof(question),
        "%s of the vault %s (not shown): ", key_words(ask->slot_kinds), where);
    ks_meter_clear(&c->meter);
    if (ks_prompt_secret(&text, question, err) != KS_OK)
        return err->code;
    /* A mistyped recovery key of the right length is still told by its group,
     * though the vault has passphrases too. */
    if (passphrases && !has_recovery_length(text)) {
        keep_key(c, KS_SLOT_PASSPHRASE, text);
        return KS_OK;
    }
    return keep_recovery_text(c, text, err);
}

/* There is nobody to ask. Say every way in which the key can be given,
 * because this is read in the log of a job that ran at night. */
static int
fail_no_terminal(struct ks_cli *c, struct ks_err *err)
{
    ks_hint(&c->out, "give it with --key-file, --passphrase-file, "
                     "--raw-key-file, --key-fd, --key-command or "
                     "KEEPSAY_KEY_FILE");
    return ks_fail(err, KS_E_WRONG_KEY, 0, "the vault's key is needed, and %s",
                   ks_args_has(&c->args, KS_FLAG_NO_INPUT)
                       ? "--no-input forbids asking for it"
                       : "there is no terminal to ask at");
}

/* Ask, until what is typed has the shape of a key or patience ends. */
static int
key_from_prompt(struct ks_cli *c, const struct ks_unlock_ask *ask,
                struct ks_err *err)
{
    if (ks_args_has(&c->args, KS_FLAG_NO_INPUT) || !ks_prompt_possible())
        return fail_no_terminal(c, err);
    if (ask->attempt > 0)
        ks_talk(&c->out, "That key does not open this vault.");
    for (unsigned i = 1; i < PROMPT_ATTEMPTS; i++) {
        struct ks_err mistyped = KS_ERR_INIT;
        int rc = ask_for_key(c, ask, &mistyped);

        if (rc != KS_E_WRONG_KEY) {
            /* A key, Ctrl-C, or a terminal that went away. */
            *err = mistyped;
            return rc;
        }
        ks_talk(&c->out, "%s. Nothing was tried; type it again.", mistyped.msg);
    }
    return ask_for_key(c, ask, err);
}

int
ks_cli_unlock(void *user, const struct ks_unlock_ask *ask,
              struct ks_unlock *out, struct ks_err *err)
{
    struct ks_cli *c = user;
    int rc = KS_END;

    if (ask->attempt == 0)
        rc = key_from_flags(c, err);
    else if (!c->key_asked || ask->attempt >= PROMPT_ATTEMPTS)
        return KS_END; /* the same key again would be as wrong */
    if (rc == KS_END) {
        c->key_asked = true;
        rc = key_from_prompt(c, ask, err);
    }
    if (rc == KS_E_NOTFOUND) /* else the advice would be to make a vault */
        ks_hint(&c->out, "that is the file of the vault's key, not the vault: "
                         "look where you keep the key");
    if (rc != KS_OK)
        return rc;
    assert(c->key != NULL);
    *out = (struct ks_unlock){.kind = c->key_kind, .secret = c->key};
    return KS_OK;
}

int
ks_cli_check_key_flags(const struct ks_cli *c, struct ks_err *err)
{
    uint64_t given = c->args.seen & KS_FLAGS_KEY;

    /* no bit, or one */
    if ((given & (given - 1)) == 0)
        return KS_OK;
    return ks_fail(err, KS_E_USAGE, 0,
                   "more than one key was given; one opens the vault");
}
