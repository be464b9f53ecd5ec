#ifndef KS_TESTS_CAPTURE_OUTPUT_H
#define KS_TESTS_CAPTURE_OUTPUT_H

#include <stddef.h>

/*
 * capture_output: what code under test prints, as text.
 *
 * Life: begin -> the code under test -> end. Between them stdout and stderr
 * lead into files. Anything that goes wrong here fails the test.
 */
#define CAPTURE_MAX ((size_t)65536)

struct captured {
    int saved[2];
    char out[CAPTURE_MAX];
    char err[CAPTURE_MAX];
};

void capture_begin(struct captured *c);

/* Put stdout and stderr back; c->out and c->err are what was printed. */
void capture_end(struct captured *c);

#endif /* KS_TESTS_CAPTURE_OUTPUT_H */
