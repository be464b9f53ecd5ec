/*
 * vault/index: an index is a cache. Whatever happens to one, it answers
 * rightly or not at all, and what it knew is found in the packs themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crypto/seal.h"
#include "enginekit.h"
#include "story.h"
#include "vault/capture.h"
#include "vault/index.h"
#include "vault/index_file.h"
#include "vault_fixture.h"
#include "workdir.h"

#define PACK_SIZE 5000
#define ENTRIES   5

static const uint8_t run[16] = {'r', 'u', 'n'};

/* A store with one index object of a few entries, and its bytes. */
struct folded {
    struct engine e;
    struct ks_pack_ref pack;
    char name[KS_NAME_MAX + 1];
    struct ks_buf object;
};

static void
fold_up(struct folded *f)
{
    struct ks_index *x = NULL;
    uint32_t number = 0;

    engine_open(&f->e);
    ks_buf_init(&f->object, KS_OBJECT_MAX);
    f->pack = engine_junk_pack(&f->e, 1, PACK_SIZE);
    KIT_OK(ks_index_open(&x, &f->e.cx, NULL, KIT_ERR));
    KIT_OK(ks_index_add_pack(x, &f->pack, &number, KIT_ERR));
    for (size_t i = 0; i < ENTRIES; i++) {
        struct ks_entry entry = engine_entry(i);
        KIT_OK(ks_index_add(x, number, &entry, KIT_ERR));
    }
    KIT_OK(ks_index_add_run(x, run, KIT_ERR));
    KIT_OK(ks_index_fold(x, KIT_ERR));
    ks_index_close(x);
    kit_name(f->e.store, KS_DIR_INDEX, 0, f->name);
    kit_read(f->e.store, f->name, &f->object);
}

static void
fold_down(struct folded *f)
{
    ks_buf_wipe(&f->object);
    engine_close(&f->e);
}

/* Open what lies there, look everything up; how many were found. Fails if one
 * is found elsewhere than it is, or if less was found without a word. */
static size_t
look_everything_up(struct folded *f)
{
    struct ks_index *x = NULL;
    size_t found_count = 0;

    KIT_OK(ks_index_open(&x, &f->e.cx, NULL, KIT_ERR));
    for (size_t i = 0; i < ENTRIES; i++) {
        struct ks_entry entry = engine_entry(i);
        struct ks_place place;
        bool found = false;

        KIT_OK(ks_index_find(x, entry.id, &place, &found, KIT_ERR));
        if (!found)
            continue;
        assert_true(engine_same_entry(&place.entry, &entry));
        assert_memory_equal(place.pack.id, f->pack.id, 16);
        found_count++;
    }
    if (found_count < ENTRIES)
        assert_int_equal(ks_index_damaged(x), 1);
    else
        assert_int_equal(ks_index_damaged(x), 0);
    ks_index_close(x);
    return found_count;
}

/* Of the object, whether to try this byte: all of header and tail, and a part
 * of the long rows of zeros between. */
static bool
is_tried(size_t at, size_t len)
{
    return at < 1000 || at > len - 300 || at % 61 == 0 ||
           (at >= ks_seal_at(KS_SEAL_SEGMENT) - 16 &&
            at < ks_seal_at(KS_SEAL_SEGMENT) + 64);
}

static void
any_byte_flipped_is_noticed(void **unused)
{
    struct folded f;

    (void)unused;
    fold_up(&f);
    assert_int_equal(look_everything_up(&f), ENTRIES);
    for (size_t at = 0; at < f.object.len; at++) {
        if (!is_tried(at, f.object.len))
            continue;
        f.object.data[at] ^= (uint8_t)(1 << at % 8);
        kit_write(f.e.store, f.name, f.object.data, f.object.len);
        if (look_everything_up(&f) == ENTRIES)
            fail_msg("byte %zu", at);
        f.object.data[at] ^= (uint8_t)(1 << at % 8);
    }
    fold_down(&f);
}

static void
cut_anywhere_it_is_noticed(void **unused)
{
    struct folded f;

    (void)unused;
    fold_up(&f);
    for (size_t len = 0; len < f.object.len; len++) {
        if (!is_tried(len, f.object.len))
            continue;
        kit_write(f.e.store, f.name, f.object.data, len);
        if (look_everything_up(&f) != 0)
            fail_msg("length %zu", len);
    }
    fold_down(&f);
}

