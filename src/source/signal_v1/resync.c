/*
 * resync: in version 1 the length of the frame at offset o with counter k is
 * be32(file[o..4)) xor the first four bytes of k's keystream. Lengths are
 * small, so the upper 16 bits are equal, and a look at a table of the
 * keystreams by those 16 bits answers for all counters at once. Of what
 * passes, the next bytes must decrypt to the beginning of a frame of just
 * that length; only then is a MAC computed.
 *
 * In version 0 the length is plain and the MAC does not depend on k: the
 * frame is found first and k after it.
 */
#include "source/signal_v1/resync.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "source/signal_v1/frame.h"

#define SMALL_MAX ((uint32_t)65535) /* a length searched for sure counters */
#define TINY_MAX  ((uint32_t)4095)  /* a length searched for the others */

/* The damaged piece's own number (bytes were put before it), the next (its
 * neighbour), the one behind that (the piece had a blob), and one more. */
#define SURE_COUNTERS 4U

/* Each step looks further, or for more counters, than the one before. */
static const struct rung {
    uint32_t counters;
    uint64_t reach;
} ladder[] = {
    {SURE_COUNTERS, (uint64_t)64 << 10}, /* one frame, or one small blob */
    {65536, (uint64_t)32 << 20},         /* a bad patch of rows */
    {262144, UINT64_MAX},                /* a large blob; a hole */
};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

/* Costs in bytes hashed, see ks_v1_input_spend(). */
#define COST_OFFSET  2U
#define COST_COUNTER 128U
#define COST_ATTEMPT 1024U

/* Frames between damage and what was found that may be looked for again. */
#define LOOK_BACK_MAX 16

#define BUCKETS       65536U

/* What is looked at of a keystream before all of it. */
struct mask_entry {
    uint32_t index;  /* of the counter, from the first */
    uint16_t second; /* bytes 2 and 3 */
    uint8_t tag;     /* byte 4 */
};

/* The keystreams of `count` counters, by their first 16 bits. */
struct masks {
    uint32_t count;
    uint32_t start[BUCKETS + 1]; /* bucket b is entries[start[b]..[b + 1]) */
    struct mask_entry *entries;  /* nearest counter first */
    uint8_t (*stream)[KS_V1_IV_SIZE];
    /* One bit for each value of the first 20 bits: whether a counter gives
     * a word that begins so a length. Small enough for the cache, and nearly
     * every offset of a file ends here. */
    uint8_t maybe[(BUCKETS << 4) / 8];
};

static void
free_masks(struct masks *m)
{
    if (m == NULL)
        return;
    free(m->entries);
    free(m->stream);
    free(m);
}

/* Words whose first 20 bits are `bits` may be a length. */
static void
mark_maybe(struct masks *m, uint32_t bits)
{
    m->maybe[bits / 8] |= (uint8_t)(1U << bits % 8);
}

/* Sort the keystreams into their buckets. */
static void
fill_buckets(struct masks *m)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < m->count; i++)
        m->start[m->stream[i][0] << 8 | m->stream[i][1]]++;
    for (uint32_t b = 0; b <= BUCKETS; b++) {
        sum += m->start[b];
        m->start[b] = sum; /* the bucket's end, for the moment */
    }
    for (uint32_t i = m->count; i-- > 0;) {
        const uint8_t *s = m->stream[i];
        struct mask_entry *e = &m->entries[--m->start[s[0] << 8 | s[1]]];
        e->index = i;
        e->second = (uint16_t)(s[2] << 8 | s[3]);
        e->tag = s[4];
        mark_maybe(m, ks_get_u32be(s) >> 12);
        for (uint32_t n = 0; n < 16 && i < SURE_COUNTERS; n++)
            mark_maybe(m, ((uint32_t)s[0] << 8 | s[1]) << 4 | n);
    }
    assert(m->start[0] == 0 && m->start[BUCKETS] == m->count);
}

/* The keystreams of counters first..first + count. One AES block each: the
 * longest list takes a fiftieth of a second. */
