/*
 * vault/list: list records as the vectors say; walks in order; nothing that
 * is malformed is taken for a list.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "enginekit.h"
#include "vault/chunk.h"
#include "vault/keyring.h"
#include "vault/list.h"
#include "vault/snapshot_writer.h"
#include "vectors.h"

/* A store of chunks, an index of them and a reader. */
struct bench {
    struct engine e;
    struct ks_index *index;
    struct ks_chunk_reader *chunks;
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    engine_open(&b->e);
    KIT_OK(ks_index_open(&b->index, &b->e.cx, NULL, KIT_ERR));
    KIT_OK(ks_chunk_reader_open(&b->chunks, &b->e.cx, b->index, KIT_ERR));
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_chunk_reader_close(b->chunks);
    ks_index_close(b->index);
    engine_close(&b->e);
    free(b);
    return 0;
}

/* Keep a chunk in a pack of its own; its id. */
static void
keep_chunk(struct bench *b, enum ks_chunk_kind kind, struct ks_bytes plain,
           uint8_t *id)
{
    struct ks_entry entry = {.kind = (uint8_t)kind,
                             .form = KS_FORM_RAW,
                             .stored = (uint32_t)plain.len,
                             .plain = (uint32_t)plain.len};
    struct ks_pack_builder pack;
    struct ks_pack_ref ref;
    struct ks_hmac keyed;
    char name[KS_OBJECT_NAME_SIZE];
    uint32_t number = 0;

    ks_hmac_init(&keyed, ks_keyring_id_key(b->e.keys), 32);
    ks_chunk_id(entry.id, &keyed, kind, plain);
    KIT_OK(ks_pack_builder_init(&pack, KIT_ERR));
    KIT_OK(ks_pack_add(&pack, &entry, plain.ptr, KIT_ERR));
    KIT_OK(ks_pack_finish(&pack, &b->e.cx, &ref, KIT_ERR));
    ks_object_name(name, KS_DIR_PACKS, ref.id);
    kit_write(b->e.store, name, pack.object, ref.size);
    ks_pack_builder_wipe(&pack);
    KIT_OK(ks_index_add_pack(b->index, NULL, &number, KIT_ERR));
    ks_index_name_pack(b->index, number, &ref);
    KIT_OK(ks_index_add(b->index, number, &entry, KIT_ERR));
    memcpy(id, entry.id, 32);
}

static void
put_record(struct ks_buf *chunk, struct ks_bytes record)
{
    KIT_OK(ks_buf_varint(chunk, record.len, KIT_ERR));
    if (record.len > 0)
        KIT_OK(ks_buf_append(chunk, record.ptr, record.len, KIT_ERR));
}

static void
put_section(struct ks_buf *chunk, enum ks_section kind, const char *name)
{
    struct ks_buf record;

    ks_buf_init(&record, 1000);
    KIT_OK(ks_list_put_section(&record, kind, name, KIT_ERR));
    put_record(chunk, ks_buf_bytes(&record));
    ks_buf_wipe(&record);
}

static void
put_chunk(struct ks_buf *chunk, const uint8_t *id, uint32_t plain)
{
    struct ks_chunk_ref ref = {.plain = plain, .records = plain > 0};
    struct ks_buf record;

    memcpy(ref.id, id, 32);
    ks_buf_init(&record, 1000);
    KIT_OK(ks_list_put_chunk(&record, &ref, KIT_ERR));
    put_record(chunk, ks_buf_bytes(&record));
    ks_buf_wipe(&record);
}

/* What a walk tells, as text: "L1 L0 S:name c0 c1 B c2", the numbers being
 * the plain lengths of chunks. */
struct told {
    char text[4000];
    const char *stop_at; /* answer 7 once the text ends so */
};

