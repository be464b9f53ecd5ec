#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fault.h"
#include "vault/keyring.h"
#include "vault/note.h"
#include "vaultkit.h"
#include "vectors.h"

struct bench {
    struct ks_store *store;
    struct ks_keyring *keys;
    struct ks_object_context cx;
    struct ks_notes notes;
};

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->store = kit_memory();
    b->keys = kit_keyring(1);
    b->cx = kit_context(b->store, b->keys);
    *state = b;
    return 0;
}

static int
bench_down(void **state)
{
    struct bench *b = *state;

    ks_notes_free(&b->notes);
    ks_keyring_free(b->keys);
    ks_store_close(b->store);
    free(b);
    return 0;
}

static const struct ks_notes *
read_notes(struct bench *b)
{
    ks_notes_free(&b->notes);
    KIT_OK(ks_notes_read(&b->cx, &b->notes, KIT_ERR));
    return &b->notes;
}

/* Put a note of this content, whatever it is. */
static void
put_content(struct bench *b, const void *content, size_t len)
{
    struct ks_buf sealed;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[16];

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_object_seal(&b->cx, KS_OBJ_NOTE,
                          (struct ks_bytes){.ptr = content, .len = len},
                          &sealed, id, KIT_ERR));
    ks_object_name(name, KS_DIR_NOTES, id);
    KIT_OK(ks_store_put(b->store, name, sealed.data, sealed.len, KIT_ERR));
    ks_buf_wipe(&sealed);
}

/* How many notes such a content reads as: 1, or 0 and one damaged. */
static size_t
reads_as(struct bench *b, const void *content, size_t len)
{
    char name[KS_NAME_MAX + 1];
    const struct ks_notes *notes;

    put_content(b, content, len);
    notes = read_notes(b);
    assert_int_equal(notes->count + notes->damaged, 1);
    kit_name(b->store, KS_DIR_NOTES, 0, name);
    kit_remove(b->store, name);
    return notes->count;
}

static void
assert_same_note(const struct ks_note *a, const struct ks_note *b)
{
    assert_memory_equal(a->id, b->id, 16);
    assert_int_equal(a->kind, b->kind);
    assert_true(a->counter == b->counter);
    assert_memory_equal(a->writer, b->writer, 16);
    assert_true(a->time_ms == b->time_ms);
    assert_int_equal(a->id_count, b->id_count);
    if (a->id_count > 0)
        assert_memory_equal(a->ids, b->ids, 16 * a->id_count);
    assert_string_equal(a->text != NULL ? a->text : "",
                        b->text != NULL ? b->text : "");
    assert_int_equal(a->head_count, b->head_count);
    for (size_t i = 0; i < a->head_count; i++) {
        assert_memory_equal(a->heads[i].writer, b->heads[i].writer, 16);
        assert_true(a->heads[i].run == b->heads[i].run);
        assert_memory_equal(a->heads[i].snapshot, b->heads[i].snapshot, 16);
    }
}

/* A note with so many ids, heads and characters; free with free_note(). */
static struct ks_note
make_note(size_t ids, size_t heads, size_t text)
{
    struct ks_note note = {.kind = KS_NOTE_LABEL,
                           .counter = 0x1122334455667788,
                           .writer = "writer of a note",
                           .time_ms = -5,
                           .id_count = ids,
                           .head_count = heads};

    note.ids = calloc(ids + 1, sizeof(note.ids[0]));
    note.heads = calloc(heads + 1, sizeof(note.heads[0]));
    note.text = calloc(text + 1, 1);
    if (note.ids == NULL || note.heads == NULL || note.text == NULL)
        abort();
    for (size_t i = 0; i < ids; i++)
        ks_put_u64le(note.ids[i], i * i + 1);
    for (size_t i = 0; i < heads; i++) {
        ks_put_u64le(note.heads[i].writer, i + 3);
        note.heads[i].run = UINT64_MAX - i;
        ks_put_u64le(note.heads[i].snapshot + 8, i + 5);
    }
    memset(note.text, 'x', text);
    return note;
}

