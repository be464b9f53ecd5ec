/*
 * file_slot: commit slots of an archive file.
 *
 *   offset  size
 *        0     8  magic "KEEPSAY" 1a
 *        8     4  format version, 1
 *       12     4  zero
 *       16     8  sequence, from 1
 *       24     8  offset of the table of contents
 *       32     8  its length
 *       40    32  its SHA-256
 *       72     8  length of the file: the two above + 512
 *       80   416  zero
 *      496    16  XXH3-128 of the 496 bytes before, big-endian
 */
#include "store/file_slot.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/cursor.h"

#define VERSION    1U

#define SUM_AT     (KS_SLOT_SIZE - KS_SUM_SIZE)
#define SLOT_ZEROS ((size_t)416)

static const uint8_t slot_magic[8] = {'K', 'E', 'E', 'P', 'S', 'A', 'Y', 0x1a};

void
ks_sum(uint8_t *out, const void *data, size_t len)
{
    XXH128_canonical_t canonical;

    assert(data != NULL || len == 0);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
    memcpy(out, canonical.digest, KS_SUM_SIZE);
}

void
ks_slot_encode(uint8_t *out, const struct ks_slot *slot)
{
    assert(slot->sequence > 0);
    assert(slot->toc.offset >= KS_SLOTS_SIZE);

    memset(out, 0, KS_SLOT_SIZE);
    memcpy(out, slot_magic, sizeof(slot_magic));
    ks_put_u32le(out + 8, VERSION);
    ks_put_u64le(out + 16, slot->sequence);
    ks_put_u64le(out + 24, slot->toc.offset);
    ks_put_u64le(out + 32, slot->toc.len);
    memcpy(out + 40, slot->toc.sha256, KS_SHA_SIZE);
    ks_put_u64le(out + 72, ks_slot_file_len(slot));
    ks_sum(out + SUM_AT, out, SUM_AT);
}

/* Whether data[0..len) was never written. */
static bool
all_zero(const uint8_t *bytes, size_t len)
{
    uint8_t seen = 0;

    for (size_t i = 0; i < len; i++)
        seen |= bytes[i];
    return seen == 0;
}

/* Whether the numbers of a slot are such as a writer makes. */
static bool
slot_makes_sense(const struct ks_slot *slot, uint64_t file_len)
{
    uint64_t max = INT64_MAX; /* of off_t */

    return slot->sequence > 0 && slot->toc.offset >= KS_SLOTS_SIZE &&
           file_len <= max && slot->toc.offset <= file_len &&
           slot->toc.len <= file_len - slot->toc.offset &&
           ks_slot_file_len(slot) == file_len;
}

enum ks_slot_state
ks_slot_decode(struct ks_slot *out, const uint8_t *bytes)
{
    struct ks_cursor c = ks_cursor_over(bytes, KS_SLOT_SIZE);
    struct ks_slot slot = {0};
    struct ks_bytes skipped;
    uint8_t sum[KS_SUM_SIZE];
    uint64_t file_len = 0;
    uint32_t version = 0;
    uint32_t zero = 0;
    bool ok;

    if (all_zero(bytes, KS_SLOT_SIZE))
        return KS_SLOT_EMPTY;
    /* Before anything is read from it: magic and version may be damaged too. */
    ks_sum(sum, bytes, SUM_AT);
    if (memcmp(sum, bytes + SUM_AT, KS_SUM_SIZE) != 0)
        return KS_SLOT_DAMAGED;

    /* The sum is right, so someone wrote this; whether that makes sense is
     * another question. */
    ok = ks_cursor_bytes(&c, sizeof(slot_magic), &skipped) &&
         memcmp(skipped.ptr, slot_magic, sizeof(slot_magic)) == 0 &&
         ks_cursor_u32le(&c, &version) && ks_cursor_u32le(&c, &zero) &&
         ks_cursor_u64le(&c, &slot.sequence) &&
         ks_cursor_u64le(&c, &slot.toc.offset) &&
         ks_cursor_u64le(&c, &slot.toc.len) &&
         ks_cursor_copy(&c, slot.toc.sha256, KS_SHA_SIZE) &&
         ks_cursor_u64le(&c, &file_len) &&
         ks_cursor_bytes(&c, SLOT_ZEROS, &skipped);
    if (ok && version != VERSION)
        return KS_SLOT_UNSUPPORTED;
    if (!ok || zero != 0 || !all_zero(skipped.ptr, skipped.len) ||
        !slot_makes_sense(&slot, file_len))
        return KS_SLOT_DAMAGED;
    *out = slot;
    return KS_SLOT_VALID;
}

