/*
 * writer_bench: the pieces that tests of writers share.
 */
#include "writer_bench.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vault/keyring.h"
#include "vaultkit.h"

const uint8_t wb_zero[16];
const uint8_t wb_snapshot_a[16] = "snapshot a......";
const uint8_t wb_snapshot_b[16] = "snapshot b......";

int
wb_up(void **state)
{
    struct writer_bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    workdir_make(&b->dir);
    b->store = kit_memory();
    b->keys = kit_keyring(1);
    b->cx = kit_context(b->store, b->keys);
    *state = b;
    return 0;
}

int
wb_down(void **state)
{
    struct writer_bench *b = *state;

    ks_writer_close(b->w);
    ks_keyring_free(b->keys);
    ks_store_close(b->store);
    workdir_remove(&b->dir);
    free(b);
    return 0;
}

const char *
wb_folder(const struct writer_bench *b)
{
    return workdir_path(&b->dir, "a/state");
}

int
wb_try_open(struct writer_bench *b, struct ks_err *err)
{
    int rc;

    *err = KS_ERR_INIT;
    ks_writer_close(b->w);
    b->w = NULL;
    rc = ks_writer_open(&b->w, &b->cx, wb_folder(b), err);
    assert_int_equal(rc, err->code);
    assert_int_equal(rc == KS_OK, b->w != NULL);
    return rc;
}

void
wb_open(struct writer_bench *b)
{
    struct ks_err err;

    if (wb_try_open(b, &err) != KS_OK)
        fail_msg("%s", err.msg);
}

void
wb_close(struct writer_bench *b)
{
    ks_writer_close(b->w);
    b->w = NULL;
}

void
wb_assert_last(const struct writer_bench *b, uint64_t run,
               const uint8_t *snapshot)
{
    uint8_t id[16] = "not filled in..";
    uint64_t number = 77;

    ks_writer_last(b->w, &number, id);
    assert_true(number == run);
    assert_memory_equal(id, snapshot, 16);
}

uint64_t
wb_begin(struct writer_bench *b, uint64_t floor)
{
    uint64_t run = 0;

    KIT_OK(ks_writer_begin(b->w, floor, &run, KIT_ERR));
    return run;
}

uint64_t
wb_commit(struct writer_bench *b, const uint8_t *snapshot)
{
    char name[KS_OBJECT_NAME_SIZE];
    uint64_t run = wb_begin(b, 0);

    KIT_OK(ks_writer_promise(b->w, snapshot, KIT_ERR));
    ks_object_name(name, KS_DIR_SNAPSHOTS, snapshot);
    kit_write(b->store, name, "snapshot", 8);
    KIT_OK(ks_writer_committed(b->w, KIT_ERR));
    return run;
}

void
wb_put_sealed(struct writer_bench *b, enum ks_object_kind kind,
              const char *name, struct ks_bytes content)
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

void
wb_put_mark(struct writer_bench *b, uint8_t first, uint8_t count)
{
    uint8_t content[21 + 16 * 8] = {1};

    assert_true(count <= 8);
    ks_put_u32le(content + 17, count);
    for (uint8_t i = 0; i < count; i++)
        content[21 + 16 * i] = (uint8_t)(first + i);
    wb_put_sealed(
        b, KS_OBJ_MARK, NULL,
        (struct ks_bytes){.ptr = content, .len = 21 + 16 * (size_t)count});
}

bool
wb_doomed(const struct writer_bench *b, uint8_t first)
{
    uint8_t pack[16] = {first};

    return ks_writer_doomed(b->w, pack);
}
