/*
 * vault/parent: which chunk a changed one resembles, and which pieces were
 * seen. Hints only: whatever is wrong with a parent, the capture goes on.
 */
#include <string.h>

#include "check.h"
#include "crypto/siphash.h"
#include "fault.h"
#include "flowkit.h"
#include "vault/keyring.h"
#include "vault/snapshot_writer.h"

#define RECORDS 3000
#define LEN     200

static struct ks_chunk_ref refs[1000];

static void
make_record(uint8_t *out, size_t i)
{
    memset(out, (int)i, LEN);
    ks_put_u64le(out, i);
}

static void
put_stream(struct flow *f, const char *name, size_t count)
{
    uint8_t record[LEN];
    unsigned stream = 0;

    KIT_OK(ks_streams_name(f->streams, name, &stream, KIT_ERR));
    for (size_t i = 0; i < count; i++) {
        make_record(record, i);
        KIT_OK(ks_streams_record(f->streams, stream,
                                 (struct ks_bytes){record, LEN}, KS_TIME_NONE,
                                 KIT_ERR));
    }
}

/* A night of one stream with several chunks and an empty one. */
static size_t
first_night(struct flow *f)
{
    flow_open(f, NULL, 0);
    flow_begin(f);
    put_stream(f, "s", RECORDS);
    put_stream(f, "empty", 0);
    flow_end(f);
    return flow_refs(f, "s", refs, 1000);
}

static void
a_new_parent_knows_nothing(void **unused)
{
    struct ks_parent *p = NULL;
    uint8_t id[32];

    (void)unused;
    KIT_OK(ks_parent_open(&p, KIT_ERR));
    assert_int_equal(ks_parent_stream(p, "s"), KS_PARENT_NONE);
    assert_false(ks_parent_resembles(p, KS_PARENT_NONE, 5, id));
    assert_false(ks_parent_piece(p, (const uint8_t *)"0123456789abcdef", id));
    ks_parent_close(p);
    ks_parent_close(NULL);
}

static void
streams_are_known_by_their_whole_names(void **unused)
{
    struct flow f;

    (void)unused;
    assert_true(first_night(&f) > 4);
    flow_begin(&f);
    assert_int_not_equal(ks_parent_stream(f.parent, "s"), KS_PARENT_NONE);
    assert_int_not_equal(ks_parent_stream(f.parent, "empty"), KS_PARENT_NONE);
    assert_int_not_equal(ks_parent_stream(f.parent, "\001b"), KS_PARENT_NONE);
    assert_int_not_equal(ks_parent_stream(f.parent, "\0010"), KS_PARENT_NONE);
    assert_int_equal(ks_parent_stream(f.parent, "\0019"), KS_PARENT_NONE);
    assert_int_equal(ks_parent_stream(f.parent, ""), KS_PARENT_NONE);
    assert_int_equal(ks_parent_stream(f.parent, "emp"), KS_PARENT_NONE);
    assert_int_equal(ks_parent_stream(f.parent, "emptyy"), KS_PARENT_NONE);
    flow_close(&f);
}

static void
a_chunk_resembles_the_one_with_its_first_record_or_the_next(void **unused)
{
    struct flow f;
    uint32_t stream;
    uint8_t id[32];
    size_t n;

    (void)unused;
    n = first_night(&f);
    flow_begin(&f);
    stream = ks_parent_stream(f.parent, "s");
    /* In order, in any order, and again. */
    for (size_t k = 0; k < 3 * n; k++) {
        size_t i = k * 7 % n;

        assert_true(
            ks_parent_resembles(f.parent, stream, refs[i].first_hash, id));
        assert_memory_equal(id, refs[i].id, 32);
    }
    /* None begins so: the one after the last found, and at the end the last. */
    assert_true(ks_parent_resembles(f.parent, stream, refs[1].first_hash, id));
    assert_true(ks_parent_resembles(f.parent, stream, 12345, id));
    assert_memory_equal(id, refs[2].id, 32);
    assert_true(ks_parent_resembles(f.parent, stream, 12345, id));
    assert_memory_equal(id, refs[2].id, 32);
    assert_true(
        ks_parent_resembles(f.parent, stream, refs[n - 1].first_hash, id));
    assert_true(ks_parent_resembles(f.parent, stream, 12345, id));
    assert_memory_equal(id, refs[n - 1].id, 32);
    assert_false(ks_parent_resembles(
        f.parent, ks_parent_stream(f.parent, "empty"), 0, id));
    flow_close(&f);
}

