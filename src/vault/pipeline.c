/*
 * pipeline: see pipeline.h for who does what. The works form a ring in order
 * of submission: ring[(head + i) % size], i < flying, are with the workers.
 * As they come back in that order, what a snapshot consists of does not depend
 * on how many workers there are or which is faster.
 *
 * Who may touch what:
 *   - a work: its worker, from submit until the pool says it is done; else
 *     the capturing thread. The pool's own lock orders the two.
 *   - index and parents: whoever holds `lock`. Packs are read (parents) by
 *     workers, but by one at a time; so the store sees one get and one put at
 *     once, as store.h allows.
 *   - a flight: the putter, from launch() until land(); else the capturing
 *     thread. There are two, so one fills while the other is put.
 *   - packs, bytes, ring, head, flying: the capturing thread alone.
 * `lock` is never held while waiting for a worker or the putter.
 */
#include "vault/pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "crypto/siphash.h"
#include "store/store.h"
#include "vault/chunk.h"
#include "vault/chunk_reader.h"
#include "vault/keyring.h"
#include "vault/list.h"
#include "vault/snapshot_object.h"

/* Beyond one for each worker, so that none waits while one is being filled. */
#define SPARE_WORKS 4U

/* A pack, filling or on its way to the store. */
struct flight {
    struct ks_task task; /* must stay first */
    const struct ks_object_context *cx;
    struct ks_pack_builder pack;
    struct ks_pack_ref ref;
    uint32_t number; /* in the index */
    bool away;       /* submitted, not waited for */
    int rc;
    struct ks_err err;
};

struct ks_pipeline {
    const struct ks_object_context *cx;
    struct ks_hmac keyed;
    struct ks_pool *pool;
    unsigned workers;
    struct ks_chunk_codec *codecs[KS_POOL_WORKERS_MAX];

    pthread_mutex_t lock; /* over index and parents */
    struct ks_index *index;
    struct ks_chunk_reader *parents;

    struct ks_work *ring;
    size_t size;
    size_t head;
    size_t flying;

    struct ks_pool *putter; /* one thread */
    struct flight flights[2];
    unsigned filling; /* which of the two */
    struct ks_buf packs;
    uint64_t bytes;
};

/* For qsort and bsearch over the hashes of a chunk's records. */
static int
compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Records of `plain` that `before` does not have; all of them if memory for
 * the comparison cannot be had. A count for people, nothing rests on it. */
static uint32_t
count_new(const uint8_t *key, struct ks_bytes plain, struct ks_bytes before,
          uint32_t records)
{
    struct ks_cursor c = ks_cursor_over(before.ptr, before.len);
    struct ks_err ignored = KS_ERR_INIT;
    struct ks_bytes record;
    uint64_t *hashes;
    uint32_t fresh = 0;
    size_t n = 0;

    while (ks_records_next(&c, &record, &ignored) == KS_OK)
        n++;
    hashes = malloc((n + 1) * sizeof(*hashes));
    if (hashes == NULL)
        return records;
    c = ks_cursor_over(before.ptr, before.len);
    n = 0;
    while (ks_records_next(&c, &record, &ignored) == KS_OK)
        hashes[n++] = ks_siphash(key, record.ptr, record.len);
    qsort(hashes, n, sizeof(*hashes), compare_hashes);
    c = ks_cursor_over(plain.ptr, plain.len);
    while (ks_records_next(&c, &record, &ignored) == KS_OK) {
        uint64_t h = ks_siphash(key, record.ptr, record.len);
        if (bsearch(&h, hashes, n, sizeof(h), compare_hashes) == NULL)
            fresh++;
    }
    free(hashes);
    return fresh;
}

/* Compress a chunk nobody has, against what it resembles if that can be read,
 * and leave the stored bytes in work->data. The parent's plaintext is borrowed
 * from the one chunk reader, so the lock is held until it has been used up: a
 * chunk without a parent, as all are in a first backup, needs no lock. */
