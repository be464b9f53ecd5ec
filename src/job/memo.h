#ifndef KS_JOB_MEMO_H
#define KS_JOB_MEMO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "job/looks.h"
#include "source/source.h"

struct ks_object_context;

/*
 * memo: what this machine remembers of a vault from one run to the next: how
 * each source looked when it was last backed up, and how far the
 * rotating verification is.
 *
 * Floor 4. A file `memo` in the client state folder, sealed like an object of
 * the vault (KS_OBJ_STATE), replaced whole. Losing it costs time, nothing
 * else, so a memo that is absent, damaged or newer is an empty one.
 * Content: u8 1 ‖ u64 verify cycle ‖ u16 n ‖ n × (path 32 ‖ u64 size ‖
 * u64 mtime ns ‖ u64 ctime ns ‖ u64 inode ‖ head 32 ‖ tail 32 ‖ u8 policy
 * flags ‖ u64 largest attachment ‖ snapshot 16), oldest first.
 */
#define KS_MEMO_MAX ((size_t)64) /* sources remembered; the oldest goes */

struct ks_memo_entry {
    struct ks_looks looks;
    struct ks_policy policy; /* what was left out counts as well */
    uint8_t snapshot[16];    /* what was made of it */
};

struct ks_memo {
    uint64_t verify_cycle; /* of the next verification of a part */
    struct ks_memo_entry list[KS_MEMO_MAX];
    size_t count;
};

/* Read the memo in `folder`; an empty one if there is none that opens. Fails
 * with KS_E_NOMEM only. */
KS_MUST_CHECK int
ks_memo_read(struct ks_memo *out, const struct ks_object_context *cx,
             const char *folder, struct ks_err *err);

/* Replace the memo in `folder`, which exists. KS_E_IO, KS_E_FULL,
 * KS_E_NOMEM. */
KS_MUST_CHECK int
ks_memo_write(const struct ks_memo *memo, const struct ks_object_context *cx,
              const char *folder, struct ks_err *err);

/* What is remembered of a file that looks just so and was taken under the same
 * policy, or NULL. */
const struct ks_memo_entry *
ks_memo_find(const struct ks_memo *memo, const struct ks_looks *looks,
             const struct ks_policy *policy);

/* Remember; what was remembered of the same path is replaced. */
void ks_memo_put(struct ks_memo *memo, const struct ks_memo_entry *entry);

#endif /* KS_JOB_MEMO_H */
