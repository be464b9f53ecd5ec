/* Slots that are damaged, missing, forged or not slots at all. */
#include <string.h>

#include "check.h"
#include "crypto/hash.h"
#include "slots_bench.h"
#include "vaultkit.h"

static void
every_flipped_byte_of_one_slot_copy_is_seen_and_survived(void **state)
{
    struct slots_bench *b = *state;

    for (size_t at = 0; at < 4096; at += at < 192 || at > 4000 ? 1 : 61) {
        int copy = 1 + (int)(at % 2);

        sb_damage(b, b->first, copy, at);
        assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 1);
        sb_damage(b, b->first, copy, at);
    }
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 0);
}

static void
a_slot_damaged_in_both_copies_is_damage_not_a_wrong_key(void **state)
{
    struct slots_bench *b = *state;

    sb_damage(b, b->first, 1, 9);
    sb_damage(b, b->first, 2, 3000);
    sb_assert_fails(b, &b->key, KS_E_CORRUPT, "damaged");
    sb_add_other(b);
    sb_assert_fails(b, &b->key, KS_E_CORRUPT, "damaged");
    assert_int_equal(sb_warnings(b, &b->other).damaged_slots, 2);
    assert_int_equal(sb_list(b).count, 1);
}

static void
beside_a_damaged_slot_a_wrong_key_says_what_it_may_be(void **state)
{
    struct slots_bench *b = *state;
    struct kit_key third = kit_raw(4);
    uint8_t id[16];

    KIT_OK(ks_vault_slot_add(b->v, &third.unlock, NULL, id, KIT_ERR));
    sb_damage(b, id, 1, 50);
    sb_damage(b, id, 2, 50);
    sb_assert_fails(b, &third, KS_E_WRONG_KEY, "damaged");
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
    kit_lock(&third);
}

static void
missing_slots_and_copies_are_told(void **state)
{
    struct slots_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    sb_add_other(b);
    sb_slot_name(name, b->second, 1);
    kit_remove(b->behind, name);
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 1);
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
    sb_slot_name(name, b->second, 2);
    kit_remove(b->behind, name);
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 2);
    sb_assert_fails(b, &b->other, KS_E_WRONG_KEY, "has no passphrase");
    sb_slot_name(name, b->first, 1);
    kit_remove(b->behind, name);
    sb_slot_name(name, b->first, 2);
    kit_remove(b->behind, name);
    sb_assert_fails(b, &b->key, KS_E_CORRUPT, "missing");
}

static void
slots_under_each_others_names_are_damage(void **state)
{
    struct slots_bench *b = *state;
    char names[2][KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    sb_add_other(b);
    sb_slot_name(names[0], b->first, 2);
    sb_slot_name(names[1], b->second, 1);
    kit_read(b->behind, names[0], &slot);
    kit_write(b->behind, names[1], slot.data, slot.len);
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 1);
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
    ks_buf_wipe(&slot);
}

/* Put a slot with this byte of its head set, its checksum and name right. */
static void
forge_slot(struct slots_bench *b, size_t at, uint8_t value)
{
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t digest[32];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    sb_slot_name(name, b->first, 1);
    kit_read(b->behind, name, &slot);
    slot.data[at] = value;
    ks_sha256(digest, slot.data, slot.len - 8);
    memcpy(slot.data + slot.len - 8, digest, 8);
    ks_sha256(digest, slot.data, slot.len);
    for (int copy = 1; copy <= 2; copy++) {
        sb_slot_name(name, digest, copy);
        kit_write(b->behind, name, slot.data, slot.len);
    }
    ks_buf_wipe(&slot);
}

static void
a_slot_of_a_kind_yet_unknown_is_passed_over(void **state)
{
    struct slots_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    forge_slot(b, 9, 4);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 1);
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 0);
    for (int copy = 1; copy <= 2; copy++) {
        sb_slot_name(name, b->first, copy);
        kit_remove(b->behind, name);
    }
    sb_assert_fails(b, &b->key, KS_E_UNSUPPORTED, "newer");
}

static void
a_forged_slot_with_absurd_cost_is_not_worked_on(void **state)
{
    struct slots_bench *b = *state;
    uint8_t was[16];

    sb_add_other(b);
    memcpy(was, b->first, 16);
    memcpy(b->first, b->second, 16); /* the passphrase's */
    forge_slot(b, 27, 0xff);         /* 4 TiB of memory */
    memcpy(b->first, was, 16);
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 1);
}

static void
strays_under_keys_are_passed_over(void **state)
{
    struct slots_bench *b = *state;

    kit_write(b->behind, "keys/readme", "x", 1);
    kit_write(b->behind, "keys/00112233445566778899aabbccddeeff.3", "x", 1);
    kit_write(b->behind, "keys/0011", "x", 1);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 0);
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 0);
    kit_write(b->behind, "keys/00112233445566778899aabbccddeeff", "x", 1);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 1);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, sb_up, sb_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(every_flipped_byte_of_one_slot_copy_is_seen_and_survived),
        BENCH_TEST(a_slot_damaged_in_both_copies_is_damage_not_a_wrong_key),
        BENCH_TEST(beside_a_damaged_slot_a_wrong_key_says_what_it_may_be),
        BENCH_TEST(missing_slots_and_copies_are_told),
        BENCH_TEST(slots_under_each_others_names_are_damage),
        BENCH_TEST(a_slot_of_a_kind_yet_unknown_is_passed_over),
        BENCH_TEST(a_forged_slot_with_absurd_cost_is_not_worked_on),
        BENCH_TEST(strays_under_keys_are_passed_over),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
