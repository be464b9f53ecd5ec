/*
 * store_contract: one suite that every store passes.
 *
 * Each test has a folder and a freshly created store of its own. The last
 * ones break every libc call in turn, and ask after each whether the store
 * kept its word.
 */
#include "store_contract.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "check.h"
#include "fault.h"

#define SWEEP_MAX 2000L /* a sweep that is longer has lost its end */

static const struct store_kind *kind; /* the one that is asked */

struct fixture {
    struct workdir dir;
    struct ks_store *s;
};

static struct ks_store *
open_or_die(const struct workdir *dir, enum ks_store_mode mode)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;

    if (kind->open(&s, dir, mode, &err) != KS_OK)
        fail_msg("cannot open: %s", err.msg);
    assert_int_equal(err.code, KS_OK);
    return s;
}

static int
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

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    ks_store_close(f->s);
    workdir_remove(&f->dir);
    free(f);
    return 0;
}

/* Close what there is and open it again. */
static void
reopen(struct fixture *f, enum ks_store_mode mode)
{
    ks_store_close(f->s);
    f->s = open_or_die(&f->dir, mode);
}

/* The answer of a verb that must say why it fails. */
static int
judged(int rc, const struct ks_err *err)
{
    assert_int_equal(rc, err->code);
    assert_int_equal(rc == KS_OK, err->msg[0] == '\0');
    return rc;
}

static int
put(struct ks_store *s, const char *name, const void *data, size_t len)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_put(s, name, data, len, &err), &err);
}

static int
put_text(struct ks_store *s, const char *name, const char *text)
{
    return put(s, name, text, strlen(text));
}

static int
take_away(struct ks_store *s, const char *name)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_remove(s, name, &err), &err);
}

static int
sync_all(struct ks_store *s)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_sync(s, &err), &err);
}

static int
size_of(struct ks_store *s, const char *name, uint64_t *size)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_stat(s, name, size, &err), &err);
}

static bool
has(struct ks_store *s, const char *name)
{
    struct ks_err err = KS_ERR_INIT;
    bool found = false;

    assert_int_equal(judged(ks_store_has(s, name, &found, &err), &err), KS_OK);
    return found;
}

static int
get(struct ks_store *s, const char *name, uint64_t offset, void *data,
    size_t len, size_t *got)
{
    struct ks_err err = KS_ERR_INIT;

    return judged(ks_store_get(s, name, offset, data, len, got, &err), &err);
}

/* Whether the object is there and has just these bytes, in get and stat. */
static bool
holds(struct ks_store *s, const char *name, const void *data, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    uint64_t size = 0;
    size_t got = 0;
    bool same;

    assert_non_null(bytes);
    same = has(s, name) && get(s, name, 0, bytes, len + 1, &got) == KS_OK &&
           got == len && memcmp(bytes, data, len) == 0 &&
           size_of(s, name, &size) == KS_OK && size == len;
    free(bytes);
    return same;
}

static bool
holds_text(struct ks_store *s, const char *name, const char *text)
{
    return holds(s, name, text, strlen(text));
}

/* Bytes that look random and depend on `seed`. */
static void
fill(uint8_t *data, size_t len, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15U + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 32);
    }
}

/* Objects */

static void
what_was_put_comes_back_whatever_its_size(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 4096, 300000, 1048579};
    struct fixture *f = *state;
    uint8_t *data = malloc(1048579);
    char name[32];

    assert_non_null(data);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)snprintf(name, sizeof(name), "packs/%zu", i);
        fill(data, sizes[i], i);
        assert_int_equal(put(f->s, name, data, sizes[i]), KS_OK);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)snprintf(name, sizeof(name), "packs/%zu", i);
        fill(data, sizes[i], i);
        assert_true(holds(f->s, name, data, sizes[i]));
    }
    free(data);
}

