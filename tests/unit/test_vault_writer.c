/* Enrolling, run numbers, promises and marks. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/text.h"
#include "check.h"
#include "crash_store.h"
#include "fault.h"
#include "vault/keyring.h"
#include "vault/writer.h"
#include "vaultkit.h"
#include "vectors.h"
#include "workdir.h"

struct bench {
    struct workdir dir;
    struct ks_store *store;
    struct ks_keyring *keys;
    struct ks_object_context cx;
    struct ks_writer *w;
};

static const uint8_t zero_id[16];
static const uint8_t snapshot_a[16] = "snapshot a......";
static const uint8_t snapshot_b[16] = "snapshot b......";

static int
bench_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    workdir_make(&b->dir);
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

    ks_writer_close(b->w);
    ks_keyring_free(b->keys);
    ks_store_close(b->store);
    workdir_remove(&b->dir);
    free(b);
    return 0;
}

static const char *
folder(const struct bench *b)
{
    return workdir_path(&b->dir, "a/state");
}

static int
try_open(struct bench *b, struct ks_err *err)
{
    int rc;

    *err = KS_ERR_INIT;
    ks_writer_close(b->w);
    b->w = NULL;
    rc = ks_writer_open(&b->w, &b->cx, folder(b), err);
    assert_int_equal(rc, err->code);
    assert_int_equal(rc == KS_OK, b->w != NULL);
    return rc;
}

static void
open_writer(struct bench *b)
{
    struct ks_err err;

    if (try_open(b, &err) != KS_OK)
        fail_msg("%s", err.msg);
}

static void
close_writer(struct bench *b)
{
    ks_writer_close(b->w);
    b->w = NULL;
}

static void
assert_last(const struct bench *b, uint64_t run, const uint8_t *snapshot)
{
    uint8_t id[16] = "not filled in..";
    uint64_t number = 77;

    ks_writer_last(b->w, &number, id);
    assert_true(number == run);
    assert_memory_equal(id, snapshot, 16);
}

static uint64_t
begin_run(struct bench *b, uint64_t floor)
{
    uint64_t run = 0;

    KIT_OK(ks_writer_begin(b->w, floor, &run, KIT_ERR));
    return run;
}

/* A whole run that commits `snapshot`. */
static uint64_t
commit_run(struct bench *b, const uint8_t *snapshot)
{
    char name[KS_OBJECT_NAME_SIZE];
    uint64_t run = begin_run(b, 0);

    KIT_OK(ks_writer_promise(b->w, snapshot, KIT_ERR));
    ks_object_name(name, KS_DIR_SNAPSHOTS, snapshot);
    kit_write(b->store, name, "snapshot", 8);
    KIT_OK(ks_writer_committed(b->w, KIT_ERR));
    return run;
}

/* Put content[0..len) as a sealed object; its name is by `id`, or its own. */
static void
put_sealed(struct bench *b, enum ks_object_kind kind, const char *name,
           struct ks_bytes content)
{
    char own[KS_OBJECT_NAME_SIZE];
    struct ks_buf sealed;
    uint8_t id[16];

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_object_seal(&b->cx, kind, content, &sealed, id, KIT_ERR));
    ks_object_name(own, KS_DIR_MARKS, id);
    kit_write(b->store, name != NULL ? name : own, sealed.data, sealed.len);
    ks_buf_wipe(&sealed);
}

/* A mark for packs whose ids begin with first, first+1, ... */
static void
put_mark(struct bench *b, uint8_t first, uint8_t count)
{
    uint8_t content[21 + 16 * 8] = {1};

    assert_true(count <= 8);
    ks_put_u32le(content + 17, count);
    for (uint8_t i = 0; i < count; i++)
        content[21 + 16 * i] = (uint8_t)(first + i);
    put_sealed(
        b, KS_OBJ_MARK, NULL,
        (struct ks_bytes){.ptr = content, .len = 21 + 16 * (size_t)count});
}

static bool
doomed(const struct bench *b, uint8_t first)
{
    uint8_t pack[16] = {first};

    return ks_writer_doomed(b->w, pack);
}