static void
free_note(struct ks_note *note)
{
    free(note->ids);
    free(note->heads);
    free(note->text);
}

static void
a_vault_without_notes_has_none(void **state)
{
    struct bench *b = *state;
    const struct ks_notes *notes = read_notes(b);

    assert_int_equal(notes->count, 0);
    assert_int_equal(notes->damaged, 0);
    assert_true(ks_notes_counter(notes) == 0);
    assert_null(ks_notes_find(notes, KS_NOTE_ROSTER, NULL));
}

static void
notes_of_every_size_come_back_as_they_were(void **state)
{
    static const size_t sizes[][3] = {
        {0, 0, 0},
        {1, 1, 1},
        {2, 0, 3},
        {KS_NOTE_IDS_MAX, KS_HEADS_MAX, KS_NOTE_TEXT_MAX},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ks_note note = make_note(sizes[i][0], sizes[i][1], sizes[i][2]);
        char name[KS_OBJECT_NAME_SIZE];

        for (int kind = KS_NOTE_LABEL; kind <= KS_NOTE_ROSTER; kind++) {
            note.kind = (enum ks_note_kind)kind;
            KIT_OK(ks_note_put(&b->cx, &note, KIT_ERR));
            assert_int_equal(read_notes(b)->count, 1);
            assert_same_note(&b->notes.notes[0], &note);
            ks_object_name(name, KS_DIR_NOTES, note.id);
            kit_remove(b->store, name);
        }
        free_note(&note);
    }
}

static void
a_note_without_text_may_have_none_at_all(void **state)
{
    struct bench *b = *state;
    struct ks_note note = {.kind = KS_NOTE_PIN, .counter = 1};

    KIT_OK(ks_note_put(&b->cx, &note, KIT_ERR));
    assert_int_equal(read_notes(b)->count, 1);
    assert_string_equal(b->notes.notes[0].text, "");
}

static void
one_more_than_the_maximum_is_refused(void **state)
{
    static const size_t sizes[][3] = {
        {KS_NOTE_IDS_MAX + 1, 0, 0},
        {0, KS_HEADS_MAX + 1, 0},
        {0, 0, KS_NOTE_TEXT_MAX + 1},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < 3; i++) {
        struct ks_note note = make_note(sizes[i][0], sizes[i][1], sizes[i][2]);

        KIT_FAILS(KS_E_LIMIT, ks_note_put(&b->cx, &note, KIT_ERR));
        free_note(&note);
    }
    assert_int_equal(kit_count(b->store, KS_DIR_NOTES), 0);
}

static void
check_vector(struct bench *b, struct vectors *v)
{
    static uint8_t bytes[8192];
    static uint8_t content[4096];
    uint8_t keyring[KIT_KEYRING_MAX];
    uint8_t want[64];
    char name[KS_OBJECT_NAME_SIZE];
    size_t len = vectors_hex(v, "keyring", keyring, sizeof(keyring));
    const struct ks_note *note;

    ks_keyring_free(b->keys);
    KIT_OK(ks_keyring_decode(&b->keys, keyring, len, KIT_ERR));
    b->cx.keys = b->keys;
    vectors_bytes(v, "vault_id", b->cx.vault_id, 16);
    vectors_bytes(v, "id", want, 16);
    ks_object_name(name, KS_DIR_NOTES, want);
    len = vectors_hex(v, "bytes", bytes, sizeof(bytes));
    kit_write(b->store, name, bytes, len);
    assert_int_equal(read_notes(b)->count, 1);
    note = &b->notes.notes[0];
    assert_memory_equal(note->id, want, 16);
    assert_int_equal(note->kind, vectors_number(v, "kind"));
    assert_int_equal(note->counter, vectors_number(v, "counter"));
    assert_int_equal(note->time_ms, vectors_number(v, "time_ms"));
    vectors_bytes(v, "writer", want, 16);
    assert_memory_equal(note->writer, want, 16);
    len = vectors_hex(v, "ids", want, sizeof(want));
    assert_int_equal(note->id_count, len / 16);
    assert_memory_equal(note->ids, want, len);
    len = vectors_hex(v, "text", want, sizeof(want));
    assert_int_equal(strlen(note->text), len);
    assert_memory_equal(note->text, want, len);
    assert_int_equal(note->head_count, 2);
    vectors_bytes(v, "other_writer", want, 16);
    assert_memory_equal(note->heads[1].writer, want, 16);
    assert_int_equal(note->heads[1].run, 1001);
    assert_memory_equal(note->heads[1].snapshot, note->ids[1], 16);
    len = vectors_hex(v, "content", content, sizeof(content));
    kit_remove(b->store, name);
    assert_int_equal(reads_as(b, content, len), 1);
}

