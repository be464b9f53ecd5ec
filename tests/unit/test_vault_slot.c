#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "vault/format.h"
#include "vault/keyring.h"
#include "vault/slot.h"
#include "vaultkit.h"
#include "vectors.h"

#define UNIT       ((size_t)4096)
#define PLAIN_SIZE (UNIT - 80 - 96 - 16 - 8)

/* A slot, and what opens it. */
struct bench {
    struct ks_keyring *keys;
    struct kit_key key;
    struct ks_buf slot;
    uint8_t id[16];
};

static void
make_slot(struct bench *b, unsigned epochs)
{
    struct ks_slot_in in = {.vault_id = kit_vault_id,
                            .unlock = &b->key.unlock,
                            .options = kit_quick};

    ks_keyring_free(b->keys);
    b->keys = kit_keyring(epochs);
    in.keys = b->keys;
    KIT_OK(ks_slot_make(&b->slot, b->id, &in, KIT_ERR));
}

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->key = kit_raw(7);
    ks_buf_init(&b->slot, KS_SLOT_SIZE_MAX);
    make_slot(b, 1);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_buf_wipe(&b->slot);
    kit_lock(&b->key);
    ks_keyring_free(b->keys);
    free(b);
    return 0;
}

/* Open data[0..len); what came of it. If it opens, the keys must be these. */
static int
open_slot(const struct bench *b, const uint8_t *data, size_t len)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_keyring *keys = NULL;
    int rc = ks_slot_open(&keys, data, len, kit_vault_id, &b->key.unlock, &err);

    assert_int_equal(rc, err.code);
    assert_int_equal(rc == KS_OK, keys != NULL);
    if (rc == KS_OK)
        assert_memory_equal(ks_keyring_control(keys),
                            ks_keyring_control(b->keys), 32);
    ks_keyring_free(keys);
    return rc;
}

static int
open_own(const struct bench *b)
{
    return open_slot(b, b->slot.data, b->slot.len);
}

static int
describe(const struct bench *b, size_t len)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_slot_info info;

    return ks_slot_describe(&info, b->slot.data, len, &err);
}

/* Make the checksum right again: not damage now, but malice. */
static void
fix_checksum(struct ks_buf *slot)
{
    uint8_t digest[32];

    ks_sha256(digest, slot->data, slot->len - 8);
    memcpy(slot->data + slot->len - 8, digest, 8);
}

static void
assert_encodes_to(const struct ks_keyring *keys, const uint8_t *want,
                  size_t len)
{
    struct ks_secret *encoded = NULL;

    KIT_OK(ks_keyring_encode(keys, &encoded, KIT_ERR));
    assert_int_equal(encoded->len, len);
    assert_memory_equal(encoded->data, want, len);
    ks_secret_free(encoded);
}

static void
check_vector(struct vectors *v)
{
    static uint8_t slot[KS_SLOT_SIZE_MAX];
    uint8_t keyring[KIT_KEYRING_MAX];
    uint8_t secret[1024];
    uint8_t vault_id[16];
    uint8_t id[16];
    size_t len = vectors_hex(v, "bytes", slot, sizeof(slot));
    size_t keyring_len = vectors_hex(v, "keyring", keyring, sizeof(keyring));
    size_t secret_len = vectors_hex(v, "secret", secret, sizeof(secret));
    enum ks_slot_kind kind = (enum ks_slot_kind)vectors_number(v, "kind");
    struct kit_key key = kit_key(kind, secret, secret_len);
    struct ks_slot_info info = {0};
    struct ks_keyring *keys = NULL;

    vectors_bytes(v, "vault_id", vault_id, sizeof(vault_id));
    vectors_bytes(v, "id", id, sizeof(id));
    KIT_OK(ks_slot_describe(&info, slot, len, KIT_ERR));
    assert_memory_equal(info.id, id, sizeof(id));
    assert_int_equal(info.kind, kind);
    assert_int_equal(info.created_ms, vectors_number(v, "created_ms"));
    assert_int_equal(info.argon2_mem_kib, vectors_number(v, "mem_kib"));
    assert_int_equal(info.argon2_passes, vectors_number(v, "passes"));
    KIT_OK(ks_slot_open(&keys, slot, len, vault_id, &key.unlock, KIT_ERR));
    assert_encodes_to(keys, keyring, keyring_len);
    ks_keyring_free(keys);
    kit_lock(&key);
}

