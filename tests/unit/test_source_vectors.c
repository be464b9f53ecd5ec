/*
 * doc/format-signal-v1.md in examples: files that another program wrote are
 * kept as that page says, and made again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "check.h"
#include "crypto/secret.h"
#include "signal_run.h"
#include "vectors.h"

#define MOST ((size_t)4096) /* bytes of anything in the vectors */

static const struct ks_policy keep_all = {.attachment_bytes_max = UINT64_MAX};

static struct workdir dir;

/* Hex digits, or "none" or "empty", as bytes into out[0..MOST). */
static size_t
bytes_of(uint8_t *out, const char *hex)
{
    size_t len = strlen(hex) / 2;

    if (strcmp(hex, "none") == 0 || strcmp(hex, "empty") == 0)
        return 0;
    assert_true(len <= MOST && ks_hex_decode(out, len, hex));
    return len;
}

static void
check_extra(struct vectors *v, const struct memory_snapshot *m,
            const char *name)
{
    const struct memory_extra *extra = memory_snapshot_extra(m, name);
    uint8_t want[MOST];
    size_t len = vectors_hex(v, name, want, sizeof(want));

    assert_non_null(extra);
    assert_int_equal(extra->len, len);
    assert_memory_equal(extra->data, want, len);
}

/* Record i of the vectors is the next of its stream; `next` counts them. */
static void
check_record(struct vectors *v, const struct memory_snapshot *m, size_t i,
             size_t *next)
{
    char name[64];
    char stream[64];
    char when[32];
    char blob[256];
    char frame[MOST];
    uint8_t want[MOST];
    const struct memory_stream *s;
    const struct memory_record *r;
    size_t skip = 0;
    size_t len;

    (void)snprintf(name, sizeof(name), "record_%zu", i);
    assert_int_equal(sscanf(vectors_text(v, name), "%63s %31s %255s %4095s",
                            stream, when, blob, frame),
                     4);
    s = memory_snapshot_stream(m, stream);
    assert_non_null(s);
    r = &s->records[next[s - m->streams]++];
    assert_int_equal(r->time_ms, strcmp(when, "never") == 0
                                     ? KS_TIME_NONE
                                     : strtoll(when, NULL, 10));
    if (strcmp(blob, "none") != 0) {
        const struct memory_blob *kept = memory_snapshot_blob(m, r->data);
        assert_non_null(kept);
        len = bytes_of(want, blob);
        assert_int_equal(kept->len, len);
        assert_memory_equal(kept->data, want, len);
        skip = KS_BLOB_ID_SIZE;
    }
    len = bytes_of(want, frame);
    assert_int_equal(r->len, skip + len);
    assert_memory_equal(r->data + skip, want, len);
}

static void
check_order(struct vectors *v, const struct memory_snapshot *m)
{
    const struct memory_stream *order = memory_snapshot_stream(m, "order");
    const char *line = vectors_text(v, "order");
    uint8_t want[MOST];
    char word[128];
    size_t i = 0;
    int used = 0;

    for (; sscanf(line, "%127s%n", word, &used) == 1; line += used, i++) {
        size_t len = bytes_of(want, word);
        assert_true(i < order->count);
        assert_int_equal(order->records[i].len, len);
        assert_memory_equal(order->records[i].data, want, len);
    }
    assert_int_equal(order->count, i);
}

static void
check_trailing(struct vectors *v, const struct memory_snapshot *m)
{
    const struct memory_extra *extra = memory_snapshot_extra(m, "trailing");
    uint8_t want[MOST];
    size_t len = vectors_hex(v, "trailing", want, sizeof(want));

    assert_int_equal(extra != NULL, len > 0);
    if (extra == NULL)
        return;
    assert_int_equal(extra->len, 40);
    assert_int_equal(ks_get_u64le(extra->data + 32), len);
    assert_memory_equal(memory_snapshot_blob(m, extra->data)->data, want, len);
}

static void
check_file(struct vectors *v)
{
    size_t next[32] = {0};
    size_t count = vectors_number(v, "records");
    struct memory_snapshot *m;
    struct ks_err err = KS_ERR_INIT;
    uint8_t file[MOST];
    size_t len = vectors_hex(v, "file", file, sizeof(file));

    workdir_write(&dir, "f.backup", file, len);
    m = signal_run_file(&dir, "f.backup", vectors_text(v, "passphrase"),
                        &keep_all);
    check_extra(v, m, "header");
    check_extra(v, m, "key");
    check_extra(v, m, "end");
    check_extra(v, m, "digest");
    assert_int_equal(ks_get_u64le(memory_snapshot_extra(m, "length")->data),
                     vectors_number(v, "length"));
    for (size_t i = 0; i < count; i++)
        check_record(v, m, i, next);
    for (size_t i = 1; i < m->stream_count; i++) /* and nothing else */
        assert_int_equal(m->streams[i].count, next[i]);
    check_order(v, m);
    check_trailing(v, m);
    assert_int_equal(signal_run_restore(m, &dir, "again", NULL, &err), KS_OK);
    assert_true(workdir_holds(&dir, "again", file, len));
    assert_int_equal(remove(workdir_path(&dir, "again")), 0);
    memory_snapshot_free(m);
}

static void
files_are_kept_as_the_format_says(void **state)
{
    struct vectors *v = vectors_open("signal_v1.txt");

    (void)state;
    workdir_make(&dir);
    while (vectors_next(v))
        check_file(v);
    assert_int_equal(vectors_close(v), 2);
    workdir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_kept_as_the_format_says),
    };
    struct ks_err err = KS_ERR_INIT;

    if (ks_crypto_init(&err) != KS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
