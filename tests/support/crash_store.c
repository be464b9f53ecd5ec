/*
 * crash_store: counts steps, and logs them.
 */
#include "crash_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SIZE 4096

struct crash {
    struct ks_store base;
    struct ks_store *behind;
    long left;
    bool once;
    bool crashed;
    void (*listed)(void *user, const char *folder);
    void *user;
    char last[128];
    char log[LOG_SIZE];
};

static struct crash *
crash_of(struct ks_store *s)
{
    return (struct crash *)(void *)s;
}

/* One step: log it, and whether it may go ahead. */
static int
step(struct crash *c, const char *verb, const char *name, struct ks_err *err)
{
    char word[128];
    size_t len = strlen(c->log);

    if (c->left == 0) {
        c->crashed = true;
        c->left = c->once ? CRASH_NEVER : 0;
        return ks_fail(err, KS_E_IO, 0, "crashed");
    }
    c->left--;
    (void)snprintf(word, sizeof(word), "%s%.*s ", verb, (int)strcspn(name, "/"),
                   name);
    if (strcmp(word, c->last) != 0)
        (void)snprintf(c->log + len, LOG_SIZE - len, "%s", word);
    memcpy(c->last, word, sizeof(word));
    return KS_OK;
}

static int
crash_put(struct ks_store *s, const char *name, const void *data, size_t len,
          struct ks_err *err)
{
    struct crash *c = crash_of(s);
    int rc = step(c, "put:", name, err);

    return rc < 0 ? rc : ks_store_put(c->behind, name, data, len, err);
}

static int
crash_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
          size_t len, size_t *got, struct ks_err *err)
{
    return ks_store_get(crash_of(s)->behind, name, offset, data, len, got, err);
}

static int
crash_stat(struct ks_store *s, const char *name, uint64_t *size,
           struct ks_err *err)
{
    return ks_store_stat(crash_of(s)->behind, name, size, err);
}

static int
crash_list(struct ks_store *s, const char *folder,
           int (*each)(void *user, const char *name, uint64_t size), void *user,
           struct ks_err *err)
{
    struct crash *c = crash_of(s);
    int rc = ks_store_list(c->behind, folder, each, user, err);

    if (c->listed != NULL)
        c->listed(c->user, folder);
    return rc;
}

static int
crash_remove(struct ks_store *s, const char *name, struct ks_err *err)
{
    struct crash *c = crash_of(s);
    int rc = step(c, "remove:", name, err);

    return rc < 0 ? rc : ks_store_remove(c->behind, name, err);
}

static int
crash_sync(struct ks_store *s, struct ks_err *err)
{
    struct crash *c = crash_of(s);
    int rc = step(c, "sync", "", err);

    return rc < 0 ? rc : ks_store_sync(c->behind, err);
}

static void
crash_close(struct ks_store *s)
{
    free(s);
}

static const struct ks_store_ops crash_ops = {
    .kind = "crashing",
    .put = crash_put,
    .get = crash_get,
    .stat = crash_stat,
    .list = crash_list,
    .remove = crash_remove,
    .sync = crash_sync,
    .close = crash_close,
};

struct ks_store *
crash_store(struct ks_store *behind, long steps)
{
    struct crash *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->base.ops = &crash_ops;
    c->behind = behind;
    c->left = steps;
    return &c->base;
}

struct ks_store *
crash_store_once(struct ks_store *behind, long step)
{
    struct ks_store *s = crash_store(behind, step);

    crash_of(s)->once = true;
    return s;
}

void
crash_store_watch(struct ks_store *s,
                  void (*listed)(void *user, const char *folder), void *user)
{
    crash_of(s)->listed = listed;
    crash_of(s)->user = user;
}

bool
crash_store_crashed(const struct ks_store *s)
{
    return ((const struct crash *)(const void *)s)->crashed;
}

const char *
crash_store_log(const struct ks_store *s)
{
    return ((const struct crash *)(const void *)s)->log;
}
