/*
 * file_rewrite: an archive file without what was removed from it.
 *
 * Objects never move within a file, so that whoever reads it goes on reading.
 * A removal therefore copies what is left to
 *
 *   .NAME.tmp-<16 hex>   in the same folder, locked like the file itself
 *
 * syncs that, and renames it over the file. A crash leaves the old file, or
 * the new one; and perhaps the copy, which the next writer removes.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/dir.h"
#include "store/file_store.h"

#define COPY_STEP ((size_t)262144)

/* The file that is being made. */
struct rewrite {
    int fd;
    char name[NAME_MAX + 1]; /* in the folder; "" once it has its final one */
    struct ks_toc_entry *entries; /* those of the store, at their new places */
    uint64_t end;
    uint8_t *step; /* a buffer of COPY_STEP bytes */
};

/* Create the copy with owner and permissions of the file, and lock it: when it
 * takes the name, it must already be in use. */
static int
create_beside(const struct ks_file_store *f, struct rewrite *w,
              struct ks_err *err)
{
    char temp[KS_TEMP_NAME_SIZE];
    struct stat st;
    int len;
    int rc = ks_dir_temp_name(temp, err);

    if (rc < 0)
        return rc;
    if (fstat(f->fd, &st) != 0)
        return ks_fail(err, KS_E_IO, errno, "cannot be examined");
    len = snprintf(w->name, sizeof(w->name), ".%s%s", f->leaf, temp);
    if (len < 0 || (size_t)len >= sizeof(w->name)) {
        w->name[0] = '\0';
        return ks_fail(err, KS_E_IO, ENAMETOOLONG,
                       "no name for a copy beside it");
    }
    w->fd =
        openat(f->dirfd, w->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        w->name[0] = '\0';
        return ks_fail_sys(err, errno, "a copy beside it cannot be created");
    }
    /* Where the owner cannot be kept, nobody else may read it either. */
    if (fchown(w->fd, st.st_uid, st.st_gid) != 0)
        st.st_mode &= S_IRWXU;
    if (fchmod(w->fd, st.st_mode & 0777) != 0 ||
        flock(w->fd, LOCK_EX | LOCK_NB) != 0)
        return ks_fail(err, KS_E_IO, errno, "a copy beside it");
    return KS_OK;
}

/* Copy len bytes at `from` of the file to the end of the copy. */
static int
copy_stretch(const struct ks_file_store *f, struct rewrite *w, uint64_t from,
             uint64_t len, struct ks_err *err)
{
    while (len > 0) {
        size_t want = len < COPY_STEP ? (size_t)len : COPY_STEP;
        size_t got = 0;
        int rc = ks_fd_pread(f->fd, w->step, want, from, &got, err);

        if (rc == KS_OK && got < want)
            rc = ks_fail(err, KS_E_CORRUPT, 0, "it has become shorter");
        if (rc == KS_OK)
            rc = ks_file_write(w->fd, w->step, got, w->end, err);
        if (rc < 0)
            return rc;
        w->end += got;
        from += got;
        len -= got;
    }
    return KS_OK;
}

/* Numbers of entries in the order in which these lie in the file. */
static int
by_place(const void *a, const void *b, void *user)
{
    const struct ks_toc_entry *entries = user;
    const uint32_t *x = a;
    const uint32_t *y = b;
    uint64_t ax = entries[*x].offset;
    uint64_t ay = entries[*y].offset;

    return ax < ay ? -1 : ax > ay;
}

/* Copy the objects in the order they lie in. Their checksums go along as they
 * are, so that an object which is damaged by now does not pass for whole. */
static int
copy_objects(const struct ks_file_store *f, struct rewrite *w,
             struct ks_err *err)
{
    size_t count = f->toc.count;
    uint32_t *order = NULL;
    int rc = KS_OK;

    order = reallocarray(NULL, count + 1, sizeof(*order));
    w->entries = reallocarray(NULL, count + 1, sizeof(*w->entries));
    w->step = malloc(COPY_STEP);
    if (order == NULL || w->entries == NULL || w->step == NULL) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "out of memory for a copy");
        goto done;
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
        w->entries[i] = f->toc.entries[i];
    }
    qsort_r(order, count, sizeof(*order), by_place, f->toc.entries);

    /* Slots stay unwritten until everything else is there. */
    w->end = KS_SLOTS_SIZE;
    for (size_t i = 0; i < count && rc == KS_OK; i++) {
        struct ks_toc_entry *entry = &w->entries[order[i]];
        uint64_t from = entry->offset;

        entry->offset = w->end;
        rc = copy_stretch(f, w, from, entry->len, err);
    }