static void
first_hashes_are_siphashes_of_first_records(void **unused)
{
    struct flow f;
    uint8_t record[LEN];
    size_t n;
    size_t at = 0;

    (void)unused;
    n = first_night(&f);
    for (size_t i = 0; i < n; i++) {
        make_record(record, at);
        assert_int_equal(
            refs[i].first_hash,
            (uint32_t)ks_siphash(ks_keyring_cut_key(f.e.keys), record, LEN));
        at += refs[i].records;
    }
    assert_int_equal(at, RECORDS);
    flow_close(&f);
}

static void
pieces_are_remembered_up_to_a_limit(void **unused)
{
    struct ks_parent *p = NULL;
    uint8_t fingerprint[32];
    uint8_t want[32];
    uint8_t id[32];

    (void)unused;
    KIT_OK(ks_parent_open(&p, KIT_ERR));
    for (size_t i = 0; i < KS_PARENT_PIECES_MAX + 10; i++) {
        engine_id(fingerprint, i);
        engine_id(id, i + 1);
        KIT_OK(ks_parent_learn(p, fingerprint, id, KIT_ERR));
    }
    for (size_t i = 0; i < KS_PARENT_PIECES_MAX + 10; i += 999) {
        engine_id(fingerprint, i);
        engine_id(want, i + 1);
        assert_true(ks_parent_piece(p, fingerprint, id));
        assert_memory_equal(id, want, 32);
    }
    engine_id(fingerprint, KS_PARENT_PIECES_MAX);
    assert_false(ks_parent_piece(p, fingerprint, id));
    /* The first id stays. */
    engine_id(fingerprint, 3);
    KIT_OK(ks_parent_learn(p, fingerprint, fingerprint, KIT_ERR));
    engine_id(want, 4);
    assert_true(ks_parent_piece(p, fingerprint, id));
    assert_memory_equal(id, want, 32);
    ks_parent_close(p);
}

/* A list that is damaged or gone: what was read so far stays in use. */
static void
a_parent_that_cannot_be_read_is_no_harm(void **unused)
{
    struct ks_snapshot_info info = {.root_level = 0};
    struct ks_parent *p = NULL;
    struct ks_err err = KS_ERR_INIT;
    struct flow f;
    uint8_t id[32];

    (void)unused;
    (void)first_night(&f);
    KIT_OK(ks_parent_open(&p, KIT_ERR));
    KIT_FAILS(KS_E_NOTFOUND, ks_parent_load(p, f.chunks, &info, KIT_ERR));
    memcpy(info.root, f.root, 32);
    info.root_level = 7;
    assert_int_equal(ks_parent_load(p, f.chunks, &info, &err), KS_E_CORRUPT);
    /* A chunk of records is no list. */
    memcpy(info.root, refs[0].id, 32);
    info.root_level = 0;
    KIT_FAILS(KS_E_CORRUPT, ks_parent_load(p, f.chunks, &info, KIT_ERR));
    memcpy(info.root, f.root, 32);
    info.root_level = f.level;
    KIT_OK(ks_parent_load(p, f.chunks, &info, KIT_ERR));
    assert_true(ks_parent_resembles(p, ks_parent_stream(p, "s"),
                                    refs[0].first_hash, id));
    assert_memory_equal(id, refs[0].id, 32);
    ks_parent_close(p);
    flow_close(&f);
}

static void
without_memory_it_says_so(void **unused)
{
    struct ks_snapshot_info info = {.root_level = 0};
    struct flow f;
    bool fired = true;

    (void)unused;
    (void)first_night(&f);
    memcpy(info.root, f.root, 32);
    info.root_level = f.level;
    for (long n = 0; fired; n++) {
        struct ks_parent *p = NULL;
        struct ks_err err = KS_ERR_INIT;
        int rc;

        fault_arm_call("malloc calloc realloc", n, 0);
        rc = ks_parent_open(&p, &err);
        if (rc == KS_OK)
            rc = ks_parent_load(p, f.chunks, &info, &err);
        fired = fault_disarm();
        assert_int_equal(rc, fired ? KS_E_NOMEM : KS_OK);
        ks_parent_close(p);
    }
    flow_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_parent_knows_nothing),
        cmocka_unit_test(streams_are_known_by_their_whole_names),
        cmocka_unit_test(
            a_chunk_resembles_the_one_with_its_first_record_or_the_next),
        cmocka_unit_test(first_hashes_are_siphashes_of_first_records),
        cmocka_unit_test(pieces_are_remembered_up_to_a_limit),
        cmocka_unit_test(a_parent_that_cannot_be_read_is_no_harm),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