static void
a_note_is_that_of_keys_txt(void **state)
{
    struct vectors *v = vectors_open("keys.txt");
    size_t found = 0;

    while (vectors_next(v)) {
        if (strcmp(vectors_text(v, "what"), "note") != 0)
            continue;
        check_vector(*state, v);
        found++;
    }
    (void)vectors_close(v);
    assert_int_equal(found, 1);
}

/* The content of a small note: 2 ids, "abc", 1 head. */
#define SMALL_TEXT_AT  (38 + 32)
#define SMALL_HEADS_AT (SMALL_TEXT_AT + 5)
#define SMALL_SIZE     ((size_t)SMALL_HEADS_AT + 4 + 40)

static void
small_content(uint8_t *out)
{
    memset(out, 0x77, SMALL_SIZE);
    out[0] = 1;
    out[1] = KS_NOTE_PIN;
    ks_put_u32le(out + 34, 2);
    ks_put_u16le(out + SMALL_TEXT_AT, 3);
    ks_put_u32le(out + SMALL_HEADS_AT, 1);
}

static void
only_an_exact_encoding_is_a_note(void **state)
{
    struct bench *b = *state;
    uint8_t content[SMALL_SIZE + 1] = {0};

    small_content(content);
    for (size_t len = 0; len <= SMALL_SIZE + 1; len++)
        assert_int_equal(reads_as(b, content, len), len == SMALL_SIZE);
}

static void
every_field_is_held_to_its_range(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{0, 0},
               {0, 2},
               {1, 0},
               {1, 8},
               {1, 255},
               {34, 3},
               {34, 1},
               {37, 1}, /* number of ids */
               {SMALL_TEXT_AT, 2},
               {SMALL_TEXT_AT, 4},
               {SMALL_TEXT_AT + 1, 0xff},
               {SMALL_TEXT_AT + 3, 0},
               {SMALL_HEADS_AT, 0},
               {SMALL_HEADS_AT, 2},
               {SMALL_HEADS_AT + 3, 0xff}};
    struct bench *b = *state;
    uint8_t content[SMALL_SIZE];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        small_content(content);
        assert_int_equal(reads_as(b, content, sizeof(content)), 1);
        content[bad[i].at] = bad[i].value;
        assert_int_equal(reads_as(b, content, sizeof(content)), 0);
    }
}

/* A content of `ids` zero ids and `heads` zero heads, or text too long. */
static size_t
large_content(uint8_t **out, size_t ids, size_t heads, size_t text)
{
    size_t len = 38 + 16 * ids + 2 + text + 4 + 40 * heads;
    uint8_t *content = calloc(1, len);

    assert_non_null(content);
    content[0] = 1;
    content[1] = KS_NOTE_FORGOT;
    ks_put_u32le(content + 34, (uint32_t)ids);
    ks_put_u16le(content + 38 + 16 * ids, (uint16_t)text);
    memset(content + 40 + 16 * ids, 'a', text);
    ks_put_u32le(content + 40 + 16 * ids + text, (uint32_t)heads);
    *out = content;
    return len;
}

