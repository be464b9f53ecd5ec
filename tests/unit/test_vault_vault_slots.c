/* How slots come and go, and what a wrong key is told. */
#include <string.h>

#include "check.h"
#include "crash_store.h"
#include "slots_bench.h"
#include "vault/note.h"
#include "vaultkit.h"

static void
an_added_slot_opens_the_vault_and_is_listed(void **state)
{
    struct slots_bench *b = *state;
    struct sb_listing l = sb_list(b);

    assert_int_equal(l.count, 1);
    assert_memory_equal(l.slots[0].id, b->first, 16);
    assert_int_equal(l.slots[0].kind, KS_SLOT_RAW);
    sb_add_other(b);
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
    l = sb_list(b);
    assert_int_equal(l.count, 2);
    assert_true(memcmp(l.slots[0].id, b->second, 16) == 0 ||
                memcmp(l.slots[1].id, b->second, 16) == 0);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 0);
    assert_int_equal(sb_warnings(b, &b->key).damaged_slots, 0);
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
    struct slots_bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    int calls = 0;

    sb_add_other(b);
    assert_int_equal(ks_vault_slots(b->v, stop_at_once, &calls, &err), 77);
    assert_int_equal(calls, 1);
}

static void
a_slot_is_put_and_synced_before_the_roster_names_it(void **state)
{
    struct slots_bench *b = *state;
    const char *log = crash_store_log(ks_vault_store(b->v));
    size_t before = strlen(log);

    sb_add_other(b);
    assert_string_equal(log + before, "put:keys sync put:notes sync ");
    before = strlen(log);
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    assert_string_equal(log + before, "put:notes sync remove:keys sync ");
}

static void
a_removed_slot_is_gone_and_opens_nothing(void **state)
{
    struct slots_bench *b = *state;

    sb_add_other(b);
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
    sb_assert_fails(b, &b->key, KS_E_WRONG_KEY, "it opens with: passphrase");
    assert_int_equal(sb_list(b).count, 1);
    assert_int_equal(kit_count(b->behind, KS_DIR_KEYS), 2);
    KIT_FAILS(KS_E_NOTFOUND, ks_vault_slot_remove(b->v, b->first, KIT_ERR));
}

static void
a_removed_slot_put_back_is_refused_with_a_warning(void **state)
{
    struct slots_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    sb_slot_name(name, b->first, 1);
    kit_read(b->behind, name, &slot);
    sb_add_other(b);
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    kit_write(b->behind, name, slot.data, slot.len);
    sb_assert_fails(b, &b->key, KS_E_WRONG_KEY, "removed");
    assert_int_equal(sb_warnings(b, &b->other).unlisted_slots, 1);
    assert_int_equal(sb_warnings(b, &b->other).damaged_slots, 0);
    assert_int_equal(sb_list(b).count, 1);
    ks_buf_wipe(&slot);
}

static void
a_key_with_a_removed_slot_and_a_new_one_opens(void **state)
{
    struct slots_bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf slot;
    uint8_t again[16];

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    sb_slot_name(name, b->first, 1);
    kit_read(b->behind, name, &slot);
    KIT_OK(ks_vault_slot_add(b->v, &b->key.unlock, NULL, again, KIT_ERR));
    KIT_OK(ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    kit_write(b->behind, name, slot.data, slot.len);
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 1);
    ks_buf_wipe(&slot);
}

