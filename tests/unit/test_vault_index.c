/*
 * vault/index: an entry is found wherever it is kept, loose or folded, as
 * long as its pack counts; and never another in its place.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "check.h"
#include "enginekit.h"
#include "vault/index.h"
#include "vault/index_file.h"

#define PACK_SIZE 5000

static const uint8_t run[16] = {'r', 'u', 'n'};

static struct ks_index *
open_index(struct engine *e, const struct ks_index_options *options)
{
    struct ks_index *x = NULL;

    KIT_OK(ks_index_open(&x, &e->cx, options, KIT_ERR));
    return x;
}

static void
add(struct ks_index *x, const struct ks_pack_ref *ref,
    const struct ks_entry *entry)
{
    uint32_t number = 0;

    KIT_OK(ks_index_add_pack(x, ref, &number, KIT_ERR));
    KIT_OK(ks_index_add(x, number, entry, KIT_ERR));
}

/* Fold what is loose, as one run, and look again. */
static struct ks_index *
fold_and_reopen(struct engine *e, struct ks_index *x)
{
    KIT_OK(ks_index_add_run(x, run, KIT_ERR));
    KIT_OK(ks_index_fold(x, KIT_ERR));
    ks_index_close(x);
    return open_index(e, NULL);
}

static bool
is_doomed(const void *user, const uint8_t *pack)
{
    return memcmp(user, pack, 16) == 0;
}

static void
an_empty_vault_has_nothing(void **unused)
{
    struct ks_index *x;
    struct engine e;
    uint8_t id[32] = {0};

    (void)unused;
    engine_open(&e);
    x = open_index(&e, NULL);
    engine_expect_none(x, id);
    assert_false(ks_index_covers(x, run));
    assert_false(ks_index_should_fold(x));
    assert_int_equal(ks_index_pack_count(x), 0);
    ks_index_close(x);
    ks_index_close(NULL);
    engine_close(&e);
}

static void
an_entry_counts_only_while_its_pack_lies_there_whole(void **unused)
{
    struct ks_entry entry = engine_entry(1);
    struct ks_pack_ref there;
    struct ks_index *x;
    struct engine e;

    (void)unused;
    engine_open(&e);
    there = engine_junk_pack(&e, 1, PACK_SIZE);
    for (int folded = 0; folded < 2; folded++) {
        struct ks_pack_ref ref = there;
        struct ks_index_options doom = {is_doomed, there.id};

        x = open_index(&e, NULL);
        add(x, &ref, &entry);
        if (folded)
            x = fold_and_reopen(&e, x);
        engine_expect(x, &ref, &entry);
        ks_index_close(x);

        x = open_index(&e, &doom);
        if (!folded)
            add(x, &ref, &entry);
        engine_expect_none(x, entry.id);
        ks_index_close(x);
    }
    /* Cut short, then gone. */
    (void)engine_junk_pack(&e, 1, PACK_SIZE - 1);
    x = open_index(&e, NULL);
    engine_expect_none(x, entry.id);
    assert_true(ks_index_pack_state(x, 0).in_store);
    assert_false(ks_index_pack_state(x, 0).right_size);
    ks_index_close(x);
    engine_close(&e);
}

static void
a_pack_of_this_run_counts_before_it_has_a_name(void **unused)
{
    struct ks_entry entry = engine_entry(1);
    struct ks_place place = {.entry = {.kind = 0}};
    struct ks_pack_ref ref;
    struct ks_index *x;
    uint32_t number = 0;
    bool found = false;
    struct engine e;

    (void)unused;
    engine_open(&e);
    x = open_index(&e, NULL);
    KIT_OK(ks_index_add_pack(x, NULL, &number, KIT_ERR));
    KIT_OK(ks_index_add(x, number, &entry, KIT_ERR));
    KIT_OK(ks_index_find(x, entry.id, &place, &found, KIT_ERR));
    assert_true(found);
    assert_int_equal(place.pack.size, 0);
    ref = engine_junk_pack(&e, 9, PACK_SIZE);
    ks_index_name_pack(x, number, &ref);
    engine_expect(x, &ref, &entry);
    ks_index_close(x);
    engine_close(&e);
}

