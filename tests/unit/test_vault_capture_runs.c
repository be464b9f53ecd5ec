/*
 * vault/capture, run after run: what counts when other writers, marks, late
 * puts, old client state and wrong clocks are about.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "check.h"
#include "story.h"
#include "vault/keyring.h"
#include "vault/names.h"
#include "vault/snapshot_object.h"
#include "vault/writer_state.h"
#include "vault_fixture.h"
#include "vaultkit.h"
#include "workdir.h"

struct bench {
    struct workdir here;
    struct vault_fixture f;
    struct story s;
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    workdir_make(&b->here);
    fixture_create(&b->f, NULL, workdir_path(&b->here, "state"));
    story_begin(&b->s, 11, 800, 3);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    story_end(&b->s);
    fixture_close(&b->f);
    workdir_remove(&b->here);
    free(b);
    return 0;
}

static struct ks_snapshot_info
capture(struct bench *b)
{
    struct ks_snapshot_writer *w = fixture_begin(&b->f);
    struct ks_snapshot_info info;

    story_tell(&b->s, w);
    fixture_commit(w, &info);
    return info;
}

static struct ks_snapshots
read_all(struct bench *b)
{
    struct ks_snapshots all = {0};

    KIT_OK(ks_snapshots_read(b->f.vault, &all, KIT_ERR));
    return all;
}

/* Seal a mark against every pack there is, and put it; its name. */
static void
doom_everything(struct bench *b, char *name)
{
    const struct ks_object_context *cx = ks_vault_context(b->f.vault);
    struct ks_names packs = {NULL, 0};
    struct ks_buf content;
    struct ks_buf sealed;
    uint8_t id[16] = {0};

    KIT_OK(ks_names_list(&packs, b->f.store, KS_DIR_PACKS, KIT_ERR));
    assert_true(packs.count > 0);
    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_buf_u8(&content, 1, KIT_ERR));
    KIT_OK(ks_buf_zeros(&content, 16, KIT_ERR));
    KIT_OK(ks_buf_u32le(&content, (uint32_t)packs.count, KIT_ERR));
    for (size_t i = 0; i < packs.count; i++) {
        assert_true(ks_hex_decode(id, 16, packs.list[i].text));
        KIT_OK(ks_buf_append(&content, id, 16, KIT_ERR));
    }
    KIT_OK(ks_object_seal(cx, KS_OBJ_MARK, ks_buf_bytes(&content), &sealed, id,
                          KIT_ERR));
    ks_object_name(name, KS_DIR_MARKS, id);
    kit_write(b->f.store, name, sealed.data, sealed.len);
    ks_buf_wipe(&content);
    ks_buf_wipe(&sealed);
    ks_names_free(&packs);
}

static void
remove_all(struct bench *b, const struct ks_names *packs)
{
    for (size_t i = 0; i < packs->count; i++) {
        char name[KS_NAME_MAX + 1];

        ks_names_join(name, KS_DIR_PACKS, packs->list[i].text);
        kit_remove(b->f.store, name);
    }
}

static void
what_a_mark_dooms_is_stored_again(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_info first = capture(b);
    struct ks_snapshot_info again;
    struct ks_names doomed = {NULL, 0};
    char mark[KS_OBJECT_NAME_SIZE];

    KIT_OK(ks_names_list(&doomed, b->f.store, KS_DIR_PACKS, KIT_ERR));
    doom_everything(b, mark);
    again = capture(b);
    assert_true(again.added_bytes > first.added_bytes / 2);
    assert_true(again.new_blobs > 0);
    assert_int_equal(kit_count(b->f.store, KS_DIR_ACKS), 1);
    story_compare(&b->s, b->f.vault, &first);
    story_compare(&b->s, b->f.vault, &again);
    remove_all(b, &doomed);
    story_compare(&b->s, b->f.vault, &again);
    ks_names_free(&doomed);
    ks_snapshot_info_wipe(&first);
    ks_snapshot_info_wipe(&again);
}

/* Thirty runs beside a mark: folds happen, and nobody forgets what is only in
 * doomed packs. */
static void
a_mark_that_is_given_up_has_cost_nothing(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_info first = capture(b);
    struct story old = {.blob_count = 0};
    char mark[KS_OBJECT_NAME_SIZE];

    story_begin(&old, 11, 800, 3);
    doom_everything(b, mark);
    for (int i = 0; i < 17; i++) {
        struct ks_snapshot_info info;

        story_night(&b->s, 3, 2, 2);
        info = capture(b);
        ks_snapshot_info_wipe(&info);
    }
    assert_int_equal(kit_count(b->f.store, KS_DIR_INDEX), 1);
    kit_remove(b->f.store, mark);
    story_compare(&old, b->f.vault, &first);
    story_end(&old);
    ks_snapshot_info_wipe(&first);
}

