#ifndef KS_CLI_CLI_H
#define KS_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "cli/args.h"
#include "cli/meter.h"
#include "cli/output.h"
#include "job/session.h"

struct ks_secret;

/*
 * cli: one run of the program, and the shape of a command.
 *
 * Floor 6. main.c fills it in, one function in a cmd_*.c does the work. It
 * lives from the first to the last line of main() and never moves: the session,
 * the meter and the callbacks of jobs keep pointers into it. One thread, though
 * callbacks come from within a job.
 */
struct ks_cli {
    const struct ks_command *command;
    struct ks_args args;
    struct ks_out out;
    struct ks_meter meter;
    struct ks_progress progress;

    /* The vault and its key, once a command asked for them. */
    struct ks_access access;
    struct ks_session *session;
    struct ks_secret *key;
    enum ks_slot_kind key_kind;
    bool key_asked; /* it was typed, not taken from a flag */
    char *state_base;
};

/* One row of the table in commands.c. `run` answers KS_OK or a code with *err
 * filled in; what it found it hands to c->out, which main.c finishes. It must
 * not end the process. */
struct ks_command {
    const char *name;  /* "backup", "key add" */
    const char *alias; /* another name, or NULL */
    const char *words; /* what follows it, e.g. "[SNAPSHOT]" */
    const char *brief; /* one line, for the list */
    const char *about; /* the rest of its help, one paragraph */
    unsigned words_min;
    unsigned words_max;
    uint64_t flags; /* what it takes beside KS_FLAGS_COMMON */
    bool gentle;    /* Ctrl-C lets it tidy up first */
    int (*run)(struct ks_cli *c, struct ks_err *err);
};

/* Every command; ends with a NULL name. */
extern const struct ks_command ks_commands[];

/* Flags that every command takes, and those that open a vault. */
#define KS_FLAGS_COMMON                                                        \
    (KS_FLAG_BIT(KS_FLAG_JSON) | KS_FLAG_BIT(KS_FLAG_QUIET) |                  \
     KS_FLAG_BIT(KS_FLAG_VERBOSE) | KS_FLAG_BIT(KS_FLAG_NO_PROGRESS) |         \
     KS_FLAG_BIT(KS_FLAG_NO_COLOR) | KS_FLAG_BIT(KS_FLAG_NO_INPUT) |           \
     KS_FLAG_BIT(KS_FLAG_HELP))
#define KS_FLAGS_KEY                                                           \
    (KS_FLAG_BIT(KS_FLAG_KEY_FILE) | KS_FLAG_BIT(KS_FLAG_PASSPHRASE_FILE) |    \
     KS_FLAG_BIT(KS_FLAG_RAW_KEY_FILE) | KS_FLAG_BIT(KS_FLAG_KEY_FD) |         \
     KS_FLAG_BIT(KS_FLAG_KEY_COMMAND))
#define KS_FLAGS_VAULT (KS_FLAG_BIT(KS_FLAG_VAULT) | KS_FLAGS_KEY)

/*
 * The command that the words begin with, or NULL; *used gets how many words
 * its name has. ks_command_nearest() gives the name that was probably meant,
 * or NULL.
 */
const struct ks_command *
ks_command_find(const char *const *words, size_t count, size_t *used);
const char *ks_command_nearest(const char *word);

/* The i-th word after the command's name, or NULL. choose_command() in main.c
 * has seen to it that there are words_min to words_max of them. */
const char *ks_cli_word(const struct ks_cli *c, size_t i);

/* Where the vault is: --vault, else KEEPSAY_VAULT, else KS_E_USAGE. */
KS_MUST_CHECK int
ks_cli_where(struct ks_cli *c, const char **where, struct ks_err *err);

/*
 * Open the vault into c->session, asking for its key as the flags say; warn of
 * what was odd. KS_STORE_READ or KS_STORE_WRITE; `dry_run` with the first.
 * Fails like ks_session_open(), and sets a hint.
 */
KS_MUST_CHECK int ks_cli_open(struct ks_cli *c, enum ks_store_mode mode,
                              bool dry_run, struct ks_err *err);

/* Close the session, free the key; main.c calls it, once, whatever happened.
 * Nothing that was opened is no failure. */
void ks_cli_close(struct ks_cli *c);

/* The commands, in the files cmd_*.c. Each answers KS_OK or any failure of the
 * jobs it stands on; KS_E_USAGE for flags that do not go together. c->out.exit
 * may then still say 3 or 21 (exit_code.h). */
int ks_cmd_init(struct ks_cli *c, struct ks_err *err);
int ks_cmd_backup(struct ks_cli *c, struct ks_err *err);
int ks_cmd_list(struct ks_cli *c, struct ks_err *err);
int ks_cmd_info(struct ks_cli *c, struct ks_err *err);
int ks_cmd_ls(struct ks_cli *c, struct ks_err *err);
int ks_cmd_verify(struct ks_cli *c, struct ks_err *err);
int ks_cmd_restore(struct ks_cli *c, struct ks_err *err);
int ks_cmd_copy(struct ks_cli *c, struct ks_err *err);
int ks_cmd_key_show(struct ks_cli *c, struct ks_err *err);
int ks_cmd_key_verify(struct ks_cli *c, struct ks_err *err);
int ks_cmd_key_slots(struct ks_cli *c, struct ks_err *err);
int ks_cmd_key_add(struct ks_cli *c, struct ks_err *err);
int ks_cmd_key_remove(struct ks_cli *c, struct ks_err *err);
int ks_cmd_version(struct ks_cli *c, struct ks_err *err);
int ks_cmd_help(struct ks_cli *c, struct ks_err *err);

#endif /* KS_CLI_CLI_H */
