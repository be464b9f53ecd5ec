/*
 * file_commit: how an archive file moves from one state to the next.
 *
 *   1. The objects were appended when they were put.
 *   2. Append the table of contents and the end slot; cut off what lies
 *      beyond (an interrupted append); fdatasync.
 *   3. Overwrite the older commit slot; fdatasync.
 *
 * Until 3 the other slot says what the file holds, and nothing that it says
 * was touched. If 3 is torn, the end slot tells what was meant.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/file_store.h"

int
ks_file_write(int fd, const void *data, size_t len, uint64_t offset,
              struct ks_err *err)
{
    const uint8_t *from = data;

    assert(data != NULL || len == 0);
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ks_fail_sys(err, errno, "cannot be written");
        /* A disk that fills up writes a part, and fails the next time. */
        assert((size_t)n <= len);
        from += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return KS_OK;
}

/* Append to buf the table and its end slot; fill in *table. */
static int
build_table(struct ks_buf *buf, const struct ks_toc *toc,
            const struct ks_toc_head *head, uint64_t from,
            struct ks_file_table *table, struct ks_err *err)
{
    struct ks_slot slot = {.sequence = head->sequence};
    int rc = ks_toc_encode(toc, head, from, buf, err);

    if (rc < 0)
        return rc;
    table->ref.len = buf->len;
    if (SHA256(buf->data, buf->len, table->ref.sha256) == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a SHA-256");
    /* The end slot: what the commit slot will say, where the table ends. */
    slot.toc = table->ref;
    rc = ks_buf_zeros(buf, KS_SLOT_SIZE, err);
    if (rc < 0)
        return rc;
    ks_slot_encode(buf->data + table->ref.len, &slot);
    ks_sum(table->sum, buf->data, buf->len);
    return KS_OK;
}

int
ks_file_write_table(int fd, const struct ks_toc *toc,
                    const struct ks_toc_head *head, uint64_t from,
                    struct ks_file_table *table, struct ks_err *err)
{
    struct ks_buf buf;
    int rc;

    assert(table->ref.offset >= KS_SLOTS_SIZE);
    ks_buf_init(&buf, KS_TOC_SIZE_MAX + KS_SLOT_SIZE);
    rc = build_table(&buf, toc, head, from, table, err);
    if (rc == KS_OK)
        rc = ks_file_write(fd, buf.data, buf.len, table->ref.offset, err);
    ks_buf_wipe(&buf);
    return rc;
}

/* After a failed sync nobody knows what is on disk, and a second try may
 * succeed without having written anything: so there is none. */
static int
file_sync_data(struct ks_file_store *f, struct ks_err *err)
{
    if (fdatasync(f->fd) == 0)
        return KS_OK;
    f->broken = true;
    return ks_fail_sys(err, errno, "cannot be synced");
}

/* Name the commit in the slot whose turn it is; the first time in both, so
 * that an empty slot beside a written one is always damage. */
static int
write_slot(struct ks_file_store *f, const struct ks_slot *slot,
           struct ks_err *err)
{
    uint8_t bytes[KS_SLOTS_SIZE];
    bool first = f->commit.sequence == 0;
    int rc;

    ks_slot_encode(bytes, slot);
    ks_slot_encode(bytes + KS_SLOT_SIZE, slot);
    rc = ks_file_write(f->fd, bytes, first ? KS_SLOTS_SIZE : KS_SLOT_SIZE,
                       first ? 0 : f->next_slot * KS_SLOT_SIZE, err);
    if (rc < 0) { /* perhaps half of it was written */
        f->broken = true;
        return rc;
    }
    return file_sync_data(f, err);
}

/* The chain is long enough: the next table stands alone, and those before it
 * become dead bytes. */
static int
bury_chain(struct ks_file_store *f, struct ks_err *err)
{
    struct ks_toc *toc = &f->toc;
    int rc = ks_toc_reserve_dead(toc, f->chain_len, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < f->chain_len; i++) {
        struct ks_toc_dead *dead = &toc->dead[toc->dead_count++];

        dead->offset = f->chain[i].ref.offset;
        dead->len = ks_file_table_len(&f->chain[i]);
        memcpy(dead->sum, f->chain[i].sum, KS_SUM_SIZE);
    }
    return KS_OK;
}

/* Step 2, without the sync. */
static int
append_table(struct ks_file_store *f, struct ks_file_table *table,
             struct ks_err *err)
{
    struct ks_toc_head head = {.sequence = f->commit.sequence + 1};
    size_t dead = f->toc.dead_count;
    uint64_t from = 0;
    int rc = KS_OK;

    if (f->chain_len == KS_TOC_CHAIN_MAX) {
        rc = bury_chain(f, err);
    } else if (f->chain_len > 0) {
        head.before = f->chain[f->chain_len - 1].ref;
        from = ks_slot_file_len(&f->commit);
    }
    if (rc == KS_OK)
        rc = ks_file_write_table(f->fd, &f->toc, &head, from, table, err);
    /* The end slot must be the last bytes of the file: if the commit slot is
     * torn, or lost later, that is where it is looked for. */
    if (rc == KS_OK &&
        ftruncate(f->fd, (off_t)(f->end + ks_file_table_len(table))) != 0)
        rc = ks_fail_sys(err, errno, "cannot be cut to length");
    if (rc < 0) {
        f->toc.dead_count = dead;
        (void)!ftruncate(f->fd, (off_t)f->end); /* gives the space back */
    }
    return rc;
}

int
ks_file_commit(struct ks_file_store *f, struct ks_err *err)
{
    struct ks_file_table table = {.ref.offset = f->end};
    struct ks_slot slot = {.sequence = f->commit.sequence + 1};
    int rc;

    assert(!f->broken && !f->removed);
    rc = append_table(f, &table, err);
    if (rc == KS_OK)
        rc = file_sync_data(f, err);
    if (rc < 0)
        return rc;
    slot.toc = table.ref;
    rc = write_slot(f, &slot, err);
    if (rc < 0)
        return rc;

    /* It is done: from here on this is the commit that is open. */
    if (f->chain_len == KS_TOC_CHAIN_MAX)
        f->chain_len = 0;
    f->chain[f->chain_len++] = table;
    f->next_slot = f->commit.sequence == 0 ? 0 : 1 - f->next_slot;
    f->commit = slot;
    f->end = ks_slot_file_len(&slot);
    f->changed = false;
    assert(f->chain_len <= KS_TOC_CHAIN_MAX);
    return KS_OK;
}

int
ks_file_heal(struct ks_file_store *f, struct ks_slots *seen, struct ks_err *err)
{
    uint8_t bytes[KS_SLOT_SIZE];
    bool healed = false;

    assert(f->commit.sequence > 0);
    ks_slot_encode(bytes, &f->commit);
    for (unsigned i = 0; i < 2; i++) {
        if (seen->state[i] == KS_SLOT_VALID)
            continue;
        if (ks_file_write(f->fd, bytes, sizeof(bytes), i * KS_SLOT_SIZE, err))
            return err->code;
        seen->state[i] = KS_SLOT_VALID;
        seen->slot[i] = f->commit;
        healed = true;
    }
    f->next_slot = ks_slots_next(seen);
    return healed ? file_sync_data(f, err) : KS_OK;
}
