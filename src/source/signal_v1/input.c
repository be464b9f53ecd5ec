/*
 * input: a window slides over the file; frames are verified in it and
 * decrypted into the room beside it, so the window always holds the file's
 * own bytes and can be looked at again after damage. Bodies are decrypted
 * straight into the buffer of whoever reads them.
 */
#include "source/signal_v1/input.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/reader.h"
#include "crypto/cipher.h"
#include "source/signal_v1/frame.h"

/* Pieces that stay in the cache between MAC and cipher. */
#define INPUT_PIECE ((size_t)256 << 10)

/* What may be spent on searching: so many times the size, and this. */
#define SEARCH_TIMES 32U
#define SEARCH_FLOOR ((uint64_t)1 << 30)

_Static_assert(KS_RECORD_MAX + KS_V1_FRAME_EXTRA <= KS_V1_WINDOW,
               "a frame that becomes a record fits into the window");

static const char nonsense[] = "it decrypts to nonsense, as one that is out "
                               "of its place does";

/*
 * What is read through a struct ks_reader: a blob, a large frame's content, or
 * bytes as they are. There is one, inside the input, so that half a million
 * blobs allocate nothing.
 */
struct body {
    struct ks_reader base; /* must stay first */
    struct ks_v1_input *in;
    struct ks_hmac mac;
    struct ks_sha256 *digest; /* of a raw body; may be NULL */
    uint64_t offset;          /* next byte in the file */
    uint64_t left;            /* bytes before the MAC */
    bool raw;                 /* neither MAC nor cipher */
    uint8_t full[KS_SHA256_SIZE];
};

/* All offsets are in the file, all lengths in bytes. */
struct ks_v1_input {
    int fd;
    char *path;
    uint64_t size;
    struct ks_v1_header header;
    size_t raw_header_len;
    uint8_t raw_header[KS_V1_LEN_SIZE + KS_V1_HEADER_MAX];
    struct ks_v1_cipher cipher;
    uint64_t window_at; /* file offset of window[0] */
    size_t window_len;
    uint8_t *window; /* KS_V1_WINDOW bytes */
    uint8_t *room;   /* KS_V1_HEADROOM + KS_RECORD_MAX bytes */
    const struct ks_progress *progress;
    uint64_t furthest; /* highest offset reported */
    uint64_t search_left;
    struct body body;
};

/* Open a regular file and nothing else: what is read here is read twice, and
 * a pipe cannot give it again. */
static int
open_regular(struct ks_v1_input *in, const char *path, struct ks_err *err)
{
    struct stat st;

    /* O_NONBLOCK: a FIFO must not hang us before we see what it is. */
    in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in->fd < 0)
        return ks_fail_sys(err, errno, "cannot open %s", path);
    if (fstat(in->fd, &st) != 0)
        return ks_fail_sys(err, errno, "cannot examine %s", path);
    if (S_ISDIR(st.st_mode))
        return ks_fail(err, KS_E_USAGE, 0,
                       "%s is a folder; name the .backup file in it", path);
    if (!S_ISREG(st.st_mode))
        return ks_fail(err, KS_E_USAGE, 0, "%s is not a regular file", path);
    in->size = (uint64_t)st.st_size;
    /* Advice only: what it answers does not matter. */
    (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return KS_OK;
}

/* The length is compared to its maximum before anything relies on it; the
 * header is kept raw as well, for who wants the same bytes again. */
