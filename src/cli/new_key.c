/*
 * new_key: what is shown once is written to the terminal directly.
 */
#include "cli/new_key.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/prompt.h"
#include "cli/secrets.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"
#include "job/keys.h"

#define SHORT_PASSPHRASE ((size_t)12) /* bytes; below this a guess is easy */
#define GROUPS_IN_ROW    ((size_t)4)
#define GROUP_CHARS      ((size_t)5) /* four and a space */

/* Write text[0..len) to stdout past stdio, whose buffer is not wiped. */
static int
show_secret_line(const char *text, size_t len, struct ks_err *err)
{
    return ks_fd_write(STDOUT_FILENO, text, len, "the recovery key", err);
}

int
ks_show_recovery_key(const struct ks_secret *key, struct ks_err *err)
{
    char text[KS_RECOVERY_TEXT_SIZE];
    char line[80];
    int rc = KS_OK;

    assert(key->len == KS_RECOVERY_BYTES);

    ks_recovery_text(text, key->data);
    /* What was said before stands above the key. */
    (void)fflush(stdout);
    for (size_t row = 0;
         rc == KS_OK && row < KS_RECOVERY_GROUPS / GROUPS_IN_ROW; row++) {
        int n = snprintf(line, sizeof(line), "    %.*s\n",
                         (int)(GROUPS_IN_ROW * GROUP_CHARS - 1),
                         text + row * GROUPS_IN_ROW * GROUP_CHARS);

        assert(n > 0);
        rc = show_secret_line(line, (size_t)n, err);
    }
    ks_wipe(text, sizeof(text));
    ks_wipe(line, sizeof(line));
    return rc;
}

int
ks_show_recovery_line(const struct ks_secret *key, struct ks_err *err)
{
    char text[KS_RECOVERY_TEXT_SIZE];
    int rc;

    assert(key->len == KS_RECOVERY_BYTES);

    ks_recovery_text(text, key->data);
    text[sizeof(text) - 1] = '\n'; /* where the NUL was */
    (void)fflush(stdout);
    rc = show_secret_line(text, sizeof(text), err);
    ks_wipe(text, sizeof(text));
    return rc;
}

int
ks_make_recovery_file(struct ks_secret **out, struct ks_cli *c,
                      const char *path, struct ks_err *err)
{
    struct ks_secret *key = NULL;
    int rc = ks_recovery_key_new(&key, err);

    if (rc == KS_OK)
        /* On disk before the vault or the slot is made: a crash in between
         * leaves a key that opens nothing, never a lock without a key. */
        rc = ks_recovery_key_write(path, key, err);
    if (rc == KS_E_EXISTS)
        ks_hint(&c->out, "choose another name: a key file is never replaced");
    if (rc != KS_OK) {
        ks_secret_free(key);
        return rc;
    }
    *out = key;
    return KS_OK;
}

void
ks_forget_key_file(const char *path)
{
    (void)unlink(path);
}

/* A vault may be copied by whoever keeps it, and then guessed at for years.
 * A short passphrase is the user's to choose, but not unknowingly. */
static void
warn_if_short(struct ks_cli *c, const struct ks_secret *passphrase)
{
    if (passphrase->len < SHORT_PASSPHRASE)
        ks_warn(&c->out, "SHORT_PASSPHRASE", 1,
                "this passphrase is short: whoever gets hold of the vault can "
                "try passphrases at leisure; five or six random words are "
                "good");
}

int
ks_ask_new_passphrase(struct ks_secret **out, struct ks_cli *c,
                      struct ks_err *err)
{
    struct ks_secret *first = NULL;
    struct ks_secret *second = NULL;
    int rc;

    if (ks_args_has(&c->args, KS_FLAG_NO_INPUT)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "--no-input forbids asking for a passphrase");
    }
    rc = ks_prompt_secret(&first, "New passphrase (not shown): ", err);
    if (rc == KS_OK)
        rc = ks_prompt_secret(&second, "Once more: ", err);
    /* The lengths first: ks_same() takes one for both. */
    if (rc == KS_OK && (first->len != second->len ||
                        !ks_same(first->data, second->data, first->len)))
        rc = ks_fail(err, KS_E_USAGE, 0,
                     "the two passphrases differ; nothing was changed");
    ks_secret_free(second);
    if (rc != KS_OK) {
        ks_secret_free(first);
        return rc;
    }
    warn_if_short(c, first);
    *out = first;
    return KS_OK;
}

int
ks_read_new_passphrase(struct ks_secret **out, struct ks_cli *c,
                       const char *path, struct ks_err *err)
{
    int rc = ks_secret_from_file(out, path, "the new passphrase", err);

    if (rc == KS_OK)
        warn_if_short(c, *out);
    return rc;
}