static int
tell(struct told *t, const char *format, ...)
{
    size_t len = strlen(t->text);
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(t->text + len, sizeof(t->text) - len, format, ap);
    va_end(ap);
    len = t->stop_at == NULL ? 0 : strlen(t->stop_at);
    return len > 0 && strlen(t->text) >= len &&
                   strcmp(t->text + strlen(t->text) - len, t->stop_at) == 0
               ? 7
               : 0;
}

static int
tell_list_chunk(void *user, unsigned level, const struct ks_chunk_ref *ref)
{
    (void)ref;
    return tell(user, "L%u ", level);
}

static int
tell_section(void *user, enum ks_section kind, struct ks_bytes name)
{
    if (kind == KS_SECTION_BLOBS)
        return tell(user, "B ");
    return tell(user, "S:%.*s ", (int)name.len, (const char *)name.ptr);
}

static int
tell_chunk(void *user, const struct ks_chunk_ref *ref)
{
    return tell(user, "c%u ", ref->plain);
}

static int
walk(struct bench *b, const uint8_t *root, unsigned level, struct told *t,
     struct ks_err *err)
{
    struct ks_list_visitor v = {.list_chunk = tell_list_chunk,
                                .section = tell_section,
                                .chunk = tell_chunk,
                                .user = t};

    *err = KS_ERR_INIT;
    t->text[0] = '\0';
    return ks_list_walk(b->chunks, root, level, &v, err);
}

/* What walking one chunk of level 0 answers. */
static int
walk_one(struct bench *b, struct ks_bytes plain)
{
    struct told t = {.stop_at = NULL};
    struct ks_err err;
    uint8_t id[32];
    int rc;

    keep_chunk(b, KS_CHUNK_LIST, plain, id);
    rc = walk(b, id, 0, &t, &err);
    assert_true(rc == KS_OK || err.msg[0] != '\0');
    return rc;
}

/* A list chunk of that one record. */
static int
walk_record(struct bench *b, struct ks_bytes record)
{
    struct ks_buf chunk;
    int rc;

    ks_buf_init(&chunk, KS_CHUNK_MAX);
    put_record(&chunk, record);
    rc = walk_one(b, ks_buf_bytes(&chunk));
    ks_buf_wipe(&chunk);
    return rc;
}

static void
check_section(struct vectors *v, struct ks_bytes want)
{
    const char *name = vectors_text(v, "name");
    struct ks_buf have;

    ks_buf_init(&have, 1000);
    KIT_OK(ks_list_put_section(&have,
                               (enum ks_section)vectors_number(v, "kind"),
                               strcmp(name, "-") == 0 ? "" : name, KIT_ERR));
    assert_int_equal(have.len, want.len);
    assert_memory_equal(have.data, want.ptr, want.len);
    ks_buf_wipe(&have);
}

static void
check_chunk(struct vectors *v, struct ks_bytes want)
{
    struct ks_chunk_ref ref = {.plain = (uint32_t)vectors_number(v, "plain")};
    const char *times = vectors_text(v, "times");
    struct ks_buf have;
    char *end = NULL;

    vectors_bytes(v, "id", ref.id, 32);
    ref.records = (uint32_t)vectors_number(v, "records");
    ref.first_hash = (uint32_t)vectors_number(v, "first_hash");
    ref.has_times = strcmp(times, "-") != 0;
    if (ref.has_times) {
        ref.first_ms = strtoll(times, &end, 10);
        ref.last_ms = strtoll(end, NULL, 10);
    }
    ks_buf_init(&have, 1000);
    KIT_OK(ks_list_put_chunk(&have, &ref, KIT_ERR));
    assert_int_equal(have.len, want.len);
    assert_memory_equal(have.data, want.ptr, want.len);
    ks_buf_wipe(&have);
}