static int
make_masks(struct masks **out, struct ks_v1_input *in, uint32_t first,
           uint32_t count, struct ks_err *err)
{
    struct masks *m = calloc(1, sizeof(*m));

    if (m != NULL) {
        m->entries = calloc(count, sizeof(*m->entries));
        m->stream = calloc(count, sizeof(*m->stream));
    }
    if (m == NULL || m->entries == NULL || m->stream == NULL) {
        free_masks(m);
        return ks_fail(err, KS_E_NOMEM, 0, "searching behind damage");
    }
    m->count = count;
    for (uint32_t i = 0; i < count; i++)
        ks_v1_keystream(ks_v1_input_cipher(in), first + i, m->stream[i]);
    fill_buckets(m);
    *out = m;
    return KS_OK;
}

/* Version 0: whether the MAC of the blob of len bytes at `at`, which does
 * cover the counter, holds. */
static int
blob_holds(struct ks_v1_input *in, struct ks_v1_place at, uint32_t len,
           bool *holds, struct ks_err *err)
{
    uint64_t size = ks_v1_input_size(in);
    uint8_t spare[4096];
    struct ks_reader *blob;
    size_t got;
    int rc;

    *holds = false;
    if (at.offset > size || size - at.offset < (uint64_t)len + KS_V1_MAC_SIZE ||
        !ks_v1_input_spend(in, len))
        return KS_OK;
    blob = ks_v1_input_blob(in, at, len);
    do {
        rc = ks_reader_read(blob, spare, sizeof(spare), &got, err);
    } while (rc == KS_OK);
    ks_reader_close(blob);
    ks_wipe(spare, sizeof(spare));
    *holds = rc == KS_END;
    if (rc != KS_E_FORMAT)
        return rc == KS_END ? KS_OK : rc;
    *err = KS_ERR_INIT;
    return KS_OK;
}

/*
 * Version 0: do the frame at `at`, and the next, look right under its
 * counter? A blob decides by its MAC. If there is no next frame, or if
 * `strict`, because the counter is one of many, they must be of known kinds.
 */
static int
chain_holds(struct ks_v1_input *in, struct ks_v1_place at, bool strict,
            bool *holds, struct ks_err *err)
{
    bool known = true;

    *holds = false;
    for (int i = 0; i < 2; i++) {
        enum ks_v1_looks looks = KS_V1_LOOKS_LIKELY;
        struct ks_v1_frame frame = {0};
        struct ks_v1_piece piece;
        struct ks_bytes pb;
        int rc = ks_v1_input_read(in, at, &piece, err);
        if (rc != KS_OK)
            return rc;
        if (i > 0 && !piece.authentic)
            break; /* damage or the end: what was seen must do */
        pb = (struct ks_bytes){.ptr = piece.content, .len = piece.len};
        if (!piece.large && ks_v1_frame_parse(&frame, pb))
            looks = ks_v1_frame_looks(pb);
        known = known && looks == KS_V1_LOOKS_KNOWN;
        *holds = piece.state == KS_V1_GOOD && looks != KS_V1_LOOKS_WRONG &&
                 (known || !strict);
        if (!*holds)
            return KS_OK;
        at.offset = piece.end;
        at.counter++;
        if (frame.has_blob)
            return blob_holds(in, at, frame.blob_len, holds, err);
        if (frame.kind == KS_V1_END || i > 0)
            return KS_OK;
    }
    *holds = known;
    return KS_OK;
}

int
ks_v1_resync_holds(struct ks_v1_input *in, struct ks_v1_place at, bool *holds,
                   struct ks_err *err)
{
    struct ks_v1_piece piece;
    int rc;

    if (ks_v1_input_header(in)->version == 0)
        return chain_holds(in, at, false, holds, err);
    rc = ks_v1_input_read(in, at, &piece, err);
    if (rc == KS_OK)
        *holds = piece.state == KS_V1_GOOD;
    return rc;
}