static void
slots_are_those_of_keys_txt(void **state)
{
    struct vectors *v = vectors_open("keys.txt");
    size_t slots = 0;

    (void)state;
    while (vectors_next(v)) {
        if (strcmp(vectors_text(v, "what"), "slot") != 0)
            continue;
        check_vector(v);
        slots++;
    }
    (void)vectors_close(v);
    assert_int_equal(slots, 4);
}

static void
every_kind_opens_with_its_own_secret_only(void **state)
{
    struct bench *b = *state;
    struct kit_key keys[] = {
        kit_recovery(1), kit_passphrase("one"), kit_raw(1),
        kit_recovery(2), kit_passphrase("two"), kit_raw(2)};
    const size_t count = sizeof(keys) / sizeof(keys[0]);

    kit_lock(&b->key);
    for (size_t i = 0; i < count; i++) {
        b->key = keys[i];
        make_slot(b, 1);
        for (size_t j = 0; j < count; j++) {
            b->key = keys[j];
            assert_int_equal(open_own(b), i == j ? KS_OK : KS_E_WRONG_KEY);
        }
    }
    for (size_t i = 0; i + 1 < count; i++)
        kit_lock(&keys[i]);
}

static void
a_slot_is_as_many_pages_as_it_needs(void **state)
{
    struct bench *b = *state;

    make_slot(b, 94);
    assert_int_equal(b->slot.len, UNIT);
    assert_int_equal(open_own(b), KS_OK);
    make_slot(b, 95);
    assert_int_equal(b->slot.len, 2 * UNIT);
    assert_int_equal(open_own(b), KS_OK);
    make_slot(b, KS_EPOCHS_MAX);
    assert_int_equal(b->slot.len, 3 * UNIT);
    assert_int_equal(open_own(b), KS_OK);
}

static void
a_slot_opens_in_its_own_vault_only(void **state)
{
    struct bench *b = *state;
    struct ks_keyring *keys = NULL;
    uint8_t other[16];

    memcpy(other, kit_vault_id, sizeof(other));
    other[15] ^= 1;
    KIT_FAILS(KS_E_WRONG_KEY, ks_slot_open(&keys, b->slot.data, b->slot.len,
                                           other, &b->key.unlock, KIT_ERR));
}

static void
secrets_of_the_wrong_length_are_refused(void **state)
{
    static const struct {
        enum ks_slot_kind kind;
        size_t min;
        size_t max;
    } kinds[] = {{KS_SLOT_RECOVERY, 30, 30},
                 {KS_SLOT_PASSPHRASE, 1, 1024},
                 {KS_SLOT_RAW, 32, 32}};
    struct bench *b = *state;

    kit_lock(&b->key);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        static const uint8_t zeros[1025];
        const size_t lengths[] = {kinds[i].min - 1, kinds[i].min, kinds[i].max,
                                  kinds[i].max + 1};

        for (size_t j = 0; j < 4; j++) {
            bool fits = j == 1 || j == 2;
            struct ks_slot_in in = {.vault_id = kit_vault_id,
                                    .keys = b->keys,
                                    .unlock = &b->key.unlock,
                                    .options = kit_quick};

            if (lengths[j] == 0)
                continue; /* no secret is empty */
            b->key = kit_key(kinds[i].kind, zeros, lengths[j]);
            if (fits)
                KIT_OK(ks_slot_make(&b->slot, b->id, &in, KIT_ERR));
            else
                KIT_FAILS(KS_E_USAGE,
                          ks_slot_make(&b->slot, b->id, &in, KIT_ERR));
            assert_int_equal(open_own(b), fits ? KS_OK : KS_E_WRONG_KEY);
            kit_lock(&b->key);
        }
    }
    b->key = kit_raw(7);
}