static void
check_blob(struct vectors *v, struct ks_bytes record)
{
    struct ks_blob_entry e;
    const uint8_t *chunk;
    const uint8_t *fingerprint;
    uint8_t id[32];
    size_t n = 0;

    assert_true(ks_blob_entry_decode(record, &e));
    vectors_bytes(v, "id", id, 32);
    assert_memory_equal(e.id, id, 32);
    assert_int_equal(e.length, vectors_number(v, "length"));
    assert_int_equal(e.pieces, vectors_number(v, "pieces"));
    while (ks_blob_entry_piece(&e, &chunk, &fingerprint)) {
        const uint8_t *at = record.ptr + record.len - (e.pieces - n) * 48;

        if (e.pieces == 1)
            assert_ptr_equal(chunk, e.id);
        else
            assert_ptr_equal(chunk, at);
        assert_ptr_equal(fingerprint, e.pieces == 1
                                          ? record.ptr + record.len - 16
                                          : at + 32);
        n++;
    }
    assert_int_equal(n, e.pieces);
    for (size_t len = 0; len < record.len; len++)
        assert_false(
            ks_blob_entry_decode((struct ks_bytes){record.ptr, len}, &e));
}

static void
records_are_as_the_vectors_say(void **state)
{
    struct vectors *v = vectors_open("list.txt");
    struct bench *b = *state;
    size_t blobs = 0;

    while (vectors_next(v)) {
        static uint8_t bytes[1000];
        struct ks_bytes record = {bytes, 0};
        const char *what = vectors_text(v, "what");

        record.len = vectors_hex(v, "record", bytes, sizeof(bytes));
        if (strcmp(what, "section") == 0)
            check_section(v, record);
        else if (strcmp(what, "chunk") == 0)
            check_chunk(v, record);
        else
            check_blob(v, record);
        blobs += strcmp(what, "blob") == 0;
        if (strcmp(what, "blob") == 0)
            continue;
        assert_int_equal(walk_record(b, record), KS_OK);
        /* Any number of its bytes fewer: malformed, but for shorter names. */
        for (size_t len = 0; len < record.len; len++) {
            int rc = walk_record(b, (struct ks_bytes){bytes, len});

            assert_int_equal(rc, strcmp(what, "section") == 0 && len >= 2
                                     ? KS_OK
                                     : KS_E_CORRUPT);
        }
    }
    assert_int_equal(blobs, 5);
    assert_int_equal(vectors_close(v), 15);
}

