#ifndef KS_VAULT_INDEX_FILE_H
#define KS_VAULT_INDEX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/object.h"
#include "vault/pack.h"

/*
 * index_file: one index object: opened by its tail, searched by segment, or
 * written (doc/format.md, "Index").
 *
 * Floor 2. Knows nothing of what else there is: numbers of packs are those of
 * the object, or of whoever has one written.
 *
 *     plaintext: segments of 65 536 bytes: 744 entries of 88 bytes, then 64
 *                zeros; the last segment's unused entries are zero
 *                ‖ zeros ‖ tail ‖ u32le length of the tail
 *     entry:     id 32 ‖ base 32 ‖ u32le pack ‖ u32le offset ‖ u32le stored ‖
 *                u32le plain ‖ u8 kind ‖ u8 form ‖ 6 zeros; ids never fall
 *     tail:      u8 1 ‖ varint entries ‖ varint n ‖ n × snapshot it covers ‖
 *                varint m ‖ m × index object it belongs with ‖
 *                varint packs ‖ pack references ‖
 *                first 8 bytes of the first id of each segment
 *
 * A fold of more entries than one object may have makes several, split by id.
 * The last one, which is put last, covers the snapshots and names the others.
 */
#define KS_INDEX_ENTRY_SIZE      ((size_t)88)
#define KS_INDEX_SEGMENT_ENTRIES ((size_t)744)
#define KS_INDEX_ENTRIES_MAX     ((size_t)111600) /* 150 segments */
#define KS_INDEX_COVERED_MAX     ((size_t)1 << 20)
#define KS_INDEX_OTHERS_MAX      ((size_t)4096)
#define KS_INDEX_PACKS_MAX       ((size_t)1 << 20)
#define KS_INDEX_TAIL_MAX        ((size_t)16 << 20)

/* An opened index object; the fields are for reading. */
struct ks_index_file {
    struct ks_pack_ref ref;
    size_t entries;
    uint8_t (*covered)[16]; /* snapshots */
    size_t covered_count;
    uint8_t (*others)[16]; /* index objects */
    size_t other_count;
    struct ks_pack_ref *packs;
    size_t pack_count;
    uint8_t *fences; /* 8 bytes a segment */
    size_t segments;
};

/*
 * Open the object with this id and size; `reader` is one of KS_OBJ_INDEX.
 * KS_E_CORRUPT, KS_E_UNSUPPORTED, KS_E_LIMIT, KS_E_NOTFOUND, KS_E_IO,
 * KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_index_file_open(struct ks_index_file *out, struct ks_pack_reader *reader,
                   const struct ks_pack_ref *ref, struct ks_err *err);
/* Free; empty afterwards. */
void ks_index_file_wipe(struct ks_index_file *f);

/* An entry that was found: its pack is f->packs[pack]. */
struct ks_index_hit {
    size_t pack;
    struct ks_entry entry;
};

/* Whom to show the entries of one id to; true ends the search. */
struct ks_index_query {
    const uint8_t *id;
    bool (*accept)(void *user, const struct ks_index_hit *hit);
    void *user;
};
/* KS_OK whether or not there were any. KS_E_CORRUPT and so on as above. */
KS_MUST_CHECK int
ks_index_file_find(const struct ks_index_file *f, struct ks_pack_reader *reader,
                   const struct ks_index_query *query, struct ks_err *err);

/* What to write: entry number i < count, in the order of ids, and the packs
 * whose numbers the entries use, 0 <= number < pack_count. */
struct ks_index_source {
    size_t count;
    void (*entry)(const void *user, size_t i, uint32_t *pack,
                  struct ks_entry *out);
    struct ks_pack_ref (*pack)(const void *user, uint32_t number);
    size_t pack_count;
    const void *user;
    const uint8_t (*covers)[16];
    size_t cover_count;
};

/* Write it as one object or several. What is put last is put after a sync of
 * the others, and not synced itself. KS_E_NOMEM, or what the store says. */
KS_MUST_CHECK int
ks_index_write(const struct ks_object_context *cx,
               const struct ks_index_source *source, struct ks_err *err);

#endif /* KS_VAULT_INDEX_FILE_H */
