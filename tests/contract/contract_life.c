/*
 * contract_life: what a store keeps from one opening to the next, a long
 * random life, and two threads.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "check.h"
#include "contract_bench.h"

/* Life */

static void
what_was_synced_is_there_when_opened_again(void **state)
{
    struct fixture *f = *state;

    if (!contract_kind->lasts)
        skip();
    assert_int_equal(try_put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs/a", "aa"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    reopen(f, KS_STORE_WRITE);
    assert_true(holds_text(f->s, "vault", "v"));
    assert_int_equal(try_put_text(f->s, "packs/b", "bbb"), KS_OK);
    assert_int_equal(try_remove(f->s, "packs/a"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    reopen(f, KS_STORE_READ);
    assert_true(holds_text(f->s, "vault", "v"));
    assert_true(holds_text(f->s, "packs/b", "bbb"));
    assert_false(has_object(f->s, "packs/a"));
}

static void
what_was_not_synced_is_whole_or_absent(void **state)
{
    struct fixture *f = *state;

    if (!contract_kind->lasts)
        skip();
    assert_int_equal(try_put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    assert_int_equal(try_put_text(f->s, "packs/a", "aa"), KS_OK);
    reopen(f, KS_STORE_WRITE);
    assert_true(holds_text(f->s, "vault", "v"));
    if (has_object(f->s, "packs/a")) {
        assert_true(holds_text(f->s, "packs/a", "aa"));
        assert_int_equal(try_put_text(f->s, "packs/a", "aa"), KS_E_EXISTS);
    } else {
        assert_int_equal(try_put_text(f->s, "packs/a", "aa"), KS_OK);
    }
}

static void
an_empty_store_can_be_synced_and_opened(void **state)
{
    struct fixture *f = *state;

    if (!contract_kind->lasts)
        skip();
    assert_int_equal(try_sync(f->s), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    reopen(f, KS_STORE_READ);
    assert_int_equal(list_folder(f->s, "").count, 0);
}

static void
a_store_open_for_reading_cannot_be_changed(void **state)
{
    struct fixture *f = *state;

    if (!contract_kind->lasts)
        skip();
    assert_int_equal(try_put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
    reopen(f, KS_STORE_READ);
    assert_int_equal(try_put_text(f->s, "packs/a", "x"), KS_E_USAGE);
    assert_int_equal(try_remove(f->s, "vault"), KS_E_USAGE);
    assert_int_equal(try_sync(f->s), KS_E_USAGE);
    assert_true(holds_text(f->s, "vault", "v"));
}

static int
open_code(const struct workdir *dir, enum ks_store_mode mode)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_store *s = NULL;
    int rc = judged(contract_kind->open(&s, dir, mode, &err), &err);

    assert_int_equal(rc == KS_OK, s != NULL);
    ks_store_close(s);
    return rc;
}

static void
opening_nothing_and_creating_twice_are_refused(void **state)
{
    struct fixture *f = *state;
    struct workdir empty;

    if (!contract_kind->lasts)
        skip();
    workdir_make(&empty);
    assert_int_equal(open_code(&empty, KS_STORE_READ), KS_E_NOTFOUND);
    assert_int_equal(open_code(&empty, KS_STORE_WRITE), KS_E_NOTFOUND);
    assert_int_equal(workdir_entries(&empty, "."), 0);
    workdir_remove(&empty);

    assert_int_equal(try_put_text(f->s, "vault", "v"), KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
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
            assert_false(has_object(s, model_name(i)));
            continue;
        }
        counts[i % 3]++;
        fill_bytes(data, m->len[i], m->seed[i]);
        assert_true(holds_bytes(s, model_name(i), data, m->len[i]));
    }
    assert_int_equal(list_folder(s, "").count, counts[0]);
    assert_int_equal(list_folder(s, "packs").count, counts[1]);
    assert_int_equal(list_folder(s, "marks").count, counts[2]);
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

        fill_bytes(data, len, seed);
        assert_int_equal(try_put(f->s, model_name(i), data, len),
                         m->there[i] ? KS_E_EXISTS : KS_OK);
        if (!m->there[i]) {
            m->there[i] = true;
            m->len[i] = len;
            m->seed[i] = seed;
        }
    } else if (dice < 85) {
        assert_int_equal(try_remove(f->s, model_name(i)),
                         m->there[i] ? KS_OK : KS_E_NOTFOUND);
        m->there[i] = false;
    } else {
        assert_int_equal(try_sync(f->s), KS_OK);
        if (contract_kind->lasts && dice >= 95)
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
    assert_int_equal(try_sync(f->s), KS_OK);
    compare_with_model(f->s, &m);
}

/* Two threads */

#define THREAD_OBJECTS 200U
#define THREAD_BYTES   ((size_t)9000)

struct putter {
    struct ks_store *s;
    _Atomic int rc;
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
        fill_bytes(data, sizeof(data), i);
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
        fill_bytes(want, sizeof(want), i);
        rc = try_get(f->s, name, 0, have, sizeof(have), &got);
        if (rc == KS_E_NOTFOUND && p.rc == KS_OK)
            continue;
        assert_int_equal(rc, KS_OK);
        assert_int_equal(got, sizeof(want));
        assert_memory_equal(have, want, sizeof(want));
        i++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(p.rc, KS_OK);
    assert_int_equal(try_sync(f->s), KS_OK);
}

int
contract_life(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(what_was_synced_is_there_when_opened_again),
        EACH(what_was_not_synced_is_whole_or_absent),
        EACH(an_empty_store_can_be_synced_and_opened),
        EACH(a_store_open_for_reading_cannot_be_changed),
        EACH(opening_nothing_and_creating_twice_are_refused),
        EACH(a_random_life_goes_as_the_model_says),
        EACH(put_and_get_can_go_on_at_once),
    };
#undef EACH

    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