/* Every byte of a list changed: an answer that is KS_OK or damage. */
static void
a_changed_list_does_no_harm(void **state)
{
    struct bench *b = *state;
    struct ks_buf chunk;
    uint8_t id[32] = {1};

    ks_buf_init(&chunk, 10000);
    put_section(&chunk, KS_SECTION_STREAM, "abc");
    put_chunk(&chunk, id, 300);
    put_section(&chunk, KS_SECTION_BLOBS, "");
    for (size_t at = 0; at < chunk.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            int rc;

            chunk.data[at] ^= (uint8_t)(1 << bit);
            rc = walk_one(b, ks_buf_bytes(&chunk));
            assert_true(rc == KS_OK || rc == KS_E_CORRUPT);
            chunk.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    ks_buf_wipe(&chunk);
}

/* One chunk reference from its parts. */
static int
walk_reference(struct bench *b, uint64_t plain, uint64_t records,
               const uint8_t *times, size_t times_len)
{
    struct ks_buf r;
    int rc;

    ks_buf_init(&r, 200);
    KIT_OK(ks_buf_u8(&r, 2, KIT_ERR));
    KIT_OK(ks_buf_zeros(&r, 32, KIT_ERR));
    KIT_OK(ks_buf_varint(&r, plain, KIT_ERR));
    KIT_OK(ks_buf_varint(&r, records, KIT_ERR));
    KIT_OK(ks_buf_zeros(&r, 4, KIT_ERR));
    KIT_OK(ks_buf_append(&r, times, times_len, KIT_ERR));
    rc = walk_record(b, ks_buf_bytes(&r));
    ks_buf_wipe(&r);
    return rc;
}

static void
references_out_of_bounds_are_refused(void **state)
{
    static const uint8_t none[] = {0};
    static const uint8_t two[] = {2};
    static const uint8_t more[] = {0, 0};
    /* The last moment there is, and one beyond. */
    static const uint8_t last[] = {1,    0xfe, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0x7f, 1};
    static const uint8_t beyond[] = {1,    0xfe, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0x7f, 2};
    struct bench *b = *state;

    assert_int_equal(walk_reference(b, 0, 0, none, 1), KS_OK);
    assert_int_equal(walk_reference(b, KS_CHUNK_MAX, 1, none, 1), KS_OK);
    assert_int_equal(walk_reference(b, KS_CHUNK_MAX + 1, 1, none, 1),
                     KS_E_CORRUPT);
    assert_int_equal(walk_reference(b, UINT64_MAX, 1, none, 1), KS_E_CORRUPT);
    assert_int_equal(walk_reference(b, 100, 100, none, 1), KS_OK);
    assert_int_equal(walk_reference(b, 100, 101, none, 1), KS_E_CORRUPT);
    assert_int_equal(walk_reference(b, 100, UINT64_MAX, none, 1), KS_E_CORRUPT);
    assert_int_equal(walk_reference(b, 1, 1, two, 1), KS_E_CORRUPT);
    assert_int_equal(walk_reference(b, 1, 1, more, 2), KS_E_CORRUPT);
    assert_int_equal(walk_reference(b, 1, 1, last, sizeof(last)), KS_OK);
    assert_int_equal(walk_reference(b, 1, 1, beyond, sizeof(beyond)),
                     KS_E_CORRUPT);
}

static void
sections_out_of_bounds_are_refused(void **state)
{
    struct bench *b = *state;
    uint8_t record[2 + KS_STREAM_NAME_MAX + 1];

    memset(record, 'n', sizeof(record));
    record[0] = 1;
    record[1] = 0;
    assert_int_equal(
        walk_record(b, (struct ks_bytes){record, 2 + KS_STREAM_NAME_MAX}),
        KS_OK);
    assert_int_equal(walk_record(b, (struct ks_bytes){record, sizeof(record)}),
                     KS_E_CORRUPT);
    record[1] = 2;
    assert_int_equal(walk_record(b, (struct ks_bytes){record, 5}),
                     KS_E_CORRUPT);
    record[1] = 0;
    record[3] = 0; /* a name that would end early */
    assert_int_equal(walk_record(b, (struct ks_bytes){record, 5}),
                     KS_E_CORRUPT);
    record[0] = 3;
    assert_int_equal(walk_record(b, (struct ks_bytes){record, 5}),
                     KS_E_CORRUPT);
    record[0] = 0;
    assert_int_equal(walk_record(b, (struct ks_bytes){record, 5}),
                     KS_E_CORRUPT);
}

static void
chunks_of_records_end_where_a_record_ends(void **unused)
{
    static uint8_t chunk[KS_RECORD_MAX + 10];
    struct ks_bytes record;
    struct ks_cursor c;
    size_t n = ks_varint_put(chunk, KS_RECORD_MAX);

    (void)unused;
    c = ks_cursor_over(chunk, 0);
    {
        struct ks_err err = KS_ERR_INIT;
        assert_int_equal(ks_records_next(&c, &record, &err), KS_END);
    }
    c = ks_cursor_over(chunk, n + KS_RECORD_MAX);
    KIT_OK(ks_records_next(&c, &record, KIT_ERR));
    assert_int_equal(record.len, KS_RECORD_MAX);
    assert_int_equal(c.left, 0);
    c = ks_cursor_over(chunk, n + KS_RECORD_MAX - 1);
    KIT_FAILS(KS_E_CORRUPT, ks_records_next(&c, &record, KIT_ERR));
    n = ks_varint_put(chunk, KS_RECORD_MAX + 1);
    c = ks_cursor_over(chunk, n + KS_RECORD_MAX + 1);
    KIT_FAILS(KS_E_CORRUPT, ks_records_next(&c, &record, KIT_ERR));
    memset(chunk, 0xff, 11);
    for (size_t len = 1; len <= 11; len++) {
        c = ks_cursor_over(chunk, len);
        KIT_FAILS(KS_E_CORRUPT, ks_records_next(&c, &record, KIT_ERR));
    }
}

static bool
blob_decodes(uint64_t length, size_t rest)
{
    struct ks_blob_entry e;
    struct ks_buf r;
    bool ok;

    ks_buf_init(&r, KS_CHUNK_MAX);
    KIT_OK(ks_buf_zeros(&r, 32, KIT_ERR));
    KIT_OK(ks_buf_varint(&r, length, KIT_ERR));
    KIT_OK(ks_buf_zeros(&r, rest, KIT_ERR));
    ok = ks_blob_entry_decode(ks_buf_bytes(&r), &e);
    ks_buf_wipe(&r);
    return ok;
}

static void
blobs_have_as_many_pieces_as_their_length_asks_for(void **unused)
{
    (void)unused;
    assert_int_equal(ks_blob_pieces(0), 1);
    assert_int_equal(ks_blob_pieces(1), 1);
    assert_int_equal(ks_blob_pieces(KS_PIECE_SIZE), 1);
    assert_int_equal(ks_blob_pieces(KS_PIECE_SIZE + 1), 2);
    assert_int_equal(ks_blob_pieces(KS_BLOB_MAX), KS_BLOB_PIECES_MAX);
    assert_true(blob_decodes(0, 16));
    assert_false(blob_decodes(0, 0));
    assert_false(blob_decodes(0, 15));
    assert_false(blob_decodes(0, 17));
    assert_false(blob_decodes(0, 48));
    assert_true(blob_decodes(KS_PIECE_SIZE, 16));
    assert_true(blob_decodes(KS_PIECE_SIZE + 1, 96));
    assert_false(blob_decodes(KS_PIECE_SIZE + 1, 48));
    assert_false(blob_decodes(KS_PIECE_SIZE + 1, 144));
    assert_true(blob_decodes(KS_BLOB_MAX, 48 * KS_BLOB_PIECES_MAX));
    assert_false(blob_decodes(KS_BLOB_MAX + 1, 48 * (KS_BLOB_PIECES_MAX + 1)));
    assert_false(blob_decodes(UINT64_MAX, 48));
}

/* Two levels: a root that names two list chunks. */
static void
a_walk_goes_depth_first_and_stops_where_it_is_told(void **state)
{
    static const char *const all = "L1 L0 S:a c1 c2 L0 c3 S:b c4 B c5 ";
    static const char *const stops[] = {"L1 ",    "L1 L0 ", "S:a ", "c2 ",
                                        "c2 L0 ", "S:b ",   "B ",   "c5 "};
    struct bench *b = *state;
    struct ks_list_visitor nobody = {.user = NULL};
    struct told t = {.stop_at = NULL};
    struct ks_err err;
    struct ks_buf chunk;
    uint8_t first[32];
    uint8_t second[32];
    uint8_t root[32];
    uint8_t id[32] = {9};

    ks_buf_init(&chunk, 10000);
    put_section(&chunk, KS_SECTION_STREAM, "a");
    put_chunk(&chunk, id, 1);
    put_chunk(&chunk, id, 2);
    keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), first);
    ks_buf_reset(&chunk);
    put_chunk(&chunk, id, 3);
    put_section(&chunk, KS_SECTION_STREAM, "b");
    put_chunk(&chunk, id, 4);
    put_section(&chunk, KS_SECTION_BLOBS, "");
    put_chunk(&chunk, id, 5);
    keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), second);
    ks_buf_reset(&chunk);
    put_chunk(&chunk, first, 0);
    put_chunk(&chunk, second, 0);
    keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), root);
    ks_buf_wipe(&chunk);

    assert_int_equal(walk(b, root, 1, &t, &err), KS_OK);
    assert_string_equal(t.text, all);
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        t.stop_at = stops[i];
        assert_int_equal(walk(b, root, 1, &t, &err), 7);
        assert_memory_equal(t.text, all, strlen(t.text));
    }
    KIT_OK(ks_list_walk(b->chunks, root, 1, &nobody, KIT_ERR));
}

