#ifndef KS_SOURCE_SIGNAL_V1_RESYNC_H
#define KS_SOURCE_SIGNAL_V1_RESYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "source/signal_v1/input.h"

/*
 * resync: where reading can go on after damage.
 *
 * Floor 3. Answers are never guesses: in version 1 a place is only answered if
 * the MAC of the frame there holds under a counter that may come next,
 * which no other place can satisfy. In version 0, whose MACs do not cover the
 * counter, what follows must also decrypt to plausible frames.
 *
 * What is found: the next frame with content < 64 KiB and one of the next 3
 * counters, or with content < 4 KiB and one of the next 65536 (more than 32
 * MiB behind the damage: 262144); and larger frames directly before it.
 * Bound: one search costs a few nanoseconds for each byte it passes, at most
 * about 30 (1.7 GB: half a minute if nothing at all is found), and 10 MiB of
 * memory. All searches of a file together cost at most as much as hashing 32
 * times its size and 1 GiB; then the rest is given up.
 */
struct ks_v1_search {
    struct ks_v1_place from; /* where the damaged piece begins */
    uint64_t hint;  /* where its neighbour begins if its length is right;
                       0: not known. Tried first. */
    uint64_t reach; /* bytes behind from.offset that may be searched */
};

/* The next frame that verifies, at from.offset or behind it. KS_OK, KS_END if
 * there is none within reach, or an error of the input. */
KS_MUST_CHECK int
ks_v1_resync(struct ks_v1_input *in, const struct ks_v1_search *search,
             struct ks_v1_place *out, struct ks_err *err);

/* Whether a frame verifies at `at`; in version 0 it, its blob or the frame
 * behind it must also make sense under its counter. */
KS_MUST_CHECK int
ks_v1_resync_holds(struct ks_v1_input *in, struct ks_v1_place at, bool *holds,
                   struct ks_err *err);

#define KS_V1_END_FRAME_SIZE ((size_t)16) /* of the end frame in the file */

/*
 * Whether a damaged end frame stands at `at`: it is the same 16 bytes in
 * every file with this key and counter, so it is recognised when at least 10
 * of them are right.
 */
KS_MUST_CHECK int
ks_v1_resync_end(struct ks_v1_input *in, struct ks_v1_place at, bool *found,
                 struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_RESYNC_H */
