/*
 * vault/snapshots: which snapshots count, in which order, under which names,
 * and what notes say of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check.h"
#include "enginekit.h"
#include "vault/note.h"
#include "vault/snapshot_object.h"
#include "vault/snapshots.h"
#include "vault_fixture.h"
#include "workdir.h"

struct bench {
    struct workdir here;
    struct vault_fixture f;
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    workdir_make(&b->here);
    fixture_create(&b->f, NULL, workdir_path(&b->here, "state"));
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    fixture_close(&b->f);
    workdir_remove(&b->here);
    free(b);
    return 0;
}

/* Put a snapshot that says this; its id into id. */
static void
put(struct bench *b, const struct ks_snapshot_info *info, uint8_t *id)
{
    const struct ks_object_context *cx = ks_vault_context(b->f.vault);
    struct ks_snapshot_parts parts = {.extras = {NULL, 0}};
    struct ks_buf content;
    struct ks_buf sealed;
    char name[KS_OBJECT_NAME_SIZE];

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_snapshot_encode(&content, info, &parts, KIT_ERR));
    KIT_OK(ks_object_seal(cx, KS_OBJ_SNAPSHOT, ks_buf_bytes(&content), &sealed,
                          id, KIT_ERR));
    ks_object_name(name, KS_DIR_SNAPSHOTS, id);
    kit_write(b->f.store, name, sealed.data, sealed.len);
    ks_buf_wipe(&content);
    ks_buf_wipe(&sealed);
}

/* The same in short. */
static void
put_run(struct bench *b, uint8_t writer, uint64_t run, uint64_t previous,
        uint64_t generation, uint8_t *id)
{
    struct ks_snapshot_info info = {.run = run,
                                    .previous_run = previous,
                                    .generation = generation,
                                    .time_ms = (int64_t)generation,
                                    .source = "test",
                                    .label = "as made"};

    info.writer[0] = writer;
    put(b, &info, id);
}

static struct ks_snapshots
read_all(struct bench *b)
{
    struct ks_snapshots all = {0};

    KIT_OK(ks_snapshots_read(b->f.vault, &all, KIT_ERR));
    return all;
}

static void
note(struct bench *b, enum ks_note_kind kind, const uint8_t *id,
     uint64_t counter, uint8_t writer)
{
    uint8_t ids[1][16];
    char text[] = "as noted";
    struct ks_note n = {.kind = kind,
                        .counter = counter,
                        .ids = ids,
                        .id_count = 1,
                        .text = kind == KS_NOTE_LABEL ? text : NULL};

    n.writer[0] = writer;
    memcpy(ids[0], id, 16);
    KIT_OK(ks_note_put(ks_vault_context(b->f.vault), &n, KIT_ERR));
}

static void
an_empty_vault_has_no_snapshot(void **state)
{
    struct bench *b = *state;
    struct ks_snapshots all = read_all(b);
    const struct ks_snapshot_info *hit = NULL;

    assert_int_equal(all.count, 0);
    KIT_SAYS(KS_E_NOTFOUND, "no snapshot yet",
             ks_snapshots_find(&hit, &all, "latest", KIT_ERR));
    KIT_FAILS(KS_E_NOTFOUND, ks_snapshots_find(&hit, &all, "abcd", KIT_ERR));
    ks_snapshots_free(&all);
    ks_snapshots_free(&all);
}

