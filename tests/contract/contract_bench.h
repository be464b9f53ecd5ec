#ifndef KS_TESTS_CONTRACT_BENCH_H
#define KS_TESTS_CONTRACT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store_kind.h"

/*
 * contract_bench: what the contract's tests have in common.
 *
 * Each test has a folder and a freshly created store of its own. A verb that
 * fails without a message, or with another code than it answers, fails the
 * test at once.
 */

extern const struct store_kind *contract_kind; /* the one that is asked */

struct fixture {
    struct workdir dir;
    struct ks_store *s;
};

int set_up(void **state);
int tear_down(void **state);

struct ks_store *
open_or_die(const struct workdir *dir, enum ks_store_mode mode);

/* Close what there is and open it again. */
void reopen(struct fixture *f, enum ks_store_mode mode);

/* The answer of a verb that must say why it fails. */
int judged(int rc, const struct ks_err *err);

int try_put(struct ks_store *s, const char *name, const void *data, size_t len);
int try_put_text(struct ks_store *s, const char *name, const char *text);
int try_get(struct ks_store *s, const char *name, uint64_t offset, void *data,
            size_t len, size_t *got);
int try_stat(struct ks_store *s, const char *name, uint64_t *size);
int try_remove(struct ks_store *s, const char *name);
int try_sync(struct ks_store *s);

bool has_object(struct ks_store *s, const char *name);

/* Whether the object is there and has just these bytes, in get and stat. */
bool
holds_bytes(struct ks_store *s, const char *name, const void *data, size_t len);
bool holds_text(struct ks_store *s, const char *name, const char *text);

/* Bytes that look random and depend on `seed`. */
void fill_bytes(uint8_t *data, size_t len, uint64_t seed);

/* What a listing showed. */
struct seen {
    char names[64][KS_NAME_MAX + 1];
    uint64_t sizes[64];
    size_t count;
    size_t stop_after; /* 0: never */
};

/* For ks_store_list(), with a struct seen as its user; 7 stops. */
int see_object(void *user, const char *name, uint64_t size);
struct seen list_folder(struct ks_store *s, const char *folder);

/* Whether this object was shown, just once. */
bool saw_once(const struct seen *seen, const char *name, uint64_t size);

/* The groups of tests; each answers how many failed. */
int contract_life(void);
int contract_faults(void);

#endif /* KS_TESTS_CONTRACT_BENCH_H */
