/*
 * contract_bench: the verbs of a store, as the contract's tests use them.
 */
#include "contract_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

const struct store_kind *contract_kind;

struct ks_store *
open_or_die(const struct workdir *dir, enum ks_store_mode mode)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;

    if (contract_kind->open(&s, dir, mode, &err) != KS_OK)
        fail_msg("cannot open: %s", err.msg);
    assert_int_equal(err.code, KS_OK);
    return s;
}

int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    workdir_make(&f->dir);
    f->s = open_or_die(&f->dir, KS_STORE_CREATE);
    *state = f;
    return 0;
}

int
tear_down(void **state)
{
    struct fixture *f = *state;

    ks_store_close(f->s);
    workdir_remove(&f->dir);
    free(f);
    return 0;
}

/* Close what there is and open it again. */
void
reopen(struct fixture *f, enum ks_store_mode mode)
{
    ks_store_close(f->s);
    f->s = open_or_die(&f->dir, mode);
}

/* The answer of a verb that must say why it fails. */
int
judged(int rc, const struct ks_err *err)
{
    assert_int_equal(rc, err->code);
    assert_int_equal(rc == KS_OK, err->msg[0] == '\0');
    return rc;
}

int
try_put(struct ks_store *s, const char *name, const void *data, size_t len)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_put(s, name, data, len, &err), &err);
}

int
try_put_text(struct ks_store *s, const char *name, const char *text)
{
    return try_put(s, name, text, strlen(text));
}

int
try_remove(struct ks_store *s, const char *name)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_remove(s, name, &err), &err);
}

int
try_sync(struct ks_store *s)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_sync(s, &err), &err);
}

int
try_stat(struct ks_store *s, const char *name, uint64_t *size)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_stat(s, name, size, &err), &err);
}

bool
has_object(struct ks_store *s, const char *name)
{
    struct ks_err err = KS_ERR_INIT;
    bool found = false;

    assert_int_equal(judged(ks_store_has(s, name, &found, &err), &err), KS_OK);
    return found;
}

int
try_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
        size_t len, size_t *got)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_get(s, name, offset, data, len, got, &err), &err);
}

/* Whether the object is there and has just these bytes, in get and stat. */
bool
holds_bytes(struct ks_store *s, const char *name, const void *data, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    uint64_t size = 0;
    size_t got = 0;
    bool same;

    assert_non_null(bytes);
    same = has_object(s, name) &&
           try_get(s, name, 0, bytes, len + 1, &got) == KS_OK && got == len &&
           memcmp(bytes, data, len) == 0 && try_stat(s, name, &size) == KS_OK &&
           size == len;
    free(bytes);
    return same;
}

bool
holds_text(struct ks_store *s, const char *name, const char *text)
{
    return holds_bytes(s, name, text, strlen(text));
}

/* Bytes that look random and depend on `seed`. */
void
fill_bytes(uint8_t *data, size_t len, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15U + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 32);
    }
}

int
see_object(void *user, const char *name, uint64_t size)
{
    struct seen *seen = user;

    assert_true(seen->count < 64);
    (void)snprintf(seen->names[seen->count], KS_NAME_MAX + 1, "%s", name);
    seen->sizes[seen->count++] = size;
    return seen->stop_after > 0 && seen->count == seen->stop_after ? 7 : 0;
}

struct seen
list_folder(struct ks_store *s, const char *folder)
{
    struct seen seen = {.count = 0};
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(
        judged(ks_store_list(s, folder, see_object, &seen, &err), &err), KS_OK);
    return seen;
}

bool
saw_once(const struct seen *seen, const char *name, uint64_t size)
{
    size_t times = 0;

    for (size_t i = 0; i < seen->count; i++) {
        if (strcmp(seen->names[i], name) == 0 && seen->sizes[i] == size)
            times++;
    }
    return times == 1;
}
