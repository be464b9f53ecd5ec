/*
 * session: first the place, then the key, then the vault: what can be told
 * without a key (nothing there, unfinished, newer) is told before one is
 * asked for.
 */
#include "job/session.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "job/dry_store.h"
#include "vault/object.h"
#include "vault/vault.h"

#define STATE_PLACE_BYTES ((size_t)8) /* of the path's hash, in the name */

struct ks_session {
    const struct ks_access *access;
    struct ks_vault *vault;
    char *state;     /* name of the client state folder */
    char *dry_state; /* a dry run's own, once made; removed when done */
};

int
ks_place_open(struct ks_store **out, const char *where,
              const struct ks_store_options *options, uint8_t *vault_id,
              struct ks_err *err)
{
    struct ks_store *store = NULL;
    uint8_t id[KS_ID_SIZE];

    if (ks_store_open(&store, where, options, err) != KS_OK)
        return err->code;
    if (ks_vault_probe(store, id, err) != KS_OK) {
        ks_store_close(store);
        return ks_context(err, "%s", where);
    }
    if (vault_id != NULL)
        memcpy(vault_id, id, sizeof(id));
    *out = store;
    return KS_OK;
}

/* The names under keys/, gathered before any of them is read. */
struct slot_names {
    struct ks_buf text; /* NUL after each */
    struct ks_err *err;
};

/* A store may not be called while it lists, so names are kept first. */
static int
keep_slot_name(void *user, const char *name, uint64_t size)
{
    struct slot_names *names = user;

    /* No slot is so large: not read, and not asked for. */
    if (size > KS_SLOT_SIZE_MAX)
        return KS_OK;
    return ks_buf_append(&names->text, name, strlen(name) + 1, names->err);
}

/* Which kinds of slot the store has, so that the right thing is asked for.
 * What cannot be read is passed over: opening will say more. */
static int
slot_kinds(struct ks_store *store, unsigned *kinds, struct ks_err *err)
{
    struct slot_names names = {.err = err};
    struct ks_buf slot;
    int rc;

    ks_buf_init(&names.text, (size_t)1 << 20);
    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    *kinds = 0;
    rc = ks_store_list(store, KS_DIR_KEYS, keep_slot_name, &names, err);
    for (size_t at = 0; rc == KS_OK && at < names.text.len;) {
        const char *name = (const char *)names.text.data + at;
        char path[KS_NAME_MAX + 1];
        struct ks_slot_info info;
        struct ks_err odd = KS_ERR_INIT;

        (void)snprintf(path, sizeof(path), "%s/%s", KS_DIR_KEYS, name);
        ks_buf_reset(&slot);
        if (ks_object_read(store, path, KS_SLOT_SIZE_MAX, &slot, &odd) ==
                KS_OK &&
            ks_slot_describe(&info, slot.data, slot.len, &odd) == KS_OK)
            *kinds |= 1U << info.kind;
        at += strlen(name) + 1;
    }
    ks_buf_wipe(&names.text);
    ks_buf_wipe(&slot);
    return rc;
}

/* Ask for keys until one opens or no more come. */
static int
unlock_vault(struct ks_session *s, struct ks_store *store, unsigned kinds,
             struct ks_err *err)
{
    struct ks_unlock_ask ask = {.where = s->access->where, .slot_kinds = kinds};
    struct ks_err wrong = KS_ERR_INIT;

    for (;; ask.attempt++) {
        struct ks_unlock key = {0};
        int rc = s->access->unlock(s->access->user, &ask, &key, err);

        if (rc == KS_END) {
            assert(wrong.code < 0); /* the first answer is a key */
            *err = wrong;
            return err->code;
        }
        if (rc != KS_OK)
            return rc;
        wrong = KS_ERR_INIT;
        rc = ks_vault_open(&s->vault, store, &key, &wrong);
        if (rc == KS_OK)
            return KS_OK;
        /* Damage or a disk that fails: another key would not help. */
        if (rc != KS_E_WRONG_KEY) {
            *err = wrong;
            return ks_context(err, "%s", s->access->where);
        }
    }
}

