#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chance.h"
#include "check.h"
#include "crypto/seal.h"
#include "vault/keyring.h"
#include "vaultkit.h"
#include "vectors.h"

struct bench {
    struct ks_store *store;
    struct ks_keyring *keys;
    struct ks_object_context cx;
    struct ks_buf sealed;
    struct ks_buf content;
    uint8_t id[16];
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->store = kit_memory();
    b->keys = kit_keyring(2);
    b->cx = kit_context(b->store, b->keys);
    ks_buf_init(&b->sealed, KS_OBJECT_MAX);
    ks_buf_init(&b->content, KS_OBJECT_CONTENT_MAX);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_buf_wipe(&b->sealed);
    ks_buf_wipe(&b->content);
    ks_keyring_free(b->keys);
    ks_store_close(b->store);
    free(b);
    return 0;
}

static struct ks_bytes
pattern(struct ks_buf *buf, size_t len)
{
    ks_buf_reset(buf);
    KIT_OK(ks_buf_zeros(buf, len, KIT_ERR));
    for (size_t i = 0; i < len; i++)
        buf->data[i] = vectors_pattern(i);
    return ks_buf_bytes(buf);
}

static void
seal_pattern(struct bench *b, enum ks_object_kind kind, size_t len)
{
    struct ks_buf plain;

    ks_buf_init(&plain, KS_OBJECT_CONTENT_MAX + 1);
    KIT_OK(ks_object_seal(&b->cx, kind, pattern(&plain, len), &b->sealed, b->id,
                          KIT_ERR));
    ks_buf_wipe(&plain);
}

static int
unseal(struct bench *b, enum ks_object_kind kind, size_t len)
{
    struct ks_err err = KS_ERR_INIT;
    int rc = ks_object_unseal(
        &b->cx, kind, (struct ks_bytes){.ptr = b->sealed.data, .len = len},
        &b->content, &err);

    assert_int_equal(rc, err.code);
    return rc;
}

static void
assert_pattern(const struct ks_buf *buf, size_t len)
{
    assert_int_equal(buf->len, len);
    for (size_t i = 0; i < len; i++) {
        if (buf->data[i] != vectors_pattern(i))
            fail_msg("byte %zu is another", i);
    }
}

