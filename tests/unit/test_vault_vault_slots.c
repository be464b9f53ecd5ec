/* Which slots open a vault, which do not, and how they come and go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check.h"
#include "crash_store.h"
#include "crypto/hash.h"
#include "vault/keyring.h"
#include "vault/note.h"
#include "vaultkit.h"

/* An open vault in a memory store behind a logging one. */
struct bench {
    struct ks_store *behind;
    struct ks_vault *v;
    struct kit_key key;   /* raw: the slot it was made with */
    struct kit_key other; /* passphrase: not added yet */
    uint8_t first[16];    /* the slot of `key` */
    uint8_t second[16];   /* of `other`, once added */
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->behind = kit_memory();
    b->key = kit_raw(3);
    b->other = kit_passphrase("open sesame");
    KIT_OK(ks_vault_create(&b->v, crash_store(b->behind, CRASH_NEVER),
                           &b->key.unlock, NULL, KIT_ERR));
    memcpy(b->first, ks_vault_opened_by(b->v), 16);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_vault_close(b->v);
    ks_store_close(b->behind);
    kit_lock(&b->key);
    kit_lock(&b->other);
    free(b);
    return 0;
}

static void
add_other(struct bench *b)
{
    KIT_OK(ks_vault_slot_add(b->v, &b->other.unlock, &kit_quick, b->second,
                             KIT_ERR));
}

/* Open a twin of the store; the warnings are the answer if it opens. */
static int
try_open(const struct bench *b, const struct kit_key *key,
         struct ks_vault_warnings *warnings, struct ks_err *err)
{
    struct ks_store *twin = kit_twin(b->behind);
    struct ks_vault *v = NULL;
    int rc;

    *err = KS_ERR_INIT;
    rc = ks_vault_open(&v, twin, &key->unlock, err);
    assert_int_equal(rc, err->code);
    if (rc < 0) {
        ks_store_close(twin);
        return rc;
    }
    assert_memory_equal(ks_keyring_control(ks_vault_keys(v)),
                        ks_keyring_control(ks_vault_keys(b->v)), 32);
    *warnings = ks_vault_get_warnings(v);
    ks_vault_close(v);
    return rc;
}

static int
opens(const struct bench *b, const struct kit_key *key)
{
    struct ks_vault_warnings w;
    struct ks_err err;

    return try_open(b, key, &w, &err);
}

static void
assert_fails(const struct bench *b, const struct kit_key *key, int code,
             const char *words)
{
    struct ks_vault_warnings w;
    struct ks_err err;

    assert_int_equal(try_open(b, key, &w, &err), code);
    if (strstr(err.msg, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", err.msg, words);
}

static struct ks_vault_warnings
warnings_of(const struct bench *b, const struct kit_key *key)
{
    struct ks_vault_warnings w = {0};
    struct ks_err err;

    if (try_open(b, key, &w, &err) != KS_OK)
        fail_msg("%s", err.msg);
    return w;
}

static void
slot_name(char *out, const uint8_t *id, int copy)
{
    char hex[33];

    ks_hex_encode(hex, id, 16);
    (void)snprintf(out, KS_OBJECT_NAME_SIZE, "keys/%s%s", hex,
                   copy == 1 ? "" : ".2");
}

/* Change one byte of a copy, 1 or 2, of a slot. */
static void
damage_slot(struct bench *b, const uint8_t *id, int copy, size_t at)
{
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    slot_name(name, id, copy);
    kit_read(b->behind, name, &slot);
    slot.data[at] ^= 1;
    kit_write(b->behind, name, slot.data, slot.len);
    ks_buf_wipe(&slot);
}

struct listing {
    struct ks_slot_info slots[8];
    size_t count;
};

static int
list_one(void *user, const struct ks_slot_info *slot)
{
    struct listing *l = user;

    assert_true(l->count < 8);
    l->slots[l->count++] = *slot;
    return 0;
}

static struct listing
list_slots(struct bench *b)
{
    struct listing l = {0};

    KIT_OK(ks_vault_slots(b->v, list_one, &l, KIT_ERR));
    return l;
}

static void
an_added_slot_opens_the_vault_and_is_listed(void **state)
{
    struct bench *b = *state;
    struct listing l = list_slots(b);

    assert_int_equal(l.count, 1);
    assert_memory_equal(l.slots[0].id, b->first, 16);
    assert_int_equal(l.slots[0].kind, KS_SLOT_RAW);
    add_other(b);
    assert_int_equal(opens(b, &b->key), KS_OK);
    assert_int_equal(opens(b, &b->other), KS_OK);
    l = list_slots(b);
    assert_int_equal(l.count, 2);
    assert_true(memcmp(l.slots[0].id, b->second, 16) == 0 ||
                memcmp(l.slots[1].id, b->second, 16) == 0);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 0);
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 0);
}

