#include "memory_snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "crypto/hash.h"

struct ks_snapshot_writer {
    struct memory_snapshot m; /* only ever a memory_snapshot */
};

struct ks_snapshot_reader {
    struct memory_snapshot m;
};

struct ks_stream {
    struct memory_snapshot *m;
    const struct memory_stream *stream;
    size_t next;
};

struct memory_blob_reader {
    struct ks_reader base; /* must stay first */
    struct memory_snapshot *m;
    const struct memory_blob *blob;
    size_t next;
};

static void
die(const char *what)
{
    (void)fprintf(stderr, "memory_snapshot: %s\n", what);
    abort();
}

static void
insist(bool kept, const char *what)
{
    if (!kept)
        die(what);
}

/* *list with room for one more of `size` bytes; false without memory. */
static bool
grow(void **list, size_t count, size_t size)
{
    void *grown = *list;

    if ((count & (count - 1)) == 0) /* 0, 1, 2, 4, 8, ... */
        grown = realloc(*list, (count == 0 ? 1 : 2 * count) * size);
    if (grown == NULL)
        return false;
    *list = grown;
    return true;
}

static int
no_memory(struct ks_err *err)
{
    return ks_fail(err, KS_E_NOMEM, 0, "the test has no memory");
}

/* A copy that is never NULL for want of bytes. */
static uint8_t *
copied(const void *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);

    if (copy != NULL && len > 0)
        memcpy(copy, data, len);
    return copy;
}

struct memory_snapshot *
memory_snapshot_new(void)
{
    struct memory_snapshot *m = calloc(1, sizeof(*m));

    insist(m != NULL, "no memory");
    m->fail_write = -1;
    m->fail_read = -1;
    return m;
}

void
memory_snapshot_free(struct memory_snapshot *m)
{
    if (m == NULL)
        return;
    insist(m->open == 0, "streams or blobs were left open");
    for (size_t i = 0; i < m->stream_count; i++) {
        for (size_t k = 0; !m->discard && k < m->streams[i].count; k++)
            free(m->streams[i].records[k].data);
        free(m->streams[i].records);
    }
    for (size_t i = 0; i < m->blob_count; i++)
        free(m->blobs[i].data);
    for (size_t i = 0; i < m->extra_count; i++)
        free(m->extras[i].data);
    free(m->streams);
    free(m->blobs);
    free(m->extras);
    free(m->report);
    free(m);
}

struct ks_snapshot_writer *
memory_snapshot_writer(struct memory_snapshot *m)
{
    return (struct ks_snapshot_writer *)m;
}

struct ks_snapshot_reader *
memory_snapshot_reader(struct memory_snapshot *m)
{
    return (struct ks_snapshot_reader *)m;
}

/* ---- looking ---------------------------------------------------------- */

const struct memory_stream *
memory_snapshot_stream(const struct memory_snapshot *m, const char *name)
{
    for (size_t i = 0; i < m->stream_count; i++)
        if (strcmp(m->streams[i].name, name) == 0)
            return &m->streams[i];
    return NULL;
}

const struct memory_blob *
memory_snapshot_blob(const struct memory_snapshot *m, const uint8_t *id)
{
    for (size_t i = 0; i < m->blob_count; i++)
        if (memcmp(m->blobs[i].id, id, KS_BLOB_ID_SIZE) == 0)
            return &m->blobs[i];
    return NULL;
}

const struct memory_extra *
memory_snapshot_extra(const struct memory_snapshot *m, const char *name)
{
    for (size_t i = 0; i < m->extra_count; i++)
        if (strcmp(m->extras[i].name, name) == 0)
            return &m->extras[i];
    return NULL;
}

uint64_t
memory_snapshot_skipped(const struct memory_snapshot *m, const char *reason)
{
    for (size_t i = 0; i < m->skip_count; i++)
        if (strcmp(m->skips[i].reason, reason) == 0)
            return m->skips[i].count;
    return 0;
}

size_t
memory_snapshot_lost(const struct memory_snapshot *m)
{
    size_t lost = 0;

    for (size_t i = 0; i < m->report_count; i++)
        lost += m->report[i].lost;
    return lost;
}

