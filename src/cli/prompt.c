/*
 * prompt: read a line with the echo off. Signals that would leave the terminal
 * mute are caught while it is, noted, and sent again once it is put back; after
 * a stop (Ctrl-Z) the question is asked anew. They are let in only inside
 * ppoll(), so that none slips by between a look and a wait.
 */
#include "cli/prompt.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/secret.h"

/* All that could end or stop the process while the echo is off. */
static const int prompt_signals[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT,
                                     SIGTSTP, SIGTTIN, SIGTTOU};
#define PROMPT_SIGNALS (sizeof(prompt_signals) / sizeof(prompt_signals[0]))

static volatile sig_atomic_t prompt_caught; /* the last signal, or 0 */

/* Only note it: what it would have done happens in end_prompt(). */
static void
on_prompt_signal(int signo)
{
    prompt_caught = signo;
}

/* The terminal while a question stands on it. */
struct prompt {
    int fd;
    bool echo;
    struct termios was;
    sigset_t mask; /* of signals, as it was */
    struct sigaction acts[PROMPT_SIGNALS];
};

bool
ks_prompt_possible(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return false;
    (void)close(fd);
    return true;
}

/* Catch the signals and turn the echo off, if that is wanted. */
static int
begin_prompt(struct prompt *p, struct ks_err *err)
{
    struct sigaction act = {.sa_handler = on_prompt_signal};
    struct termios mute;
    sigset_t held;

    /* First, while there is nothing to put back. */
    if (tcgetattr(p->fd, &p->was) != 0)
        return ks_fail_sys(err, errno, "cannot ask at the terminal");
    (void)sigemptyset(&act.sa_mask);
    (void)sigemptyset(&held);
    for (size_t i = 0; i < PROMPT_SIGNALS; i++)
        (void)sigaddset(&held, prompt_signals[i]);
    /* Held before the handlers are set: from here to end_prompt() a signal is
     * seen in ppoll() or not at all. */
    (void)sigprocmask(SIG_BLOCK, &held, &p->mask);
    prompt_caught = 0;
    for (size_t i = 0; i < PROMPT_SIGNALS; i++)
        (void)sigaction(prompt_signals[i], &act, &p->acts[i]);
    /* Line editing stays on: only the echo goes. FLUSH throws away what was
     * typed before the question stood there. */
    mute = p->was;
    mute.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    if (!p->echo)
        (void)tcsetattr(p->fd, TCSAFLUSH, &mute);
    return KS_OK;
}

/* Put all back, and let the signal that came do what it would have done. */
static void
end_prompt(struct prompt *p)
{
    int caught = prompt_caught;

    if (!p->echo) {
        (void)tcsetattr(p->fd, TCSAFLUSH, &p->was);
        /* the one that was typed was not shown either */
        (void)!write(p->fd, "\n", 1);
    }
    for (size_t i = 0; i < PROMPT_SIGNALS; i++)
        (void)sigaction(prompt_signals[i], &p->acts[i], NULL);
    (void)sigprocmask(SIG_SETMASK, &p->mask, NULL);
    /* To ourselves, with the old handlers back: a stop stops here, and the
     * question is asked anew when it ends; Ctrl-C is noted or ends the process,
     * as the command wants it (interrupt.h). */
    if (caught != 0)
        (void)kill(getpid(), caught);
}

/* Whether the signal stops the program (Ctrl-Z) and does not end it. */
static bool
is_stop_signal(int signo)
{
    return signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

/* Wait until something was typed. KS_END if a stop came: ask again. */
static int
wait_for_typing(const struct prompt *p, struct ks_err *err)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLIN};

    for (;;) {
        /* The only place where signals are let in. */
        int n = ppoll(&fd, 1, NULL, &p->mask);

        if (n > 0)
            return KS_OK;
        if (n < 0 && errno != EINTR)
            return ks_fail_sys(err, errno, "cannot wait at the terminal");
        if (is_stop_signal(prompt_caught))
            return KS_END;
        if (prompt_caught != 0)
            return ks_fail(err, KS_E_CANCELLED, 0, "interrupted");
    }
}

/* Read up to a line end. KS_END if a stop came: ask again. */
static int
read_answer(const struct prompt *p, char *line, size_t *len, struct ks_err *err)
{
    *len = 0;
    for (;;) {
        char c = 0;
        ssize_t n;
        int rc = wait_for_typing(p, err);

        if (rc != KS_OK)
            return rc;
        /* Byte by byte into the caller's memory: a buffered read would leave
         * the secret in a place that nobody wipes. */
        n = read(p->fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ks_fail_sys(err, errno, "cannot read from the terminal");
        if (n == 0 && *len == 0)
            return ks_fail(err, KS_E_CANCELLED, 0, "nothing was typed");
        /* Ctrl-D in the middle of a line ends it, too. */
        if (n == 0 || c == '\n' || c == '\r')
            return KS_OK;
        if (*len == KS_PROMPT_MAX) {
            return ks_fail(err, KS_E_LIMIT, 0,
                           "more than %zu characters were typed",
                           KS_PROMPT_MAX);
        }
        line[(*len)++] = c;
    }
}

/* Ask until there is an answer in line[0..*len), len <= KS_PROMPT_MAX. */
static int
ask(char *line, size_t *len, const char *question, bool echo,
    struct ks_err *err)
{
    struct prompt p = {.echo = echo};
    int rc;

    p.fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p.fd < 0) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "a key is needed, and there is no terminal to ask at");
    }
    /* Each turn begins and ends the prompt: after a stop the terminal may be
     * another program's, or set otherwise. */
    do {
        rc = begin_prompt(&p, err);
        if (rc != KS_OK)
            break;
        rc = ks_fd_write(p.fd, question, strlen(question), "/dev/tty", err);
        if (rc == KS_OK)
            rc = read_answer(&p, line, len, err);
        end_prompt(&p);
    } while (rc == KS_END);
    (void)close(p.fd);
    return rc;
}

int
ks_prompt_secret(struct ks_secret **out, const char *question,
                 struct ks_err *err)
{
    /* Typed straight into secret memory, then copied to one that is as long as
     * the answer. */
    struct ks_secret *line = NULL;
    size_t len = 0;
    int rc = ks_secret_new(&line, KS_PROMPT_MAX, err);

    if (rc == KS_OK)
        rc = ask((char *)line->data, &len, question, false, err);
    if (rc == KS_OK && len == 0)
        rc = ks_fail(err, KS_E_CANCELLED, 0, "nothing was typed");
    if (rc == KS_OK)
        rc = ks_secret_copy(out, line->data, len, err);
    ks_secret_free(line);
    return rc;
}

int
ks_prompt_yes(bool *out, const char *question, struct ks_err *err)
{
    /* no secret */
    char line[KS_PROMPT_MAX];
    size_t len = 0;

    if (ask(line, &len, question, true, err) != KS_OK)
        return err->code;
    *out = (len == 1 && (line[0] == 'y' || line[0] == 'Y')) ||
           (len == 3 && strncasecmp(line, "yes", 3) == 0);
    return KS_OK;
}
