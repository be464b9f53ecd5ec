/*
 * note: small sealed statements, never changed, only outdone.
 *
 * Two devices may speak at once and neither sees the other: so a note never
 * replaces one, each has a counter higher than any its writer had seen, and
 * all who read the same notes agree on which wins.
 *
 *     content of the object, integers little-endian
 *     size
 *        1  version, 1
 *        1  kind, 1..7
 *        8  counter
 *       16  writer
 *        8  time, milliseconds since 1970, signed
 *        4  number of ids, at most 65 536
 *     16*n  ids
 *        2  length of the text, at most 1 024
 *        n  text, no NUL
 *        4  number of heads, at most 4 096
 *     40*n  heads: writer 16, run 8, snapshot 16
 */
#include "vault/note.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/text.h"
#include "store/store.h"
#include "vault/names.h"

#define NOTE_VERSION 1

/* The count, then the heads. */
static int
encode_heads(struct ks_buf *out, const struct ks_note *note, struct ks_err *err)
{
    int rc = ks_buf_u32le(out, (uint32_t)note->head_count, err);

    for (size_t i = 0; rc == KS_OK && i < note->head_count; i++) {
        const struct ks_head *head = &note->heads[i];

        rc = ks_buf_append(out, head->writer, KS_ID_SIZE, err);
        if (rc == KS_OK)
            rc = ks_buf_u64le(out, head->run, err);
        if (rc == KS_OK)
            rc = ks_buf_append(out, head->snapshot, KS_ID_SIZE, err);
    }
    return rc;
}

/* Append the whole content. Too much of anything is KS_E_LIMIT: it may come
 * from what the user typed. */
static int
encode_note(struct ks_buf *out, const struct ks_note *note, struct ks_err *err)
{
    size_t text_len = note->text != NULL ? strlen(note->text) : 0;
    int rc;

    assert(note->kind >= KS_NOTE_LABEL && note->kind <= KS_NOTE_ROSTER);
    if (note->id_count > KS_NOTE_IDS_MAX || text_len > KS_NOTE_TEXT_MAX ||
        note->head_count > KS_HEADS_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "too much for one note");
    rc = ks_buf_u8(out, NOTE_VERSION, err);
    if (rc == KS_OK)
        rc = ks_buf_u8(out, (uint8_t)note->kind, err);
    if (rc == KS_OK)
        rc = ks_buf_u64le(out, note->counter, err);
    if (rc == KS_OK)
        rc = ks_buf_append(out, note->writer, KS_ID_SIZE, err);
    if (rc == KS_OK)
        rc = ks_buf_u64le(out, (uint64_t)note->time_ms, err);
    if (rc == KS_OK)
        rc = ks_buf_u32le(out, (uint32_t)note->id_count, err);
    if (rc == KS_OK)
        rc = ks_buf_append(out, note->ids, note->id_count * KS_ID_SIZE, err);
    if (rc == KS_OK)
        rc = ks_buf_u16le(out, (uint16_t)text_len, err);
    if (rc == KS_OK)
        rc = ks_buf_append(out, note->text, text_len, err);
    if (rc == KS_OK)
        rc = encode_heads(out, note, err);
    return rc;
}

int
ks_note_put(const struct ks_object_context *cx, struct ks_note *note,
            struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf content;
    struct ks_buf sealed;
    uint8_t id[KS_ID_SIZE];
    int rc;

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    rc = encode_note(&content, note, err);
    if (rc == KS_OK)
        rc = ks_object_seal(cx, KS_OBJ_NOTE, ks_buf_bytes(&content), &sealed,
                            id, err);
    if (rc < 0)
        goto done;
    ks_object_name(name, KS_DIR_NOTES, id);
    rc = ks_store_put(cx->store, name, sealed.data, sealed.len, err);
    if (rc == KS_OK)
        memcpy(note->id, id, KS_ID_SIZE);
done:
    ks_buf_wipe(&sealed);
    ks_buf_wipe(&content);
    return rc < 0 ? ks_context(err, "write a note") : KS_OK;
}

