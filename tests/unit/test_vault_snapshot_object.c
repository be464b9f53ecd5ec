/*
 * vault/snapshot_object: a snapshot as the vectors say, and back; what is
 * unknown is passed over; what is malformed is damage and nothing worse.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "enginekit.h"
#include "fault.h"
#include "vault/snapshot_object.h"
#include "vectors.h"

#define CONTENT_MAX ((size_t)4 << 20)

/* What the vectors' snapshot says, beside its ids. */
static struct ks_snapshot_info
known_info(struct ks_report_entry *report, struct ks_head *heads)
{
    struct ks_snapshot_info info = {
        .run = 7,
        .previous_run = 5,
        .generation = 9,
        .time_ms = 1700000000123,
        .source = "signal-v1",
        .account = "+15550000001",
        .label = "Anna\xe2\x80\x99s phone",
        .streams = 3,
        .records = 1000,
        .blobs = 17,
        .source_bytes = (uint64_t)1 << 40,
        .new_records = 12,
        .new_blobs = 2,
        .added_bytes = 65536,
        .skips = {{"media", 4}, {"attachment-size", 1}},
        .skip_count = 2,
        .lost = 1,
        .report_count = 2,
        .report = report,
        .report_kept = 2,
        .filtered = true,
        .root_level = 2,
        .heads = heads,
        .head_count = 2};

    return info;
}

/* The vectors' snapshot, built from its parts. */
struct known {
    struct ks_snapshot_info info;
    struct ks_report_entry report[2];
    struct ks_head heads[2];
    struct ks_pack_ref pack;
    struct ks_entry entries[2];
    struct ks_buf content;
};

static void
read_known(struct known *k)
{
    struct vectors *v = vectors_open("snapshot.txt");
    static uint8_t bytes[10000];

    memset(k, 0, sizeof(*k));
    assert_true(vectors_next(v));
    k->report[0] =
        (struct ks_report_entry){"frame", "no MAC", 77, 88, true, false, {0}};
    k->report[1] = (struct ks_report_entry){.what = "tail",
                                            .why = "extra",
                                            .offset = (uint64_t)1 << 33,
                                            .has_raw = true};
    vectors_bytes(v, "raw", k->report[1].raw, 32);
    vectors_bytes(v, "writer", k->heads[0].writer, 16);
    vectors_bytes(v, "previous", k->heads[0].snapshot, 16);
    k->heads[0].run = 5;
    vectors_bytes(v, "other", k->heads[1].writer, 16);
    vectors_bytes(v, "third", k->heads[1].snapshot, 16);
    k->heads[1].run = 1;
    k->info = known_info(k->report, k->heads);
    vectors_bytes(v, "writer", k->info.writer, 16);
    vectors_bytes(v, "previous", k->info.previous, 16);
    vectors_bytes(v, "parent", k->info.parent, 16);
    vectors_bytes(v, "root", k->info.root, 32);
    vectors_bytes(v, "pack", k->pack.id, 16);
    vectors_bytes(v, "commitment", k->pack.commitment, 8);
    k->pack.size = 8192;
    k->entries[0] = (struct ks_entry){.kind = KS_CHUNK_RECORDS,
                                      .form = KS_FORM_ZSTD,
                                      .stored = 300,
                                      .plain = 50000};
    k->entries[1] = (struct ks_entry){.kind = KS_CHUNK_LIST,
                                      .form = KS_FORM_DELTA,
                                      .offset = 300,
                                      .stored = 20,
                                      .plain = 900};
    vectors_bytes(v, "chunk_a", k->entries[0].id, 32);
    vectors_bytes(v, "chunk_b", k->entries[1].id, 32);
    vectors_bytes(v, "base", k->entries[1].base, 32);
    ks_buf_init(&k->content, CONTENT_MAX);
    KIT_OK(ks_buf_append(&k->content, bytes,
                         vectors_hex(v, "content", bytes, sizeof(bytes)),
                         KIT_ERR));
    assert_int_equal(vectors_close(v), 1);
}

