/*
 * base/pool: every task runs once, on a worker that nobody else is.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "check.h"
#include "fault.h"

#define TASKS 500

struct job {
    struct ks_task task; /* first: the pool's view of it */
    atomic_int runs;
    int order; /* its place among the starts */
    unsigned worker;
    bool signals_blocked;
};

static atomic_int starts;
static atomic_int busy[KS_POOL_WORKERS_MAX]; /* tasks on each worker */
static atomic_int clashes;

static void
run_job(struct ks_task *task, unsigned worker)
{
    struct job *job = (struct job *)task;
    sigset_t mask;

    job->order = atomic_fetch_add(&starts, 1);
    job->worker = worker;
    if (worker >= KS_POOL_WORKERS_MAX || atomic_fetch_add(&busy[worker], 1) > 0)
        atomic_fetch_add(&clashes, 1);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    job->signals_blocked = sigismember(&mask, SIGINT) == 1;
    atomic_fetch_add(&job->runs, 1);
    if (worker < KS_POOL_WORKERS_MAX)
        atomic_fetch_sub(&busy[worker], 1);
}

static struct job *
new_jobs(size_t count)
{
    struct job *jobs = calloc(count, sizeof(*jobs));

    assert_non_null(jobs);
    for (size_t i = 0; i < count; i++)
        jobs[i].task.run = run_job;
    atomic_store(&starts, 0);
    atomic_store(&clashes, 0);
    return jobs;
}

static struct ks_pool *
open_pool(unsigned workers)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_pool *pool = NULL;

    assert_int_equal(ks_pool_open(&pool, workers, &err), KS_OK);
    assert_non_null(pool);
    return pool;
}

static void
every_task_runs_once_on_a_worker_of_its_own(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= KS_POOL_WORKERS_MAX; workers++) {
        struct job *jobs = new_jobs(TASKS);
        struct ks_pool *pool = open_pool(workers);

        for (size_t i = 0; i < TASKS; i++)
            ks_pool_submit(pool, &jobs[i].task);
        for (size_t i = TASKS; i-- > 0;)
            ks_pool_wait(pool, &jobs[i].task);
        for (size_t i = 0; i < TASKS; i++) {
            assert_int_equal(atomic_load(&jobs[i].runs), 1);
            assert_true(jobs[i].worker < workers);
            assert_true(jobs[i].signals_blocked);
            ks_pool_wait(pool, &jobs[i].task); /* a second wait is no wait */
        }
        assert_int_equal(atomic_load(&clashes), 0);
        ks_pool_close(pool);
        free(jobs);
    }
}

static void
one_worker_runs_tasks_in_the_order_they_came(void **state)
{
    struct job *jobs = new_jobs(TASKS);
    struct ks_pool *pool = open_pool(1);

    (void)state;
    for (size_t i = 0; i < TASKS; i++)
        ks_pool_submit(pool, &jobs[i].task);
    ks_pool_close(pool);
    for (size_t i = 0; i < TASKS; i++)
        assert_int_equal(jobs[i].order, (int)i);
    free(jobs);
}

static void
closing_runs_what_is_still_queued(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct job *jobs = new_jobs(20);
        struct ks_pool *pool = open_pool(2);

        for (size_t i = 0; i < 20; i++)
            ks_pool_submit(pool, &jobs[i].task);
        ks_pool_close(pool);
        for (size_t i = 0; i < 20; i++)
            assert_int_equal(atomic_load(&jobs[i].runs), 1);
        free(jobs);
    }
}

static void
a_task_may_be_given_again_once_it_was_waited_for(void **state)
{
    struct job *job = new_jobs(1);
    struct ks_pool *pool = open_pool(2);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        ks_pool_submit(pool, &job->task);
        ks_pool_wait(pool, &job->task);
        assert_int_equal(atomic_load(&job->runs), i + 1);
    }
    ks_pool_close(pool);
    free(job);
}

/* Two tasks that wait for each other finish only if they run side by side. */
struct meeting {
    struct ks_task task;
    pthread_barrier_t *barrier;
};

