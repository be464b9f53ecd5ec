/*
 * vault/chunk: names that anybody with the key can recompute; forms that give
 * the bytes back; deltas only where they are worth it.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "chance.h"
#include "check.h"
#include "vault/chunk.h"
#include "vaultkit.h"
#include "vectors.h"

static const struct ks_bytes no_base = {NULL, 0};
static struct ks_chunk_codec *codec;
static uint8_t plain[KS_CHUNK_MAX + 1];
static uint8_t base[KS_CHUNK_MAX];
static uint8_t back[KS_CHUNK_MAX + 1];

static int
codec_up(void **unused)
{
    (void)unused;
    KIT_OK(ks_chunk_codec_open(&codec, KIT_ERR));
    return 0;
}

static int
codec_down(void **unused)
{
    (void)unused;
    ks_chunk_codec_close(codec);
    ks_chunk_codec_close(NULL);
    return 0;
}

static void
ids_are_as_the_vectors_say(void **unused)
{
    struct vectors *v = vectors_open("chunk.txt");

    (void)unused;
    while (vectors_next(v)) {
        enum ks_chunk_kind kind = (enum ks_chunk_kind)vectors_number(v, "kind");
        struct ks_bytes content = {plain, 0};
        struct ks_hmac keyed;
        uint8_t key[32];
        uint8_t want[32];
        uint8_t have[32];

        vectors_bytes(v, "id_key", key, sizeof(key));
        vectors_bytes(v, "id", want, sizeof(want));
        if (vectors_has(v, "plain")) {
            content.len = vectors_hex(v, "plain", plain, sizeof(plain));
        } else {
            content.len = vectors_number(v, "plain_len");
            for (size_t i = 0; i < content.len; i++)
                plain[i] = vectors_pattern(i);
        }
        ks_hmac_init(&keyed, key, sizeof(key));
        ks_chunk_id(have, &keyed, kind, content);
        assert_memory_equal(have, want, sizeof(want));
    }
    assert_int_equal(vectors_close(v), 26);
}

/* Words, so that it compresses; or noise. */
static void
fill(uint8_t *out, size_t len, bool noise, uint64_t seed)
{
    struct chance c = {seed};

    if (noise)
        chance_fill(&c, out, len);
    for (size_t i = 0; !noise && i < len; i++)
        out[i] = (uint8_t)((size_t) "receipt delivered "[i % 18] + i / 977 % 3);
}

static struct ks_stored
encode(enum ks_chunk_kind kind, size_t len, struct ks_bytes on)
{
    struct ks_stored stored;

    KIT_OK(ks_chunk_encode(codec, kind, (struct ks_bytes){plain, len}, on,
                           &stored, KIT_ERR));
    return stored;
}

static void
expect_back(const struct ks_stored *stored, struct ks_bytes on, size_t len)
{
    memset(back, 0xaa, sizeof(back));
    KIT_OK(ks_chunk_decode(codec, stored, on, back, len, KIT_ERR));
    assert_memory_equal(back, plain, len);
    assert_int_equal(back[len], 0xaa);
}

static void
every_form_gives_the_bytes_back(void **unused)
{
    static const size_t sizes[] = {
        0, 1, 2, 100, 12287, 24575, 24576, 262144, 262145, 1048575, 1048576};

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned kind = KS_CHUNK_RECORDS; kind <= KS_CHUNK_LIST; kind++) {
            for (int noise = 0; noise < 2; noise++) {
                size_t len = sizes[i];
                struct ks_bytes on = {base, len};
                struct ks_stored stored;

                fill(plain, len, noise, 1);
                stored = encode((enum ks_chunk_kind)kind, len, no_base);
                assert_true(stored.bytes.len <= len);
                assert_int_not_equal(stored.form, KS_FORM_DELTA);
                assert_true((stored.form == KS_FORM_RAW) ==
                            (stored.bytes.len == len));
                expect_back(&stored, no_base, len);
                memcpy(base, plain, len);
                if (len > 3)
                    plain[len / 2] ^= 1;
                stored = encode((enum ks_chunk_kind)kind, len, on);
                expect_back(&stored, on, len);
            }
        }
    }
}