/* Around the borders of a segment. */
static void
every_folded_entry_is_found(void **unused)
{
    static const size_t counts[] = {0, 1, 2, 743, 744, 745, 1488, 1489};
    struct engine e;

    (void)unused;
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        struct ks_pack_ref refs[2];
        struct ks_index *x;
        uint8_t id[32];

        engine_open(&e);
        refs[0] = engine_junk_pack(&e, 1, PACK_SIZE);
        refs[1] = engine_junk_pack(&e, 2, PACK_SIZE);
        x = open_index(&e, NULL);
        for (size_t i = 0; i < counts[k]; i++) {
            struct ks_entry entry = engine_entry(i);
            add(x, &refs[i % 2], &entry);
        }
        x = fold_and_reopen(&e, x);
        assert_true(ks_index_covers(x, run));
        assert_int_equal(ks_index_damaged(x), 0);
        for (size_t i = 0; i < counts[k]; i++) {
            struct ks_entry entry = engine_entry(i);
            engine_expect(x, &refs[i % 2], &entry);
        }
        engine_id(id, 999999);
        engine_expect_none(x, id);
        memset(id, 0, sizeof(id));
        engine_expect_none(x, id);
        memset(id, 0xff, sizeof(id));
        engine_expect_none(x, id);
        ks_index_close(x);
        engine_close(&e);
    }
}

/* Ids that begin alike, by 8 bytes and by 31: fences say nothing then. */
static void
ids_with_equal_fences_are_found(void **unused)
{
    struct ks_pack_ref ref;
    struct ks_index *x;
    struct engine e;
    uint8_t id[32];

    (void)unused;
    engine_open(&e);
    ref = engine_junk_pack(&e, 1, PACK_SIZE);
    x = open_index(&e, NULL);
    for (size_t i = 0; i < 4000; i++) {
        struct ks_entry entry = engine_entry(i);

        memset(entry.id, 0x55, i < 2000 ? 8 : 30);
        if (i >= 2000)
            ks_put_u16le(entry.id + 30, (uint16_t)i);
        add(x, &ref, &entry);
    }
    x = fold_and_reopen(&e, x);
    for (size_t i = 0; i < 4000; i++) {
        struct ks_entry entry = engine_entry(i);

        memset(entry.id, 0x55, i < 2000 ? 8 : 30);
        if (i >= 2000)
            ks_put_u16le(entry.id + 30, (uint16_t)i);
        engine_expect(x, &ref, &entry);
    }
    memset(id, 0x55, sizeof(id));
    engine_expect_none(x, id);
    memset(id, 0x55, 8);
    memset(id + 8, 0, 24);
    engine_expect_none(x, id);
    ks_index_close(x);
    engine_close(&e);
}

/* More places of one chunk than two segments hold; one of them counts. */
static void
the_one_place_that_counts_is_found_among_many(void **unused)
{
    static const size_t good[] = {0, 743, 744, 1000, 1999};
    struct engine e;

    (void)unused;
    for (size_t k = 0; k < sizeof(good) / sizeof(good[0]); k++) {
        struct ks_entry entry = engine_entry(1);
        struct ks_pack_ref ref = {.size = 0};
        struct ks_index *x;

        engine_open(&e);
        x = open_index(&e, NULL);
        for (size_t i = 0; i < 2000; i++) {
            struct ks_pack_ref gone = engine_junk_pack(&e, i, 0);

            if (i == good[k])
                ref = gone;
            add(x, &gone, &entry);
        }
        engine_expect_none(x, entry.id);
        x = fold_and_reopen(&e, x);
        engine_expect_none(x, entry.id);
        ks_index_close(x);
        (void)engine_junk_pack(&e, good[k], ref.size);
        x = open_index(&e, NULL);
        engine_expect(x, &ref, &entry);
        ks_index_close(x);
        engine_close(&e);
    }
}

static void
the_same_place_twice_is_one_place(void **unused)
{
    struct ks_entry entry = engine_entry(1);
    struct ks_pack_ref ref;
    struct ks_index *x;
    struct engine e;
    char name[KS_NAME_MAX + 1];
    struct ks_buf once;
    struct ks_buf often;

    (void)unused;
    ks_buf_init(&once, KS_OBJECT_MAX);
    ks_buf_init(&often, KS_OBJECT_MAX);
    for (int times = 1; times <= 2000; times += 1999) {
        engine_open(&e);
        ref = engine_junk_pack(&e, 1, PACK_SIZE);
        x = open_index(&e, NULL);
        for (int i = 0; i < times; i++)
            add(x, &ref, &entry);
        x = fold_and_reopen(&e, x);
        engine_expect(x, &ref, &entry);
        ks_index_close(x);
        kit_name(e.store, KS_DIR_INDEX, 0, name);
        kit_read(e.store, name, times == 1 ? &once : &often);
        engine_close(&e);
    }
    assert_int_equal(once.len, often.len);
    ks_buf_wipe(&once);
    ks_buf_wipe(&often);
}