static int
stop_at_once(void *user, const struct ks_slot_info *slot)
{
    (void)slot;
    ++*(int *)user;
    return 77;
}

static void
a_listing_stops_when_it_is_told_to(void **state)
{
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    int calls = 0;

    add_other(b);
    assert_int_equal(ks_vault_slots(b->v, stop_at_once, &calls, &err), 77);
    assert_int_equal(calls, 1);
}

static void
a_slot_is_put_and_synced_before_the_roster_names_it(void **state)
{
    struct bench *b = *state;
    const char *log = crash_store_log(ks_vault_store(b->v));
    size_t before = strlen(log);

    add_other(b);
    assert_string_equal(log + before, "put:keys sync put:notes sync ");
    before = strlen(log);
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    assert_string_equal(log + before, "put:notes sync remove:keys sync ");
}

static void
a_removed_slot_is_gone_and_opens_nothing(void **state)
{
    struct bench *b = *state;

    add_other(b);
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    assert_int_equal(opens(b, &b->other), KS_OK);
    assert_fails(b, &b->key, KS_E_WRONG_KEY, "it opens with: passphrase");
    assert_int_equal(list_slots(b).count, 1);
    assert_int_equal(kit_count(b->behind, KS_DIR_KEYS), 2);
    KIT_FAILS(KS_E_NOTFOUND, ks_vault_slot_remove(b->v, b->first, KIT_ERR));
}

static void
a_removed_slot_put_back_is_refused_with_a_warning(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    slot_name(name, b->first, 1);
    kit_read(b->behind, name, &slot);
    add_other(b);
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    kit_write(b->behind, name, slot.data, slot.len);
    assert_fails(b, &b->key, KS_E_WRONG_KEY, "removed");
    assert_int_equal(warnings_of(b, &b->other).unlisted_slots, 1);
    assert_int_equal(warnings_of(b, &b->other).damaged_slots, 0);
    assert_int_equal(list_slots(b).count, 1);
    ks_buf_wipe(&slot);
}

static void
a_key_with_a_removed_slot_and_a_new_one_opens(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;
    uint8_t again[16];

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    slot_name(name, b->first, 1);
    kit_read(b->behind, name, &slot);
    KIT_OK(ks_vault_slot_add(b->v, &b->key.unlock, NULL, again, KIT_ERR));
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    kit_write(b->behind, name, slot.data, slot.len);
    assert_int_equal(opens(b, &b->key), KS_OK);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 1);
    ks_buf_wipe(&slot);
}