static bool
streams_equal(const struct memory_stream *a, const struct memory_stream *b)
{
    if (strcmp(a->name, b->name) != 0 || a->count != b->count) {
        printf("stream %s of %zu, stream %s of %zu\n", a->name, a->count,
               b->name, b->count);
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct memory_record *x = &a->records[i];
        const struct memory_record *y = &b->records[i];
        if (x->len != y->len || memcmp(x->data, y->data, x->len) != 0 ||
            x->time_ms != y->time_ms) {
            printf("stream %s, record %zu\n", a->name, i);
            return false;
        }
    }
    return true;
}

bool
memory_snapshot_equal(const struct memory_snapshot *a,
                      const struct memory_snapshot *b)
{
    if (a->stream_count != b->stream_count || a->blob_count != b->blob_count) {
        printf("%zu streams and %zu blobs, %zu and %zu\n", a->stream_count,
               a->blob_count, b->stream_count, b->blob_count);
        return false;
    }
    for (size_t i = 0; i < a->stream_count; i++)
        if (!streams_equal(&a->streams[i], &b->streams[i]))
            return false;
    for (size_t i = 0; i < a->blob_count; i++)
        if (memory_snapshot_blob(b, a->blobs[i].id) == NULL) {
            printf("blob %zu\n", i);
            return false;
        }
    return true;
}

/* ---- writing ---------------------------------------------------------- */

/* Whether this verb is the one that is to fail. */
static int
write_verb(struct memory_snapshot *m, struct ks_err *err)
{
    insist(err->code == KS_OK, "a verb was called with a failure pending");
    if (m->fail_write >= 0 && m->fail_write-- == 0)
        return ks_fail(err, KS_E_FULL, 0, "the memory is full");
    return KS_OK;
}

static void
insist_name(const char *name, size_t max)
{
    size_t len = strlen(name);

    insist(len >= 1 && len <= max, "a name of a wrong length");
    for (size_t i = 0; i < len; i++)
        insist((unsigned char)name[i] >= ' ' && name[i] != 0x7f,
               "a control character in a name");
}

int
ks_snapshot_stream(struct ks_snapshot_writer *w, const char *name,
                   unsigned *stream, struct ks_err *err)
{
    struct memory_snapshot *m = &w->m;
    struct memory_stream fresh = {.count = 0};
    int rc = write_verb(m, err);

    if (rc != KS_OK)
        return rc;
    insist_name(name, KS_STREAM_NAME_MAX);
    for (size_t i = 0; i < m->stream_count; i++)
        if (strcmp(m->streams[i].name, name) == 0) {
            *stream = (unsigned)i;
            return KS_OK;
        }
    (void)snprintf(fresh.name, sizeof(fresh.name), "%s", name);
    if (!grow((void **)&m->streams, m->stream_count, sizeof(fresh)))
        return no_memory(err);
    m->streams[m->stream_count] = fresh;
    *stream = (unsigned)m->stream_count++;
    return KS_OK;
}

int
ks_snapshot_record(struct ks_snapshot_writer *w, unsigned stream,
                   const void *data, size_t len, int64_t time_ms,
                   struct ks_err *err)
{
    struct memory_snapshot *m = &w->m;
    struct memory_record fresh = {.len = len, .time_ms = time_ms};
    struct memory_stream *s;
    int rc = write_verb(m, err);

    if (rc != KS_OK)
        return rc;
    insist(stream < m->stream_count, "a record for no stream");
    if (len > KS_RECORD_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "a record of %zu bytes", len);
    s = &m->streams[stream];
    m->records++;
    m->bytes += len;
    if (!m->discard) {
        if (!grow((void **)&s->records, s->count, sizeof(fresh)))
            return no_memory(err);
        fresh.data = copied(data, len);
        if (fresh.data == NULL)
            return no_memory(err);
        s->records[s->count] = fresh;
    }
    s->count++;
    return KS_OK;
}

