/*
 * What only somebody who writes to the store, or a program with a fault that
 * holds the keys, can put into a vault: it is refused, never believed and
 * never read beyond its end.
 */
#include <string.h>

#include "base/reader.h"
#include "base/text.h"
#include "check.h"
#include "crypto/seal.h"
#include "store/store.h"
#include "story.h"
#include "vault/chunk.h"
#include "vault/chunk_reader.h"
#include "vault/keyring.h"
#include "vault/list.h"
#include "vault/parent.h"
#include "vault/reading.h"
#include "vault/snapshot_reader.h"
#include "vault/snapshots.h"
#include "vault/vault.h"
#include "vault/verify.h"
#include "vault_fixture.h"
#include "workdir.h"

static struct workdir here;

static int
enter_folder(void **unused)
{
    (void)unused;
    workdir_make(&here);
    return 0;
}

static int
leave_folder(void **unused)
{
    (void)unused;
    workdir_remove(&here);
    return 0;
}

/* A pack of these chunks, stored as they are and claimed by nobody; their ids
 * into ids[0..count). */
static void
put_chunks(struct vault_fixture *f, const enum ks_chunk_kind *kinds,
           const struct ks_bytes *plain, size_t count, uint8_t (*ids)[32])
{
    const struct ks_object_context *cx = ks_vault_context(f->vault);
    struct ks_err err = KS_ERR_INIT;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_pack_builder b;
    struct ks_pack_ref ref;
    struct ks_hmac keyed;

    ks_hmac_init(&keyed, ks_keyring_id_key(cx->keys), 32);
    assert_int_equal(ks_pack_builder_init(&b, &err), KS_OK);
    for (size_t i = 0; i < count; i++) {
        struct ks_entry e = {.kind = (uint8_t)kinds[i],
                             .form = KS_FORM_RAW,
                             .stored = (uint32_t)plain[i].len,
                             .plain = (uint32_t)plain[i].len};

        ks_chunk_id(ids[i], &keyed, kinds[i], plain[i]);
        memcpy(e.id, ids[i], 32);
        assert_int_equal(ks_pack_add(&b, &e, plain[i].ptr, &err), KS_OK);
    }
    assert_int_equal(ks_pack_finish(&b, cx, &ref, &err), KS_OK);
    ks_object_name(name, KS_DIR_PACKS, ref.id);
    assert_int_equal(ks_store_put(f->store, name, b.object, ref.size, &err),
                     KS_OK);
    ks_pack_builder_wipe(&b);
}

/* Anybody can name a few bytes as an object of those bytes must be named. */
static void
a_scrap_with_the_right_name_is_damage(void **unused)
{
    static const uint8_t scrap[10] = {'K', 'E', 'E', 'P', 'S', 'A', 'Y'};

    (void)unused;
    for (size_t len = 1; len <= sizeof(scrap); len++) {
        struct ks_verify_options options = {.data_percent = 100};
        struct ks_verify_result result = {0};
        struct ks_err err = KS_ERR_INIT;
        char name[KS_OBJECT_NAME_SIZE];
        struct ks_namer *namer = NULL;
        struct vault_fixture f;
        uint8_t id[16];

        fixture_create(&f, NULL, workdir_path(&here, "state"));
        assert_int_equal(ks_namer_open(&namer, &err), KS_OK);
        ks_namer_update(namer, scrap, len);
        ks_namer_final(namer, id);
        ks_namer_close(namer);
        ks_object_name(name, KS_DIR_PACKS, id);
        assert_int_equal(ks_store_put(f.store, name, scrap, len, &err), KS_OK);
        assert_int_equal(ks_vault_verify(f.vault, &options, &result, &err),
                         KS_OK);
        assert_true(result.damaged > 0);
        fixture_close(&f);
    }
}

