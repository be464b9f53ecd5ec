/*
 * vault/blobs: any length comes out as it went in; the same bytes are stored,
 * named and counted once; what fails leaves nothing that counts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "chance.h"
#include "check.h"
#include "crypto/cipher.h"
#include "flowkit.h"
#include "vault/chunk.h"
#include "vault/keyring.h"

#define LARGEST ((size_t)3 * 1048576 + 5)

static uint8_t bytes[LARGEST];

/* A reader of bytes[0..len) in steps, and then an answer. */
struct source {
    struct ks_reader base;
    size_t at;
    size_t len;
    size_t step;
    int answer; /* KS_END, or how it fails */
};

static int
source_read(struct ks_reader *base, void *buf, size_t cap, size_t *got,
            struct ks_err *err)
{
    struct source *s = (struct source *)base;
    size_t n = s->len - s->at;

    *got = 0;
    if (n == 0 && s->answer == KS_END)
        return KS_END;
    if (n == 0)
        return ks_fail(err, s->answer, 0, "it breaks off");
    n = n < s->step ? n : s->step;
    n = n < cap ? n : cap;
    memcpy(buf, bytes + s->at, n);
    s->at += n;
    *got = n;
    return KS_OK;
}

static const struct ks_reader_ops source_ops = {.read = source_read};

static int
add(struct flow *f, size_t len, int answer, uint8_t *id, struct ks_err *err)
{
    struct source s = {
        .base = {&source_ops}, .len = len, .step = 300001, .answer = answer};

    *err = KS_ERR_INIT;
    return ks_blobs_add(f->blobs, &s.base, id, err);
}

static void
fill(uint64_t seed)
{
    struct chance c = {seed};

    for (size_t i = 0; i + 8 <= LARGEST; i += 8)
        ks_put_u64le(bytes + i, chance_next(&c));
}

/* The id that doc/format.md asks for. */
static void
expect_id(struct flow *f, size_t len, const uint8_t *id)
{
    static uint8_t pieces[8 + 4 * 32];
    struct ks_hmac keyed;
    uint8_t want[32];
    size_t n = 0;

    ks_hmac_init(&keyed, ks_keyring_id_key(f->e.keys), 32);
    for (size_t at = 0; at < len || n == 0; at += KS_PIECE_SIZE, n++) {
        size_t left = len - at;

        ks_chunk_id(pieces + 8 + 32 * n, &keyed, KS_CHUNK_BLOB,
                    (struct ks_bytes){bytes + at, left < KS_PIECE_SIZE
                                                      ? left
                                                      : KS_PIECE_SIZE});
    }
    ks_put_u64le(pieces, len);
    memcpy(want, pieces + 8, 32);
    if (n > 1)
        ks_chunk_id(want, &keyed, KS_CHUNK_PIECES,
                    (struct ks_bytes){pieces, 8 + 32 * n});
    assert_memory_equal(id, want, 32);
}

/* Its chunks hold it. */
static void
expect_stored(struct flow *f, size_t len, const uint8_t *id)
{
    struct ks_chunk chunk = flow_chunk(f, id);
    uint8_t pieces[8 + 4 * 32];

    if (len <= KS_PIECE_SIZE) {
        assert_int_equal(chunk.entry.kind, KS_CHUNK_BLOB);
        assert_int_equal(chunk.plain.len, len);
        assert_memory_equal(chunk.plain.ptr, bytes, len);
        return;
    }
    assert_int_equal(chunk.entry.kind, KS_CHUNK_PIECES);
    assert_int_equal(chunk.plain.len, 8 + 32 * ks_blob_pieces(len));
    memcpy(pieces, chunk.plain.ptr, chunk.plain.len);
    assert_int_equal(ks_get_u64le(pieces), len);
    for (size_t i = 0; i < ks_blob_pieces(len); i++) {
        size_t at = i * KS_PIECE_SIZE;

        chunk = flow_chunk(f, pieces + 8 + 32 * i);
        assert_int_equal(chunk.plain.len,
                         len - at < KS_PIECE_SIZE ? len - at : KS_PIECE_SIZE);
        assert_memory_equal(chunk.plain.ptr, bytes + at, chunk.plain.len);
    }
}

static void
blobs_of_every_length_are_kept(void **unused)
{
    static const size_t sizes[] = {0,       1,       12287,   24576,
                                   1048575, 1048576, 1048577, 2097151,
                                   2097152, 2097153, LARGEST};
    struct ks_err err;
    struct flow f;

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t id[32];

        flow_open(&f, NULL, 0);
        flow_begin(&f);
        fill(i + 1);
        assert_int_equal(add(&f, sizes[i], KS_END, id, &err), KS_OK);
        assert_int_equal(ks_blobs_count(f.blobs), 1);
        assert_int_equal(ks_blobs_new(f.blobs), 1);
        expect_id(&f, sizes[i], id);
        flow_end(&f);
        expect_stored(&f, sizes[i], id);
        flow_close(&f);
    }
}

/* Every entry of the blobs section. */
static size_t
read_entries(struct flow *f, struct ks_blob_entry *out, size_t max)
{
    static struct ks_chunk_ref refs[100];
    static uint8_t plain[KS_CHUNK_MAX];
    size_t n = flow_refs(f, NULL, refs, 100);
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        struct ks_chunk chunk = flow_chunk(f, refs[i].id);
        struct ks_err err = KS_ERR_INIT;
        struct ks_cursor c;
        struct ks_bytes record;

        assert_int_equal(chunk.entry.kind, KS_CHUNK_LIST);
        memcpy(plain, chunk.plain.ptr, chunk.plain.len);
        c = ks_cursor_over(plain, chunk.plain.len);
        while (ks_records_next(&c, &record, &err) == KS_OK) {
            assert_true(count < max);
            assert_true(ks_blob_entry_decode(record, &out[count++]));
        }
    }
    return count;
}

