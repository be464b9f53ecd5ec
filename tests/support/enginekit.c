/*
 * enginekit: see the header.
 */
#include "enginekit.h"

#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "check.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "vault/chunk.h"
#include "vault/keyring.h"

void
engine_open(struct engine *e)
{
    KIT_OK(ks_crypto_init(KIT_ERR));
    e->store = kit_memory();
    e->keys = kit_keyring(2);
    e->cx = kit_context(e->store, e->keys);
}

void
engine_close(struct engine *e)
{
    ks_keyring_free(e->keys);
    ks_store_close(e->store);
}

void
engine_id(uint8_t *out, uint64_t number)
{
    struct chance c = {number * 7919 + 3};

    chance_fill(&c, out, 32);
}

struct ks_entry
engine_entry(uint64_t number)
{
    struct ks_entry e = {.kind = (uint8_t)(1 + number % 4),
                         .form = number % 5 == 0 ? KS_FORM_DELTA : KS_FORM_ZSTD,
                         .offset = (uint32_t)number,
                         .stored = (uint32_t)(number % KS_CHUNK_MAX),
                         .plain = (uint32_t)(number * 3 % KS_CHUNK_MAX)};

    engine_id(e.id, number);
    if (e.form == KS_FORM_DELTA)
        engine_id(e.base, ~number);
    return e;
}

struct ks_pack_ref
engine_junk_pack(struct engine *e, uint64_t number, uint32_t size)
{
    struct ks_pack_ref ref = {.size = size > 0 ? size : 1000};
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[32];
    uint8_t *junk;

    engine_id(id, number ^ 0x7061636bU);
    memcpy(ref.id, id, 16);
    memcpy(ref.commitment, id + 16, 8);
    if (size == 0)
        return ref;
    junk = calloc(1, size);
    assert_non_null(junk);
    ks_object_name(name, KS_DIR_PACKS, ref.id);
    kit_write(e->store, name, junk, size);
    free(junk);
    return ref;
}

static const char *
folder_of(enum ks_object_kind kind)
{
    if (kind == KS_OBJ_PACK)
        return KS_DIR_PACKS;
    return kind == KS_OBJ_INDEX ? KS_DIR_INDEX : KS_DIR_SNAPSHOTS;
}

struct ks_pack_ref
engine_put_sealed(struct engine *e, enum ks_object_kind kind, const void *plain,
                  size_t len)
{
    struct ks_seal_in in = {.suite = ks_seal_default_suite()};
    struct ks_pack_ref ref = {.size = (uint32_t)ks_seal_room(len)};
    const uint8_t *from = plain;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t *object = calloc(1, ref.size);
    uint8_t salt[32];

    assert_non_null(object);
    for (size_t i = 0; i < len; i++)
        object[ks_seal_at(i)] = from[i];
    ks_random(salt, sizeof(salt));
    in.salt = salt;
    in.binding.kind = (uint8_t)kind;
    memcpy(in.binding.epoch_id, ks_keyring_current(e->keys), 8);
    memcpy(in.binding.vault_id, e->cx.vault_id, 16);
    in.key = ks_keyring_epoch(e->keys, in.binding.epoch_id);
    KIT_OK(ks_seal(object, len, &in, ref.id, KIT_ERR));
    memcpy(ref.commitment, object + 56, sizeof(ref.commitment));
    ks_object_name(name, folder_of(kind), ref.id);
    kit_write(e->store, name, object, ref.size);
    free(object);
    return ref;
}

struct ks_pack_ref
engine_real_pack(struct engine *e, uint8_t seed, const size_t *sizes,
                 size_t count, struct ks_entry *entries)
{
    struct ks_pack_builder b;
    struct ks_pack_ref ref;
    struct ks_hmac keyed;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t *data = malloc(KS_CHUNK_MAX);

    assert_non_null(data);
    ks_hmac_init(&keyed, ks_keyring_id_key(e->keys), 32);
    KIT_OK(ks_pack_builder_init(&b, KIT_ERR));
    for (size_t i = 0; i < count; i++) {
        struct ks_entry entry = {.kind = KS_CHUNK_BLOB,
                                 .form = KS_FORM_RAW,
                                 .stored = (uint32_t)sizes[i],
                                 .plain = (uint32_t)sizes[i]};

        memset(data, (int)(seed + i), sizes[i]);
        ks_chunk_id(entry.id, &keyed, KS_CHUNK_BLOB,
                    (struct ks_bytes){data, sizes[i]});
        KIT_OK(ks_pack_add(&b, &entry, data, KIT_ERR));
        if (entries != NULL)
            entries[i] = entry;
    }
    KIT_OK(ks_pack_finish(&b, &e->cx, &ref, KIT_ERR));
    ks_object_name(name, KS_DIR_PACKS, ref.id);
    kit_write(e->store, name, b.object, ref.size);
    ks_pack_builder_wipe(&b);
    free(data);
    return ref;
}

bool
engine_same_entry(const struct ks_entry *a, const struct ks_entry *b)
{
    return memcmp(a->id, b->id, 32) == 0 && memcmp(a->base, b->base, 32) == 0 &&
           a->kind == b->kind && a->form == b->form && a->offset == b->offset &&
           a->stored == b->stored && a->plain == b->plain;
}

void
engine_expect(struct ks_index *x, const struct ks_pack_ref *pack,
              const struct ks_entry *entry)
{
    struct ks_place place;
    bool found = false;

    KIT_OK(ks_index_find(x, entry->id, &place, &found, KIT_ERR));
    assert_true(found);
    assert_memory_equal(place.pack.id, pack->id, 16);
    assert_memory_equal(place.pack.commitment, pack->commitment, 8);
    assert_int_equal(place.pack.size, pack->size);
    assert_true(engine_same_entry(&place.entry, entry));
}

void
engine_expect_none(struct ks_index *x, const uint8_t *id)
{
    struct ks_place place;
    bool found = true;

    KIT_OK(ks_index_find(x, id, &place, &found, KIT_ERR));
    assert_false(found);
}
