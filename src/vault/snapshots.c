/*
 * snapshots: reading all snapshot objects of a vault, setting aside those that
 * do not count, and dressing the rest with what notes say of them.
 */
#include "vault/snapshots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"
#include "vault/index.h"
#include "vault/snapshot_object.h"
#include "vault/vault.h"

/* a backup each hour for a century is fewer */
#define SNAPSHOTS_MAX ((size_t)1 << 20)
#define PREFIX_MIN    ((size_t)4)

void
ks_snapshots_free(struct ks_snapshots *s)
{
    for (size_t i = 0; i < s->count; i++)
        ks_snapshot_info_wipe(&s->list[i]);
    free(s->list);
    *s = (struct ks_snapshots){0};
}

/* The ids under snapshots/, from one listing. */
struct names {
    uint8_t (*ids)[16];
    size_t count;
    uint64_t foreign; /* names that are not ids */
    struct ks_err *err;
};

/* For the listing, from within which the store must not be called. */
static int
note_name(void *user, const char *name, uint64_t size)
{
    struct names *n = user;
    uint8_t(*bigger)[16];
    uint8_t id[16];

    (void)size;
    if (!ks_hex_decode(id, sizeof(id), name)) {
        n->foreign++;
        return 0;
    }
    if (n->count >= SNAPSHOTS_MAX)
        return ks_fail(n->err, KS_E_LIMIT, 0, "too many snapshots");
    if ((n->count & (n->count - 1)) == 0) {
        size_t cap = n->count == 0 ? 1 : n->count * 2;
        bigger = realloc(n->ids, cap * sizeof(*bigger));
        if (bigger == NULL)
            return ks_fail(n->err, KS_E_NOMEM, 0, "not enough memory");
        n->ids = bigger;
    }
    memcpy(n->ids[n->count++], id, sizeof(id));
    return 0;
}

/* The ids into *n, whose ids the caller frees, also after a failure. */
static int
list_names(struct ks_vault *v, struct names *n, struct ks_err *err)
{
    *n = (struct names){.err = err};
    return ks_store_list(ks_vault_store(v), KS_DIR_SNAPSHOTS, note_name, n,
                         err);
}

/* Read and decode one. Damage is KS_E_CORRUPT; the rest of the errors are
 * about reading at all. *out must be zero before, and is again after a
 * failure; its id is not in the object, which is called after its bytes. */
static int
read_one(struct ks_vault *v, const uint8_t *id, struct ks_snapshot_info *out,
         const struct ks_snapshot_visitor *visitor, struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf content;
    int rc;

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_object_name(name, KS_DIR_SNAPSHOTS, id);
    rc = ks_object_get(ks_vault_context(v), KS_OBJ_SNAPSHOT, name, &content,
                       err);
    if (rc == KS_OK)
        rc = ks_snapshot_decode(out, ks_buf_bytes(&content), visitor, err);
    if (rc == KS_OK)
        memcpy(out->id, id, sizeof(out->id));
    ks_buf_wipe(&content);
    return rc;
}

/* Whether a failure to read one snapshot leaves the others readable. */
static bool
spares_others(int rc)
{
    return rc == KS_E_CORRUPT || rc == KS_E_UNSUPPORTED ||
           rc == KS_E_NOTFOUND || rc == KS_E_WRONG_KEY || rc == KS_E_LIMIT;
}

/*
 * A put that came too late: its writer went on without it. Some later run of
 * the same writer names as its previous an earlier one.
 */
static bool
is_void(const struct ks_snapshots *s, const struct ks_snapshot_info *info)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct ks_snapshot_info *later = &s->list[i];
        if (later->run > info->run && later->previous_run < info->run &&
            memcmp(later->writer, info->writer, 16) == 0)
            return true;
    }
    return false;
}

/* Drop those that do not count, in place: void ones, and ones that a note says
 * were forgotten, should a sync program bring them back. All are judged before
 * any is dropped, as a void one may show that another one is void. */
