/*
 * signal_v1: the connector's table, and the proof of the passphrase: at least
 * one frame must verify before anything else happens.
 */
#include "source/signal_v1/signal_v1.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "crypto/secret.h"
#include "source/signal_v1/capture.h"
#include "source/signal_v1/container.h"
#include "source/signal_v1/input.h"
#include "source/signal_v1/restore.h"
#include "source/signal_v1/resync.h"
#include "source/signal_v1/wire.h"

/* How far behind a damaged beginning a first good frame is looked for before
 * the passphrase is called wrong. */
#define PROOF_REACH ((uint64_t)64 << 20)

/* A first length below this is no accident of a wrong key (2^-16). */
#define SURE_LENGTH       ((uint32_t)65535)

#define PASSPHRASE_DIGITS ((size_t)30)

struct signal_v1_source {
    struct ks_source base; /* must stay first */
    struct ks_v1_input *in;
    struct ks_secret *key; /* 32 bytes, after derivation */
};

/* What a probe can see of a header: its beginning, or all of it. */
static int
probe_signal_v1(const uint8_t *head, size_t len)
{
    struct ks_cursor c;
    struct ks_v1_header header;
    struct ks_err err = KS_ERR_INIT;
    uint32_t header_len;
    int rc;

    if (len < KS_V1_LEN_SIZE + 4)
        return 0;
    header_len = ks_get_u32be(head);
    c = ks_cursor_over(head + KS_V1_LEN_SIZE, len - KS_V1_LEN_SIZE);
    if (header_len < KS_V1_IV_SIZE || header_len > KS_V1_HEADER_MAX ||
        c.ptr[0] != (1 << 3 | KS_WIRE_LEN)) /* BackupFrame.header */
        return 0;
    if (c.left < header_len) /* cut inside its header, by the looks of it */
        return c.ptr[2] == (1 << 3 | KS_WIRE_LEN) && c.ptr[3] == KS_V1_IV_SIZE
                   ? 30
                   : 0;
    rc = ks_v1_header_parse(&header, c.ptr, header_len, &err);
    if (rc == KS_E_UNSUPPORTED)
        return 60; /* a newer version: ours to refuse */
    if (rc != KS_OK)
        return c.ptr[1] == header_len - 2 ? 20 : 0; /* ours, but damaged */
    return 95;
}

/* The key outlives the derivation, because a capture may keep it. */
static void
close_signal_v1(struct ks_source *src)
{
    struct signal_v1_source *s = (struct signal_v1_source *)src;

    if (s == NULL)
        return;
    ks_v1_input_close(s->in);
    ks_secret_free(s->key);
    free(s);
}

/* Why no frame could be used, `first` being what stands where the first one
 * should. */
static int
explain_no_frame(const struct ks_v1_input *in, const struct ks_v1_piece *first,
                 struct ks_err *err)
{
    if (first->authentic) /* version 0: the MAC knows nothing of the IV */
        return ks_fail(err, KS_E_FORMAT, 0,
                       "%s: the passphrase is right, but nothing decrypts: "
                       "the IV in the file's header is damaged",
                       ks_v1_input_path(in));
    if (first->cut && first->len < SURE_LENGTH)
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "%s ends inside its first frame: there is nothing in "
                       "it. Make or copy the backup again",
                       ks_v1_input_path(in));
    return ks_fail(err, KS_E_WRONG_SOURCE_KEY, 0,
                   "wrong passphrase for %s: no frame of it opens. It wants "
                   "the 30 digits that Signal showed when backups were turned "
                   "on (Signal's 64-character recovery key is another thing). "
                   "If they are right, the file's first bytes are damaged",
                   ks_v1_input_path(in));
}

