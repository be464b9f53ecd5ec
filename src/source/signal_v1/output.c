/*
 * output: the inverse of input. Content is encrypted piece by piece, so that
 * MAC and file get it while it is in the cache.
 */
#include "source/signal_v1/output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/reader.h"
#include "crypto/cipher.h"

#define OUTPUT_PIECE ((size_t)64 << 10)

/* One file being written; large, so it is not on the stack. */
struct ks_v1_output {
    struct ks_outfile *file;
    struct ks_v1_cipher cipher;
    uint32_t counter; /* of the next frame or blob */
    struct ks_sha256 digest;
    uint64_t length; /* bytes written */
    uint64_t told;   /* of them reported as progress */
    const struct ks_progress *progress;
    uint64_t total;
    uint8_t piece[OUTPUT_PIECE];
};

/* Every byte of the file comes through here, so that length and progress are
 * right. */
static int
put_out(struct ks_v1_output *o, const void *data, size_t len,
        struct ks_err *err)
{
    int rc = ks_outfile_write(o->file, data, len, err);

    if (rc != KS_OK)
        return rc;
    o->length += len;
    if (o->length - o->told < OUTPUT_PIECE)
        return KS_OK;
    /* Not for every frame: half a million calls would be felt. */
    o->told = o->length;
    return ks_progress_step(o->progress, "write", o->length, o->total, err);
}

int
ks_v1_output_open(struct ks_v1_output **out,
                  const struct ks_v1_output_options *options,
                  struct ks_err *err)
{
    struct ks_v1_output *o = calloc(1, sizeof(*o));
    struct ks_bytes header = options->raw_header;
    int rc;

    if (o == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "writing %s", options->path);
    o->counter = ks_v1_first_counter(options->header);
    o->progress = options->progress;
    o->total = options->total;
    ks_sha256_init(&o->digest);
    ks_sha256_update(&o->digest, header.ptr, header.len);
    rc = ks_v1_cipher_init(&o->cipher, options->key, options->header, err);
    if (rc == KS_OK)
        rc = ks_outfile_open(&o->file, options->path, 0600, options->replace,
                             err);
    if (rc == KS_OK)
        rc = put_out(o, header.ptr, header.len, err);
    if (rc == KS_OK) {
        *out = o;
        o = NULL;
    }
    ks_v1_output_close(o);
    return rc;
}

/* A frame or blob of `len` bytes with this MAC has been written. */
static void
count_piece(struct ks_v1_output *o, uint32_t len, const uint8_t *full)
{
    ks_v1_digest_add(&o->digest, len, full);
    o->counter++;
}

/* Small frames, nearly all, are sealed in one go and written once. */
int
ks_v1_output_frame(struct ks_v1_output *o, struct ks_bytes pb,
                   struct ks_err *err)
{
    uint8_t full[KS_SHA256_SIZE];
    struct ks_reader *from = NULL;
    size_t n;
    int rc;

    assert(pb.len >= 1 && pb.len <= KS_V1_FRAME_MAX);
    if (pb.len > OUTPUT_PIECE - KS_V1_FRAME_EXTRA) {
        rc = ks_reader_open_bytes(&from, pb.ptr, pb.len, err);
        if (rc == KS_OK)
            rc = ks_v1_output_body(o, KS_V1_BODY_FRAME, from, pb.len, err);
        ks_reader_close(from);
        return rc;
    }
    n = ks_v1_frame_seal(&o->cipher, o->counter, pb.ptr, pb.len, o->piece,
                         full);
    rc = put_out(o, o->piece, n, err);
    if (rc == KS_OK)
        count_piece(o, (uint32_t)pb.len, full);
    return rc;
}

/* What comes before the content; the keystream then stands at its start. */
static int
begin_body(struct ks_v1_output *o, enum ks_v1_body_kind kind, uint64_t len,
           struct ks_hmac *mac, struct ks_err *err)
{
    uint8_t head[KS_V1_LEN_SIZE];

    /* Raw bytes have neither. */
    if (kind == KS_V1_BODY_BLOB)
        ks_v1_blob_start(&o->cipher, o->counter, mac);
    if (kind != KS_V1_BODY_FRAME)
        return KS_OK;
    assert(len <= KS_V1_FRAME_MAX);
    ks_v1_frame_write(&o->cipher, o->counter, (uint32_t)len, head, mac);
    return put_out(o, head, sizeof(head), err);
}

/* Stops as soon as there is more than was promised: the length is in the file
 * already, and nothing could make it true. */
int
ks_v1_output_body(struct ks_v1_output *o, enum ks_v1_body_kind kind,
                  struct ks_reader *from, uint64_t len, struct ks_err *err)
{
    uint8_t full[KS_SHA256_SIZE];
    struct ks_hmac mac;
    uint64_t done = 0;
    size_t got;
    int rc = begin_body(o, kind, len, &mac, err);

    assert(kind == KS_V1_BODY_RAW || len <= UINT32_MAX);
    /* Plaintext is in memory only until the next line but one. */
    while (rc == KS_OK) {
        rc = ks_reader_read(from, o->piece, sizeof(o->piece), &got, err);
        if (rc != KS_OK)
            break;
        done += got;
        if (kind == KS_V1_BODY_RAW) {
            ks_sha256_update(&o->digest, o->piece, got);
        } else {
            ks_ctr_apply(o->cipher.ctr, o->piece, o->piece, got);
            ks_hmac_update(&mac, o->piece, got);
        }
        /* What is too much is not written: only whether the lengths agree is
         * still of interest. */
        if (done <= len)
            rc = put_out(o, o->piece, got, err);
        else
            break;
    }
    if (rc < 0)
        return rc;
    if (done != len)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "a blob has not the %" PRIu64 " bytes that its frame "
                       "says",
                       len);
    if (kind == KS_V1_BODY_RAW)
        return KS_OK;
    ks_hmac_final(&mac, full);
    rc = put_out(o, full, KS_V1_MAC_SIZE, err);
    if (rc == KS_OK)
        count_piece(o, (uint32_t)len, full);
    return rc;
}

uint64_t
ks_v1_output_sum(const struct ks_v1_output *o, uint8_t *digest)
{
    /* A copy ends, so that the file could go on. */
    struct ks_sha256 fork = o->digest;

    ks_sha256_final(&fork, digest);
    return o->length;
}

int
ks_v1_output_commit(struct ks_v1_output *o, struct ks_err *err)
{
    int rc = ks_progress_step(o->progress, "write", o->length, o->total, err);

    if (rc == KS_OK)
        rc = ks_outfile_commit(o->file, err);
    return rc;
}

void
ks_v1_output_close(struct ks_v1_output *o)
{
    if (o == NULL)
        return;
    ks_outfile_close(o->file);
    ks_v1_cipher_wipe(&o->cipher);
    ks_wipe(o, sizeof(*o));
    free(o);
}
