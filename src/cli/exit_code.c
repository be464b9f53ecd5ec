/*
 * exit_code: one table from failures to exit codes and to what helps.
 */
#include "cli/exit_code.h"

#include <errno.h>
#include <stddef.h>

#include "base/err.h"

/* For each enum ks_code the exit code, and what helps when the command has no
 * better advice (ks_hint() keeps the first that is given). A code that has one
 * cause to a user gets words; one with many (KS_E_IO, KS_E_USAGE) has its
 * message only, because general advice would mislead. */
static const struct {
    int code;
    int exit;
    const char *hint;
} codes[] = {
    {KS_OK, KS_EXIT_OK, NULL},
    {KS_END, KS_EXIT_OK, NULL},
    {KS_E_NOMEM, KS_EXIT_FAILED,
     "close other programs and run the same again; nothing was lost"},
    {KS_E_IO, KS_EXIT_FAILED, NULL},
    {KS_E_NOTFOUND, KS_EXIT_NOTFOUND, NULL},
    {KS_E_EXISTS, KS_EXIT_FAILED, "choose another name"},
    {KS_E_FORMAT, KS_EXIT_DAMAGED,
     "have the app make a new backup file, and use that"},
    {KS_E_CORRUPT, KS_EXIT_DAMAGED,
     "`keepsay verify --read-data` lists what is hit; another copy of the "
     "vault, if there is one, is worth a look before anything else is done"},
    {KS_E_LIMIT, KS_EXIT_FAILED, NULL},
    {KS_E_UNSUPPORTED, KS_EXIT_UNSUPPORTED, NULL},
    {KS_E_WRONG_KEY, KS_EXIT_WRONG_KEY,
     "`keepsay key verify` checks what you wrote down, and changes nothing"},
    {KS_E_WRONG_SOURCE_KEY, KS_EXIT_WRONG_KEY,
     "give the source's own passphrase with --source-key-file; it is not the "
     "vault's key"},
    {KS_E_INCOMPLETE, KS_EXIT_INCOMPLETE,
     "make or copy it anew, or keep what is there with --allow-incomplete"},
    {KS_E_FULL, KS_EXIT_FULL,
     "make room and run the same again; what was there before is untouched"},
    {KS_E_BUSY, KS_EXIT_BUSY, "wait until the other one has finished"},
    {KS_E_CANCELLED, KS_EXIT_INTERRUPTED,
     "run the same again; what was there before is untouched"},
    {KS_E_USAGE, KS_EXIT_USAGE, NULL},
};

int
ks_exit_of(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].exit;
    }
    /* A code that is missing above is our oversight, but still a failure. */
    return KS_EXIT_FAILED;
}

const char *
ks_usual_hint(int code, int sys)
{
    /* The system's own answer is more exact than our code for it. */
    if (sys == EACCES || sys == EPERM)
        return "this user may not do that there: look at the owner and the "
               "permissions, or choose another place";
    if (sys == EROFS)
        return "that place can only be read: choose another, or copy the "
               "vault to one";
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].hint;
    }
    return NULL;
}

/* Those that this version can answer; 16, 17, 19 and 20 are set aside for
 * remote stores and histories. */
const struct ks_exit_meaning ks_exit_meanings[] = {
    {KS_EXIT_OK, "all is well"},
    {KS_EXIT_FAILED, "it failed; the message says why"},
    {KS_EXIT_USAGE, "the command makes no sense as it was typed"},
    {KS_EXIT_LOSSES, "finished, but something was lost: read the report"},
    {KS_EXIT_NOTFOUND, "the vault, snapshot or file is not there"},
    {KS_EXIT_BUSY, "another program is using it"},
    {KS_EXIT_WRONG_KEY, "wrong key (JSON: WRONG_KEY or WRONG_SOURCE_KEY)"},
    {KS_EXIT_DAMAGED, "damaged, or changed by somebody"},
    {KS_EXIT_INCOMPLETE, "its making was never finished"},
    {KS_EXIT_UNSUPPORTED, "a version or format that keepsay does not know"},
    {KS_EXIT_FULL, "the disk is full, or a quota is reached"},
    {KS_EXIT_NOTHING, "there was nothing to do (with --fail-if-empty)"},
    {KS_EXIT_INTERRUPTED, "interrupted"},
    {0, NULL},
};