static void
a_snapshot_is_encoded_as_the_vectors_say(void **unused)
{
    struct ks_snapshot_parts parts;
    struct ks_pack_builder b;
    struct ks_buf extras;
    struct ks_buf packs;
    struct ks_buf have;
    struct known k;

    (void)unused;
    read_known(&k);
    ks_buf_init(&extras, 1000);
    ks_buf_init(&packs, 1000);
    ks_buf_init(&have, CONTENT_MAX);
    KIT_OK(ks_snapshot_put_extra(
        &extras, "header", (struct ks_bytes){(const uint8_t *)"\0\1\2", 3},
        KIT_ERR));
    KIT_OK(ks_snapshot_put_extra(&extras, "none", (struct ks_bytes){NULL, 0},
                                 KIT_ERR));
    KIT_OK(ks_pack_builder_init(&b, KIT_ERR));
    for (size_t i = 0; i < 2; i++) {
        static const uint8_t data[300];
        struct ks_entry e = k.entries[i];

        KIT_OK(ks_pack_add(&b, &e, data, KIT_ERR));
    }
    KIT_OK(ks_snapshot_put_pack(&packs, &k.pack, &b, KIT_ERR));
    parts.extras = ks_buf_bytes(&extras);
    parts.packs = ks_buf_bytes(&packs);
    KIT_OK(ks_snapshot_encode(&have, &k.info, &parts, KIT_ERR));
    assert_int_equal(have.len, k.content.len);
    assert_memory_equal(have.data, k.content.data, have.len);
    ks_pack_builder_wipe(&b);
    ks_buf_wipe(&extras);
    ks_buf_wipe(&packs);
    ks_buf_wipe(&have);
    ks_buf_wipe(&k.content);
}

/* What a decoding told its visitor. */
struct told {
    size_t extras;
    size_t packs;
    size_t entries;
    const struct known *known;
    int stop_extra;
    int stop_pack;
    int stop_entry;
};

static int
tell_extra(void *user, struct ks_bytes name, struct ks_bytes value)
{
    struct told *t = user;

    if (t->known != NULL && t->extras == 0) {
        assert_int_equal(name.len, 6);
        assert_memory_equal(name.ptr, "header", 6);
        assert_int_equal(value.len, 3);
        assert_memory_equal(value.ptr, "\0\1\2", 3);
    }
    t->extras++;
    return t->stop_extra;
}

static int
tell_pack(void *user, const struct ks_pack_ref *ref)
{
    struct told *t = user;

    if (t->known != NULL) {
        assert_memory_equal(ref->id, t->known->pack.id, 16);
        assert_memory_equal(ref->commitment, t->known->pack.commitment, 8);
        assert_int_equal(ref->size, 8192);
    }
    t->packs++;
    return t->stop_pack;
}

static int
tell_entry(void *user, const struct ks_entry *e)
{
    struct told *t = user;

    if (t->known != NULL)
        assert_true(engine_same_entry(e, &t->known->entries[t->entries]));
    t->entries++;
    return t->stop_entry;
}

static int
decode(struct ks_bytes content, struct ks_snapshot_info *info, struct told *t)
{
    struct ks_snapshot_visitor v = {
        .extra = tell_extra, .pack = tell_pack, .entry = tell_entry, .user = t};
    struct ks_err err = KS_ERR_INIT;
    int rc;

    memset(info, 0, sizeof(*info));
    rc = ks_snapshot_decode(info, content, t == NULL ? NULL : &v, &err);
    if (rc < 0) {
        static const struct ks_snapshot_info empty;

        assert_true(err.msg[0] != '\0' && err.code == rc);
        assert_memory_equal(info, &empty, sizeof(empty));
    }
    return rc;
}

