#ifndef KS_VAULT_PACK_H
#define KS_VAULT_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "base/err.h"
#include "vault/format.h"
#include "vault/object.h"

/*
 * pack: many chunks sealed as one object (doc/format.md, "Packs").
 *
 *     plaintext: chunks, back to back ‖ zeros ‖ table of contents ‖
 *                u32le length of the table
 *     table:     varint count ‖ entries in the order of their chunks
 *     entry:     id 32 ‖ u8 kind | form << 4 ‖ varint stored bytes ‖
 *                varint plain bytes ‖ base id 32 if form is delta
 *
 * Floor 2. A builder fills one buffer that is sealed in place; its chunks are
 * laid out with the gaps that the tags will take.
 */

/* One chunk in a pack. */
struct ks_entry {
    uint8_t id[32];
    uint8_t base[32]; /* only if form is KS_FORM_DELTA, else zero */
    uint8_t kind;     /* enum ks_chunk_kind */
    uint8_t form;     /* enum ks_chunk_form */
    uint32_t offset;  /* of its stored bytes in the pack's plaintext */
    uint32_t stored;
    uint32_t plain;
};

/* Which pack, as snapshots and indexes name it. */
struct ks_pack_ref {
    uint8_t id[16];
    uint8_t commitment[8]; /* the first bytes of its header's */
    uint32_t size;         /* sealed bytes */
};

#define KS_ENTRY_SIZE_MAX ((size_t)32 + 1 + 5 + 5 + 32)
/* The largest padded plaintext whose sealed form is within KS_PACK_MAX. */
#define KS_PACK_PLAIN_MAX   ((size_t)8257536)
#define KS_PACK_ENTRIES_MAX ((size_t)200000)
#define KS_PACK_REF_SIZE    ((size_t)28)

KS_MUST_CHECK int ks_entry_encode(struct ks_buf *out, const struct ks_entry *e,
                                  struct ks_err *err);
/* Decode one; `offset` is where its chunk begins. False if malformed. */
bool
ks_entry_decode(struct ks_cursor *c, uint32_t offset, struct ks_entry *out);

KS_MUST_CHECK int
ks_pack_ref_encode(struct ks_buf *out, const struct ks_pack_ref *ref,
                   struct ks_err *err);
bool ks_pack_ref_decode(struct ks_cursor *c, struct ks_pack_ref *out);

struct ks_pack_builder {
    uint8_t *memory;     /* what was allocated for object */
    uint8_t *object;     /* KS_PACK_MAX bytes, aligned for bulk writes */
    size_t plain;        /* plaintext bytes of chunks so far */
    size_t laid;         /* the most plaintext bytes it ever had */
    struct ks_buf table; /* encoded entries */
    uint32_t count;
};

KS_MUST_CHECK int
ks_pack_builder_init(struct ks_pack_builder *b, struct ks_err *err);
void ks_pack_builder_wipe(struct ks_pack_builder *b);

/* Whether a chunk of `stored` bytes still fits. */
bool ks_pack_fits(const struct ks_pack_builder *b, size_t stored);

/* Add a chunk that fits: e->stored bytes of data; e->offset is set. */
KS_MUST_CHECK int ks_pack_add(struct ks_pack_builder *b, struct ks_entry *e,
                              const uint8_t *data, struct ks_err *err);

/* Pad, seal, name. The sealed pack is b->object[0..ref->size); b may then be
 * reset with ks_pack_reset(). count >= 1. KS_E_NOMEM. */
KS_MUST_CHECK int
ks_pack_finish(struct ks_pack_builder *b, const struct ks_object_context *cx,
               struct ks_pack_ref *ref, struct ks_err *err);
void ks_pack_reset(struct ks_pack_builder *b);

/*
 * pack_reader: ranges of the plaintext of packs (KS_OBJ_PACK) or of index
 * objects (KS_OBJ_INDEX), with a few keys and `segments` (1..64) opened
 * segments of 64 KiB kept. One thread at a time.
 */
struct ks_pack_reader;

KS_MUST_CHECK int ks_pack_reader_open(struct ks_pack_reader **out,
                                      const struct ks_object_context *cx,
                                      enum ks_object_kind kind,
                                      unsigned segments, struct ks_err *err);
void ks_pack_reader_close(struct ks_pack_reader *r);

/*
 * Plaintext [offset, offset + len) of the pack into out. The pack's size and
 * commitment must be those of ref. KS_E_NOTFOUND, KS_E_CORRUPT (err names the
 * pack), KS_E_IO, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_pack_read(struct ks_pack_reader *r, const struct ks_pack_ref *ref,
             uint32_t offset, uint32_t len, uint8_t *out, struct ks_err *err);

/*
 * What stands at the end of a pack or index object: its last four bytes say
 * how long; it replaces the content of `tail`. *ref needs id and size; its
 * commitment is filled in. *start: where the tail begins in the plaintext.
 */
KS_MUST_CHECK int
ks_pack_tail(struct ks_pack_reader *r, struct ks_pack_ref *ref,
             struct ks_buf *tail, size_t *start, struct ks_err *err);

/*
 * Read a pack's own table: each() is called per entry in order and stops the
 * walk with a nonzero answer, which is returned. *ref needs its id and size;
 * its commitment is filled in.
 */
KS_MUST_CHECK int
ks_pack_table(struct ks_pack_reader *r, struct ks_pack_ref *ref,
              int (*each)(void *user, const struct ks_entry *e), void *user,
              struct ks_err *err);

#endif /* KS_VAULT_PACK_H */
