/*
 * memo: encoded by hand, read through a cursor though it is sealed: what
 * opens may still come from a newer program.
 */
#include "job/memo.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/file.h"
#include "vault/object.h"

/* Rises whenever the bytes change; another one reads as an empty memo. */
#define MEMO_VERSION 1U
/* Bytes; KS_MEMO_MAX entries of 153 take 10 KiB, padded and sealed. */
#define MEMO_FILE_MAX ((size_t)1 << 20)

/* The bits of a policy in the file; they never change their meaning. */
enum policy_flag {
    MEMO_NO_MEDIA = 1,
    MEMO_ALLOW_INCOMPLETE = 2,
    MEMO_FORGET_KEY = 4,
};

/* The memo's place; the caller frees. NULL, and *err set, without memory. */
static char *
memo_path(const char *folder, struct ks_err *err)
{
    char *path = NULL;

    if (asprintf(&path, "%s/memo", folder) < 0) {
        (void)ks_fail(err, KS_E_NOMEM, 0, "no memory for a file's name");
        return NULL;
    }
    return path;
}

/* The parts of a policy that are yes or no. */
static uint8_t
policy_flags(const struct ks_policy *p)
{
    return (uint8_t)((p->no_media ? MEMO_NO_MEDIA : 0) |
                     (p->allow_incomplete ? MEMO_ALLOW_INCOMPLETE : 0) |
                     (p->forget_source_key ? MEMO_FORGET_KEY : 0));
}

/* One entry, in the order in which encode_entry() writes it. */
static bool
decode_memo_entry(struct ks_memo_entry *e, struct ks_cursor *c)
{
    struct ks_looks *l = &e->looks;
    uint64_t mtime = 0;
    uint64_t ctime = 0;
    uint8_t flags = 0;
    bool ok = ks_cursor_copy(c, l->path, sizeof(l->path)) &&
              ks_cursor_u64le(c, &l->size) && ks_cursor_u64le(c, &mtime) &&
              ks_cursor_u64le(c, &ctime) && ks_cursor_u64le(c, &l->inode) &&
              ks_cursor_copy(c, l->head, sizeof(l->head)) &&
              ks_cursor_copy(c, l->tail, sizeof(l->tail)) &&
              ks_cursor_u8(c, &flags) &&
              ks_cursor_u64le(c, &e->policy.attachment_bytes_max) &&
              ks_cursor_copy(c, e->snapshot, sizeof(e->snapshot));

    l->mtime_ns = (int64_t)mtime;
    l->ctime_ns = (int64_t)ctime;
    e->policy.no_media = (flags & MEMO_NO_MEDIA) != 0;
    e->policy.allow_incomplete = (flags & MEMO_ALLOW_INCOMPLETE) != 0;
    e->policy.forget_source_key = (flags & MEMO_FORGET_KEY) != 0;
    return ok;
}

/* False, and *m of no use, for anything but an exact encoding. */
static bool
decode_memo(struct ks_memo *m, struct ks_cursor c)
{
    uint8_t version = 0;
    uint16_t count = 0;

    if (!ks_cursor_u8(&c, &version) || version != MEMO_VERSION ||
        !ks_cursor_u64le(&c, &m->verify_cycle) ||
        !ks_cursor_u16le(&c, &count) || count > KS_MEMO_MAX)
        return false;
    for (m->count = 0; m->count < count; m->count++) {
        if (!decode_memo_entry(&m->list[m->count], &c))
            return false;
    }
    return c.left == 0;
}

int
ks_memo_read(struct ks_memo *out, const struct ks_object_context *cx,
             const char *folder, struct ks_err *err)
{
    struct ks_err odd = KS_ERR_INIT; /* whatever it is: an empty memo */
    struct ks_buf sealed;
    struct ks_buf content;
    char *path = memo_path(folder, err);
    bool ok = false;

    if (path == NULL)
        return err->code;
    ks_buf_init(&sealed, MEMO_FILE_MAX);
    ks_buf_init(&content, MEMO_FILE_MAX);
    *out = (struct ks_memo){0};
    /* Nobody is told why a memo does not open: the file is read again, and the
     * next memo replaces this one. */
    if (ks_file_read(path, MEMO_FILE_MAX, &sealed, &odd) == KS_OK &&
        ks_object_unseal(cx, KS_OBJ_STATE, ks_buf_bytes(&sealed), &content,
                         &odd) == KS_OK)
        ok = decode_memo(out, ks_cursor_over(content.data, content.len));
    if (!ok)
        *out = (struct ks_memo){0};
    ks_buf_wipe(&sealed);
    ks_buf_wipe(&content);
    free(path);
    return KS_OK;
}

