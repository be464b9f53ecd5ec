/*
 * vault/pipeline: chunks come back in the order they went in, each is stored
 * once, packs have their size; whatever fails is told and ends it.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "check.h"
#include "crash_store.h"
#include "flowkit.h"
#include "vault/snapshot_object.h"

/* What retired works told. */
struct told {
    uint8_t ids[2000][32];
    bool known[2000];
    size_t count;
    size_t stop_at; /* answer KS_E_LIMIT then */
};

static int
retired(void *user, const struct ks_work *w, struct ks_err *err)
{
    struct told *t = user;

    assert_int_equal(w->tag, t->count);
    memcpy(t->ids[t->count], w->id, 32);
    t->known[t->count++] = w->known;
    if (t->count == t->stop_at)
        return ks_fail(err, KS_E_LIMIT, 0, "enough");
    return KS_OK;
}

struct bench {
    struct flow f;
    struct told told;
    uint64_t tag;
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    flow_open(&b->f, NULL, 0);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    flow_close(&b->f);
    free(b);
    return 0;
}

/* Bytes that only the seed decides; noise, so that they stay as long. */
static void
make_chunk(uint8_t *out, size_t len, uint64_t seed)
{
    struct chance c = {seed};

    for (size_t i = 0; i + 8 <= len; i += 8)
        ks_put_u64le(out + i, chance_next(&c));
    chance_fill(&c, out + len / 8 * 8, len % 8);
}

static int
submit(struct bench *b, size_t len, uint64_t seed, struct ks_err *err)
{
    struct ks_work *w = NULL;
    int rc = ks_pipeline_take(b->f.pipeline, &w, err);

    if (rc < 0)
        return rc;
    make_chunk(w->data, len, seed);
    w->len = len;
    w->kind = KS_CHUNK_BLOB;
    w->tag = b->tag++;
    w->retired = retired;
    w->user = &b->told;
    ks_pipeline_submit(b->f.pipeline, w);
    return KS_OK;
}

static int
count_pack(void *user, const struct ks_pack_ref *ref)
{
    assert_true(ref->size <= KS_PACK_MAX);
    ++*(size_t *)user;
    return 0;
}

/* Packs that the pipeline names as a snapshot would. */
static size_t
packs_named(struct bench *b)
{
    struct ks_snapshot_info info = {.run = 0};
    size_t count = 0;
    struct ks_snapshot_visitor v = {.pack = count_pack, .user = &count};
    struct ks_bytes packs = ks_pipeline_packs(b->f.pipeline);
    struct ks_buf content;

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    KIT_OK(ks_buf_u8(&content, 1, KIT_ERR));
    if (packs.len > 0)
        KIT_OK(ks_buf_append(&content, packs.ptr, packs.len, KIT_ERR));
    KIT_OK(ks_snapshot_decode(&info, ks_buf_bytes(&content), &v, KIT_ERR));
    ks_snapshot_info_wipe(&info);
    ks_buf_wipe(&content);
    return count;
}

static int
add_size(void *user, const char *name, uint64_t size)
{
    (void)name;
    *(uint64_t *)user += size;
    return 0;
}

static void
nothing_in_nothing_out(void **state)
{
    struct bench *b = *state;

    flow_begin(&b->f);
    KIT_OK(ks_pipeline_drain(b->f.pipeline, KIT_ERR));
    KIT_OK(ks_pipeline_finish(b->f.pipeline, KIT_ERR));
    assert_int_equal(ks_pipeline_bytes(b->f.pipeline), 0);
    assert_int_equal(packs_named(b), 0);
    assert_int_equal(kit_count(b->f.e.store, KS_DIR_PACKS), 0);
    ks_pipeline_close(NULL);
}

static void
works_come_back_in_order_whatever_their_sizes(void **state)
{
    struct chance c = chance_start("order");
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    uint8_t *want = malloc(KS_CHUNK_MAX);
    uint64_t seeds[400];
    size_t sizes[400];

    assert_non_null(want);
    for (unsigned workers = 1; workers <= KS_POOL_WORKERS_MAX; workers += 3) {
        b->f.workers = workers;
        flow_begin(&b->f);
        b->told.count = 0;
        b->tag = 0;
        for (size_t i = 0; i < 400; i++) {
            seeds[i] = chance_next(&c);
            sizes[i] = chance_below(&c, i % 40 == 0 ? KS_CHUNK_MAX : 3000);
            assert_int_equal(submit(b, sizes[i], seeds[i], &err), KS_OK);
        }
        KIT_OK(ks_pipeline_finish(b->f.pipeline, KIT_ERR));
        assert_int_equal(b->told.count, 400);
        for (size_t i = 0; i < 400; i++) {
            struct ks_chunk chunk = flow_chunk(&b->f, b->told.ids[i]);

            make_chunk(want, sizes[i], seeds[i]);
            assert_int_equal(chunk.plain.len, sizes[i]);
            assert_memory_equal(chunk.plain.ptr, want, sizes[i]);
        }
        flow_abandon(&b->f);
    }
    free(want);
}

/* While the first is on its way to a pack, and after. */
static void
the_same_chunk_is_stored_once(void **state)
{
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    bool known = false;

    flow_begin(&b->f);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(submit(b, 1000, i % 3, &err), KS_OK);
    KIT_OK(ks_pipeline_drain(b->f.pipeline, KIT_ERR));
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(b->told.known[i], i >= 3);
        assert_memory_equal(b->told.ids[i], b->told.ids[i % 3], 32);
    }
    KIT_OK(ks_pipeline_known(b->f.pipeline, b->told.ids[0], &known, KIT_ERR));
    assert_true(known);
    KIT_OK(ks_pipeline_finish(b->f.pipeline, KIT_ERR));
    assert_int_equal(packs_named(b), 1);
    flow_abandon(&b->f);
    flow_begin(&b->f);
    b->told.count = 0;
    b->tag = 0;
    assert_int_equal(submit(b, 1000, 1, &err), KS_OK);
    KIT_OK(ks_pipeline_finish(b->f.pipeline, KIT_ERR));
    assert_true(b->told.known[0]);
    assert_int_equal(ks_pipeline_bytes(b->f.pipeline), 0);
}

