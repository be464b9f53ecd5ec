#ifndef KS_CLI_NEAREST_H
#define KS_CLI_NEAREST_H

#include <stddef.h>

/*
 * nearest: which word was probably meant.
 *
 * Floor 6. The distance counts wrong, missing and extra letters, and two
 * neighbours swapped as one (optimal string alignment). Memory: three short
 * rows on the stack. Bytes are compared, which will do: no command and no flag
 * has a letter outside ASCII.
 */
#define KS_NEAREST_MAX ((size_t)40) /* longer words have no neighbours */

/* How far a[0..a_len) is from the NUL-terminated b; KS_NEAREST_MAX or more if
 * either is longer than that. */
size_t ks_word_distance(const char *a, size_t a_len, const char *b);

/*
 * Keep the nearest: true, and *best updated, if `candidate` is nearer to
 * typed[0..len) than *best, and near enough to have been meant (a third of the
 * letters, and no less than one). Begin with *best = KS_NEAREST_MAX.
 */
_Bool ks_word_nearer(size_t *best, const char *typed, size_t len,
                     const char *candidate);

#endif /* KS_CLI_NEAREST_H */
