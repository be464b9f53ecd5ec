/*
 * Protocol Buffers by hand, and what kind a frame is.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "check.h"
#include "source/signal_v1/frame.h"
#include "source/signal_v1/wire.h"

#define PB(...)                                                                \
    ((struct ks_bytes){(const uint8_t[]){__VA_ARGS__},                         \
                       sizeof((const uint8_t[]){__VA_ARGS__})})

/* ---- wire ------------------------------------------------------------- */

static void
fields_of_every_wire_type_are_read(void **state)
{
    struct ks_bytes pb =
        PB(0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 'h', 'i',
           0x25, 1, 0, 0, 0x80, 0x82, 0x7d, 0);
    static const uint32_t numbers[] = {1, 2, 3, 4, 2000};
    static const uint64_t values[] = {150, 0x0807060504030201, 0, 0x80000001,
                                      0};
    struct ks_cursor c = ks_cursor_over(pb.ptr, pb.len);
    struct ks_wire_field f;
    size_t raw = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(ks_wire_next(&c, &f), KS_OK);
        assert_int_equal(f.number, numbers[i]);
        assert_int_equal(f.value, values[i]);
        assert_ptr_equal(f.raw.ptr, pb.ptr + raw);
        raw += f.raw.len;
        if (i == 2)
            assert_memory_equal(f.bytes.ptr, "hi", 2);
    }
    assert_int_equal(raw, pb.len);
    assert_int_equal(ks_wire_next(&c, &f), KS_END);
}

