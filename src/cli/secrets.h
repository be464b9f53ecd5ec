#ifndef KS_CLI_SECRETS_H
#define KS_CLI_SECRETS_H

#include "base/err.h"

struct ks_secret;

/*
 * secrets: keys from where people keep them, into secret memory.
 *
 * Floor 6. Each call hands the caller a secret to free. Messages name the
 * file, never what is in it.
 */

/* The text of a file without one trailing line end; the file may have up to
 * 1026 bytes. `what` says in messages what was looked for. KS_E_USAGE for an
 * empty file or a folder, KS_E_LIMIT, KS_E_NOTFOUND, KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int ks_secret_from_file(struct ks_secret **out, const char *path,
                                      const char *what, struct ks_err *err);

/* A key of 32 bytes: raw, or as 64 hex digits and perhaps a line end.
 * KS_E_USAGE for anything else; fails likewise. */
KS_MUST_CHECK int ks_raw_key_from_file(struct ks_secret **out, const char *path,
                                       struct ks_err *err);

/* What an open descriptor gives to its end, likewise trimmed and bounded; it is
 * not closed. `what` names it in messages. KS_E_USAGE if that is nothing,
 * KS_E_LIMIT, KS_E_IO (not open for reading, too), KS_E_NOMEM. */
KS_MUST_CHECK int ks_secret_from_fd(struct ks_secret **out, int fd,
                                    const char *what, struct ks_err *err);

/* What `/bin/sh -c command` prints. KS_E_IO if it fails: its own messages are
 * on stderr already; KS_E_CANCELLED if Ctrl-C ended it. */
KS_MUST_CHECK int
ks_secret_from_command(struct ks_secret **out, const char *command,
                       struct ks_err *err);

/* Read the text of a recovery key into its 30 bytes. A mistyped one is
 * KS_E_WRONG_KEY, and the message names the group. */
KS_MUST_CHECK int
ks_recovery_from_text(struct ks_secret **out, const struct ks_secret *text,
                      struct ks_err *err);

#endif /* KS_CLI_SECRETS_H */