static void
a_walk_into_what_is_no_list_is_damage(void **state)
{
    struct bench *b = *state;
    struct told t = {.stop_at = NULL};
    struct ks_buf chunk;
    struct ks_err err;
    uint8_t section[32];
    uint8_t records[32];
    uint8_t root[32];
    uint8_t nowhere[32] = {9};

    ks_buf_init(&chunk, 10000);
    put_section(&chunk, KS_SECTION_STREAM, "a");
    keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), section);
    /* A section where a level of references should be. */
    assert_int_equal(walk(b, section, 1, &t, &err), KS_E_CORRUPT);
    /* A chunk of another kind. */
    keep_chunk(b, KS_CHUNK_RECORDS, ks_buf_bytes(&chunk), records);
    assert_int_equal(walk(b, records, 0, &t, &err), KS_E_CORRUPT);
    /* One that is not there, as root and below it. */
    assert_int_equal(walk(b, nowhere, 0, &t, &err), KS_E_NOTFOUND);
    ks_buf_reset(&chunk);
    put_chunk(&chunk, nowhere, 1);
    keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), root);
    assert_int_equal(walk(b, root, 1, &t, &err), KS_E_NOTFOUND);
    assert_string_equal(t.text, "L1 L0 ");
    /* Levels that no snapshot has. */
    assert_int_equal(walk(b, section, KS_LIST_LEVELS_MAX, &t, &err),
                     KS_E_CORRUPT);
    assert_int_equal(walk(b, section, 255, &t, &err), KS_E_CORRUPT);
    ks_buf_wipe(&chunk);
}