static void
what_compresses_is_compressed_and_what_does_not_stays_raw(void **unused)
{
    (void)unused;
    fill(plain, 300000, false, 0);
    assert_int_equal(encode(KS_CHUNK_RECORDS, 300000, no_base).form,
                     KS_FORM_ZSTD);
    assert_int_equal(encode(KS_CHUNK_BLOB, 300000, no_base).form, KS_FORM_ZSTD);
    assert_int_equal(encode(KS_CHUNK_LIST, 300000, no_base).form, KS_FORM_ZSTD);
    assert_int_equal(encode(KS_CHUNK_PIECES, 300000, no_base).form,
                     KS_FORM_RAW);
    fill(plain, 300000, true, 5);
    assert_int_equal(encode(KS_CHUNK_RECORDS, 300000, no_base).form,
                     KS_FORM_RAW);
    assert_int_equal(encode(KS_CHUNK_BLOB, 300000, no_base).form, KS_FORM_RAW);
}

/* From nothing changed to all changed: a delta as long as it is at most 35 %
 * of what the chunk takes alone, and never beyond. */
static void
a_delta_is_kept_only_if_it_is_small(void **unused)
{
    const size_t len = 100000;
    struct ks_bytes on = {base, len};
    size_t deltas = 0;
    size_t wholes = 0;

    (void)unused;
    fill(base, len, true, 9);
    for (size_t i = 0; i < len; i++)
        base[i] = (uint8_t) "etaoin shrdlu"[base[i] % 13];
    for (size_t changed = 0; changed <= len; changed += 4000) {
        struct ks_stored alone;
        struct ks_stored stored;
        size_t alone_len;
        struct chance c = {changed + 1};

        memcpy(plain, base, len);
        for (size_t i = 0; i < changed; i++)
            plain[i] = (uint8_t) "etaoin shrdlu"[chance_below(&c, 13)];
        alone = encode(KS_CHUNK_RECORDS, len, no_base);
        alone_len = alone.bytes.len;
        stored = encode(KS_CHUNK_RECORDS, len, on);
        if (stored.form == KS_FORM_DELTA) {
            assert_true(stored.bytes.len * 100 <= alone_len * KS_DELTA_PERCENT);
            deltas++;
        } else {
            assert_int_equal(stored.bytes.len, alone_len);
            wholes++;
        }
        expect_back(&stored, on, len);
    }
    assert_true(deltas >= 5);
    assert_true(wholes >= 5);
}

static void
a_delta_refers_to_a_base_of_any_size(void **unused)
{
    static const size_t sizes[] = {0, 1, 8, 70000, KS_CHUNK_MAX};

    (void)unused;
    fill(base, KS_CHUNK_MAX, true, 3);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ks_bytes on = {base, sizes[i]};
        struct ks_stored stored;

        memcpy(plain, base, KS_CHUNK_MAX);
        stored = encode(KS_CHUNK_RECORDS, KS_CHUNK_MAX, on);
        assert_int_equal(stored.form == KS_FORM_DELTA,
                         sizes[i] == KS_CHUNK_MAX);
        expect_back(&stored, on, KS_CHUNK_MAX);
    }
}

/* KS_E_CORRUPT, or bytes that are as many as they should be: the id tells
 * then. Nothing is written beyond them. */
static void
expect_no_harm(const struct ks_stored *stored, struct ks_bytes on, size_t len)
{
    struct ks_err err = KS_ERR_INIT;
    int rc;

    memset(back, 0xaa, len + 1);
    rc = ks_chunk_decode(codec, stored, on, back, len, &err);
    if (rc != KS_OK && (rc != KS_E_CORRUPT || err.msg[0] == '\0'))
        fail_msg("%d: %s", rc, err.msg);
    assert_int_equal(back[len], 0xaa);
}