static int
drop_void(struct ks_snapshots *s, const struct ks_notes *notes,
          struct ks_err *err)
{
    bool *drop = calloc(s->count > 0 ? s->count : 1, sizeof(*drop));
    size_t kept = 0;

    if (drop == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    for (size_t i = 0; i < s->count; i++) {
        drop[i] = is_void(s, &s->list[i]);
        s->void_count += drop[i];
        if (ks_notes_find(notes, KS_NOTE_FORGOT, s->list[i].id) != NULL)
            drop[i] = true;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (drop[i])
            ks_snapshot_info_wipe(&s->list[i]);
        else
            s->list[kept++] = s->list[i];
    }
    s->count = kept;
    free(drop);
    return KS_OK;
}

/* What notes say: label, pin, verified. */
static void
dress(struct ks_snapshot_info *info, const struct ks_notes *notes)
{
    const struct ks_note *label = ks_notes_find(notes, KS_NOTE_LABEL, info->id);
    const struct ks_note *pin = ks_notes_find(notes, KS_NOTE_PIN, info->id);
    const struct ks_note *unpin = ks_notes_find(notes, KS_NOTE_UNPIN, info->id);

    if (label != NULL && label->text != NULL &&
        strlen(label->text) < sizeof(info->label))
        /* a longer label is not cut: the one it was made with stays */
        memcpy(info->label, label->text, strlen(label->text) + 1);
    info->pinned = pin != NULL && (unpin == NULL || ks_note_wins(pin, unpin));
    info->verified = ks_notes_find(notes, KS_NOTE_VERIFIED, info->id) != NULL;
}

/* By generation, then time; by id only so that the order is one order. */
static int
compare_snapshots(const void *a, const void *b)
{
    const struct ks_snapshot_info *x = a;
    const struct ks_snapshot_info *y = b;

    if (x->generation != y->generation)
        return x->generation < y->generation ? -1 : 1;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return memcmp(x->id, y->id, sizeof(x->id));
}

/* Read each into the next place of out->list, which has room for all. */
static int
read_all(struct ks_vault *v, const struct names *names,
         struct ks_snapshots *out, struct ks_err *err)
{
    out->damaged = names->foreign;
    out->list = calloc(names->count > 0 ? names->count : 1, sizeof(*out->list));
    if (out->list == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    for (size_t i = 0; i < names->count; i++) {
        struct ks_err why = KS_ERR_INIT;
        int rc = read_one(v, names->ids[i], &out->list[out->count], NULL, &why);
        if (rc == KS_OK) {
            out->count++;
        } else if (spares_others(rc)) {
            out->damaged += rc != KS_E_NOTFOUND; /* gone since the listing */
        } else {
            *err = why;
            return rc;
        }
    }
    return KS_OK;
}

int
ks_snapshots_read(struct ks_vault *v, struct ks_snapshots *out,
                  struct ks_err *err)
{
    struct ks_snapshots s = {0};
    struct ks_notes notes = {0};
    struct names names;
    int rc = list_names(v, &names, err);

    if (rc == KS_OK)
        rc = read_all(v, &names, &s, err);
    if (rc == KS_OK)
        rc = ks_notes_read(ks_vault_context(v), &notes, err);
    if (rc == KS_OK)
        rc = drop_void(&s, &notes, err);
    if (rc == KS_OK) {
        for (size_t i = 0; i < s.count; i++)
            dress(&s.list[i], &notes);
        if (s.count > 0)
            qsort(s.list, s.count, sizeof(*s.list), compare_snapshots);
        /* the list is now the caller's */
        *out = s;
        s = (struct ks_snapshots){0};
    }
    ks_snapshots_free(&s);
    ks_notes_free(&notes);
    free(names.ids);
    return rc;
}

/* Whether id's hex begins with the digits of prefix. */
static bool
has_prefix(const uint8_t *id, const char *prefix)
{
    char hex[KS_ID_HEX_SIZE];

    ks_hex_encode(hex, id, 16);
    return strncasecmp(hex, prefix, strlen(prefix)) == 0;
}

int
ks_snapshots_find(const struct ks_snapshot_info **out,
                  const struct ks_snapshots *s, const char *which,
                  struct ks_err *err)
{
    const struct ks_snapshot_info *hit = NULL;