/* As deep as lists go; an empty chunk is a list of nothing. */
static void
eight_levels_are_walked(void **state)
{
    struct bench *b = *state;
    struct told t = {.stop_at = NULL};
    struct ks_buf chunk;
    struct ks_err err;
    uint8_t id[32];

    ks_buf_init(&chunk, 10000);
    keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), id);
    assert_int_equal(walk(b, id, 0, &t, &err), KS_OK);
    for (unsigned level = 1; level < KS_LIST_LEVELS_MAX; level++) {
        ks_buf_reset(&chunk);
        put_chunk(&chunk, id, 0);
        keep_chunk(b, KS_CHUNK_LIST, ks_buf_bytes(&chunk), id);
    }
    assert_int_equal(walk(b, id, KS_LIST_LEVELS_MAX - 1, &t, &err), KS_OK);
    assert_string_equal(t.text, "L7 L6 L5 L4 L3 L2 L1 L0 ");
    ks_buf_wipe(&chunk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define ON_A_BENCH(test)                                                       \
    cmocka_unit_test_setup_teardown(test, bench_up, bench_down)
        ON_A_BENCH(records_are_as_the_vectors_say),
        ON_A_BENCH(a_changed_list_does_no_harm),
        ON_A_BENCH(references_out_of_bounds_are_refused),
        ON_A_BENCH(sections_out_of_bounds_are_refused),
        cmocka_unit_test(chunks_of_records_end_where_a_record_ends),
        cmocka_unit_test(blobs_have_as_many_pieces_as_their_length_asks_for),
        ON_A_BENCH(a_walk_goes_depth_first_and_stops_where_it_is_told),
        ON_A_BENCH(a_walk_into_what_is_no_list_is_damage),
        ON_A_BENCH(eight_levels_are_walked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
