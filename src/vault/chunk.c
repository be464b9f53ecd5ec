/*
 * chunk: names and stored forms. Records and lists compress well and are
 * always tried; blobs are mostly photos and videos that do not, so three
 * small samples decide whether a piece is worth the time.
 *
 * Stored bytes are plain bytes, or one zstd frame without content size: the
 * entry says the plain length. How hard zstd tries is the writer's choice; a
 * reader needs nothing but the window bound, WINDOW_DELTA. A chunk's id is over
 * the plaintext alone, so it may be stored one way today and another tomorrow.
 */
#include "vault/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "crypto/secret.h"

/* Levels by measurement: a delta is small, so trying harder is cheap. */
#define LEVEL_ALONE    3
#define LEVEL_DELTA    6
#define WINDOW_ALONE   18 /* 256 KiB, the largest record chunk */
#define WINDOW_BLOB    20
#define WINDOW_DELTA   21 /* base and chunk, 1 MiB each */
#define SAMPLE_SIZE    ((size_t)4096)
#define SAMPLE_COUNT   ((size_t)3)
#define SAMPLE_PERCENT 97U /* a sample that shrinks less is incompressible */

struct ks_chunk_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t *alone; /* ZSTD_compressBound(KS_CHUNK_MAX) bytes */
    uint8_t *delta; /* as many; made at the first delta */
    size_t cap;
};

void
ks_chunk_id(uint8_t *id, const struct ks_hmac *keyed, enum ks_chunk_kind kind,
            struct ks_bytes plain)
{
    uint8_t message[1 + 32];
    /* a copy: `keyed` is shared by all threads and stays as it is */
    struct ks_hmac mac = *keyed;

    message[0] = (uint8_t)kind;
    ks_sha256(message + 1, plain.ptr, plain.len);
    ks_hmac_update(&mac, message, sizeof(message));
    ks_hmac_final(&mac, id);
    ks_wipe(&mac, sizeof(mac));
    ks_wipe(message, sizeof(message));
}

int
ks_chunk_codec_open(struct ks_chunk_codec **out, struct ks_err *err)
{
    struct ks_chunk_codec *codec = calloc(1, sizeof(*codec));

    if (codec == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    codec->cap = ZSTD_compressBound(KS_CHUNK_MAX);
    codec->compress = ZSTD_createCCtx();
    codec->decompress = ZSTD_createDCtx();
    codec->alone = malloc(codec->cap);
    if (codec->compress == NULL || codec->decompress == NULL ||
        codec->alone == NULL) {
        ks_chunk_codec_close(codec);
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory to compress");
    }
    *out = codec;
    return KS_OK;
}

/* Wipe and free: what is compressed is still somebody's message. */
static void
free_scratch(uint8_t *p, size_t cap)
{
    if (p != NULL)
        ks_wipe(p, cap);
    free(p);
}

void
ks_chunk_codec_close(struct ks_chunk_codec *codec)
{
    if (codec == NULL)
        return;
    (void)ZSTD_freeCCtx(codec->compress);
    (void)ZSTD_freeDCtx(codec->decompress);
    free_scratch(codec->alone, codec->cap);
    free_scratch(codec->delta, codec->cap);
    free(codec);
}

/* How to compress: into out[0..cap), with `base` as prefix if there is one. */
struct effort {
    uint8_t *out;
    int level;
    int window;
    struct ks_bytes base;
};

/* Compress plain into e->out, *len bytes. The room is enough for any chunk
 * (ZSTD_compressBound), and parameters are ours, so what fails is memory. */
static int
compress_into(struct ks_chunk_codec *codec, const struct effort *e,
              struct ks_bytes plain, size_t *len, struct ks_err *err)
{
    ZSTD_CCtx *c = codec->compress;
    size_t n;

    /* A prefix holds for one frame only, but level and window would stay. */
    (void)ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, e->level);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, e->window);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    if (e->base.ptr != NULL)
        (void)ZSTD_CCtx_refPrefix(c, e->base.ptr, e->base.len);
    n = ZSTD_compress2(c, e->out, codec->cap, plain.ptr, plain.len);
    if (ZSTD_isError(n))
        return ks_fail(err, KS_E_NOMEM, 0, "compressing: %s",
                       ZSTD_getErrorName(n));
    *len = n;
    return KS_OK;
}