/* All that `from` gives into *blob, its hash as id; KS_END is success. */
static int
take_blob_bytes(struct memory_snapshot *m, struct ks_reader *from,
                struct memory_blob *blob, struct ks_err *err)
{
    const size_t piece = (size_t)1 << 20;
    uint8_t *spare = malloc(piece);
    struct ks_sha256 hash;
    int rc = KS_OK;
    size_t got;

    if (spare == NULL)
        return no_memory(err);
    ks_sha256_init(&hash);
    while (rc == KS_OK) {
        uint8_t *more;
        rc = ks_reader_read(from, spare, piece, &got, err);
        if (rc != KS_OK)
            break;
        m->bytes += got;
        if (m->discard)
            continue;
        ks_sha256_update(&hash, spare, got);
        more = realloc(blob->data, blob->len + got);
        if (more == NULL) {
            rc = no_memory(err);
            break;
        }
        memcpy(more + blob->len, spare, got);
        blob->data = more;
        blob->len += got;
    }
    free(spare);
    ks_sha256_final(&hash, blob->id);
    return rc;
}

int
ks_snapshot_blob(struct ks_snapshot_writer *w, struct ks_reader *from,
                 uint8_t *id, struct ks_err *err)
{
    struct memory_snapshot *m = &w->m;
    struct memory_blob fresh = {.len = 0};
    int rc = write_verb(m, err);

    if (rc == KS_OK)
        rc = take_blob_bytes(m, from, &fresh, err);
    if (rc == KS_END) {
        memcpy(id, fresh.id, KS_BLOB_ID_SIZE);
        rc = KS_OK;
        if (!m->discard && memory_snapshot_blob(m, id) == NULL) {
            if (grow((void **)&m->blobs, m->blob_count, sizeof(fresh))) {
                m->blobs[m->blob_count++] = fresh;
                fresh.data = NULL;
            } else {
                rc = no_memory(err);
            }
        }
    }
    free(fresh.data);
    return rc;
}

int
ks_snapshot_report(struct ks_snapshot_writer *w,
                   const struct ks_report_entry *entry, struct ks_err *err)
{
    struct memory_snapshot *m = &w->m;
    int rc = write_verb(m, err);

    if (rc != KS_OK)
        return rc;
    insist(entry->what[0] != '\0' && entry->why[0] != '\0',
           "a report that says nothing");
    insist(!entry->has_raw || m->discard ||
               memory_snapshot_blob(m, entry->raw) != NULL,
           "a report with raw bytes that were not kept");
    if (!grow((void **)&m->report, m->report_count, sizeof(*entry)))
        return no_memory(err);
    m->report[m->report_count++] = *entry;
    return KS_OK;
}

int
ks_snapshot_skip(struct ks_snapshot_writer *w, const char *reason,
                 uint64_t count, struct ks_err *err)
{
    struct memory_snapshot *m = &w->m;
    int rc = write_verb(m, err);

    if (rc != KS_OK)
        return rc;
    insist_name(reason, 31);
    for (size_t i = 0; i < m->skip_count; i++)
        if (strcmp(m->skips[i].reason, reason) == 0) {
            m->skips[i].count += count;
            return KS_OK;
        }
    insist(m->skip_count < 16, "too many reasons");
    (void)snprintf(m->skips[m->skip_count].reason, 32, "%s", reason);
    m->skips[m->skip_count++].count = count;
    return KS_OK;
}

int
ks_snapshot_extra(struct ks_snapshot_writer *w, const char *name,
                  const void *data, size_t len, struct ks_err *err)
{
    struct memory_snapshot *m = &w->m;
    struct memory_extra fresh = {.len = len};
    size_t total = len;
    int rc = write_verb(m, err);

    if (rc != KS_OK)
        return rc;
    insist_name(name, 31);
    for (size_t i = 0; i < m->extra_count; i++)
        total += m->extras[i].len;
    insist(total <= KS_EXTRA_MAX, "too many bytes of extras");
    insist(memory_snapshot_extra(m, name) == NULL, "an extra set twice");
    (void)snprintf(fresh.name, sizeof(fresh.name), "%s", name);
    if (!grow((void **)&m->extras, m->extra_count, sizeof(fresh)))
        return no_memory(err);
    fresh.data = copied(data, len);
    if (fresh.data == NULL)
        return no_memory(err);
    m->extras[m->extra_count++] = fresh;
    return KS_OK;
}

