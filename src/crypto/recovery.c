/*
 * recovery: 240 bits as 16 groups of 4 characters, each with its own check.
 *
 * The constants, for whoever writes another reader:
 *
 *     field     GF(32) as polynomials over GF(2) modulo x^5 + x^2 + 1, a
 *               character's value being its place in the alphabet, bit k the
 *               coefficient of x^k; sums are exclusive or
 *     bits      character i of the 48 that carry key is bits 5i..5i+4 of the
 *               key, bit 0 being the top bit of its first byte
 *     weights   w0 = 2, w1 = 4, w2 = 8 (x, x^2, x^3)
 *     offset    offset(g) = g + 1 for group g = 0..15
 *
 * Why these see every slip that recovery.h promises. Write c + w0*d0 + w1*d1
 * + w2*d2 + offset(g) for a group's residue: 0 if it is right.
 *
 *     one character wrong by e     residue w*e, and no weight is 0 (that of c
 *                                  is 1)
 *     two swapped that differ by e residue (w + w')*e, and all four weights
 *                                  differ
 *     groups a, b swapped          residue offset(a) + offset(b) in both
 *                                  places, and all offsets differ
 *
 * No offset is 0, so a key of zeros alone is wrong in every group.
 */
#include "crypto/recovery.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"

#define GROUP         4 /* characters of a group: three of key, one check */
#define DIGITS        3
#define BITS          5  /* of a character */
#define UNKNOWN       32 /* the value of a character outside the alphabet */
#define CARRIERS      ((size_t)KS_RECOVERY_GROUPS * DIGITS)
#define MANY_BAD      (KS_RECOVERY_GROUPS / 2)
#define HINT_DISTANCE 4 /* with more lost or gained, nothing lines up */

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const uint8_t weights[DIGITS] = {2, 4, 8};

_Static_assert(sizeof alphabet - 1 == 1 << BITS, "one character a value");
_Static_assert(KS_RECOVERY_GROUPS *GROUP == KS_RECOVERY_CHARS, "groups");
_Static_assert(CARRIERS *BITS == KS_RECOVERY_BYTES * 8,
               "the characters carry the key exactly");

/* A text as it is being read; `digits` is as secret as the key. */
struct typed {
    uint8_t digits[KS_RECOVERY_CHARS];
    size_t count; /* characters seen, also those beyond the array */
};

/* What is wrong with it. */
struct findings {
    uint8_t residue[KS_RECOVERY_GROUPS]; /* 0: right; UNKNOWN: unreadable */
    int bad[KS_RECOVERY_GROUPS];         /* places of the wrong, ascending */
    int bad_count;
};

static uint8_t
gf_mul(uint8_t a, uint8_t b)
{
    unsigned factor = a;
    unsigned product = 0;

    for (int bit = 0; bit < BITS; bit++) {
        if ((b >> bit & 1) != 0)
            product ^= factor;
        factor <<= 1;
        if ((factor & 0x20) != 0)
            factor ^= 0x25; /* x^5 + x^2 + 1 */
    }
    return (uint8_t)product;
}

/* What a group's place adds to its check. */
static uint8_t
offset_of(int g)
{
    return (uint8_t)(g + 1);
}

/* The check character's value for the three digits of group g. */
static uint8_t
check_of(const uint8_t *digits, int g)
{
    uint8_t check = offset_of(g);

    for (int i = 0; i < DIGITS; i++)
        check ^= gf_mul(weights[i], digits[i]);
    return check;
}

/* Bits at..at+4 of the key. */
static uint8_t
get_bits(const uint8_t *key, size_t at)
{
    size_t byte = at / 8;
    unsigned window = (unsigned)key[byte] << 8;

    if (byte + 1 < KS_RECOVERY_BYTES)
        window |= key[byte + 1];
    return (uint8_t)(window >> (16 - BITS - at % 8) & 31);
}

/* The inverse, into a key whose bits there are still 0. */
static void
put_bits(uint8_t *key, size_t at, uint8_t value)
{
    size_t byte = at / 8;
    unsigned window = (unsigned)value << (16 - BITS - at % 8);

    key[byte] |= (uint8_t)(window >> 8);
    if (byte + 1 < KS_RECOVERY_BYTES)
        key[byte + 1] |= (uint8_t)window;
}

void
ks_recovery_text(char *out, const uint8_t *key)
{
    uint8_t digits[DIGITS];
    size_t at = 0;

    for (int g = 0; g < KS_RECOVERY_GROUPS; g++) {
        for (int i = 0; i < DIGITS; i++) {
            digits[i] = get_bits(key, at);
            *out++ = alphabet[digits[i]];
            at += BITS;
        }
        *out++ = alphabet[check_of(digits, g)];
        *out++ = g == KS_RECOVERY_GROUPS - 1 ? '\0' : ' ';
    }
    ks_wipe(digits, sizeof digits);
}

/* A character's value, or UNKNOWN. */
static uint8_t
digit_of(uint8_t c)
{
    const char *found;

    if (c >= 'A' && c <= 'Z')
        c = (uint8_t)(c - 'A' + 'a');
    if (c == 'o')
        c = '0';
    if (c == 'i' || c == 'l')
        c = '1';
    found = c == '\0' ? NULL : strchr(alphabet, c);
    return found == NULL ? UNKNOWN : (uint8_t)(found - alphabet);
}

