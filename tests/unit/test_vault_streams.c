/*
 * vault/streams: where records are cut, that the same content gives the same
 * chunks, and that what went in comes out whatever the order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "chance.h"
#include "check.h"
#include "crypto/hash.h"
#include "crypto/siphash.h"
#include "flowkit.h"
#include "vault/snapshot_writer.h"
#include "vectors.h"

#define REFS_MAX 4000

static struct ks_chunk_ref refs[REFS_MAX];
static struct ks_chunk_ref others[REFS_MAX];
static uint8_t bytes[KS_RECORD_MAX + 1];

static unsigned
stream_of(struct flow *f, const char *name)
{
    unsigned stream = 0;

    KIT_OK(ks_streams_name(f->streams, name, &stream, KIT_ERR));
    return stream;
}

static void
put(struct flow *f, unsigned stream, size_t len, int64_t time_ms)
{
    KIT_OK(ks_streams_record(f->streams, stream, (struct ks_bytes){bytes, len},
                             time_ms, KIT_ERR));
}

/* The vectors' record i. */
static void
make_vector_record(size_t i, size_t len)
{
    for (size_t j = 0; j < len; j++)
        bytes[j] = (uint8_t)((i >> 8 * (j % 4)) + 31 * j);
}

/* Its length: from "index:length index:length", else by the rule. */
static size_t
vector_length(struct vectors *v, size_t i)
{
    const char *p = vectors_text(v, "large");

    while (p != NULL && *p != '-') {
        char *end = NULL;
        size_t index = strtoul(p, &end, 10);
        size_t len = strtoul(end + 1, NULL, 10);

        if (index == i)
            return len;
        p = strchr(p, ' ');
        p = p == NULL ? NULL : p + 1;
    }
    return vectors_number(v, "base") +
           i * vectors_number(v, "step") % vectors_number(v, "limit");
}

static void
chunks_are_cut_as_the_vectors_say(void **unused)
{
    struct vectors *v = vectors_open("cut.txt");

    (void)unused;
    while (vectors_next(v)) {
        static uint8_t hashes[4 * REFS_MAX];
        uint8_t keyring[200];
        size_t len = vectors_hex(v, "keyring", keyring, sizeof(keyring));
        size_t hashes_len = vectors_hex(v, "first_hashes", hashes, 4000);
        const char *want = vectors_text(v, "chunks");
        struct ks_sha256 ids;
        uint8_t have_sum[32];
        uint8_t want_sum[32];
        struct flow f;
        unsigned stream;
        size_t n;

        flow_open(&f, keyring, len);
        flow_begin(&f);
        stream = stream_of(&f, "s");
        for (size_t i = 0; i < vectors_number(v, "count"); i++) {
            size_t record = vector_length(v, i);

            make_vector_record(i, record);
            put(&f, stream, record, KS_TIME_NONE);
        }
        flow_end(&f);
        n = flow_refs(&f, "s", refs, REFS_MAX);
        assert_int_equal(n * 4, hashes_len);
        ks_sha256_init(&ids);
        for (size_t i = 0; i < n; i++) {
            char *end = NULL;

            assert_int_equal(refs[i].records, strtoul(want, &end, 10));
            want = end;
            assert_int_equal(refs[i].first_hash, ks_get_u32le(hashes + 4 * i));
            ks_sha256_update(&ids, refs[i].id, 32);
        }
        ks_sha256_final(&ids, have_sum);
        vectors_bytes(v, "ids_sha256", want_sum, 32);
        assert_memory_equal(have_sum, want_sum, 32);
        flow_close(&f);
    }
    assert_int_equal(vectors_close(v), 10);
}

/* A record's length and bytes from a number. */
static size_t
make_record(uint64_t number)
{
    struct chance c = {number * 31 + 1};
    size_t len = 50 + chance_below(&c, 500);

    if (chance_below(&c, 300) == 0)
        len = 200000 + chance_below(&c, 200000);
    if (chance_below(&c, 200) == 0)
        len = 0;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i < 16 ? chance_next(&c) : number + i / 3);
    return len;
}

