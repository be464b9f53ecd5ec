/*
 * story: records are mostly short texts of common words, so that they
 * compress and repeat as conversations do; some are empty, some are large.
 */
#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "check.h"
#include "vault/reading.h"
#include "vault/snapshot_reader.h"

#define LARGEST ((size_t)1000000)

/* Length and bytes of a record from its seed, into out[0..LARGEST). */
static size_t
make_record(uint64_t seed, uint8_t *out)
{
    static const char words[] = "lorem ipsum dolor sit amet consectetur ";
    struct chance c = {seed};
    size_t kind = chance_below(&c, 1000);
    size_t len = 40 + chance_below(&c, 300);

    if (kind == 0)
        len = 0;
    if (kind == 1)
        len = 200000 + chance_below(&c, 120000);
    if (kind == 2)
        len = LARGEST - chance_below(&c, 3);
    for (size_t i = 0; i < len; i++)
        out[i] = i < 24 ? (uint8_t)chance_next(&c)
                        : (uint8_t)words[(i + seed) % (sizeof(words) - 1)];
    return len;
}

static size_t
blob_size(struct chance *c)
{
    static const size_t sizes[] = {
        0,       1,       4095,    65536,           1048575,
        1048576, 1048577, 2097152, 3 * 1048576 + 5, 300000};

    return sizes[chance_below(c, sizeof(sizes) / sizeof(sizes[0]))];
}

static void
fill_blob(const struct story_blob *b, uint8_t *out)
{
    struct chance c = {b->seed};

    /* Every third one compresses. */
    if (b->seed % 3 == 0)
        for (size_t i = 0; i < b->len; i++)
            out[i] = (uint8_t)(i / 7 + b->seed);
    else
        chance_fill(&c, out, b->len);
}

static void
add_record(struct story *s, struct story_stream *st)
{
    st->records = realloc(st->records, (st->count + 1) * sizeof(*st->records));
    assert_non_null(st->records);
    st->records[st->count].seed = chance_next(&s->chance);
    st->records[st->count].time_ms =
        st->count % 5 == 4 ? KS_TIME_NONE
                           : 1700000000000 + (int64_t)st->count * 60000;
    st->count++;
}

static void
add_blob(struct story *s)
{
    s->blobs = realloc(s->blobs, (s->blob_count + 1) * sizeof(*s->blobs));
    assert_non_null(s->blobs);
    s->blobs[s->blob_count].len = blob_size(&s->chance);
    s->blobs[s->blob_count++].seed = chance_next(&s->chance);
}

/* Most records are in one stream, as in life. */
static struct story_stream *
pick_stream(struct story *s)
{
    if (chance_below(&s->chance, 10) < 8)
        return &s->streams[0];
    return &s->streams[chance_below(&s->chance, STORY_STREAMS)];
}

void
story_begin(struct story *s, uint64_t seed, size_t records, size_t blobs)
{
    memset(s, 0, sizeof(*s));
    s->chance.state = seed;
    for (size_t i = 0; i < STORY_STREAMS; i++)
        (void)snprintf(s->streams[i].name, sizeof(s->streams[i].name),
                       "sql/table%zu", i);
    for (size_t i = 0; i < records; i++)
        add_record(s, pick_stream(s));
    for (size_t i = 0; i < blobs; i++)
        add_blob(s);
}

void
story_end(struct story *s)
{
    for (size_t i = 0; i < STORY_STREAMS; i++)
        free(s->streams[i].records);
    free(s->blobs);
    memset(s, 0, sizeof(*s));
}

void
story_night(struct story *s, size_t fresh, size_t edits, size_t gone)
{
    for (size_t i = 0; i < edits; i++) {
        struct story_stream *st = pick_stream(s);
        if (st->count > 0)
            st->records[chance_below(&s->chance, st->count)].seed =
                chance_next(&s->chance);
    }
    for (size_t i = 0; i < gone; i++) {
        struct story_stream *st = pick_stream(s);
        size_t at = st->count > 0 ? chance_below(&s->chance, st->count) : 0;
        if (st->count == 0)
            continue;
        memmove(st->records + at, st->records + at + 1,
                (st->count - at - 1) * sizeof(*st->records));
        st->count--;
    }
    for (size_t i = 0; i < fresh; i++)
        add_record(s, pick_stream(s));
    add_blob(s);
}

static void
tell_blobs(const struct story *s, struct ks_snapshot_writer *w)
{
    struct ks_err err = KS_ERR_INIT;
    unsigned stream = 0;

    if (ks_snapshot_stream(w, "blob/all", &stream, &err) != KS_OK)
        fail_msg("stream: %s", err.msg);
    for (size_t i = 0; i < s->blob_count; i++) {
        uint8_t *data = malloc(s->blobs[i].len + 1);
        struct ks_reader *from = NULL;
        uint8_t id[32];

        assert_non_null(data);
        fill_blob(&s->blobs[i], data);
        if (ks_reader_open_bytes(&from, data, s->blobs[i].len, &err) != KS_OK ||
            ks_snapshot_blob(w, from, id, &err) != KS_OK ||
            ks_snapshot_record(w, stream, id, 32, KS_TIME_NONE, &err) != KS_OK)
            fail_msg("blob: %s", err.msg);
        ks_reader_close(from);
        free(data);
    }
}

