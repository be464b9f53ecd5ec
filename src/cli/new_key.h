#ifndef KS_CLI_NEW_KEY_H
#define KS_CLI_NEW_KEY_H

#include "base/err.h"

struct ks_cli;
struct ks_secret;

/*
 * new_key: keys that are made, and how a person gets to hold them.
 *
 * Floor 6.
 */

/* The 16 groups of a recovery key (its KS_RECOVERY_BYTES) in four rows on
 * stdout, past every buffer that is not wiped. KS_E_IO or KS_E_FULL: it was
 * not seen whole. */
KS_MUST_CHECK int
ks_show_recovery_key(const struct ks_secret *key, struct ks_err *err);

/* The same on one line, to be copied into a password manager. Fails alike. */
KS_MUST_CHECK int
ks_show_recovery_line(const struct ks_secret *key, struct ks_err *err);

/* Make a recovery key and write it to `path` (0600, never replaced). Sets a
 * hint. The caller frees; ks_forget_key_file() takes the file away again. */
KS_MUST_CHECK int
ks_make_recovery_file(struct ks_secret **out, struct ks_cli *c,
                      const char *path, struct ks_err *err);

/* Remove a key file that was just made, because nothing opens with it. One that
 * cannot be removed is no failure of its own. */
void ks_forget_key_file(const char *path);

/* Ask for a new passphrase, twice. KS_E_USAGE (no terminal, or the two
 * differ), and as ks_prompt_secret(). Warns of a short one. */
KS_MUST_CHECK int ks_ask_new_passphrase(struct ks_secret **out,
                                        struct ks_cli *c, struct ks_err *err);

/* Read a new passphrase from a file; warns of a short one. */
KS_MUST_CHECK int
ks_read_new_passphrase(struct ks_secret **out, struct ks_cli *c,
                       const char *path, struct ks_err *err);

#endif /* KS_CLI_NEW_KEY_H */