done:
    free(order);
    return rc;
}

/* Finish the copy: table, end slot and both slots, all durable. */
static int
seal_copy(const struct ks_file_store *f, struct rewrite *w,
          struct ks_file_table *table, struct ks_err *err)
{
    struct ks_toc_head head = {.sequence = f->commit.sequence + 1};
    struct ks_slot slot = {.sequence = head.sequence};
    struct ks_toc toc = f->toc; /* the same names at other places */
    uint8_t bytes[KS_SLOTS_SIZE];
    int rc;

    toc.entries = w->entries;
    toc.dead_count = 0;
    table->ref.offset = w->end;
    rc = ks_file_write_table(w->fd, &toc, &head, 0, table, err);
    if (rc < 0)
        return rc;
    slot.toc = table->ref;
    ks_slot_encode(bytes, &slot);
    ks_slot_encode(bytes + KS_SLOT_SIZE, &slot);
    rc = ks_file_write(w->fd, bytes, sizeof(bytes), 0, err);
    if (rc == KS_OK && fsync(w->fd) != 0)
        rc = ks_fail_sys(err, errno, "a copy beside it cannot be synced");
    return rc;
}

/* The copy has the name now: go on with it. */
static void
adopt_copy(struct ks_file_store *f, struct rewrite *w,
           const struct ks_file_table *table)
{
    uint64_t sequence = f->commit.sequence + 1;

    (void)pthread_mutex_lock(&f->lock);
    (void)close(f->fd);
    f->fd = w->fd;
    w->fd = -1;
    memcpy(f->toc.entries, w->entries, f->toc.count * sizeof(*f->toc.entries));
    f->toc.dead_count = 0;
    (void)pthread_mutex_unlock(&f->lock);

    f->commit = (struct ks_slot){.sequence = sequence, .toc = table->ref};
    f->chain[0] = *table;
    f->chain_len = 1;
    f->next_slot = 0;
    f->end = ks_slot_file_len(&f->commit);
    f->changed = false;
    f->removed = false;
    f->folder_behind = true;
}

int
ks_file_rewrite(struct ks_file_store *f, struct ks_err *err)
{
    struct rewrite w = {.fd = -1};
    struct ks_file_table table = {0};
    int rc;

    assert(!f->broken && f->dirfd >= 0);
    rc = create_beside(f, &w, err);
    if (rc == KS_OK)
        rc = copy_objects(f, &w, err);
    if (rc == KS_OK)
        rc = seal_copy(f, &w, &table, err);
    if (rc == KS_OK && renameat(f->dirfd, w.name, f->dirfd, f->leaf) != 0)
        rc = ks_fail_sys(err, errno, "cannot be replaced by its copy");
    if (rc == KS_OK) { /* no way back: the file is the copy now */
        w.name[0] = '\0';
        adopt_copy(f, &w, &table);
    }

    if (w.fd >= 0)
        (void)close(w.fd);
    if (w.name[0] != '\0')
        (void)unlinkat(f->dirfd, w.name, 0);
    free(w.entries);
    free(w.step);
    return rc < 0 ? ks_context(err, "removing objects from it") : KS_OK;
}

/* Remove a copy that was never finished. Only who holds the lock of the file
 * itself makes such copies, and that is us. */
static int
sweep_copy(void *user, int fd, const char *name)
{
    const struct ks_file_store *f = user;
    size_t len = strlen(f->leaf);
    struct stat st;

    if (name[0] == '.' && strncmp(name + 1, f->leaf, len) == 0 &&
        ks_dir_is_temp_name(name + 1 + len) &&
        fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        (void)unlinkat(fd, name, 0);
    return KS_OK;
}

void
ks_file_sweep(struct ks_file_store *f)
{
    struct ks_err ignored = KS_ERR_INIT;
    int fd = openat(f->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)!ks_dir_walk(fd, sweep_copy, f, &ignored);
}