/* Does any frame verify? Normally the first one does. */
static int
prove_key(struct ks_v1_input *in, struct ks_err *err)
{
    struct ks_v1_search search = {.from = ks_v1_input_first(in),
                                  .reach = PROOF_REACH};
    struct ks_v1_piece first;
    struct ks_v1_place found;
    bool holds = false;
    int rc = ks_v1_resync_holds(in, search.from, &holds, err);

    if (rc != KS_OK || holds)
        return rc;
    /* Read once more, now for what is wrong with it: that decides what the user
     * is told. */
    rc = ks_v1_input_read(in, search.from, &first, err);
    if (rc != KS_OK)
        return rc;
    /* A damaged beginning is no wrong passphrase: look further. */
    search.hint = first.end;
    rc = ks_v1_resync(in, &search, &found, err);
    return rc == KS_END ? explain_no_frame(in, &first, err) : rc;
}

/* Finish opening: takes `in` and `key`, also when it fails. */
static int
open_with(struct ks_source **out, struct ks_v1_input *in, struct ks_secret *key,
          struct ks_err *err)
{
    struct signal_v1_source *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        ks_v1_input_close(in);
        ks_secret_free(key);
        return ks_fail(err, KS_E_NOMEM, 0, "opening a Signal backup");
    }
    /* From here on closing it frees both. */
    s->base.ops = &ks_source_signal_v1;
    s->in = in;
    s->key = key;
    rc = ks_v1_input_unlock(in, key->data, err);
    if (rc == KS_OK)
        rc = prove_key(in, err);
    if (rc == KS_OK) {
        *out = &s->base;
        s = NULL;
    }
    close_signal_v1(s == NULL ? NULL : &s->base);
    return rc;
}

/* Also the second half of what the table's open() does. */
int
ks_v1_source_open(struct ks_source **out, const char *path,
                  const uint8_t *source_key, struct ks_err *err)
{
    struct ks_v1_input *in = NULL;
    struct ks_secret *key = NULL;
    int rc = ks_v1_input_open(&in, path, err);

    if (rc == KS_OK)
        rc = ks_secret_copy(&key, source_key, KS_KEY_SIZE, err);
    if (rc == KS_OK)
        return open_with(out, in, key, err);
    ks_v1_input_close(in);
    return rc;
}

/* The file is looked at before the key is derived: what is wrong with it can
 * be said at once. */
static int
open_signal_v1(struct ks_source **out, const char *path,
               const struct ks_secret *passphrase, struct ks_err *err)
{
    struct ks_v1_input *in = NULL;
    struct ks_secret *key = NULL;
    int rc = ks_v1_input_open(&in, path, err);

    if (rc == KS_OK && passphrase == NULL)
        rc = ks_fail(err, KS_E_USAGE, 0,
                     "%s needs its passphrase, the 30 digits that Signal "
                     "showed when backups were turned on",
                     path);
    if (rc == KS_OK)
        rc = ks_v1_key_derive(&key, ks_v1_input_header(in), passphrase, err);
    if (rc == KS_OK)
        return open_with(out, in, key, err);
    ks_v1_input_close(in);
    return rc;
}

static int
capture_signal_v1(struct ks_source *src, struct ks_snapshot_writer *w,
                  const struct ks_policy *policy,
                  const struct ks_progress *progress, struct ks_err *err)
{
    struct signal_v1_source *s = (struct signal_v1_source *)src;
    int rc;

    ks_v1_input_watch(s->in, progress);
    rc = ks_v1_capture(s->in, s->key, w, policy, err);
    /* the caller's progress may not outlive this call */
    ks_v1_input_watch(s->in, NULL);
    return rc;
}

/* The app's form takes 30 digits and nothing else. */
static void
make_signal_v1_key(char *out, size_t size)
{
    /* room for the digits and a NUL */
    assert(size > PASSPHRASE_DIGITS);
    for (size_t i = 0; i < PASSPHRASE_DIGITS; i++)
        out[i] = (char)('0' + ks_random_below(10));
    out[PASSPHRASE_DIGITS] = '\0';
}

const struct ks_source_ops ks_source_signal_v1 = {
    .name = "signal-v1",
    .title = "Signal for Android, backup file",
    .probe = probe_signal_v1,
    .open = open_signal_v1,
    .capture = capture_signal_v1,
    .close = close_signal_v1,
    .restore = ks_v1_restore,
    .make_target_key = make_signal_v1_key,
};