static int
read_header(struct ks_v1_input *in, struct ks_err *err)
{
    struct ks_bytes head;
    uint32_t len;
    int rc;

    if (in->size == 0)
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "%s is empty (0 bytes); make the backup again",
                       in->path);
    rc = ks_v1_input_look(in, 0, KS_V1_LEN_SIZE + KS_V1_HEADER_MAX, &head, err);
    if (rc != KS_OK)
        return rc;
    if (head.len < KS_V1_LEN_SIZE)
        return ks_fail(err, KS_E_INCOMPLETE, 0, "%s ends inside its header",
                       in->path);
    len = ks_get_u32be(head.ptr);
    if (len == 0 || len > KS_V1_HEADER_MAX)
        return ks_fail(err, KS_E_FORMAT, 0,
                       "%s: not a Signal backup file, or its first bytes are "
                       "damaged: a header of %u bytes cannot be",
                       in->path, len);
    if (head.len < KS_V1_LEN_SIZE + len)
        return ks_fail(err, KS_E_INCOMPLETE, 0, "%s ends inside its header",
                       in->path);
    rc = ks_v1_header_parse(&in->header, head.ptr + KS_V1_LEN_SIZE, len, err);
    if (rc != KS_OK)
        return ks_context(err, "%s", in->path);
    in->raw_header_len = KS_V1_LEN_SIZE + len;
    memcpy(in->raw_header, head.ptr, in->raw_header_len);
    return KS_OK;
}

int
ks_v1_input_open(struct ks_v1_input **out, const char *path, struct ks_err *err)
{
    struct ks_v1_input *in = calloc(1, sizeof(*in));
    int rc;

    if (in == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "opening %s", path);
    in->fd = -1;
    in->path = strdup(path);
    in->window = malloc(KS_V1_WINDOW);
    in->room = malloc(KS_V1_HEADROOM + KS_RECORD_MAX);
    if (in->path == NULL || in->window == NULL || in->room == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "opening %s", path);
        goto done;
    }
    rc = open_regular(in, path, err);
    if (rc == KS_OK)
        rc = read_header(in, err);
    if (rc != KS_OK)
        goto done;
    /* What may be spent grows with the file, so that a bad one cannot ask for
     * more than it costs to make. */
    if (__builtin_mul_overflow(in->size, SEARCH_TIMES, &in->search_left))
        in->search_left = UINT64_MAX - SEARCH_FLOOR;
    in->search_left += SEARCH_FLOOR;
    *out = in;
    in = NULL;
done:
    ks_v1_input_close(in);
    return rc;
}

void
ks_v1_input_close(struct ks_v1_input *in)
{
    if (in == NULL)
        return;
    if (in->fd >= 0)
        (void)close(in->fd); /* only read from: nothing can be lost */
    if (in->room != NULL)
        ks_wipe(in->room, KS_V1_HEADROOM + KS_RECORD_MAX);
    free(in->room);
    free(in->window);
    free(in->path);
    ks_v1_cipher_wipe(&in->cipher);
    ks_wipe(&in->body.mac, sizeof(in->body.mac));
    free(in);
}

int
ks_v1_input_unlock(struct ks_v1_input *in, const uint8_t *key,
                   struct ks_err *err)
{
    assert(in->cipher.ctr == NULL);
    return ks_v1_cipher_init(&in->cipher, key, &in->header, err);
}

const struct ks_v1_header *
ks_v1_input_header(const struct ks_v1_input *in)
{
    return &in->header;
}

struct ks_bytes
ks_v1_input_raw_header(const struct ks_v1_input *in)
{
    return (struct ks_bytes){.ptr = in->raw_header, .len = in->raw_header_len};
}

uint64_t
ks_v1_input_size(const struct ks_v1_input *in)
{
    return in->size;
}

const char *
ks_v1_input_path(const struct ks_v1_input *in)
{
    return in->path;
}

struct ks_v1_cipher *
ks_v1_input_cipher(struct ks_v1_input *in)
{
    assert(in->cipher.ctr != NULL);
    return &in->cipher;
}

struct ks_v1_place
ks_v1_input_first(const struct ks_v1_input *in)
{
    return (struct ks_v1_place){.offset = in->raw_header_len,
                                .counter = ks_v1_first_counter(&in->header)};
}

void
ks_v1_input_watch(struct ks_v1_input *in, const struct ks_progress *progress)
{
    in->progress = progress;
    in->furthest = 0;
}

bool
ks_v1_input_spend(struct ks_v1_input *in, uint64_t cost)
{
    if (cost > in->search_left) {
        in->search_left = 0;
        return false;
    }
    in->search_left -= cost;
    return true;
}

