/*
 * streams: cutting records into chunks, and chunks into a list.
 *
 * Numbers: 0..KS_LIST_LEVELS_MAX-1 are the levels of the list, then the blobs,
 * then the connector's streams. A stream that is being written has a builder;
 * there are KS_STREAMS_OPEN for the connector's streams, of which the least
 * recently used is cut short when another one is needed, and one each for
 * the blobs and the list.
 *
 * A record goes: append() into a builder, cut() into a work of the pipeline,
 * which comes back through retire_chunk() with its id; the reference waits in
 * its stream until emit_section() appends it to level 0 of the list, whose
 * chunks go the same way. Everything runs on the capturing thread.
 *
 * Memory: the builders (2.5 MiB), REFS_DUE_MAX references of about 60 bytes,
 * and what the pipeline has, whatever the size of the source. After any failure
 * the snapshot can only be given up, so nothing here is undone on the way out.
 */
#include "vault/streams.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/secret.h"
#include "crypto/siphash.h"
#include "vault/snapshot_writer.h"

/* Numbers of streams, and of builders. */
#define BLOBS         KS_LIST_LEVELS_MAX
#define FIRST_STREAM  (BLOBS + 1)
#define BUILDERS      (KS_STREAMS_OPEN + 2)
#define BUILDER_BLOBS KS_STREAMS_OPEN
#define BUILDER_LIST  (KS_STREAMS_OPEN + 1)
#define NONE          UINT32_MAX
/* Of one stream, in bytes; far above what REFS_DUE_MAX of them take, and only
 * what cannot happen gets there. */
#define REFS_MAX ((size_t)64 << 20)
/* With so many due, those of the stream with most go to the list. */
#define REFS_DUE_MAX ((size_t)32768)

/* A chunk being put together. */
struct builder {
    uint8_t *data; /* KS_CUT_MAX bytes */
    size_t len;
    uint32_t records;
    uint32_t first_hash;
    int64_t first_ms;
    int64_t last_ms;
    uint32_t stream; /* whose it is, or NONE */
    uint64_t used;
};

/* A stream on its way. refs are list records with their lengths in front,
 * the very bytes that the list will hold. */
struct stream {
    char *name;
    enum ks_section section;
    uint32_t parent;    /* its number in the parent snapshot */
    uint32_t builder;   /* or NONE */
    struct ks_buf refs; /* framed list records, not in the list yet */
    size_t refs_ready;  /* how many */
    bool listed;        /* the list has a section of it */
    uint64_t chunks;
    uint8_t last_id[32]; /* of its newest chunk */
};

struct ks_streams {
    struct ks_streams_options o;
    struct builder builders[BUILDERS];
    struct stream *streams;
    uint32_t count;
    /* rises with each use of a builder, to find the one not used for longest */
    uint64_t clock;
    size_t refs_due; /* of streams and blobs, cut but not in the list yet */
    struct ks_stream_counts counts;
};

/* Append a stream; its number is the count before. This may move all of them:
 * nobody keeps a pointer to one across it. The name is copied. */
static int
add_stream(struct ks_streams *s, const char *name, enum ks_section section,
           struct ks_err *err)
{
    struct stream *bigger;
    struct stream *st;

