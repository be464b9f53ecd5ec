/*
 * main: hardens the process, finds the command, runs it, says how it went.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "crypto/secret.h"

#if defined(__SANITIZE_ADDRESS__)
#define KS_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KS_SANITIZED
#endif
#endif

/* No core dump, and no other program of this user may look inside: the
 * process holds keys and messages. The leak checker of a sanitizer build would
 * be locked out as well. */
static void
harden_process(void)
{
    /* Neither is fatal where it is not allowed: keys are in memory that does
     * not go into a dump, too. */
    struct rlimit none = {0};

    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef KS_SANITIZED
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* A standard stream that is closed would lend its number to the next file that
 * is opened, a vault perhaps, and the next warning would be written into it.
 * /dev/null stands in, for reading only: nothing can be written to a closed
 * stdout, and the caller is to hear of that. */
static void
hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest free number is the one that is closed. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            _exit(KS_EXIT_FAILED);
    }
}

/* Whether --json was typed: an argument that cannot be understood is then
 * answered in JSON all the same. */
static bool
typed_json(int argc, char *const *argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        /* Also if it turns out to be a flag's value; that is no command that
         * succeeds. */
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

/* No command, or none that there is. */
static int
fail_no_command(struct ks_cli *c, struct ks_err *err)
{
    const char *word = c->args.word_count > 0 ? c->args.words[0] : NULL;
    const char *nearest = NULL;

    ks_hint(&c->out, "`keepsay help` lists the commands");
    if (word == NULL)
        return ks_fail(err, KS_E_USAGE, 0, "what shall keepsay do?");
    if (strcmp(word, "key") == 0) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "after \"key\" comes one of show, verify, slots, add "
                       "and remove");
    }
    nearest = ks_command_nearest(word);
    if (nearest == NULL)
        return ks_fail(err, KS_E_USAGE, 0, "there is no command %s", word);
    return ks_fail(err, KS_E_USAGE, 0,
                   "there is no command %s: did you mean %s?", word, nearest);
}

/* --help and --version stand for commands of their own. */
static const struct ks_command *
command_of_flags(const struct ks_cli *c)
{
    const char *name = NULL;
    size_t used = 0;

    if (ks_args_has(&c->args, KS_FLAG_HELP))
        name = "help";
    else if (ks_args_has(&c->args, KS_FLAG_VERSION))
        name = "version";
    return name != NULL ? ks_command_find(&name, 1, &used) : NULL;
}

/* Find the command and see that flags and words are such as it takes. */
static int
choose_command(struct ks_cli *c, struct ks_err *err)
{
    const struct ks_command *k;
    uint64_t flags = KS_FLAGS_COMMON;
    size_t used = 0;

    /* Found even if --help follows: "backup --help" is about backup. */
    k = ks_command_find(c->args.words, c->args.word_count, &used);
    if (k != NULL)
        c->out.command = k->name;
    if (command_of_flags(c) != NULL) {
        c->command = command_of_flags(c);
        c->out.command = c->command->name;
        return KS_OK;
    }
    if (k == NULL && c->args.unknown == NULL)
        return fail_no_command(c, err);
    /* Without a command any flag might be meant. */
    flags = k != NULL ? flags | k->flags : UINT64_MAX;
    if (ks_args_check(&c->args, flags, c->out.command, err) != KS_OK) {
        ks_hint(&c->out, "`keepsay help%s%s` says what %s",
                k != NULL ? " " : "", c->out.command,
                k != NULL ? "it takes" : "there is");
        return err->code;
    }
    assert(k != NULL); /* an unknown flag has failed the check */
    if (c->args.word_count - used < k->words_min ||
        c->args.word_count - used > k->words_max) {
        ks_hint(&c->out, "`keepsay help %s` says more", k->name);
        return ks_fail(err, KS_E_USAGE, 0, "usage: keepsay %s %s", k->name,
                       k->words);
    }
    c->command = k;
    return KS_OK;
}

/* Take the general flags to heart. */
static void
apply_common_flags(struct ks_cli *c)
{
    c->out.json = c->out.json || ks_args_has(&c->args, KS_FLAG_JSON);
    c->out.quiet = ks_args_has(&c->args, KS_FLAG_QUIET);
    c->out.verbose = c->args.verbose;
    if (ks_args_has(&c->args, KS_FLAG_NO_COLOR)) {
        c->out.color_out = false;
        c->out.color_err = false;
    }
    c->meter.shown = isatty(STDERR_FILENO) && !c->out.json && !c->out.quiet &&
                     !ks_args_has(&c->args, KS_FLAG_NO_PROGRESS);
}

/* Arguments, then the command: whatever fails, the caller says so. */
static int
run_cli(struct ks_cli *c, int argc, char *const *argv, struct ks_err *err)
{
    int rc = ks_args_parse(&c->args, argc, argv, err);

    if (rc == KS_OK) {
        apply_common_flags(c);
        rc = choose_command(c, err);
    }
    if (rc == KS_OK)
        /* Late: a mistake in the arguments needs no library to be told. */
        rc = ks_crypto_init(err);
    if (rc == KS_OK) {
        ks_interrupt_gentle(c->command->gentle);
        rc = c->command->run(c, err);
    }
    return rc;
}

int
main(int argc, char **argv)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_cli c = {0};
    int exit_code;
    int rc;

    hold_standard_streams();
    harden_process();
    ks_interrupt_install();
    ks_out_init(&c.out, &c.meter);
    /* Before parsing, which may fail: then the failure is JSON too. */
    c.out.json = typed_json(argc, argv);
    c.progress = ks_meter_progress(&c.meter);
    rc = run_cli(&c, argc, argv, &err);
    ks_meter_clear(&c.meter);
    /* Before the answer, so that its reader may open the vault at once: locks
     * are let go and keys are wiped. */
    ks_cli_close(&c);
    exit_code = ks_out_finish(&c.out, rc, &err);
    ks_out_wipe(&c.out);
    return exit_code;
}
