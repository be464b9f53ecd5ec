/*
 * index_file: index objects. Opening one reads its tail only; a look-up finds
 * the segment by its fence and searches the 744 entries in it.
 */
#include "vault/index_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/text.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/index.h"
#include "vault/keyring.h"

#define FENCE_SIZE     ((size_t)8)
#define TAIL_MAX       ((size_t)16 << 20)
#define CACHE_SEGMENTS 32U /* 2 MiB */
#define FILES_MAX      ((size_t)4096)
#define COVERED_MAX    ((uint64_t)1 << 20)
#define PACKS_PER_MAX  ((uint64_t)1 << 20)

struct index_file {
    struct ks_pack_ref ref;
    uint8_t *fences; /* segments × FENCE_SIZE */
    size_t segments;
    size_t entries;
    uint32_t *packs; /* number in this file -> number in the index */
    size_t pack_count;
};

struct ks_index_files {
    struct ks_index *index;
    struct ks_pack_reader *reader;
    struct index_file *files;
    size_t count;
    size_t damaged;
    uint8_t (*covered)[16];
    size_t covered_count;
};

/* Names and sizes of the index objects, from one listing. */
struct found_files {
    struct ks_pack_ref *refs;
    size_t count;
    struct ks_err *err;
};

static int
note_file(void *user, const char *name, uint64_t size)
{
    struct found_files *found = user;
    struct ks_pack_ref ref = {.size = (uint32_t)size};
    struct ks_pack_ref *bigger;

    if (!ks_hex_decode(ref.id, sizeof(ref.id), name) || size > KS_OBJECT_MAX)
        return 0;
    if (found->count >= FILES_MAX)
        return ks_fail(found->err, KS_E_LIMIT, 0, "too many index objects");
    bigger = realloc(found->refs, (found->count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return ks_fail(found->err, KS_E_NOMEM, 0, "not enough memory");
    found->refs = bigger;
    found->refs[found->count++] = ref;
    return 0;
}

static void
wipe_file(struct index_file *f)
{
    free(f->fences);
    free(f->packs);
    *f = (struct index_file){0};
}

/* Remember the snapshots that a file covers. */
static int
read_covered(struct ks_index_files *files, struct ks_cursor *c,
             struct ks_err *err)
{
    struct ks_bytes ids;
    uint64_t n = 0;
    uint8_t(*all)[16];

    if (!ks_cursor_varint(c, &n) || n > COVERED_MAX ||
        !ks_cursor_bytes(c, (size_t)n * 16, &ids))
        return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
    if (n == 0)
        return KS_OK;
    all = realloc(files->covered,
                  (files->covered_count + (size_t)n) * sizeof(*all));
    if (all == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    files->covered = all;
    memcpy(all + files->covered_count, ids.ptr, (size_t)n * 16);
    files->covered_count += (size_t)n;
    return KS_OK;
}

/* Add a file's packs to the index and keep their numbers. */
static int
read_packs(struct ks_index_files *files, struct index_file *f,
           struct ks_cursor *c, struct ks_err *err)
{
    uint64_t n = 0;

    if (!ks_cursor_varint(c, &n) || n > PACKS_PER_MAX ||
        n > c->left / KS_PACK_REF_SIZE)
        return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
    f->packs = calloc(n > 0 ? (size_t)n : 1, sizeof(*f->packs));
    if (f->packs == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    f->pack_count = (size_t)n;
    for (size_t i = 0; i < f->pack_count; i++) {
        struct ks_pack_ref ref;
        int rc;

        if (!ks_pack_ref_decode(c, &ref))
            return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
        rc = ks_index_add_pack(files->index, &ref, &f->packs[i], err);
        if (rc < 0)
            return rc;
    }
    return KS_OK;
}

/* Take in one file's tail, which begins at plaintext place `start`. */
static int
read_tail(struct ks_index_files *files, struct index_file *f,
          struct ks_bytes tail, size_t start, struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(tail.ptr, tail.len);
    struct ks_bytes fences;
    uint64_t entries = 0;
    uint8_t version = 0;
    int rc;

    if (!ks_cursor_u8(&c, &version))
        return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
    if (version != 1)
        return ks_fail(err, KS_E_UNSUPPORTED, 0, "it is of a newer version");
    if (!ks_cursor_varint(&c, &entries) || entries > KS_INDEX_ENTRIES_MAX)
        return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
    f->entries = (size_t)entries;
    f->segments =
        (f->entries + KS_INDEX_SEGMENT_ENTRIES - 1) / KS_INDEX_SEGMENT_ENTRIES;
    if (f->segments * KS_SEAL_SEGMENT > start)
        return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
    rc = read_covered(files, &c, err);
    if (rc == KS_OK)
        rc = read_packs(files, f, &c, err);
    if (rc < 0)
        return rc;
    if (!ks_cursor_bytes(&c, f->segments * FENCE_SIZE, &fences) || c.left != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "its tail is malformed");
    f->fences = malloc(fences.len > 0 ? fences.len : 1);
    if (f->fences == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    if (fences.len > 0)
        memcpy(f->fences, fences.ptr, fences.len);
    return KS_OK;
}

/* Open one; what is damaged is counted, and what it covered stays loose. */
static int
open_file(struct ks_index_files *files, const struct ks_pack_ref *ref,
          struct ks_err *err)
{
    struct index_file f = {.ref = *ref};
    size_t covered = files->covered_count;
    struct ks_err why = KS_ERR_INIT;
    struct ks_buf tail;
    size_t start = 0;
    int rc;

    ks_buf_init(&tail, TAIL_MAX);
    rc = ks_pack_tail(files->reader, &f.ref, &tail, &start, &why);
    if (rc == KS_OK)
        rc = read_tail(files, &f, ks_buf_bytes(&tail), start, &why);
    ks_buf_wipe(&tail);
    if (rc == KS_OK) {
        files->files[files->count++] = f;
        return KS_OK;
    }
    wipe_file(&f);
    files->covered_count = covered;
    if (rc == KS_E_NOMEM || rc == KS_E_IO) {
        *err = why;
        return rc;
    }
    files->damaged++;
    return KS_OK;
}

int
ks_index_files_open(struct ks_index_files **out, struct ks_index *index,
                    const struct ks_object_context *cx, struct ks_err *err)
{
    struct ks_index_files *files = calloc(1, sizeof(*files));
    struct found_files found = {.err = err};
    int rc;

    if (files == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    files->index = index;
    rc = ks_store_list(cx->store, KS_DIR_INDEX, note_file, &found, err);
    if (rc == KS_OK && found.count > 0) {
        rc = ks_pack_reader_open(&files->reader, cx, KS_OBJ_INDEX,
                                 CACHE_SEGMENTS, err);
        files->files = calloc(found.count, sizeof(*files->files));
        if (rc == KS_OK && files->files == NULL)
            rc = ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    }
    for (size_t i = 0; rc == KS_OK && i < found.count; i++)
        rc = open_file(files, &found.refs[i], err);
    free(found.refs);
    if (rc == KS_OK) {
        *out = files;
        files = NULL;
    }
    ks_index_files_close(files);
    return rc;
}

void
ks_index_files_close(struct ks_index_files *files)
{
    if (files == NULL)
        return;
    for (size_t i = 0; i < files->count; i++)
        wipe_file(&files->files[i]);
    free(files->files);
    free(files->covered);
    ks_pack_reader_close(files->reader);
    free(files);
}

bool
ks_index_files_cover(const struct ks_index_files *files,
                     const uint8_t *snapshot)
{
    for (size_t i = 0; i < files->covered_count; i++)
        if (memcmp(files->covered[i], snapshot, 16) == 0)
            return true;
    return false;
}

size_t
ks_index_files_damaged(const struct ks_index_files *files)
{
    return files->damaged;
}

/* The segment that can hold id: the last whose fence is not above it. Two
 * segments may begin with the same eight bytes; then an earlier one may hold
 * it as well, which 64 random bits make too rare to matter for speed but not
 * for truth: the caller steps back while fences are equal. */
static size_t
segment_for(const struct index_file *f, const uint8_t *id)
{
    size_t low = 0;
    size_t high = f->segments;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(f->fences + mid * FENCE_SIZE, id, FENCE_SIZE) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static bool
decode_fixed(const struct index_file *f, const uint8_t *p,
             struct ks_index_hit *hit)
{
    struct ks_entry *out = &hit->entry;
    uint32_t number = ks_get_u32le(p + 64);

    if (number >= f->pack_count)
        return false;
    memcpy(out->id, p, 32);
    memcpy(out->base, p + 32, 32);
    out->offset = ks_get_u32le(p + 68);
    out->stored = ks_get_u32le(p + 72);
    out->plain = ks_get_u32le(p + 76);
    out->kind = p[80];
    out->form = p[81];
    hit->pack = f->packs[number];
    return out->kind >= KS_CHUNK_RECORDS && out->kind <= KS_CHUNK_LIST &&
           out->form <= KS_FORM_DELTA && out->stored <= KS_CHUNK_MAX &&
           out->plain <= KS_CHUNK_MAX;
}

/* Binary search in one opened segment. */
static const uint8_t *
search_segment(const uint8_t *data, size_t entries, const uint8_t *id)
{
    size_t low = 0;
    size_t high = entries;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = memcmp(data + mid * KS_INDEX_ENTRY_SIZE, id, 32);
        if (order == 0)
            return data + mid * KS_INDEX_ENTRY_SIZE;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int
find_in_file(struct ks_index_files *files, const struct index_file *f,
             const uint8_t *id, struct ks_index_hit *hit, struct ks_err *err)
{
    uint8_t data[KS_SEAL_SEGMENT];
    size_t s = segment_for(f, id);

    if (f->segments == 0)
        return KS_OK;
    for (;; s--) {
        size_t before = s * KS_INDEX_SEGMENT_ENTRIES;
        size_t n = f->entries - before;
        const uint8_t *at;
        int rc = ks_pack_read(files->reader, &f->ref,
                              (uint32_t)(s * KS_SEAL_SEGMENT), KS_SEAL_SEGMENT,
                              data, err);

        if (rc < 0)
            return rc;
        if (n > KS_INDEX_SEGMENT_ENTRIES)
            n = KS_INDEX_SEGMENT_ENTRIES;
        at = search_segment(data, n, id);
        if (at != NULL) {
            if (!decode_fixed(f, at, hit))
                return ks_fail(err, KS_E_CORRUPT, 0, "an index is malformed");
            hit->found = ks_index_pack_usable(files->index, hit->pack);
            return KS_OK;
        }
        if (s == 0 || memcmp(f->fences + s * FENCE_SIZE, id, FENCE_SIZE) != 0)
            return KS_OK;
    }
}

int
ks_index_files_find(struct ks_index_files *files, const uint8_t *id,
                    struct ks_index_hit *hit, struct ks_err *err)
{
    hit->found = false;
    /* Newest knowledge is usually last, and what is asked for is recent. */
    for (size_t i = files->count; i > 0 && !hit->found; i--) {
        int rc = find_in_file(files, &files->files[i - 1], id, hit, err);
        if (rc < 0)
            return rc;
    }
    return KS_OK;
}

/* One index object being put together. */
struct composing {
    const struct ks_index_fold *fold;
    size_t first; /* in fold->order */
    size_t count;
    uint32_t *packs; /* numbers in the index, in order of first use */
    uint32_t pack_count;
    struct ks_buf plain; /* without gaps */
};

/* The number of a pack in this object; few packs, so a scan from the end
 * would do, but entries are in random order: keep a direct table. */
static int
number_packs(struct composing *co, uint32_t **table, struct ks_err *err)
{
    size_t total = ks_index_pack_count(co->fold->index);
    uint32_t *numbers = malloc((total + 1) * sizeof(*numbers));

    co->packs = malloc((total + 1) * sizeof(*co->packs));
    if (numbers == NULL || co->packs == NULL) {
        free(numbers);
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    }
    memset(numbers, 0xff, (total + 1) * sizeof(*numbers));
    for (size_t i = 0; i < co->count; i++) {
        struct ks_entry e;
        uint32_t pack = 0;

        ks_index_loose_entry(co->fold->index, co->fold->order[co->first + i],
                             &pack, &e);
        if (numbers[pack] == UINT32_MAX) {
            co->packs[co->pack_count] = pack;
            numbers[pack] = co->pack_count++;
        }
    }
    *table = numbers;
    return KS_OK;
}

static int
compose_entries(struct composing *co, const uint32_t *numbers,
                struct ks_err *err)
{
    int rc = KS_OK;

    for (size_t i = 0; rc == KS_OK && i < co->count; i++) {
        uint8_t bytes[KS_INDEX_ENTRY_SIZE] = {0};
        struct ks_entry e;
        uint32_t pack = 0;

        ks_index_loose_entry(co->fold->index, co->fold->order[co->first + i],
                             &pack, &e);
        memcpy(bytes, e.id, 32);
        memcpy(bytes + 32, e.base, 32);
        ks_put_u32le(bytes + 64, numbers[pack]);
        ks_put_u32le(bytes + 68, e.offset);
        ks_put_u32le(bytes + 72, e.stored);
        ks_put_u32le(bytes + 76, e.plain);
        bytes[80] = e.kind;
        bytes[81] = e.form;
        rc = ks_buf_append(&co->plain, bytes, sizeof(bytes), err);
        if (rc == KS_OK && (i + 1) % KS_INDEX_SEGMENT_ENTRIES == 0)
            rc = ks_buf_zeros(&co->plain,
                              KS_SEAL_SEGMENT - KS_INDEX_SEGMENT_ENTRIES *
                                                    KS_INDEX_ENTRY_SIZE,
                              err);
    }
    if (rc == KS_OK && co->plain.len % KS_SEAL_SEGMENT != 0)
        rc = ks_buf_zeros(
            &co->plain, KS_SEAL_SEGMENT - co->plain.len % KS_SEAL_SEGMENT, err);
    return rc;
}

/* `covers`: this is the last object of the fold. */
static int
compose_tail(struct composing *co, struct ks_buf *tail, bool covers,
             struct ks_err *err)
{
    size_t runs = covers ? co->fold->run_count : 0;
    size_t segments = co->plain.len / KS_SEAL_SEGMENT;
    int rc = ks_buf_u8(tail, 1, err);

    if (rc == KS_OK)
        rc = ks_buf_varint(tail, co->count, err);
    if (rc == KS_OK)
        rc = ks_buf_varint(tail, runs, err);
    if (rc == KS_OK && runs > 0)
        rc = ks_buf_append(tail, co->fold->runs, runs * 16, err);
    if (rc == KS_OK)
        rc = ks_buf_varint(tail, co->pack_count, err);
    for (uint32_t i = 0; rc == KS_OK && i < co->pack_count; i++) {
        struct ks_pack_state state =
            ks_index_pack_state(co->fold->index, co->packs[i]);
        rc = ks_pack_ref_encode(tail, &state.ref, err);
    }
    for (size_t s = 0; rc == KS_OK && s < segments; s++)
        rc = ks_buf_append(tail, co->plain.data + s * KS_SEAL_SEGMENT,
                           FENCE_SIZE, err);
    return rc;
}

/* Seal co->plain padded and put it. */
static int
put_object(struct composing *co, const struct ks_buf *tail, struct ks_err *err)
{
    const struct ks_object_context *cx = co->fold->cx;
    size_t used = co->plain.len + tail->len + 4;
    size_t padded = ks_padded(used);
    size_t sealed = ks_seal_room(padded);
    struct ks_seal_in in = {.suite = ks_seal_default_suite()};
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t salt[32];
    uint8_t id[16];
    uint8_t *object = NULL;
    int rc = ks_buf_zeros(&co->plain, padded - used, err);

    if (rc == KS_OK)
        rc = ks_buf_append(&co->plain, tail->data, tail->len, err);
    if (rc == KS_OK)
        rc = ks_buf_u32le(&co->plain, (uint32_t)tail->len, err);
    if (rc < 0)
        return rc;
    assert(co->plain.len == padded);
    object = malloc(sealed);
    if (object == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory for the index");
    for (size_t at = 0; at < padded; at += KS_SEAL_SEGMENT) {
        size_t n = padded - at;
        memcpy(object + ks_seal_at(at), co->plain.data + at,
               n < KS_SEAL_SEGMENT ? n : KS_SEAL_SEGMENT);
    }
    ks_random(salt, sizeof(salt));
    in.salt = salt;
    in.binding.kind = KS_OBJ_INDEX;
    memcpy(in.binding.epoch_id, ks_keyring_current(cx->keys), 8);
    memcpy(in.binding.vault_id, cx->vault_id, 16);
    in.key = ks_keyring_epoch(cx->keys, in.binding.epoch_id);
    rc = ks_seal(object, padded, &in, id, err);
    if (rc == KS_OK) {
        ks_object_name(name, KS_DIR_INDEX, id);
        rc = ks_store_put(cx->store, name, object, sealed, err);
    }
    free(object);
    return rc;
}

static int
write_one(const struct ks_index_fold *fold, size_t first, size_t count,
          struct ks_err *err)
{
    struct composing co = {.fold = fold, .first = first, .count = count};
    uint32_t *numbers = NULL;
    struct ks_buf tail;
    int rc;

    ks_buf_init(&co.plain, KS_OBJECT_MAX);
    ks_buf_init(&tail, TAIL_MAX);
    rc = number_packs(&co, &numbers, err);
    if (rc == KS_OK)
        rc = compose_entries(&co, numbers, err);
    if (rc == KS_OK)
        rc = compose_tail(&co, &tail, first + count == fold->count, err);
    if (rc == KS_OK)
        rc = put_object(&co, &tail, err);
    ks_buf_wipe(&tail);
    ks_buf_wipe(&co.plain);
    free(co.packs);
    free(numbers);
    return rc < 0 ? ks_context(err, "writing the index") : KS_OK;
}

int
ks_index_files_write(const struct ks_index_fold *fold, struct ks_err *err)
{
    size_t done = 0;

    do {
        size_t n = fold->count - done;
        int rc;

        if (n > KS_INDEX_ENTRIES_MAX)
            n = KS_INDEX_ENTRIES_MAX;
        rc = write_one(fold, done, n, err);
        if (rc < 0)
            return rc;
        done += n;
    } while (done < fold->count);
    return KS_OK;
}
