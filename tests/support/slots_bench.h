#ifndef KS_TESTS_SLOTS_BENCH_H
#define KS_TESTS_SLOTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "vault/vault.h"
#include "vaultkit.h"

/*
 * slots_bench: an open vault in a memory store behind a logging one, and two
 * keys for it. A failure that is not asked about fails the test.
 */
struct slots_bench {
    struct ks_store *behind;
    struct ks_vault *v;
    struct kit_key key;   /* raw: the slot it was made with */
    struct kit_key other; /* passphrase: not added yet */
    uint8_t first[16];    /* the slot of `key` */
    uint8_t second[16];   /* of `other`, once added */
};

/* Set-up and tear-down of one test. */
int sb_up(void **state);
int sb_down(void **state);

/* Add the slot of `other`. */
void sb_add_other(struct slots_bench *b);

/* Open a twin of the store: what came of it; or also the warnings; or it must
 * fail so, with these words; or it must open, with these warnings. */
int sb_opens(const struct slots_bench *b, const struct kit_key *key);
int sb_try_open(const struct slots_bench *b, const struct kit_key *key,
                struct ks_vault_warnings *warnings, struct ks_err *err);
void sb_assert_fails(const struct slots_bench *b, const struct kit_key *key,
                     int code, const char *words);
struct ks_vault_warnings
sb_warnings(const struct slots_bench *b, const struct kit_key *key);

/* The name of copy 1 or 2 of a slot into out[0..KS_OBJECT_NAME_SIZE). */
void sb_slot_name(char *out, const uint8_t *id, int copy);

/* Change one byte of a copy; again to change it back. */
void sb_damage(struct slots_bench *b, const uint8_t *id, int copy, size_t at);

/* The slots that count. */
struct sb_listing {
    struct ks_slot_info slots[8];
    size_t count;
};
struct sb_listing sb_list(struct slots_bench *b);

#endif /* KS_TESTS_SLOTS_BENCH_H */