/* One way over the bytes file[pos..to). */
struct sweep {
    struct ks_v1_input *in;
    uint64_t pos;
    uint64_t to;
    uint32_t first; /* counters first..first+count may come */
    uint32_t count;
    const struct masks *masks; /* NULL in version 0 */
    struct ks_v1_place found;
    bool done;  /* found, or `spent` */
    bool spent; /* the cost of searching has reached its bound */
};

/* Version 0: the place at `offset`, whose first bytes read as `len`, if its
 * MAC holds and a counter can be found. */
static int
try_plain(struct sweep *s, uint64_t offset, uint32_t len, struct ks_err *err)
{
    struct ks_v1_place at = {.offset = offset, .counter = s->first};
    struct ks_v1_piece piece;
    int rc;

    rc = ks_v1_input_read(s->in, at, &piece, err);
    if (rc != KS_OK)
        return rc;
    /* The MAC says that a frame is here, not which one. Nearest first. */
    for (uint32_t i = 0; i < s->count && !s->done; i++) {
        s->spent = !ks_v1_input_spend(s->in, (uint64_t)len + COST_ATTEMPT);
        if (!piece.authentic || s->spent)
            return KS_OK;
        at.counter = s->first + i;
        rc = chain_holds(s->in, at, i >= SURE_COUNTERS, &s->done, err);
        if (rc != KS_OK)
            return rc;
    }
    s->found = at;
    return KS_OK;
}

/* Whether the 16 bytes at p can begin a frame of content `len` bytes under
 * this keystream. */
static bool
begins_frame(const uint8_t *p, const uint8_t stream[KS_V1_IV_SIZE],
             uint32_t len)
{
    uint8_t head[KS_V1_GLIMPSE];

    for (size_t i = 0; i < KS_V1_GLIMPSE; i++)
        head[i] = p[KS_V1_LEN_SIZE + i] ^ stream[KS_V1_LEN_SIZE + i];
    return ks_v1_frame_glimpse(head, len);
}

/* Version 1: the place at `offset`, where p[0..16) stands, if one of the
 * counters gives it a length and the MAC holds. */
static int
try_masked(struct sweep *s, uint64_t offset, const uint8_t *p,
           struct ks_err *err)
{
    const uint32_t mac = (uint32_t)KS_V1_MAC_SIZE;
    const struct masks *m = s->masks;
    uint32_t word = ks_get_u32be(p);
    uint32_t end = m->start[(word >> 16) + 1];
    uint8_t copy[KS_V1_IV_SIZE]; /* an attempt may move the window */

    memcpy(copy, p, sizeof(copy));
    for (uint32_t k = m->start[word >> 16]; k < end; k++) {
        const struct mask_entry *e = &m->entries[k];
        struct ks_v1_place at = {.offset = offset,
                                 .counter = s->first + e->index};
        uint32_t len = (word & 0xffff) ^ e->second;
        int rc;
        if (len < mac + 2)
            continue;
        if (e->index >= SURE_COUNTERS &&
            (len > TINY_MAX ||
             ks_v1_frame_first_kind(copy[4] ^ e->tag) == KS_V1_UNKNOWN ||
             !begins_frame(copy, m->stream[e->index], len - mac)))
            continue;
        s->spent = !ks_v1_input_spend(s->in, (uint64_t)len + COST_ATTEMPT);
        if (s->spent)
            return KS_OK;
        rc = ks_v1_resync_holds(s->in, at, &s->done, err);
        if (rc != KS_OK)
            return rc;
        s->found = at;
        if (s->done)
            return KS_OK;
    }
    return KS_OK;
}

/* The first i >= `i`, below `end`, where a frame may begin; else `end`. */
static size_t
next_candidate(const struct sweep *s, const uint8_t *p, size_t i, size_t end)
{
    if (s->masks == NULL) {
        while (i < end && (p[i] != 0 || p[i + 1] != 0))
            i++;
        return i;
    }
    for (; i < end; i++) {
        uint32_t bits = (uint32_t)p[i] << 12 | (uint32_t)p[i + 1] << 4 |
                        (uint32_t)p[i + 2] >> 4;
        if ((s->masks->maybe[bits / 8] >> bits % 8 & 1) != 0)
            break;
    }
    return i;
}

