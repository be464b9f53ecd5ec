/*
 * flowkit: see the header.
 */
#include "flowkit.h"

#include <string.h>

#include "check.h"
#include "crypto/secret.h"
#include "vault/keyring.h"

void
flow_open(struct flow *f, const uint8_t *keyring, size_t len)
{
    memset(f, 0, sizeof(*f));
    engine_open(&f->e);
    if (keyring != NULL) {
        ks_keyring_free(f->e.keys);
        KIT_OK(ks_keyring_decode(&f->e.keys, keyring, len, KIT_ERR));
        f->e.cx = kit_context(f->e.store, f->e.keys);
    }
    f->workers = 2;
    KIT_OK(ks_index_open(&f->index, &f->e.cx, NULL, KIT_ERR));
    KIT_OK(ks_chunk_reader_open(&f->chunks, &f->e.cx, f->index, KIT_ERR));
}

void
flow_close(struct flow *f)
{
    flow_abandon(f);
    ks_chunk_reader_close(f->chunks);
    ks_index_close(f->index);
    engine_close(&f->e);
}

void
flow_begin(struct flow *f)
{
    struct ks_snapshot_info info = {.root_level = f->level};
    struct ks_pipeline_options po = {.cx = &f->e.cx, .index = f->index};
    struct ks_streams_options so = {0};
    struct ks_blobs_options bo = {.cx = &f->e.cx};

    KIT_OK(ks_parent_open(&f->parent, KIT_ERR));
    memcpy(info.root, f->root, 32);
    if (f->has_list)
        KIT_OK(ks_parent_load(f->parent, f->chunks, &info, KIT_ERR));
    po.workers = f->workers;
    KIT_OK(ks_pipeline_open(&f->pipeline, &po, KIT_ERR));
    so.pipeline = f->pipeline;
    so.parent = f->parent;
    so.cut_key = ks_keyring_cut_key(f->e.keys);
    KIT_OK(ks_streams_open(&f->streams, &so, KIT_ERR));
    bo.pipeline = f->pipeline;
    bo.parent = f->parent;
    bo.streams = f->streams;
    KIT_OK(ks_blobs_open(&f->blobs, &bo, KIT_ERR));
}

void
flow_abandon(struct flow *f)
{
    ks_pipeline_close(f->pipeline);
    ks_blobs_close(f->blobs);
    ks_streams_close(f->streams);
    ks_parent_close(f->parent);
    f->pipeline = NULL;
    f->blobs = NULL;
    f->streams = NULL;
    f->parent = NULL;
}

void
flow_end(struct flow *f)
{
    KIT_OK(ks_streams_finish(f->streams, f->root, &f->level, KIT_ERR));
    KIT_OK(ks_pipeline_finish(f->pipeline, KIT_ERR));
    f->has_list = true;
    f->counts = ks_streams_counts(f->streams);
    flow_abandon(f);
}

struct collecting {
    const char *stream;
    bool inside;
    struct ks_chunk_ref *refs;
    size_t count;
    size_t max;
};

static int
collect_section(void *user, enum ks_section kind, struct ks_bytes name)
{
    struct collecting *c = user;

    if (c->stream == NULL)
        c->inside = kind == KS_SECTION_BLOBS;
    else
        c->inside = kind == KS_SECTION_STREAM &&
                    name.len == strlen(c->stream) &&
                    memcmp(name.ptr, c->stream, name.len) == 0;
    return 0;
}

static int
collect_chunk(void *user, const struct ks_chunk_ref *ref)
{
    struct collecting *c = user;

    if (!c->inside)
        return 0;
    assert_true(c->count < c->max);
    c->refs[c->count++] = *ref;
    return 0;
}

size_t
flow_refs(struct flow *f, const char *stream, struct ks_chunk_ref *refs,
          size_t max)
{
    struct collecting c = {.stream = stream, .refs = refs, .max = max};
    struct ks_list_visitor v = {
        .section = collect_section, .chunk = collect_chunk, .user = &c};

    KIT_OK(ks_list_walk(f->chunks, f->root, f->level, &v, KIT_ERR));
    return c.count;
}

struct ks_chunk
flow_chunk(struct flow *f, const uint8_t *id)
{
    struct ks_chunk chunk;

    KIT_OK(ks_chunk_read(f->chunks, id, &chunk, KIT_ERR));
    return chunk;
}