static void
a_fold_is_due_after_sixteen_runs_or_65536_entries(void **unused)
{
    struct ks_pack_ref ref;
    struct ks_index *x;
    struct engine e;

    (void)unused;
    engine_open(&e);
    ref = engine_junk_pack(&e, 1, PACK_SIZE);
    x = open_index(&e, NULL);
    for (int i = 0; i < 16; i++) {
        assert_false(ks_index_should_fold(x));
        KIT_OK(ks_index_add_run(x, run, KIT_ERR));
    }
    assert_true(ks_index_should_fold(x));
    ks_index_close(x);

    x = open_index(&e, NULL);
    KIT_OK(ks_index_add_run(x, run, KIT_ERR));
    for (size_t i = 0; i < KS_FOLD_ENTRIES; i++) {
        struct ks_entry entry = engine_entry(i);

        assert_false(ks_index_should_fold(x));
        add(x, &ref, &entry);
    }
    assert_true(ks_index_should_fold(x));
    ks_index_close(x);
    engine_close(&e);
}

/* As many as fit one object, one more, and more than two hold. */
static void
a_large_fold_is_several_objects(void **unused)
{
    static const size_t counts[] = {KS_INDEX_ENTRIES_MAX,
                                    KS_INDEX_ENTRIES_MAX + 1,
                                    2 * KS_INDEX_ENTRIES_MAX + 5};
    struct chance c = chance_start("large fold");
    struct engine e;

    (void)unused;
    for (size_t k = 0; k < 3; k++) {
        struct ks_pack_ref ref;
        struct ks_index *x;
        uint8_t id[32];

        engine_open(&e);
        ref = engine_junk_pack(&e, 1, PACK_SIZE);
        x = open_index(&e, NULL);
        for (size_t i = 0; i < counts[k]; i++) {
            struct ks_entry entry = engine_entry(i);
            add(x, &ref, &entry);
        }
        x = fold_and_reopen(&e, x);
        assert_int_equal(kit_count(e.store, KS_DIR_INDEX), k + 1);
        assert_true(ks_index_covers(x, run));
        for (size_t i = 0; i < 2000; i++) {
            struct ks_entry entry = engine_entry(chance_below(&c, counts[k]));
            engine_expect(x, &ref, &entry);
        }
        engine_id(id, counts[k]);
        engine_expect_none(x, id);
        ks_index_close(x);
        engine_close(&e);
    }
}

static void
look_ups_go_through_several_folds_and_what_is_loose(void **unused)
{
    struct ks_pack_ref ref;
    struct ks_index *x;
    struct engine e;

    (void)unused;
    engine_open(&e);
    ref = engine_junk_pack(&e, 1, PACK_SIZE);
    x = open_index(&e, NULL);
    for (size_t k = 0; k < 5; k++) {
        for (size_t i = 0; i < 100; i++) {
            struct ks_entry entry = engine_entry(k * 100 + i);
            add(x, &ref, &entry);
        }
        if (k < 4)
            x = fold_and_reopen(&e, x);
    }
    assert_int_equal(kit_count(e.store, KS_DIR_INDEX), 4);
    for (size_t i = 0; i < 500; i++) {
        struct ks_entry entry = engine_entry(i);
        engine_expect(x, &ref, &entry);
    }
    ks_index_close(x);
    engine_close(&e);
}

/* A writer that heeds a mark must not make others forget what it heeds. */
static void
a_fold_keeps_what_does_not_count_for_its_writer(void **unused)
{
    struct ks_entry doomed = engine_entry(1);
    struct ks_entry late = engine_entry(2);
    struct ks_index_options doom = {.doomed = is_doomed};
    struct ks_pack_ref refs[2];
    struct ks_index *x;
    struct engine e;

    (void)unused;
    engine_open(&e);
    refs[0] = engine_junk_pack(&e, 1, PACK_SIZE);
    refs[1] = engine_junk_pack(&e, 2, 0); /* a sync program is bringing it */
    doom.user = refs[0].id;
    x = open_index(&e, &doom);
    add(x, &refs[0], &doomed);
    add(x, &refs[1], &late);
    x = fold_and_reopen(&e, x);
    engine_expect(x, &refs[0], &doomed);
    engine_expect_none(x, late.id);
    ks_index_close(x);
    (void)engine_junk_pack(&e, 2, refs[1].size);
    x = open_index(&e, NULL);
    engine_expect(x, &refs[1], &late);
    ks_index_close(x);
    engine_close(&e);
}

