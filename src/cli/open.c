/*
 * open: from flags and environment to an open vault, with a hint for each way
 * in which that can fail.
 */
#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/unlock.h"
#include "crypto/secret.h"
#include "vault/vault.h"

const char *
ks_cli_word(const struct ks_cli *c, size_t i)
{
    size_t used = 0;

    (void)ks_command_find(c->args.words, c->args.word_count, &used);
    return used + i < c->args.word_count ? c->args.words[used + i] : NULL;
}

int
ks_cli_where(struct ks_cli *c, const char **where, struct ks_err *err)
{
    const char *place = c->args.value[KS_FLAG_VAULT];

    if (place == NULL)
        place = getenv("KEEPSAY_VAULT");
    /* An empty name is a script whose variable is not set. */
    if (place == NULL || place[0] == '\0') {
        ks_hint(&c->out, "name it with -r WHERE, or set KEEPSAY_VAULT");
        return ks_fail(err, KS_E_USAGE, 0, "which vault?");
    }
    *where = place;
    return KS_OK;
}

/* HOME, or what the user database says: cron and services may have none. */
static const char *
home_folder(void)
{
    const char *home = getenv("HOME");
    const struct passwd *pw;

    if (home != NULL && home[0] == '/')
        return home;
    pw = getpwuid(getuid());
    return pw != NULL && pw->pw_dir != NULL ? pw->pw_dir : "/";
}

/* The folder of all client state, as the XDG base directories say. */
static int
find_state_base(struct ks_cli *c, struct ks_err *err)
{
    const char *own = getenv("KEEPSAY_STATE_DIR");
    const char *xdg = getenv("XDG_STATE_HOME");
    int n;

    /* KEEPSAY_STATE_DIR may be relative: it is the user's own word. The XDG
     * rules have a relative XDG_STATE_HOME ignored. */
    if (own != NULL && own[0] != '\0')
        n = asprintf(&c->state_base, "%s", own);
    else if (xdg != NULL && xdg[0] == '/')
        n = asprintf(&c->state_base, "%s/keepsay", xdg);
    else
        n = asprintf(&c->state_base, "%s/.local/state/keepsay", home_folder());
    if (n < 0) {
        c->state_base = NULL;
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a folder's name");
    }
    return KS_OK;
}

/* What to do when the vault does not open. */
static void
hint_open(struct ks_cli *c, int code)
{
    switch (code) {
    case KS_E_NOTFOUND:
        ks_hint(&c->out, "`keepsay init -r %s` makes a new vault there",
                c->access.where);
        break;
    case KS_E_INCOMPLETE:
        ks_hint(&c->out, "copy the archive anew; --allow-incomplete reads "
                         "what was finished before, if anything was");
        break;
    case KS_E_FORMAT:
        ks_hint(&c->out, "is it the right file? If it is, its beginning is "
                         "damaged: look for another copy");
        break;
    case KS_E_UNSUPPORTED:
        ks_hint(&c->out, "a newer version of keepsay may read it");
        break;
    default:
        break;
    }
}

/* What was odd, though the vault opened. */
static void
warn_of_vault(struct ks_cli *c)
{
    struct ks_vault_warnings w =
        ks_vault_get_warnings(ks_session_vault(c->session));

    if (w.damaged_slots > 0)
        ks_warn(&c->out, "DAMAGED_SLOTS", w.damaged_slots,
                "%u copies of key slots are damaged; keys still open the vault "
                "by the other copies",
                w.damaged_slots);
    if (w.unlisted_slots > 0)
        ks_warn(&c->out, "UNLISTED_SLOTS", w.unlisted_slots,
                "%u key slots are in the vault that its list does not name; "
                "they were refused",
                w.unlisted_slots);
    if (w.damaged_notes > 0)
        ks_warn(&c->out, "DAMAGED_NOTES", w.damaged_notes,
                "%u notes (labels and the like) are damaged", w.damaged_notes);
    if (w.damaged_header_copy)
        ks_warn(&c->out, "DAMAGED_HEADER_COPY", 1,
                "one of the two copies of the vault's header is damaged");
}

int
ks_cli_open(struct ks_cli *c, enum ks_store_mode mode, bool dry_run,
            struct ks_err *err)
{
    int rc;

    /* once a run: there is one session to close */
    assert(c->session == NULL);

    c->access = (struct ks_access){
        .mode = mode,
        /* Who writes must have all of it: what is appended to half an archive
         * would bury the rest. */
        .allow_incomplete = mode == KS_STORE_READ &&
                            ks_args_has(&c->args, KS_FLAG_ALLOW_INCOMPLETE),
        .dry_run = dry_run,
        .unlock = ks_cli_unlock,
        .user = c,
    };
    rc = ks_cli_where(c, &c->access.where, err);
    if (rc == KS_OK)
        rc = ks_cli_check_key_flags(c, err);
    if (rc == KS_OK)
        rc = find_state_base(c, err);
    if (rc != KS_OK)
        return rc;
    /* The session borrows c->access, state_base and the unlocking run itself:
     * all live in *c until ks_cli_close(). */
    c->access.state_base = c->state_base;
    rc = ks_session_open(&c->session, &c->access, err);
    if (rc == KS_OK)
        warn_of_vault(c);
    else
        hint_open(c, rc);
    return rc;
}

void
ks_cli_close(struct ks_cli *c)
{
    /* A command that failed before it opened anything comes here as well: every
     * one of these may be NULL. */
    ks_session_close(c->session);
    ks_secret_free(c->key);
    free(c->state_base);
    c->session = NULL;
    c->key = NULL;
    c->state_base = NULL;
}
