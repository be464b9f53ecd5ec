#ifndef KS_CLI_EXIT_CODE_H
#define KS_CLI_EXIT_CODE_H

/*
 * exit_code: what the process answers its caller.
 *
 * Floor 6. Scripts rely on these numbers: they never change their meaning.
 */
enum ks_exit {
    KS_EXIT_OK = 0,
    KS_EXIT_FAILED = 1,
    KS_EXIT_USAGE = 2,
    KS_EXIT_LOSSES = 3, /* finished, with losses to read */
    KS_EXIT_NOTFOUND = 10,
    KS_EXIT_BUSY = 11,
    KS_EXIT_WRONG_KEY = 12,
    KS_EXIT_DAMAGED = 13,
    KS_EXIT_INCOMPLETE = 14,
    KS_EXIT_UNSUPPORTED = 15,
    KS_EXIT_FULL = 18,
    KS_EXIT_NOTHING = 21, /* nothing to do, with --fail-if-empty */
    KS_EXIT_INTERRUPTED = 130,
};

/* The exit code that belongs to an enum ks_code; 1 for one that is not known.
 * Losses and "nothing to do" are no failures and come from the command itself
 * (ks_out.exit). */
int ks_exit_of(int code);

/* What a person may do about a failure when nothing better is known, or NULL:
 * it depends on errno `sys` (0: none) first, then on the code. Static text. */
const char *ks_usual_hint(int code, int sys);

/* Every exit code with its meaning, for `keepsay help exit-codes`; ends with a
 * NULL meaning. */
struct ks_exit_meaning {
    int exit;
    const char *meaning;
};
extern const struct ks_exit_meaning ks_exit_meanings[];

#endif /* KS_CLI_EXIT_CODE_H */