/* The state as it is when a run ends between promise and put. */
static void
doubt_last_run(struct bench *b)
{
    const struct ks_object_context *cx = ks_vault_context(b->f.vault);
    struct ks_writer_state s;
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/writer", b->f.state);
    KIT_OK(ks_writer_state_load(&s, cx, path, KIT_ERR));
    s.in_doubt = true;
    memcpy(s.promised, s.last, 16);
    s.last_run = 0;
    memset(s.last, 0, 16);
    KIT_OK(ks_writer_state_save(&s, cx, path, KIT_ERR));
}

static void
a_put_that_came_too_late_does_not_count(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_info late = capture(b);
    struct ks_snapshot_info next;
    struct ks_snapshots all;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf object;

    ks_buf_init(&object, KS_OBJECT_MAX);
    ks_object_name(name, KS_DIR_SNAPSHOTS, late.id);
    kit_read(b->f.store, name, &object);
    kit_remove(b->f.store, name);
    doubt_last_run(b);
    next = capture(b); /* looks, finds nothing, declares it void */
    assert_int_equal(next.run, 2);
    assert_int_equal(next.previous_run, 0);
    kit_write(b->f.store, name, object.data, object.len);
    all = read_all(b);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.void_count, 1);
    assert_memory_equal(all.list[0].id, next.id, 16);
    ks_snapshots_free(&all);
    ks_buf_wipe(&object);
    ks_snapshot_info_wipe(&late);
    ks_snapshot_info_wipe(&next);
}

static void
a_put_in_doubt_that_is_there_counts(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_info first = capture(b);
    struct ks_snapshot_info next;
    struct ks_snapshots all;

    doubt_last_run(b);
    next = capture(b);
    assert_int_equal(next.previous_run, 1);
    assert_memory_equal(next.previous, first.id, 16);
    all = read_all(b);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.void_count, 0);
    ks_snapshots_free(&all);
    ks_snapshot_info_wipe(&first);
    ks_snapshot_info_wipe(&next);
}

/* A home folder put back from a backup, or a machine that was cloned: runs
 * that the state knows nothing of are in the vault, and stay. */
static void
client_state_put_back_from_an_older_copy_voids_nothing(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_info info = capture(b);
    struct ks_snapshots all;
    struct ks_outfile *file = NULL;
    struct ks_buf old;
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/writer", b->f.state);
    ks_buf_init(&old, KS_OBJECT_MAX);
    KIT_OK(ks_file_read(path, KS_OBJECT_MAX, &old, KIT_ERR));
    for (int i = 0; i < 3; i++) {
        ks_snapshot_info_wipe(&info);
        info = capture(b);
    }
    KIT_OK(ks_outfile_open(&file, path, 0600, true, KIT_ERR));
    KIT_OK(ks_outfile_write(file, old.data, old.len, KIT_ERR));
    KIT_OK(ks_outfile_commit(file, KIT_ERR));
    ks_outfile_close(file);
    ks_buf_wipe(&old);
    for (uint64_t run = 5; run <= 6; run++) {
        struct ks_snapshot_info before = info;

        info = capture(b);
        assert_int_equal(info.run, run);
        assert_int_equal(info.previous_run, run - 1);
        assert_memory_equal(info.previous, before.id, 16);
        ks_snapshot_info_wipe(&before);
    }
    all = read_all(b);
    assert_int_equal(all.count, 6);
    assert_int_equal(all.void_count, 0);
    ks_snapshots_free(&all);
    ks_snapshot_info_wipe(&info);
}

/* Put a snapshot of another source by hand. */
static void
put_by_hand(struct bench *b, uint64_t generation, int64_t time_ms)
{
    const struct ks_object_context *cx = ks_vault_context(b->f.vault);
    struct ks_snapshot_info info = {.run = 1,
                                    .writer = {9},
                                    .generation = generation,
                                    .time_ms = time_ms,
                                    .source = "other"};
    struct ks_snapshot_parts parts = {.extras = {NULL, 0}};
    struct ks_buf content;
    struct ks_buf sealed;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[16];

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_snapshot_encode(&content, &info, &parts, KIT_ERR));
    KIT_OK(ks_object_seal(cx, KS_OBJ_SNAPSHOT, ks_buf_bytes(&content), &sealed,
                          id, KIT_ERR));
    ks_object_name(name, KS_DIR_SNAPSHOTS, id);
    kit_write(b->f.store, name, sealed.data, sealed.len);
    ks_buf_wipe(&content);
    ks_buf_wipe(&sealed);
}

/* So that order by generation and order by time are one. */
static void
times_never_fall_while_generations_rise(void **state)
{
    const int64_t in_2100 = 4102444800000;
    struct bench *b = *state;
    struct ks_snapshot_info info;
    const struct ks_snapshot_info *latest = NULL;
    struct ks_snapshots all;

    put_by_hand(b, 7, in_2100);
    info = capture(b);
    assert_int_equal(info.generation, 8);
    assert_true(info.time_ms >= in_2100);
    all = read_all(b);
    KIT_OK(ks_snapshots_find(&latest, &all, "latest", KIT_ERR));
    assert_memory_equal(latest->id, info.id, 16);
    ks_snapshots_free(&all);
    ks_snapshot_info_wipe(&info);
}