static void
damaged_forms_do_no_harm(void **unused)
{
    static const enum ks_chunk_form forms[] = {KS_FORM_RAW, KS_FORM_ZSTD,
                                               KS_FORM_DELTA};
    const size_t len = 3000;
    struct ks_bytes on = {base, len};

    (void)unused;
    fill(base, len, true, 1);
    for (size_t f = 0; f < 3; f++) {
        uint8_t bytes[3000];
        struct ks_stored stored = {forms[f], {bytes, 0}};
        struct ks_stored made;

        memcpy(plain, base, len);
        fill(plain, len / 4, false, 0);
        if (forms[f] == KS_FORM_ZSTD)
            fill(plain, len, false, 0);
        made =
            encode(forms[f] == KS_FORM_RAW ? KS_CHUNK_PIECES : KS_CHUNK_RECORDS,
                   len, forms[f] == KS_FORM_DELTA ? on : no_base);
        assert_int_equal(made.form, forms[f]);
        memcpy(bytes, made.bytes.ptr, made.bytes.len);
        for (size_t n = 0; n < made.bytes.len; n++) {
            stored.bytes.len = n;
            KIT_FAILS(KS_E_CORRUPT,
                      ks_chunk_decode(codec, &stored, on, back, len, KIT_ERR));
        }
        stored.bytes.len = made.bytes.len;
        for (size_t at = 0; at < made.bytes.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes[at] ^= (uint8_t)(1 << bit);
                expect_no_harm(&stored, on, len);
                bytes[at] ^= (uint8_t)(1 << bit);
            }
        }
        expect_back(&stored, on, len);
    }
}

static void
another_length_than_was_said_is_damage(void **unused)
{
    static const enum ks_chunk_kind kinds[] = {KS_CHUNK_PIECES,
                                               KS_CHUNK_RECORDS};
    const size_t len = 5000;

    (void)unused;
    fill(plain, len, false, 0);
    for (size_t k = 0; k < 2; k++) {
        struct ks_stored stored = encode(kinds[k], len, no_base);

        KIT_FAILS(KS_E_CORRUPT, ks_chunk_decode(codec, &stored, no_base, back,
                                                len - 1, KIT_ERR));
        KIT_FAILS(KS_E_CORRUPT, ks_chunk_decode(codec, &stored, no_base, back,
                                                len + 1, KIT_ERR));
        KIT_FAILS(KS_E_CORRUPT,
                  ks_chunk_decode(codec, &stored, no_base, back, 0, KIT_ERR));
        KIT_FAILS(KS_E_CORRUPT, ks_chunk_decode(codec, &stored, no_base, back,
                                                KS_CHUNK_MAX, KIT_ERR));
    }
}

static void
a_delta_on_another_base_does_no_harm(void **unused)
{
    const size_t len = 5000;
    struct ks_bytes on = {base, len};
    struct ks_stored stored;

    (void)unused;
    fill(base, len, true, 1);
    memcpy(plain, base, len);
    plain[77] ^= 1;
    stored = encode(KS_CHUNK_RECORDS, len, on);
    assert_int_equal(stored.form, KS_FORM_DELTA);
    base[200] ^= 1;
    expect_no_harm(&stored, on, len);
    for (size_t n = 0; n < len; n += 499)
        expect_no_harm(&stored, (struct ks_bytes){base, n}, len);
    expect_no_harm(&stored, no_base, len);
}

/* A frame that asks for more memory than any of ours would gets none. */
static void
a_frame_with_a_huge_window_does_no_harm(void **unused)
{
    static uint8_t frame[KS_CHUNK_MAX];
    ZSTD_CCtx *c = ZSTD_createCCtx();
    struct ks_stored stored = {KS_FORM_ZSTD, {frame, 0}};
    ZSTD_outBuffer out = {frame, sizeof(frame), 0};
    ZSTD_inBuffer in = {plain, 1000, 0};

    (void)unused;
    assert_non_null(c);
    fill(plain, 1000, false, 0);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 27);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    /* Streamed, so that the window is not cut to the content. */
    assert_false(
        ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush)));
    assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    stored.bytes.len = out.pos;
    expect_no_harm(&stored, no_base, 1000);
    (void)ZSTD_freeCCtx(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_as_the_vectors_say),
        cmocka_unit_test(every_form_gives_the_bytes_back),
        cmocka_unit_test(
            what_compresses_is_compressed_and_what_does_not_stays_raw),
        cmocka_unit_test(a_delta_is_kept_only_if_it_is_small),
        cmocka_unit_test(a_delta_refers_to_a_base_of_any_size),
        cmocka_unit_test(damaged_forms_do_no_harm),
        cmocka_unit_test(another_length_than_was_said_is_damage),
        cmocka_unit_test(a_delta_on_another_base_does_no_harm),
        cmocka_unit_test(a_frame_with_a_huge_window_does_no_harm),
    };

    return cmocka_run_group_tests(tests, codec_up, codec_down);
}
