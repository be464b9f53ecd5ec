/*
 * capture: one frame after the other until the one that says end. Where
 * each goes:
 *
 *     statement    sql/<table> if it inserts a row, else frame/statement
 *     attachment, sticker, avatar
 *                  blob/<kind>: the blob's id, then the frame's content
 *     version, preference, keyvalue, unknown
 *                  frame/<kind>
 *     larger than a record can be
 *                  frame/large: the id of a blob with the frame's content
 */
#include "source/signal_v1/capture.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "crypto/secret.h"
#include "source/signal_v1/capture_state.h"

/* Statements and the end frame have none: see capture_rows.c, take_end(). */
static const char *const stream_names[KS_V1_KINDS] = {
    [KS_V1_UNKNOWN] = "frame/unknown",
    [KS_V1_PREFERENCE] = "frame/preference",
    [KS_V1_ATTACHMENT] = "blob/attachment",
    [KS_V1_VERSION] = "frame/version",
    [KS_V1_AVATAR] = "blob/avatar",
    [KS_V1_STICKER] = "blob/sticker",
    [KS_V1_KEYVALUE] = "frame/keyvalue",
};

void
ks_v1_capture_not_original(struct ks_v1_capture *c, const char *fmt, ...)
{
    va_list args;

    if (c->not_original[0] != '\0')
        return;
    va_start(args, fmt);
    (void)vsnprintf(c->not_original, sizeof(c->not_original), fmt, args);
    va_end(args);
}

int
ks_v1_capture_put(struct ks_v1_capture *c, enum ks_v1_kind kind,
                  struct ks_bytes record, struct ks_err *err)
{
    unsigned *number = &c->number_of[kind];
    int rc = KS_OK;

    assert(stream_names[kind] != NULL);
    if (*number == 0)
        rc = ks_v1_streams_number(c->streams, stream_names[kind], number, err);
    if (rc == KS_OK)
        rc = ks_v1_streams_put(c->streams, *number, record, KS_TIME_NONE, err);
    return rc;
}

