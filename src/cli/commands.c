/*
 * commands: every command, in the order in which a person meets them.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/nearest.h"

/* Flags in the table below, by the end of their name. */
#define BIT(flag) KS_FLAG_BIT(KS_FLAG_##flag)

/* What .gentle says: a run that writes, or that has temporary files to take
 * away, ends at its next step after Ctrl-C; one that only looks ends at once.
 * help and version take no flags but the common ones. */
const struct ks_command ks_commands[] = {
    {
        .name = "init",
        .words = "[WHERE]",
        .brief = "make a new vault and its recovery key",
        .about = "The vault is a folder, or one file if the name ends in "
                 ".keepsay. Its recovery key is shown once, or written to "
                 "--recovery-key-out. Whoever has it can read everything; "
                 "without any key, nobody can. --passphrase-file, "
                 "--new-passphrase and --raw-key-file add further ways to "
                 "open it.",
        .words_max = 1,
        .flags = BIT(VAULT) | BIT(RECOVERY_KEY_OUT) | BIT(PASSPHRASE_FILE) |
                 BIT(RAW_KEY_FILE) | BIT(NEW_PASSPHRASE),
        .gentle = true,
        .run = ks_cmd_init,
    },
    {
        .name = "backup",
        .words = "FILE",
        .brief = "back up a file into the vault",
        .about = "FILE is a Signal backup (signal-....backup); what it is, "
                 "keepsay sees by itself. Only what is new since the last "
                 "snapshot is stored. A damaged part is reported, the rest "
                 "is kept (exit 3).",
        .words_min = 1,
        .words_max = 1,
        .flags = KS_FLAGS_VAULT | BIT(SOURCE_KEY_FILE) | BIT(LABEL) |
                 BIT(NO_MEDIA) | BIT(MAX_ATTACHMENT_SIZE) |
                 BIT(ALLOW_INCOMPLETE) | BIT(FORGET_SOURCE_KEY) |
                 BIT(FORCE_READ) | BIT(FAIL_IF_EMPTY) | BIT(DRY_RUN),
        .gentle = true,
        .run = ks_cmd_backup,
    },
    {
        .name = "list",
        .alias = "snapshots",
        .words = "",
        .brief = "list the snapshots of the vault",
        .about = "Oldest first.",
        .flags =
            KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE) | BIT(LATEST) | BIT(SOURCE),
        .run = ks_cmd_list,
    },
    {
        .name = "info",
        .words = "[SNAPSHOT|ARCHIVE]",
        .brief = "all about one snapshot: what is in it and what is not",
        .about = "SNAPSHOT is \"latest\" or the first digits of an id; "
                 "without it, the newest. The name of an archive file stands "
                 "for the newest snapshot in it.",
        .words_max = 1,
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE),
        .run = ks_cmd_info,
    },
    {
        .name = "ls",
        .words = "[SNAPSHOT]",
        .brief = "list the streams of a snapshot",
        .about = "A stream is a sequence of records of one kind, such as the "
                 "rows of a table.",
        .words_max = 1,
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE),
        .run = ks_cmd_ls,
    },
    {
        .name = "verify",
        .words = "",
        .brief = "prove that the vault is whole",
        .about =
            "Without --read-data: everything is there and has the right "
            "size. With it: every byte is read and checked. "
            "--read-data=10% reads a tenth, another each time, so that ten "
            "runs read all.",
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE) | BIT(READ_DATA),
        .gentle = true,
        .run = ks_cmd_verify,
    },
    {
        .name = "restore",
        .words = "[SNAPSHOT]",
        .brief = "write a snapshot as a file that its app accepts",
        .about = "SNAPSHOT is \"latest\" or the first digits of an id. "
                 "--original gives back the very bytes that were backed up. "
                 "Otherwise the file is fresh, under a passphrase from "
                 "--target-key-file, or one made up and written to "
                 "--target-key-out.",
        .words_max = 1,
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE) | BIT(TO) |
                 BIT(ORIGINAL) | BIT(TARGET_KEY_FILE) | BIT(TARGET_KEY_OUT) |
                 BIT(FORCE),
        .gentle = true,
        .run = ks_cmd_restore,
    },
    {
        .name = "copy",
        .words = "",
        .brief = "copy the vault: into an archive file, or back",
        .about = "Sealed as it is, so no key is needed. What --to has "
                 "already is not copied again.",
        .flags = BIT(VAULT) | BIT(TO) | BIT(ALLOW_INCOMPLETE),
        .gentle = true,
        .run = ks_cmd_copy,
    },
    {
        .name = "key show",
        .words = "",
        .brief = "show the recovery key, in groups",
        .about = "The vault does not hold its recovery key, only a lock that "
                 "it fits: give it with --key-file or by hand, and it is "
                 "shown once it has opened the vault.",
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE),
        .run = ks_cmd_key_show,
    },
    {
        .name = "key verify",
        .words = "",
        .brief = "check the key you wrote down, changing nothing",
        .about = "",
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE),
        .run = ks_cmd_key_verify,
    },
    {
        .name = "key slots",
        .alias = "key list",
        .words = "",
        .brief = "list the ways to open the vault",
        .about = "",
        .flags = KS_FLAGS_VAULT | BIT(ALLOW_INCOMPLETE),
        .run = ks_cmd_key_slots,
    },
    {
        .name = "key add",
        .words = "",
        .brief = "add another way to open the vault",
        .about = "Give one of --recovery-key-out, --new-passphrase, "
                 "--new-passphrase-file and --new-raw-key-file.",
        .flags = KS_FLAGS_VAULT | BIT(RECOVERY_KEY_OUT) | BIT(NEW_PASSPHRASE) |
                 BIT(NEW_PASSPHRASE_FILE) | BIT(NEW_RAW_KEY_FILE),
        .gentle = true,
        .run = ks_cmd_key_add,
    },
    {
        .name = "key remove",
        .words = "SLOT",
        .brief = "take away a way to open the vault",
        .about = "SLOT is the beginning of an id that `keepsay key slots` "
                 "lists. Whoever copied the vault before, or had it open, "
                 "can still read what was in it then.",
        .words_min = 1,
        .words_max = 1,
        .flags = KS_FLAGS_VAULT | BIT(YES),
        .gentle = true,
        .run = ks_cmd_key_remove,
    },
    {
        .name = "version",
        .words = "",
        .brief = "say which version this is",
        .about = "",
        .run = ks_cmd_version,
    },
    {
        .name = "help",
        .words = "[TOPIC]",
        .brief = "help with a command, or with: keys, vaults, exit-codes, json",
        .about = "",
        .words_max = 2,
        .run = ks_cmd_help,
    },
    {0},
};