/* <state_base>/<vault id>-<place> into s->state. */
static int
name_state(struct ks_session *s, struct ks_err *err)
{
    char id[2 * KS_ID_SIZE + 1];
    char place[2 * STATE_PLACE_BYTES + 1];
    uint8_t digest[KS_SHA256_SIZE];
    char *canonical = realpath(s->access->where, NULL);

    if (canonical == NULL)
        return ks_fail_sys(err, errno, "cannot find %s", s->access->where);
    ks_sha256(digest, canonical, strlen(canonical));
    free(canonical);
    ks_hex_encode(id, ks_vault_id(s->vault), KS_ID_SIZE);
    ks_hex_encode(place, digest, STATE_PLACE_BYTES);
    if (asprintf(&s->state, "%s/%s-%s", s->access->state_base, id, place) < 0) {
        s->state = NULL;
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a folder's name");
    }
    return KS_OK;
}

int
ks_session_open(struct ks_session **out, const struct ks_access *access,
                struct ks_err *err)
{
    struct ks_store_options options = {
        .mode = access->mode,
        .allow_incomplete = access->allow_incomplete,
    };
    struct ks_session *s = NULL;
    struct ks_store *store = NULL;
    unsigned kinds = 0;
    int rc;

    assert(access->mode != KS_STORE_CREATE);
    assert(!access->dry_run || access->mode == KS_STORE_READ);

    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory to open the vault");
    s->access = access;
    rc = ks_place_open(&store, access->where, &options, NULL, err);
    if (rc == KS_OK)
        rc = slot_kinds(store, &kinds, err);
    /* Before the vault is opened, so that it never has the real store. */
    if (rc == KS_OK && access->dry_run)
        rc = ks_dry_store_open(&store, err);
    if (rc == KS_OK)
        rc = unlock_vault(s, store, kinds, err);
    if (rc == KS_OK) {
        store = NULL; /* the vault has it now */
        rc = name_state(s, err);
    }
    if (rc != KS_OK) {
        ks_store_close(store);
        ks_session_close(s);
        return rc;
    }
    *out = s;
    return KS_OK;
}

/* Remove the files of a folder, and it. A dry run's state is flat. */
static void
remove_flat_folder(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

void
ks_session_close(struct ks_session *s)
{
    if (s == NULL)
        return;
    ks_vault_close(s->vault);
    if (s->dry_state != NULL)
        remove_flat_folder(s->dry_state);
    free(s->dry_state);
    free(s->state);
    free(s);
}

struct ks_vault *
ks_session_vault(const struct ks_session *s)
{
    return s->vault;
}

const char *
ks_session_where(const struct ks_session *s)
{
    return s->access->where;
}

bool
ks_session_dry(const struct ks_session *s)
{
    return s->access->dry_run;
}

const char *
ks_session_state_name(const struct ks_session *s)
{
    return s->state;
}

/* A fresh folder for the state of a dry run, beside the real ones. */
static int
make_dry_state(struct ks_session *s, struct ks_err *err)
{
    char *path = NULL;

    if (ks_make_dirs(s->access->state_base, err) != KS_OK)
        return err->code;
    if (asprintf(&path, "%s/dry-XXXXXX", s->access->state_base) < 0)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a folder's name");
    if (mkdtemp(path) == NULL) {
        int sys = errno;

        free(path);
        return ks_fail_sys(err, sys, "cannot create a folder in %s",
                           s->access->state_base);
    }
    s->dry_state = path;
    return KS_OK;
}

int
ks_session_state(struct ks_session *s, const char **folder, struct ks_err *err)
{
    int rc = KS_OK;

    /* Made only when it is written to: whoever just lists leaves no trace. */
    if (!s->access->dry_run)
        rc = ks_make_dirs(s->state, err);
    else if (s->dry_state == NULL)
        rc = make_dry_state(s, err);
    if (rc != KS_OK)
        return ks_context(err, "the folder where keepsay remembers its work");
    *folder = s->access->dry_run ? s->dry_state : s->state;
    return KS_OK;
}