/* A tail like the one of an object without entries. */
struct tail_says {
    uint8_t version;
    uint64_t entries;
    uint64_t snapshots;
    size_t snapshots_there;
    uint64_t others;
    size_t others_there;
    uint64_t packs;
    size_t packs_there;
    size_t fences_there;
    size_t more;
};
#define TAIL_OK                                                                \
    {                                                                          \
        .version = 1, .snapshots = 1, .snapshots_there = 1                     \
    }

static void
put_tail(struct ks_buf *out, const struct tail_says *t)
{
    ks_buf_reset(out);
    KIT_OK(ks_buf_u8(out, t->version, KIT_ERR));
    KIT_OK(ks_buf_varint(out, t->entries, KIT_ERR));
    KIT_OK(ks_buf_varint(out, t->snapshots, KIT_ERR));
    for (size_t i = 0; i < t->snapshots_there; i++)
        KIT_OK(ks_buf_append(out, run, 16, KIT_ERR));
    KIT_OK(ks_buf_varint(out, t->others, KIT_ERR));
    KIT_OK(ks_buf_zeros(out, t->others_there * 16, KIT_ERR));
    KIT_OK(ks_buf_varint(out, t->packs, KIT_ERR));
    for (size_t i = 0; i < t->packs_there; i++) {
        /* Of some size: no bytes are no pack. */
        KIT_OK(ks_buf_zeros(out, KS_PACK_REF_SIZE - 4, KIT_ERR));
        KIT_OK(ks_buf_u32le(out, 5000, KIT_ERR));
    }
    KIT_OK(ks_buf_zeros(out, t->fences_there * 8 + t->more, KIT_ERR));
}

/* Put an object whose plaintext is `front` zeros, the tail and its length;
 * whether it is taken in use. */
static bool
is_used(struct engine *e, size_t front, struct ks_bytes tail, uint32_t says)
{
    struct ks_index *x = NULL;
    struct ks_buf plain;
    char name[KS_NAME_MAX + 1];
    bool used;

    ks_buf_init(&plain, KS_OBJECT_MAX);
    KIT_OK(ks_buf_zeros(&plain, front, KIT_ERR));
    KIT_OK(ks_buf_append(&plain, tail.ptr, tail.len, KIT_ERR));
    KIT_OK(ks_buf_u32le(&plain, says, KIT_ERR));
    (void)engine_put_sealed(e, KS_OBJ_INDEX, plain.data, plain.len);
    ks_buf_wipe(&plain);
    KIT_OK(ks_index_open(&x, &e->cx, NULL, KIT_ERR));
    used = ks_index_covers(x, run);
    assert_int_equal(ks_index_damaged(x), !used);
    ks_index_close(x);
    kit_name(e->store, KS_DIR_INDEX, 0, name);
    kit_remove(e->store, name);
    return used;
}

static void
a_tail_is_taken_only_if_it_is_exact(void **unused)
{
    static const struct {
        struct tail_says tail;
        size_t front;
        bool used;
    } cases[] = {
        {TAIL_OK, 100, true},
        {TAIL_OK, 0, true},
        {{.version = 0, .snapshots = 1, .snapshots_there = 1}, 0, false},
        {{.version = 2, .snapshots = 1, .snapshots_there = 1}, 0, false},
        {{1, .snapshots = 1, .snapshots_there = 0}, 0, false},
        {{1, .snapshots = 1, .snapshots_there = 2}, 0, false},
        {{1, .snapshots = 300, .snapshots_there = 300}, 0, true},
        {{1, .snapshots = KS_INDEX_COVERED_MAX + 1, .snapshots_there = 1},
         0,
         false},
        {{1, .snapshots = UINT64_MAX, .snapshots_there = 1}, 0, false},
        {{1, .snapshots = UINT64_MAX / 16 + 2, .snapshots_there = 1}, 0, false},
        {{1, 0, 1, 1, .others = 1, .others_there = 0}, 0, false},
        {{1, 0, 1, 1, .others = KS_INDEX_OTHERS_MAX + 1, .others_there = 4097},
         0,
         false},
        {{1, 0, 1, 1, .packs = 2, .packs_there = 2}, 0, true},
        {{1, 0, 1, 1, .packs = 2, .packs_there = 1}, 0, false},
        {{1, 0, 1, 1, .packs = 1, .packs_there = 2}, 0, false},
        {{1, 0, 1, 1, .packs = KS_INDEX_PACKS_MAX + 1}, 0, false},
        {{1, 0, 1, 1, .packs = UINT64_MAX}, 0, false},
        {{1, 0, 1, 1, .fences_there = 1}, 0, false},
        {{1, 0, 1, 1, .more = 1}, 0, false},
        {{1, .entries = 1, .snapshots = 1, .snapshots_there = 1}, 65536, false},
        {{1, 1, 1, 1, .fences_there = 1}, 65536, true},
        {{1, 1, 1, 1, .fences_there = 1}, 65535, false},
        {{1, 744, 1, 1, .fences_there = 1}, 65536, true},
        {{1, 745, 1, 1, .fences_there = 1}, 65536, false},
        {{1, 745, 1, 1, .fences_there = 2}, 131072, true},
        {{1, 111600, 1, 1, .fences_there = 150}, 9830400, true},
        {{1, 111601, 1, 1, .fences_there = 151}, 9895936, false},
        {{1, UINT64_MAX, 1, 1, .fences_there = 1}, 65536, false},
    };
    struct ks_buf tail;
    struct engine e;

    (void)unused;
    engine_open(&e);
    ks_buf_init(&tail, KS_OBJECT_MAX);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_tail(&tail, &cases[i].tail);
        if (is_used(&e, cases[i].front, ks_buf_bytes(&tail),
                    (uint32_t)tail.len) != cases[i].used)
            fail_msg("case %zu", i);
    }
    ks_buf_wipe(&tail);
    engine_close(&e);
}

