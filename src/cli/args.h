#ifndef KS_CLI_ARGS_H
#define KS_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * args: what was typed, taken apart by one table of flags.
 *
 * Floor 6. Flags and words may be mixed; "--" ends the flags. The strings are
 * those of argv. No flag's value is ever a secret: keys come from files,
 * descriptors, commands and prompts.
 */
enum ks_flag {
    KS_FLAG_VAULT,
    KS_FLAG_JSON,
    KS_FLAG_QUIET,
    KS_FLAG_VERBOSE,
    KS_FLAG_NO_PROGRESS,
    KS_FLAG_NO_COLOR,
    KS_FLAG_NO_INPUT,
    KS_FLAG_HELP,
    KS_FLAG_VERSION,

    KS_FLAG_KEY_FILE,
    KS_FLAG_PASSPHRASE_FILE,
    KS_FLAG_RAW_KEY_FILE,
    KS_FLAG_KEY_FD,
    KS_FLAG_KEY_COMMAND,

    KS_FLAG_SOURCE_KEY_FILE,
    KS_FLAG_LABEL,
    KS_FLAG_NO_MEDIA,
    KS_FLAG_MAX_ATTACHMENT_SIZE,
    KS_FLAG_ALLOW_INCOMPLETE,
    KS_FLAG_FORGET_SOURCE_KEY,
    KS_FLAG_FORCE_READ,
    KS_FLAG_FAIL_IF_EMPTY,
    KS_FLAG_DRY_RUN,

    KS_FLAG_LATEST,
    KS_FLAG_SOURCE,
    KS_FLAG_READ_DATA,
    KS_FLAG_TO,
    KS_FLAG_ORIGINAL,
    KS_FLAG_TARGET_KEY_FILE,
    KS_FLAG_TARGET_KEY_OUT,
    KS_FLAG_FORCE,

    KS_FLAG_RECOVERY_KEY_OUT,
    KS_FLAG_NEW_PASSPHRASE,
    KS_FLAG_NEW_PASSPHRASE_FILE,
    KS_FLAG_NEW_RAW_KEY_FILE,
    KS_FLAG_YES,

    KS_FLAG_COUNT,
};

/* A set of flags. */
#define KS_FLAG_BIT(flag) ((uint64_t)1 << (flag))

struct ks_flag_spec {
    const char *name;  /* without the dashes */
    const char *value; /* what its value is called; NULL: it takes none */
    const char *help;
    char letter;   /* the short form, or 0 */
    bool optional; /* the value may be left out, and else comes after '=' */
};
/* Indexed by enum ks_flag. */
extern const struct ks_flag_spec ks_flag_specs[KS_FLAG_COUNT];

/* More than any command takes: in all but absurd cases the answer to a surplus
 * word is the usage of the command. */
#define KS_WORDS_MAX ((size_t)8)

struct ks_args {
    const char *words[KS_WORDS_MAX]; /* command and what it is about */
    size_t word_count;
    uint64_t seen;                    /* flags that were given */
    const char *value[KS_FLAG_COUNT]; /* NULL without one */
    unsigned verbose;                 /* how often -v was given */
    /* The first flag that is none, or NULL: with its dashes if it was a long
     * one, else from its letter on. Behind '=' or the letter a secret may
     * stand. */
    const char *unknown;
};

/*
 * Take argv[1..argc) apart. A flag that is in no table is left to
 * ks_args_check(), which knows what the command takes. KS_E_USAGE for a
 * missing value, a value where there is none, a flag with a value given
 * twice, and too many words. *out is filled as far as parsing came.
 */
KS_MUST_CHECK int ks_args_parse(struct ks_args *out, int argc,
                                char *const *argv, struct ks_err *err);

/* KS_E_USAGE for a flag that is none or not in `allowed`; the message names the
 * nearest that is, and repeats no value. `command` is what people call it ("key
 * add"). Call it after ks_args_parse(), before any flag is heeded. */
KS_MUST_CHECK int ks_args_check(const struct ks_args *args, uint64_t allowed,
                                const char *command, struct ks_err *err);

/* Whether the flag was given. */
static inline bool
ks_args_has(const struct ks_args *args, enum ks_flag flag)
{
    return (args->seen & KS_FLAG_BIT(flag)) != 0;
}

#endif /* KS_CLI_ARGS_H */