/* Read file[offset..offset+len), all of it, into buf. */
static int
read_at(struct ks_v1_input *in, uint64_t offset, void *buf, size_t len,
        struct ks_err *err)
{
    size_t got = 0;
    int rc = ks_fd_pread(in->fd, buf, len, offset, &got, err);

    assert(len <= in->size && offset <= in->size - len);
    if (rc != KS_OK)
        return ks_context(err, "reading %s", in->path);
    if (got < len)
        return ks_fail(err, KS_E_IO, 0,
                       "%s became shorter while it was being read", in->path);
    if (offset + len > in->furthest) /* a search goes back; people do not */
        in->furthest = offset + len;
    return ks_progress_step(in->progress, "read", in->furthest, in->size, err);
}

/* What the window holds from `offset` on; empty if nothing. */
static struct ks_bytes
window_from(const struct ks_v1_input *in, uint64_t offset)
{
    /* Wraps below the window; looked at only above it. */
    uint64_t skip = offset - in->window_at;

    if (offset < in->window_at || skip >= in->window_len)
        return (struct ks_bytes){0};
    return (struct ks_bytes){.ptr = in->window + skip,
                             .len = in->window_len - (size_t)skip};
}

/*
 * Whatever of the range the window has already is moved to its front, and the
 * rest of the window filled from the file: reading in order costs one pread a
 * megabyte and moves only what a frame left over.
 */
int
ks_v1_input_look(struct ks_v1_input *in, uint64_t offset, size_t len,
                 struct ks_bytes *out, struct ks_err *err)
{
    struct ks_bytes have = window_from(in, offset);
    uint64_t rest = offset < in->size ? in->size - offset : 0;
    size_t fill = KS_V1_WINDOW;
    int rc = KS_OK;

    assert(len <= KS_V1_WINDOW);
    if (len > rest)
        len = (size_t)rest;
    /* Read to the window's end, not just what was asked for. */
    if (have.len < len) {
        if (fill > rest)
            fill = (size_t)rest;
        if (have.len > 0)
            /* What is there already moves to the front; only the rest is read.
             */
            memmove(in->window, have.ptr, have.len);
        in->window_at = offset;
        /* Until all is read: a failed read must not show old bytes as new. */
        in->window_len = have.len;
        rc = read_at(in, offset + have.len, in->window + have.len,
                     fill - have.len, err);
        if (rc != KS_OK)
            return rc;
        in->window_len = fill;
        have = (struct ks_bytes){.ptr = in->window, .len = fill};
    }
    assert(have.len >= len);
    *out = (struct ks_bytes){.ptr = have.ptr, .len = len};
    return KS_OK;
}

static bool
mac_matches(const uint8_t *in_file, const uint8_t full[KS_SHA256_SIZE])
{
    return ks_same(in_file, full, KS_V1_MAC_SIZE);
}

/* Mark the piece as bad; always KS_OK, because that is an answer. */
static int
piece_is_bad(struct ks_v1_piece *piece, const char *why)
{
    piece->state = KS_V1_BAD;
    piece->why = why;
    return KS_OK;
}

/*
 * Verify a large frame: its MAC over the file, piece by piece, then decrypt
 * only its head. The keystream stands at the content's start on entry.
 */
static int
read_large(struct ks_v1_input *in, struct ks_v1_piece *piece,
           struct ks_hmac *mac, struct ks_err *err)
{
    uint64_t from = piece->at.offset + KS_V1_LEN_SIZE;
    struct ks_bytes part;
    int rc = ks_v1_input_look(in, from, KS_V1_HEAD, &part, err);