static void
a_tail_cut_anywhere_is_refused(void **unused)
{
    static const struct tail_says says = {1, 1, 2, 2, 0, 0, 2, 2, 1, 0};
    struct ks_buf tail;
    struct engine e;

    (void)unused;
    engine_open(&e);
    ks_buf_init(&tail, KS_OBJECT_MAX);
    put_tail(&tail, &says);
    assert_true(is_used(&e, 65536, ks_buf_bytes(&tail), (uint32_t)tail.len));
    for (size_t n = 0; n < tail.len; n++)
        assert_false(
            is_used(&e, 65536, (struct ks_bytes){tail.data, n}, (uint32_t)n));
    /* Lengths that point elsewhere, and beyond. */
    assert_false(is_used(&e, 65536, ks_buf_bytes(&tail), 0));
    assert_false(is_used(&e, 65536, ks_buf_bytes(&tail), 1));
    assert_false(
        is_used(&e, 65536, ks_buf_bytes(&tail), (uint32_t)tail.len + 1));
    assert_false(is_used(&e, 0, ks_buf_bytes(&tail), (uint32_t)tail.len + 1));
    assert_false(is_used(&e, 65536, ks_buf_bytes(&tail), UINT32_MAX));
    ks_buf_wipe(&tail);
    engine_close(&e);
}

/* An entry that no pack table could have had. */
static void
an_impossible_entry_is_damage(void **unused)
{
    static const struct {
        size_t at;
        uint64_t value;
        size_t size;
        bool found;
    } cases[] = {{80, 2, 1, true},
                 {64, 1, 4, false},
                 {64, UINT32_MAX, 4, false},
                 {72, KS_CHUNK_MAX, 4, true},
                 {72, KS_CHUNK_MAX + 1, 4, false},
                 {76, KS_CHUNK_MAX, 4, true},
                 {76, KS_CHUNK_MAX + 1, 4, false},
                 {80, 0, 1, false},
                 {80, 5, 1, false},
                 {81, 3, 1, false}};
    static uint8_t plain[65536 + 128];
    struct engine e;

    (void)unused;
    engine_open(&e);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ks_pack_ref pack = engine_junk_pack(&e, 1, PACK_SIZE);
        struct ks_index *x = NULL;
        char name[KS_NAME_MAX + 1];
        struct ks_buf tail;
        struct ks_place place;
        bool found = true;

        memset(plain, 0, sizeof(plain));
        plain[80] = KS_CHUNK_BLOB;
        for (size_t b = 0; b < cases[i].size; b++)
            plain[cases[i].at + b] = (uint8_t)(cases[i].value >> (8 * b));
        ks_buf_init(&tail, 200);
        KIT_OK(ks_buf_append(&tail, "\1\1\1", 3, KIT_ERR));
        KIT_OK(ks_buf_append(&tail, run, 16, KIT_ERR));
        KIT_OK(ks_buf_append(&tail, "\0\1", 2, KIT_ERR));
        KIT_OK(ks_pack_ref_encode(&tail, &pack, KIT_ERR));
        KIT_OK(ks_buf_zeros(&tail, 8, KIT_ERR));
        KIT_OK(ks_buf_u32le(&tail, (uint32_t)tail.len, KIT_ERR));
        memcpy(plain + sizeof(plain) - tail.len, tail.data, tail.len);
        (void)engine_put_sealed(&e, KS_OBJ_INDEX, plain, sizeof(plain));
        KIT_OK(ks_index_open(&x, &e.cx, NULL, KIT_ERR));
        assert_true(ks_index_covers(x, run));
        KIT_OK(ks_index_find(x, plain, &place, &found, KIT_ERR));
        if (found != cases[i].found || ks_index_damaged(x) != (found ? 0U : 1U))
            fail_msg("case %zu", i);
        ks_index_close(x);
        ks_buf_wipe(&tail);
        kit_name(e.store, KS_DIR_INDEX, 0, name);
        kit_remove(e.store, name);
    }
    engine_close(&e);
}