static void
run_meeting(struct ks_task *task, unsigned worker)
{
    (void)worker;
    (void)pthread_barrier_wait(((struct meeting *)task)->barrier);
}

static void
as_many_tasks_run_at_once_as_there_are_workers(void **state)
{
    struct meeting meetings[KS_POOL_WORKERS_MAX] = {0};
    struct ks_pool *pool = open_pool(KS_POOL_WORKERS_MAX);
    pthread_barrier_t barrier;

    (void)state;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, KS_POOL_WORKERS_MAX),
                     0);
    for (size_t i = 0; i < KS_POOL_WORKERS_MAX; i++) {
        meetings[i].task.run = run_meeting;
        meetings[i].barrier = &barrier;
        ks_pool_submit(pool, &meetings[i].task);
    }
    for (size_t i = 0; i < KS_POOL_WORKERS_MAX; i++)
        ks_pool_wait(pool, &meetings[i].task);
    ks_pool_close(pool);
    (void)pthread_barrier_destroy(&barrier);
}

static void
a_pool_with_nothing_to_do_closes(void **state)
{
    (void)state;
    ks_pool_close(open_pool(1));
    ks_pool_close(open_pool(KS_POOL_WORKERS_MAX));
    ks_pool_close(NULL);
}

static void
a_pool_that_cannot_start_all_its_threads_starts_none(void **state)
{
    bool fired = true;
    long n = 0;

    (void)state;
    for (; fired; n++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_pool *pool = NULL;
        int rc;

        fault_arm(n);
        rc = ks_pool_open(&pool, 3, &err);
        fired = fault_disarm();
        assert_int_equal(rc, !fired ? KS_OK : n == 0 ? KS_E_NOMEM : KS_E_IO);
        assert_int_equal(rc, err.code);
        assert_true((pool == NULL) == fired);
        if (fired && n > 0) {
            assert_true(err.retry); /* EAGAIN: threads may be had later */
            assert_non_null(strstr(err.msg, "worker thread"));
        }
        ks_pool_close(pool);
    }
    assert_int_equal(n, 5);
    assert_string_equal(fault_log(), "calloc pthread_create pthread_create "
                                     "pthread_create");
}

static void
the_signal_mask_of_the_caller_is_as_it_was(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    struct ks_pool *pool = NULL;
    sigset_t mine;
    sigset_t after;

    (void)state;
    (void)sigemptyset(&mine);
    (void)sigaddset(&mine, SIGUSR1);
    (void)pthread_sigmask(SIG_SETMASK, &mine, NULL);
    ks_pool_close(open_pool(2));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int sig = 1; sig < SIGRTMAX; sig++)
        assert_int_equal(sigismember(&after, sig), sig == SIGUSR1);

    fault_arm_call("pthread_create", 1, 0);
    assert_int_equal(ks_pool_open(&pool, 2, &err), KS_E_IO);
    assert_true(fault_disarm());
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGINT), 0);
}

static void
the_default_is_at_least_one_worker_and_at_most_the_maximum(void **state)
{
    (void)state;
    assert_true(ks_pool_default_workers() >= 1);
    assert_true(ks_pool_default_workers() <= KS_POOL_WORKERS_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once_on_a_worker_of_its_own),
        cmocka_unit_test(one_worker_runs_tasks_in_the_order_they_came),
        cmocka_unit_test(closing_runs_what_is_still_queued),
        cmocka_unit_test(a_task_may_be_given_again_once_it_was_waited_for),
        cmocka_unit_test(as_many_tasks_run_at_once_as_there_are_workers),
        cmocka_unit_test(a_pool_with_nothing_to_do_closes),
        cmocka_unit_test(a_pool_that_cannot_start_all_its_threads_starts_none),
        cmocka_unit_test(the_signal_mask_of_the_caller_is_as_it_was),
        cmocka_unit_test(
            the_default_is_at_least_one_worker_and_at_most_the_maximum),
    };

    return cmocka_run_group_tests_name("base/pool", tests, NULL, NULL);
}
