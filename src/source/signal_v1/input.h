#ifndef KS_SOURCE_SIGNAL_V1_INPUT_H
#define KS_SOURCE_SIGNAL_V1_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "source/signal_v1/container.h"
#include "vault/snapshot_writer.h"

struct ks_progress;
struct ks_reader;

/*
 * input: a Signal `.backup` file, read frame by frame.
 *
 * Floor 3. Life: open -> unlock -> read/body* -> close. One thread. Memory: a
 * window of 1 MiB over the file and room for one frame, whatever the size.
 * Damage is not an error here: a frame that does not verify is an answer, and
 * it is the caller who decides where reading goes on (resync.h). Errors
 * are KS_E_IO (also when the file shrinks while it is read), KS_E_CANCELLED.
 */
struct ks_v1_input;

#define KS_V1_WINDOW ((size_t)1 << 20) /* bytes that look() can show */

/* A place where a frame or blob may begin, and its number. */
struct ks_v1_place {
    uint64_t offset;
    uint32_t counter;
};

enum ks_v1_state {
    KS_V1_GOOD,  /* MAC and all */
    KS_V1_BAD,   /* `why` says what is wrong */
    KS_V1_EMPTY, /* the file ends here */
};

struct ks_v1_piece {
    enum ks_v1_state state;
    struct ks_v1_place at;
    bool authentic;  /* its MAC holds; in version 0 it may be BAD even so */
    uint64_t end;    /* where the next begins; 0 if the length is no length */
    bool cut;        /* BAD because the file ends too early for it */
    const char *why; /* BAD: a few words, static */
    uint32_t len;    /* GOOD: bytes of its content */
    uint8_t full[KS_SHA256_SIZE]; /* GOOD: its whole MAC */
    bool large; /* content beyond KS_RECORD_MAX: read it as a body */
    /* GOOD: content[0..len), or its first KS_V1_HEAD bytes if large. Before
     * it are KS_V1_HEADROOM bytes that the caller may write. Valid until the
     * next read. */
    uint8_t *content;
};
#define KS_V1_HEADROOM KS_BLOB_ID_SIZE /* where capture writes one */
#define KS_V1_HEAD     ((size_t)16)

/*
 * Open `path` and read its header. KS_E_NOTFOUND, KS_E_USAGE (a folder),
 * KS_E_INCOMPLETE (empty, or it ends inside the header), KS_E_FORMAT,
 * KS_E_UNSUPPORTED, KS_E_IO, KS_E_NOMEM. Errors name the path.
 */
KS_MUST_CHECK int ks_v1_input_open(struct ks_v1_input **out, const char *path,
                                   struct ks_err *err);
void ks_v1_input_close(struct ks_v1_input *in); /* NULL is ok */

/* Use source key key[0..32). Once, before anything below. KS_E_NOMEM. */
KS_MUST_CHECK int ks_v1_input_unlock(struct ks_v1_input *in, const uint8_t *key,
                                     struct ks_err *err);

/* What was opened; all borrowed and valid until close. */
const struct ks_v1_header *ks_v1_input_header(const struct ks_v1_input *in);
/* The header frame as it stands in the file, its length in front. */
struct ks_bytes ks_v1_input_raw_header(const struct ks_v1_input *in);
uint64_t ks_v1_input_size(const struct ks_v1_input *in);
const char *ks_v1_input_path(const struct ks_v1_input *in);
/* Not while a body is being read, which uses it. */
struct ks_v1_cipher *ks_v1_input_cipher(struct ks_v1_input *in);

/* Where the first frame begins. */
struct ks_v1_place ks_v1_input_first(const struct ks_v1_input *in);

/* Report reading to `progress` from now on; NULL: to nobody. */
void
ks_v1_input_watch(struct ks_v1_input *in, const struct ks_progress *progress);

/* file[offset..offset+len) for 0 <= len <= KS_V1_WINDOW, less only where
 * the file ends. Borrowed until the next call on `in`. */
KS_MUST_CHECK int
ks_v1_input_look(struct ks_v1_input *in, uint64_t offset, size_t len,
                 struct ks_bytes *out, struct ks_err *err);

/* Verify and decrypt the frame at `at`. KS_OK whatever is found there. */
KS_MUST_CHECK int
ks_v1_input_read(struct ks_v1_input *in, struct ks_v1_place at,
                 struct ks_v1_piece *out, struct ks_err *err);

/*
 * Readers for what does not fit into the room; only one at a time, and no
 * other call on `in` while it is read. The first two decrypt; they fail
 * with KS_E_FORMAT at their end if the MAC does not match, and
 * ks_v1_input_full() then, or after KS_END, is the whole MAC.
 */
/* The blob of len bytes at `at`, which must end within the file. */
struct ks_reader *
ks_v1_input_blob(struct ks_v1_input *in, struct ks_v1_place at, uint32_t len);
/* The content of a large frame that was read as GOOD. */
KS_MUST_CHECK int
ks_v1_input_large(struct ks_v1_input *in, const struct ks_v1_piece *piece,
                  struct ks_reader **out, struct ks_err *err);
/* file[from..to) as it is; also absorbed by `digest` unless NULL. */
struct ks_reader *ks_v1_input_raw(struct ks_v1_input *in, uint64_t from,
                                  uint64_t to, struct ks_sha256 *digest);
const uint8_t *ks_v1_input_full(const struct ks_v1_input *in);

/* Take `cost` from what may be spent on searching this file (resync.h);
 * false when it is used up. */
bool ks_v1_input_spend(struct ks_v1_input *in, uint64_t cost);

#endif /* KS_SOURCE_SIGNAL_V1_INPUT_H */
