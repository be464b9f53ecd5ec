#ifndef KS_SOURCE_SIGNAL_V1_SIGNAL_V1_H
#define KS_SOURCE_SIGNAL_V1_SIGNAL_V1_H

#include "source/source.h"

/*
 * signal_v1: the connector for the `.backup` files of Signal for Android.
 *
 * Floor 3. See README.md here, source/source.h for the contract of the table,
 * and doc/format-signal-v1.md for how such a source is kept.
 */
extern const struct ks_source_ops ks_source_signal_v1;

/* As the table's open(), with the 32-byte source key itself: for tests, which
 * cannot wait for a derivation a file. */
KS_MUST_CHECK int
ks_v1_source_open(struct ks_source **out, const char *path,
                  const uint8_t *source_key, struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_SIGNAL_V1_H */
