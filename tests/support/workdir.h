#ifndef KS_TESTS_WORKDIR_H
#define KS_TESTS_WORKDIR_H

#include <stdbool.h>
#include <stddef.h>

/*
 * workdir: a temporary folder for one test, and looks at what lies in it.
 *
 * Made under TMPDIR, else /tmp. Names are relative to it. Anything that goes
 * wrong here ends the test program with a message: it is no fault of the code
 * under test.
 */
struct workdir {
    char path[256];
};

void workdir_make(struct workdir *w);

/* Remove it and all that is in it, whatever the permissions. */
void workdir_remove(struct workdir *w);

/* The full path of `name`; one of eight buffers that take turns. */
const char *workdir_path(const struct workdir *w, const char *name);

/* Write, or replace, a file. */
void workdir_write(const struct workdir *w, const char *name, const void *data,
                   size_t len);

/* Does a file have exactly these bytes? */
bool workdir_holds(const struct workdir *w, const char *name, const void *data,
                   size_t len);

/* A file's size in bytes, or -1 if nothing is there. */
long workdir_size(const struct workdir *w, const char *name);

/* How many entries the folder `name` has; "." is the workdir itself. */
size_t workdir_entries(const struct workdir *w, const char *name);

#endif /* KS_TESTS_WORKDIR_H */