static void
padding_is_that_of_the_paper(void **state)
{
    /* Padme: E = floor(log2 L), S = floor(log2 E) + 1, the last E - S bits of
     * the length are rounded up to zero. */
    static const size_t pairs[][2] = {
        {0, 4096},
        {1, 4096},
        {4095, 4096},
        {4096, 4096},
        {4097, 4352},
        {4352, 4352},
        {4353, 4608},
        {8191, 8192},
        {8192, 8192},
        {8193, 8704},
        {65535, 65536},
        {65536, 65536},
        {65537, 67584},
        {1000000, 1015808},
        {1 << 20, 1 << 20},
        {10000000, 10223616},
        {(48 << 20) + 4, 51380224},
        {(size_t)64 << 20, (size_t)64 << 20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_int_equal(ks_padded(pairs[i][0]), pairs[i][1]);
    for (size_t len = 1; len < 300000; len += 37) {
        size_t padded = ks_padded(len);

        assert_true(padded >= len);
        assert_int_equal(ks_padded(padded), padded);
        if (len > 4096)
            assert_true(padded - len <= len / 8);
    }
}

static void
content_of_every_border_length_comes_back(void **state)
{
    static const size_t lengths[] = {
        0,     1,     4091,  4092,   4093,   65531,
        65532, 65533, 65536, 131068, 131072, 300001,
    };
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        seal_pattern(b, KS_OBJ_SNAPSHOT, lengths[i]);
        assert_int_equal(b->sealed.len,
                         ks_seal_room(ks_padded(lengths[i] + 4)));
        assert_int_equal(unseal(b, KS_OBJ_SNAPSHOT, b->sealed.len), KS_OK);
        assert_pattern(&b->content, lengths[i]);
    }
}

static void
the_largest_content_is_48_mib(void **state)
{
    struct bench *b = *state;
    struct ks_buf plain;

    ks_buf_init(&plain, KS_OBJECT_CONTENT_MAX + 1);
    seal_pattern(b, KS_OBJ_SNAPSHOT, KS_OBJECT_CONTENT_MAX);
    assert_true(b->sealed.len <= KS_OBJECT_MAX);
    assert_int_equal(unseal(b, KS_OBJ_SNAPSHOT, b->sealed.len), KS_OK);
    assert_pattern(&b->content, KS_OBJECT_CONTENT_MAX);
    KIT_FAILS(KS_E_LIMIT,
              ks_object_seal(&b->cx, KS_OBJ_SNAPSHOT,
                             pattern(&plain, KS_OBJECT_CONTENT_MAX + 1),
                             &b->sealed, b->id, KIT_ERR));
    ks_buf_wipe(&plain);
}

static void
control_objects_are_of_no_epoch_and_others_of_the_current_one(void **state)
{
    static const uint8_t none[8];
    struct bench *b = *state;

    for (int kind = KS_OBJ_PACK; kind <= KS_OBJ_STATE; kind++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_seal_header header;

        seal_pattern(b, (enum ks_object_kind)kind, 10);
        assert_int_equal(ks_seal_parse_header(&header, b->sealed.data, &err),
                         KS_OK);
        assert_int_equal(header.kind, kind);
        assert_memory_equal(
            header.epoch_id,
            kind >= KS_OBJ_NOTE ? none : ks_keyring_current(b->keys), 8);
    }
}

static void
an_older_epoch_still_opens_and_a_foreign_one_says_so(void **state)
{
    struct bench *b = *state;
    struct ks_keyring *older = kit_keyring(1);
    struct ks_keyring *other = NULL;

    b->cx.keys = older;
    seal_pattern(b, KS_OBJ_SNAPSHOT, 100);
    b->cx.keys = b->keys;
    assert_int_equal(unseal(b, KS_OBJ_SNAPSHOT, b->sealed.len), KS_OK);
    assert_pattern(&b->content, 100);

    KIT_OK(ks_keyring_generate(&other, KIT_ERR));
    b->cx.keys = other;
    KIT_SAYS(KS_E_CORRUPT, "key",
             ks_object_unseal(&b->cx, KS_OBJ_SNAPSHOT, ks_buf_bytes(&b->sealed),
                              &b->content, KIT_ERR));
    b->cx.keys = b->keys;
    ks_keyring_free(other);
    ks_keyring_free(older);
}

static void
another_kind_vault_or_key_is_damage(void **state)
{
    struct bench *b = *state;
    struct ks_keyring *other = NULL;

    seal_pattern(b, KS_OBJ_NOTE, 100);
    assert_int_equal(unseal(b, KS_OBJ_MARK, b->sealed.len), KS_E_CORRUPT);
    b->sealed.data[10] = KS_OBJ_MARK; /* the header's kind */
    assert_int_equal(unseal(b, KS_OBJ_MARK, b->sealed.len), KS_E_CORRUPT);
    b->sealed.data[10] = KS_OBJ_NOTE;
    b->cx.vault_id[3] ^= 1;
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_E_CORRUPT);
    b->cx.vault_id[3] ^= 1;
    KIT_OK(ks_keyring_generate(&other, KIT_ERR));
    b->cx.keys = other;
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_E_CORRUPT);
    b->cx.keys = b->keys;
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_OK);
    ks_keyring_free(other);
}

static void
client_state_is_not_under_the_control_key_itself(void **state)
{
    struct bench *b = *state;
    struct ks_seal_binding binding = {.kind = KS_OBJ_STATE};
    struct ks_opener *opener = NULL;

    memcpy(binding.vault_id, kit_vault_id, 16);
    seal_pattern(b, KS_OBJ_STATE, 10);
    KIT_FAILS(KS_E_WRONG_KEY,
              ks_opener_open(&opener, b->sealed.data,
                             ks_keyring_control(b->keys), &binding, KIT_ERR));
    assert_int_equal(unseal(b, KS_OBJ_STATE, b->sealed.len), KS_OK);
}

