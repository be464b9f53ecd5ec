/*
 * archive: a small archive file, and what one holds.
 */
#include "archive.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

/* The objects, in the order in which they are put. */
static const struct {
    unsigned commit;
    const char *name;
    size_t len;
} objects[] = {
    {1, "vault", 40},      {1, "packs/b", 300},    {1, "keys/empty", 0},
    {2, "packs/a", 200},   {2, "snapshots/1", 70}, {3, "packs/c", 120},
    {3, "notes/empty", 0},
};

#define OBJECTS      (sizeof(objects) / sizeof(objects[0]))

#define OBJECT_BYTES 512 /* more than the longest has */

static void
fill_object(uint8_t *data, size_t i)
{
    for (size_t at = 0; at < objects[i].len; at++)
        data[at] = (uint8_t)(at * 31 + i * 7 + 1);
}

int
archive_commit(struct ks_store *s, unsigned n)
{
    uint8_t data[OBJECT_BYTES];
    struct ks_err err = KS_ERR_INIT;

    for (size_t i = 0; i < OBJECTS; i++) {
        if (objects[i].commit != n)
            continue;
        fill_object(data, i);
        if (ks_store_put(s, objects[i].name, data, objects[i].len, &err) < 0)
            return err.code;
    }
    return ks_store_sync(s, &err);
}

struct ks_store *
archive_open(const struct workdir *w, enum ks_store_mode mode, int *rc)
{
    struct ks_store_options options = {.mode = mode};
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;

    *rc = ks_store_open(&s, workdir_path(w, ARCHIVE_NAME), &options, &err);
    assert_int_equal(*rc, err.code);
    assert_int_equal(*rc == KS_OK, s != NULL);
    assert_int_equal(*rc == KS_OK, err.msg[0] == '\0');
    return s;
}

void
archive_make(const struct workdir *w, uint64_t *lens)
{
    int rc;
    struct ks_store *s = archive_open(w, KS_STORE_CREATE, &rc);

    assert_int_equal(rc, KS_OK);
    for (unsigned n = 1; n <= ARCHIVE_COMMITS; n++) {
        assert_int_equal(archive_commit(s, n), KS_OK);
        if (lens != NULL)
            lens[n] = (uint64_t)workdir_size(w, ARCHIVE_NAME);
    }
    if (lens != NULL)
        lens[0] = 0;
    ks_store_close(s);
}

static int
count_one(void *user, const char *name, uint64_t size)
{
    size_t *count = user;

    (void)name;
    (void)size;
    (*count)++;
    return 0;
}

static size_t
count_objects(struct ks_store *s)
{
    static const char *const folders[] = {"",          "packs", "keys",
                                          "snapshots", "notes", "other"};
    size_t count = 0;

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_store_list(s, folders[i], count_one, &count, &err),
                         KS_OK);
    }
    return count;
}

/* Whether s has object i as it was put. */
static bool
has_object(struct ks_store *s, size_t i)
{
    uint8_t want[OBJECT_BYTES];
    uint8_t have[OBJECT_BYTES];
    struct ks_err err = KS_ERR_INIT;
    size_t got = 0;

    fill_object(want, i);
    return ks_store_get(s, objects[i].name, 0, have, sizeof(have), &got,
                        &err) == KS_OK &&
           got == objects[i].len && memcmp(have, want, got) == 0;
}

int
archive_state(struct ks_store *s)
{
    size_t count = count_objects(s);
    size_t expected = 0;
    unsigned state = 0;

    for (size_t i = 0; i < OBJECTS && expected < count; i++) {
        if (!has_object(s, i))
            return -1;
        expected++;
        state = objects[i].commit;
    }
    if (expected != count)
        return -1;
    /* All of that commit's objects must be there. */
    if (expected < OBJECTS && expected > 0 && objects[expected].commit == state)
        return -1;
    return (int)state;
}

int
archive_look(const struct workdir *w, bool allow_incomplete)
{
    struct ks_store_options options = {.mode = KS_STORE_READ,
                                       .allow_incomplete = allow_incomplete};
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;
    int rc = ks_store_open(&s, workdir_path(w, ARCHIVE_NAME), &options, &err);

    if (rc == KS_OK) {
        rc = archive_state(s);
        assert_true(rc >= 0);
    }
    ks_store_close(s);
    return rc;
}

size_t
archive_bytes(const struct workdir *w, uint8_t *out)
{
    int fd = open(workdir_path(w, ARCHIVE_NAME), O_RDONLY | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0);
    n = pread(fd, out, ARCHIVE_MAX, 0);
    assert_true(n >= 0 && (size_t)n < ARCHIVE_MAX);
    assert_int_equal(close(fd), 0);
    return (size_t)n;
}

static void
note_damage(void *user, uint64_t offset, uint64_t len, const char *what)
{
    struct archive_damage *damage = user;

    if (damage->count++ > 0)
        return;
    damage->offset = offset;
    damage->len = len;
    (void)snprintf(damage->what, sizeof(damage->what), "%s", what);
}

struct archive_damage
archive_check(struct ks_store *s)
{
    struct archive_damage damage = {.count = 0};
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(
        ks_store_check(s, note_damage, &damage, &damage.trailing, &err), KS_OK);
    return damage;
}
