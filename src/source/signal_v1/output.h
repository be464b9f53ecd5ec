#ifndef KS_SOURCE_SIGNAL_V1_OUTPUT_H
#define KS_SOURCE_SIGNAL_V1_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "source/signal_v1/container.h"

struct ks_progress;
struct ks_reader;

/*
 * output: a Signal `.backup` file, written frame by frame.
 *
 * Floor 3. Life: open -> frame/body* -> commit, then close. The file appears
 * under its name, 0600, only when committed. Memory: one piece of 64 KiB. Fails
 * with what ks_outfile_* and the readers say, and KS_E_CANCELLED.
 */
struct ks_v1_output;

struct ks_v1_output_options {
    const char *path;
    bool replace;
    const uint8_t *key; /* source key key[0..32) */
    const struct ks_v1_header *header;
    struct ks_bytes raw_header; /* the same as it is written, length first */
    const struct ks_progress *progress; /* may be NULL */
    uint64_t total; /* bytes there will be, for progress; 0: unknown */
};
KS_MUST_CHECK int ks_v1_output_open(struct ks_v1_output **out,
                                    const struct ks_v1_output_options *options,
                                    struct ks_err *err);

/* Append a frame with content pb[0..len), 1 <= len <= KS_V1_FRAME_MAX. */
KS_MUST_CHECK int ks_v1_output_frame(struct ks_v1_output *o, struct ks_bytes pb,
                                     struct ks_err *err);

enum ks_v1_body_kind {
    KS_V1_BODY_FRAME, /* a frame whose content `from` gives */
    KS_V1_BODY_BLOB,  /* the blob of the frame before it */
    KS_V1_BODY_RAW,   /* bytes behind the end frame, as they are */
};
/* Append what `from` gives, which must be exactly len bytes (KS_E_CORRUPT);
 * len <= UINT32_MAX unless raw. The caller closes `from`. */
KS_MUST_CHECK int
ks_v1_output_body(struct ks_v1_output *o, enum ks_v1_body_kind kind,
                  struct ks_reader *from, uint64_t len, struct ks_err *err);

/* Bytes written so far, and the digest of them that a snapshot keeps
 * (doc/format-signal-v1.md) into digest[0..32). */
uint64_t ks_v1_output_sum(const struct ks_v1_output *o, uint8_t *digest);

KS_MUST_CHECK int
ks_v1_output_commit(struct ks_v1_output *o, struct ks_err *err);
void ks_v1_output_close(struct ks_v1_output *o); /* NULL is ok */

#endif /* KS_SOURCE_SIGNAL_V1_OUTPUT_H */