static void
the_same_bytes_are_stored_and_counted_once(void **unused)
{
    static const size_t sizes[] = {700, 1048576, LARGEST};
    struct ks_blob_entry entries[10];
    struct ks_err err;
    struct flow f;

    (void)unused;
    fill(5);
    flow_open(&f, NULL, 0);
    for (int night = 0; night < 2; night++) {
        size_t packs = kit_count(f.e.store, KS_DIR_PACKS);

        flow_begin(&f);
        for (int again = 0; again < 3; again++) {
            for (size_t i = 0; i < 3; i++) {
                uint8_t id[32];

                assert_int_equal(add(&f, sizes[i], KS_END, id, &err), KS_OK);
                expect_id(&f, sizes[i], id);
            }
        }
        assert_int_equal(ks_blobs_count(f.blobs), 3);
        assert_int_equal(ks_blobs_new(f.blobs), night == 0 ? 3 : 0);
        flow_end(&f);
        assert_int_equal(read_entries(&f, entries, 10), 3);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(entries[i].length, sizes[i]);
        if (night == 1)
            assert_int_equal(kit_count(f.e.store, KS_DIR_PACKS), packs);
    }
    flow_close(&f);
}

/* What the parent says of a piece is a hint: if the vault has not got it any
 * more, it is stored again. */
static void
a_piece_that_is_gone_is_stored_again(void **unused)
{
    struct ks_err err;
    struct flow f;
    uint8_t id[32];

    (void)unused;
    fill(6);
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    assert_int_equal(add(&f, LARGEST, KS_END, id, &err), KS_OK);
    flow_end(&f);
    while (kit_count(f.e.store, KS_DIR_PACKS) > 0) {
        char name[KS_NAME_MAX + 1];

        kit_name(f.e.store, KS_DIR_PACKS, 0, name);
        kit_remove(f.e.store, name);
    }
    ks_chunk_reader_close(f.chunks);
    ks_index_close(f.index);
    KIT_OK(ks_index_open(&f.index, &f.e.cx, NULL, KIT_ERR));
    KIT_OK(ks_chunk_reader_open(&f.chunks, &f.e.cx, f.index, KIT_ERR));
    f.has_list = false;
    flow_begin(&f);
    for (size_t i = 0; i < 4; i++) {
        struct ks_fingerprinter *fp = NULL;
        uint8_t fingerprint[KS_FINGERPRINT_SIZE];
        size_t at = i * KS_PIECE_SIZE;
        size_t len =
            LARGEST - at < KS_PIECE_SIZE ? LARGEST - at : KS_PIECE_SIZE;

        KIT_OK(ks_fingerprinter_open(&fp, ks_keyring_fingerprint_key(f.e.keys),
                                     KIT_ERR));
        ks_fingerprint(fp, fingerprint, bytes + at, len);
        ks_fingerprinter_close(fp);
        KIT_OK(ks_parent_learn(f.parent, fingerprint, id, KIT_ERR));
    }
    assert_int_equal(add(&f, LARGEST, KS_END, id, &err), KS_OK);
    assert_int_equal(ks_blobs_new(f.blobs), 1);
    expect_id(&f, LARGEST, id);
    flow_end(&f);
    expect_stored(&f, LARGEST, id);
    flow_close(&f);
}

static void
a_blob_that_breaks_off_is_none(void **unused)
{
    static const size_t sizes[] = {0, 10, 1048576, 1048577, LARGEST};
    static const int answers[] = {KS_E_FORMAT, KS_E_IO, KS_E_NOTFOUND,
                                  KS_E_CANCELLED};
    struct ks_blob_entry entries[10];
    struct ks_err err;
    struct flow f;
    uint8_t id[32];

    (void)unused;
    fill(7);
    for (size_t k = 0; k < 4; k++) {
        flow_open(&f, NULL, 0);
        flow_begin(&f);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            assert_int_equal(add(&f, sizes[i], answers[k], id, &err),
                             answers[k]);
            assert_string_equal(err.msg, "it breaks off");
        }
        assert_int_equal(ks_blobs_count(f.blobs), 0);
        if (answers[k] == KS_E_FORMAT) {
            assert_int_equal(add(&f, LARGEST, KS_END, id, &err), KS_OK);
            flow_end(&f);
            assert_int_equal(read_entries(&f, entries, 10), 1);
            expect_stored(&f, LARGEST, id);
        }
        flow_close(&f);
    }
}

/* More blobs than one chunk of the list holds. */
static void
many_blobs_are_listed_in_order_of_appearance(void **unused)
{
    static struct ks_blob_entry entries[9000];
    struct ks_err err;
    struct flow f;
    uint8_t id[32];

    (void)unused;
    flow_open(&f, NULL, 0);
    flow_begin(&f);
    for (size_t i = 0; i < 8000; i++) {
        ks_put_u64le(bytes, i);
        assert_int_equal(add(&f, 8 + i % 50, KS_END, id, &err), KS_OK);
    }
    flow_end(&f);
    assert_int_equal(read_entries(&f, entries, 9000), 8000);
    for (size_t i = 0; i < 8000; i++)
        assert_int_equal(entries[i].length, 8 + i % 50);
    flow_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_of_every_length_are_kept),
        cmocka_unit_test(the_same_bytes_are_stored_and_counted_once),
        cmocka_unit_test(a_piece_that_is_gone_is_stored_again),
        cmocka_unit_test(a_blob_that_breaks_off_is_none),
        cmocka_unit_test(many_blobs_are_listed_in_order_of_appearance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