static void
broken_fields_are_refused_and_the_cursor_stays(void **state)
{
    const struct ks_bytes broken[] = {
        PB(0x08),       /* a tag alone */
        PB(0x08, 0x80), /* a varint cut */
        PB(0x80),       /* a tag cut */
        PB(0x00, 0x01), /* field 0 */
        PB(0x0b),       /* groups */
        PB(0x0c),       /* their ends */
        PB(0x0e, 0),    /* types that are none */
        PB(0x0f, 0),
        PB(0x0a, 2, 'x'), /* longer than what is there */
        PB(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
        PB(0x09, 1, 2, 3, 4, 5, 6, 7),
        PB(0x0d, 1, 2, 3),
        PB(0x80, 0x80, 0x80, 0x80, 0x10, 0), /* field 2^29 */
        PB(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        uint8_t *exact = malloc(broken[i].len); /* for the sanitizer */
        struct ks_cursor c;
        struct ks_wire_field f = {.number = 77};
        memcpy(exact, broken[i].ptr, broken[i].len);
        c = ks_cursor_over(exact, broken[i].len);
        if (ks_wire_next(&c, &f) != KS_E_FORMAT)
            fail_msg("case %zu", i);
        assert_int_equal(c.left, broken[i].len);
        assert_int_equal(f.number, 77);
        free(exact);
    }
}

static void
what_is_written_is_read_again(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_wire_field f;
        struct ks_cursor c;
        struct ks_buf buf;
        ks_buf_init(&buf, 100);
        assert_int_equal(ks_wire_put_int(&buf, 1, values[i], &err), KS_OK);
        assert_int_equal(ks_wire_put_bytes(&buf, 0x1fffffff, PB(1, 2), &err),
                         KS_OK);
        assert_int_equal(ks_wire_put_bytes(&buf, 2, (struct ks_bytes){0}, &err),
                         KS_OK);
        c = ks_cursor_over(buf.data, buf.len);
        assert_int_equal(ks_wire_next(&c, &f), KS_OK);
        assert_int_equal(f.value, values[i]);
        assert_int_equal(ks_wire_next(&c, &f), KS_OK);
        assert_int_equal(f.number, 0x1fffffff);
        assert_int_equal(f.bytes.len, 2);
        assert_int_equal(ks_wire_next(&c, &f), KS_OK);
        assert_int_equal(f.bytes.len, 0);
        assert_int_equal(ks_wire_next(&c, &f), KS_END);
        ks_buf_wipe(&buf);
    }
}

/* ---- kinds ------------------------------------------------------------ */

static void
each_kind_is_recognised(void **state)
{
    static const struct {
        uint8_t tag;
        enum ks_v1_kind kind;
        const char *name;
    } kinds[] = {
        {0x12, KS_V1_STATEMENT, "statement"},
        {0x1a, KS_V1_PREFERENCE, "preference"},
        {0x22, KS_V1_ATTACHMENT, "attachment"},
        {0x2a, KS_V1_VERSION, "version"},
        {0x3a, KS_V1_AVATAR, "avatar"},
        {0x42, KS_V1_STICKER, "sticker"},
        {0x4a, KS_V1_KEYVALUE, "keyvalue"},
        {0x0a, KS_V1_UNKNOWN, "unknown frame"},
        {0x52, KS_V1_UNKNOWN, "unknown frame"},
        {0x10, KS_V1_UNKNOWN, "unknown frame"}, /* statement as a number */
        {0x32, KS_V1_UNKNOWN, "unknown frame"}, /* end as a message */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        uint8_t pb[] = {kinds[i].tag, 0};
        struct ks_v1_frame frame;
        assert_true(ks_v1_frame_parse(&frame, (struct ks_bytes){pb, 2}));
        assert_int_equal(frame.kind, kinds[i].kind);
        assert_int_equal(ks_v1_frame_first_kind(pb[0]), kinds[i].kind);
        assert_string_equal(ks_v1_kind_name(frame.kind), kinds[i].name);
        assert_int_equal(frame.has_blob, kinds[i].kind == KS_V1_ATTACHMENT ||
                                             kinds[i].kind == KS_V1_AVATAR ||
                                             kinds[i].kind == KS_V1_STICKER);
    }
    assert_int_equal(ks_v1_frame_first_kind(0xb0), KS_V1_UNKNOWN);
    assert_string_equal(ks_v1_kind_name((enum ks_v1_kind)99), "unknown frame");
}

static void
blob_lengths_and_rows_are_found(void **state)
{
    struct ks_v1_frame frame;

    (void)state;
    assert_true(ks_v1_frame_parse(
        &frame, PB(0x22, 9, 0x08, 7, 0x10, 9, 0x18, 0xac, 2, 0x20, 1)));
    assert_int_equal(frame.blob_len, 300);
    assert_int_equal(frame.row, 7);
    assert_true(ks_v1_frame_parse(&frame, PB(0x42, 4, 0x08, 3, 0x10, 25)));
    assert_int_equal(frame.blob_len, 25);
    assert_int_equal(frame.row, 3);
    assert_true(
        ks_v1_frame_parse(&frame, PB(0x3a, 6, 0x0a, 1, 'a', 0x10, 60, 0x18)));
    assert_int_equal(frame.blob_len, 60); /* though what follows is cut */
    assert_int_equal(frame.row, 0);
    assert_true(ks_v1_frame_parse(&frame, PB(0x22, 0)));
    assert_true(frame.has_blob);
    assert_int_equal(frame.blob_len, 0);
    assert_true(ks_v1_frame_parse(/* uint32: higher bits do not count */
                                  &frame, PB(0x22, 7, 0x18, 0x85, 0x80, 0x80,
                                             0x80, 0x80, 1)));
    assert_int_equal(frame.blob_len, 5);
}

static void
end_wins_and_must_be_true(void **state)
{
    struct ks_v1_frame frame;

    (void)state;
    assert_true(ks_v1_frame_parse(&frame, PB(0x30, 1)));
    assert_int_equal(frame.kind, KS_V1_END);
    assert_true(ks_v1_frame_parse(&frame, PB(0x22, 2, 0x18, 5, 0x30, 1)));
    assert_int_equal(frame.kind, KS_V1_END);
    assert_false(frame.has_blob);
    assert_true(ks_v1_frame_parse(&frame, PB(0x30, 0)));
    assert_int_equal(frame.kind, KS_V1_UNKNOWN);
    assert_true(ks_v1_frame_parse(&frame, PB(0x5a, 0, 0x12, 0, 0x1a, 0)));
    assert_int_equal(frame.kind, KS_V1_STATEMENT);
    assert_false(ks_v1_frame_parse(&frame, PB(0x30)));
    assert_int_equal(frame.kind, KS_V1_STATEMENT); /* untouched */
}

static void
looks_tell_frames_from_nonsense(void **state)
{
    (void)state;
    assert_int_equal(ks_v1_frame_looks(PB(0x30, 1)), KS_V1_LOOKS_KNOWN);
    assert_int_equal(ks_v1_frame_looks(PB(0x30, 2)), KS_V1_LOOKS_WRONG);
    assert_int_equal(ks_v1_frame_looks(PB(0x30, 0x81, 0)), KS_V1_LOOKS_WRONG);
    assert_int_equal(ks_v1_frame_looks(PB(0x2a, 2, 0x08, 9)),
                     KS_V1_LOOKS_KNOWN);
    assert_int_equal(ks_v1_frame_looks(PB(0x2a, 2, 0x08, 9, 0x30, 1)),
                     KS_V1_LOOKS_WRONG);
    assert_int_equal(ks_v1_frame_looks(PB(0x2a, 2, 0x40, 9)),
                     KS_V1_LOOKS_WRONG); /* field 8 inside */
    assert_int_equal(ks_v1_frame_looks(PB(0x2a, 1, 0x08)), KS_V1_LOOKS_WRONG);
    assert_int_equal(ks_v1_frame_looks(PB(0x62, 1, 0xff)), KS_V1_LOOKS_LIKELY);
    assert_int_equal(ks_v1_frame_looks(PB(0x0a, 1, 0xff)), KS_V1_LOOKS_WRONG);
    assert_int_equal(ks_v1_frame_looks((struct ks_bytes){0}),
                     KS_V1_LOOKS_WRONG);
}

static void
random_bytes_rarely_look_like_a_frame(void **state)
{
    struct chance chance = chance_start("looks");
    unsigned known = 0;
    unsigned likely = 0;
    unsigned glimpses = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint8_t pb[20];
        chance_fill(&chance, pb, sizeof(pb));
        glimpses += ks_v1_frame_glimpse(pb, sizeof(pb));
        switch (ks_v1_frame_looks((struct ks_bytes){pb, sizeof(pb)})) {
        case KS_V1_LOOKS_KNOWN:
            known++;
            break;
        case KS_V1_LOOKS_LIKELY:
            likely++;
            break;
        default:
            break;
        }
    }
    assert_true(known <= 8);     /* expected: about one */
    assert_true(likely <= 60);   /* expected: 18 */
    assert_true(glimpses <= 70); /* expected: 24 */
}