    bigger = realloc(s->streams, (s->count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    s->streams = bigger;
    st = &s->streams[s->count];
    *st = (struct stream){.section = section, .builder = NONE};
    st->name = strdup(name);
    if (st->name == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    st->parent = ks_parent_stream(s->o.parent, name);
    ks_buf_init(&st->refs, REFS_MAX);
    s->count++;
    return KS_OK;
}

int
ks_streams_open(struct ks_streams **out,
                const struct ks_streams_options *options, struct ks_err *err)
{
    struct ks_streams *s = calloc(1, sizeof(*s));
    int rc = KS_OK;

    if (s == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    s->o = *options;
    for (unsigned i = 0; i < BUILDERS; i++) {
        s->builders[i].stream = NONE;
        s->builders[i].data = malloc(KS_CUT_MAX);
        if (s->builders[i].data == NULL)
            rc = KS_E_NOMEM;
    }
    if (rc < 0)
        (void)ks_fail(err, rc, 0, "not enough memory");
    for (unsigned i = 0; rc == KS_OK && i < KS_LIST_LEVELS_MAX; i++) {
        char name[3] = {'\001', (char)('0' + i), '\0'};
        rc = add_stream(s, name, KS_SECTION_STREAM, err);
    }
    if (rc == KS_OK)
        rc = add_stream(s, "\001b", KS_SECTION_BLOBS, err);
    if (rc == KS_OK) {
        *out = s;
        s = NULL;
    }
    ks_streams_close(s);
    return rc;
}

void
ks_streams_close(struct ks_streams *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < BUILDERS; i++) {
        if (s->builders[i].data != NULL)
            ks_wipe(s->builders[i].data, KS_CUT_MAX);
        free(s->builders[i].data);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        free(s->streams[i].name);
        ks_buf_wipe(&s->streams[i].refs);
    }
    free(s->streams);
    free(s);
}

int
ks_streams_name(struct ks_streams *s, const char *name, unsigned *stream,
                struct ks_err *err)
{
    int rc;

    for (uint32_t i = FIRST_STREAM; i < s->count; i++) {
        if (strcmp(s->streams[i].name, name) == 0) {
            *stream = i;
            return KS_OK;
        }
    }
    if (s->count >= KS_STREAMS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the source has too many streams");
    rc = add_stream(s, name, KS_SECTION_STREAM, err);
    if (rc == KS_OK) {
        *stream = s->count - 1;
        s->counts.streams++;
    }
    return rc;
}

/* A chunk is stored: its reference waits for the list. Called by the pipeline
 * in order of submission, from within any take or drain: so a stream's refs
 * may grow while another one's are being written out. */
static int
retire_chunk(void *user, const struct ks_work *w, struct ks_err *err)
{
    struct ks_streams *s = user;
    struct stream *st = &s->streams[w->tag];
    struct ks_chunk_ref ref = {.plain = (uint32_t)w->len,
                               .records = w->records,
                               .first_hash = w->first_hash,
                               .has_times = w->first_ms != KS_TIME_NONE,
                               .first_ms = w->first_ms,
                               .last_ms = w->last_ms};
    struct ks_buf record;
    int rc;

    memcpy(ref.id, w->id, sizeof(ref.id));
    memcpy(st->last_id, w->id, sizeof(st->last_id));
    st->chunks++;
    /* List chunks have records too, but nobody calls those new messages. */
    if (w->tag >= FIRST_STREAM)
        s->counts.new_records += w->new_records;
    ks_buf_init(&record, 256);
    rc = ks_list_put_chunk(&record, &ref, err);
    if (rc == KS_OK)
        rc = ks_buf_varint(&st->refs, record.len, err);
    if (rc == KS_OK)
        rc = ks_buf_append(&st->refs, record.data, record.len, err);
    st->refs_ready++;
    ks_buf_wipe(&record);
    return rc;
}

/* Hand a chunk that lies in work->data to the pipeline. From here until it is
 * retired the work is not ours. */
static void
submit(struct ks_streams *s, uint32_t stream, struct ks_work *w,
       const struct builder *b)
{
    w->kind = stream < FIRST_STREAM ? KS_CHUNK_LIST : KS_CHUNK_RECORDS;
    w->records = b->records;
    w->first_hash = b->first_hash;
    w->first_ms = b->first_ms;
    w->last_ms = b->last_ms;
    w->tag = stream;
    w->retired = retire_chunk;
    w->user = s;
    if (stream >= BLOBS)
        s->refs_due++;
    w->has_parent = ks_parent_resembles(s->o.parent, s->streams[stream].parent,
                                        b->first_hash, w->parent);
    ks_pipeline_submit(s->o.pipeline, w);
}

/* Begin a new chunk; the buffer and the stream stay. */
static void
empty_builder(struct builder *b)
{
    b->len = 0;
    b->records = 0;
    b->first_hash = 0;
    b->first_ms = KS_TIME_NONE;
    b->last_ms = KS_TIME_NONE;
}

/* End the builder's chunk, if it has anything. */
static int
cut(struct ks_streams *s, struct builder *b, struct ks_err *err)
{
    struct ks_work *w = NULL;
    int rc;

    if (b->records == 0)
        return KS_OK;
    rc = ks_pipeline_take(s->o.pipeline, &w, err);
    if (rc < 0)
        return rc;
    memcpy(w->data, b->data, b->len);
    w->len = b->len;
    submit(s, b->stream, w, b);
    empty_builder(b);
    return KS_OK;
}

/* The builder of a stream; another stream's chunk may have to end for it. The
 * list's levels share one builder: a level is cut for good before the next
 * begins. A connector's stream takes the one that was not used for longest, so
 * up to KS_STREAMS_OPEN streams interleave without cutting chunks short. */
static int
want_builder(struct ks_streams *s, uint32_t stream, struct builder **out,
             struct ks_err *err)
{
    uint32_t pick = s->streams[stream].builder;
    struct builder *b;
    int rc;

    if (pick == NONE) {
        pick = stream < BLOBS    ? BUILDER_LIST
               : stream == BLOBS ? BUILDER_BLOBS
                                 : 0;
        for (uint32_t i = 1; stream > BLOBS && i < KS_STREAMS_OPEN; i++)
            if (s->builders[i].used < s->builders[pick].used)
                pick = i;
        b = &s->builders[pick];
        rc = cut(s, b, err);
        if (rc < 0)
            return rc;
        if (b->stream != NONE)
            s->streams[b->stream].builder = NONE;
        empty_builder(b);
        b->stream = stream;
        s->streams[stream].builder = pick;
    }
    b = &s->builders[pick];
    b->used = ++s->clock;
    *out = b;
    return KS_OK;
}

/* Widen the span of the chunk; a record without a time leaves it. */
static void
add_time(struct builder *b, int64_t time_ms)
{
    if (time_ms == KS_TIME_NONE)
        return;
    if (b->first_ms == KS_TIME_NONE || time_ms < b->first_ms)
        b->first_ms = time_ms;
    if (b->last_ms == KS_TIME_NONE || time_ms > b->last_ms)
        b->last_ms = time_ms;
}

/* A record too large to share a chunk: its own. What the stream had begun is
 * cut first, so records keep their order. With its length in front it fits a
 * work: KS_RECORD_MAX and three bytes are less than KS_CHUNK_MAX. */
static int
large_record(struct ks_streams *s, struct builder *b, struct ks_bytes record,
             uint32_t hash, int64_t time_ms, struct ks_err *err)
{
    struct builder alone = {.records = 1,
                            .first_hash = hash,
                            .first_ms = time_ms,
                            .last_ms = time_ms};
    struct ks_work *w = NULL;
    int rc = cut(s, b, err);

    if (rc == KS_OK)
        rc = ks_pipeline_take(s->o.pipeline, &w, err);
    if (rc < 0)
        return rc;
    w->len = ks_varint_put(w->data, record.len);
    memcpy(w->data + w->len, record.ptr, record.len);
    w->len += record.len;
    submit(s, b->stream, w, &alone);
    return KS_OK;
}

/* hash < 2^64 * len / KS_CUT_AVG, in 64 bits: the average is 3 * 2^14, so the
 * bound is len / 3 * 2^50. Below the average len / 3 is less than 2^14, so the
 * shift loses nothing. The bound is the format's: two writers that cut
 * otherwise would store the same records twice. */
static bool
cuts_after(uint64_t hash, size_t len)
{
    uint64_t n = len;

    static_assert(KS_CUT_AVG == (size_t)3 << 14, "the bound below");
    if (len >= KS_CUT_AVG)
        return true;
    return hash < ((n / 3) << 50) + ((n % 3) << 50) / 3;
}

/* Append to any stream, the list's included. A cut depends on the record it
 * follows and on how long the chunk is by then, on nothing before the chunk:
 * so an insertion moves cuts only as far as the next one both versions share.
 * The cut key keeps whoever sees sizes from guessing contents by them. */
static int
append(struct ks_streams *s, uint32_t stream, struct ks_bytes record,
       int64_t time_ms, struct ks_err *err)
{
    size_t framed = ks_varint_size(record.len) + record.len;
    struct builder *b = NULL;
    uint64_t hash = 0;
    int rc = want_builder(s, stream, &b, err);

    if (rc < 0)
        return rc;
    /* b->len never exceeds KS_CUT_MAX, so this does not wrap */
    if (framed <= KS_CUT_MAX && framed > KS_CUT_MAX - b->len)
        rc = cut(s, b, err);
    if (rc < 0)
        return rc;
    /* Behind its first record and below its least size no chunk ends, and
     * nothing rests on the hash: a third of all bytes is not hashed. */
    if (b->records == 0 || b->len + framed >= KS_CUT_MIN)
        hash = ks_siphash(s->o.cut_key, record.ptr, record.len);
    if (framed > KS_CUT_MAX)
        return large_record(s, b, record, (uint32_t)hash, time_ms, err);
    if (b->records == 0)
        b->first_hash = (uint32_t)hash;
    b->len += ks_varint_put(b->data + b->len, record.len);
    if (record.len > 0)
        memcpy(b->data + b->len, record.ptr, record.len);
    b->len += record.len;
    b->records++;
    add_time(b, time_ms);
    if (b->len >= KS_CUT_MIN && cuts_after(hash, record.len))
        rc = cut(s, b, err);
    return rc;
}

/* Put a stream's waiting references into the list as one section. They are
 * taken out of the stream first: appending may retire chunks of this very
 * stream, whose references then wait for a later section of the same name. A
 * stream without any gets a section as well, so that it is known. */
static int
emit_section(struct ks_streams *s, uint32_t stream, struct ks_err *err)
{
    struct stream *st = &s->streams[stream];
    struct ks_buf refs = st->refs;
    struct ks_cursor c = ks_cursor_over(refs.data, refs.len);
    struct ks_buf head;
    struct ks_bytes record;
    /* names that begin with \001 are ours alone and never go into the list */
    const char *name = st->section == KS_SECTION_STREAM ? st->name : "";
    int rc;

    ks_buf_init(&st->refs, REFS_MAX); /* appending may retire more chunks */
    if (stream >= BLOBS)
        s->refs_due -= st->refs_ready;
    st->refs_ready = 0;
    st->listed = true;
    ks_buf_init(&head, 256);
    rc = ks_list_put_section(&head, st->section, name, err);
    if (rc == KS_OK)
        rc = append(s, 0, ks_buf_bytes(&head), KS_TIME_NONE, err);
    while (rc == KS_OK && (rc = ks_records_next(&c, &record, err)) == KS_OK)
        rc = append(s, 0, record, KS_TIME_NONE, err);
    ks_buf_wipe(&head);
    ks_buf_wipe(&refs);
    return rc == KS_END ? KS_OK : rc;
}

/*
 * Keep the waiting references few, whatever the source's size. Those of the
 * stream with most go, so that sections are long and few. When that is due
 * depends on what was cut, not on how far the workers are, and they are waited
 * for: the same content must give the same list on any machine. Streams that
 * were named before it get a section first, so that a list names streams in
 * the order in which the connector did.
 */
static int
relieve(struct ks_streams *s, struct ks_err *err)
{
    uint32_t most = BLOBS;
    int rc;

    if (s->refs_due < REFS_DUE_MAX)
        return KS_OK;
    rc = ks_pipeline_drain(s->o.pipeline, err);
    if (rc < 0)
        return rc;
    for (uint32_t i = FIRST_STREAM; i < s->count; i++)
        if (s->streams[i].refs_ready > s->streams[most].refs_ready)
            most = i;
    for (uint32_t i = FIRST_STREAM; rc == KS_OK && i < most; i++)
        if (!s->streams[i].listed)
            rc = emit_section(s, i, err);
    return rc == KS_OK ? emit_section(s, most, err) : rc;
}

int
ks_streams_record(struct ks_streams *s, unsigned stream, struct ks_bytes record,
                  int64_t time_ms, struct ks_err *err)
{
    int rc;

    assert(stream >= FIRST_STREAM && stream < s->count);
    assert(record.len <= KS_RECORD_MAX);
    rc = append(s, stream, record, time_ms, err);
    if (rc == KS_OK) {
        s->counts.records++;
        rc = relieve(s, err);
    }
    return rc;
}

int
ks_streams_blob(struct ks_streams *s, struct ks_bytes record,
                struct ks_err *err)
{
    int rc = append(s, BLOBS, record, KS_TIME_NONE, err);

    return rc == KS_OK ? relieve(s, err) : rc;
}

/* Cut a level of the list; if it has more than one chunk, their references
 * are the next level. */
static int
finish_level(struct ks_streams *s, uint32_t level, struct ks_err *err)
{
    struct ks_buf refs;
    struct ks_cursor c;
    struct ks_bytes record;
    int rc = cut(s, &s->builders[BUILDER_LIST], err);

    if (rc == KS_OK)
        rc = ks_pipeline_drain(s->o.pipeline, err);
    if (rc < 0 || s->streams[level].chunks <= 1)
        return rc;
    if (level + 1 >= KS_LIST_LEVELS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the snapshot's list is too long");
    refs = s->streams[level].refs;
    ks_buf_init(&s->streams[level].refs, REFS_MAX);
    c = ks_cursor_over(refs.data, refs.len);
    while ((rc = ks_records_next(&c, &record, err)) == KS_OK) {
        rc = append(s, level + 1, record, KS_TIME_NONE, err);
        if (rc < 0)
            break;
    }
    ks_buf_wipe(&refs);
    return rc == KS_END ? KS_OK : rc;
}

int
ks_streams_finish(struct ks_streams *s, uint8_t *root, uint8_t *level,
                  struct ks_err *err)
{
    uint32_t at = 0;
    int rc = KS_OK;

    /* First all records, so that every reference is known; then the list. */
    for (unsigned i = 0; rc == KS_OK && i < BUILDER_LIST; i++)
        rc = cut(s, &s->builders[i], err);
    if (rc == KS_OK)
        rc = ks_pipeline_drain(s->o.pipeline, err);
    for (uint32_t i = FIRST_STREAM; rc == KS_OK && i < s->count; i++)
        if (!s->streams[i].listed || s->streams[i].refs_ready > 0)
            rc = emit_section(s, i, err);
    if (rc == KS_OK)
        rc = emit_section(s, BLOBS, err);
    /* Level by level, until one has a single chunk. A reference takes about
     * 50 bytes of a chunk of at least 16 KiB, so each level is hundreds of
     * times smaller than the one below; KS_LIST_LEVELS_MAX ends what cannot
     * be. */
    for (; rc == KS_OK; at++) {
        rc = finish_level(s, at, err);
        if (rc == KS_OK && s->streams[at].chunks <= 1)
            break;
    }
    if (rc < 0)
        return rc;
    assert(s->streams[at].chunks == 1);
    memcpy(root, s->streams[at].last_id, 32);
    *level = (uint8_t)at;
    return KS_OK;
}

struct ks_stream_counts
ks_streams_counts(const struct ks_streams *s)
{
    return s->counts;
}