static void
chunks_have_their_sizes(void **unused)
{
    struct chance c = chance_start("sizes");
    struct flow f;
    unsigned stream;
    size_t n;
    size_t alone = 0;

    (void)unused;
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    stream = stream_of(&f, "s");
    for (size_t i = 0; i < 20000; i++)
        put(&f, stream, make_record(chance_next(&c)), KS_TIME_NONE);
    flow_end(&f);
    n = flow_refs(&f, "s", refs, REFS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (refs[i].plain > KS_CUT_MAX) {
            assert_int_equal(refs[i].records, 1);
            alone++;
            continue;
        }
        /* Short only at the end, and where a record came that did not fit. */
        if (refs[i].plain < KS_CUT_MIN && i + 1 < n) {
            struct ks_chunk next = flow_chunk(&f, refs[i + 1].id);
            struct ks_cursor at =
                ks_cursor_over(next.plain.ptr, next.plain.len);
            struct ks_bytes first;

            KIT_OK(ks_records_next(&at, &first, KIT_ERR));
            assert_true(refs[i].plain + first.len + 3 > KS_CUT_MAX);
        }
    }
    assert_true(alone > 0);
    assert_int_equal(f.counts.records, 20000);
    flow_close(&f);
}

/* Tell `count` records of each of `streams` streams, in turns of `turn`, and
 * collect the references of all of them; how many. */
static size_t
tell(struct flow *f, size_t streams, size_t count, size_t turn, size_t skip,
     struct ks_chunk_ref *out)
{
    unsigned numbers[20];
    char name[8];
    size_t n = 0;

    flow_begin(f);
    for (size_t s = 0; s < streams; s++) {
        (void)snprintf(name, sizeof(name), "s%zu", s);
        numbers[s] = stream_of(f, name);
    }
    for (size_t from = 0; from < count; from += turn)
        for (size_t s = 0; s < streams; s++)
            for (size_t i = from; i < count && i < from + turn; i++)
                if (i != skip)
                    put(f, numbers[s], make_record(s * 1000003 + i),
                        (int64_t)i);
    flow_end(f);
    for (size_t s = 0; s < streams; s++) {
        (void)snprintf(name, sizeof(name), "s%zu", s);
        n += flow_refs(f, name, out + n, REFS_MAX - n);
    }
    return n;
}

static void
interleaving_up_to_eight_streams_changes_no_chunk(void **unused)
{
    static const size_t turns[] = {1, 7, 400};
    struct flow f;
    size_t n;

    (void)unused;
    flow_open(&f, NULL, 0);
    n = tell(&f, KS_STREAMS_OPEN, 2000, 2000, SIZE_MAX, refs);
    assert_true(n > 50);
    for (size_t k = 0; k < 3; k++) {
        size_t m = tell(&f, KS_STREAMS_OPEN, 2000, turns[k], SIZE_MAX, others);

        assert_int_equal(m, n);
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(refs[i].id, others[i].id, 32);
        assert_int_equal(f.counts.new_records, 0);
    }
    flow_close(&f);
}

static bool
has_ref(const struct ks_chunk_ref *all, size_t n, const uint8_t *id)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(all[i].id, id, 32) == 0)
            return true;
    return false;
}

static void
a_change_far_away_changes_no_chunk_here(void **unused)
{
    static const size_t skips[] = {0, 1000, 4000, 7999};
    struct flow f;
    size_t n;

    (void)unused;
    flow_open(&f, NULL, 0);
    n = tell(&f, 1, 8000, 8000, SIZE_MAX, refs);
    assert_true(n > 40);
    for (size_t k = 0; k < 4; k++) {
        size_t m = tell(&f, 1, 8000, 8000, skips[k], others);
        size_t changed = 0;

        for (size_t i = 0; i < m; i++)
            changed += !has_ref(refs, n, others[i].id);
        assert_true(changed >= 1 && changed <= 12);
    }
    flow_close(&f);
}

/* More streams than are buffered, switched at every record: each chunk has
 * one record then, but they are all there, in order. */
static void
any_number_of_streams_comes_out_whole(void **unused)
{
    struct flow f;
    size_t n;

    (void)unused;
    flow_open(&f, NULL, 0);
    n = tell(&f, 12, 150, 1, SIZE_MAX, refs);
    assert_int_equal(n, 12 * 150);
    for (size_t s = 0; s < 12; s++) {
        for (size_t i = 0; i < 150; i++) {
            size_t len = make_record(s * 1000003 + i);
            struct ks_chunk chunk = flow_chunk(&f, refs[s * 150 + i].id);
            struct ks_cursor at =
                ks_cursor_over(chunk.plain.ptr, chunk.plain.len);
            struct ks_bytes record;

            KIT_OK(ks_records_next(&at, &record, KIT_ERR));
            assert_int_equal(record.len, len);
            assert_memory_equal(record.ptr, bytes, len);
            assert_int_equal(at.left, 0);
        }
    }
    flow_close(&f);
}