static bool
is_separator(uint8_t c)
{
    return c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n';
}

/* Collect the characters of text. One of several UTF-8 bytes counts once, so
 * that counts and places are those a person sees. */
static void
read_typed(struct typed *t, const char *text, size_t len)
{
    bool wide = false;

    t->count = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        bool more_of_it = wide && (c & 0xc0) == 0x80;

        wide = c >= 0x80;
        if (more_of_it || is_separator(c))
            continue;
        if (t->count < KS_RECOVERY_CHARS)
            t->digits[t->count] = digit_of(c);
        t->count++;
    }
}

static uint8_t
residue_of(const uint8_t *group, int g)
{
    for (int i = 0; i < GROUP; i++) {
        if (group[i] == UNKNOWN)
            return UNKNOWN;
    }
    return check_of(group, g) ^ group[DIGITS];
}

/* Check every whole group that was typed. */
static void
find_bad(struct findings *f, const struct typed *t)
{
    f->bad_count = 0;
    for (int g = 0; g < KS_RECOVERY_GROUPS; g++) {
        size_t at = (size_t)g * GROUP;

        f->residue[g] = 0;
        if (at + GROUP <= t->count)
            f->residue[g] = residue_of(t->digits + at, g);
        if (f->residue[g] != 0)
            f->bad[f->bad_count++] = g;
    }
}

/* Whether the two bad groups are right in each other's place. */
static bool
explained_by_swap(const struct findings *f)
{
    int a = f->bad[0];
    int b = f->bad[1];
    uint8_t swapped = offset_of(a) ^ offset_of(b);

    return f->residue[a] == swapped && f->residue[b] == swapped;
}

/* Say that the count is wrong and, if little is, where it starts to be. */
static int
fail_count(const struct typed *t, const struct findings *f, struct ks_err *err)
{
    bool missing = t->count < KS_RECOVERY_CHARS;
    size_t off =
        missing ? KS_RECOVERY_CHARS - t->count : t->count - KS_RECOVERY_CHARS;
    const char *what = missing ? "missing" : "too many";
    size_t group = t->count / GROUP + 1; /* the one that is not whole */

    assert(off > 0);
    if (off > HINT_DISTANCE)
        return ks_fail(err, KS_E_FORMAT, 0,
                       "recovery key: %zu characters of %d: %zu %s", t->count,
                       KS_RECOVERY_CHARS, off, what);
    if (f->bad_count > 0)
        group = (size_t)f->bad[0] + 1;
    if (group > KS_RECOVERY_GROUPS)
        group = KS_RECOVERY_GROUPS;
    return ks_fail(err, KS_E_FORMAT, 0,
                   "recovery key: %zu characters of %d: %zu %s; look at "
                   "group %zu first",
                   t->count, KS_RECOVERY_CHARS, off, what, group);
}

/* Name the bad groups, of which there are a few. */
static int
fail_groups(const struct findings *f, struct ks_err *err)
{
    char list[MANY_BAD * 4 + 4] = ""; /* "12, " each, and one "and" */
    size_t len = 0;

    assert(f->bad_count >= 2 && f->bad_count <= MANY_BAD);
    for (int i = 0; i < f->bad_count; i++) {
        const char *joint = ", ";
        int wrote;

        if (i == 0)
            joint = "";
        else if (i == f->bad_count - 1)
            joint = " and ";
        wrote = snprintf(list + len, sizeof list - len, "%s%d", joint,
                         f->bad[i] + 1);
        assert(wrote > 0 && (size_t)wrote < sizeof list - len);
        len += (size_t)wrote;
    }
    return ks_fail(err, KS_E_FORMAT, 0,
                   "recovery key: groups %s of 16 are mistyped", list);
}

static int
fail_typed(const struct findings *f, struct ks_err *err)
{
    if (f->bad_count > MANY_BAD)
        return ks_fail(err, KS_E_FORMAT, 0,
                       "recovery key: %d of 16 groups are mistyped; this may "
                       "be Signal's recovery key instead",
                       f->bad_count);
    if (f->bad_count == 1)
        return ks_fail(err, KS_E_FORMAT, 0,
                       "recovery key: group %d of 16 is mistyped",
                       f->bad[0] + 1);
    if (f->bad_count == 2 && explained_by_swap(f))
        return ks_fail(err, KS_E_FORMAT, 0,
                       "recovery key: groups %d and %d are swapped, or both "
                       "mistyped",
                       f->bad[0] + 1, f->bad[1] + 1);
    return fail_groups(f, err);
}

int
ks_recovery_parse(uint8_t *key, const char *text, size_t len,
                  struct ks_err *err)
{
    struct findings f;
    struct typed t;
    int rc = KS_OK;

    assert(key != NULL && (text != NULL || len == 0));
    read_typed(&t, text, len);
    find_bad(&f, &t);
    if (t.count != KS_RECOVERY_CHARS) {
        rc = fail_count(&t, &f, err);
        goto done;
    }
    if (f.bad_count > 0) {
        rc = fail_typed(&f, err);
        goto done;
    }
    memset(key, 0, KS_RECOVERY_BYTES);
    for (size_t i = 0; i < CARRIERS; i++)
        put_bits(key, i * BITS, t.digits[i / DIGITS * GROUP + i % DIGITS]);
done:
    ks_wipe(&t, sizeof t);
    ks_wipe(&f, sizeof f);
    return rc;
}