static void
every_flipped_byte_and_every_cut_is_damage(void **state)
{
    struct bench *b = *state;

    seal_pattern(b, KS_OBJ_NOTE, 50);
    for (size_t at = 0; at < b->sealed.len; at++) {
        int rc;

        b->sealed.data[at] ^= 0x10;
        rc = unseal(b, KS_OBJ_NOTE, b->sealed.len);
        assert_true(rc == KS_E_CORRUPT ||
                    (rc == KS_E_UNSUPPORTED && (at == 8 || at == 9)));
        b->sealed.data[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < b->sealed.len; cut++)
        assert_int_equal(unseal(b, KS_OBJ_NOTE, cut), KS_E_CORRUPT);
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_OK);
}

static void
flips_and_cuts_of_a_large_object_are_damage(void **state)
{
    struct bench *b = *state;
    struct chance c = chance_start("object");

    seal_pattern(b, KS_OBJ_SNAPSHOT, 200000);
    for (int i = 0; i < 200; i++) {
        size_t at = chance_below(&c, b->sealed.len);
        uint8_t flip = (uint8_t)(1 + chance_below(&c, 255));

        b->sealed.data[at] ^= flip;
        assert_true(unseal(b, KS_OBJ_SNAPSHOT, b->sealed.len) < 0);
        b->sealed.data[at] ^= flip;
        assert_int_equal(unseal(b, KS_OBJ_SNAPSHOT, at), KS_E_CORRUPT);
    }
}

/* Seal `plain` as it is, length field and padding included. */
static void
seal_plain(struct bench *b, const uint8_t *plain, size_t len)
{
    struct ks_seal_in in = {.key = ks_keyring_control(b->keys),
                            .salt = plain,
                            .suite = ks_seal_default_suite(),
                            .binding.kind = KS_OBJ_NOTE};

    memcpy(in.binding.vault_id, kit_vault_id, 16);
    ks_buf_reset(&b->sealed);
    KIT_OK(ks_buf_zeros(&b->sealed, ks_seal_room(len), KIT_ERR));
    for (size_t i = 0; i < len; i++)
        b->sealed.data[ks_seal_at(i)] = plain[i];
    KIT_OK(ks_seal(b->sealed.data, len, &in, b->id, KIT_ERR));
}

static void
a_content_longer_than_its_object_is_damage(void **state)
{
    struct bench *b = *state;
    uint8_t plain[64] = {60, 0, 0, 0};

    seal_plain(b, plain, sizeof(plain));
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_OK);
    assert_int_equal(b->content.len, 60);
    plain[0] = 61;
    seal_plain(b, plain, sizeof(plain));
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_E_CORRUPT);
    plain[3] = 0xff;
    seal_plain(b, plain, sizeof(plain));
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_E_CORRUPT);
    assert_int_equal(b->content.len, 60); /* as it was */
}

static void
padding_that_is_not_zero_is_damage(void **state)
{
    struct bench *b = *state;
    uint8_t plain[64] = {59, 0, 0, 0};

    plain[63] = 1;
    seal_plain(b, plain, sizeof(plain));
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_E_CORRUPT);
    plain[0] = 60;
    seal_plain(b, plain, sizeof(plain));
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_OK);
}

static void
an_object_too_short_for_a_length_is_damage(void **state)
{
    struct bench *b = *state;
    uint8_t plain[64] = {0};

    for (size_t len = 1; len < 4; len++) {
        seal_plain(b, plain, len);
        assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_E_CORRUPT);
    }
    seal_plain(b, plain, 4);
    assert_int_equal(unseal(b, KS_OBJ_NOTE, b->sealed.len), KS_OK);
    assert_int_equal(b->content.len, 0);
}

static void
more_than_the_caller_has_room_for_is_a_limit(void **state)
{
    struct bench *b = *state;
    struct ks_buf small;

    ks_buf_init(&small, 99);
    seal_pattern(b, KS_OBJ_NOTE, 100);
    KIT_FAILS(KS_E_LIMIT,
              ks_object_unseal(&b->cx, KS_OBJ_NOTE, ks_buf_bytes(&b->sealed),
                               &small, KIT_ERR));
    assert_int_equal(small.max, 99);
    ks_buf_wipe(&small);
    ks_buf_init(&small, 100);
    KIT_OK(ks_object_unseal(&b->cx, KS_OBJ_NOTE, ks_buf_bytes(&b->sealed),
                            &small, KIT_ERR));
    assert_pattern(&small, 100);
    assert_int_equal(small.max, 100);
    ks_buf_wipe(&small);
}