    if (rc != KS_OK)
        return rc;
    ks_ctr_apply(in->cipher.ctr, piece->content, part.ptr, KS_V1_HEAD);
    /* Each step is bounded by the length, which the file's size bounds. */
    for (uint64_t done = 0; done < piece->len; done += part.len) {
        uint64_t n = piece->len - done;
        rc = ks_v1_input_look(in, from + done,
                              n < INPUT_PIECE ? (size_t)n : INPUT_PIECE, &part,
                              err);
        if (rc != KS_OK)
            return rc;
        ks_hmac_update(mac, part.ptr, part.len);
    }
    ks_hmac_final(mac, piece->full);
    rc = ks_v1_input_look(in, from + piece->len, KS_V1_MAC_SIZE, &part, err);
    if (rc == KS_OK && !mac_matches(part.ptr, piece->full))
        return piece_is_bad(piece, "its MAC does not match");
    piece->authentic = rc == KS_OK;
    if (rc == KS_OK && in->cipher.version == 0 &&
        ks_v1_frame_first_kind(piece->content[0]) == KS_V1_UNKNOWN)
        return piece_is_bad(piece, nonsense);
    return rc;
}

/* Verify and decrypt a frame that becomes a record. */
static int
read_small(struct ks_v1_input *in, struct ks_v1_piece *piece,
           struct ks_hmac *mac, struct ks_err *err)
{
    struct ks_v1_frame ignored;
    struct ks_bytes all;
    int rc = ks_v1_input_look(in, piece->at.offset,
                              KS_V1_FRAME_EXTRA + piece->len, &all, err);

    if (rc != KS_OK)
        return rc;
    ks_hmac_update(mac, all.ptr + KS_V1_LEN_SIZE, piece->len);
    ks_hmac_final(mac, piece->full);
    if (!mac_matches(all.ptr + KS_V1_LEN_SIZE + piece->len, piece->full))
        return piece_is_bad(piece, "its MAC does not match");
    piece->authentic = true;
    ks_ctr_apply(in->cipher.ctr, piece->content, all.ptr + KS_V1_LEN_SIZE,
                 piece->len);
    /* Version 0's MAC covers neither length nor counter. */
    if (in->cipher.version == 0 &&
        !ks_v1_frame_parse(&ignored, (struct ks_bytes){.ptr = piece->content,
                                                       .len = piece->len}))
        return piece_is_bad(piece, nonsense);
    return KS_OK;
}

int
ks_v1_input_read(struct ks_v1_input *in, struct ks_v1_place at,
                 struct ks_v1_piece *out, struct ks_err *err)
{
    struct ks_v1_piece piece = {
        .state = KS_V1_GOOD, .at = at, .content = in->room + KS_V1_HEADROOM};
    struct ks_hmac mac;
    struct ks_bytes head;
    uint32_t len;
    int rc = ks_v1_input_look(in, at.offset, KS_V1_LEN_SIZE, &head, err);

    assert(in->cipher.ctr != NULL);
    if (rc != KS_OK)
        return rc;
    if (head.len < KS_V1_LEN_SIZE) {
        (void)piece_is_bad(&piece, "the file ends inside it");
        piece.cut = true;
        if (head.len == 0)
            piece.state = KS_V1_EMPTY;
        goto done;
    }
    /* The keystream then stands at the content, so that version 1's length
     * and content cost one cipher run. */
    len = ks_v1_frame_read(&in->cipher, at.counter, head.ptr, &mac);
    if (len <= KS_V1_MAC_SIZE || len - KS_V1_MAC_SIZE > KS_V1_FRAME_MAX) {
        rc = piece_is_bad(&piece, "its length makes no sense");
        goto done;
    }
    piece.len = len - (uint32_t)KS_V1_MAC_SIZE;
    if (len > in->size - at.offset - KS_V1_LEN_SIZE) {
        rc = piece_is_bad(&piece, "the file ends inside it");
        piece.cut = true;
        goto done;
    }
    piece.end = at.offset + KS_V1_LEN_SIZE + len;
    piece.large = piece.len > KS_RECORD_MAX;
    rc = piece.large ? read_large(in, &piece, &mac, err)
                     : read_small(in, &piece, &mac, err);
done:
    if (rc == KS_OK)
        *out = piece;
    return rc;
}

