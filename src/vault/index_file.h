#ifndef KS_VAULT_INDEX_FILE_H
#define KS_VAULT_INDEX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/object.h"
#include "vault/pack.h"

struct ks_index;

/*
 * index_file: index objects, the folded half of an index (index.h has the
 * byte layout). Floor 2. Seen only by index.c.
 */
struct ks_index_files;

/* Entries of one 64 KiB segment, and of one index object at most. */
#define KS_INDEX_ENTRY_SIZE      ((size_t)88)
#define KS_INDEX_SEGMENT_ENTRIES ((size_t)744)
#define KS_INDEX_ENTRIES_MAX     ((size_t)111600) /* 150 segments */

/* Open every index object of the store; their packs are added to `index`.
 * One that is damaged is counted and passed over. */
KS_MUST_CHECK int
ks_index_files_open(struct ks_index_files **out, struct ks_index *index,
                    const struct ks_object_context *cx, struct ks_err *err);
void ks_index_files_close(struct ks_index_files *files);

bool ks_index_files_cover(const struct ks_index_files *files,
                          const uint8_t *snapshot);
size_t ks_index_files_damaged(const struct ks_index_files *files);

/* Look id up; hit->found only if its pack is usable. */
struct ks_index_hit {
    bool found;
    uint32_t pack;
    struct ks_entry entry;
};
KS_MUST_CHECK int
ks_index_files_find(struct ks_index_files *files, const uint8_t *id,
                    struct ks_index_hit *hit, struct ks_err *err);

/* What to write: loose entries of `index` in id order, and the runs that the
 * last object of the fold covers. */
struct ks_index_fold {
    const struct ks_object_context *cx;
    const struct ks_index *index;
    const uint32_t *order;
    size_t count;
    const uint8_t (*runs)[16];
    size_t run_count;
};
KS_MUST_CHECK int
ks_index_files_write(const struct ks_index_fold *fold, struct ks_err *err);

/* index.c's side of the two: */
bool ks_index_pack_usable(const struct ks_index *x, uint32_t number);
void ks_index_loose_entry(const struct ks_index *x, uint32_t i, uint32_t *pack,
                          struct ks_entry *out);

#endif /* KS_VAULT_INDEX_FILE_H */