/* Keys are compared whole and as they are spelled. */
static bool
equals_word(struct ks_bytes text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

/* Whose backup it is: the phone number if there is one, else the ACI. */
static void
note_account(struct ks_v1_capture *c, struct ks_bytes body)
{
    struct ks_bytes key;
    struct ks_bytes text;

    if (!ks_v1_frame_key_text(body, &key, &text) || text.len == 0 ||
        text.len >= sizeof(c->account))
        return;
    /* It is shown on terminals: plain characters only. */
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return;
    if (equals_word(key, "account.e164") ||
        (equals_word(key, "account.aci") && c->account[0] == '\0')) {
        memcpy(c->account, text.ptr, text.len);
        c->account[text.len] = '\0';
    }
}

/* A blob-bearing or end frame that is too large to be one. */
static int
refuse_frame(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
             struct ks_err *err)
{
    struct ks_v1_damage damage = {.what = "frame",
                                  .why = "it is larger than its kind can be",
                                  .at = piece->at,
                                  .raw_from = piece->at.offset,
                                  .hint = piece->end};

    return ks_v1_capture_damage(c, &damage, err);
}

/* Leave out the blob behind `piece`, which ends at `end`. */
static int
drop_blob(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
          const struct ks_v1_frame *frame, uint64_t end, struct ks_err *err)
{
    /* One reason a blob, or the counts would not add up. */
    const char *reason = c->policy->no_media ? "media" : "attachment-size";
    int rc = frame->kind == KS_V1_ATTACHMENT
                 ? ks_v1_capture_release_bare(c, frame->row, err)
                 : ks_v1_capture_release(c, err);

    if (rc == KS_OK)
        rc = ks_snapshot_skip(c->w, reason, 1, err);
    if (rc != KS_OK)
        return rc;
    /* Not read, not even for its MAC: its length was authenticated with the
     * frame, and damage in what nobody wants is no loss. */
    ks_v1_capture_not_original(c, "attachments were left out of it");
    c->next.offset = end;
    c->next.counter = piece->at.counter + 2;
    return KS_OK;
}

/* Keep the blob behind `piece`, and the frame with its id in front. */
static int
keep_blob(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
          const struct ks_v1_frame *frame, struct ks_v1_damage *damage,
          struct ks_err *err)
{
    /* The room before the content is there for this: id and frame become one
     * record without a copy (KS_V1_HEADROOM). */
    uint8_t *record = piece->content - KS_BLOB_ID_SIZE;
    struct ks_reader *body;
    int rc = ks_v1_capture_release(c, err);

    assert(damage->hint > damage->at.offset);
    if (rc != KS_OK)
        return rc;
    body = ks_v1_input_blob(c->in, damage->at, frame->blob_len);
    /* The id goes into the headroom before the content: the record is then
     * in one piece without a copy. */
    rc = ks_snapshot_blob(c->w, body, record, err);
    ks_reader_close(body);
    if (rc == KS_E_FORMAT) {
        *err = KS_ERR_INIT; /* damage is an answer here */
        damage->why = "its MAC does not match";
        return ks_v1_capture_damage(c, damage, err);
    }
    if (rc != KS_OK)
        return rc;
    /* From here on the blob is known to be what the file said. */
    ks_v1_digest_add(&c->digest, frame->blob_len, ks_v1_input_full(c->in));
    c->next.offset = damage->hint;
    c->next.counter = damage->at.counter + 1;
    return ks_v1_capture_put(
        c, frame->kind, (struct ks_bytes){record, KS_BLOB_ID_SIZE + piece->len},
        err);
}

/* An attachment, sticker or avatar frame. The blob's length comes from an
 * authenticated frame, so even a damaged blob has a known end. */
static int
take_blob(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
          const struct ks_v1_frame *frame, struct ks_err *err)
{
    struct ks_v1_damage damage = {
        .at = {.offset = piece->end, .counter = piece->at.counter + 1},
        .raw_from = piece->at.offset};
    uint64_t left = ks_v1_input_size(c->in) - piece->end;
    uint64_t want = (uint64_t)frame->blob_len + KS_V1_MAC_SIZE;
    char what[64];

    if (piece->len > KS_RECORD_MAX - KS_BLOB_ID_SIZE)
        return refuse_frame(c, piece, err);
    /* Such a frame with the blob's id in front must still be a record. */
    (void)snprintf(what, sizeof(what), "%s blob", ks_v1_kind_name(frame->kind));
    damage.what = what;
    if (want > left) {
        damage.why = "the file ends inside it";
        return ks_v1_capture_damage(c, &damage, err);
    }
    if (c->policy->no_media ||
        frame->blob_len > c->policy->attachment_bytes_max)
        return drop_blob(c, piece, frame, piece->end + want, err);
    damage.hint = piece->end + want;
    return keep_blob(c, piece, frame, &damage, err);
}

/* Its content may say more than "end: true", and is kept as it is. */
static int
take_end(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
         struct ks_err *err)
{
    c->ended = true;
    if (piece->len > KS_V1_END_MAX) {
        ks_v1_capture_not_original(c, "its end frame is unusually large");
        return KS_OK;
    }
    return ks_buf_append(&c->end, piece->content, piece->len, err);
}

/* A frame that no record can hold is kept as a blob. */
static int
take_large(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
           struct ks_err *err)
{
    enum ks_v1_kind kind = ks_v1_frame_first_kind(piece->content[0]);
    uint8_t id[KS_BLOB_ID_SIZE];
    struct ks_reader *body;
    unsigned number;
    int rc = ks_v1_capture_release(c, err);

    if (rc != KS_OK)
        return rc;
    if (kind == KS_V1_ATTACHMENT || kind == KS_V1_STICKER ||
        kind == KS_V1_AVATAR || kind == KS_V1_END)
        return refuse_frame(c, piece, err);
    rc = ks_v1_input_large(c->in, piece, &body, err);
    if (rc != KS_OK)
        return rc;
    rc = ks_snapshot_blob(c->w, body, id, err);
    ks_reader_close(body);
    if (rc == KS_E_FORMAT) { /* it verified a moment ago */
        *err = KS_ERR_INIT;
        rc = ks_fail(err, KS_E_IO, 0, "%s changed while it was being read",
                     ks_v1_input_path(c->in));
    }
    if (rc == KS_OK)
        rc = ks_v1_streams_number(c->streams, KS_V1_LARGE, &number, err);
    if (rc == KS_OK)
        rc = ks_v1_streams_put(c->streams, number,
                               (struct ks_bytes){id, sizeof(id)}, KS_TIME_NONE,
                               err);
    return rc;
}

/* A frame that verified and whose content is in memory. */
static int
take_small(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
           struct ks_err *err)
{
    struct ks_bytes pb = {.ptr = piece->content, .len = piece->len};
    struct ks_v1_frame frame = {.kind = KS_V1_UNKNOWN};
    int rc = KS_OK;

    (void)ks_v1_frame_parse(&frame,
                            pb); /* or it is unknown: kept all the same */
    if (frame.has_blob)
        return take_blob(c, piece, &frame, err);
    rc = ks_v1_capture_release(c, err);
    if (rc != KS_OK)
        return rc;
    switch (frame.kind) {
    case KS_V1_STATEMENT:
        return ks_v1_capture_statement(c, pb, frame.body, err);
    case KS_V1_END:
        return take_end(c, piece, err);
    case KS_V1_KEYVALUE:
        note_account(c, frame.body);
        break;
        /* A newer app's, or nobody's: kept, and counted for the report. */
    case KS_V1_UNKNOWN:
        if (c->unknown_frames++ == 0)
            c->first_unknown = piece->at.offset;
        break;
    default:
        break;
    }
    return ks_v1_capture_put(c, frame.kind, pb, err);
}

/* What was read where the next frame should be. */
static int
take_frame(struct ks_v1_capture *c, const struct ks_v1_piece *piece,
           struct ks_err *err)
{
    struct ks_v1_damage damage = {.what = "frame",
                                  .why = piece->why,
                                  .at = piece->at,
                                  .raw_from = piece->at.offset,
                                  .hint = piece->end};

    switch (piece->state) {
    case KS_V1_EMPTY:
        return ks_v1_capture_incomplete(c, err);
    case KS_V1_BAD:
        return ks_v1_capture_damage(c, &damage, err);
    default:
        break;
    }
    ks_v1_digest_add(&c->digest, piece->len, piece->full);
    c->next.offset = piece->end;
    c->next.counter = piece->at.counter + 1;
    return piece->large ? take_large(c, piece, err) : take_small(c, piece, err);
}

/* Kinds of frames that a newer app writes deserve a line in the report. */
static int
report_unknown(struct ks_v1_capture *c, struct ks_err *err)
{
    struct ks_report_entry entry = {.what = "unknown frames",
                                    .offset = c->first_unknown};

    if (c->unknown_frames == 0)
        return KS_OK;
    (void)snprintf(entry.why, sizeof(entry.why),
                   "%" PRIu64 " frames of a kind this keepsay does not know "
                   "are kept as they are",
                   c->unknown_frames);
    return ks_snapshot_report(c->w, &entry, err);
}

/* What `restore --original` needs beside the records; or why it cannot. */
static int
keep_original(struct ks_v1_capture *c, const struct ks_secret *key,
              struct ks_err *err)
{
    struct ks_bytes header = ks_v1_input_raw_header(c->in);
    uint8_t digest[KS_SHA256_SIZE];
    uint8_t length[8];
    int rc;

    assert(c->ended || c->stopped);
    if (c->not_original[0] != '\0')
        return ks_snapshot_extra(c->w, "not-original", c->not_original,
                                 strlen(c->not_original), err);
    ks_sha256_final(&c->digest, digest);
    ks_put_u64le(length, ks_v1_input_size(c->in));
    rc = ks_snapshot_extra(c->w, "header", header.ptr, header.len, err);
    if (rc == KS_OK)
        rc = ks_snapshot_extra(c->w, "end", c->end.data, c->end.len, err);
    if (rc == KS_OK)
        rc = ks_snapshot_extra(c->w, "digest", digest, sizeof(digest), err);
    if (rc == KS_OK)
        rc = ks_snapshot_extra(c->w, "length", length, sizeof(length), err);
    if (rc == KS_OK && !c->policy->forget_source_key)
        rc = ks_snapshot_extra(c->w, "key", key->data, key->len, err);
    return rc;
}

/* Read until the end frame, or until nothing more can be read; then write what
 * is only known at the end. */
static int
run_capture(struct ks_v1_capture *c, const struct ks_secret *key,
            struct ks_err *err)
{
    struct ks_bytes header = ks_v1_input_raw_header(c->in);
    int rc = ks_v1_streams_new(&c->streams, c->w, err);

    ks_sha256_init(&c->digest);
    ks_sha256_update(&c->digest, header.ptr, header.len);
    c->next = ks_v1_input_first(c->in);
    /* Each turn moves on in the file, or in the counters that may come. */
    while (rc == KS_OK && !c->ended && !c->stopped) {
        struct ks_v1_piece piece;
        rc = ks_v1_input_read(c->in, c->next, &piece, err);
        if (rc == KS_OK)
            rc = take_frame(c, &piece, err);
    }
    if (rc == KS_OK)
        rc = ks_v1_capture_release(c, err);
    if (rc == KS_OK && c->ended && c->next.offset < ks_v1_input_size(c->in))
        rc = ks_v1_capture_trailing(c, err);
    if (rc == KS_OK)
        rc = report_unknown(c, err);
    if (rc == KS_OK)
        rc = ks_v1_streams_finish(c->streams, err);
    if (rc == KS_OK)
        rc = keep_original(c, key, err);
    return rc;
}

int
ks_v1_capture(struct ks_v1_input *in, const struct ks_secret *key,
              struct ks_snapshot_writer *w, const struct ks_policy *policy,
              struct ks_err *err)
{
    struct ks_v1_capture *c = calloc(1, sizeof(*c));
    int rc;

    assert(key->len == KS_KEY_SIZE);
    if (c == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "reading a Signal backup");
    c->in = in;
    c->w = w;
    c->policy = policy;
    /* No longer than what they are for; a longer statement is looked up each
     * time instead. */
    ks_buf_init(&c->end, KS_V1_END_MAX);
    ks_buf_init(&c->sql, KS_V1_SQL_KEPT);
    ks_buf_init(&c->held, KS_RECORD_MAX);
    rc = run_capture(c, key, err);
    if (rc == KS_OK) {
        ks_snapshot_source_bytes(w, ks_v1_input_size(in));
        ks_snapshot_account(w, c->account);
    }
    ks_v1_streams_free(c->streams);
    ks_buf_wipe(&c->end);
    ks_buf_wipe(&c->sql);
    ks_buf_wipe(&c->held);
    ks_wipe(c, sizeof(*c));
    free(c);
    return rc;
}