static void
a_slot_says_what_it_is_without_a_key(void **state)
{
    struct bench *b = *state;
    struct ks_slot_info info = {0};
    uint8_t digest[32];

    kit_lock(&b->key);
    b->key = kit_passphrase("say");
    make_slot(b, 1);
    KIT_OK(ks_slot_describe(&info, b->slot.data, b->slot.len, KIT_ERR));
    ks_sha256(digest, b->slot.data, b->slot.len);
    assert_memory_equal(info.id, digest, 16);
    assert_memory_equal(info.id, b->id, 16);
    assert_int_equal(info.kind, KS_SLOT_PASSPHRASE);
    assert_int_equal(info.argon2_mem_kib, 8);
    assert_int_equal(info.argon2_passes, 1);
    assert_true(info.created_ms > 1700000000000);
}

static void
a_passphrase_costs_256_mib_and_three_passes_unless_told(void **state)
{
    struct bench *b = *state;
    struct kit_key key = kit_passphrase("slow");
    struct ks_slot_in in = {
        .vault_id = kit_vault_id, .keys = b->keys, .unlock = &key.unlock};
    struct ks_slot_info info = {0};

    KIT_OK(ks_slot_make(&b->slot, b->id, &in, KIT_ERR));
    KIT_OK(ks_slot_describe(&info, b->slot.data, b->slot.len, KIT_ERR));
    assert_int_equal(info.argon2_mem_kib, 256 << 10);
    assert_int_equal(info.argon2_passes, 3);
    kit_lock(&key);
}

static void
parameters_beyond_the_bounds_are_not_made(void **state)
{
    struct bench *b = *state;
    struct kit_key key = kit_passphrase("much");
    struct ks_slot_in in = {
        .vault_id = kit_vault_id, .keys = b->keys, .unlock = &key.unlock};

    in.options = (struct ks_slot_options){KS_ARGON2_MEM_MAX + 1, 1};
    KIT_FAILS(KS_E_LIMIT, ks_slot_make(&b->slot, b->id, &in, KIT_ERR));
    in.options = (struct ks_slot_options){8, KS_ARGON2_PASSES_MAX + 1};
    KIT_FAILS(KS_E_LIMIT, ks_slot_make(&b->slot, b->id, &in, KIT_ERR));
    kit_lock(&key);
}

static void
absurd_parameters_in_a_slot_are_refused_before_any_work(void **state)
{
    struct bench *b = *state;

    kit_lock(&b->key);
    b->key = kit_passphrase("absurd");
    make_slot(b, 1);
    ks_put_u32le(b->slot.data + 24, KS_ARGON2_MEM_MAX + 1);
    fix_checksum(&b->slot);
    assert_int_equal(open_own(b), KS_E_LIMIT);
    ks_put_u32le(b->slot.data + 24, 0);
    fix_checksum(&b->slot);
    assert_int_equal(open_own(b), KS_E_LIMIT);
    ks_put_u32le(b->slot.data + 24, 8);
    ks_put_u32le(b->slot.data + 28, KS_ARGON2_PASSES_MAX + 1);
    fix_checksum(&b->slot);
    assert_int_equal(open_own(b), KS_E_LIMIT);
    ks_put_u32le(b->slot.data + 28, 1);
    fix_checksum(&b->slot);
    assert_int_equal(open_own(b), KS_OK);
}

static void
every_flipped_byte_is_damage_and_nothing_else(void **state)
{
    struct bench *b = *state;

    for (size_t at = 0; at < b->slot.len; at++) {
        b->slot.data[at] ^= 0x01;
        assert_int_equal(describe(b, b->slot.len), KS_E_CORRUPT);
        assert_int_equal(open_own(b), KS_E_CORRUPT);
        b->slot.data[at] ^= 0x01;
    }
    assert_int_equal(open_own(b), KS_OK);
}