static void
references_say_when_the_first_and_last_record_were(void **unused)
{
    struct flow f;
    unsigned stream;

    (void)unused;
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    stream = stream_of(&f, "times");
    memset(bytes, 1, 100);
    put(&f, stream, 100, 50);
    put(&f, stream, 100, KS_TIME_NONE);
    put(&f, stream, 100, -7);
    put(&f, stream, 100, 60);
    stream = stream_of(&f, "none");
    put(&f, stream, 100, KS_TIME_NONE);
    stream = stream_of(&f, "large");
    put(&f, stream, 300000, 5);
    put(&f, stream, 300000, KS_TIME_NONE);
    (void)stream_of(&f, "empty");
    flow_end(&f);
    assert_int_equal(f.counts.streams, 4);
    assert_int_equal(flow_refs(&f, "times", refs, 9), 1);
    assert_true(refs[0].has_times);
    assert_int_equal(refs[0].first_ms, -7);
    assert_int_equal(refs[0].last_ms, 60);
    assert_int_equal(flow_refs(&f, "none", refs, 9), 1);
    assert_false(refs[0].has_times);
    assert_int_equal(flow_refs(&f, "large", refs, 9), 2);
    assert_int_equal(refs[0].first_ms, 5);
    assert_int_equal(refs[0].last_ms, 5);
    assert_false(refs[1].has_times);
    assert_int_equal(flow_refs(&f, "empty", refs, 9), 0);
    flow_close(&f);
}

static void
the_largest_record_is_a_chunk_of_its_own(void **unused)
{
    struct flow f;
    unsigned stream;
    struct ks_chunk chunk;

    (void)unused;
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    stream = stream_of(&f, "s");
    memset(bytes, 7, sizeof(bytes));
    put(&f, stream, 10, KS_TIME_NONE);
    put(&f, stream, KS_RECORD_MAX, KS_TIME_NONE);
    put(&f, stream, 10, KS_TIME_NONE);
    flow_end(&f);
    assert_int_equal(flow_refs(&f, "s", refs, 9), 3);
    assert_int_equal(refs[1].plain, KS_RECORD_MAX + 3);
    chunk = flow_chunk(&f, refs[1].id);
    assert_memory_equal(chunk.plain.ptr + 3, bytes, KS_RECORD_MAX);
    flow_close(&f);
}

static void
stream_numbers_run_out_with_a_word(void **unused)
{
    struct ks_err err = KS_ERR_INIT;
    struct flow f;
    unsigned stream = 0;
    size_t made = 0;
    int rc = KS_OK;

    (void)unused;
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    while (rc == KS_OK) {
        char name[16];

        (void)snprintf(name, sizeof(name), "s%zu", made);
        rc = ks_streams_name(f.streams, name, &stream, &err);
        made += rc == KS_OK;
    }
    assert_int_equal(rc, KS_E_LIMIT);
    assert_int_equal(made, KS_STREAMS_MAX - 9);
    KIT_OK(ks_streams_name(f.streams, "s5", &stream, KIT_ERR));
    put(&f, stream, 5, KS_TIME_NONE);
    flow_end(&f);
    assert_int_equal(flow_refs(&f, "s5", refs, 9), 1);
    flow_close(&f);
}

/* Names of streams as the list has them for the first time. */
static int
note_order(void *user, enum ks_section kind, struct ks_bytes name)
{
    char *order = user;
    char one[KS_STREAM_NAME_MAX + 2];

    (void)snprintf(one, sizeof(one), "%.*s|", (int)name.len,
                   (const char *)name.ptr);
    if (kind == KS_SECTION_STREAM && strstr(order, one) == NULL)
        (void)snprintf(order + strlen(order), sizeof(one), "%s", one);
    return 0;
}

static void
expect_order(struct flow *f, const char *want)
{
    char order[1000] = "";
    struct ks_list_visitor v = {.section = note_order, .user = order};

    KIT_OK(ks_list_walk(f->chunks, f->root, f->level, &v, KIT_ERR));
    assert_string_equal(order, want);
}

/* So many chunks that references go into the list before the end: sections
 * come again, and the list has levels. */
