/*
 * writer_state: the file `writer` of a client state folder.
 *
 * A sealed object of kind 9, epoch id zero, under HKDF(control key,
 * "keepsay client state"); its content, integers little-endian:
 *
 *     offset size
 *          0    1  version, 1
 *          1   16  writer
 *         17    8  highest run begun
 *         25    8  last committed run
 *         33   16  its snapshot
 *         49    1  in doubt, 0 or 1
 *         50   16  promised snapshot
 */
#include "vault/writer_state.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/file.h"
#include "store/store.h"

#define STATE_VERSION 1
#define STATE_SIZE    ((size_t)66)
#define STATE_MODE    0600U

/* The content, out[0..STATE_SIZE). */
static void
encode_state(uint8_t *out, const struct ks_writer_state *s)
{
    out[0] = STATE_VERSION;
    memcpy(out + 1, s->writer, KS_ID_SIZE);
    ks_put_u64le(out + 17, s->run);
    ks_put_u64le(out + 25, s->last_run);
    memcpy(out + 33, s->last, KS_ID_SIZE);
    out[49] = s->in_doubt ? 1 : 0;
    memcpy(out + 50, s->promised, KS_ID_SIZE);
}

/* Only an exact encoding: what is odd in it could make two runs one. */
static int
decode_state(struct ks_writer_state *out, struct ks_bytes from,
             struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(from.ptr, from.len);
    struct ks_writer_state s = {0};
    uint8_t version = 0;
    uint8_t in_doubt = 0;

    if (ks_cursor_u8(&c, &version) && version > STATE_VERSION)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "written by a newer version of keepsay");
    if (version != STATE_VERSION || !ks_cursor_copy(&c, s.writer, KS_ID_SIZE) ||
        !ks_cursor_u64le(&c, &s.run) || !ks_cursor_u64le(&c, &s.last_run) ||
        !ks_cursor_copy(&c, s.last, KS_ID_SIZE) ||
        !ks_cursor_u8(&c, &in_doubt) ||
        !ks_cursor_copy(&c, s.promised, KS_ID_SIZE) || c.left != 0 ||
        in_doubt > 1 || s.last_run > s.run)
        return ks_fail(err, KS_E_CORRUPT, 0, "its content is damaged");
    s.in_doubt = in_doubt == 1;
    *out = s;
    return KS_OK;
}

int
ks_writer_state_load(struct ks_writer_state *out,
                     const struct ks_object_context *cx, const char *path,
                     struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    struct ks_buf sealed;
    struct ks_buf content;
    int rc;

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    rc = ks_file_read(path, KS_OBJECT_MAX, &sealed, &why);
    if (rc == KS_E_LIMIT) {
        rc =
            ks_fail(err, KS_E_CORRUPT, 0, "%s: damaged: it is too large", path);
        goto done;
    }
    if (rc < 0) {
        *err = why;
        goto done;
    }
    rc = ks_object_unseal(cx, KS_OBJ_STATE, ks_buf_bytes(&sealed), &content,
                          err);
    if (rc == KS_OK)
        rc = decode_state(out, ks_buf_bytes(&content), err);
    if (rc < 0)
        rc = ks_context(err, "%s", path);
done:
    ks_buf_wipe(&content);
    ks_buf_wipe(&sealed);
    return rc;
}

int
ks_writer_state_save(const struct ks_writer_state *state,
                     const struct ks_object_context *cx, const char *path,
                     struct ks_err *err)
{
    struct ks_outfile *file = NULL;
    struct ks_buf sealed;
    uint8_t content[STATE_SIZE];
    uint8_t unused_id[KS_ID_SIZE];
    int rc;

    /* The folder is made and locked by now; nobody else writes here. */
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    encode_state(content, state);
    rc = ks_object_seal(
        cx, KS_OBJ_STATE,
        (struct ks_bytes){.ptr = content, .len = sizeof(content)}, &sealed,
        unused_id, err);
    if (rc == KS_OK)
        rc = ks_outfile_open(&file, path, STATE_MODE, true, err);
    if (rc == KS_OK)
        rc = ks_outfile_write(file, sealed.data, sealed.len, err);
    if (rc == KS_OK)
        rc = ks_outfile_commit(file, err);
    ks_outfile_close(file);
    ks_buf_wipe(&sealed);
    return rc < 0 ? ks_context(err, "remember what this writer did") : KS_OK;
}