static void
the_largest_object_is_kept_and_a_larger_one_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = calloc(1, KS_OBJECT_MAX + 1);

    assert_non_null(data);
    data[KS_OBJECT_MAX - 1] = 7;
    assert_int_equal(put(f->s, "large", data, KS_OBJECT_MAX), KS_OK);
    assert_true(holds(f->s, "large", data, KS_OBJECT_MAX));
    assert_int_equal(put(f->s, "larger", data, KS_OBJECT_MAX + 1), KS_E_LIMIT);
    assert_false(has(f->s, "larger"));
    free(data);
}

static void
put_never_replaces(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put_text(f->s, "packs/a", "first"), KS_OK);
    assert_int_equal(put_text(f->s, "packs/a", "second"), KS_E_EXISTS);
    assert_int_equal(put_text(f->s, "packs/a", ""), KS_E_EXISTS);
    assert_true(holds_text(f->s, "packs/a", "first"));
}

static void
any_part_of_an_object_can_be_read(void **state)
{
    static const char text[] = "0123456789";
    struct fixture *f = *state;
    char part[16];
    size_t got = 99;

    assert_int_equal(put(f->s, "digits", text, 10), KS_OK);
    for (size_t from = 0; from <= 12; from++) {
        for (size_t len = 0; len <= 12; len++) {
            size_t rest = from < 10 ? 10 - from : 0;
            size_t want = len < rest ? len : rest;

            assert_int_equal(get(f->s, "digits", from, part, len, &got), KS_OK);
            assert_int_equal(got, want);
            assert_memory_equal(part, text + (from < 10 ? from : 10), want);
        }
    }
    assert_int_equal(get(f->s, "digits", UINT64_MAX, part, 5, &got), KS_OK);
    assert_int_equal(got, 0);
    assert_int_equal(get(f->s, "digits", 3, part, 0, &got), KS_OK);
    assert_int_equal(got, 0);
}

static void
what_is_not_there_is_said_to_be_missing(void **state)
{
    static const char *const absent[] = {"vault", "packs/00", "packs/0",
                                         "pack/00a", "packs.00a"};
    struct fixture *f = *state;
    uint64_t size = 42;
    size_t got = 42;
    char byte;

    assert_int_equal(put_text(f->s, "packs/00a", "x"), KS_OK);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        assert_false(has(f->s, absent[i]));
        assert_int_equal(get(f->s, absent[i], 0, &byte, 1, &got),
                         KS_E_NOTFOUND);
        assert_int_equal(size_of(f->s, absent[i], &size), KS_E_NOTFOUND);
        assert_int_equal(take_away(f->s, absent[i]), KS_E_NOTFOUND);
    }
    assert_int_equal(size, 42); /* outputs are untouched */
    assert_int_equal(got, 42);
}

