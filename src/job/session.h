#ifndef KS_JOB_SESSION_H
#define KS_JOB_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"
#include "vault/slot.h"

struct ks_vault;

/*
 * session: an open vault, where it is, and what this machine remembers of it.
 *
 * Floor 4. Life: open -> verbs* -> close. One thread. Nothing in this room
 * prints, asks, reads the environment or ends the process: keys come through
 * a callback, paths are given.
 * Client state: <state_base>/<vault id>-<place>/, 0700, where <place> is the
 * first 16 hex digits of the SHA-256 of the canonical path: two
 * copies of one vault have two states.
 */
struct ks_session;

/* What a key is asked for. */
struct ks_unlock_ask {
    const char *where;   /* the vault, as the user named it */
    unsigned slot_kinds; /* bit 1 << enum ks_slot_kind for each kind there is */
    unsigned attempt;    /* 0, then 1 more after each key that was wrong */
};

struct ks_access {
    const char *where;       /* a folder, or a file *.keepsay */
    const char *state_base;  /* the folder of all client state */
    enum ks_store_mode mode; /* KS_STORE_READ or KS_STORE_WRITE */
    bool allow_incomplete;   /* an archive file's older commit will do */
    /* Nothing is written: not to the vault, not to the client state. What
     * would be put is only counted. Goes with KS_STORE_READ. */
    bool dry_run;
    /*
     * Called once it is known that a vault is there. *out borrows a secret
     * that outlives the call. KS_END: there is no other key, so the last one
     * was wrong. Any failure ends the opening.
     */
    int (*unlock)(void *user, const struct ks_unlock_ask *ask,
                  struct ks_unlock *out, struct ks_err *err);
    void *user;
};

/*
 * KS_E_NOTFOUND (no vault there), KS_E_WRONG_KEY, KS_E_CORRUPT,
 * KS_E_INCOMPLETE, KS_E_UNSUPPORTED, KS_E_BUSY, KS_E_IO, KS_E_NOMEM, and what
 * unlock() answered. *access and its strings must outlive the session; the key
 * need not.
 */
KS_MUST_CHECK int
ks_session_open(struct ks_session **out, const struct ks_access *access,
                struct ks_err *err);

/* Close the vault too. NULL is ok. */
void ks_session_close(struct ks_session *s);

/* The open vault, borrowed; never NULL. */
struct ks_vault *ks_session_vault(const struct ks_session *s);
/* As the user named it, borrowed. */
const char *ks_session_where(const struct ks_session *s);
/* Whether nothing is to be stored. */
bool ks_session_dry(const struct ks_session *s);

/* The name of the client state folder of this vault at this place, whether it
 * is there or not. Valid as long as the session. */
const char *ks_session_state_name(const struct ks_session *s);

/* The client state folder to write to, made if missing; a dry run has one of
 * its own, removed at the end. Valid as long as the session. KS_E_IO,
 * KS_E_FULL, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_session_state(struct ks_session *s, const char **folder, struct ks_err *err);

/* Open the store at `where` and see that a vault is in it; its id
 * into vault_id[0..16) unless NULL. Needs no key. The caller closes. */
KS_MUST_CHECK int ks_place_open(struct ks_store **out, const char *where,
                                const struct ks_store_options *options,
                                uint8_t *vault_id, struct ks_err *err);

#endif /* KS_JOB_SESSION_H */
