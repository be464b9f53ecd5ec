/*
 * pack: entries, and filling and sealing a pack; pack_reader.c reads one. The
 * byte table is in pack.h. The plaintext is laid out at once in the places
 * where sealing wants it, with the 16 bytes of a tag free behind each 64 KiB,
 * so a pack is never copied and takes one buffer of 8 MiB.
 */
#include "vault/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bulk.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "vault/keyring.h"

/* ks_pack_fits() stops long before: the table has to fit the pack as well. */
#define TABLE_MAX (KS_PACK_ENTRIES_MAX * KS_ENTRY_SIZE_MAX)

int
ks_entry_encode(struct ks_buf *out, const struct ks_entry *e,
                struct ks_err *err)
{
    uint8_t bytes[KS_ENTRY_SIZE_MAX];
    size_t n = 0;

    assert(e->kind <= 15 && e->form <= KS_FORM_DELTA);
    memcpy(bytes, e->id, sizeof(e->id));
    n += sizeof(e->id);
    bytes[n++] = (uint8_t)(e->kind | e->form << 4);
    n += ks_varint_put(bytes + n, e->stored);
    n += ks_varint_put(bytes + n, e->plain);
    if (e->form == KS_FORM_DELTA) {
        memcpy(bytes + n, e->base, sizeof(e->base));
        n += sizeof(e->base);
    }
    return ks_buf_append(out, bytes, n, err);
}

bool
ks_entry_decode(struct ks_cursor *c, uint32_t offset, struct ks_entry *out)
{
    struct ks_entry e = {.offset = offset};
    struct ks_cursor at = *c;
    uint64_t stored = 0;
    uint64_t plain = 0;
    uint8_t bits = 0;

    if (!ks_cursor_copy(&at, e.id, sizeof(e.id)) || !ks_cursor_u8(&at, &bits) ||
        !ks_cursor_varint(&at, &stored) || !ks_cursor_varint(&at, &plain))
        return false;
    e.kind = bits & 15;
    e.form = bits >> 4;
    if (e.kind < KS_CHUNK_RECORDS || e.kind > KS_CHUNK_LIST ||
        e.form > KS_FORM_DELTA)
        return false;
    /* In this order: offset is at most KS_PACK_PLAIN_MAX, by this very test
     * of the entry before, so the difference does not wrap. */
    if (stored > KS_CHUNK_MAX || plain > KS_CHUNK_MAX ||
        stored > KS_PACK_PLAIN_MAX - offset)
        return false;
    if (e.form == KS_FORM_DELTA && !ks_cursor_copy(&at, e.base, 32))
        return false;
    e.stored = (uint32_t)stored;
    e.plain = (uint32_t)plain;
    *out = e;
    *c = at;
    return true;
}

int
ks_pack_ref_encode(struct ks_buf *out, const struct ks_pack_ref *ref,
                   struct ks_err *err)
{
    uint8_t bytes[KS_PACK_REF_SIZE];

    memcpy(bytes, ref->id, 16);
    memcpy(bytes + 16, ref->commitment, 8);
    ks_put_u32le(bytes + 24, ref->size);
    return ks_buf_append(out, bytes, sizeof(bytes), err);
}

bool
ks_pack_ref_decode(struct ks_cursor *c, struct ks_pack_ref *out)
{
    struct ks_bytes b;

    /* No pack has no bytes: size 0 is that of a pack not yet put (index.c). */
    if (!ks_cursor_bytes(c, KS_PACK_REF_SIZE, &b) ||
        ks_get_u32le(b.ptr + 24) == 0)
        return false;
    memcpy(out->id, b.ptr, 16);
    memcpy(out->commitment, b.ptr + 16, 8);
    out->size = ks_get_u32le(b.ptr + 24);
    return true;
}

