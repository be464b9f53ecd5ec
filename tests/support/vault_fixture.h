#ifndef KS_TESTS_VAULT_FIXTURE_H
#define KS_TESTS_VAULT_FIXTURE_H

#include "vault/capture.h"
#include "vault/vault.h"

/*
 * vault_fixture: a vault in memory or in a folder under a temporary place,
 * opened by a raw key, and its client state beside it.
 */
struct vault_fixture {
    struct ks_store *store; /* the vault's; for looking and damaging */
    struct ks_vault *vault;
    struct ks_secret *key;
    char state[256];
};

/* A new vault: in memory if `path` is NULL, else at path. State is kept in
 * `state`. Fails the test if it cannot. */
void
fixture_create(struct vault_fixture *f, const char *path, const char *state);

/* Close and open again what lies at path. */
void fixture_reopen(struct vault_fixture *f, const char *path);
void fixture_close(struct vault_fixture *f);

/* Begin a snapshot of source "test". */
struct ks_snapshot_writer *fixture_begin(struct vault_fixture *f);
/* Commit it and describe it; wipe *info. */
void
fixture_commit(struct ks_snapshot_writer *w, struct ks_snapshot_info *info);

#endif /* KS_TESTS_VAULT_FIXTURE_H */
