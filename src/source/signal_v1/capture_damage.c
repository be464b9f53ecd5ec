/*
 * capture_damage: what does not verify is named, kept as it lies in the file,
 * and passed over. Once a byte is lost the same file cannot be made again, so
 * header and key are not kept either.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/reader.h"
#include "source/signal_v1/capture_state.h"
#include "source/signal_v1/resync.h"

/* Keep file[from..to) as a blob; its id into id[0..32). */
static int
keep_raw(struct ks_v1_capture *c, uint64_t from, uint64_t to,
         struct ks_sha256 *digest, uint8_t *id, struct ks_err *err)
{
    struct ks_reader *raw = ks_v1_input_raw(c->in, from, to, digest);
    int rc = ks_snapshot_blob(c->w, raw, id, err);

    ks_reader_close(raw);
    return rc;
}

/* Report file[entry->offset..to) as lost, its raw bytes kept from `raw`. */
static int
report_lost(struct ks_v1_capture *c, struct ks_report_entry *entry,
            uint64_t raw, uint64_t to, struct ks_err *err)
{
    int rc = KS_OK;

    assert(raw <= entry->offset && entry->offset <= to);
    ks_v1_capture_not_original(c, "damage was found in it at byte %" PRIu64,
                               entry->offset);
    entry->length = to - entry->offset;
    entry->lost = true;
    entry->has_raw = raw < to;
    if (entry->has_raw)
        rc = keep_raw(c, raw, to, NULL, entry->raw, err);
    if (rc == KS_OK)
        rc = ks_snapshot_report(c->w, entry, err);
    return rc;
}

/* Report the damage up to `to`, where the piece numbered `counter` begins. */
static int
report_gap(struct ks_v1_capture *c, const struct ks_v1_damage *d,
           struct ks_v1_place to, struct ks_err *err)
{
    struct ks_report_entry entry = {.offset = d->at.offset};
    /* Each frame and each blob takes one number, so this counts them; the
     * counter may wrap, and so may the difference. */
    uint32_t pieces = to.counter - d->at.counter;

    /* The counters tell how much there was, even where no byte is left. */
    (void)snprintf(entry.what, sizeof(entry.what), "%s", d->what);
    if (to.offset == d->at.offset)
        (void)snprintf(entry.why, sizeof(entry.why),
                       "%" PRIu32 " frames or blobs are missing here", pieces);
    else if (pieces > 1)
        (void)snprintf(entry.why, sizeof(entry.why),
                       "%s; %" PRIu32 " frames or blobs up to byte %" PRIu64
                       " cannot be read",
                       d->why, pieces, to.offset);
    else
        (void)snprintf(entry.why, sizeof(entry.why), "%s", d->why);
    return report_lost(c, &entry, d->raw_from, to.offset, err);
}

/* A damaged end frame stands at `at`: the rest of the file is whole. */
static int
take_damaged_end(struct ks_v1_capture *c, struct ks_v1_place at,
                 struct ks_err *err)
{
    struct ks_report_entry entry = {
        .what = "end frame", .why = "it is damaged", .offset = at.offset};

    c->next.offset = at.offset + KS_V1_END_FRAME_SIZE;
    c->next.counter = at.counter + 1;
    c->ended = true;
    return report_lost(c, &entry, at.offset, c->next.offset, err);
}

/* Nothing verifies behind the damage: is it the end frame that is damaged,
 * here or right behind it? Else the file is incomplete. */
static int
take_last_damage(struct ks_v1_capture *c, const struct ks_v1_damage *d,
                 struct ks_err *err)
{
    /* Where the end frame stands if only the piece before it was damaged. */
    struct ks_v1_place behind = {.offset = d->hint,
                                 .counter = d->at.counter + 1};
    bool found = false;
    int rc = ks_v1_resync_end(c->in, d->at, &found, err);

    if (rc == KS_OK && found)
        return take_damaged_end(c, d->at, err);
    if (rc == KS_OK && d->hint != 0)
        rc = ks_v1_resync_end(c->in, behind, &found, err);
    if (rc == KS_OK && found) {
        rc = report_gap(c, d, behind, err);
        return rc == KS_OK ? take_damaged_end(c, behind, err) : rc;
    }
    if (rc == KS_OK) {
        c->next.offset = d->raw_from; /* a blob goes with its frame */
        rc = ks_v1_capture_incomplete(c, err);
    }
    return rc;
}

int
ks_v1_capture_damage(struct ks_v1_capture *c, const struct ks_v1_damage *d,
                     struct ks_err *err)
{
    /* To the end of the file if need be: what is there is worth seconds. */
    struct ks_v1_search search = {
        .from = d->at, .hint = d->hint, .reach = UINT64_MAX};
    struct ks_v1_place to;
    int rc = ks_v1_capture_release(c, err);

    if (rc == KS_OK)
        rc = ks_v1_resync(c->in, &search, &to, err);
    if (rc == KS_END)
        return take_last_damage(c, d, err);
    if (rc != KS_OK)
        return rc;
    /* Else the same damage would be met for ever. */
    assert(to.offset > d->at.offset || to.counter != d->at.counter);
    c->next = to;
    return report_gap(c, d, to, err);
}

int
ks_v1_capture_incomplete(struct ks_v1_capture *c, struct ks_err *err)
{
    struct ks_report_entry entry = {
        .what = "end of file",
        .why = "the file has no end frame: it was cut short, or is damaged "
               "from here on",
        .offset = c->next.offset};
    uint64_t size = ks_v1_input_size(c->in);
    int rc = ks_v1_capture_release(c, err);

    if (rc != KS_OK)
        return rc;
    /* Before the rest is stored as raw bytes: it may be gigabytes. */
    if (!c->policy->allow_incomplete)
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "%s is incomplete: nothing can be read from byte "
                       "%" PRIu64 " of %" PRIu64 " on, and its end frame is "
                       "missing. Make or copy the backup again, or keep what "
                       "is there with --allow-incomplete",
                       ks_v1_input_path(c->in), c->next.offset, size);
    ks_v1_capture_not_original(c, "it was incomplete: it has no end frame");
    c->stopped = true;
    return report_lost(c, &entry, entry.offset, size, err);
}

int
ks_v1_capture_trailing(struct ks_v1_capture *c, struct ks_err *err)
{
    struct ks_report_entry entry = {
        .what = "trailing bytes",
        .why = "the file goes on behind its end frame; the bytes are kept",
        .offset = c->next.offset,
        .has_raw = true};
    uint8_t extra[KS_BLOB_ID_SIZE + 8];
    uint64_t size = ks_v1_input_size(c->in);
    int rc;

    assert(c->ended && c->next.offset < size);
    entry.length = size - entry.offset;
    rc = keep_raw(c, entry.offset, size, &c->digest, entry.raw, err);
    if (rc != KS_OK)
        return rc;
    /* The digest has absorbed them on the way, as the format asks. */
    memcpy(extra, entry.raw, KS_BLOB_ID_SIZE);
    ks_put_u64le(extra + KS_BLOB_ID_SIZE, entry.length);
    rc = ks_snapshot_extra(c->w, "trailing", extra, sizeof(extra), err);
    if (rc == KS_OK)
        rc = ks_snapshot_report(c->w, &entry, err);
    return rc;
}
