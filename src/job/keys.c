/*
 * keys: what is more than one call of the vault's.
 */
#include "job/keys.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"
#include "job/session.h"
#include "store/store.h"
#include "vault/vault.h"
#include "vault/vault_header.h"

#define SLOT_DIGITS_MIN ((size_t)4) /* of an id, to name a slot */

/* How far an init came, for what must be taken back if it fails. */
struct begun {
    bool folder_was_there; /* empty, and the user's */
    bool vault;            /* its headers are there, and ours */
};

/* The vault with a slot for each unlock. Takes the store, also when it
 * fails. */
static int
make_vault(struct ks_vault **out, struct begun *begun, struct ks_store *store,
           const struct ks_init_job *job, struct ks_err *err)
{
    struct ks_vault *v = NULL;
    uint8_t slot[KS_ID_SIZE];
    int rc =
        ks_vault_create(&v, store, &job->unlocks[0], &job->slot_options, err);

    if (rc != KS_OK) {
        ks_store_close(store);
        return rc;
    }
    begun->vault = true;
    for (size_t i = 1; rc == KS_OK && i < job->unlock_count; i++)
        rc = ks_vault_slot_add(v, &job->unlocks[i], &job->slot_options, slot,
                               err);
    if (rc != KS_OK) {
        ks_vault_close(v);
        return rc;
    }
    *out = v;
    return KS_OK;
}

/* Remove the folder `name` of the vault folder `fd` if it is empty; with
 * `files`, empty it before. What cannot be removed stays. */
static void
drop_object_folder(int fd, const char *name, bool files)
{
    int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = below >= 0 ? fdopendir(below) : NULL;
    const struct dirent *entry;

    while (files && dir != NULL && (entry = readdir(dir)) != NULL)
        (void)unlinkat(below, entry->d_name, 0);
    if (dir != NULL)
        (void)closedir(dir);
    else if (below >= 0)
        (void)close(below);
    (void)unlinkat(fd, name, AT_REMOVEDIR);
}

/*
 * Take back the begun vault in a folder: a full disk is emptied and the same
 * typed again, and then the place must be free. Objects go only behind headers
 * of ours: if there are others, somebody else made a vault here meanwhile. The
 * headers go first, because a vault that has one must keep its keys.
 */
static void
drop_begun_folder(int fd, const struct begun *begun)
{
    bool files = begun->vault;

    for (size_t i = 0; begun->vault && i < KS_HEADER_COPIES; i++)
        files = unlinkat(fd, ks_header_names[i], 0) == 0 && files;
    drop_object_folder(fd, KS_DIR_KEYS, files);
    drop_object_folder(fd, KS_DIR_NOTES, files);
}

/* Take back what a failed init has made at `where`, an archive file or a
 * folder: neither is of use to anybody. */
static void
drop_begun(const char *where, const struct begun *begun)
{
    struct stat st;
    int fd;

    if (stat(where, &st) == 0 && S_ISREG(st.st_mode))
        (void)unlink(where);
    fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    drop_begun_folder(fd, begun);
    (void)close(fd);
    if (!begun->folder_was_there)
        (void)rmdir(where); /* only if it is empty */
}

int
ks_job_init(uint8_t *vault_id, const struct ks_init_job *job,
            struct ks_err *err)
{
    struct ks_store_options options = {.mode = KS_STORE_CREATE};
    struct begun begun = {0};
    struct ks_store *store = NULL;
    struct ks_vault *v = NULL;
    struct stat st;
    int rc;

    assert(job->unlock_count >= 1 && job->unlock_count <= KS_INIT_UNLOCKS_MAX);

    begun.folder_was_there = stat(job->where, &st) == 0;
    rc = ks_store_open(&store, job->where, &options, err);
    if (rc != KS_OK)
        return rc;
    /* Opened to be made, so it is new or was empty: all in it is ours. */
    rc = make_vault(&v, &begun, store, job, err);
    if (rc != KS_OK) {
        drop_begun(job->where, &begun);
        return ks_context(err, "%s", job->where);
    }
    memcpy(vault_id, ks_vault_id(v), KS_ID_SIZE);
    ks_vault_close(v);
    return KS_OK;
}

int
ks_recovery_key_new(struct ks_secret **out, struct ks_err *err)
{
    struct ks_secret *key = NULL;

    if (ks_secret_new(&key, KS_RECOVERY_BYTES, err) != KS_OK)
        return err->code;
    /* All bits are random: nothing is derived from a clock, a name or a
     * passphrase. */
    ks_random(key->data, key->len);
    *out = key;
    return KS_OK;
}

int
ks_recovery_key_write(const char *path, const struct ks_secret *key,
                      struct ks_err *err)
{
    struct ks_outfile *file = NULL;
    char text[KS_RECOVERY_TEXT_SIZE];
    int rc;

    assert(key->len == KS_RECOVERY_BYTES);

    ks_recovery_text(text, key->data);
    /* Never in place of another file: that may be the key of another vault, and
     * the only copy of it. */
    rc = ks_outfile_open(&file, path, 0600, false, err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, text, strlen(text), err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, "\n", 1, err);
    if (rc == KS_OK)
        rc = ks_outfile_commit(file, err);
    ks_outfile_close(file);
    /* the key itself is the caller's */
    ks_wipe(text, sizeof(text));
    return rc;
}

/* A search through all slots: two that match must be told from one. */
struct slot_search {
    const char *text;
    size_t len;
    size_t matches;
    struct ks_slot_info found;
};

/* Count the slots whose id begins so, and keep the last. */
static int
match_slot(void *user, const struct ks_slot_info *slot)
{
    struct slot_search *search = user;
    char hex[2 * sizeof(slot->id) + 1];

    ks_hex_encode(hex, slot->id, sizeof(slot->id));
    /* A text longer than an id matches none: the NUL of hex differs. */
    if (strncmp(hex, search->text, search->len) == 0) {
        search->found = *slot;
        search->matches++;
    }
    return KS_OK;
}

int
ks_slot_find(struct ks_slot_info *out, struct ks_session *s, const char *text,
             struct ks_err *err)
{
    struct slot_search search = {.text = text, .len = strlen(text)};

    if (search.len < SLOT_DIGITS_MIN ||
        /* Lower case, as we print them. */
        strspn(text, "0123456789abcdef") != search.len) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "a slot is named by at least %zu of the first digits "
                       "of its id, as `keepsay key slots` shows them",
                       SLOT_DIGITS_MIN);
    }
    if (ks_vault_slots(ks_session_vault(s), match_slot, &search, err) != KS_OK)
        return err->code;
    if (search.matches == 0)
        return ks_fail(err, KS_E_NOTFOUND, 0, "no slot begins with %s", text);
    if (search.matches > 1) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "%zu slots begin with %s: give more digits",
                       search.matches, text);
    }
    *out = search.found;
    return KS_OK;
}

struct slot_tally {
    enum ks_slot_kind kind;
    size_t count;
};

/* Count the slots of one kind. */
static int
tally_slot(void *user, const struct ks_slot_info *slot)
{
    struct slot_tally *tally = user;

    if (slot->kind == tally->kind)
        tally->count++;
    return KS_OK;
}

int
ks_slot_count(size_t *out, struct ks_session *s, enum ks_slot_kind kind,
              struct ks_err *err)
{
    struct slot_tally tally = {.kind = kind};

    if (ks_vault_slots(ks_session_vault(s), tally_slot, &tally, err) != KS_OK)
        return err->code;
    *out = tally.count;
    return KS_OK;
}