static void
every_cut_and_every_longer_size_is_damage(void **state)
{
    struct bench *b = *state;
    size_t len;

    make_slot(b, 95);
    len = b->slot.len;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(describe(b, cut), KS_E_CORRUPT);
    KIT_OK(ks_buf_zeros(&b->slot, KS_SLOT_SIZE_MAX - len, KIT_ERR));
    for (size_t more = 1; more < 40; more++)
        assert_int_equal(describe(b, len + more), KS_E_CORRUPT);
    for (size_t more = UNIT; len + more <= KS_SLOT_SIZE_MAX; more += UNIT)
        assert_int_equal(describe(b, len + more), KS_E_CORRUPT);
}

static void
no_byte_can_be_changed_even_with_its_checksum(void **state)
{
    struct bench *b = *state;
    uint8_t sum[8];

    memcpy(sum, b->slot.data + b->slot.len - 8, 8);
    for (size_t at = 0; at < b->slot.len - 8; at++) {
        b->slot.data[at] ^= 0x80;
        fix_checksum(&b->slot);
        assert_true(open_own(b) < 0);
        b->slot.data[at] ^= 0x80;
    }
    memcpy(b->slot.data + b->slot.len - 8, sum, 8);
    assert_int_equal(open_own(b), KS_OK);
}

/* Set one byte of the head, with the right checksum. */
static int
with_byte(struct bench *b, size_t at, uint8_t value)
{
    uint8_t was = b->slot.data[at];
    int described;
    int opened;

    b->slot.data[at] = value;
    fix_checksum(&b->slot);
    described = describe(b, b->slot.len);
    opened = open_own(b);
    if (described < 0)
        assert_int_equal(opened, described);
    b->slot.data[at] = was;
    fix_checksum(&b->slot);
    return described < 0 ? described : opened;
}

static void
the_head_tells_newer_from_damaged_from_another_key(void **state)
{
    struct bench *b = *state;

    assert_int_equal(with_byte(b, 8, 0), KS_E_CORRUPT);
    assert_int_equal(with_byte(b, 8, 2), KS_E_UNSUPPORTED);
    assert_int_equal(with_byte(b, 9, 0), KS_E_UNSUPPORTED);
    assert_int_equal(with_byte(b, 9, 4), KS_E_UNSUPPORTED);
    assert_int_equal(with_byte(b, 9, KS_SLOT_RECOVERY), KS_E_WRONG_KEY);
    for (size_t at = 10; at < 16; at++)
        assert_int_equal(with_byte(b, at, 1), KS_E_UNSUPPORTED);
    for (size_t at = 24; at < 48; at++)
        assert_int_equal(with_byte(b, at, 1), KS_E_CORRUPT);
    assert_int_equal(with_byte(b, 16, 1), KS_E_WRONG_KEY);
    assert_int_equal(with_byte(b, 48, (uint8_t)(b->slot.data[48] + 1)),
                     KS_E_WRONG_KEY);
    /* After the key check only damage is left. */
    assert_int_equal(with_byte(b, 176, (uint8_t)(b->slot.data[176] + 1)),
                     KS_E_CORRUPT);
}

/* Wrap `plain`, a page's worth, as whoever has the key may do. */
static void
wrap_by_hand(struct bench *b, const uint8_t *plain)
{
    static const uint8_t label[12] = "keepsay slot";
    uint8_t info[sizeof(label) + 80 + 16];
    uint8_t key[32];
    struct ks_hkdf_in in = {.key = b->key.secret->data,
                            .key_len = 32,
                            .salt = b->slot.data + 48,
                            .salt_len = 32,
                            .info = info,
                            .info_len = sizeof(info)};
    struct ks_seal_in seal = {.key = key,
                              .salt = plain,
                              .suite = KS_SUITE_CHACHA,
                              .binding.kind = KS_OBJ_SLOT};

    memcpy(info, label, sizeof(label));
    memcpy(info + 12, b->slot.data, 80);
    memcpy(info + 92, kit_vault_id, 16);
    ks_hkdf(key, sizeof(key), &in);
    memcpy(seal.binding.vault_id, kit_vault_id, 16);
    memcpy(b->slot.data + 176, plain, PLAIN_SIZE);
    KIT_OK(ks_seal(b->slot.data + 80, PLAIN_SIZE, &seal, b->id, KIT_ERR));
    fix_checksum(&b->slot);
}

