#ifndef KS_CLI_INTERRUPT_H
#define KS_CLI_INTERRUPT_H

#include <stdbool.h>

/*
 * interrupt: Ctrl-C, and its cousins SIGTERM and SIGHUP.
 *
 * Floor 6. A command that has something to tidy up (a temporary file, a lock, a
 * target half written) asks for a gentle end: the first signal is noted, the
 * work stops at its next step. A second signal, or the first one otherwise,
 * ends the process at once with exit code 130. Both are safe: what is half done
 * is never taken for whole.
 *
 * The state is the process's: signals have no other. Questions at the terminal
 * (prompt.h) have handlers of their own meanwhile.
 */
void ks_interrupt_install(void);

/* From now on: the first signal is only noted (true), or ends at once. */
void ks_interrupt_gentle(bool gentle);

/* Whether a signal has come. */
bool ks_interrupted(void);

#endif /* KS_CLI_INTERRUPT_H */