static void
a_note_beyond_the_maxima_does_not_read(void **state)
{
    static const size_t sizes[][4] = {
        {KS_NOTE_IDS_MAX, KS_HEADS_MAX, KS_NOTE_TEXT_MAX, 1},
        {KS_NOTE_IDS_MAX + 1, 0, 0, 0},
        {0, KS_HEADS_MAX + 1, 0, 0},
        {0, 0, KS_NOTE_TEXT_MAX + 1, 0},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *content = NULL;
        size_t len =
            large_content(&content, sizes[i][0], sizes[i][1], sizes[i][2]);

        assert_int_equal(reads_as(b, content, len), sizes[i][3]);
        free(content);
    }
}

static void
every_flipped_byte_and_every_cut_is_counted_as_damage(void **state)
{
    struct bench *b = *state;
    struct ks_note note = {.kind = KS_NOTE_PIN, .counter = 1};
    struct ks_note other = {.kind = KS_NOTE_UNPIN, .counter = 2};
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_OBJECT_MAX);
    KIT_OK(ks_note_put(&b->cx, &note, KIT_ERR));
    KIT_OK(ks_note_put(&b->cx, &other, KIT_ERR));
    ks_object_name(name, KS_DIR_NOTES, note.id);
    kit_read(b->store, name, &bytes);
    for (size_t at = 0; at < bytes.len; at++) {
        bytes.data[at] ^= 0x40;
        kit_write(b->store, name, bytes.data, bytes.len);
        bytes.data[at] ^= 0x40;
        assert_int_equal(read_notes(b)->damaged, 1);
        assert_int_equal(b->notes.count, 1);
        assert_same_note(&b->notes.notes[0], &other);
    }
    for (size_t cut = 0; cut < bytes.len; cut += 13) {
        kit_write(b->store, name, bytes.data, cut);
        assert_int_equal(read_notes(b)->damaged, 1);
        assert_int_equal(b->notes.count, 1);
    }
    ks_buf_wipe(&bytes);
}

static void
a_stray_object_is_counted_and_does_no_harm(void **state)
{
    struct bench *b = *state;
    struct ks_note note = {.kind = KS_NOTE_PIN, .counter = 1};

    KIT_OK(ks_note_put(&b->cx, &note, KIT_ERR));
    kit_write(b->store, "notes/readme.txt", "hello", 5);
    assert_int_equal(read_notes(b)->count, 1);
    assert_int_equal(b->notes.damaged, 1);
}

static void
the_highest_counter_wins_then_the_writer_then_the_id(void **state)
{
    struct bench *b = *state;
    struct ks_note low = {.kind = KS_NOTE_LABEL, .counter = 8};
    struct ks_note high = {.kind = KS_NOTE_LABEL, .counter = 9};
    struct ks_note writer = {
        .kind = KS_NOTE_LABEL, .counter = 9, .writer = {1}};
    struct ks_note twin = writer;
    const struct ks_note *winner;

    KIT_OK(ks_note_put(&b->cx, &high, KIT_ERR));
    KIT_OK(ks_note_put(&b->cx, &low, KIT_ERR));
    winner = ks_notes_find(read_notes(b), KS_NOTE_LABEL, NULL);
    assert_memory_equal(winner->id, high.id, 16);
    KIT_OK(ks_note_put(&b->cx, &writer, KIT_ERR));
    winner = ks_notes_find(read_notes(b), KS_NOTE_LABEL, NULL);
    assert_memory_equal(winner->id, writer.id, 16);
    KIT_OK(ks_note_put(&b->cx, &twin, KIT_ERR));
    winner = ks_notes_find(read_notes(b), KS_NOTE_LABEL, NULL);
    assert_memory_equal(
        winner->id, memcmp(twin.id, writer.id, 16) > 0 ? twin.id : writer.id,
        16);
    assert_true(ks_notes_counter(&b->notes) == 9);
}

