#ifndef KS_CRYPTO_RECOVERY_H
#define KS_CRYPTO_RECOVERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * recovery: the recovery key as people write it down.
 *
 * Floor 1. 64 characters in 16 groups of 4, Crockford base32 in lower case
 * (0123456789abcdefghjkmnpqrstvwxyz). Group g (0..15) holds 15 bits of the
 * 240-bit key, most significant first, as three characters d0 d1 d2, then the
 * check character c of GF(32):
 *
 *     c = w0*d0 + w1*d1 + w2*d2 + offset(g)
 *
 * over GF(2^5) with x^5 + x^2 + 1, weights w0, w1, w2 distinct, nonzero and
 * not 1, so that every wrong character and every swap of two characters
 * inside a group is seen; offset(g) is distinct for every place, so every
 * swap of two groups is seen, and named. doc/format.md has the constants.
 * A swap of characters in two different groups is two wrong characters, one a
 * group, each seen.
 *
 * On reading, upper case, spaces, hyphens and line ends are accepted, and
 * i, l as 1, o as 0 as Crockford says.
 */

#define KS_RECOVERY_BYTES  ((size_t)30) /* 240 bits of key */
#define KS_RECOVERY_GROUPS 16
#define KS_RECOVERY_CHARS  64
/* One line "xxxx xxxx ..." of 16 groups with a NUL. */
#define KS_RECOVERY_TEXT_SIZE ((size_t)(16 * 5))

/* key[0..30) as 16 groups separated by single spaces, NUL-terminated, into
 * out[0..KS_RECOVERY_TEXT_SIZE). The text is as secret as the key. */
void ks_recovery_text(char *out, const uint8_t *key);

/*
 * Read text[0..len) back into key[0..30).
 *
 * KS_E_FORMAT says which groups are wrong ("group 5 of 16 is mistyped"), that
 * two groups are swapped ("groups 3 and 9 are swapped"), or how many
 * characters are missing or too many, and if those are few, where to look
 * first; with more than half of the groups failing it says that this may be
 * Signal's recovery key instead. The message quotes at most the wrong groups'
 * places, never their characters.
 */
KS_MUST_CHECK int ks_recovery_parse(uint8_t *key, const char *text, size_t len,
                                    struct ks_err *err);

#endif /* KS_CRYPTO_RECOVERY_H */
