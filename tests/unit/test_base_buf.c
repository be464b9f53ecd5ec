/*
 * base/buf: content, maximum, and that no byte of it is given back unwiped.
 *
 * free() is wrapped to look at what is given back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "chance.h"
#include "check.h"
#include "fault.h"

static const uint8_t *watched; /* the block to look at when it is freed */
static size_t watched_size;
static bool came_back_clean;
static size_t came_back;

void __real_free(void *p);
void __wrap_free(void *p);
void
__wrap_free(void *p)
{
    if (p != NULL && p == watched) {
        came_back_clean = true;
        for (size_t i = 0; i < watched_size; i++)
            came_back_clean = came_back_clean && watched[i] == 0;
        came_back++;
        watched = NULL;
    }
    __real_free(p);
}

static void
watch(const struct ks_buf *buf)
{
    watched = buf->data;
    watched_size = buf->cap;
    came_back_clean = false;
    came_back = 0;
}

static void
a_new_buffer_is_empty_and_owns_nothing(void **state)
{
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 10);
    assert_null(ks_buf_bytes(&buf).ptr);
    assert_int_equal(ks_buf_bytes(&buf).len, 0);
    ks_buf_wipe(&buf);
    ks_buf_wipe(&buf); /* twice is once */

    buf = (struct ks_buf){0}; /* never made: nothing to wipe */
    ks_buf_wipe(&buf);
}

static void
what_is_appended_stands_in_order(void **state)
{
    static const uint8_t want[] = {
        0x01,                                           /* u8 */
        0x03, 0x02,                                     /* u16le */
        0x07, 0x06, 0x05, 0x04,                         /* u32le */
        0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, /* u64le */
        0xac, 0x02,                                     /* varint */
        0,    0,    0,                                  /* zeros */
        'a',  'b',                                      /* bytes */
    };
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100);
    assert_int_equal(ks_buf_u8(&buf, 1, &err), KS_OK);
    assert_int_equal(ks_buf_u16le(&buf, 0x0203, &err), KS_OK);
    assert_int_equal(ks_buf_u32le(&buf, 0x04050607, &err), KS_OK);
    assert_int_equal(ks_buf_u64le(&buf, 0x08090a0b0c0d0e0f, &err), KS_OK);
    assert_int_equal(ks_buf_varint(&buf, 300, &err), KS_OK);
    assert_int_equal(ks_buf_zeros(&buf, 3, &err), KS_OK);
    assert_int_equal(ks_buf_append(&buf, "ab", 2, &err), KS_OK);
    assert_int_equal(ks_buf_append(&buf, NULL, 0, &err), KS_OK);
    assert_int_equal(ks_buf_zeros(&buf, 0, &err), KS_OK);
    assert_int_equal(buf.len, sizeof(want));
    assert_memory_equal(buf.data, want, sizeof(want));
    ks_buf_wipe(&buf);
}

static void
the_maximum_fits_and_one_more_is_refused(void **state)
{
    static const size_t maxima[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
        struct ks_err err = KS_ERR_INIT;
        size_t max = maxima[i];
        struct ks_buf buf;

        ks_buf_init(&buf, max);
        for (size_t n = 0; n < max; n++)
            assert_int_equal(ks_buf_u8(&buf, (uint8_t)n, &err), KS_OK);
        assert_int_equal(buf.len, max);
        assert_true(buf.cap <= max);

        assert_int_equal(ks_buf_u8(&buf, 0, &err), KS_E_LIMIT);
        err = KS_ERR_INIT;
        assert_int_equal(ks_buf_reserve(&buf, SIZE_MAX, &err), KS_E_LIMIT);
        err = KS_ERR_INIT;
        assert_int_equal(ks_buf_zeros(&buf, SIZE_MAX - max + 1, &err),
                         KS_E_LIMIT);
        err = KS_ERR_INIT;
        assert_int_equal(ks_buf_append(&buf, "", 0, &err), KS_OK);
        assert_int_equal(buf.len, max);
        for (size_t n = 0; n < max; n++)
            assert_int_equal(buf.data[n], (uint8_t)n);
        ks_buf_wipe(&buf);
    }
}

static void
a_number_that_does_not_fit_whole_leaves_no_part(void **state)
{
    struct ks_buf buf;

    (void)state;
    for (size_t room = 0; room < 8; room++) {
        struct ks_err err = KS_ERR_INIT;

        ks_buf_init(&buf, 10 + room);
        assert_int_equal(ks_buf_zeros(&buf, 10, &err), KS_OK);
        assert_int_equal(ks_buf_u64le(&buf, UINT64_MAX, &err), KS_E_LIMIT);
        assert_int_equal(buf.len, 10);
        err = KS_ERR_INIT;
        if (room < 4)
            assert_int_equal(ks_buf_u32le(&buf, 1, &err), KS_E_LIMIT);
        err = KS_ERR_INIT;
        if (room < 2)
            assert_int_equal(ks_buf_u16le(&buf, 1, &err), KS_E_LIMIT);
        assert_int_equal(buf.len, 10);
        ks_buf_wipe(&buf);
    }
}

