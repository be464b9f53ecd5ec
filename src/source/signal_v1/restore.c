/*
 * restore: the `order` stream says from which stream the next records come;
 * each is opened when it is first named and closed with its last record.
 */
#include "source/signal_v1/restore.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "crypto/secret.h"
#include "source/signal_v1/frame.h"
#include "source/signal_v1/output.h"
#include "source/signal_v1/streams.h"
#include "source/source.h"
#include "vault/snapshot_reader.h"
#include "vault/snapshot_writer.h"

/* What a record of a stream stands for. */
enum record_kind {
    RECORD_FRAME, /* the frame's content */
    RECORD_BLOB,  /* a blob id, then the frame's content */
    RECORD_LARGE, /* the id of a blob that is the frame's content */
};

/* A stream that the order has named. */
struct input_stream {
    char name[KS_V1_NAME_SIZE];
    enum record_kind kind;
    struct ks_stream *stream; /* NULL before its first and after its last */
    uint64_t left;            /* records not yet read */
};

/* One restore; large, so it is not on the stack. */
struct restore {
    struct ks_snapshot_reader *r;
    struct ks_v1_output *out;
    struct ks_stream *order;
    struct ks_v1_header header;           /* of the file that is written */
    uint8_t raw_header[KS_V1_HEADER_OWN]; /* a fresh one */
    size_t count;                         /* number n is list[n - 1] */
    struct input_stream list[KS_V1_STREAM_MAX];
};

/* The vault has authenticated every byte, so what does not fit is a fault of
 * whoever captured it; said like damage, because it helps as little. */
static int
fail_corrupt(struct ks_err *err, const char *what)
{
    return ks_fail(err, KS_E_CORRUPT, 0,
                   "the snapshot does not fit together: %s", what);
}

/* The extra `name` if there is one; absence is no error. */
static int
optional_extra(const struct ks_snapshot_reader *r, const char *name,
               bool *found, struct ks_bytes *out, struct ks_err *err)
{
    int rc = ks_snapshot_get_extra(r, name, out, err);

    *found = rc == KS_OK;
    if (rc != KS_E_NOTFOUND)
        return rc;
    *err = KS_ERR_INIT;
    return KS_OK;
}

/* ---- records ---------------------------------------------------------- */

/* The order names the next number. */
static int
name_stream(struct restore *s, struct ks_bytes name, struct ks_err *err)
{
    struct input_stream fresh = {.kind = RECORD_FRAME};
    size_t total = ks_snapshot_stream_count(s->r);

    if (s->count == KS_V1_STREAM_MAX)
        return fail_corrupt(err, "too many streams");
    assert(name.len < sizeof(fresh.name));
    memcpy(fresh.name, name.ptr, name.len);
    if (strncmp(fresh.name, "blob/", 5) == 0)
        fresh.kind = RECORD_BLOB;
    else if (strcmp(fresh.name, KS_V1_LARGE) == 0)
        fresh.kind = RECORD_LARGE;
    /* How many records there are tells when the stream can be closed. */
    for (size_t i = 0; i < total; i++) {
        struct ks_stream_info info = ks_snapshot_stream_info(s->r, i);
        if (strcmp(info.name, fresh.name) == 0)
            /* A name that the snapshot does not have keeps 0, so the first run
             * of it is one record too many. */
            fresh.left = info.records;
    }
    s->list[s->count++] = fresh;
    return KS_OK;
}