static void
what_was_encoded_is_decoded(void **unused)
{
    struct ks_snapshot_info i;
    struct known k;
    struct told t = {.known = &k};

    (void)unused;
    read_known(&k);
    assert_int_equal(decode(ks_buf_bytes(&k.content), &i, &t), KS_OK);
    assert_int_equal(t.extras, 2);
    assert_int_equal(t.packs, 1);
    assert_int_equal(t.entries, 2);
    assert_memory_equal(i.writer, k.info.writer, 16);
    assert_int_equal(i.run, 7);
    assert_int_equal(i.previous_run, 5);
    assert_memory_equal(i.previous, k.info.previous, 16);
    assert_int_equal(i.generation, 9);
    assert_memory_equal(i.parent, k.info.parent, 16);
    assert_int_equal(i.time_ms, 1700000000123);
    assert_string_equal(i.source, k.info.source);
    assert_string_equal(i.account, k.info.account);
    assert_string_equal(i.label, k.info.label);
    assert_memory_equal(&i.streams, &k.info.streams, 7 * sizeof(uint64_t));
    assert_int_equal(i.skip_count, 2);
    assert_memory_equal(i.skips, k.info.skips, sizeof(i.skips));
    assert_int_equal(i.lost, 1);
    assert_int_equal(i.report_count, 2);
    assert_int_equal(i.report_kept, 2);
    for (size_t n = 0; n < 2; n++) {
        assert_string_equal(i.report[n].what, k.report[n].what);
        assert_string_equal(i.report[n].why, k.report[n].why);
        assert_int_equal(i.report[n].offset, k.report[n].offset);
        assert_int_equal(i.report[n].length, k.report[n].length);
        assert_int_equal(i.report[n].lost, k.report[n].lost);
        assert_int_equal(i.report[n].has_raw, k.report[n].has_raw);
        assert_memory_equal(i.report[n].raw, k.report[n].raw, 32);
    }
    assert_true(i.filtered);
    assert_memory_equal(i.root, k.info.root, 32);
    assert_int_equal(i.root_level, 2);
    assert_int_equal(i.head_count, 2);
    assert_memory_equal(i.heads, k.heads, sizeof(k.heads));
    ks_snapshot_info_wipe(&i);
    assert_int_equal(decode(ks_buf_bytes(&k.content), &i, NULL), KS_OK);
    ks_snapshot_info_wipe(&i);
    ks_buf_wipe(&k.content);
}

/* Cut between two fields it is shorter; anywhere else it is damage. */
static void
cut_anywhere_it_is_shorter_or_damaged(void **unused)
{
    struct ks_snapshot_info i;
    struct known k;
    size_t borders = 0;

    (void)unused;
    read_known(&k);
    for (size_t n = 0; n < k.content.len; n++) {
        struct told t = {.known = NULL};
        int rc = decode((struct ks_bytes){k.content.data, n}, &i, &t);

        assert_true(rc == KS_OK || rc == KS_E_CORRUPT);
        borders += rc == KS_OK;
        ks_snapshot_info_wipe(&i);
    }
    assert_int_equal(borders, 21); /* fields, and none at all */
    ks_buf_wipe(&k.content);
}