void
ks_snapshot_source_bytes(struct ks_snapshot_writer *w, uint64_t bytes)
{
    w->m.source_bytes = bytes;
}

void
ks_snapshot_account(struct ks_snapshot_writer *w, const char *account)
{
    insist(strlen(account) < sizeof(w->m.account), "a long account");
    (void)snprintf(w->m.account, sizeof(w->m.account), "%s", account);
}

/* ---- reading ---------------------------------------------------------- */

static void
count_open(struct memory_snapshot *m)
{
    if (++m->open > m->open_most)
        m->open_most = m->open;
}

size_t
ks_snapshot_stream_count(const struct ks_snapshot_reader *r)
{
    return r->m.stream_count;
}

struct ks_stream_info
ks_snapshot_stream_info(const struct ks_snapshot_reader *r, size_t i)
{
    insist(i < r->m.stream_count, "no such stream");
    return (struct ks_stream_info){.name = r->m.streams[i].name,
                                   .records = r->m.streams[i].count,
                                   .first_ms = KS_TIME_NONE,
                                   .last_ms = KS_TIME_NONE};
}

int
ks_stream_open(struct ks_stream **out, struct ks_snapshot_reader *r,
               const char *name, struct ks_err *err)
{
    const struct memory_stream *stream = memory_snapshot_stream(&r->m, name);
    struct ks_stream *s;

    if (stream == NULL)
        return ks_fail(err, KS_E_NOTFOUND, 0, "no stream %s", name);
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return no_memory(err);
    s->m = &r->m;
    s->stream = stream;
    count_open(s->m);
    *out = s;
    return KS_OK;
}

int
ks_stream_next(struct ks_stream *s, struct ks_bytes *record, struct ks_err *err)
{
    if (s->next == s->stream->count)
        return KS_END;
    if (s->m->fail_read >= 0 && s->m->fail_read-- == 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "a chunk is damaged");
    *record = (struct ks_bytes){.ptr = s->stream->records[s->next].data,
                                .len = s->stream->records[s->next].len};
    s->next++;
    return KS_OK;
}

void
ks_stream_close(struct ks_stream *s)
{
    if (s == NULL)
        return;
    s->m->open--;
    free(s);
}

static int
read_memory_blob(struct ks_reader *r, void *buf, size_t cap, size_t *got,
                 struct ks_err *err)
{
    struct memory_blob_reader *b = (struct memory_blob_reader *)r;
    size_t left = b->blob->len - b->next;

    (void)err;
    *got = left < cap ? left : cap;
    if (left == 0)
        return KS_END;
    memcpy(buf, b->blob->data + b->next, *got);
    b->next += *got;
    return KS_OK;
}

static void
close_memory_blob(struct ks_reader *r)
{
    struct memory_blob_reader *b = (struct memory_blob_reader *)r;

    b->m->open--;
    free(b);
}

int
ks_blob_open(struct ks_reader **out, struct ks_snapshot_reader *r,
             const uint8_t *id, uint64_t *size, struct ks_err *err)
{
    static const struct ks_reader_ops ops = {.read = read_memory_blob,
                                             .close = close_memory_blob};
    const struct memory_blob *blob = memory_snapshot_blob(&r->m, id);
    struct memory_blob_reader *b;

    if (blob == NULL)
        return ks_fail(err, KS_E_NOTFOUND, 0, "no such blob");
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return no_memory(err);
    b->base.ops = &ops;
    b->m = &r->m;
    b->blob = blob;
    count_open(b->m);
    *size = blob->len;
    *out = &b->base;
    return KS_OK;
}

int
ks_snapshot_get_extra(const struct ks_snapshot_reader *r, const char *name,
                      struct ks_bytes *out, struct ks_err *err)
{
    const struct memory_extra *extra = memory_snapshot_extra(&r->m, name);

    if (extra == NULL)
        return ks_fail(err, KS_E_NOTFOUND, 0, "no extra %s", name);
    *out = (struct ks_bytes){.ptr = extra->data, .len = extra->len};
    return KS_OK;
}
