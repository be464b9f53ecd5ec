/*
 * writer: the right to add to a vault (steps W0 to W4).
 *
 * What makes a later collector safe is an order: the state file is durable
 * before anything in the store relies on it, and each step in the store is
 * synced before the next begins.
 *
 *   - The state names the writer before writers/<w> is put. A crash between
 *     them leaves a writer that has begun no run: it is put again under the
 *     same name, so that none is left behind that nobody is, not even by a
 *     put that arrives late.
 *   - A promise is settled, durably, before any ack says what was last
 *     committed.
 *   - A mark that cannot be read is not acked, so its collector waits.
 */
#include "vault/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/names.h"
#include "vault/writer_state.h"

#define HOST_MAX       ((size_t)255)
#define ACK_SIZE       ((size_t)25)
#define RECORD_VERSION 1 /* of writers, acks and marks */

struct ks_writer {
    struct ks_object_context cx;
    char *lock_path;
    char *state_path;
    char *aside_path;
    int lock; /* descriptor, -1 none */
    struct ks_writer_state state;
    bool begun;            /* state.run is a run of this process */
    uint8_t (*doomed)[16]; /* doomed[0..doomed_count), sorted */
    size_t doomed_count;
};

/* "folder/file", which the caller frees; NULL if memory is short. */
static char *
path_in(const char *folder, const char *file)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", folder, file) < 0)
        return NULL;
    return path;
}

/* A writer on a state folder, unlocked and empty. */
static int
writer_new(struct ks_writer **out, const struct ks_object_context *cx,
           const char *folder, struct ks_err *err)
{
    struct ks_writer *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a writer");
    w->cx = *cx;
    w->lock = -1;
    w->lock_path = path_in(folder, "lock");
    w->state_path = path_in(folder, "writer");
    w->aside_path = path_in(folder, "writer.damaged");
    if (w->lock_path == NULL || w->state_path == NULL ||
        w->aside_path == NULL) {
        ks_writer_close(w);
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a writer");
    }
    *out = w;
    return KS_OK;
}

/* W0: runs of one writer are serial. The lock goes with the process, however
 * it ends; the file stays, as removing it would race. */
