/*
 * flags: every flag there is, in one table; each command takes some of them.
 * The words here are the help that people read.
 */
#include "cli/args.h"

/* No value; no letter. */
#define PLAIN(name, help)                                                      \
    {                                                                          \
        name, NULL, help, 0, false                                             \
    }
/* No value, and a letter that does the same. */
#define SHORT(name, letter, help)                                              \
    {                                                                          \
        name, NULL, help, letter, false                                        \
    }
/* A value must follow, behind '=' or as the next argument. */
#define TAKES(name, value, help)                                               \
    {                                                                          \
        name, value, help, 0, false                                            \
    }
/* A value may follow, and then only behind '=': the next argument is a word of
 * its own. */
#define MAY_TAKE(name, value, help)                                            \
    {                                                                          \
        name, value, help, 0, true                                             \
    }

/* Indexed by enum ks_flag; help prints them in that order, so it is grouped as
 * people look for them: general, the vault's key, then by command. */
const struct ks_flag_spec ks_flag_specs[KS_FLAG_COUNT] = {
    [KS_FLAG_VAULT] = {"vault", "WHERE", "the vault: a folder, or *.keepsay",
                       'r', false},
    [KS_FLAG_JSON] = PLAIN("json", "answer in JSON, for programs"),
    [KS_FLAG_QUIET] = SHORT("quiet", 'q', "say nothing when all is well"),
    [KS_FLAG_VERBOSE] = SHORT("verbose", 'v', "whole ids, every finding"),
    [KS_FLAG_NO_PROGRESS] = PLAIN("no-progress", "no progress line"),
    [KS_FLAG_NO_COLOR] = PLAIN("no-color", "no colours"),
    [KS_FLAG_NO_INPUT] = PLAIN("no-input", "never ask: fail instead"),
    [KS_FLAG_HELP] = SHORT("help", 'h', "say what the command does"),
    [KS_FLAG_VERSION] = PLAIN("version", "say which version this is"),

    /* Keys come from places, never from the line itself: every program on the
     * machine can read the arguments of the others. */
    [KS_FLAG_KEY_FILE] =
        TAKES("key-file", "FILE", "a file with the recovery key"),
    [KS_FLAG_PASSPHRASE_FILE] =
        TAKES("passphrase-file", "FILE", "a file with the vault's passphrase"),
    [KS_FLAG_RAW_KEY_FILE] = TAKES("raw-key-file", "FILE",
                                   "a file with a 32-byte key, raw or in hex"),
    [KS_FLAG_KEY_FD] =
        TAKES("key-fd", "N", "read the recovery key from this descriptor"),
    [KS_FLAG_KEY_COMMAND] = TAKES("key-command", "COMMAND",
                                  "read the recovery key from its output"),

    /* backup */
    [KS_FLAG_SOURCE_KEY_FILE] =
        TAKES("source-key-file", "FILE", "a file with the source's passphrase"),
    [KS_FLAG_LABEL] = TAKES("label", "TEXT", "a few words to know it by"),
    [KS_FLAG_NO_MEDIA] =
        PLAIN("no-media", "leave out photos, voice notes and files"),
    [KS_FLAG_MAX_ATTACHMENT_SIZE] =
        TAKES("max-attachment-size", "SIZE", "leave out larger ones (10M, 1G)"),
    [KS_FLAG_ALLOW_INCOMPLETE] =
        PLAIN("allow-incomplete", "accept a file that was cut short"),
    [KS_FLAG_FORGET_SOURCE_KEY] =
        PLAIN("forget-source-key", "no restore --original later"),
    [KS_FLAG_FORCE_READ] =
        PLAIN("force-read", "read the file even if it looks unchanged"),
    [KS_FLAG_FAIL_IF_EMPTY] =
        PLAIN("fail-if-empty", "exit 21 if there was nothing to do"),
    [KS_FLAG_DRY_RUN] =
        SHORT("dry-run", 'n', "store nothing: say what it would cost"),

    /* list, verify, restore, copy */
    [KS_FLAG_LATEST] = TAKES("latest", "N", "only the newest N"),
    [KS_FLAG_SOURCE] = TAKES("source", "NAME", "only those of this source"),
    [KS_FLAG_READ_DATA] =
        MAY_TAKE("read-data", "PERCENT", "read the data too: all, or a share"),
    [KS_FLAG_TO] = TAKES("to", "WHERE", "where to write"),
    [KS_FLAG_ORIGINAL] =
        PLAIN("original", "the very bytes that were backed up"),
    [KS_FLAG_TARGET_KEY_FILE] = TAKES("target-key-file", "FILE",
                                      "a file with the new file's passphrase"),
    [KS_FLAG_TARGET_KEY_OUT] =
        TAKES("target-key-out", "FILE", "make that passphrase, write it here"),
    [KS_FLAG_FORCE] = SHORT("force", 'f', "replace a file that is there"),

    /* init and key */
    [KS_FLAG_RECOVERY_KEY_OUT] =
        TAKES("recovery-key-out", "FILE", "write the new recovery key here"),
    [KS_FLAG_NEW_PASSPHRASE] =
        PLAIN("new-passphrase", "ask for a new passphrase, twice"),
    [KS_FLAG_NEW_PASSPHRASE_FILE] =
        TAKES("new-passphrase-file", "FILE", "a file with the new passphrase"),
    [KS_FLAG_NEW_RAW_KEY_FILE] =
        TAKES("new-raw-key-file", "FILE", "a file with the new 32-byte key"),
    [KS_FLAG_YES] = SHORT("yes", 'y', "do it without asking"),
};
