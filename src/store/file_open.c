/*
 * file_open: find, lock and read in an archive file.
 *
 * Reading takes no lock: objects never move within a file, and a removal puts
 * a new file in its place, so what was opened stays readable. Writing takes
 * an exclusive flock, and then makes sure that the locked file is still the
 * one that has the name.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "store/file_store.h"

#define SLOT_LOOKS 8 /* times to look at a slot before it counts as damaged */

/* Which folder the file is in, and its name there. */
static int
open_folder_above(struct ks_file_store *f, const char *path, struct ks_err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    int rc = KS_OK;

    f->leaf = strdup(slash != NULL ? slash + 1 : path);
    if (f->leaf == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "out of memory");
    if (f->leaf[0] == '\0')
        return ks_fail(err, KS_E_USAGE, 0, "this is not the name of a file");

    folder = strdup(slash != NULL ? path : ".");
    if (folder == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "out of memory");
    if (slash != NULL) /* "/x" lies in "/" */
        folder[slash == path ? 1 : slash - path] = '\0';
    f->dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dirfd < 0)
        rc = ks_fail_sys(err, errno, "its folder cannot be opened");
    free(folder);
    return rc;
}

/* The lock goes with the descriptor: closing the file ends it, and so does the
 * end of the process, however it comes. */
static int
lock_file(const struct ks_file_store *f, struct ks_err *err)
{
    if (flock(f->fd, LOCK_EX | LOCK_NB) == 0)
        return KS_OK;
    if (errno == EWOULDBLOCK)
        return ks_fail(err, KS_E_BUSY, 0, "in use by another program");
    return ks_fail(err, KS_E_IO, errno, "cannot be locked for writing");
}

bool
ks_file_is_named(int fd, int dirfd, const char *leaf)
{
    struct stat a;
    struct stat b;

    return fstat(fd, &a) == 0 && fstatat(dirfd, leaf, &b, 0) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Under its final name from the start: so nobody else can create it too, and
 * without commit slots nobody takes it for finished. */
static int
create_file(struct ks_file_store *f, struct ks_err *err)
{
    int rc = open_folder_above(f, f->path, err);

    if (rc < 0)
        return rc;
    f->fd =
        openat(f->dirfd, f->leaf, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (f->fd < 0 && errno == EEXIST)
        return ks_fail(err, KS_E_EXISTS, 0,
                       "there is something of that name already");
    if (f->fd < 0)
        return ks_fail_sys(err, errno, "cannot be created");
    f->end = KS_SLOTS_SIZE;
    f->changed = true;
    f->folder_behind = true;
    return lock_file(f, err);
}

/* Say why opening an existing file failed. */
static int
fail_open(struct ks_err *err, int sys)
{
    if (sys == ENOENT || sys == ENOTDIR)
        return ks_fail(err, KS_E_NOTFOUND, 0, "there is no such file");
    if (sys == EISDIR)
        return ks_fail(err, KS_E_USAGE, 0,
                       "this is a folder, but an archive file was expected "
                       "(its name ends in .keepsay)");
    return ks_fail_sys(err, sys, "cannot be opened");
}

/* Open, lock, and only then believe the name: between the two, whoever had the
 * lock before may have put a new file in this one's place. */
static int
open_for_writing(struct ks_file_store *f, struct ks_err *err)
{
    /* Without links, for a removal renames a new file over this one. */
    char *path = realpath(f->path, NULL);
    int rc;

    if (path == NULL)
        return fail_open(err, errno);
    rc = open_folder_above(f, path, err);
    free(path);
    if (rc < 0)
        return rc;
    f->fd =
        openat(f->dirfd, f->leaf, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (f->fd < 0)
        return fail_open(err, errno);
    rc = lock_file(f, err);
    if (rc == KS_OK && !ks_file_is_named(f->fd, f->dirfd, f->leaf))
        rc = ks_fail(err, KS_E_BUSY, 0,
                     "another program has just replaced it; try again");
    return rc;
}

/* Nothing here needs the medium to be writable. Pipes are not waited for. */
static int
open_for_reading(struct ks_file_store *f, struct ks_err *err)
{
    f->fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return f->fd >= 0 ? KS_OK : fail_open(err, errno);
}

/* Also says that it is a file at all. */
static int
file_size(int fd, uint64_t *size, struct ks_err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return ks_fail(err, KS_E_IO, errno, "cannot be examined");
    if (S_ISDIR(st.st_mode))
        return fail_open(err, EISDIR);
    if (!S_ISREG(st.st_mode))
        return ks_fail(err, KS_E_USAGE, 0, "this is not a regular file");
    *size = (uint64_t)st.st_size;
    return KS_OK;
}

/* Read both slots at the head. */
static int
read_head(int fd, struct ks_slots *seen, struct ks_err *err)
{
    uint8_t head[KS_SLOTS_SIZE] = {0};
    size_t got = 0;
    int rc = ks_fd_pread(fd, head, sizeof(head), 0, &got, err);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < 2; i++)
        seen->state[i] =
            ks_slot_decode(&seen->slot[i], head + i * KS_SLOT_SIZE);
    seen->has_magic = ks_slot_has_magic(head, KS_SLOT_SIZE) ||
                      ks_slot_has_magic(head + KS_SLOT_SIZE, KS_SLOT_SIZE);
    return KS_OK;
}

int
ks_file_read_slots(int fd, struct ks_slots *seen, struct ks_err *err)
{
    uint8_t end[KS_SLOT_SIZE] = {0};
    size_t got = 0;
    int rc = KS_OK;

    *seen = (struct ks_slots){0};
    for (int look = 0; look < SLOT_LOOKS && rc == KS_OK; look++) {
        rc = read_head(fd, seen, err);
        if (seen->state[0] == seen->state[1] &&
            seen->state[0] != KS_SLOT_DAMAGED)
            break;
        (void)sched_yield(); /* a writer may be just at it */
    }
    /* Only now: a file grows before its slots do. */
    if (rc == KS_OK)
        rc = file_size(fd, &seen->size, err);
    if (rc < 0)
        return rc;
    if (seen->size < KS_SLOTS_SIZE) /* it was longer a moment ago */
        return ks_fail(err, KS_E_IO, 0, "it is being cut while it is read");
    rc = ks_fd_pread(fd, end, sizeof(end), seen->size - sizeof(end), &got, err);
    seen->end_state = ks_slot_decode(&seen->end, end);
    return rc;
}

/* A file too short for two slots: the beginning of one, or of anything. */
static int
judge_short_file(const struct ks_file_store *f, uint64_t size,
                 struct ks_err *err)
{
    static const uint8_t zeros[KS_SLOTS_SIZE];
    uint8_t bytes[KS_SLOTS_SIZE] = {0};
    size_t got = 0;
    int rc = ks_fd_pread(f->fd, bytes, (size_t)size, 0, &got, err);

    if (rc < 0)
        return rc;
    if (got == 0)
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "empty: its creation was never finished");
    /* Objects are written before slots, so a file may begin with a hole. */
    if (memcmp(bytes, zeros, got) == 0)
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "its creation was never finished");
    if (ks_slot_has_magic(bytes, got))
        return ks_fail(err, KS_E_INCOMPLETE, 0,
                       "incomplete: all but its first %zu bytes are missing "
                       "(the copy was interrupted)",
                       got);
    return ks_fail(err, KS_E_FORMAT, 0, "this is not an archive file");
}