/* What a note allocates. */
static void
wipe_note(struct ks_note *note)
{
    free(note->ids);
    free(note->text);
    free(note->heads);
    *note = (struct ks_note){0};
}

/* Ids, text and heads as they lie in the content: checked, not yet copied, so
 * that nothing is allocated for a note that is not one. */
struct note_parts {
    struct ks_bytes ids;
    struct ks_bytes text;
    struct ks_bytes heads;
};

#define HEAD_SIZE (2 * KS_ID_SIZE + 8)

/* Walk the content to its end. False if it is not exactly a note. */
static bool
parse_note(struct ks_note *note, struct note_parts *parts, struct ks_bytes from)
{
    struct ks_cursor c = ks_cursor_over(from.ptr, from.len);
    uint8_t version;
    uint8_t kind;
    uint64_t time_ms;
    uint32_t count;
    uint16_t text_len;

    if (!ks_cursor_u8(&c, &version) || version != NOTE_VERSION ||
        !ks_cursor_u8(&c, &kind) || kind < KS_NOTE_LABEL ||
        kind > KS_NOTE_ROSTER || !ks_cursor_u64le(&c, &note->counter) ||
        !ks_cursor_copy(&c, note->writer, KS_ID_SIZE) ||
        !ks_cursor_u64le(&c, &time_ms))
        return false;
    note->kind = (enum ks_note_kind)kind;
    note->time_ms = (int64_t)time_ms;
    if (!ks_cursor_u32le(&c, &count) || count > KS_NOTE_IDS_MAX ||
        !ks_cursor_bytes(&c, count * KS_ID_SIZE, &parts->ids))
        return false;
    note->id_count = count;
    if (!ks_cursor_u16le(&c, &text_len) || text_len > KS_NOTE_TEXT_MAX ||
        !ks_cursor_bytes(&c, text_len, &parts->text) ||
        (text_len > 0 && memchr(parts->text.ptr, 0, text_len) != NULL))
        return false;
    if (!ks_cursor_u32le(&c, &count) || count > KS_HEADS_MAX ||
        !ks_cursor_bytes(&c, count * HEAD_SIZE, &parts->heads))
        return false;
    note->head_count = count;
    return c.left == 0;
}

/* The count and the length were checked: this cannot fail. */
static void
copy_heads(struct ks_note *note, struct ks_bytes from)
{
    struct ks_cursor c = ks_cursor_over(from.ptr, from.len);

    for (size_t i = 0; i < note->head_count; i++) {
        struct ks_head *head = &note->heads[i];
        bool whole = ks_cursor_copy(&c, head->writer, KS_ID_SIZE) &&
                     ks_cursor_u64le(&c, &head->run) &&
                     ks_cursor_copy(&c, head->snapshot, KS_ID_SIZE);

        assert(whole);
    }
    assert(c.left == 0);
}

/* Memory for what parts has, filled. */
static int
copy_parts(struct ks_note *note, const struct note_parts *parts,
           struct ks_err *err)
{
    /* One byte more than needed: no empty allocations, and text's NUL. */
    note->ids = calloc(1, parts->ids.len + 1);
    note->text = calloc(1, parts->text.len + 1);
    note->heads = calloc(note->head_count + 1, sizeof(note->heads[0]));
    if (note->ids == NULL || note->text == NULL || note->heads == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a note");
    if (parts->ids.len > 0)
        memcpy(note->ids, parts->ids.ptr, parts->ids.len);
    if (parts->text.len > 0)
        memcpy(note->text, parts->text.ptr, parts->text.len);
    copy_heads(note, parts->heads);
    return KS_OK;
}

/* A note of its own memory out of `from`. KS_E_CORRUPT, KS_E_NOMEM. */
static int
decode_note(struct ks_note *out, struct ks_bytes from, struct ks_err *err)
{
    struct ks_note note = {0};
    struct note_parts parts = {0};
    int rc;

    if (!parse_note(&note, &parts, from))
        return ks_fail(err, KS_E_CORRUPT, 0, "not a note that we know");
    rc = copy_parts(&note, &parts, err);
    if (rc < 0) {
        wipe_note(&note);
        return rc;
    }
    *out = note;
    return KS_OK;
}

/* Read notes/<text> and append it to *out, which has room. A note says nothing
 * of its id: that is its name, which follows from its bytes. */
static int
read_note(const struct ks_object_context *cx, const char *text,
          struct ks_notes *out, struct ks_err *err)
{
    char name[KS_NAME_MAX + 1];
    struct ks_note *note = &out->notes[out->count];
    struct ks_buf content;
    bool named;
    int rc;