static void
the_last_slot_cannot_be_removed(void **state)
{
    struct slots_bench *b = *state;

    KIT_SAYS(KS_E_USAGE, "last", ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
    sb_add_other(b);
    sb_damage(b, b->second, 1, 100);
    sb_damage(b, b->second, 2, 100);
    KIT_SAYS(KS_E_USAGE, "last", ks_vault_slot_remove(b->v, b->first, KIT_ERR));
    KIT_OK(ks_vault_slot_remove(b->v, b->second, KIT_ERR));
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
}

static void
a_wrong_key_is_told_by_its_kind(void **state)
{
    struct slots_bench *b = *state;
    struct kit_key raw = kit_raw(99);
    struct kit_key passphrase = kit_passphrase("open says me");
    struct kit_key recovery = kit_recovery(1);
    uint8_t id[16];

    sb_assert_fails(b, &raw, KS_E_WRONG_KEY, "wrong key");
    sb_assert_fails(b, &passphrase, KS_E_WRONG_KEY,
                    "this vault has no passphrase; it opens with: raw key");
    sb_add_other(b);
    sb_assert_fails(b, &passphrase, KS_E_WRONG_KEY, "wrong passphrase");
    sb_assert_fails(b, &recovery, KS_E_WRONG_KEY,
                    "has no recovery key; it opens with: passphrase, raw key");
    KIT_OK(ks_vault_slot_add(b->v, &recovery.unlock, NULL, id, KIT_ERR));
    kit_lock(&recovery);
    recovery = kit_recovery(2);
    sb_assert_fails(b, &recovery, KS_E_WRONG_KEY,
                    "wrong recovery key: it does not open this vault");
    kit_lock(&raw);
    kit_lock(&passphrase);
    kit_lock(&recovery);
}

static void
without_a_roster_every_slot_counts(void **state)
{
    struct slots_bench *b = *state;
    char name[KS_NAME_MAX + 1];

    sb_add_other(b);
    for (int i = 0; i < 2; i++) {
        kit_name(b->behind, KS_DIR_NOTES, 0, name);
        kit_remove(b->behind, name);
        if (i == 0)
            continue;
        kit_write(b->behind, name, "damaged", 7);
    }
    assert_int_equal(sb_warnings(b, &b->key).damaged_notes, 1);
    assert_int_equal(sb_warnings(b, &b->key).unlisted_slots, 0);
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
    assert_int_equal(sb_list(b).count, 2);
    KIT_OK(ks_vault_slot_remove(b->v, b->second, KIT_ERR));
    assert_int_equal(sb_list(b).count, 1);
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
}

static void
the_newest_roster_wins(void **state)
{
    struct slots_bench *b = *state;
    struct ks_note old = {
        .kind = KS_NOTE_ROSTER, .counter = 1, .ids = &b->second, .id_count = 1};

    sb_add_other(b);
    KIT_OK(ks_note_put(ks_vault_context(b->v), &old, KIT_ERR));
    assert_int_equal(sb_opens(b, &b->key), KS_OK);
    old.counter = 50;
    KIT_OK(ks_note_put(ks_vault_context(b->v), &old, KIT_ERR));
    sb_assert_fails(b, &b->key, KS_E_WRONG_KEY, "removed");
    assert_int_equal(sb_opens(b, &b->other), KS_OK);
}

static void
a_secret_of_the_wrong_length_adds_nothing(void **state)
{
    struct slots_bench *b = *state;
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
change_and_crash(struct slots_bench *b, bool add, long steps, bool *crashed)
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
    struct slots_bench *b = *state;
    bool crashed = true;

    for (long steps = 0; crashed; steps++) {
        struct ks_store *was = b->behind;

        b->behind = change_and_crash(b, true, steps, &crashed);
        assert_int_equal(sb_opens(b, &b->key), KS_OK);
        if (!crashed)
            assert_int_equal(sb_opens(b, &b->other), KS_OK);
        ks_store_close(b->behind);
        b->behind = was;
    }
}

static void
a_crash_while_a_slot_is_removed_keeps_the_others_open(void **state)
{
    struct slots_bench *b = *state;
    bool crashed = true;

    sb_add_other(b);
    for (long steps = 0; crashed; steps++) {
        struct ks_store *was = b->behind;
        int rc;

        b->behind = change_and_crash(b, false, steps, &crashed);
        assert_int_equal(sb_opens(b, &b->key), KS_OK);
        rc = sb_opens(b, &b->other);
        assert_true(rc == KS_E_WRONG_KEY || (crashed && rc == KS_OK));
        ks_store_close(b->behind);
        b->behind = was;
    }
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, sb_up, sb_down)

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
        BENCH_TEST(without_a_roster_every_slot_counts),
        BENCH_TEST(the_newest_roster_wins),
        BENCH_TEST(a_secret_of_the_wrong_length_adds_nothing),
        BENCH_TEST(a_crash_while_a_slot_is_added_keeps_the_old_ones_open),
        BENCH_TEST(a_crash_while_a_slot_is_removed_keeps_the_others_open),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