static void
what_is_wrapped_must_be_a_keyring_and_zeros(void **state)
{
    struct bench *b = *state;
    static uint8_t plain[PLAIN_SIZE];
    size_t len;

    kit_keyring_bytes(plain + 4, &len, 1);
    ks_put_u32le(plain, (uint32_t)len);
    wrap_by_hand(b, plain);
    assert_int_equal(open_own(b), KS_OK);
    plain[PLAIN_SIZE - 1] = 1;
    wrap_by_hand(b, plain);
    assert_int_equal(open_own(b), KS_E_CORRUPT);
    plain[PLAIN_SIZE - 1] = 0;
    plain[4 + len] = 1;
    wrap_by_hand(b, plain);
    assert_int_equal(open_own(b), KS_E_CORRUPT);
    plain[4 + len] = 0;
    for (uint32_t wrong = 0; wrong < 8192; wrong += wrong < 300 ? 1 : 50) {
        ks_put_u32le(plain, wrong);
        wrap_by_hand(b, plain);
        assert_int_equal(open_own(b), wrong == len ? KS_OK : KS_E_CORRUPT);
    }
    ks_put_u32le(plain, UINT32_MAX);
    wrap_by_hand(b, plain);
    assert_int_equal(open_own(b), KS_E_CORRUPT);
}

static void
a_slot_does_not_show_what_it_wraps(void **state)
{
    struct bench *b = *state;
    uint8_t bytes[KIT_KEYRING_MAX];
    size_t len;

    kit_keyring_bytes(bytes, &len, 1);
    for (size_t at = 1; at + 8 <= len; at += 8)
        assert_null(memmem(b->slot.data, b->slot.len, bytes + at, 8));
    assert_null(memmem(b->slot.data, b->slot.len, b->key.secret->data, 8));
}

static void
the_same_keys_never_give_the_same_slot(void **state)
{
    struct bench *b = *state;
    uint8_t first[128];
    uint8_t id[16];

    memcpy(first, b->slot.data, sizeof(first));
    memcpy(id, b->id, sizeof(id));
    make_slot(b, 1);
    assert_memory_not_equal(id, b->id, sizeof(id));
    assert_memory_not_equal(first + 48, b->slot.data + 48, 32);
    assert_memory_not_equal(first + 104, b->slot.data + 104, 24);
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_keys_txt),
        BENCH_TEST(every_kind_opens_with_its_own_secret_only),
        BENCH_TEST(a_slot_is_as_many_pages_as_it_needs),
        BENCH_TEST(a_slot_opens_in_its_own_vault_only),
        BENCH_TEST(secrets_of_the_wrong_length_are_refused),
        BENCH_TEST(a_slot_says_what_it_is_without_a_key),
        BENCH_TEST(a_passphrase_costs_256_mib_and_three_passes_unless_told),
        BENCH_TEST(parameters_beyond_the_bounds_are_not_made),
        BENCH_TEST(absurd_parameters_in_a_slot_are_refused_before_any_work),
        BENCH_TEST(every_flipped_byte_is_damage_and_nothing_else),
        BENCH_TEST(every_cut_and_every_longer_size_is_damage),
        BENCH_TEST(no_byte_can_be_changed_even_with_its_checksum),
        BENCH_TEST(the_head_tells_newer_from_damaged_from_another_key),
        BENCH_TEST(what_is_wrapped_must_be_a_keyring_and_zeros),
        BENCH_TEST(a_slot_does_not_show_what_it_wraps),
        BENCH_TEST(the_same_keys_never_give_the_same_slot),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