static void
a_pack_of_no_bytes_is_no_reference(void **unused)
{
    uint8_t bytes[KS_PACK_REF_SIZE] = {1, 2, 3};
    struct ks_cursor c = ks_cursor_over(bytes, sizeof(bytes));
    struct ks_pack_ref ref;

    (void)unused;
    assert_false(ks_pack_ref_decode(&c, &ref));
    bytes[24] = 1;
    c = ks_cursor_over(bytes, sizeof(bytes));
    assert_true(ks_pack_ref_decode(&c, &ref));
    assert_int_equal(ref.size, 1);
}

/* Twice the same name with a NUL in it, and more behind it. */
static void
a_section_name_with_a_nul_is_malformed(void **unused)
{
    static const uint8_t list[] = "\x0c\x01\x00"
                                  "ab\0cdefgh."
                                  "\x0c\x01\x00"
                                  "ab\0cdefgh.";
    const enum ks_chunk_kind kinds[] = {KS_CHUNK_LIST};
    const struct ks_bytes plain[] = {{list, sizeof(list) - 1}};
    struct ks_snapshot_info info = {.root_level = 0};
    struct ks_err err = KS_ERR_INIT;
    struct ks_chunk_reader *chunks = NULL;
    struct ks_parent *parent = NULL;
    struct ks_index *index = NULL;
    struct vault_fixture f;
    uint8_t ids[1][32];

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    put_chunks(&f, kinds, plain, 1, ids);
    memcpy(info.root, ids[0], 32);
    assert_int_equal(ks_snapshots_index(&index, f.vault, NULL, &err), KS_OK);
    assert_int_equal(
        ks_chunk_reader_open(&chunks, ks_vault_context(f.vault), index, &err),
        KS_OK);
    assert_int_equal(ks_parent_open(&parent, &err), KS_OK);
    assert_int_equal(ks_parent_load(parent, chunks, &info, &err), KS_E_CORRUPT);
    ks_parent_close(parent);
    ks_chunk_reader_close(chunks);
    ks_index_close(index);
    fixture_close(&f);
}

/* One snapshot with `blobs` blobs, opened. */
static struct ks_snapshot_reader *
open_story(struct vault_fixture *f, struct ks_snapshot_info *info, size_t blobs)
{
    struct ks_snapshot_reader *r = NULL;
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_writer *w;
    struct story s;

    story_begin(&s, 99, 20, blobs);
    w = fixture_begin(f);
    story_tell(&s, w);
    fixture_commit(w, info);
    story_end(&s);
    assert_int_equal(ks_snapshot_reader_open(&r, f->vault, info, &err), KS_OK);
    return r;
}

/* It says a length that takes two pieces, and names two of ten bytes. */
static void
pieces_that_are_too_short_end_a_blob(void **unused)
{
    static const uint8_t piece[10] = "0123456789";
    enum ks_chunk_kind kind = KS_CHUNK_BLOB;
    struct ks_bytes plain = {piece, sizeof(piece)};
    uint8_t pieces[8 + 64] = {0};
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_reader *r;
    struct ks_snapshot_info info;
    struct ks_reader *blob = NULL;
    struct vault_fixture f;
    uint8_t buf[64];
    uint8_t ids[1][32];
    uint64_t size = 0;
    size_t got = 0;
    size_t total = 0;
    int rc;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    put_chunks(&f, &kind, &plain, 1, ids);
    ks_put_u64le(pieces, KS_PIECE_SIZE + 5);
    memcpy(pieces + 8, ids[0], 32);
    memcpy(pieces + 40, ids[0], 32);
    kind = KS_CHUNK_PIECES;
    plain = (struct ks_bytes){pieces, sizeof(pieces)};
    put_chunks(&f, &kind, &plain, 1, ids);
    r = open_story(&f, &info, 0);
    assert_int_equal(ks_blob_open(&blob, r, ids[0], &size, &err), KS_OK);
    assert_int_equal(size, KS_PIECE_SIZE + 5);
    while ((rc = ks_reader_read(blob, buf, sizeof(buf), &got, &err)) == KS_OK)
        total += got;
    assert_int_equal(rc, KS_E_CORRUPT);
    assert_int_equal(total, 2 * sizeof(piece));
    ks_reader_close(blob);
    ks_snapshot_reader_close(r);
    ks_snapshot_info_wipe(&info);
    fixture_close(&f);
}