static void
the_last_slot_cannot_be_removed(void **state)
{
    struct bench *b = *state;

    KIT_SAYS(KS_E_USAGE, "last", ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    assert_int_equal(opens(b, &b->key), KS_OK);
    add_other(b);
    damage_slot(b, b->second, 1, 100);
    damage_slot(b, b->second, 2, 100);
    KIT_SAYS(KS_E_USAGE, "last", ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    KIT_OK(ks_vault_slot_remove(b->v, b->second, KIT_ERR));
    assert_int_equal(opens(b, &b->key), KS_OK);
}

static void
a_wrong_key_is_told_by_its_kind(void **state)
{
    struct bench *b = *state;
    struct kit_key raw = kit_raw(99);
    struct kit_key passphrase = kit_passphrase("open says me");
    struct kit_key recovery = kit_recovery(1);
    uint8_t id[16];

    assert_fails(b, &raw, KS_E_WRONG_KEY, "wrong key");
    assert_fails(b, &passphrase, KS_E_WRONG_KEY,
                 "this vault has no passphrase; it opens with: raw key");
    add_other(b);
    assert_fails(b, &passphrase, KS_E_WRONG_KEY, "wrong passphrase");
    assert_fails(b, &recovery, KS_E_WRONG_KEY,
                 "has no recovery key; it opens with: passphrase, raw key");
    KIT_OK(ks_vault_slot_add(b->v, &recovery.unlock, NULL, id, KIT_ERR));
    kit_lock(&recovery);
    recovery = kit_recovery(2);
    assert_fails(b, &recovery, KS_E_WRONG_KEY,
                 "wrong recovery key: it does not open this vault");
    kit_lock(&raw);
    kit_lock(&passphrase);
    kit_lock(&recovery);
}

static void
every_flipped_byte_of_one_slot_copy_is_seen_and_survived(void **state)
{
    struct bench *b = *state;

    for (size_t at = 0; at < 4096; at += at < 192 || at > 4000 ? 1 : 61) {
        int copy = 1 + (int)(at % 2);

        damage_slot(b, b->first, copy, at);
        assert_int_equal(warnings_of(b, &b->key).damaged_slots, 1);
        damage_slot(b, b->first, copy, at);
    }
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 0);
}

static void
a_slot_damaged_in_both_copies_is_damage_not_a_wrong_key(void **state)
{
    struct bench *b = *state;

    damage_slot(b, b->first, 1, 9);
    damage_slot(b, b->first, 2, 3000);
    assert_fails(b, &b->key, KS_E_CORRUPT, "damaged");
    add_other(b);
    assert_fails(b, &b->key, KS_E_CORRUPT, "damaged");
    assert_int_equal(warnings_of(b, &b->other).damaged_slots, 2);
    assert_int_equal(list_slots(b).count, 1);
}

static void
beside_a_damaged_slot_a_wrong_key_says_what_it_may_be(void **state)
{
    struct bench *b = *state;
    struct kit_key third = kit_raw(4);
    uint8_t id[16];

    KIT_OK(ks_vault_slot_add(b->v, &third.unlock, NULL, id, KIT_ERR));
    damage_slot(b, id, 1, 50);
    damage_slot(b, id, 2, 50);
    assert_fails(b, &third, KS_E_WRONG_KEY, "damaged");
    assert_int_equal(opens(b, &b->key), KS_OK);
    kit_lock(&third);
}

static void
missing_slots_and_copies_are_told(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    add_other(b);
    slot_name(name, b->second, 1);
    kit_remove(b->behind, name);
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 1);
    assert_int_equal(opens(b, &b->other), KS_OK);
    slot_name(name, b->second, 2);
    kit_remove(b->behind, name);
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 2);
    assert_fails(b, &b->other, KS_E_WRONG_KEY, "has no passphrase");
    slot_name(name, b->first, 1);
    kit_remove(b->behind, name);
    slot_name(name, b->first, 2);
    kit_remove(b->behind, name);
    assert_fails(b, &b->key, KS_E_CORRUPT, "missing");
}

static void
slots_under_each_others_names_are_damage(void **state)
{
    struct bench *b = *state;
    char names[2][KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    add_other(b);
    slot_name(names[0], b->first, 2);
    slot_name(names[1], b->second, 1);
    kit_read(b->behind, names[0], &slot);
    kit_write(b->behind, names[1], slot.data, slot.len);
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 1);
    assert_int_equal(opens(b, &b->other), KS_OK);
    ks_buf_wipe(&slot);
}

