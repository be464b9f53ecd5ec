#ifndef KS_SOURCE_SIGNAL_V1_RESTORE_H
#define KS_SOURCE_SIGNAL_V1_RESTORE_H

#include "base/err.h"

struct ks_progress;
struct ks_restore_options;
struct ks_snapshot_reader;

/*
 * restore: from a snapshot to a Signal `.backup` file; see source.h for what
 * it answers.
 *
 * Floor 3. Without options->original the file is version 1 under a new salt
 * and IV and the passphrase options->target_key. With it the file is, byte
 * for byte, the one captured, or nothing: it is committed only if
 * length and digest are those that capture kept.
 */
KS_MUST_CHECK int
ks_v1_restore(struct ks_snapshot_reader *r, const char *target,
              const struct ks_restore_options *options,
              const struct ks_progress *progress, struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_RESTORE_H */
