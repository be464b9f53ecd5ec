/*
 * store/file_slot: every flipped bit of a commit slot is seen, and of what
 * the slots of a file say the right one is believed.
 */
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "store/file_slot.h"

static struct ks_slot
make_slot(uint64_t sequence, uint64_t offset, uint64_t len)
{
    struct ks_slot slot = {.sequence = sequence,
                           .toc = {.offset = offset, .len = len}};

    for (size_t i = 0; i < KS_SHA_SIZE; i++)
        slot.toc.sha256[i] = (uint8_t)(sequence + i);
    return slot;
}

/* Make the checksum right again after a change. */
static void
reseal(uint8_t *bytes)
{
    ks_sum(bytes + KS_SLOT_SIZE - KS_SUM_SIZE, bytes,
           KS_SLOT_SIZE - KS_SUM_SIZE);
}

static void
a_slot_comes_back_as_it_was(void **state)
{
    struct ks_slot slot = make_slot(7, 5000, 321);
    struct ks_slot back = {0};
    uint8_t bytes[KS_SLOT_SIZE];

    (void)state;
    ks_slot_encode(bytes, &slot);
    assert_int_equal(ks_slot_decode(&back, bytes), KS_SLOT_VALID);
    assert_int_equal(back.sequence, 7);
    assert_int_equal(back.toc.offset, 5000);
    assert_int_equal(back.toc.len, 321);
    assert_memory_equal(back.toc.sha256, slot.toc.sha256, KS_SHA_SIZE);
    assert_int_equal(ks_slot_file_len(&back), 5000 + 321 + 512);
}

static void
every_flipped_bit_of_a_slot_is_damage(void **state)
{
    struct ks_slot slot = make_slot(1, 1024, 72);
    uint8_t bytes[KS_SLOT_SIZE];

    (void)state;
    ks_slot_encode(bytes, &slot);
    for (size_t bit = 0; bit < 8 * KS_SLOT_SIZE; bit++) {
        struct ks_slot back = make_slot(99, 2000, 1);

        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(ks_slot_decode(&back, bytes), KS_SLOT_DAMAGED);
        assert_int_equal(back.sequence, 99); /* outputs are untouched */
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_VALID);
}

static void
an_unwritten_slot_is_empty_and_one_bit_makes_it_damaged(void **state)
{
    uint8_t bytes[KS_SLOT_SIZE] = {0};
    struct ks_slot slot;

    (void)state;
    assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_EMPTY);
    for (size_t i = 0; i < KS_SLOT_SIZE; i++) {
        bytes[i] = 1;
        assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_DAMAGED);
        bytes[i] = 0;
    }
}

static void
a_slot_that_makes_no_sense_is_damaged_though_its_sum_is_right(void **state)
{
    static const struct {
        size_t at;
        uint64_t value;
    } changes[] = {
        {16, 0},                  /* no sequence */
        {24, 1023},               /* a table within the slots */
        {24, UINT64_MAX},         /* or outside of any file */
        {24, 5001},               /* lengths that do not add up */
        {32, 320},                /**/
        {32, UINT64_MAX},         /**/
        {72, 5832},               /**/
        {72, UINT64_MAX},         /**/
        {80, 1},                  /* zeros that are none */
        {488, UINT64_C(1) << 63}, /**/
        {8, UINT64_C(1) << 32 | 1},
        {0, 0}, /* no magic */
    };
    struct ks_slot slot = make_slot(7, 5000, 321);
    uint8_t bytes[KS_SLOT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        ks_slot_encode(bytes, &slot);
        ks_put_u64le(bytes + changes[i].at, changes[i].value);
        reseal(bytes);
        assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_DAMAGED);
    }
}

static void
the_largest_file_is_accepted_and_a_larger_one_not(void **state)
{
    uint64_t max = INT64_MAX;
    struct ks_slot slot = make_slot(UINT64_MAX, max - 512 - 72, 72);
    uint8_t bytes[KS_SLOT_SIZE];

    (void)state;
    ks_slot_encode(bytes, &slot);
    assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_VALID);
    slot.toc.offset++;
    ks_slot_encode(bytes, &slot);
    assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_DAMAGED);
}