static void
the_parent_is_the_newest_snapshot_of_the_same_source(void **state)
{
    static const uint8_t nobody[16];
    struct bench *b = *state;
    struct ks_snapshot_info first;
    struct ks_snapshot_info second;

    put_by_hand(b, 3, 5);
    first = capture(b);
    assert_memory_equal(first.parent, nobody, 16);
    put_by_hand(b, 9, 6);
    second = capture(b);
    assert_memory_equal(second.parent, first.id, 16);
    assert_int_equal(second.generation, 10);
    ks_snapshot_info_wipe(&first);
    ks_snapshot_info_wipe(&second);
}

static void
what_another_writer_stored_is_not_stored_again(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_info first = capture(b);
    struct ks_snapshot_info other;
    struct ks_snapshot_info third;
    char mine[256];

    memcpy(mine, b->f.state, sizeof(mine));
    (void)snprintf(b->f.state, sizeof(b->f.state), "%s",
                   workdir_path(&b->here, "state of another"));
    other = capture(b);
    assert_memory_not_equal(other.writer, first.writer, 16);
    assert_int_equal(other.new_records, 0);
    assert_int_equal(other.new_blobs, 0);
    assert_int_equal(other.generation, 2);
    memcpy(b->f.state, mine, sizeof(mine));
    third = capture(b);
    assert_int_equal(third.run, 2);
    assert_int_equal(third.head_count, 2);
    ks_snapshot_info_wipe(&first);
    ks_snapshot_info_wipe(&other);
    ks_snapshot_info_wipe(&third);
}

static void
a_run_waits_for_no_other_of_the_same_writer(void **state)
{
    struct bench *b = *state;
    struct ks_capture_options options = {.source = "test",
                                         .state_folder = b->f.state};
    struct ks_snapshot_writer *w = fixture_begin(&b->f);
    struct ks_snapshot_writer *second = NULL;

    KIT_FAILS(KS_E_BUSY,
              ks_capture_begin(&second, b->f.vault, &options, KIT_ERR));
    ks_capture_abandon(w);
    ks_capture_abandon(fixture_begin(&b->f));
}

/* Streams' names are for people: no control characters, not too long. */
static void
stream_names_have_limits(void **state)
{
    struct bench *b = *state;
    struct ks_snapshot_writer *w = fixture_begin(&b->f);
    char name[KS_STREAM_NAME_MAX + 2];
    struct ks_snapshot_info info;
    unsigned stream = 0;
    unsigned again = 0;

    memset(name, 'n', sizeof(name));
    name[KS_STREAM_NAME_MAX + 1] = '\0';
    KIT_FAILS(KS_E_LIMIT, ks_snapshot_stream(w, name, &stream, KIT_ERR));
    name[KS_STREAM_NAME_MAX] = '\0';
    KIT_OK(ks_snapshot_stream(w, name, &stream, KIT_ERR));
    KIT_OK(ks_snapshot_stream(w, name, &again, KIT_ERR));
    assert_int_equal(stream, again);
    KIT_FAILS(KS_E_LIMIT, ks_snapshot_stream(w, "", &stream, KIT_ERR));
    KIT_FAILS(KS_E_FORMAT, ks_snapshot_stream(w, "\001b", &stream, KIT_ERR));
    KIT_FAILS(KS_E_FORMAT, ks_snapshot_stream(w, "a\nb", &stream, KIT_ERR));
    KIT_FAILS(KS_E_FORMAT, ks_snapshot_stream(w, "a\177", &stream, KIT_ERR));
    fixture_commit(w, &info);
    assert_int_equal(info.streams, 1);
    ks_snapshot_info_wipe(&info);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define ON_A_BENCH(test)                                                       \
    cmocka_unit_test_setup_teardown(test, bench_up, bench_down)
        ON_A_BENCH(what_a_mark_dooms_is_stored_again),
        ON_A_BENCH(a_mark_that_is_given_up_has_cost_nothing),
        ON_A_BENCH(a_put_that_came_too_late_does_not_count),
        ON_A_BENCH(a_put_in_doubt_that_is_there_counts),
        ON_A_BENCH(client_state_put_back_from_an_older_copy_voids_nothing),
        ON_A_BENCH(times_never_fall_while_generations_rise),
        ON_A_BENCH(the_parent_is_the_newest_snapshot_of_the_same_source),
        ON_A_BENCH(what_another_writer_stored_is_not_stored_again),
        ON_A_BENCH(a_run_waits_for_no_other_of_the_same_writer),
        ON_A_BENCH(stream_names_have_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
