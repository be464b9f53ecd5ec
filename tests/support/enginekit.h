#ifndef KS_TESTS_ENGINEKIT_H
#define KS_TESTS_ENGINEKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/index.h"
#include "vault/object.h"
#include "vault/pack.h"
#include "vaultkit.h"

/*
 * enginekit: chunks, packs and sealed objects made by hand, under the known
 * keys of vaultkit. Whatever goes wrong in here fails the test.
 */
struct engine {
    struct ks_store *store; /* in memory */
    struct ks_keyring *keys;
    struct ks_object_context cx;
};

void engine_open(struct engine *e);
void engine_close(struct engine *e);

/* 32 bytes that follow from a number, and look random. */
void engine_id(uint8_t *out, uint64_t number);

/* The entry of a chunk with engine_id(number): never the same for two. */
struct ks_entry engine_entry(uint64_t number);

/* A reference to a pack of that number and size, which is put under packs/ as
 * `size` bytes that mean nothing, unless size is 0. */
struct ks_pack_ref
engine_junk_pack(struct engine *e, uint64_t number, uint32_t size);

/* Seal plain[0..len) as it is, as a pack, an index or a snapshot object, and
 * put it where it belongs. */
struct ks_pack_ref engine_put_sealed(struct engine *e, enum ks_object_kind kind,
                                     const void *plain, size_t len);

/* A real pack of `count` blob chunks stored raw; chunk i is `sizes[i]` bytes
 * of (seed + i). Their entries into entries[0..count) unless NULL. */
struct ks_pack_ref
engine_real_pack(struct engine *e, uint8_t seed, const size_t *sizes,
                 size_t count, struct ks_entry *entries);

bool engine_same_entry(const struct ks_entry *a, const struct ks_entry *b);

/* Fail unless the index finds exactly this place for its id. */
void engine_expect(struct ks_index *x, const struct ks_pack_ref *pack,
                   const struct ks_entry *entry);
/* Fail if the index finds a place for the id. */
void engine_expect_none(struct ks_index *x, const uint8_t *id);

#endif /* KS_TESTS_ENGINEKIT_H */