/* An attachment, sticker or avatar: its frame, then its blob. */
static int
write_blob_record(struct restore *s, struct ks_bytes record, struct ks_err *err)
{
    struct ks_reader *blob = NULL;
    struct ks_v1_frame frame;
    struct ks_bytes pb;
    uint64_t size;
    int rc;

    if (record.len <= KS_BLOB_ID_SIZE)
        return fail_corrupt(err, "a blob without its frame");
    pb = (struct ks_bytes){.ptr = record.ptr + KS_BLOB_ID_SIZE,
                           .len = record.len - KS_BLOB_ID_SIZE};
    if (!ks_v1_frame_parse(&frame, pb) || !frame.has_blob)
        return fail_corrupt(err, "a frame that has no blob");
    /* The app trusts the frame's length, so a blob of another one would make
     * everything behind it unreadable. */
    rc = ks_blob_open(&blob, s->r, record.ptr, &size, err);
    if (rc == KS_OK && size != frame.blob_len)
        rc = fail_corrupt(err, "a blob of another length");
    if (rc == KS_OK)
        rc = ks_v1_output_frame(s->out, pb, err);
    if (rc == KS_OK)
        rc = ks_v1_output_body(s->out, KS_V1_BODY_BLOB, blob, size, err);
    ks_reader_close(blob);
    return rc;
}

/* Copy blob id[0..32) into the file, as a frame or as trailing bytes. */
static int
write_whole_blob(struct restore *s, const uint8_t *id,
                 enum ks_v1_body_kind kind, struct ks_err *err)
{
    struct ks_reader *blob = NULL;
    uint64_t size;
    int rc = ks_blob_open(&blob, s->r, id, &size, err);

    if (rc == KS_OK && kind == KS_V1_BODY_FRAME &&
        (size == 0 || size > KS_V1_FRAME_MAX))
        rc = fail_corrupt(err, "a frame larger than a frame can be");
    if (rc == KS_OK)
        rc = ks_v1_output_body(s->out, kind, blob, size, err);
    ks_reader_close(blob);
    return rc;
}

/* One record of the order is one frame, with its blob if it has one. */
static int
write_record(struct restore *s, enum record_kind kind, struct ks_bytes record,
             struct ks_err *err)
{
    switch (kind) {
    case RECORD_BLOB:
        return write_blob_record(s, record, err);
    case RECORD_LARGE:
        if (record.len != KS_BLOB_ID_SIZE)
            return fail_corrupt(err, "a large frame without its blob");
        return write_whole_blob(s, record.ptr, KS_V1_BODY_FRAME, err);
    case RECORD_FRAME:
    default:
        if (record.len == 0)
            return fail_corrupt(err, "a frame without content");
        return ks_v1_output_frame(s->out, record, err);
    }
}

/* The next run->records records of a stream. */
static int
copy_run(struct restore *s, const struct ks_v1_run *run, struct ks_err *err)
{
    struct input_stream *in;
    int rc = KS_OK;

    assert(run->number >= 1 && run->records >= 1);
    /* Numbers count from 1; 0, a name, is not for here. */
    if (run->number > s->count)
        return fail_corrupt(err, "its order names no stream");
    in = &s->list[run->number - 1];
    if (run->records > in->left)
        return fail_corrupt(err, "its order asks for more than there is");
    /* A chunk of memory each, so as few as possible at once. */
    if (in->stream == NULL)
        rc = ks_stream_open(&in->stream, s->r, in->name, err);
    for (uint64_t i = 0; rc == KS_OK && i < run->records; i++) {
        struct ks_bytes record;
        rc = ks_stream_next(in->stream, &record, err);
        if (rc == KS_END)
            rc = fail_corrupt(err, "a stream ends early");
        if (rc == KS_OK)
            rc = write_record(s, in->kind, record, err);
    }
    if (rc != KS_OK)
        return ks_context(err, "stream %s", in->name);
    in->left -= run->records;
    if (in->left == 0) { /* one chunk of memory less */
        ks_stream_close(in->stream);
        in->stream = NULL;
    }
    return KS_OK;
}

