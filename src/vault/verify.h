#ifndef KS_VAULT_VERIFY_H
#define KS_VAULT_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ks_progress;
struct ks_vault;

/*
 * verify: proof that a vault is whole.
 *
 * Floor 2. Structure: every object's place and size, every snapshot, its list
 * and every chunk the list reaches, with its base, is in a pack that is there
 * with the right size. With data: every byte of every object is read,
 * its name recomputed, every segment's tag and every chunk's id checked; in an
 * archive file also the tables of contents and commit slots.
 */
/* Valid during the call that reports it; whoever wants to keep it, copies. */
struct ks_finding {
    const char *object; /* "packs/00ff...", "offset 123" of an archive file */
    const char *what;   /* "damaged", "missing", "unreferenced", ... */
    bool damage;        /* false: worth knowing, nothing is lost */
    const char *hint;   /* what it means and what to do; may be NULL */
};

struct ks_verify_options {
    /* 0: structure only; 1..100: read so many percent of the packs, chosen by
     * `cycle` so that consecutive cycles cover all of them. */
    unsigned data_percent;
    uint64_t cycle;
    /* Called for each finding. */
    void (*found)(void *user, const struct ks_finding *finding);
    void *user;
    const struct ks_progress *progress;
};

struct ks_verify_result {
    uint64_t snapshots;
    uint64_t snapshots_whole;
    uint64_t chunks;
    uint64_t packs;
    uint64_t packs_read;
    uint64_t bytes_read;
    uint64_t damaged;      /* findings that are damage */
    uint64_t unreferenced; /* packs that no snapshot needs (interrupted runs) */
};

/* KS_OK also when damage was found: see the result, which is set on KS_OK
 * only. Nothing is changed in the vault. Findings are reported as they come,
 * also before a failure. KS_E_CANCELLED, KS_E_IO,
 * KS_E_NOMEM. */
KS_MUST_CHECK int
ks_vault_verify(struct ks_vault *v, const struct ks_verify_options *options,
                struct ks_verify_result *out, struct ks_err *err);

#endif /* KS_VAULT_VERIFY_H */
