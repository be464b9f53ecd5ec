/*
 * interrupt: two flags and a handler that calls nothing but _exit().
 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/exit_code.h"

static volatile sig_atomic_t is_gentle;
static volatile sig_atomic_t is_interrupted;

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