/* Read the table at *ref into the empty buf, which then has room for an end
 * slot too. */
static int
read_table(const struct ks_file_store *f, const struct ks_toc_ref *ref,
           struct ks_buf *buf, struct ks_err *err)
{
    uint8_t sha256[KS_SHA_SIZE];
    size_t got = 0;
    int rc;

    if (ref->len > KS_TOC_SIZE_MAX)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "its table of contents is larger than we accept");
    rc = ks_buf_reserve(buf, (size_t)ref->len + KS_SLOT_SIZE, err);
    if (rc == KS_OK)
        rc = ks_buf_zeros(buf, (size_t)ref->len, err);
    if (rc == KS_OK)
        rc = ks_fd_pread(f->fd, buf->data, buf->len, ref->offset, &got, err);
    if (rc < 0)
        return rc;
    if (SHA256(buf->data, buf->len, sha256) == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a SHA-256");
    if (got < buf->len || memcmp(sha256, ref->sha256, KS_SHA_SIZE) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "the table of contents at byte %llu is damaged",
                       (unsigned long long)ref->offset);
    return KS_OK;
}

/* Read in one table of the chain: table->ref says where it is. The end slot
 * behind it is not read but made, so that its checksum is of what it ought to
 * be. */
static int
load_table(struct ks_file_store *f, struct ks_file_table *table,
           struct ks_toc_head *head, struct ks_err *err)
{
    struct ks_buf buf;
    int rc;