static int
answer_one(void *user, const uint8_t *id, uint64_t size)
{
    (void)id;
    (void)size;
    ++*(int *)user;
    return 1;
}

/* A list that names a chunk of the list as one of a stream, and one of records
 * as one of the blobs: whole, but not what belongs there. */
static void
a_chunk_of_another_kind_is_not_taken(void **unused)
{
    static const uint8_t row[] = "\x03"
                                 "abc";
    enum ks_chunk_kind kinds[] = {KS_CHUNK_LIST, KS_CHUNK_RECORDS};
    struct ks_bytes plain[] = {{row, 4}, {row, 4}};
    struct ks_chunk_ref ref = {.plain = 4, .records = 1};
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_reader *r = NULL;
    struct ks_snapshot_info info;
    struct ks_stream *stream = NULL;
    struct vault_fixture f;
    struct ks_bytes record;
    struct ks_buf list;
    struct ks_buf rows;
    uint8_t ids[2][32];
    int shown = 0;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    fixture_commit(fixture_begin(&f), &info);
    put_chunks(&f, kinds, plain, 2, ids);
    ks_buf_init(&rows, 1000);
    for (size_t i = 0; i < 2; i++) {
        ks_buf_init(&list, 1000);
        assert_int_equal(ks_list_put_section(&list, (enum ks_section)i,
                                             i == 0 ? "s" : "", &err),
                         KS_OK);
        assert_int_equal(ks_buf_varint(&rows, list.len, &err), KS_OK);
        assert_int_equal(ks_buf_append(&rows, list.data, list.len, &err),
                         KS_OK);
        ks_buf_reset(&list);
        memcpy(ref.id, ids[i], 32);
        assert_int_equal(ks_list_put_chunk(&list, &ref, &err), KS_OK);
        assert_int_equal(ks_buf_varint(&rows, list.len, &err), KS_OK);
        assert_int_equal(ks_buf_append(&rows, list.data, list.len, &err),
                         KS_OK);
        ks_buf_wipe(&list);
    }
    kinds[0] = KS_CHUNK_LIST;
    plain[0] = ks_buf_bytes(&rows);
    put_chunks(&f, kinds, plain, 1, ids);
    memcpy(info.root, ids[0], 32);
    info.root_level = 0;
    assert_int_equal(ks_snapshot_reader_open(&r, f.vault, &info, &err), KS_OK);
    assert_int_equal(ks_stream_open(&stream, r, "s", &err), KS_OK);
    assert_int_equal(ks_stream_next(stream, &record, &err), KS_E_CORRUPT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_stream_next(stream, &record, &err), KS_END);
    assert_int_equal(ks_snapshot_blobs(r, answer_one, &shown, &err),
                     KS_E_CORRUPT);
    assert_int_equal(shown, 0);
    ks_stream_close(stream);
    ks_snapshot_reader_close(r);
    ks_buf_wipe(&rows);
    ks_snapshot_info_wipe(&info);
    fixture_close(&f);
}

static void
whoever_is_shown_blobs_can_end_the_walk(void **unused)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_reader *r;
    struct ks_snapshot_info info;
    struct vault_fixture f;
    int shown = 0;

    (void)unused;
    fixture_create(&f, NULL, workdir_path(&here, "state"));
    r = open_story(&f, &info, 4);
    assert_int_equal(ks_snapshot_blobs(r, answer_one, &shown, &err), 1);
    assert_int_equal(shown, 1);
    ks_snapshot_reader_close(r);
    ks_snapshot_info_wipe(&info);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(name)                                                      \
    cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
        IN_A_FOLDER(a_scrap_with_the_right_name_is_damage),
        IN_A_FOLDER(a_pack_of_no_bytes_is_no_reference),
        IN_A_FOLDER(a_section_name_with_a_nul_is_malformed),
        IN_A_FOLDER(pieces_that_are_too_short_end_a_blob),
        IN_A_FOLDER(a_chunk_of_another_kind_is_not_taken),
        IN_A_FOLDER(whoever_is_shown_blobs_can_end_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