/* At the end of an encrypted body: does its MAC hold? */
static int
finish_body(struct body *b, struct ks_err *err)
{
    /* Only this much may be said of the plaintext handed out so far: whoever
     * took it must take it back when the answer is KS_E_FORMAT. */
    struct ks_hmac mac = b->mac; /* KS_END may be asked for again */
    struct ks_bytes stored;
    int rc = ks_v1_input_look(b->in, b->offset, KS_V1_MAC_SIZE, &stored, err);

    if (rc != KS_OK)
        return rc;
    ks_hmac_final(&mac, b->full);
    if (stored.len < KS_V1_MAC_SIZE || !mac_matches(stored.ptr, b->full))
        return ks_fail(err, KS_E_FORMAT, 0, "its MAC does not match");
    return KS_END;
}

static int
read_body(struct ks_reader *r, void *buf, size_t cap, size_t *got,
          struct ks_err *err)
{
    struct body *b = (struct body *)r;
    struct ks_bytes have = window_from(b->in, b->offset);
    size_t n = cap < INPUT_PIECE ? cap : INPUT_PIECE;

    assert(cap > 0);
    assert(b->offset <= b->in->size && b->left <= b->in->size - b->offset);
    if (b->left == 0) {
        *got = 0;
        return b->raw ? KS_END : finish_body(b, err);
    }
    if (n > b->left)
        n = (size_t)b->left;
    /* What the window holds was read already; beyond it the file's bytes go
     * straight to the caller and are decrypted where they lie. */
    if (have.len == 0) {
        int rc = read_at(b->in, b->offset, buf, n, err);
        if (rc != KS_OK)
            return rc;
        have = (struct ks_bytes){.ptr = buf, .len = n};
    }
    if (n > have.len)
        n = have.len;
    if (!b->raw) {
        ks_hmac_update(&b->mac, have.ptr, n);
        ks_ctr_apply(b->in->cipher.ctr, buf, have.ptr, n);
    } else {
        if (b->digest != NULL)
            ks_sha256_update(b->digest, have.ptr, n);
        if (have.ptr != buf)
            memcpy(buf, have.ptr, n);
    }
    b->offset += n;
    b->left -= n;
    *got = n;
    return KS_OK;
}

/* The body is part of the input, which wipes it. */
static void
close_body(struct ks_reader *r)
{
    assert(r != NULL);
}

static const struct ks_reader_ops body_ops = {
    .read = read_body,
    .close = close_body,
};

struct ks_reader *
ks_v1_input_blob(struct ks_v1_input *in, struct ks_v1_place at, uint32_t len)
{
    assert(at.offset <= in->size && len <= in->size - at.offset);
    in->body = (struct body){
        .base = {&body_ops}, .in = in, .offset = at.offset, .left = len};
    ks_v1_blob_start(&in->cipher, at.counter, &in->body.mac);
    return &in->body.base;
}

int
ks_v1_input_large(struct ks_v1_input *in, const struct ks_v1_piece *piece,
                  struct ks_reader **out, struct ks_err *err)
{
    struct ks_bytes head;
    uint32_t len;
    int rc;

    assert(piece->state == KS_V1_GOOD && piece->large);
    rc = ks_v1_input_look(in, piece->at.offset, KS_V1_LEN_SIZE, &head, err);
    if (rc != KS_OK)
        return rc;
    in->body = (struct body){.base = {&body_ops},
                             .in = in,
                             .offset = piece->at.offset + KS_V1_LEN_SIZE,
                             .left = piece->len};
    len = ks_v1_frame_read(&in->cipher, piece->at.counter, head.ptr,
                           &in->body.mac);
    /* The same bytes as a moment ago, or somebody is writing to the file. */
    if (len != piece->len + KS_V1_MAC_SIZE)
        return ks_fail(err, KS_E_IO, 0, "%s changed while it was being read",
                       in->path);
    *out = &in->body.base;
    return KS_OK;
}

struct ks_reader *
ks_v1_input_raw(struct ks_v1_input *in, uint64_t from, uint64_t to,
                struct ks_sha256 *digest)
{
    assert(from <= to && to <= in->size);
    in->body = (struct body){.base = {&body_ops},
                             .in = in,
                             .digest = digest,
                             .offset = from,
                             .left = to - from,
                             .raw = true};
    return &in->body.base;
}

const uint8_t *
ks_v1_input_full(const struct ks_v1_input *in)
{
    return in->body.full;
}