/* Any one of the objects of a large fold: missing, damaged, or its put never
 * came. Then none of them counts, and the run is loose again. */
static void
a_fold_without_one_of_its_objects_covers_nothing(void **unused)
{
    struct engine e;
    struct ks_index *x = NULL;
    struct ks_pack_ref pack;
    struct ks_buf object;
    uint32_t number = 0;

    (void)unused;
    engine_open(&e);
    ks_buf_init(&object, KS_OBJECT_MAX);
    pack = engine_junk_pack(&e, 1, PACK_SIZE);
    KIT_OK(ks_index_open(&x, &e.cx, NULL, KIT_ERR));
    KIT_OK(ks_index_add_pack(x, &pack, &number, KIT_ERR));
    for (size_t i = 0; i < 2 * KS_INDEX_ENTRIES_MAX + 1; i++) {
        struct ks_entry entry = engine_entry(i);
        KIT_OK(ks_index_add(x, number, &entry, KIT_ERR));
    }
    KIT_OK(ks_index_add_run(x, run, KIT_ERR));
    KIT_OK(ks_index_fold(x, KIT_ERR));
    ks_index_close(x);
    assert_int_equal(kit_count(e.store, KS_DIR_INDEX), 3);
    for (size_t i = 0; i < 3; i++) {
        struct ks_entry entry = engine_entry(i);
        char name[KS_NAME_MAX + 1];

        kit_name(e.store, KS_DIR_INDEX, i, name);
        kit_read(e.store, name, &object);
        for (size_t damage = 0; damage < 3; damage++) {
            bool there = damage == 2;

            if (damage == 0)
                kit_remove(e.store, name);
            object.data[60] ^= damage == 1;
            if (damage > 0)
                kit_write(e.store, name, object.data, object.len);
            object.data[60] ^= damage == 1;
            KIT_OK(ks_index_open(&x, &e.cx, NULL, KIT_ERR));
            assert_int_equal(ks_index_covers(x, run), there);
            assert_int_equal(ks_index_pack_state(x, 0).claimed, there);
            assert_int_equal(ks_index_damaged(x), damage == 1);
            if (there)
                engine_expect(x, &pack, &entry);
            else
                engine_expect_none(x, entry.id);
            ks_index_close(x);
        }
    }
    ks_buf_wipe(&object);
    engine_close(&e);
}

/* A vault of some nights, by captures; 0 to 15 are folded, 16 is loose. */
struct nights {
    struct workdir here;
    struct vault_fixture f;
    struct story s;
    struct ks_snapshots all;
};

static void
nights_pass(struct nights *n)
{
    struct ks_snapshot_info info;

    workdir_make(&n->here);
    fixture_create(&n->f, NULL, workdir_path(&n->here, "state"));
    story_begin(&n->s, 5, 1500, 2);
    for (int night = 0; night < 17; night++) {
        struct ks_snapshot_writer *w = fixture_begin(&n->f);

        story_tell(&n->s, w);
        fixture_commit(w, &info);
        ks_snapshot_info_wipe(&info);
        if (night < 16)
            story_night(&n->s, 5, 2, 2);
    }
    memset(&n->all, 0, sizeof(n->all));
    KIT_OK(ks_snapshots_read(n->f.vault, &n->all, KIT_ERR));
    assert_int_equal(n->all.count, 17);
    assert_int_equal(kit_count(n->f.store, KS_DIR_INDEX), 1);
}