static void
they_come_by_generation_and_then_by_time(void **state)
{
    static const struct {
        uint64_t generation;
        int64_t time_ms;
    } order[] = {{1, 500}, {2, 100}, {2, 300}, {3, -5}, {10, 50}};
    static const size_t mixed[] = {3, 0, 4, 2, 1};
    struct bench *b = *state;
    const struct ks_snapshot_info *hit = NULL;
    struct ks_snapshots all;
    uint8_t ids[5][16];

    for (size_t i = 0; i < 5; i++) {
        struct ks_snapshot_info info = {.run = i + 1,
                                        .previous_run = i,
                                        .generation =
                                            order[mixed[i]].generation,
                                        .time_ms = order[mixed[i]].time_ms};
        put(b, &info, ids[mixed[i]]);
    }
    all = read_all(b);
    assert_int_equal(all.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_memory_equal(all.list[i].id, ids[i], 16);
    KIT_OK(ks_snapshots_find(&hit, &all, "latest", KIT_ERR));
    assert_ptr_equal(hit, &all.list[4]);
    ks_snapshots_free(&all);
}

static void
a_snapshot_is_named_by_the_beginning_of_its_id(void **state)
{
    struct bench *b = *state;
    const struct ks_snapshot_info *hit = NULL;
    struct ks_snapshots all = {.count = 3};
    char hex[40];

    (void)b;
    all.list = calloc(3, sizeof(*all.list));
    assert_non_null(all.list);
    memset(all.list[0].id, 0xab, 16);
    memset(all.list[1].id, 0xab, 16);
    all.list[1].id[15] = 0xac;
    memset(all.list[2].id, 0xcd, 16);
    KIT_OK(ks_snapshots_find(&hit, &all, "cdcd", KIT_ERR));
    assert_ptr_equal(hit, &all.list[2]);
    KIT_OK(ks_snapshots_find(&hit, &all, "CDCDC", KIT_ERR));
    assert_ptr_equal(hit, &all.list[2]);
    KIT_SAYS(KS_E_USAGE, "at least",
             ks_snapshots_find(&hit, &all, "cdc", KIT_ERR));
    KIT_FAILS(KS_E_USAGE, ks_snapshots_find(&hit, &all, "", KIT_ERR));
    KIT_SAYS(KS_E_USAGE, "more than one",
             ks_snapshots_find(&hit, &all, "abab", KIT_ERR));
    KIT_FAILS(KS_E_NOTFOUND, ks_snapshots_find(&hit, &all, "cdce", KIT_ERR));
    KIT_FAILS(KS_E_NOTFOUND, ks_snapshots_find(&hit, &all, "LATEST", KIT_ERR));
    for (size_t i = 0; i < 3; i++) {
        ks_hex_encode(hex, all.list[i].id, 16);
        KIT_OK(ks_snapshots_find(&hit, &all, hex, KIT_ERR));
        assert_ptr_equal(hit, &all.list[i]);
        /* One digit more than there are. */
        memcpy(hex + 32, "a", 2);
        KIT_FAILS(KS_E_NOTFOUND, ks_snapshots_find(&hit, &all, hex, KIT_ERR));
        /* All but the last: two of them are the same until there. */
        hex[31] = '\0';
        if (i == 2)
            KIT_OK(ks_snapshots_find(&hit, &all, hex, KIT_ERR));
        else
            KIT_FAILS(KS_E_USAGE, ks_snapshots_find(&hit, &all, hex, KIT_ERR));
    }
    ks_snapshots_free(&all);
}

/* Runs 1 to 5 of two writers, of which some name as previous a run before the
 * last: what lies between was put too late. */
static void
what_a_later_run_passed_over_is_void(void **state)
{
    struct bench *b = *state;
    struct ks_snapshots all;
    uint8_t ids[8][16];

    put_run(b, 1, 1, 0, 1, ids[0]);
    put_run(b, 1, 2, 1, 2, ids[1]); /* void: 4 says 1 */
    put_run(b, 1, 3, 1, 3, ids[2]); /* void too */
    put_run(b, 1, 4, 1, 4, ids[3]);
    put_run(b, 1, 6, 4, 5, ids[4]); /* there was no 5 */
    put_run(b, 2, 3, 0, 6, ids[5]); /* another writer's */
    put_run(b, 2, 2, 0, 7, ids[6]); /* void: its 3 says 0 */
    all = read_all(b);
    assert_int_equal(all.count, 4);
    assert_int_equal(all.void_count, 3);
    assert_memory_equal(all.list[0].id, ids[0], 16);
    assert_memory_equal(all.list[1].id, ids[3], 16);
    assert_memory_equal(all.list[2].id, ids[4], 16);
    assert_memory_equal(all.list[3].id, ids[5], 16);
    ks_snapshots_free(&all);
}

static void
what_was_forgotten_does_not_come_back(void **state)
{
    struct bench *b = *state;
    struct ks_snapshots all;
    uint8_t ids[2][16];

    put_run(b, 1, 1, 0, 1, ids[0]);
    put_run(b, 1, 2, 1, 2, ids[1]);
    note(b, KS_NOTE_FORGOT, ids[0], 1, 0);
    all = read_all(b);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.void_count, 0);
    assert_memory_equal(all.list[0].id, ids[1], 16);
    ks_snapshots_free(&all);
}

