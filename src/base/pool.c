/*
 * pool: one lock, one queue, and two conditions: there is work, and something
 * is done.
 *
 * Workers have every signal blocked, so that Ctrl-C always reaches the thread
 * that knows what to do about it.
 */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

/* What a thread is told when it starts. */
struct worker {
    struct ks_pool *pool;
    pthread_t thread;
    unsigned number;
};

struct ks_pool {
    pthread_mutex_t lock; /* guards all that follows, and task->done */
    pthread_cond_t work;  /* the queue has a task, or closing is set */
    pthread_cond_t done;  /* some task has run */
    struct ks_task *head; /* next to start; NULL: nothing queued */
    struct ks_task *tail;
    bool closing;
    unsigned started; /* workers[0..started) have a thread */
    struct worker workers[KS_POOL_WORKERS_MAX];
};

unsigned
ks_pool_default_workers(void)
{
    cpu_set_t cpus;
    unsigned count = 1;

    /* What we may run on; it fails on machines of more than 1024 cores. */
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        count = (unsigned)CPU_COUNT(&cpus);
    else
        count = KS_POOL_WORKERS_MAX;
    if (count < 1)
        count = 1;
    return count < KS_POOL_WORKERS_MAX ? count : KS_POOL_WORKERS_MAX;
}

/* Locking a default mutex that nobody destroyed cannot fail. */
static void
pool_lock(struct ks_pool *pool)
{
    int rc = pthread_mutex_lock(&pool->lock);

    assert(rc == 0);
}

static void
pool_unlock(struct ks_pool *pool)
{
    int rc = pthread_mutex_unlock(&pool->lock);

    assert(rc == 0);
}

/* The next task, waiting for one; NULL when closing and none is left. The
 * caller holds the lock. */
static struct ks_task *
next_task(struct ks_pool *pool)
{
    struct ks_task *task;

    while (pool->head == NULL && !pool->closing)
        (void)pthread_cond_wait(&pool->work, &pool->lock);
    task = pool->head;
    if (task == NULL)
        return NULL;
    pool->head = task->next;
    if (pool->head == NULL)
        pool->tail = NULL;
    return task;
}

static void *
worker_main(void *arg)
{
    struct worker *self = arg;
    struct ks_pool *pool = self->pool;
    struct ks_task *task;

    /* The lock is held but for the run itself. */
    pool_lock(pool);
    while ((task = next_task(pool)) != NULL) {
        pool_unlock(pool);
        task->run(task, self->number);
        pool_lock(pool);
        task->done = 1; /* from here on it may be gone */
        (void)pthread_cond_broadcast(&pool->done);
    }
    pool_unlock(pool);
    return NULL;
}

/* Start one more worker; returns an errno. */
static int
start_worker(struct ks_pool *pool)
{
    struct worker *w = &pool->workers[pool->started];
    int rc;

    w->pool = pool;
    w->number = pool->started;
    rc = pthread_create(&w->thread, NULL, worker_main, w);
    if (rc == 0)
        pool->started++;
    return rc;
}

int
ks_pool_open(struct ks_pool **out, unsigned workers, struct ks_err *err)
{
    struct ks_pool *pool;
    sigset_t all;
    sigset_t before;
    int rc = 0;

    assert(workers >= 1 && workers <= KS_POOL_WORKERS_MAX);

    pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for worker threads");
    (void)pthread_mutex_init(&pool->lock, NULL); /* these three cannot fail */
    (void)pthread_cond_init(&pool->work, NULL);
    (void)pthread_cond_init(&pool->done, NULL);

    /* A thread inherits the mask of its maker, so none is ever without it. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (rc == 0 && pool->started < workers)
        rc = start_worker(pool);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        ks_pool_close(pool);
        return ks_fail_sys(err, rc, "cannot start a worker thread");
    }
    *out = pool;
    return KS_OK;
}

void
ks_pool_submit(struct ks_pool *pool, struct ks_task *task)
{
    assert(task->run != NULL);

    task->next = NULL;
    pool_lock(pool);
    assert(!pool->closing);
    task->done = 0;
    if (pool->tail != NULL)
        pool->tail->next = task;
    else
        pool->head = task;
    pool->tail = task;
    (void)pthread_cond_signal(&pool->work);
    pool_unlock(pool);
}

void
ks_pool_wait(struct ks_pool *pool, struct ks_task *task)
{
    pool_lock(pool);
    while (!task->done)
        (void)pthread_cond_wait(&pool->done, &pool->lock);
    pool_unlock(pool);
}

void
ks_pool_close(struct ks_pool *pool)
{
    if (pool == NULL)
        return;
    /* Wake all who wait; each goes on until the queue is empty. */
    pool_lock(pool);
    pool->closing = true;
    (void)pthread_cond_broadcast(&pool->work);
    pool_unlock(pool);
    for (unsigned i = 0; i < pool->started; i++)
        (void)pthread_join(pool->workers[i].thread, NULL);

    assert(pool->head == NULL); /* workers leave nothing queued */
    (void)pthread_cond_destroy(&pool->done);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