static void
a_long_list_is_written_as_it_grows(void **unused)
{
    const size_t rounds = 4500;
    struct ks_chunk_ref *all = malloc(rounds * sizeof(*all));
    unsigned numbers[9];
    struct flow f;

    (void)unused;
    assert_non_null(all);
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    (void)stream_of(&f, "0");
    for (size_t s = 0; s < 9; s++)
        numbers[s] = stream_of(&f, (const char[]){(char)('a' + s), '\0'});
    for (size_t i = 0; i < rounds; i++) {
        for (size_t s = 0; s < 9; s++) {
            ks_put_u64le(bytes, i * 9 + s);
            put(&f, numbers[s], 8, (int64_t)i);
        }
    }
    flow_end(&f);
    assert_true(f.level >= 1);
    assert_int_equal(f.counts.records, rounds * 9);
    expect_order(&f, "0|a|b|c|d|e|f|g|h|i|");
    for (size_t s = 0; s < 9; s++) {
        size_t n =
            flow_refs(&f, (const char[]){(char)('a' + s), '\0'}, all, rounds);

        assert_int_equal(n, rounds);
        for (size_t i = 0; i < n; i += 501) {
            struct ks_chunk chunk = flow_chunk(&f, all[i].id);

            assert_int_equal(chunk.plain.len, 9);
            assert_int_equal(ks_get_u64le(chunk.plain.ptr + 1), i * 9 + s);
        }
    }
    free(all);
    flow_close(&f);
}

/* A blob of a full piece: all that is on its way is waited for. */
static void
put_blob(struct flow *f, uint64_t seed)
{
    static uint8_t piece[KS_PIECE_SIZE];
    struct ks_reader *from = NULL;
    uint8_t id[32];

    ks_put_u64le(piece, seed);
    KIT_OK(ks_reader_open_bytes(&from, piece, sizeof(piece), KIT_ERR));
    KIT_OK(ks_blobs_add(f->blobs, from, id, KIT_ERR));
    ks_reader_close(from);
}

/* A machine with more cores must not make another list of the same content.
 * The blobs come when references begin to go into the list. */
static void
the_number_of_workers_changes_no_list(void **unused)
{
    static const unsigned workers[] = {1, 8, 3};
    uint8_t roots[3][32];

    (void)unused;
    for (size_t k = 0; k < 3; k++) {
        unsigned numbers[11];
        struct flow f;

        flow_open(&f, NULL, 0);
        f.workers = workers[k];
        flow_begin(&f);
        for (size_t s = 0; s < 11; s++)
            numbers[s] = stream_of(&f, (const char[]){(char)('a' + s), '\0'});
        memset(bytes, 0, 100);
        for (size_t i = 0; i < 4; i++)
            put(&f, stream_of(&f, (const char[]){(char)('l' + i), '\0'}), 100,
                5);
        for (size_t i = 0; i < 4000; i++) {
            for (size_t s = 0; s < 11; s++) {
                ks_put_u64le(bytes, i * 11 + s);
                put(&f, numbers[s], 8 + i % 50, (int64_t)i);
            }
            if (i > 3790 && i < 3830)
                put_blob(&f, i);
        }
        flow_end(&f);
        memcpy(roots[k], f.root, 32);
        flow_close(&f);
    }
    assert_memory_equal(roots[0], roots[1], 32);
    assert_memory_equal(roots[0], roots[2], 32);
}

static void
the_next_night_stores_what_changed_as_deltas(void **unused)
{
    struct flow f;
    size_t n;
    size_t m;
    size_t deltas = 0;
    size_t changed = 0;

    (void)unused;
    flow_open(&f, NULL, 0);
    n = tell(&f, 1, 4000, 4000, 3999, refs);
    m = tell(&f, 1, 4000, 4000, 2000, others);
    for (size_t i = 0; i < m; i++) {
        struct ks_chunk chunk;
        struct ks_place base;

        if (has_ref(refs, n, others[i].id))
            continue;
        changed++;
        chunk = flow_chunk(&f, others[i].id);
        if (chunk.entry.form != KS_FORM_DELTA)
            continue;
        deltas++;
        assert_true(has_ref(refs, n, chunk.entry.base));
        KIT_OK(ks_index_need(f.index, chunk.entry.base, true, &base, KIT_ERR));
    }
    assert_true(changed >= 2);
    assert_true(deltas >= 1);
    assert_true(f.counts.new_records >= 1);
    assert_true(f.counts.new_records < 2000);
    flow_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_cut_as_the_vectors_say),
        cmocka_unit_test(chunks_have_their_sizes),
        cmocka_unit_test(interleaving_up_to_eight_streams_changes_no_chunk),
        cmocka_unit_test(a_change_far_away_changes_no_chunk_here),
        cmocka_unit_test(any_number_of_streams_comes_out_whole),
        cmocka_unit_test(references_say_when_the_first_and_last_record_were),
        cmocka_unit_test(the_largest_record_is_a_chunk_of_its_own),
        cmocka_unit_test(stream_numbers_run_out_with_a_word),
        cmocka_unit_test(a_long_list_is_written_as_it_grows),
        cmocka_unit_test(the_number_of_workers_changes_no_list),
        cmocka_unit_test(the_next_night_stores_what_changed_as_deltas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