/* All frames but the end, in their order. */
static int
write_frames(struct restore *s, struct ks_err *err)
{
    int rc = ks_stream_open(&s->order, s->r, KS_V1_ORDER, err);

    if (rc == KS_E_NOTFOUND) {
        *err = KS_ERR_INIT;
        return fail_corrupt(err, "it has no order");
    }
    while (rc == KS_OK) {
        struct ks_bytes record;
        struct ks_v1_run run;
        rc = ks_stream_next(s->order, &record, err);
        if (rc != KS_OK)
            break;
        if (!ks_v1_run_parse(&run, record))
            return fail_corrupt(err, "its order cannot be read");
        rc = run.number == 0 ? name_stream(s, run.name, err)
                             : copy_run(s, &run, err);
    }
    if (rc != KS_END)
        return rc;
    /* Nothing may be left over, or the file lacks what the snapshot has. */
    for (size_t i = 0; i < s->count; i++)
        /* Lossless or nothing: a record that no run asks for would be gone. */
        if (s->list[i].left != 0)
            return fail_corrupt(err, "its order leaves records out");
    return KS_OK;
}

/* The end frame as it was, if that is known, else as the app writes it. */
static int
write_end(struct restore *s, struct ks_err *err)
{
    static const uint8_t plain_end[] = {KS_V1_END << 3, 1};
    struct ks_bytes end;
    bool found;
    int rc = optional_extra(s->r, "end", &found, &end, err);

    if (rc != KS_OK)
        return rc;
    if (!found || end.len == 0)
        end = (struct ks_bytes){plain_end, sizeof(plain_end)};
    return ks_v1_output_frame(s->out, end, err);
}

/* ---- a fresh file ----------------------------------------------------- */

/* A salt and an IV of its own, whatever the source had: encrypting again under
 * the old ones would be a two-time pad. */
static int
open_fresh(struct restore *s, struct ks_v1_output_options *o,
           const struct ks_secret *passphrase, struct ks_err *err)
{
    struct ks_v1_header *header = &s->header;
    struct ks_secret *key = NULL;
    int rc;

    /* A random one nobody knows would make a file nobody can open. */
    if (passphrase == NULL)
        return ks_fail(err, KS_E_USAGE, 0,
                       "a fresh Signal backup needs a passphrase");
    header->version = 1;
    header->salt_len = KS_V1_SALT_SIZE;
    ks_random(header->iv, sizeof(header->iv));
    ks_random(header->salt, KS_V1_SALT_SIZE);
    ks_v1_header_build(s->raw_header, header);
    /* This takes the time of 250 000 hashes. */
    rc = ks_v1_key_derive(&key, header, passphrase, err);
    if (rc == KS_OK) {
        o->key = key->data;
        o->header = header;
        o->raw_header = (struct ks_bytes){s->raw_header, sizeof(s->raw_header)};
        rc = ks_v1_output_open(&s->out, o, err);
        o->key = NULL; /* it ends here */
    }
    ks_secret_free(key);
    return rc;
}

/* ---- the same file again ---------------------------------------------- */

static const char cannot[] = "the same bytes cannot be made again: ";

/* The extra `name`, of `len` bytes (0: any), which an original must have. */
static int
need_extra(const struct restore *s, const char *name, size_t len,
           struct ks_bytes *out, struct ks_err *err)
{
    bool found;
    int rc = optional_extra(s->r, name, &found, out, err);

    if (rc == KS_OK && (!found || (len != 0 && out->len != len)))
        rc = ks_fail(err, KS_E_CORRUPT, 0,
                     "%sthe snapshot has no usable \"%s\"", cannot, name);
    return rc;
}

/* Whether the snapshot can give the original; if not, why. */
static int
check_original(const struct restore *s, struct ks_err *err)
{
    struct ks_bytes value;
    bool found;
    int rc = optional_extra(s->r, "not-original", &found, &value, err);

    if (rc == KS_OK && found)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "%s%.*s. Restore without --original instead", cannot,
                       (int)(value.len < 200 ? value.len : 200),
                       (const char *)value.ptr);
    if (rc == KS_OK)
        rc = optional_extra(s->r, "key", &found, &value, err);
    if (rc == KS_OK && !found)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "%sthe key of the source was not kept "
                       "(--forget-source-key). Restore without --original "
                       "instead",
                       cannot);
    return rc;
}

/* Header, IV and key as they were. The content is too, or the digest will say
 * so before the file has its name. */
