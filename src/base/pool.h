#ifndef KS_BASE_POOL_H
#define KS_BASE_POOL_H

#include <stddef.h>

#include "base/err.h"

/*
 * pool: a few worker threads and the pieces of work they are given.
 *
 * Floor 0. Life: open -> submit/wait* -> close. One thread submits and waits;
 * the workers run. A piece of work is the caller's struct with a ks_task as
 * its first member; it must stay alive until waited for. Tasks start in the
 * order they were submitted and may finish in any order.
 */
struct ks_pool;

struct ks_task {
    /* Runs on a worker; `worker` is 0..workers-1, the same number never runs
     * twice at once, so it can index per-worker state. */
    void (*run)(struct ks_task *task, unsigned worker);
    struct ks_task *next; /* the pool's */
    int done;             /* the pool's; read only through ks_pool_wait() */
};

#define KS_POOL_WORKERS_MAX 8U

/* min(cores, KS_POOL_WORKERS_MAX), at least 1. */
unsigned ks_pool_default_workers(void);

/* Start `workers` threads, 1..KS_POOL_WORKERS_MAX. KS_E_NOMEM or KS_E_IO. */
KS_MUST_CHECK int
ks_pool_open(struct ks_pool **out, unsigned workers, struct ks_err *err);

/* Queue a task. Never blocks, never fails. */
void ks_pool_submit(struct ks_pool *pool, struct ks_task *task);

/* Block until the task has run. */
void ks_pool_wait(struct ks_pool *pool, struct ks_task *task);

/* Run what is queued to its end, stop the threads, free. NULL is ok. */
void ks_pool_close(struct ks_pool *pool);

#endif /* KS_BASE_POOL_H */