static void
a_later_version_is_told_from_damage(void **state)
{
    struct ks_slot slot = make_slot(7, 5000, 321);
    uint8_t bytes[KS_SLOT_SIZE];

    (void)state;
    ks_slot_encode(bytes, &slot);
    ks_put_u32le(bytes + 8, 2);
    assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_DAMAGED);
    bytes[100] = 1; /* whatever it may mean then */
    reseal(bytes);
    assert_int_equal(ks_slot_decode(&slot, bytes), KS_SLOT_UNSUPPORTED);
}

static void
the_beginning_of_the_magic_is_known(void **state)
{
    static const uint8_t magic[] = {'K', 'E', 'E', 'P', 'S', 'A', 'Y', 0x1a};

    (void)state;
    for (size_t len = 0; len <= sizeof(magic); len++)
        assert_true(ks_slot_has_magic(magic, len));
    assert_false(ks_slot_has_magic((const uint8_t *)"KEEPSAYS", 8));
    assert_false(ks_slot_has_magic((const uint8_t *)"X", 1));
}

/* Choosing. Commit n lies at 1000 n .. 1000 n + 1000, for n from 2. */

#define EMPTY   0
#define DAMAGED (-1)
#define LATER   (-2)

static struct ks_slot
nth(uint64_t n)
{
    return make_slot(n, 1000 * n, 488);
}

static enum ks_slot_state
nth_state(int what, struct ks_slot *slot)
{
    if (what == EMPTY)
        return KS_SLOT_EMPTY;
    if (what == DAMAGED)
        return KS_SLOT_DAMAGED;
    if (what == LATER)
        return KS_SLOT_UNSUPPORTED;
    *slot = nth((uint64_t)what);
    return KS_SLOT_VALID;
}

