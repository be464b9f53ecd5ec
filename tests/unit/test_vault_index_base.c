/*
 * vault/index: a delta is worth what its base is worth. Without it the chunk
 * counts as not stored, so that the next backup stores it again; and whoever
 * reads gets a copy that can be read, if there is one.
 */
#include <string.h>

#include "check.h"
#include "enginekit.h"
#include "vault/index.h"

#define PACK_SIZE 5000

static const uint8_t run[16] = {'r', 'u', 'n'};

/* A delta, its base, and the packs that hold them. */
struct pair {
    struct ks_entry delta;
    struct ks_entry base;
    struct ks_pack_ref delta_pack;
    struct ks_pack_ref base_pack;
};

static struct pair
make_pair(struct engine *e)
{
    struct pair p = {.delta = engine_entry(5), .base = engine_entry(1)};

    assert_int_equal(p.delta.form, KS_FORM_DELTA);
    assert_int_not_equal(p.base.form, KS_FORM_DELTA);
    memcpy(p.delta.base, p.base.id, 32);
    p.delta_pack = engine_junk_pack(e, 1, PACK_SIZE);
    p.base_pack = engine_junk_pack(e, 2, PACK_SIZE);
    return p;
}

static void
add(struct ks_index *x, const struct ks_pack_ref *ref,
    const struct ks_entry *entry)
{
    uint32_t number = 0;

    KIT_OK(ks_index_add_pack(x, ref, &number, KIT_ERR));
    KIT_OK(ks_index_add(x, number, entry, KIT_ERR));
}

static bool
is_doomed(const void *user, const uint8_t *pack)
{
    return memcmp(user, pack, 16) == 0;
}

static bool
is_stored(struct ks_index *x, const uint8_t *id)
{
    bool stored = false;

    KIT_OK(ks_index_stored(x, id, &stored, KIT_ERR));
    return stored;
}

/* An index that knows both of the pair, or the delta alone. */
static struct ks_index *
open_pair(struct engine *e, const struct pair *p,
          const struct ks_index_options *options, bool with_base)
{
    struct ks_index *x = NULL;

    KIT_OK(ks_index_open(&x, &e->cx, options, KIT_ERR));
    add(x, &p->delta_pack, &p->delta);
    if (with_base)
        add(x, &p->base_pack, &p->base);
    return x;
}

static void
a_delta_is_stored_only_if_its_base_is(void **unused)
{
    struct ks_index *x;
    struct engine e;
    struct pair p;

    (void)unused;
    engine_open(&e);
    p = make_pair(&e);
    x = open_pair(&e, &p, NULL, true);
    assert_true(is_stored(x, p.delta.id));
    assert_true(is_stored(x, p.base.id));
    ks_index_close(x);
    x = open_pair(&e, &p, NULL, false);
    assert_false(is_stored(x, p.delta.id));
    engine_expect(x, &p.delta_pack, &p.delta);
    ks_index_close(x);
    engine_close(&e);
}

static void
a_base_in_a_doomed_pack_is_none(void **unused)
{
    struct ks_index_options doom = {.doomed = is_doomed};
    struct ks_index *x;
    struct engine e;
    struct pair p;

    (void)unused;
    engine_open(&e);
    p = make_pair(&e);
    doom.user = p.base_pack.id;
    x = open_pair(&e, &p, &doom, true);
    assert_false(is_stored(x, p.delta.id));
    ks_index_close(x);

    x = open_pair(&e, &p, NULL, true);
    KIT_OK(ks_index_add_run(x, run, KIT_ERR));
    KIT_OK(ks_index_fold(x, KIT_ERR));
    ks_index_close(x);
    KIT_OK(ks_index_open(&x, &e.cx, NULL, KIT_ERR));
    assert_true(is_stored(x, p.delta.id));
    ks_index_close(x);
    KIT_OK(ks_index_open(&x, &e.cx, &doom, KIT_ERR));
    assert_false(is_stored(x, p.delta.id));
    ks_index_close(x);
    engine_close(&e);
}

static void
a_base_that_is_itself_a_delta_is_none(void **unused)
{
    struct ks_index *x;
    struct engine e;
    struct pair p;

    (void)unused;
    engine_open(&e);
    p = make_pair(&e);
    p.base.form = KS_FORM_DELTA;
    memcpy(p.base.base, p.delta.id, 32);
    x = open_pair(&e, &p, NULL, true);
    assert_false(is_stored(x, p.delta.id));
    assert_false(is_stored(x, p.base.id));
    ks_index_close(x);
    engine_close(&e);
}

static void
a_copy_that_can_be_read_is_preferred(void **unused)
{
    struct ks_entry second;
    struct ks_place place;
    struct ks_index *x;
    struct engine e;
    struct pair p;

    (void)unused;
    engine_open(&e);
    p = make_pair(&e);
    x = open_pair(&e, &p, NULL, false);
    /* Nothing better yet. */
    KIT_OK(ks_index_need(x, p.delta.id, false, &place, KIT_ERR));
    assert_true(engine_same_entry(&place.entry, &p.delta));
    KIT_FAILS(KS_E_NOTFOUND,
              ks_index_need(x, p.delta.base, true, &place, KIT_ERR));

    /* Stored again, against a base that is there. */
    second = p.delta;
    second.offset += 100;
    p.base = engine_entry(2);
    memcpy(second.base, p.base.id, 32);
    add(x, &p.base_pack, &p.base);
    add(x, &p.base_pack, &second);
    assert_true(is_stored(x, p.delta.id));
    KIT_OK(ks_index_need(x, p.delta.id, false, &place, KIT_ERR));
    assert_true(engine_same_entry(&place.entry, &second));
    ks_index_close(x);
    engine_close(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delta_is_stored_only_if_its_base_is),
        cmocka_unit_test(a_base_in_a_doomed_pack_is_none),
        cmocka_unit_test(a_base_that_is_itself_a_delta_is_none),
        cmocka_unit_test(a_copy_that_can_be_read_is_preferred),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
