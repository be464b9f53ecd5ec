/* Marks, acks, and the packs that do not count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "check.h"
#include "crash_store.h"
#include "vault/writer.h"
#include "vaultkit.h"
#include "writer_bench.h"

static void
marks_are_acked_and_their_packs_do_not_count(void **state)
{
    struct writer_bench *b = *state;
    const char *log;

    wb_open(b);
    assert_false(wb_doomed(b, 1));
    (void)wb_commit(b, wb_snapshot_a);
    wb_close(b);
    wb_put_mark(b, 40, 3);
    wb_put_mark(b, 10, 8);
    wb_put_mark(b, 1, 0);
    b->cx.store = crash_store(b->store, CRASH_NEVER);
    wb_open(b);
    log = crash_store_log(b->cx.store);
    assert_string_equal(log, "put:acks sync ");
    ks_store_close(b->cx.store);
    b->cx.store = b->store;
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(wb_doomed(b, (uint8_t)i),
                         (i >= 10 && i < 18) || (i >= 40 && i < 43));
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 3);
}

static void
an_ack_names_the_last_commit_and_is_put_once(void **state)
{
    struct writer_bench *b = *state;
    char mark[KS_NAME_MAX + 1];
    char ack[KS_NAME_MAX + 40];
    char hex[33];
    struct ks_buf content;

    ks_buf_init(&content, 1000);
    wb_open(b);
    (void)wb_commit(b, wb_snapshot_a);
    wb_put_mark(b, 7, 1);
    wb_open(b);
    kit_name(b->store, KS_DIR_MARKS, 0, mark);
    ks_hex_encode(hex, ks_writer_id(b->w), 16);
    (void)snprintf(ack, sizeof(ack), "acks/%s.%s", mark + strlen("marks/"),
                   hex);
    (void)wb_commit(b, wb_snapshot_b);
    wb_open(b); /* acked already */
    assert_true(wb_doomed(b, 7));
    KIT_OK(ks_object_get(&b->cx, KS_OBJ_ACK, ack, &content, KIT_ERR));
    assert_int_equal(content.len, 25);
    assert_int_equal(content.data[0], 1);
    assert_true(ks_get_u64le(content.data + 1) == 1);
    assert_memory_equal(content.data + 9, wb_snapshot_a, 16);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 1);
    ks_buf_wipe(&content);
}

static void
a_new_writer_heeds_the_marks_it_finds(void **state)
{
    struct writer_bench *b = *state;
    struct ks_store *logging = crash_store(b->store, CRASH_NEVER);

    wb_put_mark(b, 7, 1);
    b->cx.store = logging;
    wb_open(b);
    assert_true(wb_doomed(b, 7));
    assert_string_equal(crash_store_log(logging),
                        "put:writers sync put:acks sync ");
    wb_close(b);
    ks_store_close(logging);
}

static void
a_mark_that_cannot_be_read_is_not_acked(void **state)
{
    struct writer_bench *b = *state;
    uint8_t content[21 + 32 + 1] = {1};

    ks_put_u32le(content + 17, 2);
    for (size_t len = 0; len <= sizeof(content); len++) {
        if (len != 21 + 32)
            wb_put_sealed(b, KS_OBJ_MARK, NULL,
                          (struct ks_bytes){.ptr = content, .len = len});
    }
    content[0] = 2; /* of a newer version */
    wb_put_sealed(b, KS_OBJ_MARK, NULL,
                  (struct ks_bytes){.ptr = content, .len = 21 + 32});
    kit_write(b->store, "marks/00112233445566778899aabbccddeeff", "x", 1);
    kit_write(b->store, "marks/readme", "x", 1);
    wb_open(b);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 0);
    assert_false(wb_doomed(b, 0));
}

static void
a_mark_that_was_acked_and_is_damaged_stops_the_run(void **state)
{
    struct writer_bench *b = *state;
    char mark[KS_NAME_MAX + 1];
    struct ks_err err;

    wb_put_mark(b, 7, 1);
    wb_open(b);
    kit_name(b->store, KS_DIR_MARKS, 0, mark);
    kit_write(b->store, mark, "damaged", 7);
    assert_int_equal(wb_try_open(b, &err), KS_E_CORRUPT);
    assert_non_null(strstr(err.msg, "mark"));
    kit_remove(b->store, mark);
    wb_open(b);
}

static void
the_largest_mark_is_read_and_one_more_is_not(void **state)
{
    struct writer_bench *b = *state;
    size_t len = 21 + 16 * ((size_t)KS_MARK_PACKS_MAX + 1);
    uint8_t *content = calloc(1, len);

    assert_non_null(content);
    content[0] = 1;
    ks_put_u32le(content + 17, KS_MARK_PACKS_MAX + 1);
    content[len - 16] = 0x99;
    wb_put_sealed(b, KS_OBJ_MARK, NULL,
                  (struct ks_bytes){.ptr = content, .len = len});
    wb_open(b);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 0);
    assert_false(wb_doomed(b, 0x99));
    ks_put_u32le(content + 17, KS_MARK_PACKS_MAX);
    content[len - 32] = 0x98;
    wb_put_sealed(b, KS_OBJ_MARK, NULL,
                  (struct ks_bytes){.ptr = content, .len = len - 16});
    wb_open(b);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 1);
    assert_true(wb_doomed(b, 0x98));
    assert_false(wb_doomed(b, 0x99));
    free(content);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, wb_up, wb_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(marks_are_acked_and_their_packs_do_not_count),
        BENCH_TEST(an_ack_names_the_last_commit_and_is_put_once),
        BENCH_TEST(a_new_writer_heeds_the_marks_it_finds),
        BENCH_TEST(a_mark_that_cannot_be_read_is_not_acked),
        BENCH_TEST(a_mark_that_was_acked_and_is_damaged_stops_the_run),
        BENCH_TEST(the_largest_mark_is_read_and_one_more_is_not),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