int
ks_pack_builder_init(struct ks_pack_builder *b, struct ks_err *err)
{
    *b = (struct ks_pack_builder){0};
    ks_buf_init(&b->table, TABLE_MAX);
    /* room to begin at a multiple of KS_BULK_ALIGN */
    b->memory = malloc(KS_PACK_MAX + KS_BULK_ALIGN);
    if (b->memory == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for a pack");
    b->object =
        b->memory + (KS_BULK_ALIGN - (uintptr_t)b->memory % KS_BULK_ALIGN);
    return KS_OK;
}

void
ks_pack_builder_wipe(struct ks_pack_builder *b)
{
    /* Memory that was never written was never given pages, and gets none to
     * be wiped. */
    if (b->laid > 0)
        ks_wipe(b->object, ks_seal_at(b->laid - 1) + 1);
    free(b->memory);
    ks_buf_wipe(&b->table);
    *b = (struct ks_pack_builder){0};
}

/* The bytes stay: they have been sealed in place, and are written over. */
void
ks_pack_reset(struct ks_pack_builder *b)
{
    b->plain = 0;
    b->count = 0;
    ks_buf_reset(&b->table);
}

bool
ks_pack_fits(const struct ks_pack_builder *b, size_t stored)
{
    /* What will stand behind the chunks at worst: table, one more entry,
     * count, length. Padding needs no room of its own: KS_PACK_PLAIN_MAX is
     * itself a padded length, so what fits it is not padded beyond it. */
    size_t tail = b->table.len + KS_ENTRY_SIZE_MAX + KS_VARINT_MAX + 4;

    return b->count < KS_PACK_ENTRIES_MAX && tail < KS_PACK_PLAIN_MAX &&
           b->plain <= KS_PACK_PLAIN_MAX - tail &&
           stored <= KS_PACK_PLAIN_MAX - tail - b->plain;
}

/* Copy data[0..len) to plaintext places from `at` on, stepping over the gaps
 * for tags. data NULL: zeros. The caller has checked that it fits. */
static void
lay(struct ks_pack_builder *b, size_t at, const uint8_t *data, size_t len)
{
    if (at + len > b->laid)
        b->laid = at + len;
    while (len > 0) {
        size_t room = KS_SEAL_SEGMENT - at % KS_SEAL_SEGMENT;
        size_t n = len < room ? len : room;

        if (data == NULL) {
            memset(b->object + ks_seal_at(at), 0, n);
        } else {
            memcpy(b->object + ks_seal_at(at), data, n);
            data += n;
        }
        at += n;
        len -= n;
    }
}

int
ks_pack_add(struct ks_pack_builder *b, struct ks_entry *e, const uint8_t *data,
            struct ks_err *err)
{
    int rc;

    assert(ks_pack_fits(b, e->stored));
    /* below KS_PACK_PLAIN_MAX, so it fits */
    e->offset = (uint32_t)b->plain;
    rc = ks_entry_encode(&b->table, e, err);
    if (rc < 0)
        return rc;
    lay(b, b->plain, data, e->stored);
    b->plain += e->stored;
    b->count++;
    return KS_OK;
}

int
ks_pack_finish(struct ks_pack_builder *b, const struct ks_object_context *cx,
               struct ks_pack_ref *ref, struct ks_err *err)
{
    uint8_t count[KS_VARINT_MAX];
    uint8_t length[4];
    uint8_t salt[32];
    size_t count_len = ks_varint_put(count, b->count);
    size_t table = count_len + b->table.len;
    size_t padded = ks_padded(b->plain + table + sizeof(length));
    /* The table goes to the very end, where it is found without knowing any
     * length but the object's; the padding lies in front of it. */
    size_t at = padded - table - sizeof(length);
    struct ks_seal_in in = {.salt = salt, .suite = ks_seal_default_suite()};
    int rc;

    assert(b->count >= 1);
    assert(padded <= KS_PACK_PLAIN_MAX);
    /* The buffer has held another pack: its padding must not show that. */
    lay(b, b->plain, NULL, at - b->plain);
    lay(b, at, count, count_len);
    lay(b, at + count_len, b->table.data, b->table.len);
    ks_put_u32le(length, (uint32_t)table);
    lay(b, at + table, length, sizeof(length));

    ks_random(salt, sizeof(salt));
    in.binding.kind = KS_OBJ_PACK;
    memcpy(in.binding.epoch_id, ks_keyring_current(cx->keys), 8);
    memcpy(in.binding.vault_id, cx->vault_id, 16);
    in.key = ks_keyring_epoch(cx->keys, in.binding.epoch_id);
    rc = ks_seal(b->object, padded, &in, ref->id, err);
    if (rc < 0)
        return ks_context(err, "sealing a pack");
    /* header bytes 56..88 are the commitment (crypto/seal.h) */
    memcpy(ref->commitment, b->object + 56, sizeof(ref->commitment));
    ref->size = (uint32_t)ks_seal_room(padded);
    return KS_OK;
}