void
story_tell(const struct story *s, struct ks_snapshot_writer *w)
{
    struct ks_err err = KS_ERR_INIT;
    uint8_t *data = malloc(LARGEST);
    unsigned numbers[STORY_STREAMS];
    size_t left = STORY_STREAMS;

    assert_non_null(data);
    for (size_t i = 0; i < STORY_STREAMS; i++)
        if (ks_snapshot_stream(w, s->streams[i].name, &numbers[i], &err) !=
            KS_OK)
            fail_msg("stream: %s", err.msg);
    /* In turns of 50, so that streams are interrupted and continued. */
    for (size_t turn = 0; left > 0; turn++) {
        left = 0;
        for (size_t i = 0; i < STORY_STREAMS; i++) {
            const struct story_stream *st = &s->streams[i];
            for (size_t k = turn * 50; k < st->count && k < turn * 50 + 50;
                 k++) {
                size_t len = make_record(st->records[k].seed, data);
                if (ks_snapshot_record(w, numbers[i], data, len,
                                       st->records[k].time_ms, &err) != KS_OK)
                    fail_msg("record: %s", err.msg);
            }
            left += st->count > turn * 50 + 50;
        }
    }
    free(data);
    tell_blobs(s, w);
}

static void
compare_stream(const struct story_stream *st, struct ks_snapshot_reader *r)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_stream *stream = NULL;
    struct ks_bytes record;
    uint8_t *data = malloc(LARGEST);

    assert_non_null(data);
    if (ks_stream_open(&stream, r, st->name, &err) != KS_OK)
        fail_msg("open: %s", err.msg);
    for (size_t k = 0; k < st->count; k++) {
        size_t len = make_record(st->records[k].seed, data);
        if (ks_stream_next(stream, &record, &err) != KS_OK)
            fail_msg("%s, record %zu: %s", st->name, k, err.msg);
        assert_int_equal(record.len, len);
        assert_memory_equal(record.ptr, data, len);
    }
    assert_int_equal(ks_stream_next(stream, &record, &err), KS_END);
    assert_int_equal(ks_stream_next(stream, &record, &err), KS_END);
    ks_stream_close(stream);
    free(data);
}

static void
compare_blob(const struct story_blob *b, struct ks_snapshot_reader *r,
             const uint8_t *id)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_reader *from = NULL;
    uint8_t *want = malloc(b->len + 1);
    uint8_t *have = malloc(b->len + 1);
    uint64_t size = 0;
    size_t got = 0;

    assert_non_null(want);
    assert_non_null(have);
    fill_blob(b, want);
    if (ks_blob_open(&from, r, id, &size, &err) != KS_OK ||
        ks_reader_fill(from, have, b->len + 1, &got, &err) != KS_OK)
        fail_msg("blob: %s", err.msg);
    assert_int_equal(size, b->len);
    assert_int_equal(got, b->len);
    assert_memory_equal(have, want, b->len);
    ks_reader_close(from);
    free(want);
    free(have);
}

void
story_compare(const struct story *s, struct ks_vault *vault,
              const struct ks_snapshot_info *info)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_snapshot_reader *r = NULL;
    struct ks_stream *blobs = NULL;
    struct ks_bytes record;
    uint64_t records = s->blob_count;

    if (ks_snapshot_reader_open(&r, vault, info, &err) != KS_OK)
        fail_msg("reader: %s", err.msg);
    assert_int_equal(ks_snapshot_stream_count(r), STORY_STREAMS + 1);
    for (size_t i = 0; i < STORY_STREAMS; i++) {
        struct ks_stream_info si = ks_snapshot_stream_info(r, i);

        assert_string_equal(si.name, s->streams[i].name);
        assert_int_equal(si.records, s->streams[i].count);
        records += s->streams[i].count;
        compare_stream(&s->streams[i], r);
    }
    assert_int_equal(info->records, records);
    assert_int_equal(ks_stream_open(&blobs, r, "blob/all", &err), KS_OK);
    for (size_t i = 0; i < s->blob_count; i++) {
        uint8_t id[32];

        assert_int_equal(ks_stream_next(blobs, &record, &err), KS_OK);
        assert_int_equal(record.len, 32);
        memcpy(id, record.ptr, 32);
        compare_blob(&s->blobs[i], r, id);
    }
    ks_stream_close(blobs);
    ks_snapshot_reader_close(r);
}
