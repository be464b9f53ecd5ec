/*
 * vault_fixture: see the header.
 */
#include "vault_fixture.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "crypto/secret.h"
#include "store/store.h"

static const uint8_t raw_key[32] = {7, 7, 7};

static struct ks_unlock
unlock_of(const struct vault_fixture *f)
{
    return (struct ks_unlock){KS_SLOT_RAW, f->key};
}

void
fixture_create(struct vault_fixture *f, const char *path, const char *state)
{
    struct ks_store_options options = {.mode = KS_STORE_CREATE};
    struct ks_err err = KS_ERR_INIT;
    struct ks_unlock unlock;

    memset(f, 0, sizeof(*f));
    (void)snprintf(f->state, sizeof(f->state), "%s", state);
    assert_int_equal(ks_crypto_init(&err), KS_OK);
    assert_int_equal(ks_secret_copy(&f->key, raw_key, 32, &err), KS_OK);
    if (path == NULL)
        assert_int_equal(ks_store_open_memory(&f->store, &err), KS_OK);
    else
        assert_int_equal(ks_store_open(&f->store, path, &options, &err), KS_OK);
    unlock = unlock_of(f);
    if (ks_vault_create(&f->vault, f->store, &unlock, NULL, &err) != KS_OK)
        fail_msg("create: %s", err.msg);
}

void
fixture_reopen(struct vault_fixture *f, const char *path)
{
    struct ks_store_options options = {.mode = KS_STORE_WRITE};
    struct ks_unlock unlock = unlock_of(f);
    struct ks_err err = KS_ERR_INIT;

    ks_vault_close(f->vault);
    f->vault = NULL;
    if (ks_store_open(&f->store, path, &options, &err) != KS_OK ||
        ks_vault_open(&f->vault, f->store, &unlock, &err) != KS_OK)
        fail_msg("reopen: %s", err.msg);
}

void
fixture_close(struct vault_fixture *f)
{
    ks_vault_close(f->vault);
    ks_secret_free(f->key);
    memset(f, 0, sizeof(*f));
}

struct ks_snapshot_writer *
fixture_begin(struct vault_fixture *f)
{
    struct ks_capture_options options = {
        .source = "test", .state_folder = f->state, .workers = 2};
    struct ks_snapshot_writer *w = NULL;
    struct ks_err err = KS_ERR_INIT;

    if (ks_capture_begin(&w, f->vault, &options, &err) != KS_OK)
        fail_msg("begin: %s", err.msg);
    return w;
}

void
fixture_commit(struct ks_snapshot_writer *w, struct ks_snapshot_info *info)
{
    struct ks_err err = KS_ERR_INIT;

    memset(info, 0, sizeof(*info));
    if (ks_capture_commit(w, info, &err) != KS_OK)
        fail_msg("commit: %s", err.msg);
}
