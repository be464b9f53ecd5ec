#ifndef KS_TESTS_JOBKIT_H
#define KS_TESTS_JOBKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "job/backup.h"
#include "job/restore.h"
#include "job/session.h"
#include "vaultkit.h"
#include "workdir.h"

/*
 * jobkit: a vault in a folder, sessions on it, and a small connector of the
 * tests' own in place of every real one.
 *
 * The connector "fake-v1" reads files of lines, the first of which is "FAKE":
 *
 *     text     a record of the stream "lines"
 *     !text    the same, and a blob with these bytes; a policy of no media
 *              leaves the blob out
 *     ?text    a part that is lost
 *     END      the last line; without it the file is incomplete
 *
 * and opens with the key "sesame". restore writes the lines again.
 */
extern const struct ks_source_ops jobkit_source;

struct jobkit {
    struct workdir dir;
    char vault[300]; /* path of the folder */
    char state[300]; /* the base of all client state */
    struct kit_key key;
    struct ks_access access; /* unlocks with `key` */
    struct ks_session *session;
    /* What the next backup gives as the source's key. */
    const char *source_key;
    int source_key_asked;
    int unlock_asked;
    unsigned unlock_kinds; /* as last asked */
    /* A progress that stops at the n-th step; negative: never. */
    int stop_at;
    int steps;
    struct ks_progress progress;
};

/* Make the vault; nothing is open yet. */
void jobkit_begin(struct jobkit *k);
void jobkit_end(struct jobkit *k);

/* Open a session; close it first if there is one. */
void jobkit_open(struct jobkit *k, enum ks_store_mode mode, bool dry_run);
void jobkit_close(struct jobkit *k);

/* Write a source file of these lines, "FAKE" before them. */
void jobkit_source_file(struct jobkit *k, const char *name, const char *lines);

/* Back up `name` in the open session: options may be changed first. */
struct ks_backup_options jobkit_options(struct jobkit *k, const char *name);

/* Back up with plain options; the snapshot's id into id[0..16) unless NULL. */
void jobkit_backup(struct jobkit *k, const char *name, uint8_t *id);

/* How many snapshots the open session's vault has. */
size_t jobkit_snapshots(struct jobkit *k);

#endif /* KS_TESTS_JOBKIT_H */