/* Store what was just sealed under `folder`/<its id>; name gets that. */
static void
store_sealed(struct bench *b, const char *folder, char *name)
{
    ks_object_name(name, folder, b->id);
    kit_write(b->store, name, b->sealed.data, b->sealed.len);
}

static void
an_object_is_got_by_its_own_name_only(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    seal_pattern(b, KS_OBJ_NOTE, 77);
    store_sealed(b, "notes", name);
    KIT_OK(ks_object_get(&b->cx, KS_OBJ_NOTE, name, &b->content, KIT_ERR));
    assert_pattern(&b->content, 77);
    b->id[0] ^= 1;
    store_sealed(b, "notes", name);
    KIT_SAYS(KS_E_CORRUPT, name,
             ks_object_get(&b->cx, KS_OBJ_NOTE, name, &b->content, KIT_ERR));
    b->id[0] ^= 2;
    ks_object_name(name, "notes", b->id);
    KIT_FAILS(KS_E_NOTFOUND,
              ks_object_get(&b->cx, KS_OBJ_NOTE, name, &b->content, KIT_ERR));
}

static void
what_is_named_after_a_writer_needs_no_name_of_its_own(void **state)
{
    struct bench *b = *state;

    seal_pattern(b, KS_OBJ_ACK, 25);
    kit_write(b->store, "acks/some.body", b->sealed.data, b->sealed.len);
    KIT_OK(ks_object_get(&b->cx, KS_OBJ_ACK, "acks/some.body", &b->content,
                         KIT_ERR));
    assert_pattern(&b->content, 25);
}

static void
reading_whole_objects_keeps_to_the_maximum(void **state)
{
    struct bench *b = *state;

    kit_write(b->store, "vault", "0123456789", 10);
    KIT_OK(ks_object_read(b->store, "vault", 10, &b->content, KIT_ERR));
    assert_int_equal(b->content.len, 10);
    assert_memory_equal(b->content.data, "0123456789", 10);
    KIT_SAYS(KS_E_LIMIT, "vault",
             ks_object_read(b->store, "vault", 9, &b->content, KIT_ERR));
    KIT_FAILS(KS_E_NOTFOUND,
              ks_object_read(b->store, "vault.2", 9, &b->content, KIT_ERR));
    kit_write(b->store, "vault.2", "", 0);
    KIT_OK(ks_object_read(b->store, "vault.2", 9, &b->content, KIT_ERR));
    assert_int_equal(b->content.len, 0);
}

static void
the_same_content_never_gives_the_same_object(void **state)
{
    struct bench *b = *state;
    uint8_t first[16];

    seal_pattern(b, KS_OBJ_NOTE, 10);
    memcpy(first, b->id, sizeof(first));
    seal_pattern(b, KS_OBJ_NOTE, 10);
    assert_memory_not_equal(first, b->id, sizeof(first));
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_is_that_of_the_paper),
        BENCH_TEST(content_of_every_border_length_comes_back),
        BENCH_TEST(the_largest_content_is_48_mib),
        BENCH_TEST(
            control_objects_are_of_no_epoch_and_others_of_the_current_one),
        BENCH_TEST(an_older_epoch_still_opens_and_a_foreign_one_says_so),
        BENCH_TEST(another_kind_vault_or_key_is_damage),
        BENCH_TEST(client_state_is_not_under_the_control_key_itself),
        BENCH_TEST(every_flipped_byte_and_every_cut_is_damage),
        BENCH_TEST(flips_and_cuts_of_a_large_object_are_damage),
        BENCH_TEST(a_content_longer_than_its_object_is_damage),
        BENCH_TEST(padding_that_is_not_zero_is_damage),
        BENCH_TEST(an_object_too_short_for_a_length_is_damage),
        BENCH_TEST(more_than_the_caller_has_room_for_is_a_limit),
        BENCH_TEST(an_object_is_got_by_its_own_name_only),
        BENCH_TEST(what_is_named_after_a_writer_needs_no_name_of_its_own),
        BENCH_TEST(reading_whole_objects_keeps_to_the_maximum),
        BENCH_TEST(the_same_content_never_gives_the_same_object),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
