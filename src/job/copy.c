/*
 * copy: opens both places; the vault's own copy does the work.
 */
#include "job/copy.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/session.h"
#include "store/store.h"
#include "vault/format.h"
#include "vault/vault.h"

/* Whether two names lead to one place. */
static bool
same_place(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL);
    char *real_b = realpath(b, NULL);
    bool same = real_a != NULL && real_b != NULL && strcmp(real_a, real_b) == 0;

    free(real_a);
    free(real_b);
    return same;
}

/* Whether a store makes a folder of that name. A header is none: where there
 * is one, the vault was opened already. */
static bool
is_object_folder(const char *name)
{
    static const char *const known[] = {
        KS_DIR_KEYS,  KS_DIR_PACKS,   KS_DIR_SNAPSHOTS, KS_DIR_INDEX,
        KS_DIR_NOTES, KS_DIR_WRITERS, KS_DIR_MARKS,     KS_DIR_ACKS,
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i]) == 0)
            return true;
    }
    return name[0] == '.'; /* itself, its parent, temporary files */
}

/* Whether a folder has something in it, and all of it folders of objects: then
 * it is a copy that was interrupted before the header, to be gone on with. */
static bool
is_begun_copy(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    size_t folders = 0;
    bool foreign = false;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!is_object_folder(entry->d_name))
            foreign = true;
        if (entry->d_name[0] != '.')
            folders++;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return folders > 0 && !foreign;
}

/* How the target is to be opened: a vault, or the beginning of one, is added
 * to; a folder of other things is left alone. */
static enum ks_store_mode
target_mode(const char *to)
{
    struct ks_store_options options = {.mode = KS_STORE_READ};
    struct ks_store *store = NULL;
    struct ks_err odd = KS_ERR_INIT;
    struct stat st;
    int rc;

    /* Nothing there: a new place, which open() makes. */
    if (stat(to, &st) != 0)
        return KS_STORE_CREATE;
    if (!S_ISDIR(st.st_mode))
        return KS_STORE_WRITE;
    rc = ks_place_open(&store, to, &options, NULL, &odd);
    ks_store_close(store);
    if (rc == KS_OK || is_begun_copy(to))
        return KS_STORE_WRITE;
    return KS_STORE_CREATE;
}

/* After a failure: an archive file that was begun by us and holds no vault is
 * of no use to anybody. */
static void
drop_if_hollow(const char *to)
{
    struct ks_store_options options = {.mode = KS_STORE_READ};
    struct ks_store *store = NULL;
    struct ks_err odd = KS_ERR_INIT;
    struct stat st;

    if (stat(to, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (ks_place_open(&store, to, &options, NULL, &odd) != KS_OK)
        (void)unlink(to);
    ks_store_close(store);
}

int
ks_job_copy(struct ks_copy_result *out, uint8_t *vault_id,
            const struct ks_copy_job *job, struct ks_err *err)
{
    struct ks_store_options reading = {
        .mode = KS_STORE_READ,
        .allow_incomplete = job->allow_incomplete,
    };
    struct ks_store_options writing = {.mode = KS_STORE_CREATE};
    struct ks_store *from = NULL;
    struct ks_store *to = NULL;
    uint8_t id[KS_ID_SIZE];
    int rc;

    if (same_place(job->from, job->to)) {
        return ks_fail(err, KS_E_USAGE, 0,
                       "%s and %s are the same place: nothing to copy",
                       job->from, job->to);
    }
    rc = ks_place_open(&from, job->from, &reading, id, err);
    if (rc == KS_OK) {
        writing.mode = target_mode(job->to);
        rc = ks_store_open(&to, job->to, &writing, err);
    }
    if (rc == KS_OK) {
        rc = ks_vault_copy(from, to, job->progress, out, err);
        /* Closed first: what drop_if_hollow() judges is what is on disk. */
        ks_store_close(to);
        if (rc != KS_OK && writing.mode == KS_STORE_CREATE)
            drop_if_hollow(job->to);
    }
    ks_store_close(from);
    if (rc == KS_OK)
        memcpy(vault_id, id, sizeof(id));
    return rc;
}
