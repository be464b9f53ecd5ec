/*
 * capture: the snapshot writer. It follows steps W0 to W4 of doc/format.md
 * ("Collecting garbage"): the writer is settled before packs are listed, packs
 * are durable before the snapshot is put, the snapshot's id is journalled
 * before it is put.
 *
 * A crash or a failure anywhere leaves packs that nothing refers to, and at
 * most a promise in the client state, which the next run of this writer
 * settles. Nothing that was in the vault before is touched.
 */
#include "vault/capture.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/blobs.h"
#include "vault/index.h"
#include "vault/keyring.h"
#include "vault/parent.h"
#include "vault/pipeline.h"
#include "vault/snapshot_object.h"
#include "vault/streams.h"
#include "vault/vault.h"
#include "vault/writer.h"

/* Bounds of what is kept beside a snapshot, but for KS_EXTRA_MAX bytes. */
#define EXTRAS_MAX 32U
#define NAME_LEN   ((size_t)31)

/* A value beside the snapshot; data is ours and wiped when it goes. */
struct extra {
    char name[NAME_LEN + 1];
    uint8_t *data;
    size_t len;
};

/* Each member leans on those above it, so ks_capture_abandon() closes from
 * the pipeline, whose threads use index and parent, outwards. */
struct ks_snapshot_writer {
    struct ks_vault *vault;
    struct ks_writer *writer;
    struct ks_index *index;
    struct ks_parent *parent;
    struct ks_pipeline *pipeline;
    struct ks_streams *streams;
    struct ks_blobs *blobs;
    struct ks_snapshot_info info; /* filled as we go */
    struct extra extras[EXTRAS_MAX];
    size_t extra_count;
    size_t extra_bytes;
};

/* For the index: the set D of this run. */
static bool
pack_is_doomed(const void *user, const uint8_t *pack)
{
    return ks_writer_doomed(user, pack);
}

/* The newest snapshot of the same source, or NULL. The list is sorted, oldest
 * first. Another account's will do: the worst parent costs only space. */
static const struct ks_snapshot_info *
pick_parent(const struct ks_snapshots *all, const char *source)
{
    for (size_t i = all->count; i > 0; i--)
        if (strcmp(all->list[i - 1].source, source) == 0)
            return &all->list[i - 1];
    return NULL;
}

/* The newest run known of each writer, for whoever looks for a store that
 * went back in time. */
static int
collect_heads(struct ks_snapshot_info *info, const struct ks_snapshots *all,
              struct ks_err *err)
{
    info->heads = calloc(all->count > 0 ? all->count : 1, sizeof(*info->heads));
    if (info->heads == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    for (size_t i = 0; i < all->count; i++) {
        const struct ks_snapshot_info *s = &all->list[i];
        size_t at = 0;

        while (at < info->head_count &&
               memcmp(info->heads[at].writer, s->writer, 16) != 0)
            at++;
        /* a writer too many: a head less, and nothing else */
        if (at == KS_HEADS_MAX)
            continue;
        if (at == info->head_count)
            info->head_count++;
        else if (info->heads[at].run >= s->run)
            continue;
        memcpy(info->heads[at].writer, s->writer, 16);
        memcpy(info->heads[at].snapshot, s->id, 16);
        info->heads[at].run = s->run;
    }
    return KS_OK;
}

/*
 * Which run of this writer was the one before: what comes between the two is
 * void. A run in the vault that the client state has not even begun is one of
 * ours, too: the state was put back from an older copy, or a machine with it
 * was cloned.
 */
static uint64_t
find_previous(struct ks_snapshot_writer *w, const struct ks_snapshots *all)
{
    struct ks_snapshot_info *info = &w->info;
    uint64_t begun = ks_writer_run(w->writer);
    uint64_t floor = 0;

    memcpy(info->writer, ks_writer_id(w->writer), 16);
    ks_writer_last(w->writer, &info->previous_run, info->previous);
    for (size_t i = 0; i < all->count; i++) {
        const struct ks_snapshot_info *s = &all->list[i];

        if (memcmp(s->writer, info->writer, 16) != 0 || s->run <= floor)
            continue;
        floor = s->run;
        /* Runs up to `begun` are ours to know of: the journal has settled
         * which of them count. One above it is named as the previous, or it
         * would be taken for one that came too late. */
        if (floor > begun) {
            info->previous_run = floor;
            memcpy(info->previous, s->id, 16);
        }
    }
    return floor;
}

/* Number, generation, parent and time of the run that begins. Neither
 * generation nor time may be below that of any snapshot there is. */
static int
begin_run(struct ks_snapshot_writer *w, const struct ks_snapshots *all,
          const struct ks_snapshot_info *parent, struct ks_err *err)
{
    struct ks_snapshot_info *info = &w->info;

    /* A clock that was set back must not make the newest snapshot look old:
     * rules that forget by age go by these times. */
    info->time_ms = ks_now_ms();
    for (size_t i = 0; i < all->count; i++) {
        const struct ks_snapshot_info *s = &all->list[i];

        if (s->generation > info->generation)
            info->generation = s->generation;
        if (s->time_ms > info->time_ms)
            info->time_ms = s->time_ms;
    }
    info->generation++;
    if (parent != NULL)
        memcpy(info->parent, parent->id, 16);
    return ks_writer_begin(w->writer, find_previous(w, all), &info->run, err);
}

/* What the parent knows; a parent that cannot be read only costs space. */
static int
load_parent(struct ks_snapshot_writer *w, const struct ks_snapshot_info *parent,
            struct ks_err *err)
{
    struct ks_chunk_reader *chunks = NULL;
    struct ks_err why = KS_ERR_INIT;
    int rc = ks_parent_open(&w->parent, err);

