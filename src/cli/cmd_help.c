/*
 * help, version: what keepsay can say about itself.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "vault/format.h"

/* Columns, for paragraphs and for the left side of a table of flags. */
#define WRAP_COLUMN ((size_t)78)
#define FLAG_COLUMN 30

/* Pages that are no command's: paragraphs, shown a line apart. */
static const char *const keys_page[] = {
    "A vault opens with its recovery key (64 characters, made by `keepsay "
    "init`), with a passphrase, or with a raw 32-byte key, whichever it has a "
    "slot for: `keepsay key slots` lists them.",
    "The key comes from --key-file (a recovery key as text, in any grouping "
    "and case), --passphrase-file, --raw-key-file, --key-fd, --key-command, or "
    "the file that KEEPSAY_KEY_FILE names; else keepsay asks for it at the "
    "terminal. No flag takes a key itself, because every program on the "
    "machine can read the command line of the others.",
    "Whoever has a key can read everything in the vault. Without any key "
    "nobody can: there is no reset. Write the recovery key down, and check "
    "what you wrote with `keepsay key verify`.",
    "A backup file has a passphrase of its own, which its app made (Signal "
    "shows 30 digits). Give it with --source-key-file.",
    NULL,
};

static const char *const vaults_page[] = {
    "A vault is a folder, or one archive file if its name ends in .keepsay. "
    "Name it with -r (--vault), or once and for all in KEEPSAY_VAULT.",
    "`keepsay copy --to other.keepsay` turns a folder into an archive file, "
    "and the other way round; it copies only what the other place does not "
    "have, and needs no key.",
    "What this machine remembers of a vault lies sealed in "
    "$XDG_STATE_HOME/keepsay (~/.local/state/keepsay), or in the folder that "
    "KEEPSAY_STATE_DIR names. It may be deleted; the next backup is then "
    "slower.",
    NULL,
};

static const char *const json_page[] = {
    "With --json every command answers with one object on stdout: schema "
    "(\"keepsay/1\"), command, ok, data, warnings (code, message, count) and "
    "error (null, or code, exit, message, hint).",
    "Codes may be relied on and never change their meaning; messages may "
    "change. The schemas are installed in share/keepsay/schema.",
    NULL,
};

static const struct help_topic {
    const char *name;
    const char *brief;
    const char *const *paragraphs; /* NULL: made from the exit codes */
} topics[] = {
    {"keys", "the keys of a vault and of a source", keys_page},
    {"vaults", "what a vault is and how it is named", vaults_page},
    {"json", "answers for programs", json_page},
    {"exit-codes", "what the exit code says", NULL},
    {NULL, NULL, NULL},
};

