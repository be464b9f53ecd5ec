#ifndef KS_SOURCE_SIGNAL_V1_CAPTURE_STATE_H
#define KS_SOURCE_SIGNAL_V1_CAPTURE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "source/signal_v1/frame.h"
#include "source/signal_v1/input.h"
#include "source/signal_v1/rows.h"
#include "source/signal_v1/streams.h"
#include "source/source.h"
#include "vault/snapshot_writer.h"

/*
 * capture_state: what the three files of a capture share.
 *
 * Floor 3. capture.c leads and deals with most frames, capture_rows.c with
 * statements, capture_damage.c with all that does not verify. One capture is
 * made, run and freed by ks_v1_capture(); see capture.h.
 */
#define KS_V1_SQL_KEPT                                                         \
    ((size_t)4096)                   /* longer statements are read each time   \
                                      */
#define KS_V1_END_MAX ((size_t)4096) /* bytes of an end frame that is kept */

struct ks_v1_capture {
    struct ks_v1_input *in;
    struct ks_snapshot_writer *w;
    const struct ks_policy *policy;
    struct ks_v1_streams *streams;
    unsigned number_of[KS_V1_KINDS]; /* stream numbers, 0: not yet used */
    struct ks_v1_place next;         /* where the next frame should be */
    bool ended;                      /* the end frame was seen */
    bool stopped;                    /* nothing more can be read */

    struct ks_sha256 digest; /* of the original, doc/format-signal-v1.md */
    struct ks_buf end;       /* the end frame's content */
    char not_original[160];  /* why the same bytes cannot be made again */

    char account[128];
    uint64_t unknown_frames;
    uint64_t first_unknown; /* offset */

    /* capture_rows.c: the tables, the last INSERT and what is known of it */
    struct ks_v1_tables tables;
    struct ks_buf sql; /* its text; empty: nothing is known */
    struct ks_v1_table row;
    unsigned row_number;
    /* an attachment's row, until it is known whether its file is kept */
    bool holding;
    struct ks_buf held;
    struct ks_v1_table held_row;
    unsigned held_number;
    int64_t held_ms;
};

/* Say why `restore --original` will not be possible; the first reason
 * stands. */
void ks_v1_capture_not_original(struct ks_v1_capture *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Append `record` to the stream of `kind`. */
KS_MUST_CHECK int
ks_v1_capture_put(struct ks_v1_capture *c, enum ks_v1_kind kind,
                  struct ks_bytes record, struct ks_err *err);

/* Take a statement frame, its content pb and its message `body`. */
KS_MUST_CHECK int
ks_v1_capture_statement(struct ks_v1_capture *c, struct ks_bytes pb,
                        struct ks_bytes body, struct ks_err *err);

/* Pass on the row that is held back, if any, as it is. */
KS_MUST_CHECK int
ks_v1_capture_release(struct ks_v1_capture *c, struct ks_err *err);
/* The same when the file of attachment `row` is left out: if the row held is
 * that one, it is rewritten to say so. */
KS_MUST_CHECK int ks_v1_capture_release_bare(struct ks_v1_capture *c,
                                             uint64_t row, struct ks_err *err);

/* A piece that cannot be used, and where reading may go on. */
struct ks_v1_damage {
    const char *what; /* "frame", "attachment blob" */
    const char *why;
    struct ks_v1_place at;
    uint64_t raw_from; /* <= at.offset: keep the raw bytes from here */
    uint64_t hint;     /* where its end should be; 0: not known */
};
/* Report it, keep its raw bytes, move c->next to where reading goes on; or
 * stop. KS_E_INCOMPLETE if nothing follows and the policy forbids that. */
KS_MUST_CHECK int
ks_v1_capture_damage(struct ks_v1_capture *c, const struct ks_v1_damage *damage,
                     struct ks_err *err);

/* The file ends at c->next without an end frame. As above. */
KS_MUST_CHECK int
ks_v1_capture_incomplete(struct ks_v1_capture *c, struct ks_err *err);

/* Keep what follows the end frame. */
KS_MUST_CHECK int
ks_v1_capture_trailing(struct ks_v1_capture *c, struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_CAPTURE_STATE_H */
