/*
 * args: one pass over argv. --flag, --flag=value, --flag value, -f, -fvalue,
 * -f value, and short flags without values run together (-qv).
 */
#include "cli/args.h"

#include <assert.h>
#include <string.h>

#include "cli/nearest.h"

/* Where the parser stands. */
struct arg_walk {
    int argc;
    char *const *argv;
    int at; /* the next one to read */
    struct ks_args *args;
};

/* The length of an unknown flag's name as typed: a secret that was typed
 * after '=', or run together with a letter, is not repeated in messages. */
static int
flag_name_length(const char *typed)
{
    return strncmp(typed, "--", 2) == 0 ? (int)strcspn(typed, "=") : 1;
}

/* The enum ks_flag whose name is name[0..len), or -1. Whole names only: an
 * abbreviation that is clear today would not be once a flag is added. */
static int
find_long(const char *name, size_t len)
{
    for (int i = 0; i < KS_FLAG_COUNT; i++) {
        if (strlen(ks_flag_specs[i].name) == len &&
            memcmp(ks_flag_specs[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

/* The enum ks_flag with this letter, or -1. Most flags have none (0), which the
 * end of an argument must not match. */
static int
find_short(char letter)
{
    for (int i = 0; i < KS_FLAG_COUNT; i++) {
        if (letter != '\0' && ks_flag_specs[i].letter == letter)
            return i;
    }
    return -1;
}

/* Note the flag, with its value or NULL. A flag with a value may come once
 * only: which of two vaults was meant is not ours to guess. A plain one may be
 * repeated; -v counts. */
static int
take_flag(struct ks_args *args, int flag, const char *value, struct ks_err *err)
{
    const struct ks_flag_spec *spec = &ks_flag_specs[flag];

    if (flag == KS_FLAG_VERBOSE)
        args->verbose++;
    if (spec->value != NULL && (args->seen & KS_FLAG_BIT(flag)) != 0)
        return ks_fail(err, KS_E_USAGE, 0, "--%s is given twice", spec->name);
    args->seen |= KS_FLAG_BIT(flag);
    args->value[flag] = value;
    return KS_OK;
}

/* The next of argv as a value of `spec`. What begins with "--" is taken for a
 * flag whose value was forgotten. */
static int
take_next_value(struct arg_walk *w, int flag, struct ks_err *err)
{
    const struct ks_flag_spec *spec = &ks_flag_specs[flag];
    const char *value = w->at < w->argc ? w->argv[w->at] : NULL;

    if (value == NULL || strncmp(value, "--", 2) == 0) {
        return ks_fail(err, KS_E_USAGE, 0, "--%s needs a value: --%s %s",
                       spec->name, spec->name, spec->value);
    }
    w->at++;
    return take_flag(w->args, flag, value, err);
}

/* --flag, --flag=value or --flag value. An unknown one is only noted: which
 * flags are near it depends on the command, which may stand behind it. */
static int
parse_long(struct arg_walk *w, const char *typed, struct ks_err *err)
{
    const char *name = typed + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    int flag = find_long(name, len);

    if (flag < 0) {
        if (w->args->unknown == NULL)
            w->args->unknown = typed;
        return KS_OK;
    }
    if (ks_flag_specs[flag].value == NULL && value != NULL) {
        return ks_fail(err, KS_E_USAGE, 0, "--%s takes no value",
                       ks_flag_specs[flag].name);
    }
    if (ks_flag_specs[flag].value != NULL && value == NULL &&
        !ks_flag_specs[flag].optional)
        return take_next_value(w, flag, err);
    return take_flag(w->args, flag, value, err);
}

/* One or more short flags; the first that takes a value takes the rest. */
static int
parse_short(struct arg_walk *w, const char *typed, struct ks_err *err)
{
    for (const char *p = typed + 1; *p != '\0'; p++) {
        int flag = find_short(*p);
        int rc;

        if (flag < 0) {
            if (w->args->unknown == NULL)
                w->args->unknown = p;
            return KS_OK;
        }
        if (ks_flag_specs[flag].value != NULL) {
            return p[1] != '\0' ? take_flag(w->args, flag, p + 1, err)
                                : take_next_value(w, flag, err);
        }
        rc = take_flag(w->args, flag, NULL, err);
        if (rc != KS_OK)
            return rc;
    }
    return KS_OK;
}

/* A word that is no flag: the command, or what it is about. */
static int
take_word(struct ks_args *args, const char *word, struct ks_err *err)
{
    if (args->word_count == KS_WORDS_MAX)
        return ks_fail(err, KS_E_USAGE, 0, "too many words");
    args->words[args->word_count++] = word;
    return KS_OK;
}

int
ks_args_parse(struct ks_args *out, int argc, char *const *argv,
              struct ks_err *err)
{
    struct arg_walk w = {.argc = argc, .argv = argv, .at = 1, .args = out};
    /* until "--" */
    bool flags = true;
    int rc = KS_OK;

    *out = (struct ks_args){0};
    while (rc == KS_OK && w.at < argc) {
        const char *typed = argv[w.at++];

        /* "-" alone is a word, as everywhere. */
        if (flags && strcmp(typed, "--") == 0)
            flags = false;
        else if (flags && strncmp(typed, "--", 2) == 0)
            rc = parse_long(&w, typed, err);
        else if (flags && typed[0] == '-' && typed[1] != '\0')
            rc = parse_short(&w, typed, err);
        else
            rc = take_word(out, typed, err);
    }
    return rc;
}

/* The allowed flag that is nearest to the one typed, or NULL. */
static const char *
nearest_flag(const char *typed, uint64_t allowed)
{
    const char *nearest = NULL;
    size_t best = KS_NEAREST_MAX;
    size_t len = (size_t)flag_name_length(typed);

    if (strncmp(typed, "--", 2) != 0 || len <= 2)
        return NULL;
    for (int i = 0; i < KS_FLAG_COUNT; i++) {
        if ((allowed & KS_FLAG_BIT(i)) != 0 &&
            ks_word_nearer(&best, typed + 2, len - 2, ks_flag_specs[i].name))
            nearest = ks_flag_specs[i].name;
    }
    return nearest;
}

/* People who come from other tools look for a flag that takes the key. */
static bool
asks_for_secret(const char *typed)
{
    static const char *const names[] = {"--key", "--passphrase", "--password",
                                        "--recovery-key", "--source-key"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == (size_t)flag_name_length(typed) &&
            strncmp(typed, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* The failure for a flag that does not exist, in the words that help most: why
 * there is no such flag on purpose, or which one was meant. */
static int
fail_unknown(const char *typed, uint64_t allowed, struct ks_err *err)
{
    const char *nearest = nearest_flag(typed, allowed);
    int len = flag_name_length(typed);

    if (asks_for_secret(typed)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "there is no flag %.*s, because a key on the command "
                       "line is seen by every program on this machine: put "
                       "it in a file, or let keepsay ask for it",
                       len, typed);
    }
    if (nearest == NULL)
        return ks_fail(err, KS_E_USAGE, 0, "there is no flag %s%.*s",
                       strncmp(typed, "--", 2) == 0 ? "" : "-", len, typed);
    return ks_fail(err, KS_E_USAGE, 0,
                   "there is no flag %.*s: did you mean --%s?", len, typed,
                   nearest);
}

int
ks_args_check(const struct ks_args *args, uint64_t allowed, const char *command,
              struct ks_err *err)
{
    uint64_t wrong = args->seen & ~allowed;

    /* First, because a mistyped flag says more about what was meant than one
     * that is out of place. */
    if (args->unknown != NULL)
        return fail_unknown(args->unknown, allowed, err);
    for (int i = 0; i < KS_FLAG_COUNT; i++) {
        if ((wrong & KS_FLAG_BIT(i)) != 0) {
            return ks_fail(err, KS_E_USAGE, 0, "`keepsay %s` takes no --%s",
                           command, ks_flag_specs[i].name);
        }
    }
    return KS_OK;
}