static void
the_newest_note_counts(void **state)
{
    struct bench *b = *state;
    struct ks_snapshots all;
    uint8_t ids[3][16];

    for (size_t i = 0; i < 3; i++)
        put_run(b, 1, i + 1, i, i + 1, ids[i]);
    note(b, KS_NOTE_LABEL, ids[0], 1, 0);
    note(b, KS_NOTE_VERIFIED, ids[0], 1, 0);
    note(b, KS_NOTE_PIN, ids[0], 5, 0);
    note(b, KS_NOTE_PIN, ids[1], 5, 0);
    note(b, KS_NOTE_UNPIN, ids[1], 6, 0);
    note(b, KS_NOTE_UNPIN, ids[2], 5, 0);
    note(b, KS_NOTE_PIN, ids[2], 6, 0);
    all = read_all(b);
    assert_string_equal(all.list[0].label, "as noted");
    assert_true(all.list[0].verified);
    assert_true(all.list[0].pinned);
    assert_string_equal(all.list[1].label, "as made");
    assert_false(all.list[1].verified);
    assert_false(all.list[1].pinned);
    assert_true(all.list[2].pinned);
    ks_snapshots_free(&all);
}

/* Two writers noted at the same count: the higher writer's counts. */
static void
of_a_pin_and_an_unpin_at_once_the_higher_writer_counts(void **state)
{
    struct bench *b = *state;
    struct ks_snapshots all;
    uint8_t ids[2][16];

    for (size_t i = 0; i < 2; i++) {
        put_run(b, 1, i + 1, i, i + 1, ids[i]);
        note(b, KS_NOTE_PIN, ids[i], 5, i == 0 ? 9 : 3);
        note(b, KS_NOTE_UNPIN, ids[i], 5, 6);
    }
    all = read_all(b);
    assert_true(all.list[0].pinned);
    assert_false(all.list[1].pinned);
    ks_snapshots_free(&all);
}

static void
what_does_not_open_is_counted_and_spares_the_others(void **state)
{
    static const char *const strange[] = {
        "snapshots/x", "snapshots/00112233445566778899aabbccddeeff.conflict"};
    struct bench *b = *state;
    struct ks_snapshots all;
    struct ks_buf object;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t ids[2][16];

    put_run(b, 1, 1, 0, 1, ids[0]);
    put_run(b, 1, 2, 1, 2, ids[1]);
    ks_buf_init(&object, KS_OBJECT_MAX);
    ks_object_name(name, KS_DIR_SNAPSHOTS, ids[0]);
    kit_read(b->f.store, name, &object);
    object.data[200] ^= 1;
    kit_write(b->f.store, name, object.data, object.len);
    object.data[200] ^= 1;
    for (size_t i = 0; i < 2; i++)
        kit_write(b->f.store, strange[i], "junk", 4);
    /* Whole, but not what its name says. */
    ids[0][0] ^= 1;
    ks_object_name(name, KS_DIR_SNAPSHOTS, ids[0]);
    kit_write(b->f.store, name, object.data, object.len);
    all = read_all(b);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.damaged, 4);
    assert_memory_equal(all.list[0].id, ids[1], 16);
    ks_snapshots_free(&all);
    ks_buf_wipe(&object);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define ON_A_BENCH(test)                                                       \
    cmocka_unit_test_setup_teardown(test, bench_up, bench_down)
        ON_A_BENCH(an_empty_vault_has_no_snapshot),
        ON_A_BENCH(they_come_by_generation_and_then_by_time),
        ON_A_BENCH(a_snapshot_is_named_by_the_beginning_of_its_id),
        ON_A_BENCH(what_a_later_run_passed_over_is_void),
        ON_A_BENCH(what_was_forgotten_does_not_come_back),
        ON_A_BENCH(the_newest_note_counts),
        ON_A_BENCH(of_a_pin_and_an_unpin_at_once_the_higher_writer_counts),
        ON_A_BENCH(what_does_not_open_is_counted_and_spares_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