    if (rc < 0 || parent == NULL)
        return rc;
    rc = ks_chunk_reader_open(&chunks, ks_vault_context(w->vault), w->index,
                              err);
    if (rc == KS_OK) {
        rc = ks_parent_load(w->parent, chunks, parent, &why);
        if (rc == KS_E_NOMEM || rc == KS_E_IO)
            *err = why;
        else
            rc = KS_OK;
    }
    ks_chunk_reader_close(chunks);
    return rc;
}

/* The moving parts: threads, builders, the table of blobs seen. What was made
 * before a failure stays in w and goes with it. */
static int
start(struct ks_snapshot_writer *w, unsigned workers, struct ks_err *err)
{
    const struct ks_object_context *cx = ks_vault_context(w->vault);
    struct ks_pipeline_options po = {
        .cx = cx,
        .index = w->index,
        .workers = workers > 0 ? workers : ks_pool_default_workers()};
    struct ks_streams_options so = {.parent = w->parent,
                                    .cut_key = ks_keyring_cut_key(cx->keys)};
    struct ks_blobs_options bo = {.cx = cx, .parent = w->parent};
    int rc = ks_pipeline_open(&w->pipeline, &po, err);

    so.pipeline = w->pipeline;
    if (rc == KS_OK)
        rc = ks_streams_open(&w->streams, &so, err);
    bo.pipeline = w->pipeline;
    bo.streams = w->streams;
    if (rc == KS_OK)
        rc = ks_blobs_open(&w->blobs, &bo, err);
    return rc;
}

/* Copy a text of bounded length; false if it is too long. */
static bool
copy_text(char *out, size_t size, const char *text)
{
    size_t len = text == NULL ? 0 : strlen(text);

    if (len >= size)
        return false;
    if (len > 0)
        memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

int
ks_capture_begin(struct ks_snapshot_writer **out, struct ks_vault *v,
                 const struct ks_capture_options *options, struct ks_err *err)
{
    struct ks_snapshot_writer *w = calloc(1, sizeof(*w));
    struct ks_index_options io = {.doomed = pack_is_doomed};
    struct ks_snapshots all = {0};
    const struct ks_snapshot_info *parent;
    int rc = KS_OK;

    if (w == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    /* Only borrowed: it stays open, and the caller closes it after us. */
    w->vault = v;
    if (!copy_text(w->info.source, sizeof(w->info.source), options->source) ||
        !copy_text(w->info.label, sizeof(w->info.label), options->label))
        rc = ks_fail(err, KS_E_USAGE, 0,
                     "the label is too long: at most %zu bytes",
                     sizeof(w->info.label) - 1);
    if (rc == KS_OK)
        rc = ks_writer_open(&w->writer, ks_vault_context(v),
                            options->state_folder, err);
    /* After the writer is there, with all its marks: W2 comes after W1. */
    io.user = w->writer;
    if (rc == KS_OK)
        rc = ks_snapshots_read(v, &all, err);
    if (rc == KS_OK)
        rc = ks_snapshots_index(&w->index, v, &io, err);
    /* points into `all`, which lives until the end of this function */
    parent = pick_parent(&all, w->info.source);
    if (rc == KS_OK)
        rc = begin_run(w, &all, parent, err);
    if (rc == KS_OK)
        rc = collect_heads(&w->info, &all, err);
    if (rc == KS_OK)
        rc = load_parent(w, parent, err);
    if (rc == KS_OK)
        rc = start(w, options->workers, err);
    if (rc == KS_OK) {
        *out = w;
        w = NULL;
    }
    ks_snapshots_free(&all);
    ks_capture_abandon(w);
    return rc;
}

void
ks_capture_abandon(struct ks_snapshot_writer *w)
{
    if (w == NULL)
        return;
    ks_pipeline_close(w->pipeline); /* first: its threads use the others */
    ks_blobs_close(w->blobs);
    ks_streams_close(w->streams);
    ks_parent_close(w->parent);
    ks_index_close(w->index);
    ks_writer_close(w->writer);
    ks_snapshot_info_wipe(&w->info);
    for (size_t i = 0; i < w->extra_count; i++) {
        ks_wipe(w->extras[i].data, w->extras[i].len);
        free(w->extras[i].data);
    }
    free(w);
}

int
ks_snapshot_stream(struct ks_snapshot_writer *w, const char *name,
                   unsigned *stream, struct ks_err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > KS_STREAM_NAME_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "a stream's name has 1 to %zu bytes",
                       KS_STREAM_NAME_MAX);
    for (size_t i = 0; i < len; i++)
        /* also keeps off the names of our own streams, which begin with \001 */
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return ks_fail(err, KS_E_FORMAT, 0,
                           "a stream's name has a control character");
    return ks_streams_name(w->streams, name, stream, err);
}

int
ks_snapshot_record(struct ks_snapshot_writer *w, unsigned stream,
                   const void *data, size_t len, int64_t time_ms,
                   struct ks_err *err)
{
    if (len > KS_RECORD_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "a record of %zu bytes", len);
    return ks_streams_record(w->streams, stream, (struct ks_bytes){data, len},
                             time_ms, err);
}

int
ks_snapshot_blob(struct ks_snapshot_writer *w, struct ks_reader *from,
                 uint8_t *id, struct ks_err *err)
{
    return ks_blobs_add(w->blobs, from, id, err);
}

int
ks_snapshot_report(struct ks_snapshot_writer *w,
                   const struct ks_report_entry *entry, struct ks_err *err)
{
    struct ks_snapshot_info *info = &w->info;
    size_t n = info->report_kept;
    void *bigger;

    info->report_count++;
    info->lost += entry->lost;
    if (n >= KS_REPORT_MAX)
        return KS_OK;
    /* room for the next power of two: n is one, so it is full */
    if ((n & (n - 1)) == 0) {
        bigger =
            realloc(info->report, (n == 0 ? 1 : n * 2) * sizeof(*info->report));
        if (bigger == NULL)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
        info->report = bigger;
    }
    info->report[n] = *entry;
    info->report_kept = n + 1;
    return KS_OK;
}

/* A name of our own kind: [a-z0-9-], 1..31 characters. */
static void
assert_name(const char *name)
{
    size_t len = strlen(name);

    assert(len >= 1 && len <= NAME_LEN);
    assert(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len);
}

int
ks_snapshot_skip(struct ks_snapshot_writer *w, const char *reason,
                 uint64_t count, struct ks_err *err)
{
    struct ks_snapshot_info *info = &w->info;

    assert_name(reason);
    if (count == 0)
        return KS_OK;
    info->filtered = true;
    for (size_t i = 0; i < info->skip_count; i++) {
        if (strcmp(info->skips[i].reason, reason) == 0) {
            info->skips[i].count += count;
            return KS_OK;
        }
    }
    if (info->skip_count >= KS_SKIPS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "too many reasons to leave out");
    (void)copy_text(info->skips[info->skip_count].reason,
                    sizeof(info->skips[0].reason), reason);
    info->skips[info->skip_count++].count = count;
    return KS_OK;
}

int
ks_snapshot_extra(struct ks_snapshot_writer *w, const char *name,
                  const void *data, size_t len, struct ks_err *err)
{
    struct extra *e = NULL;
    uint8_t *copy;

    assert_name(name);
    for (size_t i = 0; i < w->extra_count; i++)
        if (strcmp(w->extras[i].name, name) == 0)
            e = &w->extras[i];
    /* Without what it replaces; len is checked first, so nothing wraps. */
    if (len > KS_EXTRA_MAX ||
        w->extra_bytes - (e == NULL ? 0 : e->len) > KS_EXTRA_MAX - len ||
        (e == NULL && w->extra_count >= EXTRAS_MAX))
        return ks_fail(err, KS_E_LIMIT, 0, "too much beside a snapshot");
    copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    if (len > 0)
        memcpy(copy, data, len);
    if (e == NULL) {
        e = &w->extras[w->extra_count++];
        (void)copy_text(e->name, sizeof(e->name), name);
    } else {
        w->extra_bytes -= e->len;
        ks_wipe(e->data, e->len);
        free(e->data);
    }
    e->data = copy;
    e->len = len;
    w->extra_bytes += len;
    return KS_OK;
}

void
ks_snapshot_source_bytes(struct ks_snapshot_writer *w, uint64_t bytes)
{
    w->info.source_bytes = bytes;
}

void
ks_snapshot_account(struct ks_snapshot_writer *w, const char *account)
{
    (void)copy_text(w->info.account, sizeof(w->info.account), account);
}

/* Encode and seal the snapshot object. Its own size is part of what it says,
 * and does not change with that number. */
static int
seal_snapshot(struct ks_snapshot_writer *w, struct ks_buf *sealed,
              struct ks_err *err)
{
    struct ks_snapshot_parts parts = {.packs = ks_pipeline_packs(w->pipeline)};
    struct ks_buf extras;
    struct ks_buf content;
    int rc = KS_OK;

    ks_buf_init(&extras, KS_EXTRA_MAX + (size_t)EXTRAS_MAX * 64);
    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    for (size_t i = 0; rc == KS_OK && i < w->extra_count; i++)
        rc = ks_snapshot_put_extra(
            &extras, w->extras[i].name,
            (struct ks_bytes){w->extras[i].data, w->extras[i].len}, err);
    parts.extras = ks_buf_bytes(&extras);
    if (rc == KS_OK)
        rc = ks_snapshot_encode(&content, &w->info, &parts, err);
    if (rc == KS_OK) {
        w->info.added_bytes = ks_pipeline_bytes(w->pipeline) +
                              ks_seal_room(ks_padded(4 + content.len));
        rc = ks_snapshot_encode(&content, &w->info, &parts, err);
    }
    if (rc == KS_OK)
        rc = ks_object_seal(ks_vault_context(w->vault), KS_OBJ_SNAPSHOT,
                            ks_buf_bytes(&content), sealed, w->info.id, err);
    ks_buf_wipe(&content);
    ks_buf_wipe(&extras);
    return rc;
}

/* Everything into packs; the numbers for people. */
static int
finish_content(struct ks_snapshot_writer *w, struct ks_err *err)
{
    struct ks_stream_counts counts;
    int rc =
        ks_streams_finish(w->streams, w->info.root, &w->info.root_level, err);

    if (rc == KS_OK)
        rc = ks_pipeline_finish(w->pipeline, err);
    counts = ks_streams_counts(w->streams);
    w->info.streams = counts.streams;
    w->info.records = counts.records;
    w->info.new_records = counts.new_records;
    w->info.blobs = ks_blobs_count(w->blobs);
    w->info.new_blobs = ks_blobs_new(w->blobs);
    return rc;
}

/* W4: the commit point. */
static int
put_snapshot(struct ks_snapshot_writer *w, struct ks_err *err)
{
    struct ks_store *store = ks_vault_store(w->vault);
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf sealed;
    int rc;

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    rc = seal_snapshot(w, &sealed, err);
    if (rc == KS_OK)
        rc = ks_store_sync(store, err); /* packs before the snapshot */
    if (rc == KS_OK)
        /* From here until committed a crash leaves it in doubt: the next run
         * looks whether the snapshot got there. */
        rc = ks_writer_promise(w->writer, w->info.id, err);
    ks_object_name(name, KS_DIR_SNAPSHOTS, w->info.id);
    if (rc == KS_OK)
        rc = ks_store_put(store, name, sealed.data, sealed.len, err);
    if (rc == KS_OK)
        rc = ks_store_sync(store, err);
    if (rc == KS_OK)
        rc = ks_writer_committed(w->writer, err);
    ks_buf_wipe(&sealed);
    return rc;
}

/* The index is a cache: if folding fails, the next run folds. The snapshot is
 * durable by now, so no failure here may be told as one of the backup. */
static void
fold_index(struct ks_snapshot_writer *w)
{
    struct ks_err ignored = KS_ERR_INIT;
    int rc = ks_index_add_run(w->index, w->info.id, &ignored);

    if (rc == KS_OK && ks_index_should_fold(w->index))
        rc = ks_index_fold(w->index, &ignored);
    if (rc == KS_OK)
        rc = ks_store_sync(ks_vault_store(w->vault), &ignored);
    (void)rc;
}

int
ks_capture_commit(struct ks_snapshot_writer *w, struct ks_snapshot_info *out,
                  struct ks_err *err)
{
    int rc = finish_content(w, err);

    if (rc == KS_OK)
        rc = put_snapshot(w, err);
    ks_pipeline_close(w->pipeline); /* its packs' memory, before the fold */
    w->pipeline = NULL;
    if (rc == KS_OK) {
        fold_index(w);
        *out = w->info;
        /* its memory is now the caller's */
        w->info = (struct ks_snapshot_info){.run = 0};
    }
    ks_capture_abandon(w);
    return rc;
}