/* Put a slot with this byte of its head set, its checksum and name right. */
static void
forge_slot(struct bench *b, size_t at, uint8_t value)
{
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t digest[32];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    slot_name(name, b->first, 1);
    kit_read(b->behind, name, &slot);
    slot.data[at] = value;
    ks_sha256(digest, slot.data, slot.len - 8);
    memcpy(slot.data + slot.len - 8, digest, 8);
    ks_sha256(digest, slot.data, slot.len);
    for (int copy = 1; copy <= 2; copy++) {
        slot_name(name, digest, copy);
        kit_write(b->behind, name, slot.data, slot.len);
    }
    ks_buf_wipe(&slot);
}

static void
a_slot_of_a_kind_yet_unknown_is_passed_over(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    forge_slot(b, 9, 4);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 1);
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 0);
    for (int copy = 1; copy <= 2; copy++) {
        slot_name(name, b->first, copy);
        kit_remove(b->behind, name);
    }
    assert_fails(b, &b->key, KS_E_UNSUPPORTED, "newer");
}

static void
a_forged_slot_with_absurd_cost_is_not_worked_on(void **state)
{
    struct bench *b = *state;
    uint8_t was[16];

    add_other(b);
    memcpy(was, b->first, 16);
    memcpy(b->first, b->second, 16); /* the passphrase's */
    forge_slot(b, 27, 0xff);         /* 4 TiB of memory */
    memcpy(b->first, was, 16);
    assert_int_equal(opens(b, &b->other), KS_OK);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 1);
}

static void
strays_under_keys_are_passed_over(void **state)
{
    struct bench *b = *state;

    kit_write(b->behind, "keys/readme", "x", 1);
    kit_write(b->behind, "keys/00112233445566778899aabbccddeeff.3", "x", 1);
    kit_write(b->behind, "keys/0011", "x", 1);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 0);
    assert_int_equal(warnings_of(b, &b->key).damaged_slots, 0);
    kit_write(b->behind, "keys/00112233445566778899aabbccddeeff", "x", 1);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 1);
}

static void
without_a_roster_every_slot_counts(void **state)
{
    struct bench *b = *state;
    char name[KS_NAME_MAX + 1];

    add_other(b);
    for (int i = 0; i < 2; i++) {
        kit_name(b->behind, KS_DIR_NOTES, 0, name);
        kit_remove(b->behind, name);
        if (i == 0)
            continue;
        kit_write(b->behind, name, "damaged", 7);
    }
    assert_int_equal(warnings_of(b, &b->key).damaged_notes, 1);
    assert_int_equal(warnings_of(b, &b->key).unlisted_slots, 0);
    assert_int_equal(opens(b, &b->other), KS_OK);
    assert_int_equal(list_slots(b).count, 2);
    KIT_OK(ks_vault_slot_remove(b->v, b->second, KIT_ERR));
    assert_int_equal(list_slots(b).count, 1);
    assert_int_equal(opens(b, &b->key), KS_OK);
}

static void
the_newest_roster_wins(void **state)
{
    struct bench *b = *state;
    struct ks_note old = {
        .kind = KS_NOTE_ROSTER, .counter = 1, .ids = &b->second, .id_count = 1};

    add_other(b);
    KIT_OK(ks_note_put(ks_vault_context(b->v), &old, KIT_ERR));
    assert_int_equal(opens(b, &b->key), KS_OK);
    old.counter = 50;
    KIT_OK(ks_note_put(ks_vault_context(b->v), &old, KIT_ERR));
    assert_fails(b, &b->key, KS_E_WRONG_KEY, "removed");
    assert_int_equal(opens(b, &b->other), KS_OK);
}

static void
a_secret_of_the_wrong_length_adds_nothing(void **state)
{
    struct bench *b = *state;
    struct kit_key key = kit_key(KS_SLOT_RECOVERY, "short", 5);
    uint8_t id[16];

    KIT_FAILS(KS_E_USAGE,
              ks_vault_slot_add(b->v, &key.unlock, NULL, id, KIT_ERR));
    assert_int_equal(kit_count(b->behind, KS_DIR_KEYS), 2);
    assert_int_equal(kit_count(b->behind, KS_DIR_NOTES), 1);
    kit_lock(&key);
}

