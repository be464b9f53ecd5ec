/*
 * interrupt: two flags and a handler that calls nothing but _exit().
 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/exit_code.h"

/* Shared with the handler; sig_atomic_t is all that C allows there. */
static volatile sig_atomic_t is_gentle;
static volatile sig_atomic_t is_interrupted;

/* Note the signal, or end. Nothing else is safe in a handler: the thread it
 * interrupts may hold any lock, that of stdio included. _exit() flushes no
 * buffer; what is half done has no name yet or a temporary one, or lies behind
 * the last commit of an archive file, so it is never taken for whole. */
static void
on_interrupt(int signo)
{
    (void)signo;
    if (!is_gentle || is_interrupted)
        _exit(KS_EXIT_INTERRUPTED);
    is_interrupted = 1;
}

void
ks_interrupt_install(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = on_interrupt};
    struct sigaction was;

    (void)sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        /* nohup and shells in the background ignore some on purpose */
        if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &act, NULL);
    }
    /* A reader that went away, and a file at its size limit, show as a failed
     * write, not as a signal. */
    act.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &act, NULL);
    (void)sigaction(SIGXFSZ, &act, NULL);
}

void
ks_interrupt_gentle(bool gentle)
{
    is_gentle = gentle;
}

bool
ks_interrupted(void)
{
    return is_interrupted != 0;
}
