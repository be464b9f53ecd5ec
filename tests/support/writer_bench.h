#ifndef KS_TESTS_WRITER_BENCH_H
#define KS_TESTS_WRITER_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "vault/object.h"
#include "vault/writer.h"
#include "workdir.h"

/*
 * writer_bench: a vault's store in memory, a state folder, and a writer that
 * is opened and closed there as if run by run. A failure that is not asked
 * about fails the test.
 */
struct writer_bench {
    struct workdir dir; /* the state folder is a/state in it */
    struct ks_store *store;
    struct ks_keyring *keys;
    struct ks_object_context cx;
    struct ks_writer *w; /* NULL while closed */
};

extern const uint8_t wb_zero[16];
extern const uint8_t wb_snapshot_a[16];
extern const uint8_t wb_snapshot_b[16];

/* Set-up and tear-down of one test. */
int wb_up(void **state);
int wb_down(void **state);

const char *wb_folder(const struct writer_bench *b);

/* Close the writer, if any, and open it again: what came of it. */
int wb_try_open(struct writer_bench *b, struct ks_err *err);
void wb_open(struct writer_bench *b);
void wb_close(struct writer_bench *b);

void wb_assert_last(const struct writer_bench *b, uint64_t run,
                    const uint8_t *snapshot);

/* Begin a run: its number. */
uint64_t wb_begin(struct writer_bench *b, uint64_t floor);

/* A whole run that commits `snapshot`. */
uint64_t wb_commit(struct writer_bench *b, const uint8_t *snapshot);

/* Put content as a sealed object called `name`, or as a mark under the name
 * that it gets by its bytes if that is NULL. */
void wb_put_sealed(struct writer_bench *b, enum ks_object_kind kind,
                   const char *name, struct ks_bytes content);

/* A mark for packs whose ids begin with first, first+1, ... */
void wb_put_mark(struct writer_bench *b, uint8_t first, uint8_t count);

/* Whether the pack whose id begins so is doomed. */
bool wb_doomed(const struct writer_bench *b, uint8_t first);

#endif /* KS_TESTS_WRITER_BENCH_H */