    ks_buf_init(&buf, KS_TOC_SIZE_MAX + KS_SLOT_SIZE);
    rc = read_table(f, &table->ref, &buf, err);
    if (rc == KS_OK)
        rc = ks_toc_decode(&f->toc, ks_buf_bytes(&buf), table->ref.offset, head,
                           err);
    if (rc == KS_OK)
        rc = ks_buf_zeros(&buf, KS_SLOT_SIZE, err);
    if (rc == KS_OK) {
        struct ks_slot slot = {.sequence = head->sequence, .toc = table->ref};

        ks_slot_encode(buf.data + table->ref.len, &slot);
        ks_sum(table->sum, buf.data, buf.len);
    }
    ks_buf_wipe(&buf);
    return rc;
}

/* It was read from the newest back. */
static void
reverse_chain(struct ks_file_store *f)
{
    for (size_t i = 0; i < f->chain_len / 2; i++) {
        struct ks_file_table *a = &f->chain[i];
        struct ks_file_table *b = &f->chain[f->chain_len - 1 - i];
        struct ks_file_table swap = *a;

        *a = *b;
        *b = swap;
    }
}

/* Read in what *commit says, from its table of contents back to the first of
 * the chain. */
static int
load_commit(struct ks_file_store *f, const struct ks_slot *commit,
            struct ks_err *err)
{
    struct ks_toc_head head = {.before = commit->toc};
    uint64_t newer = 0; /* sequence of the table after it */
    int rc;

    assert(commit->sequence > 0);
    ks_toc_wipe(&f->toc);
    f->chain_len = 0;
    while (head.before.offset != 0) {
        struct ks_file_table *table;

        if (f->chain_len == KS_TOC_CHAIN_MAX)
            return ks_fail(err, KS_E_CORRUPT, 0,
                           "its chain of tables of contents has no end");
        table = &f->chain[f->chain_len];
        *table = (struct ks_file_table){.ref = head.before};
        rc = load_table(f, table, &head, err);
        if (rc < 0)
            return rc;
        if (f->chain_len == 0 ? head.sequence != commit->sequence
                              : head.sequence >= newer)
            return ks_fail(err, KS_E_CORRUPT, 0,
                           "its tables of contents are out of order");
        newer = head.sequence;
        f->chain_len++;
    }
    reverse_chain(f);
    rc = ks_toc_seal(&f->toc, err);
    if (rc < 0)
        return rc;
    f->commit = *commit;
    f->end = ks_slot_file_len(commit);
    assert(f->chain_len > 0);
    return KS_OK;
}

/* Load the newest commit; or the older one, if that is asked for and the
 * newest is not to be had. */
static int
load_best(struct ks_file_store *f, const struct ks_slots *seen, bool allow,
          struct ks_err *err)
{
    struct ks_slot_choice choice;
    struct ks_err second = KS_ERR_INIT; /* the first failure is the reason */
    int rc = ks_slots_choose(seen, &choice, err);

    if (rc == KS_OK)
        rc = load_commit(f, &choice.commit, err);
    if ((rc == KS_E_INCOMPLETE || rc == KS_E_CORRUPT) && allow &&
        choice.has_older && load_commit(f, &choice.older, &second) == KS_OK) {
        *err = KS_ERR_INIT; /* it is what was asked for */
        rc = KS_OK;
    }
    return rc;
}

/* Of an open file: which commit, what is in it, and whether all is well enough
 * to write. */
static int
read_in(struct ks_file_store *f, const struct ks_store_options *options,
        struct ks_err *err)
{
    /* An older commit is never a place to write on from: whatever is appended
     * would overwrite what may be left of the newer one. */
    bool writing = options->mode == KS_STORE_WRITE;
    struct ks_slots seen;
    uint64_t size = 0;
    int rc = file_size(f->fd, &size, err);

    if (rc == KS_OK && size < KS_SLOTS_SIZE)
        return judge_short_file(f, size, err);
    if (rc == KS_OK)
        rc = ks_file_read_slots(f->fd, &seen, err);
    if (rc == KS_OK)
        rc = load_best(f, &seen, options->allow_incomplete && !writing, err);
    if (rc == KS_OK && writing)
        rc = ks_file_heal(f, &seen, err);
    return rc;
}

int
ks_file_open(struct ks_file_store *f, const struct ks_store_options *options,
             struct ks_err *err)
{
    int rc;

    if (options->mode == KS_STORE_CREATE)
        return create_file(f, err);
    if (options->mode == KS_STORE_WRITE)
        rc = open_for_writing(f, err);
    else
        rc = open_for_reading(f, err);
    if (rc == KS_OK)
        rc = read_in(f, options, err);
    /* Last, when it is sure that this is an archive file and ours to write. */
    if (rc == KS_OK && options->mode == KS_STORE_WRITE)
        ks_file_sweep(f);
    return rc;
}
