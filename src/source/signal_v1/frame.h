#ifndef KS_SOURCE_SIGNAL_V1_FRAME_H
#define KS_SOURCE_SIGNAL_V1_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * frame: what kind a BackupFrame is, and the little that must be known of it.
 *
 * Floor 3. Reads in place, allocates nothing. Source: Signal-Android's
 * Backups.proto as of 2026-08; kinds are its field numbers.
 */
enum ks_v1_kind {
    KS_V1_UNKNOWN = 0, /* none of those below */
    KS_V1_STATEMENT = 2,
    KS_V1_PREFERENCE = 3,
    KS_V1_ATTACHMENT = 4,
    KS_V1_VERSION = 5,
    KS_V1_END = 6,
    KS_V1_AVATAR = 7,
    KS_V1_STICKER = 8,
    KS_V1_KEYVALUE = 9,
};
#define KS_V1_KINDS 10 /* kinds are 0..9 */

struct ks_v1_frame {
    enum ks_v1_kind kind;
    struct ks_bytes body; /* of the kind's message; borrowed */
    bool has_blob;        /* a blob follows, of blob_len bytes */
    uint32_t blob_len;
    uint64_t row; /* attachment, sticker: the row's id, else 0 */
};

/*
 * Recognise pb[0..len). False, and *out untouched, if it is not a sequence of
 * fields. Normally exactly one field is set; if there are more, `end` wins and
 * otherwise the first known one.
 */
bool ks_v1_frame_parse(struct ks_v1_frame *out, struct ks_bytes pb);

/* The kind that a frame beginning with this byte announces; for frames too
 * large to be parsed. */
enum ks_v1_kind ks_v1_frame_first_kind(uint8_t first);

/*
 * Whether a frame of len bytes that begins with head[0..12) can be exactly
 * one field of a known kind; of random bytes less than one in 2^12 can.
 */
#define KS_V1_GLIMPSE ((size_t)12)
bool ks_v1_frame_glimpse(const uint8_t head[KS_V1_GLIMPSE], uint32_t len);

/*
 * How much pb looks like a frame, and not like one that was decrypted with
 * the wrong counter. KNOWN: exactly one field of a known kind whose message
 * decodes to its end; twenty random bytes do with less than 2^-20. LIKELY:
 * exactly one field of a kind that a later app may use; less than 2^-12.
 */
enum ks_v1_looks {
    KS_V1_LOOKS_WRONG,
    KS_V1_LOOKS_LIKELY,
    KS_V1_LOOKS_KNOWN,
};
enum ks_v1_looks ks_v1_frame_looks(struct ks_bytes pb);

/* The key and the text of a KeyValue message; false if it has no such. */
bool ks_v1_frame_key_text(struct ks_bytes body, struct ks_bytes *key,
                          struct ks_bytes *text);

/* "attachment", "sticker", "avatar", "statement", ... for reports. */
const char *ks_v1_kind_name(enum ks_v1_kind kind);

#endif /* KS_SOURCE_SIGNAL_V1_FRAME_H */