/* Sweep the `end` offsets from s->pos, all of whose candidates lie within the
 * `len` bytes that a look there shows. */
static int
sweep_window(struct sweep *s, size_t len, size_t end, struct ks_err *err)
{
    for (size_t i = 0;; i++) {
        struct ks_bytes view;
        uint32_t word;
        /* Each time anew: an attempt may have moved the window. */
        int rc = ks_v1_input_look(s->in, s->pos, len, &view, err);
        if (rc != KS_OK)
            return rc;
        i = next_candidate(s, view.ptr, i, end);
        if (i == end)
            return KS_OK;
        word = ks_get_u32be(view.ptr + i);
        if (s->masks != NULL)
            rc = try_masked(s, s->pos + i, view.ptr + i, err);
        else if (word > KS_V1_MAC_SIZE)
            rc = try_plain(s, s->pos + i, word, err);
        if (rc != KS_OK || s->done || s->spent)
            return rc;
    }
}

/* Window after window. They overlap by the longest frame that is searched for,
 * so that no attempt needs bytes that are not in view. */
static int
sweep(struct sweep *s, struct ks_err *err)
{
    uint64_t size = ks_v1_input_size(s->in);

    assert(s->to <= size && s->count > 0);
    while (s->pos < s->to && size - s->pos >= KS_V1_IV_SIZE) {
        struct ks_bytes view;
        size_t end;
        int rc = ks_v1_input_look(s->in, s->pos, KS_V1_WINDOW, &view, err);
        if (rc != KS_OK)
            return rc;
        end = view.len - (KS_V1_IV_SIZE - 1); /* 16 bytes from each */
        if (view.len == KS_V1_WINDOW) /* what overlaps comes next time */
            end -= (size_t)SMALL_MAX + KS_V1_MAC_SIZE;
        if (end > s->to - s->pos)
            end = (size_t)(s->to - s->pos);
        s->spent = !ks_v1_input_spend(
            s->in, (COST_OFFSET + s->count / BUCKETS * 4) * (uint64_t)end);
        if (s->spent)
            return KS_OK;
        rc = sweep_window(s, view.len, end, err);
        if (rc != KS_OK || s->done || s->spent)
            return rc;
        s->pos += end;
    }
    return KS_OK;
}

/* Climb the ladder until something is found. */
static int
climb(struct sweep *s, const struct ks_v1_search *search, struct ks_err *err)
{
    uint64_t left = ks_v1_input_size(s->in) - search->from.offset;
    bool masked = ks_v1_input_header(s->in)->version != 0;
    uint64_t seen = 0; /* bytes that need not be swept again */

    /* Fewer counters than frames that fit are enough, so small files are
     * searched in no time. */
    if (left > search->reach)
        left = search->reach;
    for (size_t i = 0; i < RUNGS && !s->done && seen < left; i++) {
        uint64_t reach = ladder[i].reach < left ? ladder[i].reach : left;
        uint64_t frames = reach / KS_V1_FRAME_EXTRA + SURE_COUNTERS;
        struct masks *masks = NULL;
        int rc = KS_OK;
        s->count = ladder[i].counters;
        if (s->count > frames)
            s->count = (uint32_t)frames;
        s->spent = !ks_v1_input_spend(s->in, (uint64_t)s->count * COST_COUNTER);
        if (s->spent)
            return KS_OK;
        if (masked)
            rc = make_masks(&masks, s->in, s->first, s->count, err);
        s->masks = masks;
        s->pos = search->from.offset + seen;
        s->to = search->from.offset + reach;
        if (rc == KS_OK)
            rc = sweep(s, err);
        free_masks(masks);
        s->masks = NULL;
        if (rc != KS_OK || s->spent)
            return rc;
        if (i > 0) /* what is near has few frames before it */
            seen = reach;
    }
    return KS_OK;
}

/*
 * A frame too large for the sweep, directly before `at`: it must end exactly
 * there, which hardly any other length does. Moves `at` to it.
 */
