#ifndef KS_VAULT_WRITER_STATE_H
#define KS_VAULT_WRITER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/object.h"

/*
 * writer_state: what a writer remembers between runs, in one sealed file.
 *
 * Floor 2. A crash leaves the old file or the new one, never half of either.
 */
struct ks_writer_state {
    uint8_t writer[16];
    uint64_t run;         /* the highest number begun, 0 none */
    uint64_t last_run;    /* committed; 0 none */
    uint8_t last[16];     /* the snapshot of last_run */
    bool in_doubt;        /* `run` may have put `promised`, or not */
    uint8_t promised[16]; /* zero unless in_doubt */
};

/* Read the file. KS_E_NOTFOUND; KS_E_CORRUPT: damaged, or of another vault;
 * KS_E_UNSUPPORTED: of a newer version; KS_E_IO, KS_E_NOMEM. */
KS_MUST_CHECK int ks_writer_state_load(struct ks_writer_state *out,
                                       const struct ks_object_context *cx,
                                       const char *path, struct ks_err *err);

/* Replace the file; durable on KS_OK. */
KS_MUST_CHECK int ks_writer_state_save(const struct ks_writer_state *state,
                                       const struct ks_object_context *cx,
                                       const char *path, struct ks_err *err);

#endif /* KS_VAULT_WRITER_STATE_H */