static int
encode_work(struct ks_pipeline *p, struct ks_work *w, unsigned worker,
            struct ks_err *err)
{
    struct ks_bytes plain = {w->data, w->len};
    struct ks_chunk chunk = {.base = {NULL, 0}};
    struct ks_err unread = KS_ERR_INIT;
    struct ks_stored stored;
    int rc;

    w->new_records = w->records;
    if (w->has_parent)
        (void)pthread_mutex_lock(&p->lock);
    if (w->has_parent &&
        ks_chunk_read(p->parents, w->parent, &chunk, &unread) != KS_OK)
        chunk.base.ptr = NULL; /* no base then: stored whole */
    else if (w->has_parent)
        w->new_records = count_new(ks_keyring_cut_key(p->cx->keys), plain,
                                   chunk.plain, w->records);
    rc = ks_chunk_encode(p->codecs[worker], w->kind, plain, chunk.base, &stored,
                         err);
    if (rc == KS_OK && stored.form == KS_FORM_DELTA)
        memcpy(w->entry.base, chunk.base_id, sizeof(w->entry.base));
    if (w->has_parent)
        (void)pthread_mutex_unlock(&p->lock);
    if (rc < 0)
        return rc;
    w->entry.form = (uint8_t)stored.form;
    w->entry.plain = (uint32_t)w->len;
    w->entry.stored = (uint32_t)stored.bytes.len;
    /* Stored bytes are never longer than plain ones (chunk.c), so they fit. */
    if (stored.bytes.ptr != w->data && stored.bytes.len > 0)
        memcpy(w->data, stored.bytes.ptr, stored.bytes.len);
    return KS_OK;
}

/* On a worker: name, look up, encode. What goes wrong is kept in the work and
 * told when it is retired, in its turn. */
static void
run_work(struct ks_task *task, unsigned worker)
{
    struct ks_work *w = (struct ks_work *)task;
    struct ks_pipeline *p = w->pipeline;

    w->err = KS_ERR_INIT;
    if (!w->has_id)
        ks_chunk_id(w->id, &p->keyed, w->kind,
                    (struct ks_bytes){w->data, w->len});
    w->entry = (struct ks_entry){.kind = (uint8_t)w->kind};
    memcpy(w->entry.id, w->id, sizeof(w->entry.id));
    w->new_records = 0;
    w->rc = ks_pipeline_known(p, w->id, &w->known, &w->err);
    if (w->rc == KS_OK && !w->known)
        w->rc = encode_work(p, w, worker, &w->err);
}

int
ks_pipeline_known(struct ks_pipeline *p, const uint8_t *id, bool *known,
                  struct ks_err *err)
{
    int rc;

