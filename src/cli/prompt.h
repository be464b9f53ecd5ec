#ifndef KS_CLI_PROMPT_H
#define KS_CLI_PROMPT_H

#include <stdbool.h>

#include "base/err.h"

struct ks_secret;

/*
 * prompt: questions at the terminal itself (/dev/tty), whatever stdin is.
 *
 * Floor 6. What is typed for a secret is not shown; the terminal is put back
 * as it was whatever happens, Ctrl-C and Ctrl-Z included.
 */
#define KS_PROMPT_MAX ((size_t)1024) /* bytes of an answer */

/* Whether there is somebody to ask: a terminal that this process belongs to can
 * be opened. A job of cron has none. */
bool ks_prompt_possible(void);

/* Ask for a secret; the answer without its line end, 1..KS_PROMPT_MAX bytes in
 * secret memory, is the caller's to free. KS_E_USAGE (no terminal),
 * KS_E_CANCELLED (nothing typed, Ctrl-C or Ctrl-D), KS_E_LIMIT, KS_E_IO,
 * KS_E_NOMEM; *out is then untouched. */
KS_MUST_CHECK int ks_prompt_secret(struct ks_secret **out, const char *question,
                                   struct ks_err *err);

/* Ask a yes-or-no question; anything but y or yes is no. Fails likewise. */
KS_MUST_CHECK int
ks_prompt_yes(bool *out, const char *question, struct ks_err *err);

#endif /* KS_CLI_PROMPT_H */