static void
retire(struct bench *b)
{
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t content[9] = {1};

    ks_object_name(name, KS_DIR_WRITERS, ks_writer_id(b->w));
    memcpy(name + strlen(name), ".retired", sizeof(".retired"));
    put_sealed(b, KS_OBJ_RETIRED, name,
               (struct ks_bytes){.ptr = content, .len = sizeof(content)});
}

static void
a_new_writer_enrols_in_a_folder_that_nobody_else_can_read(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_buf content;
    struct stat st;
    char host[256] = "";

    ks_buf_init(&content, 1000);
    open_writer(b);
    assert_last(b, 0, zero_id);
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
    ks_object_name(name, KS_DIR_WRITERS, ks_writer_id(b->w));
    KIT_OK(ks_object_get(&b->cx, KS_OBJ_WRITER, name, &content, KIT_ERR));
    assert_int_equal(gethostname(host, 255), 0);
    assert_int_equal(content.len, 10 + strlen(host));
    assert_int_equal(content.data[0], 1);
    assert_true(ks_get_u64le(content.data + 1) > 1700000000000);
    assert_int_equal(content.data[9], strlen(host));
    assert_memory_equal(content.data + 10, host, strlen(host));
    assert_int_equal(stat(folder(b), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(workdir_path(&b->dir, "a/state/writer"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(workdir_path(&b->dir, "a/state/lock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    ks_buf_wipe(&content);
}

static void
a_writer_stays_the_same_from_run_to_run(void **state)
{
    struct bench *b = *state;
    uint8_t id[16];
    uint64_t first;

    open_writer(b);
    memcpy(id, ks_writer_id(b->w), 16);
    first = commit_run(b, snapshot_a);
    assert_true(first == 1);
    assert_last(b, 1, snapshot_a);
    open_writer(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    assert_last(b, 1, snapshot_a);
    assert_true(commit_run(b, snapshot_b) == 2);
    assert_true(begin_run(b, 0) == 3);
    open_writer(b);
    assert_last(b, 2, snapshot_b);
    assert_true(begin_run(b, 0) == 4); /* 3 was given away */
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
}

static void
a_run_is_newer_than_any_that_the_vault_has_seen(void **state)
{
    struct bench *b = *state;
    struct ks_err err = KS_ERR_INIT;
    uint64_t run = 9;

    open_writer(b);
    assert_true(begin_run(b, 41) == 42);
    assert_true(begin_run(b, 7) == 43);
    assert_true(begin_run(b, UINT64_MAX - 1) == UINT64_MAX);
    assert_int_equal(ks_writer_begin(b->w, 0, &run, &err), KS_E_LIMIT);
    err = KS_ERR_INIT;
    assert_int_equal(ks_writer_begin(b->w, UINT64_MAX, &run, &err), KS_E_LIMIT);
    assert_true(run == 9);
}

static void
two_runs_at_once_are_refused(void **state)
{
    struct bench *b = *state;
    struct ks_writer *second = NULL;

    open_writer(b);
    KIT_FAILS(KS_E_BUSY, ks_writer_open(&second, &b->cx, folder(b), KIT_ERR));
    assert_null(second);
    close_writer(b);
    KIT_OK(ks_writer_open(&second, &b->cx, folder(b), KIT_ERR));
    ks_writer_close(second);
}

static void
a_retired_writer_enrols_afresh(void **state)
{
    struct bench *b = *state;
    uint8_t id[16];

    for (int committed = 0; committed < 2; committed++) {
        open_writer(b);
        memcpy(id, ks_writer_id(b->w), 16);
        if (committed == 1)
            (void)commit_run(b, snapshot_a);
        retire(b);
        open_writer(b);
        assert_memory_not_equal(ks_writer_id(b->w), id, 16);
        assert_last(b, 0, zero_id);
        assert_true(begin_run(b, 0) == 1);
    }
}

static void
a_writer_that_the_vault_has_forgotten_enrols_afresh(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[16];

    open_writer(b);
    (void)commit_run(b, snapshot_a);
    memcpy(id, ks_writer_id(b->w), 16);
    ks_object_name(name, KS_DIR_WRITERS, id);
    kit_remove(b->store, name); /* the store went back in time */
    open_writer(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    assert_last(b, 0, zero_id);
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
}

static void
a_writer_that_has_begun_no_run_keeps_its_name(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t id[16];

    open_writer(b);
    memcpy(id, ks_writer_id(b->w), 16);
    ks_object_name(name, KS_DIR_WRITERS, id);
    kit_remove(b->store, name); /* the put is still on its way */
    open_writer(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    assert_int_equal(kit_count(b->store, KS_DIR_WRITERS), 1);
}

static void
a_damaged_state_is_set_aside(void **state)
{
    struct bench *b = *state;
    uint8_t id[16];

    open_writer(b);
    (void)commit_run(b, snapshot_a);
    memcpy(id, ks_writer_id(b->w), 16);
    workdir_write(&b->dir, "a/state/writer", "damaged", 7);
    open_writer(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    assert_last(b, 0, zero_id);
    assert_true(workdir_holds(&b->dir, "a/state/writer.damaged", "damaged", 7));
    workdir_write(&b->dir, "a/state/writer", "", 0);
    open_writer(b);
    assert_true(workdir_holds(&b->dir, "a/state/writer.damaged", "", 0));
}

/* The bytes of the state file. */
static void
read_state(const struct bench *b, struct ks_buf *out)
{
    FILE *f = fopen(workdir_path(&b->dir, "a/state/writer"), "rb");

    assert_non_null(f);
    ks_buf_reset(out);
    KIT_OK(ks_buf_zeros(out, 4208, KIT_ERR));
    assert_int_equal(fread(out->data, 1, 4208, f), 4208);
    assert_int_equal(fgetc(f), EOF);
    (void)fclose(f);
}

static void
flips_and_cuts_of_the_state_are_seen(void **state)
{
    struct bench *b = *state;
    struct ks_buf bytes;
    uint8_t id[16];
    struct ks_err err;

    ks_buf_init(&bytes, 5000);
    open_writer(b);
    (void)commit_run(b, snapshot_a);
    memcpy(id, ks_writer_id(b->w), 16);
    read_state(b, &bytes);
    for (size_t at = 0; at < bytes.len; at += at < 200 ? 1 : 97) {
        int rc;

        bytes.data[at] ^= 1;
        workdir_write(&b->dir, "a/state/writer", bytes.data, bytes.len);
        bytes.data[at] ^= 1;
        rc = try_open(b, &err);
        assert_int_equal(rc, at == 8 ? KS_E_UNSUPPORTED : rc);
        if (rc == KS_OK)
            assert_memory_not_equal(ks_writer_id(b->w), id, 16);
        else
            assert_true(rc == KS_E_UNSUPPORTED && (at == 8 || at == 9));
    }
    for (size_t cut = 0; cut < bytes.len; cut += 61) {
        workdir_write(&b->dir, "a/state/writer", bytes.data, cut);
        open_writer(b);
        assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    }
    workdir_write(&b->dir, "a/state/writer", bytes.data, bytes.len);
    open_writer(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    ks_buf_wipe(&bytes);
}

/* Replace the state file by one of this content. */
static void
write_state(struct bench *b, const uint8_t *content, size_t len)
{
    struct ks_buf sealed;
    uint8_t id[16];

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    KIT_OK(ks_object_seal(&b->cx, KS_OBJ_STATE,
                          (struct ks_bytes){.ptr = content, .len = len},
                          &sealed, id, KIT_ERR));
    workdir_write(&b->dir, "a/state/writer", sealed.data, sealed.len);
    ks_buf_wipe(&sealed);
}

static void
a_state_that_is_not_exactly_one_is_set_aside(void **state)
{
    struct bench *b = *state;
    uint8_t content[67] = {1};
    uint8_t id[16];
    struct ks_err err;

    open_writer(b);
    (void)begin_run(b, 4);
    memcpy(id, ks_writer_id(b->w), 16);
    memcpy(content + 1, id, 16);
    content[17] = 5; /* run */
    for (size_t len = 0; len <= sizeof(content); len++) {
        write_state(b, content, len);
        open_writer(b);
        assert_int_equal(memcmp(ks_writer_id(b->w), id, 16) == 0, len == 66);
    }
    content[25] = 6; /* committed a run that was not begun */
    write_state(b, content, 66);
    open_writer(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    content[25] = 5;
    content[49] = 2; /* neither in doubt nor not */
    write_state(b, content, 66);
    open_writer(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    content[49] = 0;
    content[0] = 2;
    write_state(b, content, 66);
    assert_int_equal(try_open(b, &err), KS_E_UNSUPPORTED);
    assert_int_equal(try_open(b, &err), KS_E_UNSUPPORTED); /* left there */
    content[0] = 1;
    write_state(b, content, 66);
    open_writer(b);
    assert_memory_equal(ks_writer_id(b->w), id, 16);
    assert_last(b, 5, zero_id);
}

static void
the_state_of_another_vault_is_set_aside(void **state)
{
    struct bench *b = *state;
    uint8_t id[16];

    open_writer(b);
    memcpy(id, ks_writer_id(b->w), 16);
    b->cx.vault_id[0] ^= 1;
    open_writer(b);
    assert_memory_not_equal(ks_writer_id(b->w), id, 16);
    assert_true(workdir_size(&b->dir, "a/state/writer.damaged") == 4208);
}

/* Lay the vector's state into the folder, its writer into the store. */
static void
lay_vector(struct bench *b, struct vectors *v, uint8_t *writer)
{
    static uint8_t bytes[8192];
    uint8_t keyring[KIT_KEYRING_MAX];
    char name[KS_OBJECT_NAME_SIZE];
    size_t len = vectors_hex(v, "keyring", keyring, sizeof(keyring));

    ks_keyring_free(b->keys);
    KIT_OK(ks_keyring_decode(&b->keys, keyring, len, KIT_ERR));
    b->cx.keys = b->keys;
    vectors_bytes(v, "vault_id", b->cx.vault_id, 16);
    vectors_bytes(v, "writer", writer, 16);
    ks_object_name(name, KS_DIR_WRITERS, writer);
    kit_write(b->store, name, "enrolled", 8);
    len = vectors_hex(v, "bytes", bytes, sizeof(bytes));
    open_writer(b); /* makes the folder */
    close_writer(b);
    workdir_write(&b->dir, "a/state/writer", bytes, len);
}

static void
a_state_is_that_of_keys_txt(void **state)
{
    struct bench *b = *state;
    struct vectors *v = vectors_open("keys.txt");
    char name[KS_OBJECT_NAME_SIZE];
    uint8_t writer[16];
    uint8_t last[16];
    uint8_t promised[16];

    while (vectors_next(v)) {
        if (strcmp(vectors_text(v, "what"), "state") == 0)
            break;
    }
    vectors_bytes(v, "last", last, 16);
    vectors_bytes(v, "promised", promised, 16);
    lay_vector(b, v, writer);
    open_writer(b);
    assert_memory_equal(ks_writer_id(b->w), writer, 16);
    assert_last(b, vectors_number(v, "last_run"), last);
    assert_true(begin_run(b, 0) == vectors_number(v, "run") + 1);
    ks_object_name(name, KS_DIR_SNAPSHOTS, promised);
    kit_write(b->store, name, "snapshot", 8);
    lay_vector(b, v, writer);
    open_writer(b);
    assert_last(b, vectors_number(v, "run"), promised);
    (void)vectors_close(v);
}

static void
a_promised_snapshot_that_is_there_was_committed(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    open_writer(b);
    (void)commit_run(b, snapshot_a);
    assert_true(begin_run(b, 0) == 2);
    KIT_OK(ks_writer_promise(b->w, snapshot_b, KIT_ERR));
    ks_object_name(name, KS_DIR_SNAPSHOTS, snapshot_b);
    kit_write(b->store, name, "snapshot", 8);
    open_writer(b); /* as after a crash */
    assert_last(b, 2, snapshot_b);
    assert_true(begin_run(b, 0) == 3);
    open_writer(b);
    assert_last(b, 2, snapshot_b);
}

static void
a_promised_snapshot_that_is_not_there_is_void_for_ever(void **state)
{
    struct bench *b = *state;
    char name[KS_OBJECT_NAME_SIZE];

    open_writer(b);
    (void)commit_run(b, snapshot_a);
    assert_true(begin_run(b, 0) == 2);
    KIT_OK(ks_writer_promise(b->w, snapshot_b, KIT_ERR));
    open_writer(b);
    assert_last(b, 1, snapshot_a);
    ks_object_name(name, KS_DIR_SNAPSHOTS, snapshot_b);
    kit_write(b->store, name, "snapshot", 8); /* too late */
    open_writer(b);
    assert_last(b, 1, snapshot_a);
    assert_true(begin_run(b, 0) == 3);
}

static void
marks_are_acked_and_their_packs_do_not_count(void **state)
{
    struct bench *b = *state;
    const char *log;

    open_writer(b);
    assert_false(doomed(b, 1));
    (void)commit_run(b, snapshot_a);
    close_writer(b);
    put_mark(b, 40, 3);
    put_mark(b, 10, 8);
    put_mark(b, 1, 0);
    b->cx.store = crash_store(b->store, CRASH_NEVER);
    open_writer(b);
    log = crash_store_log(b->cx.store);
    assert_string_equal(log, "put:acks sync ");
    ks_store_close(b->cx.store);
    b->cx.store = b->store;
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(doomed(b, (uint8_t)i),
                         (i >= 10 && i < 18) || (i >= 40 && i < 43));
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 3);
}

static void
an_ack_names_the_last_commit_and_is_put_once(void **state)
{
    struct bench *b = *state;
    char mark[KS_NAME_MAX + 1];
    char ack[KS_NAME_MAX + 40];
    char hex[33];
    struct ks_buf content;

    ks_buf_init(&content, 1000);
    open_writer(b);
    (void)commit_run(b, snapshot_a);
    put_mark(b, 7, 1);
    open_writer(b);
    kit_name(b->store, KS_DIR_MARKS, 0, mark);
    ks_hex_encode(hex, ks_writer_id(b->w), 16);
    (void)snprintf(ack, sizeof(ack), "acks/%s.%s", mark + strlen("marks/"),
                   hex);
    (void)commit_run(b, snapshot_b);
    open_writer(b); /* acked already */
    assert_true(doomed(b, 7));
    KIT_OK(ks_object_get(&b->cx, KS_OBJ_ACK, ack, &content, KIT_ERR));
    assert_int_equal(content.len, 25);
    assert_int_equal(content.data[0], 1);
    assert_true(ks_get_u64le(content.data + 1) == 1);
    assert_memory_equal(content.data + 9, snapshot_a, 16);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 1);
    ks_buf_wipe(&content);
}

static void
a_new_writer_heeds_the_marks_it_finds(void **state)
{
    struct bench *b = *state;
    struct ks_store *logging = crash_store(b->store, CRASH_NEVER);

    put_mark(b, 7, 1);
    b->cx.store = logging;
    open_writer(b);
    assert_true(doomed(b, 7));
    assert_string_equal(crash_store_log(logging),
                        "put:writers sync put:acks sync ");
    close_writer(b);
    ks_store_close(logging);
}

static void
a_mark_that_cannot_be_read_is_not_acked(void **state)
{
    struct bench *b = *state;
    uint8_t content[21 + 32 + 1] = {1};

    ks_put_u32le(content + 17, 2);
    for (size_t len = 0; len <= sizeof(content); len++) {
        if (len != 21 + 32)
            put_sealed(b, KS_OBJ_MARK, NULL,
                       (struct ks_bytes){.ptr = content, .len = len});
    }
    content[0] = 2; /* of a newer version */
    put_sealed(b, KS_OBJ_MARK, NULL,
               (struct ks_bytes){.ptr = content, .len = 21 + 32});
    kit_write(b->store, "marks/00112233445566778899aabbccddeeff", "x", 1);
    kit_write(b->store, "marks/readme", "x", 1);
    open_writer(b);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 0);
    assert_false(doomed(b, 0));
}

static void
a_mark_that_was_acked_and_is_damaged_stops_the_run(void **state)
{
    struct bench *b = *state;
    char mark[KS_NAME_MAX + 1];
    struct ks_err err;

    put_mark(b, 7, 1);
    open_writer(b);
    kit_name(b->store, KS_DIR_MARKS, 0, mark);
    kit_write(b->store, mark, "damaged", 7);
    assert_int_equal(try_open(b, &err), KS_E_CORRUPT);
    assert_non_null(strstr(err.msg, "mark"));
    kit_remove(b->store, mark);
    open_writer(b);
}

static void
the_largest_mark_is_read_and_one_more_is_not(void **state)
{
    struct bench *b = *state;
    size_t len = 21 + 16 * ((size_t)KS_MARK_PACKS_MAX + 1);
    uint8_t *content = calloc(1, len);

    assert_non_null(content);
    content[0] = 1;
    ks_put_u32le(content + 17, KS_MARK_PACKS_MAX + 1);
    content[len - 16] = 0x99;
    put_sealed(b, KS_OBJ_MARK, NULL,
               (struct ks_bytes){.ptr = content, .len = len});
    open_writer(b);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 0);
    assert_false(doomed(b, 0x99));
    ks_put_u32le(content + 17, KS_MARK_PACKS_MAX);
    content[len - 32] = 0x98;
    put_sealed(b, KS_OBJ_MARK, NULL,
               (struct ks_bytes){.ptr = content, .len = len - 16});
    open_writer(b);
    assert_int_equal(kit_count(b->store, KS_DIR_ACKS), 1);
    assert_true(doomed(b, 0x98));
    assert_false(doomed(b, 0x99));
    free(content);
}

static void
a_crash_while_enrolling_leaves_no_writer_that_nobody_is(void **state)
{
    struct bench *b = *state;
    bool crashed = true;

    for (long steps = 0; crashed; steps++) {
        struct bench c = {.store = kit_memory(), .keys = b->keys};
        struct ks_store *s = crash_store(c.store, steps);
        struct ks_err err;
        int rc;

        workdir_make(&c.dir);
        c.cx = kit_context(c.store, c.keys);
        put_mark(&c, 7, 2);
        c.cx.store = s;
        rc = try_open(&c, &err);
        crashed = crash_store_crashed(s);
        assert_int_equal(rc, crashed ? KS_E_IO : KS_OK);
        c.cx.store = c.store;
        open_writer(&c);
        assert_int_equal(kit_count(c.store, KS_DIR_WRITERS), 1);
        assert_int_equal(kit_count(c.store, KS_DIR_ACKS), 1);
        assert_true(doomed(&c, 8));
        close_writer(&c);
        ks_store_close(s);
        ks_store_close(c.store);
        workdir_remove(&c.dir);
    }
}

static void
any_failing_call_while_enrolling_can_be_tried_again(void **state)
{
    struct bench *b = *state;
    bool fired = true;
    long n = 0;

    for (; fired; n++) {
        struct bench c = {.store = kit_memory(), .keys = b->keys};
        struct ks_err err;
        size_t fds = fault_open_fds();
        int rc;

        workdir_make(&c.dir);
        c.cx = kit_context(c.store, c.keys);
        put_mark(&c, 7, 2);
        fault_arm(n);
        rc = try_open(&c, &err);
        fired = fault_disarm();
        if (rc == KS_OK)
            assert_true(doomed(&c, 8));
        close_writer(&c);
        assert_int_equal(fault_open_fds(), fds);
        open_writer(&c);
        assert_int_equal(kit_count(c.store, KS_DIR_WRITERS), 1);
        assert_true(doomed(&c, 8));
        close_writer(&c);
        ks_store_close(c.store);
        workdir_remove(&c.dir);
    }
    assert_true(n > 30);
    assert_int_equal(fault_count("flock"), 1);
    assert_int_equal(fault_count("renameat") + fault_count("rename") +
                         fault_count("renameat2"),
                     1);
    assert_true(fault_count("fsync") >= 2);
}

/* Begin, promise and commit with the n-th call failing; whether it failed. */
static bool
run_under_fault(struct bench *b, long n, int *done)
{
    struct ks_err err = KS_ERR_INIT;
    uint64_t run = 0;

    *done = 0;
    fault_arm(n);
    if (ks_writer_begin(b->w, 0, &run, &err) == KS_OK)
        *done = 1;
    if (*done == 1 && ks_writer_promise(b->w, snapshot_b, &err) == KS_OK)
        *done = 2;
    if (*done == 2 && ks_writer_committed(b->w, &err) == KS_OK)
        *done = 3;
    return fault_disarm();
}

static void
any_failing_call_in_a_run_leaves_the_old_state_or_the_new_one(void **state)
{
    struct bench *b = *state;
    bool fired = true;
    long n = 0;

    for (; fired; n++) {
        struct bench c = {.store = kit_memory(), .keys = b->keys};
        uint8_t last[16] = {0};
        uint64_t run = 0;
        int done;

        workdir_make(&c.dir);
        c.cx = kit_context(c.store, c.keys);
        open_writer(&c);
        (void)commit_run(&c, snapshot_a);
        fired = run_under_fault(&c, n, &done);
        open_writer(&c);
        ks_writer_last(c.w, &run, last);
        if (done == 3 || run == 2)
            assert_last(&c, 2, snapshot_b);
        else
            assert_last(&c, 1, snapshot_a); /* no such snapshot is there */
        assert_true(begin_run(&c, 0) >= (uint64_t)(done > 0 ? 3 : 2));
        close_writer(&c);
        ks_store_close(c.store);
        workdir_remove(&c.dir);
    }
    assert_true(n > 20);
    assert_true(fault_count("fsync") >= 6);
}

static void
a_file_where_the_folder_should_be_is_told(void **state)
{
    struct bench *b = *state;
    struct ks_err err;

    workdir_write(&b->dir, "a", "file", 4);
    assert_true(try_open(b, &err) < 0);
    assert_true(err.msg[0] != '\0');
}

#define BENCH_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_new_writer_enrols_in_a_folder_that_nobody_else_can_read),
        BENCH_TEST(a_writer_stays_the_same_from_run_to_run),
        BENCH_TEST(a_run_is_newer_than_any_that_the_vault_has_seen),
        BENCH_TEST(two_runs_at_once_are_refused),
        BENCH_TEST(a_retired_writer_enrols_afresh),
        BENCH_TEST(a_writer_that_the_vault_has_forgotten_enrols_afresh),
        BENCH_TEST(a_writer_that_has_begun_no_run_keeps_its_name),
        BENCH_TEST(a_damaged_state_is_set_aside),
        BENCH_TEST(flips_and_cuts_of_the_state_are_seen),
        BENCH_TEST(a_state_that_is_not_exactly_one_is_set_aside),
        BENCH_TEST(the_state_of_another_vault_is_set_aside),
        BENCH_TEST(a_state_is_that_of_keys_txt),
        BENCH_TEST(a_promised_snapshot_that_is_there_was_committed),
        BENCH_TEST(a_promised_snapshot_that_is_not_there_is_void_for_ever),
        BENCH_TEST(marks_are_acked_and_their_packs_do_not_count),
        BENCH_TEST(an_ack_names_the_last_commit_and_is_put_once),
        BENCH_TEST(a_new_writer_heeds_the_marks_it_finds),
        BENCH_TEST(a_mark_that_cannot_be_read_is_not_acked),
        BENCH_TEST(a_mark_that_was_acked_and_is_damaged_stops_the_run),
        BENCH_TEST(the_largest_mark_is_read_and_one_more_is_not),
        BENCH_TEST(a_crash_while_enrolling_leaves_no_writer_that_nobody_is),
        BENCH_TEST(any_failing_call_while_enrolling_can_be_tried_again),
        BENCH_TEST(
            any_failing_call_in_a_run_leaves_the_old_state_or_the_new_one),
        BENCH_TEST(a_file_where_the_folder_should_be_is_told),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