static void
counter_goes_before_writer_and_writer_before_id(void **state)
{
    static const struct ks_note ascending[] = {
        {.counter = 1, .writer = {9}, .id = {9}},
        {.counter = 2, .writer = {1}, .id = {8}},
        {.counter = 2, .writer = {1}, .id = {9}},
        {.counter = 2, .writer = {2}, .id = {1}},
        {.counter = 2, .writer = {2, 1}, .id = {0}},
        {.counter = UINT64_MAX, .writer = {0}, .id = {0}},
    };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++)
            assert_int_equal(ks_note_wins(&ascending[i], &ascending[j]), i > j);
    }
}

static void
a_note_is_found_by_kind_and_by_whom_it_speaks_of(void **state)
{
    struct bench *b = *state;
    uint8_t ids[3][16] = {"first snapshot.", "second snapshot",
                          "third snapshot"};
    struct ks_note pin = {
        .kind = KS_NOTE_PIN, .counter = 1, .ids = ids, .id_count = 2};
    struct ks_note unpin = {
        .kind = KS_NOTE_UNPIN, .counter = 2, .ids = ids + 1, .id_count = 1};
    const struct ks_notes *notes;

    KIT_OK(ks_note_put(&b->cx, &pin, KIT_ERR));
    KIT_OK(ks_note_put(&b->cx, &unpin, KIT_ERR));
    notes = read_notes(b);
    assert_memory_equal(ks_notes_find(notes, KS_NOTE_PIN, ids[0])->id, pin.id,
                        16);
    assert_memory_equal(ks_notes_find(notes, KS_NOTE_PIN, ids[1])->id, pin.id,
                        16);
    assert_null(ks_notes_find(notes, KS_NOTE_PIN, ids[2]));
    assert_null(ks_notes_find(notes, KS_NOTE_UNPIN, ids[0]));
    assert_memory_equal(ks_notes_find(notes, KS_NOTE_UNPIN, ids[1])->id,
                        unpin.id, 16);
    assert_null(ks_notes_find(notes, KS_NOTE_LABEL, NULL));
}

static void
running_out_of_memory_while_reading_is_said_and_leaks_nothing(void **state)
{
    struct bench *b = *state;
    struct ks_note note = make_note(3, 2, 5);
    long n = 0;
    bool fired;

    KIT_OK(ks_note_put(&b->cx, &note, KIT_ERR));
    KIT_OK(ks_note_put(&b->cx, &note, KIT_ERR));
    do {
        struct ks_err err = KS_ERR_INIT;
        struct ks_notes notes = {0};
        int rc;

        fault_arm(n++);
        rc = ks_notes_read(&b->cx, &notes, &err);
        fired = fault_disarm();
        assert_int_equal(rc, fired ? KS_E_NOMEM : KS_OK);
        assert_int_equal(notes.count, fired ? 0 : 2);
        ks_notes_free(&notes);
    } while (fired);
    assert_true(n > 10); /* calloc, malloc: seen */
    assert_true(fault_count("calloc") > 6);
    free_note(&note);
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_vault_without_notes_has_none),
        BENCH_TEST(notes_of_every_size_come_back_as_they_were),
        BENCH_TEST(a_note_without_text_may_have_none_at_all),
        BENCH_TEST(one_more_than_the_maximum_is_refused),
        BENCH_TEST(a_note_is_that_of_keys_txt),
        BENCH_TEST(only_an_exact_encoding_is_a_note),
        BENCH_TEST(every_field_is_held_to_its_range),
        BENCH_TEST(a_note_beyond_the_maxima_does_not_read),
        BENCH_TEST(every_flipped_byte_and_every_cut_is_counted_as_damage),
        BENCH_TEST(a_stray_object_is_counted_and_does_no_harm),
        BENCH_TEST(the_highest_counter_wins_then_the_writer_then_the_id),
        cmocka_unit_test(counter_goes_before_writer_and_writer_before_id),
        BENCH_TEST(a_note_is_found_by_kind_and_by_whom_it_speaks_of),
        BENCH_TEST(
            running_out_of_memory_while_reading_is_said_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