static void
a_full_pack_is_put_and_the_next_one_begun(void **state)
{
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    uint64_t stored = 0;

    flow_begin(&b->f);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(submit(b, KS_CHUNK_MAX, i, &err), KS_OK);
    KIT_OK(ks_pipeline_finish(b->f.pipeline, KIT_ERR));
    assert_int_equal(packs_named(b), 6); /* of seven chunks, and a tail */
    assert_int_equal(kit_count(b->f.e.store, KS_DIR_PACKS), 6);
    KIT_OK(
        ks_store_list(b->f.e.store, KS_DIR_PACKS, add_size, &stored, KIT_ERR));
    assert_int_equal(ks_pipeline_bytes(b->f.pipeline), stored);
}

static void
the_same_buffer_until_it_is_submitted(void **state)
{
    struct bench *b = *state;
    struct ks_work *first = NULL;
    struct ks_work *again = NULL;

    flow_begin(&b->f);
    KIT_OK(ks_pipeline_take(b->f.pipeline, &first, KIT_ERR));
    first->len = 77;
    first->has_id = true;
    KIT_OK(ks_pipeline_take(b->f.pipeline, &again, KIT_ERR));
    assert_ptr_equal(first, again);
    assert_int_equal(again->len, 0);
    assert_false(again->has_id);
}

static void
whoever_retires_a_work_may_end_it(void **state)
{
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    int rc = KS_OK;

    flow_begin(&b->f);
    b->told.stop_at = 10;
    for (size_t i = 0; i < 1000 && rc == KS_OK; i++)
        rc = submit(b, 100, i, &err);
    assert_int_equal(rc, KS_E_LIMIT);
    assert_string_equal(err.msg, "enough");
    assert_int_equal(b->told.count, 10);
}

/* The store fails at its n-th step: the next step of the pipeline that waits
 * for a pack says so. */
static void
a_pack_that_cannot_be_put_ends_it(void **state)
{
    struct bench *b = *state;
    struct ks_store *behind = b->f.e.store;

    for (long step = 0; step < 3; step++) {
        struct ks_store *front = crash_store(behind, step);
        struct ks_err err = KS_ERR_INIT;
        int rc = KS_OK;

        b->f.e.cx.store = front;
        flow_begin(&b->f);
        b->told.count = 0;
        b->tag = 0;
        for (size_t i = 0; i < 30 && rc == KS_OK; i++)
            rc = submit(b, KS_CHUNK_MAX, (uint64_t)step * 100 + i, &err);
        if (rc == KS_OK)
            rc = ks_pipeline_finish(b->f.pipeline, &err);
        assert_int_equal(rc, KS_E_IO);
        assert_true(err.msg[0] != '\0');
        flow_abandon(&b->f);
        ks_store_close(front);
        b->f.e.cx.store = behind;
    }
}

/* Closed with everything in flight. */
static void
it_may_be_given_up_at_any_time(void **state)
{
    struct bench *b = *state;

    for (size_t n = 0; n < 25; n++) {
        struct ks_err err = KS_ERR_INIT;

        flow_begin(&b->f);
        b->told.count = 0;
        b->tag = 0;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(submit(b, KS_CHUNK_MAX, n * 100 + i, &err), KS_OK);
        flow_abandon(&b->f);
    }
}

/* A parent that is not there, or damaged, costs space only. */
static void
a_parent_that_cannot_be_read_is_no_base(void **state)
{
    struct bench *b = *state;
    struct ks_work *w = NULL;
    struct ks_place place;
    bool found = false;

    flow_begin(&b->f);
    KIT_OK(ks_pipeline_take(b->f.pipeline, &w, KIT_ERR));
    memset(w->data, 'x', 5000);
    w->len = 5000;
    w->kind = KS_CHUNK_RECORDS;
    w->records = 1;
    w->has_parent = true;
    memset(w->parent, 9, 32);
    w->tag = 0;
    w->retired = retired;
    w->user = &b->told;
    ks_pipeline_submit(b->f.pipeline, w);
    KIT_OK(ks_pipeline_finish(b->f.pipeline, KIT_ERR));
    KIT_OK(ks_index_find(b->f.index, b->told.ids[0], &place, &found, KIT_ERR));
    assert_true(found);
    assert_int_equal(place.entry.form, KS_FORM_ZSTD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define ON_A_BENCH(test)                                                       \
    cmocka_unit_test_setup_teardown(test, bench_up, bench_down)
        ON_A_BENCH(nothing_in_nothing_out),
        ON_A_BENCH(works_come_back_in_order_whatever_their_sizes),
        ON_A_BENCH(the_same_chunk_is_stored_once),
        ON_A_BENCH(a_full_pack_is_put_and_the_next_one_begun),
        ON_A_BENCH(the_same_buffer_until_it_is_submitted),
        ON_A_BENCH(whoever_retires_a_work_may_end_it),
        ON_A_BENCH(a_pack_that_cannot_be_put_ends_it),
        ON_A_BENCH(it_may_be_given_up_at_any_time),
        ON_A_BENCH(a_parent_that_cannot_be_read_is_no_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