/* One entry; the table is in the header. */
static int
encode_entry(struct ks_buf *b, const struct ks_memo_entry *e,
             struct ks_err *err)
{
    const struct ks_looks *l = &e->looks;

    if (ks_buf_append(b, l->path, sizeof(l->path), err) != KS_OK ||
        ks_buf_u64le(b, l->size, err) != KS_OK ||
        ks_buf_u64le(b, (uint64_t)l->mtime_ns, err) != KS_OK ||
        ks_buf_u64le(b, (uint64_t)l->ctime_ns, err) != KS_OK ||
        ks_buf_u64le(b, l->inode, err) != KS_OK ||
        ks_buf_append(b, l->head, sizeof(l->head), err) != KS_OK ||
        ks_buf_append(b, l->tail, sizeof(l->tail), err) != KS_OK ||
        ks_buf_u8(b, policy_flags(&e->policy), err) != KS_OK ||
        ks_buf_u64le(b, e->policy.attachment_bytes_max, err) != KS_OK ||
        ks_buf_append(b, e->snapshot, sizeof(e->snapshot), err) != KS_OK)
        return err->code;
    return KS_OK;
}

/* The whole content, before it is sealed. */
static int
encode_memo(struct ks_buf *b, const struct ks_memo *m, struct ks_err *err)
{
    if (ks_buf_u8(b, MEMO_VERSION, err) != KS_OK ||
        ks_buf_u64le(b, m->verify_cycle, err) != KS_OK ||
        ks_buf_u16le(b, (uint16_t)m->count, err) != KS_OK)
        return err->code;
    for (size_t i = 0; i < m->count; i++) {
        if (encode_entry(b, &m->list[i], err) != KS_OK)
            return err->code;
    }
    return KS_OK;
}

int
ks_memo_write(const struct ks_memo *memo, const struct ks_object_context *cx,
              const char *folder, struct ks_err *err)
{
    struct ks_outfile *file = NULL;
    struct ks_buf sealed;
    struct ks_buf content;
    uint8_t id[KS_ID_SIZE];
    char *path = memo_path(folder, err);
    int rc;

    assert(memo->count <= KS_MEMO_MAX);

    if (path == NULL)
        return err->code;
    ks_buf_init(&sealed, MEMO_FILE_MAX);
    ks_buf_init(&content, MEMO_FILE_MAX);
    rc = encode_memo(&content, memo, err);
    if (rc == KS_OK)
        rc = ks_object_seal(cx, KS_OBJ_STATE, ks_buf_bytes(&content), &sealed,
                            id, err);
    if (rc == KS_OK)
        /* Whole or not at all: it takes the old one's name when committed. */
        rc = ks_outfile_open(&file, path, 0600, true, err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, sealed.data, sealed.len, err);
    if (rc == KS_OK)
        rc = ks_outfile_commit(file, err);
    ks_outfile_close(file);
    ks_buf_wipe(&sealed);
    ks_buf_wipe(&content);
    free(path);
    return rc;
}

const struct ks_memo_entry *
ks_memo_find(const struct ks_memo *memo, const struct ks_looks *looks,
             const struct ks_policy *policy)
{
    for (size_t i = 0; i < memo->count; i++) {
        const struct ks_memo_entry *e = &memo->list[i];

        if (ks_looks_same(&e->looks, looks) &&
            /* The same file under another policy makes another snapshot. */
            policy_flags(&e->policy) == policy_flags(policy) &&
            e->policy.attachment_bytes_max == policy->attachment_bytes_max)
            return e;
    }
    return NULL;
}

/* Take entry i out; those after it move up. */
static void
drop_entry(struct ks_memo *memo, size_t i)
{
    assert(i < memo->count);
    memo->count--;
    memmove(&memo->list[i], &memo->list[i + 1],
            (memo->count - i) * sizeof(memo->list[0]));
}

void
ks_memo_put(struct ks_memo *memo, const struct ks_memo_entry *entry)
{
    for (size_t i = 0; i < memo->count; i++) {
        if (memcmp(memo->list[i].looks.path, entry->looks.path,
                   sizeof(entry->looks.path)) == 0) {
            drop_entry(memo, i);
            break;
        }
    }
    /* The list is in the order of the last backup, so the first entry is the
     * one that was not backed up for longest. */
    if (memo->count == KS_MEMO_MAX)
        drop_entry(memo, 0);
    memo->list[memo->count++] = *entry;
}
