#ifndef KS_SOURCE_SIGNAL_V1_CAPTURE_H
#define KS_SOURCE_SIGNAL_V1_CAPTURE_H

#include "base/err.h"

struct ks_policy;
struct ks_secret;
struct ks_snapshot_writer;
struct ks_v1_input;

/*
 * capture: from a Signal `.backup` file into a snapshot.
 *
 * Floor 3. `in` is unlocked; `key` is the 32-byte source key it was unlocked
 * with, which is kept for `restore --original` where that is possible and
 * policy->forget_source_key allows. What goes where: doc/format-signal-v1.md.
 * KS_OK also when damage was reported; KS_E_INCOMPLETE, or an error of
 * input or writer.
 */
KS_MUST_CHECK int
ks_v1_capture(struct ks_v1_input *in, const struct ks_secret *key,
              struct ks_snapshot_writer *w, const struct ks_policy *policy,
              struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_CAPTURE_H */
