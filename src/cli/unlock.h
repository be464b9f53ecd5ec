#ifndef KS_CLI_UNLOCK_H
#define KS_CLI_UNLOCK_H

#include "base/err.h"
#include "job/session.h"

struct ks_cli;

/*
 * unlock: which key opens the vault, as the flags say or the user types.
 *
 * Floor 6. From --key-file, --passphrase-file, --raw-key-file, --key-fd or
 * --key-command, of which one may be given; else the file KEEPSAY_KEY_FILE
 * names; else it is asked for, three times at most. What is typed may be the
 * recovery key or a passphrase: a recovery key has a shape.
 */

/* The `unlock` of struct ks_access; user is the struct ks_cli, which keeps the
 * secret. KS_E_WRONG_KEY for a mistyped recovery key, and if there is neither
 * flag nor terminal: no key opens nothing. KS_END when a key from a flag was
 * wrong. */
int ks_cli_unlock(void *user, const struct ks_unlock_ask *ask,
                  struct ks_unlock *out, struct ks_err *err);

/* KS_E_USAGE if more than one of the key flags is given. */
KS_MUST_CHECK int
ks_cli_check_key_flags(const struct ks_cli *c, struct ks_err *err);

#endif /* KS_CLI_UNLOCK_H */
