/*
 * capture_output: descriptors 1 and 2 into unlinked files and back.
 */
#include "capture_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static void
redirect(int fd, int *saved)
{
    char path[] = "/tmp/ks-capture-XXXXXX";
    int file = mkstemp(path);

    assert_true(file >= 0);
    (void)unlink(path);
    *saved = dup(fd);
    assert_true(*saved >= 0);
    assert_int_equal(dup2(file, fd), fd);
    (void)close(file);
}

void
capture_begin(struct captured *c)
{
    (void)fflush(stdout);
    (void)fflush(stderr);
    redirect(STDOUT_FILENO, &c->saved[0]);
    redirect(STDERR_FILENO, &c->saved[1]);
}

/* What lies in the file behind fd, and fd back to what it was. */
static void
take_back(int fd, int saved, char *text)
{
    ssize_t n = pread(fd, text, CAPTURE_MAX - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    (void)dup2(saved, fd);
    (void)close(saved);
}

void
capture_end(struct captured *c)
{
    (void)fflush(stdout);
    (void)fflush(stderr);
    take_back(STDOUT_FILENO, c->saved[0], c->out);
    take_back(STDERR_FILENO, c->saved[1], c->err);
}
