#ifndef KS_JOB_KEYS_H
#define KS_JOB_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/slot.h"

struct ks_secret;
struct ks_session;

/*
 * keys: new vaults, and the ways to open them.
 *
 * Floor 4.
 */
#define KS_INIT_UNLOCKS_MAX ((size_t)4)

struct ks_init_job {
    const char *where;
    /* unlocks[0..unlock_count), at least one: a slot is made for each. */
    const struct ks_unlock *unlocks;
    size_t unlock_count;
    struct ks_slot_options slot_options;
};

/* Make a vault; its id into vault_id[0..16). KS_E_EXISTS (something is there),
 * KS_E_NOTFOUND (the folder it is to be in is not there), KS_E_USAGE,
 * KS_E_FULL, KS_E_IO, KS_E_NOMEM. After a failure the place is as it was, so
 * that the same can be tried again. */
KS_MUST_CHECK int ks_job_init(uint8_t *vault_id, const struct ks_init_job *job,
                              struct ks_err *err);

/* A new recovery key, random; the caller frees. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_recovery_key_new(struct ks_secret **out, struct ks_err *err);

/* Write a recovery key as text and a line end to a file that is new (0600).
 * KS_E_EXISTS, KS_E_NOTFOUND, KS_E_FULL, KS_E_IO, KS_E_USAGE, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_recovery_key_write(const char *path, const struct ks_secret *key,
                      struct ks_err *err);

/*
 * The slot of an open vault whose id begins with the hex digits `text`, at
 * least 4. KS_E_NOTFOUND, KS_E_USAGE (two match, or it is no hex), KS_E_IO,
 * KS_E_NOMEM.
 */
KS_MUST_CHECK int ks_slot_find(struct ks_slot_info *out, struct ks_session *s,
                               const char *text, struct ks_err *err);

/* How many slots of `kind` the vault has. KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int ks_slot_count(size_t *out, struct ks_session *s,
                                enum ks_slot_kind kind, struct ks_err *err);

#endif /* KS_JOB_KEYS_H */