static int
open_original(struct restore *s, struct ks_v1_output_options *o,
              struct ks_err *err)
{
    struct ks_bytes key;
    int rc = check_original(s, err);

    if (rc == KS_OK)
        rc = need_extra(s, "key", KS_KEY_SIZE, &key, err);
    if (rc == KS_OK)
        rc = need_extra(s, "header", 0, &o->raw_header, err);
    if (rc != KS_OK)
        return rc;
    if (o->raw_header.len <= KS_V1_LEN_SIZE)
        return fail_corrupt(err, "its header is too short");
    rc = ks_v1_header_parse(&s->header, o->raw_header.ptr + KS_V1_LEN_SIZE,
                            o->raw_header.len - KS_V1_LEN_SIZE, err);
    if (rc != KS_OK)
        return ks_context(err, "the header in the snapshot");
    o->key = key.ptr;
    o->header = &s->header;
    return ks_v1_output_open(&s->out, o, err);
}

/* Behind the end frame: what the original had there, and the proof. */
static int
finish_original(struct restore *s, struct ks_err *err)
{
    uint8_t digest[KS_SHA256_SIZE];
    struct ks_bytes want_digest;
    struct ks_bytes want_length;
    struct ks_bytes trailing;
    bool found;
    int rc = optional_extra(s->r, "trailing", &found, &trailing, err);

    if (rc == KS_OK && found && trailing.len != KS_BLOB_ID_SIZE + 8)
        rc = fail_corrupt(err, "its trailing bytes");
    if (rc == KS_OK && found)
        rc = write_whole_blob(s, trailing.ptr, KS_V1_BODY_RAW, err);
    if (rc == KS_OK)
        rc = need_extra(s, "digest", KS_SHA256_SIZE, &want_digest, err);
    if (rc == KS_OK)
        rc = need_extra(s, "length", 8, &want_length, err);
    if (rc != KS_OK)
        return rc;
    /* The proof: the digest of what was written is that of what was read. */
    if (ks_v1_output_sum(s->out, digest) != ks_get_u64le(want_length.ptr) ||
        !ks_same(digest, want_digest.ptr, sizeof(digest)))
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "what was written is not the original: its digest "
                       "differs");
    return KS_OK;
}

/* ---- both ------------------------------------------------------------- */

/* The steps that both kinds share; the file has no name before the last. */
static int
run_restore(struct restore *s, const char *target,
            const struct ks_restore_options *options,
            const struct ks_progress *progress, struct ks_err *err)
{
    struct ks_v1_output_options o = {
        .path = target, .replace = options->replace, .progress = progress};
    struct ks_bytes length;
    bool found;
    int rc = optional_extra(s->r, "length", &found, &length, err);

    if (rc == KS_OK && found && length.len == 8)
        /* For progress alone; a fresh file differs from the old one by its
         * header and by trailing bytes. */
        o.total = ks_get_u64le(length.ptr);
    if (rc == KS_OK)
        rc = options->original ? open_original(s, &o, err)
                               : open_fresh(s, &o, options->target_key, err);
    if (rc == KS_OK)
        rc = write_frames(s, err);
    if (rc == KS_OK)
        rc = write_end(s, err);
    if (rc == KS_OK && options->original)
        rc = finish_original(s, err);
    if (rc == KS_OK)
        rc = ks_v1_output_commit(s->out, err);
    return rc;
}

int
ks_v1_restore(struct ks_snapshot_reader *r, const char *target,
              const struct ks_restore_options *options,
              const struct ks_progress *progress, struct ks_err *err)
{
    struct restore *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "restoring %s", target);
    s->r = r;
    rc = run_restore(s, target, options, progress, err);
    if (rc != KS_OK)
        rc = ks_context(err, "restoring %s", target);
    ks_stream_close(s->order);
    for (size_t i = 0; i < s->count; i++)
        ks_stream_close(s->list[i].stream);
    ks_v1_output_close(s->out);
    free(s);
    return rc;
}