/* Whether `name` ("key add") is what words[0..count) begin with; *used gets
 * the number of its words. */
static bool
words_begin_with(const char *const *words, size_t count, const char *name,
                 size_t *used)
{
    size_t n = 0;

    for (const char *at = name; *at != '\0'; n++) {
        size_t len = strcspn(at, " ");

        /* Whole words: "ke" is not "key", nor "list" the beginning of
         * "listing". */
        if (n == count || strlen(words[n]) != len ||
            memcmp(words[n], at, len) != 0)
            return false;
        at += len;
        at += strspn(at, " ");
    }
    *used = n;
    return true;
}

const struct ks_command *
ks_command_find(const char *const *words, size_t count, size_t *used)
{
    for (const struct ks_command *k = ks_commands; k->name != NULL; k++) {
        if (words_begin_with(words, count, k->name, used) ||
            (k->alias != NULL &&
             words_begin_with(words, count, k->alias, used)))
            /* No name is the beginning of another, so the first match is it. */
            return k;
    }
    return NULL;
}

const char *
ks_command_nearest(const char *word)
{
    const char *nearest = NULL;
    size_t best = KS_NEAREST_MAX;

    for (const struct ks_command *k = ks_commands; k->name != NULL; k++) {
        if (ks_word_nearer(&best, word, strlen(word), k->name))
            nearest = k->name;
        if (k->alias != NULL &&
            ks_word_nearer(&best, word, strlen(word), k->alias))
            nearest = k->alias;
    }
    return nearest;
}