/* Add or remove a slot on a twin of the store that crashes; the twin. */
static struct ks_store *
change_and_crash(struct bench *b, bool add, long steps, bool *crashed)
{
    struct ks_store *twin = kit_twin(b->behind);
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = crash_store(twin, steps);
    struct ks_vault *v = NULL;
    uint8_t id[16];
    int rc;

    KIT_OK(ks_vault_open(&v, s, &b->key.unlock, KIT_ERR));
    if (add)
        rc = ks_vault_slot_add(v, &b->other.unlock, &kit_quick, id, &err);
    else
        rc = ks_vault_slot_remove(v, b->second, &err);
    *crashed = crash_store_crashed(s);
    assert_int_equal(rc, *crashed ? KS_E_IO : KS_OK);
    ks_vault_close(v);
    return twin;
}

static void
a_crash_while_a_slot_is_added_keeps_the_old_ones_open(void **state)
{
    struct bench *b = *state;
    bool crashed = true;

    for (long steps = 0; crashed; steps++) {
        struct ks_store *was = b->behind;

        b->behind = change_and_crash(b, true, steps, &crashed);
        assert_int_equal(opens(b, &b->key), KS_OK);
        if (!crashed)
            assert_int_equal(opens(b, &b->other), KS_OK);
        ks_store_close(b->behind);
        b->behind = was;
    }
}

static void
a_crash_while_a_slot_is_removed_keeps_the_others_open(void **state)
{
    struct bench *b = *state;
    bool crashed = true;

    add_other(b);
    for (long steps = 0; crashed; steps++) {
        struct ks_store *was = b->behind;
        int rc;

        b->behind = change_and_crash(b, false, steps, &crashed);
        assert_int_equal(opens(b, &b->key), KS_OK);
        rc = opens(b, &b->other);
        assert_true(rc == KS_E_WRONG_KEY || (crashed && rc == KS_OK));
        ks_store_close(b->behind);
        b->behind = was;
    }
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(an_added_slot_opens_the_vault_and_is_listed),
        BENCH_TEST(a_listing_stops_when_it_is_told_to),
        BENCH_TEST(a_slot_is_put_and_synced_before_the_roster_names_it),
        BENCH_TEST(a_removed_slot_is_gone_and_opens_nothing),
        BENCH_TEST(a_removed_slot_put_back_is_refused_with_a_warning),
        BENCH_TEST(a_key_with_a_removed_slot_and_a_new_one_opens),
        BENCH_TEST(the_last_slot_cannot_be_removed),
        BENCH_TEST(a_wrong_key_is_told_by_its_kind),
        BENCH_TEST(every_flipped_byte_of_one_slot_copy_is_seen_and_survived),
        BENCH_TEST(a_slot_damaged_in_both_copies_is_damage_not_a_wrong_key),
        BENCH_TEST(beside_a_damaged_slot_a_wrong_key_says_what_it_may_be),
        BENCH_TEST(missing_slots_and_copies_are_told),
        BENCH_TEST(slots_under_each_others_names_are_damage),
        BENCH_TEST(a_slot_of_a_kind_yet_unknown_is_passed_over),
        BENCH_TEST(a_forged_slot_with_absurd_cost_is_not_worked_on),
        BENCH_TEST(strays_under_keys_are_passed_over),
        BENCH_TEST(without_a_roster_every_slot_counts),
        BENCH_TEST(the_newest_roster_wins),
        BENCH_TEST(a_secret_of_the_wrong_length_adds_nothing),
        BENCH_TEST(a_crash_while_a_slot_is_added_keeps_the_old_ones_open),
        BENCH_TEST(a_crash_while_a_slot_is_removed_keeps_the_others_open),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
