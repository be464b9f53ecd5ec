#ifndef KS_TESTS_CHANCE_H
#define KS_TESTS_CHANCE_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * chance: random test input that can be had again. The seed is printed; set
 * KS_SEED to run with a given one. Not for keys: it is splitmix64.
 */
struct chance {
    uint64_t state;
};

static inline struct chance
chance_start(const char *test)
{
    const char *given = getenv("KS_SEED");
    uint64_t seed =
        given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);

    (void)printf("%s: KS_SEED=%" PRIu64 "\n", test, seed);
    return (struct chance){seed};
}

static inline uint64_t
chance_next(struct chance *c)
{
    uint64_t z = c->state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* A number in 0..bound-1. */
static inline size_t
chance_below(struct chance *c, size_t bound)
{
    return (size_t)(chance_next(c) % bound);
}

static inline void
chance_fill(struct chance *c, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)chance_next(c);
}

#endif /* KS_TESTS_CHANCE_H */