static void
nights_end(struct nights *n)
{
    ks_snapshots_free(&n->all);
    story_end(&n->s);
    fixture_close(&n->f);
    workdir_remove(&n->here);
}

static void
damage_object(struct ks_store *store, const char *name, size_t at)
{
    struct ks_buf object;

    ks_buf_init(&object, KS_OBJECT_MAX);
    kit_read(store, name, &object);
    assert_true(at < object.len);
    object.data[at] ^= 1;
    kit_write(store, name, object.data, object.len);
    ks_buf_wipe(&object);
}

/* Capture the same once more: nothing may be stored again. */
static void
expect_nothing_new(struct nights *n)
{
    struct ks_snapshot_writer *w = fixture_begin(&n->f);
    size_t packs = kit_count(n->f.store, KS_DIR_PACKS);
    struct ks_snapshot_info info;

    story_tell(&n->s, w);
    fixture_commit(w, &info);
    assert_int_equal(info.new_records, 0);
    assert_int_equal(info.new_blobs, 0);
    assert_int_equal(kit_count(n->f.store, KS_DIR_PACKS), packs);
    ks_snapshot_info_wipe(&info);
}

/* In its entries, its tail, or gone altogether. */
static void
a_vault_whose_index_is_damaged_is_whole(void **unused)
{
    (void)unused;
    for (int how = 0; how < 3; how++) {
        char name[KS_NAME_MAX + 1];
        struct nights n;
        uint64_t size = 0;

        nights_pass(&n);
        kit_name(n.f.store, KS_DIR_INDEX, 0, name);
        KIT_OK(ks_store_stat(n.f.store, name, &size, KIT_ERR));
        if (how == 2)
            kit_remove(n.f.store, name);
        else
            damage_object(n.f.store, name, how == 0 ? 1000 : (size_t)size - 30);
        story_compare(&n.s, n.f.vault, &n.all.list[16]);
        expect_nothing_new(&n);
        nights_end(&n);
    }
}

/* The first one brought nearly everything that the later ones consist of. */
static void
a_damaged_snapshot_takes_no_other_with_it(void **unused)
{
    struct ks_snapshot_info info;
    struct workdir here;
    struct vault_fixture f;
    struct story s;

    (void)unused;
    for (int how = 0; how < 2; how++) {
        struct ks_snapshot_writer *w;
        struct ks_snapshots all = {0};
        struct ks_index *x = NULL;
        char name[KS_NAME_MAX + 1];
        uint8_t root[32];

        workdir_make(&here);
        fixture_create(&f, NULL, workdir_path(&here, "state"));
        story_begin(&s, 6, 1500, 2);
        w = fixture_begin(&f);
        story_tell(&s, w);
        fixture_commit(w, &info);
        ks_object_name(name, KS_DIR_SNAPSHOTS, info.id);
        memcpy(root, info.root, 32);
        ks_snapshot_info_wipe(&info);
        story_night(&s, 5, 2, 2);
        w = fixture_begin(&f);
        story_tell(&s, w);
        fixture_commit(w, &info);
        if (how == 0)
            damage_object(f.store, name, 1000);
        else
            kit_remove(f.store, name);
        KIT_OK(ks_snapshots_read(f.vault, &all, KIT_ERR));
        assert_int_equal(all.count, 1);
        assert_int_equal(all.damaged, how == 0);
        story_compare(&s, f.vault, &info);
        /* A writer must know, too, what only the damaged one told. */
        KIT_OK(ks_snapshots_index(&x, f.vault, NULL, KIT_ERR));
        if (how == 0) {
            struct ks_place place;
            bool found = false;

            KIT_OK(ks_index_find(x, root, &place, &found, KIT_ERR));
            assert_true(found);
        }
        ks_index_close(x);
        ks_snapshots_free(&all);
        ks_snapshot_info_wipe(&info);
        story_end(&s);
        fixture_close(&f);
        workdir_remove(&here);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_byte_flipped_is_noticed),
        cmocka_unit_test(cut_anywhere_it_is_noticed),
        cmocka_unit_test(a_tail_is_taken_only_if_it_is_exact),
        cmocka_unit_test(a_tail_cut_anywhere_is_refused),
        cmocka_unit_test(an_impossible_entry_is_damage),
        cmocka_unit_test(a_fold_without_one_of_its_objects_covers_nothing),
        cmocka_unit_test(a_vault_whose_index_is_damaged_is_whole),
        cmocka_unit_test(a_damaged_snapshot_takes_no_other_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