/* Whether three samples of a piece shrink enough to try the whole. */
static int
worth_compressing(struct ks_chunk_codec *codec, struct ks_bytes plain,
                  bool *worth, struct ks_err *err)
{
    struct effort e = {.out = codec->alone, .level = 1};
    uint8_t samples[SAMPLE_SIZE * SAMPLE_COUNT];
    size_t len = 0;
    int rc;

    e.window = WINDOW_ALONE;
    *worth = true;
    /* then trying the whole costs little more */
    if (plain.len < 2 * sizeof(samples))
        return KS_OK;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t at = (plain.len - SAMPLE_SIZE) / SAMPLE_COUNT * (i + 1);
        memcpy(samples + i * SAMPLE_SIZE, plain.ptr + at, SAMPLE_SIZE);
    }
    rc = compress_into(codec, &e, (struct ks_bytes){samples, sizeof(samples)},
                       &len, err);
    ks_wipe(samples, sizeof(samples));
    if (rc == KS_OK)
        *worth = len < sizeof(samples) / 100 * SAMPLE_PERCENT;
    return rc;
}

/* Try a delta; it replaces *out only if it is small enough: it costs a second
 * read for ever, and keeps its base alive. */
static int
try_delta(struct ks_chunk_codec *codec, struct ks_bytes plain,
          struct ks_bytes base, struct ks_stored *out, struct ks_err *err)
{
    struct effort e = {
        .level = LEVEL_DELTA, .window = WINDOW_DELTA, .base = base};
    size_t len = 0;
    int rc;

    if (codec->delta == NULL)
        codec->delta = malloc(codec->cap);
    if (codec->delta == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory to compress");
    e.out = codec->delta;
    rc = compress_into(codec, &e, plain, &len, err);
    if (rc == KS_OK && len <= out->bytes.len * KS_DELTA_PERCENT / 100)
        *out = (struct ks_stored){KS_FORM_DELTA, {codec->delta, len}};
    return rc;
}

int
ks_chunk_encode(struct ks_chunk_codec *codec, enum ks_chunk_kind kind,
                struct ks_bytes plain, struct ks_bytes base,
                struct ks_stored *out, struct ks_err *err)
{
    struct effort e = {.out = codec->alone, .level = LEVEL_ALONE};
    bool worth = true;
    size_t len = 0;
    int rc = KS_OK;

    assert(plain.len <= KS_CHUNK_MAX);
    *out = (struct ks_stored){KS_FORM_RAW, plain};
    /* ids are random bytes */
    if (plain.len == 0 || kind == KS_CHUNK_PIECES)
        return KS_OK;
    if (kind == KS_CHUNK_BLOB)
        rc = worth_compressing(codec, plain, &worth, err);
    if (rc < 0 || !worth)
        return rc;
    e.window = kind == KS_CHUNK_BLOB ? WINDOW_BLOB : WINDOW_ALONE;
    rc = compress_into(codec, &e, plain, &len, err);
    if (rc < 0)
        return rc;
    if (len < plain.len)
        *out = (struct ks_stored){KS_FORM_ZSTD, {codec->alone, len}};
    return base.ptr == NULL ? KS_OK : try_delta(codec, plain, base, out, err);
}

int
ks_chunk_decode(struct ks_chunk_codec *codec, const struct ks_stored *stored,
                struct ks_bytes base, uint8_t *plain, size_t plain_len,
                struct ks_err *err)
{
    ZSTD_DCtx *d = codec->decompress;
    size_t n = stored->bytes.len;

    assert(plain_len <= KS_CHUNK_MAX);
    if (stored->form == KS_FORM_RAW) {
        /* another length is not copied, and refused below */
        if (n == plain_len && n > 0)
            memcpy(plain, stored->bytes.ptr, n);
    } else {
        (void)ZSTD_DCtx_reset(d, ZSTD_reset_session_and_parameters);
        (void)ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, WINDOW_DELTA);
        if (stored->form == KS_FORM_DELTA)
            (void)ZSTD_DCtx_refPrefix(d, base.ptr, base.len);
        /* Writes plain_len bytes at most, whatever the frame says of itself. */
        n = ZSTD_decompressDCtx(d, plain, plain_len, stored->bytes.ptr,
                                stored->bytes.len);
        /* A machine short of memory must not be told that its vault is bad. */
        if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
            return ks_fail(err, KS_E_NOMEM, 0, "not enough memory to unpack");
        if (ZSTD_isError(n))
            return ks_fail(err, KS_E_CORRUPT, 0, "a chunk does not unpack: %s",
                           ZSTD_getErrorName(n));
    }
    if (n != plain_len)
        return ks_fail(err, KS_E_CORRUPT, 0, "a chunk has the wrong length");
    return KS_OK;
}
