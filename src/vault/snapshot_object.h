#ifndef KS_VAULT_SNAPSHOT_OBJECT_H
#define KS_VAULT_SNAPSHOT_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "vault/pack.h"
#include "vault/snapshot_info.h"

/*
 * snapshot_object: a snapshot's sealed statement of itself, as bytes
 * (doc/format.md, "Snapshots").
 *
 * Floor 2. u8 1, then fields: u16le tag ‖ u32le length ‖ value, in any order;
 * fields with a tag we do not know are passed over. Integers little-endian.
 *
 *      1 writer 16                        2 run u64
 *      3 previous: run u64 ‖ snapshot 16  4 generation u64
 *      5 parent 16                        6 time_ms i64
 *      7 source, text                     8 account, text
 *      9 label, text                     10 counts: 9 × u64, in the order of
 *                                           struct ks_snapshot_info: streams,
 *                                           records, blobs, source_bytes,
 *                                           new_records, new_blobs,
 *                                           added_bytes, lost, report_count
 *     11 skip: count u64 ‖ reason        12 report entry: u8 flags (1 lost,
 *        (repeated)                         2 raw) ‖ offset u64 ‖ length u64 ‖
 *                                           [raw 32] ‖ u8 n ‖ what n ‖ why
 *                                           (repeated)
 *     13 flags u8 (1 filtered)           14 root: u8 level ‖ chunk id 32
 *     15 head: writer 16 ‖ run u64 ‖     16 extra: u8 n ‖ name n ‖ value
 *        snapshot 16 (repeated)             (repeated)
 *     17 pack it brought: reference 28 ‖ varint count ‖ entries (repeated)
 */

/* Fields 16 and 17, already encoded, to go in as they are. */
struct ks_snapshot_parts {
    struct ks_bytes extras;
    struct ks_bytes packs;
};
KS_MUST_CHECK int
ks_snapshot_put_extra(struct ks_buf *extras, const char *name,
                      struct ks_bytes value, struct ks_err *err);
KS_MUST_CHECK int
ks_snapshot_put_pack(struct ks_buf *packs, const struct ks_pack_ref *ref,
                     const struct ks_pack_builder *b, struct ks_err *err);

/* Encode into out (reset first). KS_E_LIMIT, KS_E_NOMEM. */
KS_MUST_CHECK int
ks_snapshot_encode(struct ks_buf *out, const struct ks_snapshot_info *info,
                   const struct ks_snapshot_parts *parts, struct ks_err *err);

/* NULL members are passed over; a nonzero answer stops and is returned. */
struct ks_snapshot_visitor {
    int (*extra)(void *user, struct ks_bytes name, struct ks_bytes value);
    int (*pack)(void *user, const struct ks_pack_ref *ref);
    int (*entry)(void *user, const struct ks_entry *e);
    void *user;
};

/* Decode. *out must be zero before; on failure it is wiped. visitor may be
 * NULL. KS_E_CORRUPT, KS_E_UNSUPPORTED, KS_E_NOMEM, a visitor's answer. */
KS_MUST_CHECK int
ks_snapshot_decode(struct ks_snapshot_info *out, struct ks_bytes content,
                   const struct ks_snapshot_visitor *visitor,
                   struct ks_err *err);

#endif /* KS_VAULT_SNAPSHOT_OBJECT_H */