static int
lock_folder(struct ks_writer *w, const char *folder, struct ks_err *err)
{
    int rc;

    rc = ks_make_dirs(folder, err);
    if (rc < 0)
        return rc;
    w->lock = open(w->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (w->lock < 0)
        return ks_fail_sys(err, errno, "open %s", w->lock_path);
    while (flock(w->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return ks_fail(err, KS_E_BUSY, 0,
                           "another backup to this vault is running "
                           "(it holds %s)",
                           w->lock_path);
        if (errno != EINTR)
            return ks_fail_sys(err, errno, "lock %s", w->lock_path);
    }
    return KS_OK;
}

/* Read the state; *found says whether there is a usable one. What is damaged
 * or of another vault is kept beside, for whoever wants to know why. */
static int
read_state(struct ks_writer *w, bool *found, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    int rc;

    rc = ks_writer_state_load(&w->state, &w->cx, w->state_path, &why);
    *found = rc == KS_OK;
    if (rc == KS_OK || rc == KS_E_NOTFOUND)
        return KS_OK;
    if (rc != KS_E_CORRUPT) {
        *err = why;
        return rc;
    }
    if (rename(w->state_path, w->aside_path) != 0)
        return ks_fail_sys(err, errno, "set aside %s", w->state_path);
    return KS_OK;
}

/* What the vault says of this writer. */
static int
look_up_writer(struct ks_writer *w, bool *known, bool *retired,
               struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    size_t len;
    int rc;

    ks_object_name(name, KS_DIR_WRITERS, w->state.writer);
    rc = ks_store_has(w->cx.store, name, known, err);
    if (rc < 0)
        return rc;
    len = strlen(name);
    assert(len + sizeof(".retired") <= sizeof(name));
    memcpy(name + len, ".retired", sizeof(".retired"));
    return ks_store_has(w->cx.store, name, retired, err);
}

/* Put writers/<w>, for good: when it began, and on which machine. */
static int
put_writer(struct ks_writer *w, struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    char host[HOST_MAX + 1] = "";
    uint8_t content[10 + HOST_MAX];
    size_t host_len;
    struct ks_bytes view = {.ptr = content};
    struct ks_buf sealed;
    uint8_t unused_id[KS_ID_SIZE];
    int rc;

    /* Only to say "waiting for Pixel" later; a writer without a name will do.
     */
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    content[0] = RECORD_VERSION;
    ks_put_u64le(content + 1, (uint64_t)ks_now_ms());
    host_len = strnlen(host, HOST_MAX);
    content[9] = (uint8_t)host_len;
    memcpy(content + 10, host, host_len);
    view.len = 10 + host_len;

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    ks_object_name(name, KS_DIR_WRITERS, w->state.writer);
    rc = ks_object_seal(&w->cx, KS_OBJ_WRITER, view, &sealed, unused_id, err);
    if (rc == KS_OK)
        rc = ks_store_put(w->cx.store, name, sealed.data, sealed.len, err);
    if (rc == KS_OK)
        rc = ks_store_sync(w->cx.store, err);
    ks_buf_wipe(&sealed);
    return rc < 0 ? ks_context(err, "enrol as a writer") : KS_OK;
}

/* W0: be a writer that the vault knows. */
static int
enrol(struct ks_writer *w, struct ks_err *err)
{
    bool found = false;
    bool known = false;
    bool retired = false;
    int rc;

    rc = read_state(w, &found, err);
    if (rc == KS_OK && found)
        rc = look_up_writer(w, &known, &retired, err);
    if (rc < 0)
        return rc;
    if (known && !retired)
        return KS_OK;
    /* One that has begun no run may still be on its way in. Any other has a
     * history that this vault does not know: what it says it has stored is
     * not to be relied on. */
    if (!found || retired || w->state.run > 0) {
        w->state = (struct ks_writer_state){0};
        ks_random(w->state.writer, KS_ID_SIZE);
        rc = ks_writer_state_save(&w->state, &w->cx, w->state_path, err);
        if (rc < 0)
            return rc;
    }
    return put_writer(w, err);
}

/* W1: did the last run's snapshot get there? */
static int
settle(struct ks_writer *w, struct ks_err *err)
{
    struct ks_writer_state next = w->state;
    char name[KS_OBJECT_NAME_SIZE];
    bool there = false;
    int rc;

    if (!w->state.in_doubt)
        return KS_OK;
    ks_object_name(name, KS_DIR_SNAPSHOTS, w->state.promised);
    rc = ks_store_has(w->cx.store, name, &there, err);
    /* There, but perhaps not durable yet: the put may have been our last. */
    if (rc == KS_OK && there)
        rc = ks_store_sync(w->cx.store, err);
    if (rc < 0)
        return ks_context(err, "look for the snapshot of the last run");
    /* Void for ever otherwise: the next snapshot names an older one as the
     * previous, so even if this put arrives late, nobody counts it. */
    if (there) {
        next.last_run = next.run;
        memcpy(next.last, next.promised, KS_ID_SIZE);
    }
    next.in_doubt = false;
    memset(next.promised, 0, KS_ID_SIZE);
    rc = ks_writer_state_save(&next, &w->cx, w->state_path, err);
    if (rc == KS_OK)
        w->state = next;
    return rc;
}

/* "acks/<mark>.<writer>" into out[0..KS_NAME_MAX + 1). */
static void
ack_name(char *out, const struct ks_writer *w, const char *mark)
{
    char hex[KS_ID_HEX_SIZE];
    int len;

    ks_hex_encode(hex, w->state.writer, KS_ID_SIZE);
    len = snprintf(out, KS_NAME_MAX + 1, "%s/%s.%s", KS_DIR_ACKS, mark, hex);
    assert(len > 0 && (size_t)len <= KS_NAME_MAX);
}

/* Say what was last committed when this mark was first seen. An ack stays as
 * it is: all later runs have kept off the marked packs too. */
static int
put_ack(struct ks_writer *w, const char *name, struct ks_err *err)
{
    uint8_t content[ACK_SIZE];
    uint8_t unused_id[KS_ID_SIZE];
    struct ks_buf sealed;
    int rc;

    content[0] = RECORD_VERSION;
    ks_put_u64le(content + 1, w->state.last_run);
    memcpy(content + 9, w->state.last, KS_ID_SIZE);
    ks_buf_init(&sealed, KS_OBJECT_MAX);
    rc = ks_object_seal(
        &w->cx, KS_OBJ_ACK,
        (struct ks_bytes){.ptr = content, .len = sizeof(content)}, &sealed,
        unused_id, err);
    if (rc == KS_OK)
        rc = ks_store_put(w->cx.store, name, sealed.data, sealed.len, err);
    ks_buf_wipe(&sealed);
    return rc;
}

/* Add the packs of a mark's content to D. */
static int
add_doomed(struct ks_writer *w, struct ks_bytes mark, struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(mark.ptr, mark.len);
    struct ks_bytes packs = {0};
    struct ks_bytes who;
    uint8_t version = 0;
    uint32_t count = 0;
    uint8_t(*more)[16];

    if (!ks_cursor_u8(&c, &version) || version != RECORD_VERSION ||
        !ks_cursor_bytes(&c, KS_ID_SIZE, &who) ||
        !ks_cursor_u32le(&c, &count) || count > KS_MARK_PACKS_MAX ||
        !ks_cursor_bytes(&c, count * KS_ID_SIZE, &packs) || c.left != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "its content is damaged");
    if (count == 0)
        return KS_OK;
    /* Several marks may name a pack: once is enough to doom it. */
    more = reallocarray(w->doomed, w->doomed_count + count, KS_ID_SIZE);
    if (more == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for marked packs");
    w->doomed = more;
    memcpy(w->doomed + w->doomed_count, packs.ptr, packs.len);
    w->doomed_count += count;
    return KS_OK;
}

/* For sorting D, and for searching it. */
static int
compare_packs(const void *a, const void *b)
{
    return memcmp(a, b, KS_ID_SIZE);
}

/* Heed one mark: its packs do not count, and say so to its collector. */
static int
heed_mark(struct ks_writer *w, const char *mark, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    char name[KS_NAME_MAX + 1];
    struct ks_buf content;
    bool acked = false;
    int rc;

    ks_buf_init(&content, KS_OBJECT_CONTENT_MAX);
    ks_names_join(name, KS_DIR_MARKS, mark);
    rc = ks_object_get(&w->cx, KS_OBJ_MARK, name, &content, &why);
    if (rc == KS_OK)
        rc = add_doomed(w, ks_buf_bytes(&content), &why);
    ks_buf_wipe(&content);
    if (rc == KS_E_NOTFOUND)
        return KS_OK; /* its collector has just finished */
    if (rc < 0 && rc != KS_E_CORRUPT && rc != KS_E_UNSUPPORTED) {
        *err = why;
        return rc;
    }
    ack_name(name, w, mark);
    if (ks_store_has(w->cx.store, name, &acked, err) < 0)
        return err->code;
    if (rc == KS_OK)
        return acked ? KS_OK : put_ack(w, name, err);
    if (!acked)
        return KS_OK; /* not acked: nothing that it names is deleted */
    *err = why;
    return ks_context(err, "a mark that this writer has agreed to cannot be "
                           "read any more, so what it dooms is unknown");
}

/* Whether a name under marks/ is one of a mark. */
static bool
is_mark_name(const char *text)
{
    uint8_t id[KS_ID_SIZE];

    return ks_hex_decode(id, sizeof(id), text);
}

/* W1: the marks that are there now, and an ack for each. */
static int
heed_marks(struct ks_writer *w, struct ks_err *err)
{
    struct ks_names marks = {0};
    int rc;

    rc = ks_names_list(&marks, w->cx.store, KS_DIR_MARKS, err);
    for (size_t i = 0; rc == KS_OK && i < marks.count; i++) {
        if (is_mark_name(marks.list[i].text))
            rc = heed_mark(w, marks.list[i].text, err);
    }
    if (rc == KS_OK && marks.count > 0)
        rc = ks_store_sync(w->cx.store, err);
    /* Asked once for each chunk that the index knows: searched by halves. */
    if (w->doomed_count > 1)
        qsort(w->doomed, w->doomed_count, KS_ID_SIZE, compare_packs);
    ks_names_free(&marks);
    return rc;
}

int
ks_writer_open(struct ks_writer **out, const struct ks_object_context *cx,
               const char *state_folder, struct ks_err *err)
{
    struct ks_writer *w = NULL;
    int rc;

    rc = writer_new(&w, cx, state_folder, err);
    if (rc < 0)
        return rc;
    assert(w != NULL);
    rc = lock_folder(w, state_folder, err);
    if (rc == KS_OK)
        rc = enrol(w, err);
    if (rc == KS_OK)
        rc = settle(w, err);
    if (rc == KS_OK)
        rc = heed_marks(w, err);
    if (rc < 0) {
        ks_writer_close(w);
        return rc;
    }
    *out = w;
    return KS_OK;
}

const uint8_t *
ks_writer_id(const struct ks_writer *w)
{
    return w->state.writer;
}

uint64_t
ks_writer_run(const struct ks_writer *w)
{
    return w->state.run;
}

void
ks_writer_last(const struct ks_writer *w, uint64_t *run, uint8_t *snapshot)
{
    *run = w->state.last_run;
    memcpy(snapshot, w->state.last, KS_ID_SIZE);
}

bool
ks_writer_doomed(const struct ks_writer *w, const uint8_t *pack)
{
    return w->doomed_count > 0 && bsearch(pack, w->doomed, w->doomed_count,
                                          KS_ID_SIZE, compare_packs) != NULL;
}

/* Make `next` the state, on disk first. */
static int
advance(struct ks_writer *w, const struct ks_writer_state *next,
        struct ks_err *err)
{
    int rc = ks_writer_state_save(next, &w->cx, w->state_path, err);

    if (rc == KS_OK)
        w->state = *next;
    return rc;
}

int
ks_writer_begin(struct ks_writer *w, uint64_t floor, uint64_t *run,
                struct ks_err *err)
{
    struct ks_writer_state next = w->state;
    int rc;

    /* A state folder brought back from a copy may have forgotten runs that the
     * vault has seen; no number may be given twice. */
    assert(!w->state.in_doubt);
    if (floor > next.run)
        next.run = floor;
    if (next.run == UINT64_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "this writer's runs are used up");
    next.run++;
    rc = advance(w, &next, err);
    if (rc < 0)
        return rc;
    w->begun = true;
    *run = next.run;
    return KS_OK;
}

int
ks_writer_promise(struct ks_writer *w, const uint8_t *snapshot,
                  struct ks_err *err)
{
    struct ks_writer_state next = w->state;

    /* One snapshot a run: the chain of previous ones would break. */
    assert(w->begun && !w->state.in_doubt);
    next.in_doubt = true;
    memcpy(next.promised, snapshot, KS_ID_SIZE);
    return advance(w, &next, err);
}

int
ks_writer_committed(struct ks_writer *w, struct ks_err *err)
{
    struct ks_writer_state next = w->state;
    int rc;

    /* If this fails the snapshot stands all the same: it is found there when
     * the promise is settled. */
    assert(w->begun && w->state.in_doubt);
    next.last_run = next.run;
    memcpy(next.last, next.promised, KS_ID_SIZE);
    next.in_doubt = false;
    memset(next.promised, 0, KS_ID_SIZE);
    rc = advance(w, &next, err);
    if (rc == KS_OK)
        w->begun = false;
    return rc;
}

void
ks_writer_close(struct ks_writer *w)
{
    if (w == NULL)
        return;
    if (w->lock >= 0)
        (void)close(w->lock); /* that unlocks */
    free(w->lock_path);
    free(w->state_path);
    free(w->aside_path);
    free(w->doomed);
    free(w);
}