static void
any_change_does_no_harm(void **unused)
{
    struct ks_snapshot_info i;
    struct known k;

    (void)unused;
    read_known(&k);
    for (size_t at = 0; at < k.content.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct told t = {.known = NULL};
            int rc;

            k.content.data[at] ^= (uint8_t)(1 << bit);
            rc = decode(ks_buf_bytes(&k.content), &i, &t);
            assert_true(rc == KS_OK || rc == KS_E_CORRUPT ||
                        (rc == KS_E_UNSUPPORTED && at == 0));
            ks_snapshot_info_wipe(&i);
            k.content.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    ks_buf_wipe(&k.content);
}

static void
another_version_is_said_to_be_one(void **unused)
{
    struct ks_snapshot_info i;

    (void)unused;
    assert_int_equal(
        decode((struct ks_bytes){(const uint8_t *)"\1", 1}, &i, NULL), KS_OK);
    assert_int_equal(
        decode((struct ks_bytes){(const uint8_t *)"\2", 1}, &i, NULL),
        KS_E_UNSUPPORTED);
    assert_int_equal(
        decode((struct ks_bytes){(const uint8_t *)"\0", 1}, &i, NULL),
        KS_E_UNSUPPORTED);
    assert_int_equal(
        decode((struct ks_bytes){(const uint8_t *)"", 0}, &i, NULL),
        KS_E_CORRUPT);
}

static void
a_visitor_may_stop_it(void **unused)
{
    struct ks_snapshot_info i;
    struct known k;
    struct told extra = {.stop_extra = 3};
    struct told pack = {.stop_pack = 4};
    struct told entry = {.stop_entry = 5};

    (void)unused;
    read_known(&k);
    assert_int_equal(decode(ks_buf_bytes(&k.content), &i, &extra), 3);
    assert_int_equal(extra.extras, 1);
    assert_int_equal(decode(ks_buf_bytes(&k.content), &i, &pack), 4);
    assert_int_equal(pack.entries, 0);
    assert_int_equal(decode(ks_buf_bytes(&k.content), &i, &entry), 5);
    assert_int_equal(entry.entries, 1);
    ks_buf_wipe(&k.content);
}

/* `times` fields of one tag and value; what decoding answers. */
static int
decode_fields(unsigned tag, const void *value, size_t len, size_t times)
{
    struct ks_snapshot_info info;
    struct told t = {.known = NULL};
    struct ks_buf content;
    int rc;

    ks_buf_init(&content, CONTENT_MAX);
    KIT_OK(ks_buf_u8(&content, 1, KIT_ERR));
    for (size_t n = 0; n < times; n++) {
        KIT_OK(ks_buf_u16le(&content, (uint16_t)tag, KIT_ERR));
        KIT_OK(ks_buf_u32le(&content, (uint32_t)len, KIT_ERR));
        if (len > 0)
            KIT_OK(ks_buf_append(&content, value, len, KIT_ERR));
    }
    rc = decode(ks_buf_bytes(&content), &info, &t);
    ks_snapshot_info_wipe(&info);
    ks_buf_wipe(&content);
    return rc;
}

static void
fields_have_their_sizes(void **unused)
{
    static const struct {
        unsigned tag;
        size_t len;
    } fixed[] = {{1, 16}, {2, 8}, {3, 24}, {4, 8},
                 {5, 16}, {6, 8}, {13, 1}, {14, 33}};
    static const uint8_t zeros[100];

    (void)unused;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        for (size_t len = 0; len < 50; len++)
            assert_int_equal(decode_fields(fixed[i].tag, zeros, len, 1),
                             len == fixed[i].len ? KS_OK : KS_E_CORRUPT);
    /* These may grow at their end. */
    for (size_t len = 0; len < 100; len++) {
        assert_int_equal(decode_fields(10, zeros, len, 1),
                         len >= 72 ? KS_OK : KS_E_CORRUPT);
        assert_int_equal(decode_fields(15, zeros, len, 1),
                         len >= 40 ? KS_OK : KS_E_CORRUPT);
    }
    /* And these are not ours. */
    assert_int_equal(decode_fields(0, zeros, 50, 3), KS_OK);
    assert_int_equal(decode_fields(18, zeros, 50, 3), KS_OK);
    assert_int_equal(decode_fields(65535, zeros, 0, 3), KS_OK);
}

static void
texts_have_their_limits(void **unused)
{
    static const struct {
        unsigned tag;
        size_t max;
    } texts[] = {{7, 31}, {8, 127}, {9, 255}};
    char text[300];

    (void)unused;
    memset(text, 't', sizeof(text));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(decode_fields(texts[i].tag, text, 0, 1), KS_OK);
        assert_int_equal(decode_fields(texts[i].tag, text, texts[i].max, 1),
                         KS_OK);
        assert_int_equal(decode_fields(texts[i].tag, text, texts[i].max + 1, 1),
                         KS_E_CORRUPT);
        text[5] = '\0';
        assert_int_equal(decode_fields(texts[i].tag, text, 10, 1),
                         KS_E_CORRUPT);
        text[5] = 't';
    }
    /* A skip's reason, behind its count. */
    memset(text, 1, 8);
    assert_int_equal(decode_fields(11, text, 8 + 31, 1), KS_OK);
    assert_int_equal(decode_fields(11, text, 8 + 32, 1), KS_E_CORRUPT);
    assert_int_equal(decode_fields(11, text, 7, 1), KS_E_CORRUPT);
    /* An extra's name. */
    text[0] = 31;
    assert_int_equal(decode_fields(16, text, 32, 1), KS_OK);
    assert_int_equal(decode_fields(16, text, 31, 1), KS_E_CORRUPT);
    text[0] = 32;
    assert_int_equal(decode_fields(16, text, 100, 1), KS_E_CORRUPT);
    assert_int_equal(decode_fields(16, text, 0, 1), KS_E_CORRUPT);
}