static void
a_glimpse_agrees_with_whole_frames(void **state)
{
    uint8_t head[KS_V1_GLIMPSE] = {0x12, 10};

    (void)state;
    assert_true(ks_v1_frame_glimpse(head, 12));
    assert_false(ks_v1_frame_glimpse(head, 11));
    assert_false(ks_v1_frame_glimpse(head, 13));
    head[1] = 0xac; /* 300, in two bytes */
    head[2] = 2;
    assert_true(ks_v1_frame_glimpse(head, 303));
    assert_false(ks_v1_frame_glimpse(head, 302));
    head[0] = 0x0a; /* a header is no frame */
    assert_false(ks_v1_frame_glimpse(head, 303));
    head[0] = 0x30;
    head[1] = 1;
    assert_true(ks_v1_frame_glimpse(head, 2));
    assert_false(ks_v1_frame_glimpse(head, 3));
    memset(head + 1, 0xff, sizeof(head) - 1);
    head[0] = 0x12;
    assert_false(ks_v1_frame_glimpse(head, 100));
}

static void
a_key_value_gives_its_key_and_text(void **state)
{
    struct ks_bytes key = {0};
    struct ks_bytes text = {0};

    (void)state;
    assert_true(
        ks_v1_frame_key_text(PB(0x0a, 1, 'k', 0x3a, 2, 'v', 'w'), &key, &text));
    assert_int_equal(key.len, 1);
    assert_memory_equal(text.ptr, "vw", 2);
    assert_true(ks_v1_frame_key_text(PB(0x0a, 1, 'k', 0x3a, 0), &key, &text));
    assert_int_equal(text.len, 0);
    assert_false(ks_v1_frame_key_text(PB(0x0a, 1, 'k', 0x28, 5), &key, &text));
    assert_false(ks_v1_frame_key_text(PB(0x3a, 1, 'v'), &key, &text));
    assert_false(ks_v1_frame_key_text((struct ks_bytes){0}, &key, &text));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_every_wire_type_are_read),
        cmocka_unit_test(broken_fields_are_refused_and_the_cursor_stays),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(each_kind_is_recognised),
        cmocka_unit_test(blob_lengths_and_rows_are_found),
        cmocka_unit_test(end_wins_and_must_be_true),
        cmocka_unit_test(looks_tell_frames_from_nonsense),
        cmocka_unit_test(random_bytes_rarely_look_like_a_frame),
        cmocka_unit_test(a_glimpse_agrees_with_whole_frames),
        cmocka_unit_test(a_key_value_gives_its_key_and_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