static void
growing_keeps_the_content_and_wipes_the_old_place(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 1 << 20);
    assert_int_equal(ks_buf_append(&buf, "secret", 6, &err), KS_OK);
    for (int i = 0; i < 10; i++) {
        memset(buf.data + buf.len, 0xee, buf.cap - buf.len); /* leftovers */
        watch(&buf);
        assert_int_equal(ks_buf_reserve(&buf, buf.cap - buf.len + 1, &err),
                         KS_OK);
        assert_int_equal(came_back, 1);
        assert_true(came_back_clean);
        assert_memory_equal(buf.data, "secret", 6);
    }
    ks_buf_wipe(&buf);
}

static void
wiping_wipes_also_what_was_reset(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 1000);
    assert_int_equal(ks_buf_append(&buf, "secret", 6, &err), KS_OK);
    watch(&buf);
    ks_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_ptr_equal(buf.data, watched); /* the memory is kept */
    assert_int_equal(came_back, 0);
    ks_buf_wipe(&buf);
    assert_int_equal(came_back, 1);
    assert_true(came_back_clean);
    assert_int_equal(buf.cap, 0);

    /* Empty, and as good as new. */
    assert_int_equal(ks_buf_append(&buf, "again", 5, &err), KS_OK);
    assert_int_equal(buf.max, 1000);
    ks_buf_wipe(&buf);
}

static void
without_memory_the_content_stays_as_it_was(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf buf;
    int rc;

    (void)state;
    ks_buf_init(&buf, 1000);
    fault_arm(0);
    rc = ks_buf_u8(&buf, 1, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_NOMEM);
    assert_int_equal(buf.len, 0);
    assert_string_equal(fault_log(), "malloc");

    err = KS_ERR_INIT;
    assert_int_equal(ks_buf_append(&buf, "kept", 4, &err), KS_OK);
    fault_arm(0);
    rc = ks_buf_zeros(&buf, 900, &err);
    assert_true(fault_disarm());
    assert_int_equal(rc, KS_E_NOMEM);
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.data, "kept", 4);
    ks_buf_wipe(&buf);
}

static void
appending_byte_by_byte_allocates_seldom(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 1 << 20);
    fault_arm(FAULT_NEVER);
    for (int i = 0; i < 1 << 20; i++) {
        if (ks_buf_u8(&buf, 1, &err) != KS_OK)
            break;
    }
    assert_false(fault_disarm());
    assert_int_equal(buf.len, 1 << 20);
    assert_true(fault_count("malloc") <= 16);
    ks_buf_wipe(&buf);
}

static void
random_pieces_add_up_to_the_same_bytes(void **state)
{
    struct chance chance = chance_start("base/buf");
    static uint8_t model[4096];
    size_t model_len = 0;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, sizeof(model));
    for (int i = 0; i < 500; i++) {
        struct ks_err err = KS_ERR_INIT;
        uint8_t piece[200];
        size_t n = chance_below(&chance, sizeof(piece) + 1);
        int rc;

        chance_fill(&chance, piece, n);
        rc = ks_buf_append(&buf, piece, n, &err);
        assert_int_equal(rc,
                         n <= sizeof(model) - model_len ? KS_OK : KS_E_LIMIT);
        if (rc == KS_OK) {
            memcpy(model + model_len, piece, n);
            model_len += n;
        } else if (chance_below(&chance, 4) == 0) {
            ks_buf_reset(&buf);
            model_len = 0;
        }
        assert_int_equal(buf.len, model_len);
        if (model_len > 0)
            assert_memory_equal(buf.data, model, model_len);
    }
    ks_buf_wipe(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_buffer_is_empty_and_owns_nothing),
        cmocka_unit_test(what_is_appended_stands_in_order),
        cmocka_unit_test(the_maximum_fits_and_one_more_is_refused),
        cmocka_unit_test(a_number_that_does_not_fit_whole_leaves_no_part),
        cmocka_unit_test(growing_keeps_the_content_and_wipes_the_old_place),
        cmocka_unit_test(wiping_wipes_also_what_was_reset),
        cmocka_unit_test(without_memory_the_content_stays_as_it_was),
        cmocka_unit_test(appending_byte_by_byte_allocates_seldom),
        cmocka_unit_test(random_pieces_add_up_to_the_same_bytes),
    };

    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