static int
look_back_once(struct ks_v1_input *in, uint64_t from, struct ks_v1_place *at,
               bool *moved, struct ks_err *err)
{
    struct ks_v1_place before = {.counter = at->counter - 1};
    uint8_t stream[KS_V1_IV_SIZE] = {0};
    uint64_t pos = from;
    uint32_t mask;

    if (ks_v1_input_header(in)->version != 0)
        ks_v1_keystream(ks_v1_input_cipher(in), before.counter, stream);
    mask = ks_get_u32be(stream);
    /* Nothing longer than the longest frame. */
    if (at->offset - pos > KS_V1_FRAME_MAX + KS_V1_FRAME_EXTRA)
        pos = at->offset - KS_V1_FRAME_MAX - KS_V1_FRAME_EXTRA;
    if (!ks_v1_input_spend(in, (at->offset - pos) * COST_OFFSET))
        return KS_OK;
    for (; at->offset - pos > KS_V1_FRAME_EXTRA; pos++) {
        struct ks_bytes view;
        int rc = ks_v1_input_look(in, pos, KS_V1_LEN_SIZE, &view, err);
        if (rc != KS_OK)
            return rc;
        if ((ks_get_u32be(view.ptr) ^ mask) !=
            at->offset - pos - KS_V1_LEN_SIZE)
            continue;
        before.offset = pos;
        rc = ks_v1_resync_holds(in, before, moved, err);
        if (rc != KS_OK)
            return rc;
        if (*moved) {
            *at = before;
            return KS_OK;
        }
    }
    return KS_OK;
}

/* As far as frames can be found that way; small ones the sweep has seen. */
static int
look_back(struct ks_v1_input *in, struct ks_v1_place from,
          struct ks_v1_place *at, struct ks_err *err)
{
    for (int i = 0; i < LOOK_BACK_MAX; i++) {
        bool moved = false;
        int rc;
        if (at->counter == from.counter || at->offset - from.offset <= TINY_MAX)
            return KS_OK;
        rc = look_back_once(in, from.offset, at, &moved, err);
        if (rc != KS_OK || !moved)
            return rc;
    }
    return KS_OK;
}

/* The hint is right whenever only content or MAC was damaged, which is most
 * of a file; then this costs one MAC. */
int
ks_v1_resync(struct ks_v1_input *in, const struct ks_v1_search *search,
             struct ks_v1_place *out, struct ks_err *err)
{
    struct sweep s = {.in = in, .first = search->from.counter};
    struct ks_v1_place at = {.offset = search->hint,
                             .counter = search->from.counter + 1};
    bool holds = false;
    int rc = KS_OK;

    assert(search->from.offset <= ks_v1_input_size(in));
    if (search->hint != 0)
        rc = ks_v1_resync_holds(in, at, &holds, err);
    if (rc == KS_OK && !holds) {
        rc = climb(&s, search, err);
        at = s.found;
        holds = s.done;
        if (rc == KS_OK && holds)
            rc = look_back(in, search->from, &at, err);
    }
    if (rc != KS_OK)
        return rc;
    if (!holds)
        return KS_END;
    assert(at.offset >= search->from.offset);
    *out = at;
    return KS_OK;
}

int
ks_v1_resync_end(struct ks_v1_input *in, struct ks_v1_place at, bool *found,
                 struct ks_err *err)
{
    static const uint8_t end_frame[] = {6 << 3, 1}; /* end: true */
    uint8_t want[KS_V1_END_FRAME_SIZE];
    uint8_t full[KS_SHA256_SIZE];
    struct ks_bytes have;
    size_t right = 0;
    size_t len;
    int rc = ks_v1_input_look(in, at.offset, sizeof(want), &have, err);

    if (rc != KS_OK)
        return rc;
    len = ks_v1_frame_seal(ks_v1_input_cipher(in), at.counter, end_frame,
                           sizeof(end_frame), want, full);
    assert(len == sizeof(want));
    if (have.len == sizeof(want))
        for (size_t i = 0; i < sizeof(want); i++)
            right += have.ptr[i] == want[i];
    *found = right >= 10;
    return KS_OK;
}