/* A paragraph, broken between words, each line after `indent` spaces. */
static void
answer_wrapped(struct ks_out *out, const char *text, int indent)
{
    size_t width = WRAP_COLUMN - (size_t)indent;

    while (*text != '\0') {
        size_t len = strlen(text);

        /* Back to the last space that still fits. */
        if (len > width) {
            len = width;
            while (len > 0 && text[len] != ' ')
                len--;
            if (len == 0) /* one very long word */
                len = strcspn(text, " ");
        }
        ks_answer_always(out, "%*s%.*s", indent, "", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

/* One flag: its forms to the left, what it does to the right, or below if
 * the left side is too long. */
static void
answer_flag(struct ks_out *out, const struct ks_flag_spec *spec)
{
    /* a longer one would be cut; none is */
    char left[40];
    int n;

    n = snprintf(
        left, sizeof(left), "%c%c%s--%s%s%s%s", spec->letter != 0 ? '-' : ' ',
        spec->letter != 0 ? spec->letter : ' ', spec->letter != 0 ? ", " : "  ",
        spec->name, spec->optional ? "[=" : (spec->value != NULL ? " " : ""),
        spec->value != NULL ? spec->value : "", spec->optional ? "]" : "");
    if (n > FLAG_COLUMN) {
        ks_answer_always(out, "  %s", left);
        left[0] = '\0';
    }
    ks_answer_always(out, "  %-*s %s", FLAG_COLUMN, left, spec->help);
}

/* The flags of a set, in the order of the table. */
static void
answer_flags(struct ks_out *out, uint64_t flags)
{
    for (int i = 0; i < KS_FLAG_COUNT; i++) {
        if ((flags & KS_FLAG_BIT(i)) != 0)
            answer_flag(out, &ks_flag_specs[i]);
    }
}

/* All about one command: how it is typed, what it does, its own flags, then
 * those that every command takes. */
static void
answer_command_help(struct ks_out *out, const struct ks_command *k)
{
    ks_answer_always(out, "keepsay %s%s%s%s", k->name,
                     k->words[0] != '\0' ? " " : "", k->words,
                     k->flags != 0 ? " [flags]" : "");
    ks_answer_always(out, "  %s", k->brief);
    if (k->about[0] != '\0') {
        ks_answer_always(out, "%s", "");
        answer_wrapped(out, k->about, 0);
    }
    ks_answer_always(out, "%s", "");
    if (k->flags != 0) {
        answer_flags(out, k->flags);
        ks_answer_always(out, "%s", "");
    }
    answer_flags(out, KS_FLAGS_COMMON);
}

/* A page that is no command's. The exit codes come from their table, so that
 * this page cannot fall behind it. */
static void
answer_topic(struct ks_out *out, const struct help_topic *topic)
{
    if (topic->paragraphs == NULL) {
        for (const struct ks_exit_meaning *m = ks_exit_meanings;
             m->meaning != NULL; m++)
            ks_answer_always(out, "%5d  %s", m->exit, m->meaning);
        return;
    }
    for (const char *const *p = topic->paragraphs; *p != NULL; p++) {
        if (p != topic->paragraphs)
            ks_answer_always(out, "%s", "");
        answer_wrapped(out, *p, 0);
    }
}

/* Every command in a line, every page, and three lines to begin with. */
static void
answer_overview(struct ks_out *out)
{
    ks_answer_always(out, "keepsay keeps your conversations, encrypted, and "
                          "gives them back byte for byte.");
    ks_answer_always(out, "%s", "");
    for (const struct ks_command *k = ks_commands; k->name != NULL; k++)
        ks_answer_always(out, "  %-12s %s", k->name, k->brief);
    ks_answer_always(out, "%s", "");
    for (const struct help_topic *t = topics; t->name != NULL; t++)
        ks_answer_always(out, "  help %-11s %s", t->name, t->brief);
    ks_answer_always(out, "%s", "");
    ks_answer_always(out, "`keepsay help COMMAND` says more. Begin with:");
    ks_answer_always(out, "%s", "");
    ks_answer_always(out, "    keepsay init my-vault");
    ks_answer_always(out, "    keepsay -r my-vault backup signal-....backup");
    ks_answer_always(out, "    keepsay -r my-vault restore latest --original "
                          "--to .");
}

/* The commands that begin with the word `group`, such as "key"; false if
 * there are none. */
static bool
answer_group(struct ks_out *out, const char *group)
{
    size_t len = strlen(group);
    bool found = false;

    for (const struct ks_command *k = ks_commands; k->name != NULL; k++) {
        if (strncmp(k->name, group, len) != 0 || k->name[len] != ' ')
            continue;
        ks_answer_always(out, "  %-12s %s", k->name, k->brief);
        found = true;
    }
    return found;
}

/* The page of that name, or NULL. */
static const struct help_topic *
find_topic(const char *name)
{
    for (const struct help_topic *t = topics; t->name != NULL; t++) {
        if (name != NULL && strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

/* The names of all commands and topics, for programs. */
static void
set_help_data(struct ks_out *out)
{
    json_t *commands = json_array();
    json_t *pages = json_array();

    for (const struct ks_command *k = ks_commands; k->name != NULL; k++)
        (void)json_array_append_new(
            commands, json_pack("{s:s, s:s, s:s}", "name", k->name, "words",
                                k->words, "brief", k->brief));
    for (const struct help_topic *t = topics; t->name != NULL; t++)
        (void)json_array_append_new(pages, json_string(t->name));
    ks_out_set(out, "commands", commands);
    ks_out_set(out, "topics", pages);
}

int
ks_cmd_help(struct ks_cli *c, struct ks_err *err)
{
    /* "help backup", "help key add", and "backup --help" all come here. */
    const char *const *words = c->args.words;
    size_t count = c->args.word_count;
    const struct help_topic *topic;
    const struct ks_command *k;
    size_t used = 0;

    /* --help came with its own command's words, without "help" before. */
    if (count > 0 && strcmp(words[0], "help") == 0) {
        words++;
        count--;
    }
    /* With --json the words go nowhere; the names of all there is remain. */
    set_help_data(&c->out);
    if (count == 0) {
        answer_overview(&c->out);
        return KS_OK;
    }
    topic = find_topic(words[0]);
    k = ks_command_find(words, count, &used);
    if (topic == NULL && k == NULL && answer_group(&c->out, words[0]))
        return KS_OK;
    if (topic == NULL && k == NULL) {
        ks_hint(&c->out, "`keepsay help` lists the commands; the topics are "
                         "keys, vaults, json, exit-codes");
        return ks_fail(err, KS_E_USAGE, 0, "there is no help on %s", words[0]);
    }
    if (k != NULL)
        answer_command_help(&c->out, k);
    else
        answer_topic(&c->out, topic);
    return KS_OK;
}

int
ks_cmd_version(struct ks_cli *c, struct ks_err *err)
{
    struct ks_out *out = &c->out;

    (void)err;
    ks_out_set(out, "version", json_string(KEEPSAY_VERSION));
    ks_out_set(out, "format", ks_json_u64(KS_FORMAT_VERSION));
    ks_answer_always(out, "keepsay %s (vault format %u)", KEEPSAY_VERSION,
                     KS_FORMAT_VERSION);
    return KS_OK;
}
