#ifndef KS_TESTS_FAULT_H
#define KS_TESTS_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * fault: make the n-th libc call that may fail do so (0 = the next one).
 *
 * Linked only into tests (fault_dep), with -Wl,--wrap=..., so src/ has no
 * test hooks. Only calls made by our own objects are seen, not those that a
 * shared library makes inside itself.
 *
 * Life: arm -> the code under test -> disarm -> read the log. Between arm and
 * disarm each wrapped call is logged, and at most one fails (fault_arm_lasting
 * apart). Disarm before the test's own calls, or they count too. Calls from
 * several threads are safe; their order is then whatever it was.
 *
 * The log has each call's plain name: "open", "pread", "fstat", whichever
 * variant is linked (open64, pread64, ...; Meson's large-file flag renames
 * them). A sweep must assert what its log shows, so that a call that is
 * linked under a name not wrapped here cannot slip through unnoticed; compare
 * with `nm -u`. Wrapped are:
 *
 *   memory   malloc calloc realloc reallocarray strdup
 *   files    open openat close read write pread pwrite lseek ftruncate
 *            posix_fallocate fstat fstatat stat lstat
 *   syncs    fsync fdatasync syncfs
 *   names    rename renameat renameat2 link linkat unlink unlinkat rmdir
 *            mkdir mkdirat opendir fdopendir readdir
 *   others   flock getrandom pthread_create
 *
 * A close that fails has closed all the same, as Linux does it.
 */

#define FAULT_NEVER 1000000000L /* arm with this to log without failing */

/* The n-th call fails, each kind with an errno that fits it. */
void fault_arm(long n);

/* The same with errno `why`; memory calls still say ENOMEM. */
void fault_arm_errno(long n, int why);

/* The n-th of the calls named in `calls`, which are separated by one space,
 * fails with `why`; 0 is its usual errno. `calls` must live until disarm. */
void fault_arm_call(const char *calls, long n, int why);

/* The same, and every later one of them too: a full disk stays full. */
void fault_arm_lasting(const char *calls, long n, int why);

/* The n-th read, write, pread or pwrite of 2 bytes or more moves only half of
 * them, which is no failure. */
void fault_arm_short(long n);

/* Whether armed or not, getrandom fills in this byte, 0..255; -1: it is random
 * again. For what happens when two draw the same. */
void fault_fix_random(int byte);

/* Let every call pass again. True if the fault was reached. */
bool fault_disarm(void);

/* The wrapped calls since arming, in order, separated by one space; valid
 * until the next arming. */
const char *fault_log(void);

/* How often `call` stands in the log. */
size_t fault_count(const char *call);

/* How many file descriptors are open: the same before and after, or a leak. */
size_t fault_open_fds(void);

#endif /* KS_TESTS_FAULT_H */
