/*
 * nearest: three rows of the usual table are enough.
 */
#include "cli/nearest.h"

#include <stdbool.h>
#include <string.h>

/* The smaller of two. */
static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t
ks_word_distance(const char *a, size_t a_len, const char *b)
{
    size_t b_len = strlen(b);
    /* Only the last two rows are ever looked back at: one letter back for a
     * wrong, missing or extra one, two for a swap. So three rows in turn do for
     * a table of any height. */
    size_t rows[3][KS_NEAREST_MAX + 1] = {{0}};
    size_t *before = rows[0]; /* of a[0..i-2) */
    size_t *last = rows[1];   /* of a[0..i-1) */
    size_t *now = rows[2];

    /* The bound of the rows, and of the time that a very long argument can
     * take. */
    if (a_len > KS_NEAREST_MAX || b_len > KS_NEAREST_MAX)
        return KS_NEAREST_MAX + 1;
    /* Nothing of a is there yet: every letter of b is missing. */
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *spare = before;

        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;

            /* an extra letter in a; one missing from it */
            now[j] = smaller(last[j] + 1, now[j - 1] + 1);
            now[j] = smaller(now[j], last[j - 1] + wrong);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

_Bool
ks_word_nearer(size_t *best, const char *typed, size_t len,
               const char *candidate)
{
    /* Beyond a third another word was meant, and a wrong guess is worse than
     * none. Of equals the first stands: candidates come in the order in which
     * people meet them. */
    size_t limit = len / 3 > 1 ? len / 3 : 1;
    size_t distance = ks_word_distance(typed, len, candidate);

    if (distance > limit || distance >= *best)
        return false;
    *best = distance;
    return true;
}