/* The same chunk, whole in one pack and as a delta in another, by whichever
 * half of the index either is known. */
static void
a_base_is_the_copy_that_is_stored_whole(void **unused)
{
    struct ks_entry delta = engine_entry(5);
    struct ks_entry whole = delta;
    struct engine e;

    (void)unused;
    assert_int_equal(delta.form, KS_FORM_DELTA);
    whole.form = KS_FORM_ZSTD;
    memset(whole.base, 0, sizeof(whole.base));
    for (int how = 0; how < 6; how++) {
        struct ks_pack_ref refs[2];
        struct ks_place place;
        struct ks_index *x;

        engine_open(&e);
        refs[0] = engine_junk_pack(&e, 1, PACK_SIZE);
        refs[1] = engine_junk_pack(&e, 2, PACK_SIZE);
        x = open_index(&e, NULL);
        if (how % 2 == 0)
            add(x, &refs[0], &delta);
        else
            add(x, &refs[1], &whole);
        if (how >= 2)
            x = fold_and_reopen(&e, x);
        if (how % 2 == 0)
            add(x, &refs[1], &whole);
        else
            add(x, &refs[0], &delta);
        if (how >= 4)
            x = fold_and_reopen(&e, x);
        KIT_OK(ks_index_need(x, whole.id, true, &place, KIT_ERR));
        assert_true(engine_same_entry(&place.entry, &whole));
        assert_memory_equal(place.pack.id, refs[1].id, 16);
        KIT_OK(ks_index_need(x, whole.id, false, &place, KIT_ERR));
        ks_index_close(x);
        engine_close(&e);
    }
}

static void
what_must_be_there_is_looked_for_in_packs_that_nobody_claims(void **unused)
{
    static const size_t sizes[] = {100, 0, 70000};
    struct ks_entry entries[3];
    struct ks_pack_ref ref;
    struct ks_place place;
    struct ks_index *x;
    struct engine e;
    uint8_t id[32];

    (void)unused;
    engine_open(&e);
    ref = engine_real_pack(&e, 7, sizes, 3, entries);
    (void)engine_junk_pack(&e, 1, PACK_SIZE); /* passed over */
    x = open_index(&e, NULL);
    engine_expect_none(x, entries[2].id);
    KIT_OK(ks_index_need(x, entries[2].id, true, &place, KIT_ERR));
    assert_true(engine_same_entry(&place.entry, &entries[2]));
    for (size_t i = 0; i < 3; i++)
        engine_expect(x, &ref, &entries[i]);
    engine_id(id, 1);
    KIT_SAYS(KS_E_NOTFOUND, "is missing",
             ks_index_need(x, id, false, &place, KIT_ERR));
    ks_index_close(x);
    engine_close(&e);
}

static void
names_that_are_no_objects_are_passed_over(void **unused)
{
    static const char *const names[] = {
        "packs/x", "packs/00112233445566778899aabbccddeeff0", "index/x",
        "index/00112233445566778899aabbccddee.conflict"};
    struct ks_index *x;
    struct engine e;

    (void)unused;
    engine_open(&e);
    for (size_t i = 0; i < 4; i++)
        kit_write(e.store, names[i], "junk", 4);
    x = open_index(&e, NULL);
    assert_int_equal(ks_index_pack_count(x), 0);
    assert_int_equal(ks_index_damaged(x), 0);
    ks_index_close(x);
    engine_close(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_vault_has_nothing),
        cmocka_unit_test(an_entry_counts_only_while_its_pack_lies_there_whole),
        cmocka_unit_test(a_pack_of_this_run_counts_before_it_has_a_name),
        cmocka_unit_test(every_folded_entry_is_found),
        cmocka_unit_test(ids_with_equal_fences_are_found),
        cmocka_unit_test(the_one_place_that_counts_is_found_among_many),
        cmocka_unit_test(the_same_place_twice_is_one_place),
        cmocka_unit_test(a_fold_is_due_after_sixteen_runs_or_65536_entries),
        cmocka_unit_test(a_large_fold_is_several_objects),
        cmocka_unit_test(look_ups_go_through_several_folds_and_what_is_loose),
        cmocka_unit_test(a_fold_keeps_what_does_not_count_for_its_writer),
        cmocka_unit_test(a_base_is_the_copy_that_is_stored_whole),
        cmocka_unit_test(
            what_must_be_there_is_looked_for_in_packs_that_nobody_claims),
        cmocka_unit_test(names_that_are_no_objects_are_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