    ks_names_join(name, KS_DIR_NOTES, text);
    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    rc = ks_object_get(cx, KS_OBJ_NOTE, name, &content, err);
    if (rc == KS_OK)
        rc = decode_note(note, ks_buf_bytes(&content), err);
    ks_buf_wipe(&content);
    if (rc < 0)
        return rc;
    /* The name was checked against the bytes, so it is an id. */
    named = ks_hex_decode(note->id, KS_ID_SIZE, text);
    assert(named);
    out->count++;
    return KS_OK;
}

/* Whether a note that cannot be read for this reason is only counted: one
 * bad note must not keep anybody from his snapshots. What a retry may mend
 * (KS_E_IO) fails instead, or a pin could be overlooked for a moment. */
static bool
is_note_damage(int rc)
{
    return rc == KS_E_CORRUPT || rc == KS_E_UNSUPPORTED || rc == KS_E_LIMIT;
}

int
ks_notes_read(const struct ks_object_context *cx, struct ks_notes *out,
              struct ks_err *err)
{
    struct ks_names names = {0};
    struct ks_notes notes = {0};
    int rc;

    rc = ks_names_list(&names, cx->store, KS_DIR_NOTES, err);
    if (rc < 0 || names.count == 0)
        goto done;
    notes.notes = calloc(names.count, sizeof(notes.notes[0]));
    if (notes.notes == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "no memory for notes");
        goto done;
    }
    for (size_t i = 0; rc == KS_OK && i < names.count; i++) {
        struct ks_err why = KS_ERR_INIT;

        rc = read_note(cx, names.list[i].text, &notes, &why);
        if (is_note_damage(rc)) {
            notes.damaged++;
            rc = KS_OK;
        } else if (rc == KS_E_NOTFOUND) {
            rc = KS_OK; /* gone since it was listed */
        } else if (rc < 0) {
            *err = why;
        }
    }
done:
    ks_names_free(&names);
    if (rc < 0) {
        ks_notes_free(&notes);
        return rc;
    }
    *out = notes;
    return KS_OK;
}

void
ks_notes_free(struct ks_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        wipe_note(&notes->notes[i]);
    free(notes->notes);
    *notes = (struct ks_notes){0};
}

uint64_t
ks_notes_counter(const struct ks_notes *notes)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < notes->count; i++) {
        if (notes->notes[i].counter > highest)
            highest = notes->notes[i].counter;
    }
    return highest;
}

bool
ks_note_wins(const struct ks_note *a, const struct ks_note *b)
{
    int order;

    if (a->counter != b->counter)
        return a->counter > b->counter;
    order = memcmp(a->writer, b->writer, KS_ID_SIZE);
    if (order == 0)
        order = memcmp(a->id, b->id, KS_ID_SIZE);
    return order > 0;
}

/* Whether `id` is among a note's ids. */
static bool
speaks_of(const struct ks_note *note, const uint8_t *id)
{
    for (size_t i = 0; i < note->id_count; i++) {
        if (memcmp(note->ids[i], id, KS_ID_SIZE) == 0)
            return true;
    }
    return false;
}

const struct ks_note *
ks_notes_find(const struct ks_notes *notes, enum ks_note_kind kind,
              const uint8_t *id)
{
    const struct ks_note *best = NULL;

    for (size_t i = 0; i < notes->count; i++) {
        const struct ks_note *note = &notes->notes[i];

        if (note->kind != kind || (id != NULL && !speaks_of(note, id)))
            continue;
        if (best == NULL || ks_note_wins(note, best))
            best = note;
    }
    return best;
}