    (void)pthread_mutex_lock(&p->lock);
    rc = ks_index_stored(p->index, id, known, err);
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

/* On the putter's thread: seal a pack and put it. Not yet synced: that is done
 * once for all packs, before the snapshot is put. */
static void
run_flight(struct ks_task *task, unsigned worker)
{
    struct flight *f = (struct flight *)task;
    char name[KS_OBJECT_NAME_SIZE];

    (void)worker;
    f->err = KS_ERR_INIT;
    f->rc = ks_pack_finish(&f->pack, f->cx, &f->ref, &f->err);
    if (f->rc < 0)
        return;
    ks_object_name(name, KS_DIR_PACKS, f->ref.id);
    f->rc =
        ks_store_put(f->cx->store, name, f->pack.object, f->ref.size, &f->err);
}

/* Wait for a pack that is away, and enter it into index and snapshot. Only now
 * do its chunks have a place that can be read; until then they count as
 * stored, but nobody can use them as a base. */
static int
land(struct ks_pipeline *p, struct flight *f, struct ks_err *err)
{
    int rc;

    if (!f->away)
        return KS_OK;
    ks_pool_wait(p->putter, &f->task);
    f->away = false;
    if (f->rc < 0) {
        *err = f->err;
        return f->rc;
    }
    (void)pthread_mutex_lock(&p->lock);
    ks_index_name_pack(p->index, f->number, &f->ref);
    (void)pthread_mutex_unlock(&p->lock);
    p->bytes += f->ref.size;
    rc = ks_snapshot_put_pack(&p->packs, &f->ref, &f->pack, err);
    ks_pack_reset(&f->pack);
    return rc;
}

/* Send the filling pack off and turn to the other one, which must have landed:
 * so at most one is away, and a slow store holds the capture back. */
static int
launch(struct ks_pipeline *p, struct ks_err *err)
{
    struct flight *f = &p->flights[p->filling];

    f->task = (struct ks_task){.run = run_flight};
    f->away = true;
    ks_pool_submit(p->putter, &f->task);
    p->filling = 1 - p->filling;
    return land(p, &p->flights[p->filling], err);
}

/* Lay a chunk into a pack and into the index, under the number of a pack that
 * gets its name when it lands. A pack enters the index with its first chunk.
 * In the order here a failure leaves no index entry without its bytes. */
static int
stow(struct ks_pipeline *p, struct ks_work *w, struct ks_err *err)
{
    struct flight *f = &p->flights[p->filling];
    int rc = KS_OK;

    if (!ks_pack_fits(&f->pack, w->entry.stored)) {
        rc = launch(p, err);
        f = &p->flights[p->filling];
    }
    (void)pthread_mutex_lock(&p->lock);
    if (rc == KS_OK && f->pack.count == 0)
        rc = ks_index_add_pack(p->index, NULL, &f->number, err);
    if (rc == KS_OK)
        rc = ks_pack_add(&f->pack, &w->entry, w->data, err);
    if (rc == KS_OK)
        rc = ks_index_add(p->index, f->number, &w->entry, err);
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Take the oldest work back from the workers. Its place in the ring is free
 * from here on, but nobody takes it before this returns. */
static int
retire(struct ks_pipeline *p, struct ks_err *err)
{
    struct ks_work *w = &p->ring[p->head];
    int rc;

    assert(p->flying > 0);
    ks_pool_wait(p->pool, &w->task);
    p->head = (p->head + 1) % p->size;
    p->flying--;
    rc = w->rc;
    if (rc < 0)
        *err = w->err;
    /* The same chunk may have been stored since the worker looked. */
    if (rc == KS_OK && !w->known)
        rc = ks_pipeline_known(p, w->id, &w->known, err);
    if (rc == KS_OK && w->known)
        w->new_records = 0; /* counted with the one that came first */
    if (rc == KS_OK && !w->known)
        rc = stow(p, w, err);
    if (rc == KS_OK)
        rc = w->retired(w->user, w, err);
    return rc;
}

int
ks_pipeline_take(struct ks_pipeline *p, struct ks_work **out,
                 struct ks_err *err)
{
    struct ks_work *w;

    if (p->flying == p->size) {
        int rc = retire(p, err);
        if (rc < 0)
            return rc;
    }
    w = &p->ring[(p->head + p->flying) % p->size];
    /* What the last user of the place has left must not be taken for ours. */
    w->has_id = false;
    w->has_parent = false;
    w->records = 0;
    w->len = 0;
    *out = w;
    return KS_OK;
}

void
ks_pipeline_submit(struct ks_pipeline *p, struct ks_work *work)
{
    assert(work == &p->ring[(p->head + p->flying) % p->size]);
    assert(work->len <= KS_CHUNK_MAX);
    work->task = (struct ks_task){.run = run_work};
    p->flying++;
    ks_pool_submit(p->pool, &work->task);
}

int
ks_pipeline_drain(struct ks_pipeline *p, struct ks_err *err)
{
    while (p->flying > 0) {
        int rc = retire(p, err);
        if (rc < 0)
            return rc;
    }
    return KS_OK;
}

int
ks_pipeline_finish(struct ks_pipeline *p, struct ks_err *err)
{
    int rc = ks_pipeline_drain(p, err);

    if (rc == KS_OK && p->flights[p->filling].pack.count > 0)
        rc = launch(p, err);
    /* After launch() the last pack is the other one; if there was nothing left
     * to launch, the other one may still be away. Either way: that one. */
    if (rc == KS_OK)
        rc = land(p, &p->flights[1 - p->filling], err);
    return rc;
}

uint64_t
ks_pipeline_bytes(const struct ks_pipeline *p)
{
    return p->bytes;
}

struct ks_bytes
ks_pipeline_packs(const struct ks_pipeline *p)
{
    return ks_buf_bytes(&p->packs);
}

/* Threads, buffers and codecs. What was made before a failure is freed by
 * ks_pipeline_close(), which passes over what is still NULL. */
static int
set_up(struct ks_pipeline *p, struct ks_err *err)
{
    int rc = ks_pool_open(&p->pool, p->workers, err);

    if (rc == KS_OK)
        rc = ks_pool_open(&p->putter, 1, err);
    if (rc == KS_OK)
        rc = ks_chunk_reader_open(&p->parents, p->cx, p->index, err);
    for (unsigned i = 0; rc == KS_OK && i < p->workers; i++)
        rc = ks_chunk_codec_open(&p->codecs[i], err);
    for (unsigned i = 0; rc == KS_OK && i < 2; i++) {
        p->flights[i].cx = p->cx;
        rc = ks_pack_builder_init(&p->flights[i].pack, err);
    }
    if (rc < 0)
        return rc;
    p->ring = calloc(p->size, sizeof(*p->ring));
    if (p->ring == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    for (size_t i = 0; i < p->size; i++) {
        p->ring[i].pipeline = p;
        p->ring[i].data = malloc(KS_CHUNK_MAX);
        if (p->ring[i].data == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    }
    return KS_OK;
}

int
ks_pipeline_open(struct ks_pipeline **out,
                 const struct ks_pipeline_options *options, struct ks_err *err)
{
    struct ks_pipeline *p = calloc(1, sizeof(*p));
    int rc;

    assert(options->workers >= 1 && options->workers <= KS_POOL_WORKERS_MAX);
    if (p == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    (void)pthread_mutex_init(&p->lock, NULL);
    p->cx = options->cx;
    p->index = options->index;
    p->workers = options->workers;
    p->size = options->workers + SPARE_WORKS;
    ks_buf_init(&p->packs, KS_OBJECT_CONTENT_MAX);
    ks_hmac_init(&p->keyed, ks_keyring_id_key(p->cx->keys), KS_KEY_SIZE);
    rc = set_up(p, err);
    if (rc == KS_OK) {
        *out = p;
        p = NULL;
    }
    ks_pipeline_close(p);
    return rc;
}

void
ks_pipeline_close(struct ks_pipeline *p)
{
    if (p == NULL)
        return;
    /* Threads first: they use everything below. Queued work still runs, but
     * nobody is told of it: retired() is not called any more. */
    ks_pool_close(p->pool);
    ks_pool_close(p->putter);
    ks_chunk_reader_close(p->parents);
    for (unsigned i = 0; i < p->workers; i++)
        ks_chunk_codec_close(p->codecs[i]);
    for (unsigned i = 0; i < 2; i++)
        ks_pack_builder_wipe(&p->flights[i].pack);
    for (size_t i = 0; p->ring != NULL && i < p->size; i++) {
        if (p->ring[i].data != NULL)
            ks_wipe(p->ring[i].data, KS_CHUNK_MAX);
        free(p->ring[i].data);
    }
    free(p->ring);
    ks_buf_wipe(&p->packs);
    (void)pthread_mutex_destroy(&p->lock);
    ks_wipe(&p->keyed, sizeof(p->keyed));
    free(p);
}