static void
the_right_commit_is_chosen(void **state)
{
    static const struct {
        int slots[2];
        int end;       /* what the last 512 bytes are */
        uint64_t size; /* commit n ends at 1000 n + 1000 */
        bool magic;
        int rc;
        uint64_t commit;
        uint64_t older; /* 0: none */
    } cases[] = {
        /* all is well, in either slot */
        {{5, 4}, 5, 6000, true, KS_OK, 5, 4},
        {{4, 5}, 5, 6000, true, KS_OK, 5, 4},
        {{2, 2}, 2, 3000, true, KS_OK, 2, 2},
        /* an interrupted append behind it, even up to its end slot */
        {{4, 5}, DAMAGED, 6001, true, KS_OK, 5, 4},
        {{4, 5}, 6, 7000, true, KS_OK, 5, 4},
        /* the end is missing */
        {{4, 5}, DAMAGED, 5999, true, KS_E_INCOMPLETE, 0, 4},
        {{4, 5}, 4, 5000, true, KS_E_INCOMPLETE, 0, 4},
        {{4, 5}, DAMAGED, 4999, true, KS_E_INCOMPLETE, 0, 0},
        {{2, 2}, DAMAGED, 2999, true, KS_E_INCOMPLETE, 0, 0},
        {{DAMAGED, 5}, DAMAGED, 5999, true, KS_E_INCOMPLETE, 0, 0},
        /* the older slot is lost: nothing lies behind the newer one */
        {{DAMAGED, 5}, 5, 6000, true, KS_OK, 5, 0},
        {{5, EMPTY}, 5, 6000, true, KS_OK, 5, 0},
        /* the newer slot is lost, or was torn: the end of the file has it */
        {{DAMAGED, 5}, 6, 7000, true, KS_OK, 6, 5},
        {{5, DAMAGED}, 6, 7000, true, KS_OK, 6, 5},
        {{5, EMPTY}, 6, 7000, true, KS_OK, 6, 5},
        {{5, EMPTY}, 7, 8000, true, KS_OK, 7, 5},
        /* and if it does not, nobody knows */
        {{DAMAGED, 5}, DAMAGED, 6001, true, KS_E_CORRUPT, 0, 5},
        {{DAMAGED, 5}, 6, 7001, true, KS_E_CORRUPT, 0, 5},
        {{DAMAGED, 5}, 4, 7000, true, KS_E_CORRUPT, 0, 5},
        {{DAMAGED, 5}, LATER, 7000, true, KS_E_CORRUPT, 0, 5},
        /* no slot */
        {{EMPTY, EMPTY}, EMPTY, 1024, false, KS_E_INCOMPLETE, 0, 0},
        {{EMPTY, EMPTY}, DAMAGED, 9000, false, KS_E_INCOMPLETE, 0, 0},
        {{EMPTY, EMPTY}, 5, 6000, false, KS_E_INCOMPLETE, 0, 5},
        {{DAMAGED, EMPTY}, 5, 6000, false, KS_OK, 5, 0},
        {{DAMAGED, DAMAGED}, 5, 6000, true, KS_OK, 5, 0},
        {{DAMAGED, DAMAGED}, 5, 6001, true, KS_E_CORRUPT, 0, 0},
        {{DAMAGED, DAMAGED}, DAMAGED, 6000, true, KS_E_CORRUPT, 0, 0},
        {{DAMAGED, DAMAGED}, DAMAGED, 6000, false, KS_E_FORMAT, 0, 0},
        {{EMPTY, DAMAGED}, DAMAGED, 6000, false, KS_E_FORMAT, 0, 0},
        /* a later version */
        {{LATER, 5}, 5, 6000, true, KS_E_UNSUPPORTED, 0, 0},
        {{5, LATER}, 5, 6000, true, KS_E_UNSUPPORTED, 0, 0},
        {{DAMAGED, LATER}, 5, 6000, true, KS_E_UNSUPPORTED, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_slots seen = {.size = cases[i].size,
                                .has_magic = cases[i].magic};
        struct ks_slot_choice choice;
        int rc;

        for (unsigned j = 0; j < 2; j++)
            seen.state[j] = nth_state(cases[i].slots[j], &seen.slot[j]);
        seen.end_state = nth_state(cases[i].end, &seen.end);
        rc = ks_slots_choose(&seen, &choice, &err);
        if (rc != cases[i].rc || choice.commit.sequence != cases[i].commit ||
            choice.has_older != (cases[i].older > 0) ||
            choice.older.sequence != cases[i].older)
            fail_msg("case %zu: %d, commit %d, older %d: %s", i, rc,
                     (int)choice.commit.sequence, (int)choice.older.sequence,
                     err.msg);
    }
}

static void
an_end_slot_that_is_not_newer_is_not_believed(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_slot_choice choice;
    struct ks_slots seen = {.state = {KS_SLOT_VALID, KS_SLOT_DAMAGED},
                            .slot = {nth(5)},
                            .end_state = KS_SLOT_VALID,
                            .end = make_slot(5, 6000, 488),
                            .size = 7000};

    (void)state;
    assert_int_equal(ks_slots_choose(&seen, &choice, &err), KS_E_CORRUPT);
}

static void
an_incomplete_file_says_how_much_is_missing(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_slot_choice choice;
    struct ks_slots seen = {.state = {KS_SLOT_VALID, KS_SLOT_VALID},
                            .slot = {nth(4), nth(5)},
                            .size = 5877};

    (void)state;
    assert_int_equal(ks_slots_choose(&seen, &choice, &err), KS_E_INCOMPLETE);
    assert_non_null(strstr(err.msg, "its last 123 bytes are missing"));
}

static void
the_older_slot_is_the_next_to_be_written(void **state)
{
    struct ks_slots seen = {.state = {KS_SLOT_VALID, KS_SLOT_VALID},
                            .slot = {nth(4), nth(5)}};

    (void)state;
    assert_int_equal(ks_slots_next(&seen), 0);
    seen.slot[0] = nth(6);
    assert_int_equal(ks_slots_next(&seen), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_comes_back_as_it_was),
        cmocka_unit_test(every_flipped_bit_of_a_slot_is_damage),
        cmocka_unit_test(
            an_unwritten_slot_is_empty_and_one_bit_makes_it_damaged),
        cmocka_unit_test(
            a_slot_that_makes_no_sense_is_damaged_though_its_sum_is_right),
        cmocka_unit_test(the_largest_file_is_accepted_and_a_larger_one_not),
        cmocka_unit_test(a_later_version_is_told_from_damage),
        cmocka_unit_test(the_beginning_of_the_magic_is_known),
        cmocka_unit_test(the_right_commit_is_chosen),
        cmocka_unit_test(an_end_slot_that_is_not_newer_is_not_believed),
        cmocka_unit_test(an_incomplete_file_says_how_much_is_missing),
        cmocka_unit_test(the_older_slot_is_the_next_to_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