bool
ks_slot_has_magic(const uint8_t *bytes, size_t len)
{
    size_t n = len < sizeof(slot_magic) ? len : sizeof(slot_magic);

    return memcmp(bytes, slot_magic, n) == 0;
}

/* The valid slot of the higher sequence, or NULL; *other is the second valid
 * one, or NULL. */
static const struct ks_slot *
newest_slot(const struct ks_slots *seen, const struct ks_slot **other)
{
    const struct ks_slot *a = NULL;
    const struct ks_slot *b = NULL;

    if (seen->state[0] == KS_SLOT_VALID)
        a = &seen->slot[0];
    if (seen->state[1] == KS_SLOT_VALID)
        b = &seen->slot[1];
    /* Two of the same sequence are the same: both were written at once. */
    *other = NULL;
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    *other = a->sequence > b->sequence ? b : a;
    return *other == a ? b : a;
}

/* Whether the file's last bytes are a commit of their own, after `newest`. */
static bool
ends_with_newer(const struct ks_slots *seen, const struct ks_slot *newest)
{
    return seen->end_state == KS_SLOT_VALID &&
           ks_slot_file_len(&seen->end) == seen->size &&
           (newest == NULL || seen->end.sequence > newest->sequence);
}

/* No slot at the head can be believed. If they were never written, then the
 * end slot may be ahead of the bytes before it, and is only offered; if they
 * were written and are damaged now, it is as good as they were. */
static int
choose_without_slots(const struct ks_slots *seen, struct ks_slot_choice *choice,
                     struct ks_err *err)
{
    bool ends_well = ends_with_newer(seen, NULL);

    if (seen->state[0] == KS_SLOT_EMPTY && seen->state[1] == KS_SLOT_EMPTY) {
        choice->older = seen->end;
        choice->has_older = ends_well;
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "its creation was never finished");
    }
    if (ends_well) {
        choice->commit = seen->end;
        return KS_OK;
    }
    if (seen->has_magic)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "both of its commit slots are damaged");
    return ks_fail(err, KS_E_FORMAT, 0, "this is not an archive file");
}

/*
 * One slot is valid and the other lost. The lost one was the newer if bytes
 * follow the valid commit: then it was damaged later, or torn as it was
 * written, and the end of the file has its copy.
 */
static int
choose_with_one_slot(const struct ks_slots *seen, const struct ks_slot *valid,
                     struct ks_slot_choice *choice, struct ks_err *err)
{
    if (seen->size == ks_slot_file_len(valid)) {
        choice->commit = *valid;
        return KS_OK;
    }
    /* Never opened unasked: a later commit could be overwritten from here. */
    choice->older = *valid;
    choice->has_older = true;
    if (ends_with_newer(seen, valid)) {
        choice->commit = seen->end;
        return KS_OK;
    }
    return ks_fail(err, KS_E_CORRUPT, 0,
                   "one of its two commit slots is damaged, and which commit "
                   "is the newest cannot be told");
}

int
ks_slots_choose(const struct ks_slots *seen, struct ks_slot_choice *choice,
                struct ks_err *err)
{
    const struct ks_slot *other = NULL;
    const struct ks_slot *newest = newest_slot(seen, &other);

    *choice = (struct ks_slot_choice){0};
    if (seen->state[0] == KS_SLOT_UNSUPPORTED ||
        seen->state[1] == KS_SLOT_UNSUPPORTED)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "it was written by a later version of keepsay");
    if (newest == NULL)
        return choose_without_slots(seen, choice, err);
    if (other != NULL && ks_slot_file_len(other) <= seen->size) {
        choice->older = *other;
        choice->has_older = true;
    }
    /* Both slots or one, it is the end of the file that decides. */
    if (seen->size < ks_slot_file_len(newest))
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "incomplete: its last %" PRIu64 " bytes are missing "
                       "(the copy or the backup was interrupted)",
                       ks_slot_file_len(newest) - seen->size);
    if (other == NULL)
        return choose_with_one_slot(seen, newest, choice, err);
    choice->commit = *newest;
    return KS_OK;
}

unsigned
ks_slots_next(const struct ks_slots *seen)
{
    assert(seen->state[0] == KS_SLOT_VALID && seen->state[1] == KS_SLOT_VALID);
    return seen->slot[1].sequence < seen->slot[0].sequence ? 1 : 0;
}