    if (strcmp(which, "latest") == 0) {
        if (s->count == 0)
            return ks_fail(err, KS_E_NOTFOUND, 0,
                           "the vault has no snapshot yet");
        *out = &s->list[s->count - 1];
        return KS_OK;
    }
    if (strlen(which) < PREFIX_MIN)
        return ks_fail(err, KS_E_USAGE, 0,
                       "give \"latest\" or at least the first %zu characters "
                       "of a snapshot's id",
                       PREFIX_MIN);
    for (size_t i = 0; i < s->count; i++) {
        if (!has_prefix(s->list[i].id, which))
            continue;
        if (hit != NULL)
            return ks_fail(err, KS_E_USAGE, 0,
                           "more than one snapshot begins with \"%s\": give "
                           "more of its id",
                           which);
        hit = &s->list[i];
    }
    if (hit == NULL)
        return ks_fail(err, KS_E_NOTFOUND, 0,
                       "no snapshot \"%s\" in this vault: see `keepsay list`",
                       which);
    *out = hit;
    return KS_OK;
}

/* Hands a snapshot's packs and entries to an index. */
struct feeding {
    struct ks_index *index;
    uint32_t pack;
    struct ks_err *err;
};

/* Whose entries come next. */
static int
feed_pack(void *user, const struct ks_pack_ref *ref)
{
    struct feeding *f = user;

    return ks_index_add_pack(f->index, ref, &f->pack, f->err);
}

/* An entry of the pack that was fed last; decoding shows a pack first. */
static int
feed_entry(void *user, const struct ks_entry *e)
{
    struct feeding *f = user;

    return ks_index_add(f->index, f->pack, e, f->err);
}

/* Give the index what one snapshot brought: packs, entries, and that it is a
 * run not folded yet. *damaged is set if it cannot be read, and left alone
 * else: what it brought must be looked for in the packs themselves. */
static int
feed_snapshot(struct ks_vault *v, struct ks_index *index, const uint8_t *id,
              bool *damaged, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    struct feeding f = {.index = index, .err = &why};
    struct ks_snapshot_visitor visitor = {
        .pack = feed_pack, .entry = feed_entry, .user = &f};
    struct ks_snapshot_info info = {.run = 0};
    int rc = read_one(v, id, &info, &visitor, &why);

    ks_snapshot_info_wipe(&info);
    if (rc == KS_OK)
        return ks_index_add_run(index, id, err);
    if (spares_others(rc)) {
        *damaged = true;
        return KS_OK;
    }
    *err = why;
    return rc;
}

int
ks_snapshots_index(struct ks_index **out, struct ks_vault *v,
                   const struct ks_index_options *options, struct ks_err *err)
{
    struct ks_index *index = NULL;
    struct names names;
    bool damaged = false;
    int rc = list_names(v, &names, err);

    /* Snapshots are listed before packs: what those listed rely on was there
     * before them. */
    if (rc == KS_OK)
        rc = ks_index_open(&index, ks_vault_context(v), options, err);
    for (size_t i = 0; rc == KS_OK && i < names.count; i++)
        if (!ks_index_covers(index, names.ids[i]))
            rc = feed_snapshot(v, index, names.ids[i], &damaged, err);
    if (rc == KS_OK && (damaged || ks_index_damaged(index) > 0))
        rc = ks_index_search_packs(index, err);
    free(names.ids);
    if (rc == KS_OK) {
        *out = index;
        index = NULL;
    }
    ks_index_close(index);
    return rc;
}