static void
repeated_fields_have_their_limits(void **unused)
{
    static const uint8_t skip[] = {1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    static const uint8_t report[18] = {0};
    static const uint8_t head[40] = {0};

    (void)unused;
    assert_int_equal(decode_fields(11, skip, sizeof(skip), KS_SKIPS_MAX),
                     KS_OK);
    assert_int_equal(decode_fields(11, skip, sizeof(skip), KS_SKIPS_MAX + 1),
                     KS_E_CORRUPT);
    assert_int_equal(decode_fields(12, report, sizeof(report), KS_REPORT_MAX),
                     KS_OK);
    assert_int_equal(
        decode_fields(12, report, sizeof(report), KS_REPORT_MAX + 1),
        KS_E_CORRUPT);
    assert_int_equal(decode_fields(15, head, sizeof(head), KS_HEADS_MAX),
                     KS_OK);
    assert_int_equal(decode_fields(15, head, sizeof(head), KS_HEADS_MAX + 1),
                     KS_E_CORRUPT);
}

static void
report_entries_have_their_limits(void **unused)
{
    uint8_t entry[17 + 32 + 1 + 63 + 160];

    (void)unused;
    memset(entry, 'r', sizeof(entry));
    entry[0] = 0;
    entry[17] = 63;
    assert_int_equal(decode_fields(12, entry, 18 + 63 + 159, 1), KS_OK);
    assert_int_equal(decode_fields(12, entry, 18 + 63 + 160, 1), KS_E_CORRUPT);
    assert_int_equal(decode_fields(12, entry, 18 + 62, 1), KS_E_CORRUPT);
    entry[17] = 64;
    assert_int_equal(decode_fields(12, entry, 18 + 64, 1), KS_E_CORRUPT);
    entry[0] = 2; /* with a raw blob's id before the texts */
    entry[49] = 63;
    assert_int_equal(decode_fields(12, entry, 50 + 63, 1), KS_OK);
    assert_int_equal(decode_fields(12, entry, 49, 1), KS_E_CORRUPT);
    assert_int_equal(decode_fields(12, entry, 48, 1), KS_E_CORRUPT);
}

static void
packs_have_their_limits(void **unused)
{
    struct ks_pack_ref ref = {.size = KS_PACK_MAX};
    struct ks_entry e = engine_entry(1);
    struct ks_buf field;

    (void)unused;
    ks_buf_init(&field, CONTENT_MAX);
    KIT_OK(ks_pack_ref_encode(&field, &ref, KIT_ERR));
    KIT_OK(ks_buf_u8(&field, 1, KIT_ERR));
    KIT_OK(ks_entry_encode(&field, &e, KIT_ERR));
    assert_int_equal(decode_fields(17, field.data, field.len, 1), KS_OK);
    for (size_t n = 0; n < field.len; n++)
        assert_int_equal(decode_fields(17, field.data, n, 1), KS_E_CORRUPT);
    field.data[24] = 1; /* one byte larger than packs are */
    assert_int_equal(decode_fields(17, field.data, field.len, 1), KS_E_CORRUPT);
    field.data[24] = 0;
    field.data[28] = 2; /* an entry that is not there */
    assert_int_equal(decode_fields(17, field.data, field.len, 1), KS_E_CORRUPT);
    /* Together they would not fit a pack. */
    ks_buf_reset(&field);
    e.stored = KS_CHUNK_MAX;
    KIT_OK(ks_pack_ref_encode(&field, &ref, KIT_ERR));
    KIT_OK(ks_buf_u8(&field, 8, KIT_ERR));
    for (size_t n = 0; n < 8; n++)
        KIT_OK(ks_entry_encode(&field, &e, KIT_ERR));
    assert_int_equal(decode_fields(17, field.data, field.len, 1), KS_E_CORRUPT);
    ks_buf_wipe(&field);
}

/* Memory that runs out must not look like damage. */
static void
without_memory_it_says_so(void **unused)
{
    struct known k;
    bool fired = true;

    (void)unused;
    read_known(&k);
    for (long n = 0; fired; n++) {
        struct ks_snapshot_info i = {.run = 0};
        struct ks_err err = KS_ERR_INIT;
        int rc;

        fault_arm(n);
        rc = ks_snapshot_decode(&i, ks_buf_bytes(&k.content), NULL, &err);
        fired = fault_disarm();
        assert_int_equal(rc, fired ? KS_E_NOMEM : KS_OK);
        ks_snapshot_info_wipe(&i);
    }
    ks_buf_wipe(&k.content);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_encoded_as_the_vectors_say),
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(cut_anywhere_it_is_shorter_or_damaged),
        cmocka_unit_test(any_change_does_no_harm),
        cmocka_unit_test(another_version_is_said_to_be_one),
        cmocka_unit_test(a_visitor_may_stop_it),
        cmocka_unit_test(fields_have_their_sizes),
        cmocka_unit_test(texts_have_their_limits),
        cmocka_unit_test(repeated_fields_have_their_limits),
        cmocka_unit_test(report_entries_have_their_limits),
        cmocka_unit_test(packs_have_their_limits),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