static void
a_removed_object_is_gone_and_its_name_free(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put_text(f->s, "marks/a", "one"), KS_OK);
    assert_int_equal(put_text(f->s, "marks/b", "two"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    assert_int_equal(take_away(f->s, "marks/a"), KS_OK);
    assert_false(has(f->s, "marks/a"));
    assert_int_equal(take_away(f->s, "marks/a"), KS_E_NOTFOUND);
    assert_true(holds_text(f->s, "marks/b", "two"));
    assert_int_equal(put_text(f->s, "marks/a", "three"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    assert_true(holds_text(f->s, "marks/a", "three"));
    assert_true(holds_text(f->s, "marks/b", "two"));
}

/* Names */

static void
only_plain_names_are_taken(void **state)
{
    static const char *const bad[] = {
        "",     "/",     "a/",   "/a",    "a//b",     ".",    "..",
        ".a",   "a/.b",  ".a/b", "../a",  "a/..",     "A",    "a b",
        "a\\b", "a/b/c", "a_b",  "a/b\n", "\xc3\xa9", "a/b/", "%61",
    };
    struct fixture *f = *state;
    uint64_t size;
    size_t got;
    char byte;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(put_text(f->s, bad[i], "x"), KS_E_USAGE);
        assert_int_equal(get(f->s, bad[i], 0, &byte, 1, &got), KS_E_USAGE);
        assert_int_equal(size_of(f->s, bad[i], &size), KS_E_USAGE);
        assert_int_equal(take_away(f->s, bad[i]), KS_E_USAGE);
    }
}

static void
the_longest_names_are_taken_and_longer_ones_not(void **state)
{
    struct fixture *f = *state;
    char part[102];
    char both[KS_NAME_MAX + 3];

    memset(part, 'z', 101);
    part[101] = '\0';
    assert_int_equal(put_text(f->s, part, "x"), KS_E_USAGE);
    part[100] = '\0';
    assert_int_equal(put_text(f->s, part, "one part"), KS_OK);
    assert_true(holds_text(f->s, part, "one part"));

    memset(both, '0', sizeof(both));
    both[80] = '/';
    both[KS_NAME_MAX + 1] = '\0';
    assert_int_equal(put_text(f->s, both, "x"), KS_E_USAGE);
    both[KS_NAME_MAX] = '\0';
    assert_int_equal(put_text(f->s, both, "two parts"), KS_OK);
    assert_true(holds_text(f->s, both, "two parts"));
    assert_int_equal(put_text(f->s, "9.-z/-.", "odd"), KS_OK);
    assert_true(holds_text(f->s, "9.-z/-.", "odd"));
}

/* Listing */

struct seen {
    char names[64][KS_NAME_MAX + 1];
    uint64_t sizes[64];
    size_t count;
    size_t stop_after; /* 0: never */
};

static int
see(void *user, const char *name, uint64_t size)
{
    struct seen *seen = user;

    assert_true(seen->count < 64);
    (void)snprintf(seen->names[seen->count], KS_NAME_MAX + 1, "%s", name);
    seen->sizes[seen->count++] = size;
    return seen->stop_after > 0 && seen->count == seen->stop_after ? 7 : 0;
}

static struct seen
list(struct ks_store *s, const char *folder)
{
    struct seen seen = {.count = 0};
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(judged(ks_store_list(s, folder, see, &seen, &err), &err),
                     KS_OK);
    return seen;
}

static bool
saw(const struct seen *seen, const char *name, uint64_t size)
{
    size_t times = 0;

    for (size_t i = 0; i < seen->count; i++) {
        if (strcmp(seen->names[i], name) == 0 && seen->sizes[i] == size)
            times++;
    }
    return times == 1;
}

static void
a_listing_shows_one_folder_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    assert_int_equal(put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(put_text(f->s, "packs", "object, not folder"), KS_OK);
    assert_int_equal(put_text(f->s, "pack/a", ""), KS_OK);
    assert_int_equal(put_text(f->s, "keys/a", "1"), KS_OK);
    assert_int_equal(put_text(f->s, "keys/b", "22"), KS_OK);
    assert_int_equal(put_text(f->s, "keys-/c", "333"), KS_OK);

    seen = list(f->s, "keys");
    assert_int_equal(seen.count, 2);
    assert_true(saw(&seen, "a", 1) && saw(&seen, "b", 2));
    seen = list(f->s, "");
    assert_int_equal(seen.count, 2);
    assert_true(saw(&seen, "vault", 1) && saw(&seen, "packs", 18));
    assert_int_equal(list(f->s, "packs").count, 0);
    assert_int_equal(list(f->s, "absent").count, 0);
    assert_int_equal(list(f->s, "pack").count, 1);
}

static void
a_listing_shows_what_was_just_put_or_removed(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    assert_int_equal(list(f->s, "packs").count, 0);
    assert_int_equal(put_text(f->s, "packs/a", "1"), KS_OK);
    assert_int_equal(put_text(f->s, "packs/b", "22"), KS_OK);
    seen = list(f->s, "packs");
    assert_int_equal(seen.count, 2);
    assert_int_equal(take_away(f->s, "packs/a"), KS_OK);
    seen = list(f->s, "packs");
    assert_int_equal(seen.count, 1);
    assert_true(saw(&seen, "b", 2));
}

static void
a_listing_stops_when_it_is_told(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {.stop_after = 2};
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(put_text(f->s, "packs/a", ""), KS_OK);
    assert_int_equal(put_text(f->s, "packs/b", ""), KS_OK);
    assert_int_equal(put_text(f->s, "packs/c", ""), KS_OK);
    assert_int_equal(ks_store_list(f->s, "packs", see, &seen, &err), 7);
    assert_int_equal(seen.count, 2);
    assert_int_equal(err.code, KS_OK);
}

static void
only_plain_folder_names_are_listed(void **state)
{
    static const char *const bad[] = {".", "..", "a/b", "packs/", "A", "/"};
    struct fixture *f = *state;
    struct seen seen = {.count = 0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ks_err err = KS_ERR_INIT;

        assert_int_equal(ks_store_list(f->s, bad[i], see, &seen, &err),
                         KS_E_USAGE);
    }
    assert_int_equal(seen.count, 0);
}

/* Life */

static void
what_was_synced_is_there_when_opened_again(void **state)
{
    struct fixture *f = *state;

    if (!kind->lasts)
        skip();
    assert_int_equal(put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(put_text(f->s, "packs/a", "aa"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    reopen(f, KS_STORE_WRITE);
    assert_true(holds_text(f->s, "vault", "v"));
    assert_int_equal(put_text(f->s, "packs/b", "bbb"), KS_OK);
    assert_int_equal(take_away(f->s, "packs/a"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    reopen(f, KS_STORE_READ);
    assert_true(holds_text(f->s, "vault", "v"));
    assert_true(holds_text(f->s, "packs/b", "bbb"));
    assert_false(has(f->s, "packs/a"));
}

static void
what_was_not_synced_is_whole_or_absent(void **state)
{
    struct fixture *f = *state;

    if (!kind->lasts)
        skip();
    assert_int_equal(put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    assert_int_equal(put_text(f->s, "packs/a", "aa"), KS_OK);
    reopen(f, KS_STORE_WRITE);
    assert_true(holds_text(f->s, "vault", "v"));
    if (has(f->s, "packs/a")) {
        assert_true(holds_text(f->s, "packs/a", "aa"));
        assert_int_equal(put_text(f->s, "packs/a", "aa"), KS_E_EXISTS);
    } else {
        assert_int_equal(put_text(f->s, "packs/a", "aa"), KS_OK);
    }
}

static void
an_empty_store_can_be_synced_and_opened(void **state)
{
    struct fixture *f = *state;

    if (!kind->lasts)
        skip();
    assert_int_equal(sync_all(f->s), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    reopen(f, KS_STORE_READ);
    assert_int_equal(list(f->s, "").count, 0);
}

static void
a_store_open_for_reading_cannot_be_changed(void **state)
{
    struct fixture *f = *state;

    if (!kind->lasts)
        skip();
    assert_int_equal(put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    reopen(f, KS_STORE_READ);
    assert_int_equal(put_text(f->s, "packs/a", "x"), KS_E_USAGE);
    assert_int_equal(take_away(f->s, "vault"), KS_E_USAGE);
    assert_int_equal(sync_all(f->s), KS_E_USAGE);
    assert_true(holds_text(f->s, "vault", "v"));
}

static int
open_code(const struct workdir *dir, enum ks_store_mode mode)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;
    int rc = judged(kind->open(&s, dir, mode, &err), &err);

    assert_int_equal(rc == KS_OK, s != NULL);
    ks_store_close(s);
    return rc;
}

static void
opening_nothing_and_creating_twice_are_refused(void **state)
{
    struct fixture *f = *state;
    struct workdir empty;

    if (!kind->lasts)
        skip();
    workdir_make(&empty);
    assert_int_equal(open_code(&empty, KS_STORE_READ), KS_E_NOTFOUND);
    assert_int_equal(open_code(&empty, KS_STORE_WRITE), KS_E_NOTFOUND);
    assert_int_equal(workdir_entries(&empty, "."), 0);
    workdir_remove(&empty);

    assert_int_equal(put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
    assert_int_equal(open_code(&f->dir, KS_STORE_CREATE), KS_E_EXISTS);
    reopen(f, KS_STORE_READ);
    assert_true(holds_text(f->s, "vault", "v"));
}

/* A long random life against a model that cannot be wrong */

#define MODEL_NAMES 24U
#define MODEL_STEPS 600

struct model {
    uint64_t noise; /* state of the random numbers */
    uint64_t seed[MODEL_NAMES];
    size_t len[MODEL_NAMES];
    bool there[MODEL_NAMES];
};

static uint32_t
below(struct model *m, uint32_t bound)
{
    m->noise = m->noise * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(m->noise >> 33) % bound;
}

static const char *
model_name(size_t i)
{
    static char name[32];

    (void)snprintf(name, sizeof(name), "%s%zu",
                   i % 3 == 0   ? ""
                   : i % 3 == 1 ? "packs/"
                                : "marks/",
                   i);
    return name;
}

static void
compare_with_model(struct ks_store *s, const struct model *m)
{
    uint8_t data[4096];
    size_t counts[3] = {0};

    for (size_t i = 0; i < MODEL_NAMES; i++) {
        if (!m->there[i]) {
            assert_false(has(s, model_name(i)));
            continue;
        }
        counts[i % 3]++;
        fill(data, m->len[i], m->seed[i]);
        assert_true(holds(s, model_name(i), data, m->len[i]));
    }
    assert_int_equal(list(s, "").count, counts[0]);
    assert_int_equal(list(s, "packs").count, counts[1]);
    assert_int_equal(list(s, "marks").count, counts[2]);
}

static void
model_step(struct fixture *f, struct model *m)
{
    uint8_t data[4096];
    size_t i = below(m, MODEL_NAMES);
    uint32_t dice = below(m, 100);

    if (dice < 60) {
        size_t len = below(m, 4) == 0 ? 0 : below(m, sizeof(data));
        uint64_t seed = below(m, 1U << 30);

        fill(data, len, seed);
        assert_int_equal(put(f->s, model_name(i), data, len),
                         m->there[i] ? KS_E_EXISTS : KS_OK);
        if (!m->there[i]) {
            m->there[i] = true;
            m->len[i] = len;
            m->seed[i] = seed;
        }
    } else if (dice < 85) {
        assert_int_equal(take_away(f->s, model_name(i)),
                         m->there[i] ? KS_OK : KS_E_NOTFOUND);
        m->there[i] = false;
    } else {
        assert_int_equal(sync_all(f->s), KS_OK);
        if (kind->lasts && dice >= 95)
            reopen(f, KS_STORE_WRITE);
        compare_with_model(f->s, m);
    }
}

static void
a_random_life_goes_as_the_model_says(void **state)
{
    struct fixture *f = *state;
    struct model m = {.noise = (uint64_t)ks_now_ms()};
    const char *seed = getenv("KEEPSAY_TEST_SEED");

    if (seed != NULL)
        assert_true(ks_parse_u64(seed, &m.noise));
    print_message("KEEPSAY_TEST_SEED=%" PRIu64 "\n", m.noise);
    for (int step = 0; step < MODEL_STEPS; step++)
        model_step(f, &m);
    assert_int_equal(sync_all(f->s), KS_OK);
    compare_with_model(f->s, &m);
}

/* Two threads */

#define THREAD_OBJECTS 200U
#define THREAD_BYTES   ((size_t)9000)

struct putter {
    struct ks_store *s;
    int rc;
};

static void *
put_many(void *user)
{
    struct putter *p = user;
    uint8_t data[THREAD_BYTES];
    char name[32];

    for (unsigned i = 0; i < THREAD_OBJECTS && p->rc == KS_OK; i++) {
        struct ks_err err = KS_ERR_INIT;

        (void)snprintf(name, sizeof(name), "packs/%u", i);
        fill(data, sizeof(data), i);
        p->rc = ks_store_put(p->s, name, data, sizeof(data), &err);
    }
    return NULL;
}

/* Read from the front while the other thread puts: absent, or whole. */
static void
put_and_get_can_go_on_at_once(void **state)
{
    struct fixture *f = *state;
    struct putter p = {.s = f->s, .rc = KS_OK};
    uint8_t want[THREAD_BYTES];
    uint8_t have[THREAD_BYTES];
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, put_many, &p), 0);
    for (unsigned i = 0; i < THREAD_OBJECTS;) {
        char name[32];
        size_t got = 0;
        int rc;

        (void)snprintf(name, sizeof(name), "packs/%u", i);
        fill(want, sizeof(want), i);
        rc = get(f->s, name, 0, have, sizeof(have), &got);
        if (rc == KS_E_NOTFOUND && p.rc == KS_OK)
            continue;
        assert_int_equal(rc, KS_OK);
        assert_int_equal(got, sizeof(want));
        assert_memory_equal(have, want, sizeof(want));
        i++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(p.rc, KS_OK);
    assert_int_equal(sync_all(f->s), KS_OK);
}

/* Faults: every libc call that can fail does so, one after the other. */

/* How many temporary files lie in a folder and those below it. */
static size_t
count_temporary(const char *path)
{
    size_t count = 0;
    char below_path[1024];
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (strstr(entry->d_name, ".tmp-") != NULL)
            count++;
        (void)snprintf(below_path, sizeof(below_path), "%s/%s", path,
                       entry->d_name);
        if (entry->d_type == DT_DIR)
            count += count_temporary(below_path);
    }
    (void)closedir(dir);
    return count;
}

/* What a sweep asks of the store, once with every call broken in turn. */
struct sweep {
    /* The work during which one call fails. */
    int (*work)(struct fixture *f);
    /* After it: the store as it is, and opened again if that can be. */
    void (*judge)(struct ks_store *s, int rc, bool reopened);
};

/* One round: a store with two objects, one broken call. True if there was a
 * call left to break. */
static bool
sweep_round(const struct sweep *sweep, long n)
{
    struct fixture f = {.s = NULL};
    size_t fds;
    bool fired;
    int rc;

    workdir_make(&f.dir);
    f.s = open_or_die(&f.dir, KS_STORE_CREATE);
    assert_int_equal(put_text(f.s, "vault", "v"), KS_OK);
    assert_int_equal(put_text(f.s, "packs/old", "old object"), KS_OK);
    assert_int_equal(sync_all(f.s), KS_OK);
    fds = fault_open_fds();

    fault_arm(n);
    rc = sweep->work(&f);
    fired = fault_disarm();

    assert_true(fired || rc == KS_OK);
    assert_int_equal(fault_open_fds(), fds);
    assert_int_equal(count_temporary(f.dir.path), 0);
    sweep->judge(f.s, rc, false);
    if (kind->lasts) {
        reopen(&f, KS_STORE_WRITE);
        sweep->judge(f.s, rc, true);
        assert_int_equal(put_text(f.s, "packs/after", "goes on"), KS_OK);
        assert_int_equal(sync_all(f.s), KS_OK);
    }
    ks_store_close(f.s);
    workdir_remove(&f.dir);
    return fired;
}

static void
sweep_all(const struct sweep *sweep)
{
    long n = 0;

    while (sweep_round(sweep, n)) {
        n++;
        assert_true(n < SWEEP_MAX);
    }
    print_message("%ld calls broken\n", n);
}

static int
work_put(struct fixture *f)
{
    int rc = put_text(f->s, "packs/new", "new object");

    return rc == KS_OK ? sync_all(f->s) : rc;
}

static void
judge_put(struct ks_store *s, int rc, bool reopened)
{
    assert_true(holds_text(s, "vault", "v"));
    assert_true(holds_text(s, "packs/old", "old object"));
    if (rc == KS_OK)
        assert_true(has(s, "packs/new"));
    if (has(s, "packs/new"))
        assert_true(holds_text(s, "packs/new", "new object"));
    else if (!reopened) /* a failed put can be tried again */
        assert_int_equal(put_text(s, "packs/new", "new object"), KS_OK);
}

static void
a_put_is_all_or_nothing_whichever_call_fails(void **state)
{
    static const struct sweep sweep = {work_put, judge_put};

    (void)state;
    sweep_all(&sweep);
}

static int
work_put_in_new_folder(struct fixture *f)
{
    return put_text(f->s, "snapshots/new", "first in its folder");
}

static void
judge_put_in_new_folder(struct ks_store *s, int rc, bool reopened)
{
    (void)reopened;
    assert_true(holds_text(s, "packs/old", "old object"));
    if (!reopened)
        assert_int_equal(has(s, "snapshots/new"), rc == KS_OK);
    if (has(s, "snapshots/new"))
        assert_true(holds_text(s, "snapshots/new", "first in its folder"));
}

static void
a_put_in_a_new_folder_is_all_or_nothing_too(void **state)
{
    static const struct sweep sweep = {work_put_in_new_folder,
                                       judge_put_in_new_folder};

    (void)state;
    sweep_all(&sweep);
}

static int
work_remove(struct fixture *f)
{
    int rc = take_away(f->s, "packs/old");

    return rc == KS_OK ? sync_all(f->s) : rc;
}

static void
judge_remove(struct ks_store *s, int rc, bool reopened)
{
    (void)reopened;
    assert_true(holds_text(s, "vault", "v"));
    if (rc == KS_OK)
        assert_false(has(s, "packs/old"));
    if (has(s, "packs/old"))
        assert_true(holds_text(s, "packs/old", "old object"));
}

static void
a_removal_is_all_or_nothing_whichever_call_fails(void **state)
{
    static const struct sweep sweep = {work_remove, judge_remove};

    (void)state;
    sweep_all(&sweep);
}

static int
work_read(struct fixture *f)
{
    struct ks_err err = KS_ERR_INIT;
    struct seen seen = {.count = 0};
    char text[16] = {0};
    uint64_t size = 0;
    size_t got = 0;
    int rc = get(f->s, "packs/old", 0, text, sizeof(text), &got);

    if (rc == KS_OK) {
        assert_int_equal(got, 10);
        assert_string_equal(text, "old object");
        rc = size_of(f->s, "packs/old", &size);
    }
    if (rc == KS_OK) {
        assert_int_equal(size, 10);
        rc = judged(ks_store_list(f->s, "packs", see, &seen, &err), &err);
    }
    if (rc == KS_OK)
        assert_true(seen.count == 1 && saw(&seen, "old", 10));
    return rc;
}

static void
judge_read(struct ks_store *s, int rc, bool reopened)
{
    (void)rc;
    (void)reopened;
    assert_true(holds_text(s, "vault", "v"));
    assert_true(holds_text(s, "packs/old", "old object"));
}

static void
reading_fails_plainly_or_not_at_all(void **state)
{
    static const struct sweep sweep = {work_read, judge_read};

    (void)state;
    sweep_all(&sweep);
}

static int
work_open(struct fixture *f)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;
    int rc = judged(kind->open(&s, &f->dir, KS_STORE_READ, &err), &err);

    assert_int_equal(rc == KS_OK, s != NULL);
    ks_store_close(s);
    return rc;
}

static void
opening_leaks_nothing_whichever_call_fails(void **state)
{
    static const struct sweep sweep = {work_open, judge_read};

    (void)state;
    if (!kind->lasts)
        skip();
    sweep_all(&sweep);
}

/* Creating has nothing before it, so it has a sweep of its own. */
static bool
create_round(long n)
{
    struct ks_err err = KS_ERR_INIT;
    struct workdir dir;
    struct ks_store *s = NULL;
    size_t fds = fault_open_fds();
    bool fired;
    int rc;

    workdir_make(&dir);
    fault_arm(n);
    rc = judged(kind->open(&s, &dir, KS_STORE_CREATE, &err), &err);
    fired = fault_disarm();
    assert_true(fired || rc == KS_OK);
    assert_int_equal(rc == KS_OK, s != NULL);
    if (rc < 0) { /* and then it can be tried again */
        assert_int_equal(fault_open_fds(), fds);
        s = open_or_die(&dir, KS_STORE_CREATE);
    }
    assert_int_equal(put_text(s, "vault", "v"), KS_OK);
    assert_int_equal(sync_all(s), KS_OK);
    ks_store_close(s);
    workdir_remove(&dir);
    return fired;
}

static void
creating_can_be_tried_again_whichever_call_fails(void **state)
{
    long n = 0;

    (void)state;
    while (create_round(n)) {
        n++;
        assert_true(n < SWEEP_MAX);
    }
}

static void
short_and_interrupted_transfers_are_finished(void **state)
{
    static const char *const calls[] = {"read", "pread", "write", "pwrite"};
    struct fixture *f = *state;
    uint8_t data[5000];
    char name[32];

    fill(data, sizeof(data), 5);
    for (int n = 0; n < 12; n++) {
        size_t got = 0;
        uint8_t back[sizeof(data)];

        (void)snprintf(name, sizeof(name), "packs/%d", n);
        if (n < 8)
            fault_arm_short(n);
        else
            fault_arm_call(calls[n - 8], 0, EINTR);
        assert_int_equal(put(f->s, name, data, sizeof(data)), KS_OK);
        assert_int_equal(sync_all(f->s), KS_OK);
        assert_int_equal(get(f->s, name, 0, back, sizeof(back), &got), KS_OK);
        (void)fault_disarm();
        assert_int_equal(got, sizeof(data));
        assert_memory_equal(back, data, sizeof(data));
        assert_true(holds(f->s, name, data, sizeof(data)));
    }
}

int
store_contract(const struct store_kind *which)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(what_was_put_comes_back_whatever_its_size),
        EACH(the_largest_object_is_kept_and_a_larger_one_refused),
        EACH(put_never_replaces),
        EACH(any_part_of_an_object_can_be_read),
        EACH(what_is_not_there_is_said_to_be_missing),
        EACH(a_removed_object_is_gone_and_its_name_free),
        EACH(only_plain_names_are_taken),
        EACH(the_longest_names_are_taken_and_longer_ones_not),
        EACH(a_listing_shows_one_folder_and_nothing_else),
        EACH(a_listing_shows_what_was_just_put_or_removed),
        EACH(a_listing_stops_when_it_is_told),
        EACH(only_plain_folder_names_are_listed),
        EACH(what_was_synced_is_there_when_opened_again),
        EACH(what_was_not_synced_is_whole_or_absent),
        EACH(an_empty_store_can_be_synced_and_opened),
        EACH(a_store_open_for_reading_cannot_be_changed),
        EACH(opening_nothing_and_creating_twice_are_refused),
        EACH(a_random_life_goes_as_the_model_says),
        EACH(put_and_get_can_go_on_at_once),
        cmocka_unit_test(a_put_is_all_or_nothing_whichever_call_fails),
        cmocka_unit_test(a_put_in_a_new_folder_is_all_or_nothing_too),
        cmocka_unit_test(a_removal_is_all_or_nothing_whichever_call_fails),
        cmocka_unit_test(reading_fails_plainly_or_not_at_all),
        cmocka_unit_test(opening_leaks_nothing_whichever_call_fails),
        cmocka_unit_test(creating_can_be_tried_again_whichever_call_fails),
        EACH(short_and_interrupted_transfers_are_finished),
    };
#undef EACH

    kind = which;
    return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}
