#include <string.h>

#include "chance.h"
#include "check.h"
#include "crypto/recovery.h"
#include "vectors.h"

#define KEYS 50 /* random keys of each exhaustive test */

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* The 64 characters of a random key, without spaces, and the key. */
static void
random_characters(struct chance *c, char *out, uint8_t *key)
{
    char text[KS_RECOVERY_TEXT_SIZE];
    size_t at = 0;

    chance_fill(c, key, KS_RECOVERY_BYTES);
    ks_recovery_text(text, key);
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] != ' ')
            out[at++] = text[i];
    }
    assert_int_equal(at, KS_RECOVERY_CHARS);
}

static int
parse(const char *characters, uint8_t *key, struct ks_err *err)
{
    *err = KS_ERR_INIT;
    return ks_recovery_parse(key, characters, KS_RECOVERY_CHARS, err);
}

/* It must be refused with a message that has this in it. */
static void
assert_refused(const char *characters, const char *want)
{
    uint8_t key[KS_RECOVERY_BYTES] = {77};
    struct ks_err err;

    assert_int_equal(parse(characters, key, &err), KS_E_FORMAT);
    assert_int_equal(key[0], 77);
    if (strstr(err.msg, want) == NULL)
        fail_msg("\"%s\" should have \"%s\" in it", err.msg, want);
}

static void
swap(char *a, char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char kept = a[i];

        a[i] = b[i];
        b[i] = kept;
    }
}

static void
keys_and_texts_are_those_of_recovery_txt(void **state)
{
    struct vectors *v = vectors_open("recovery.txt");
    size_t right = 0;
    size_t wrong = 0;

    (void)state;
    while (vectors_next(v)) {
        uint8_t want[KS_RECOVERY_BYTES];
        uint8_t key[KS_RECOVERY_BYTES];
        char text[KS_RECOVERY_TEXT_SIZE];
        struct ks_err err = KS_ERR_INIT;
        const char *typed;

        if (vectors_has(v, "message")) {
            typed = vectors_text(v, "typed");
            assert_int_equal(ks_recovery_parse(key, typed, strlen(typed), &err),
                             KS_E_FORMAT);
            if (strstr(err.msg, vectors_text(v, "message")) == NULL)
                fail_msg("%s: %s", err.msg, vectors_text(v, "message"));
            wrong++;
            continue;
        }
        vectors_bytes(v, "key", want, sizeof want);
        ks_recovery_text(text, want);
        assert_string_equal(text, vectors_text(v, "text"));
        typed = vectors_has(v, "typed") ? vectors_text(v, "typed") : text;
        assert_int_equal(ks_recovery_parse(key, typed, strlen(typed), &err),
                         KS_OK);
        assert_memory_equal(key, want, sizeof want);
        right++;
    }
    assert_int_equal(right, 19);
    assert_int_equal(wrong, 11);
    (void)vectors_close(v);
}

static void
every_single_wrong_character_is_named(void **state)
{
    struct chance c = chance_start("wrong characters");
    char typed[KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];
    char want[64];

    (void)state;
    for (int k = 0; k < KEYS; k++) {
        random_characters(&c, typed, key);
        for (size_t at = 0; at < KS_RECOVERY_CHARS; at++) {
            char right = typed[at];

            (void)snprintf(want, sizeof want, "group %zu of 16 is mistyped",
                           at / 4 + 1);
            for (size_t i = 0; i < 32; i++) {
                typed[at] = alphabet[i];
                if (alphabet[i] != right)
                    assert_refused(typed, want);
            }
            typed[at] = right;
        }
    }
}

/* Two characters of different groups were swapped: both groups are named,
 * and called swapped just if swapping them would explain it. */
static void
check_far_swap(char *typed, size_t a, size_t b)
{
    uint8_t key[KS_RECOVERY_BYTES];
    struct ks_err err;
    char want[64];
    bool explains;

    swap(typed + a * 4, typed + b * 4, 4);
    explains = parse(typed, key, &err) == KS_OK;
    swap(typed + a * 4, typed + b * 4, 4);
    (void)snprintf(want, sizeof want, "groups %zu and %zu %s", a + 1, b + 1,
                   explains ? "are swapped" : "of 16 are mistyped");
    assert_refused(typed, want);
}

static void
every_swap_of_two_characters_is_named(void **state)
{
    struct chance c = chance_start("swapped characters");
    char typed[KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];
    char want[64];

    (void)state;
    for (int k = 0; k < KEYS; k++) {
        random_characters(&c, typed, key);
        for (size_t i = 0; i < KS_RECOVERY_CHARS; i++) {
            for (size_t j = i + 1; j < KS_RECOVERY_CHARS; j++) {
                if (typed[i] == typed[j])
                    continue;
                swap(typed + i, typed + j, 1);
                (void)snprintf(want, sizeof want, "group %zu of 16 is mistyped",
                               i / 4 + 1);
                if (i / 4 == j / 4)
                    assert_refused(typed, want);
                else
                    check_far_swap(typed, i / 4, j / 4);
                swap(typed + i, typed + j, 1);
            }
        }
    }
}

static void
every_swap_of_two_groups_is_named(void **state)
{
    struct chance c = chance_start("swapped groups");
    char typed[KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];
    char want[64];

    (void)state;
    for (int k = 0; k < KEYS; k++) {
        random_characters(&c, typed, key);
        for (size_t a = 0; a < KS_RECOVERY_GROUPS; a++) {
            for (size_t b = a + 1; b < KS_RECOVERY_GROUPS; b++) {
                if (memcmp(typed + 4 * a, typed + 4 * b, 4) == 0)
                    continue;
                swap(typed + 4 * a, typed + 4 * b, 4);
                (void)snprintf(want, sizeof want,
                               "groups %zu and %zu are swapped", a + 1, b + 1);
                assert_refused(typed, want);
                swap(typed + 4 * a, typed + 4 * b, 4);
            }
        }
    }
}

static void
every_lost_or_added_character_is_counted(void **state)
{
    struct chance c = chance_start("counts");
    char typed[2 * KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];
    char want[64];

    (void)state;
    random_characters(&c, typed, key);
    memcpy(typed + KS_RECOVERY_CHARS, typed, KS_RECOVERY_CHARS);
    for (size_t len = 0; len < sizeof typed; len++) {
        struct ks_err err = KS_ERR_INIT;
        int rc = ks_recovery_parse(key, typed, len, &err);

        assert_int_equal(rc, len == KS_RECOVERY_CHARS ? KS_OK : KS_E_FORMAT);
        if (len < KS_RECOVERY_CHARS)
            (void)snprintf(want, sizeof want, "%zu missing",
                           KS_RECOVERY_CHARS - len);
        else
            (void)snprintf(want, sizeof want, "%zu too many",
                           len - KS_RECOVERY_CHARS);
        if (rc != KS_OK)
            assert_non_null(strstr(err.msg, want));
    }
}

static void
a_lost_character_is_looked_for_from_its_own_group_on(void **state)
{
    struct chance c = chance_start("lost characters");
    char right[KS_RECOVERY_CHARS];
    char typed[KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];

    (void)state;
    random_characters(&c, right, key);
    for (size_t at = 0; at < KS_RECOVERY_CHARS; at++) {
        struct ks_err err = KS_ERR_INIT;
        const char *hint;
        size_t group;

        memcpy(typed, right, at);
        memcpy(typed + at, right + at + 1, KS_RECOVERY_CHARS - at - 1);
        assert_int_equal(
            ks_recovery_parse(key, typed, KS_RECOVERY_CHARS - 1, &err),
            KS_E_FORMAT);
        hint = strstr(err.msg, "look at group ");
        assert_non_null(hint);
        group = strtoul(hint + strlen("look at group "), NULL, 10);
        /* A group may be right by chance, one in 32; groups before the
         * loss never fail. */
        assert_true(group >= at / 4 + 1);
        assert_true(group <= KS_RECOVERY_GROUPS);
    }
}

static void
separators_and_look_alikes_are_accepted_anywhere(void **state)
{
    static const char separators[] = " -\t\r\n";
    struct chance c = chance_start("spelling");
    char right[KS_RECOVERY_CHARS];
    char typed[4 * KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];
    uint8_t got[KS_RECOVERY_BYTES];

    (void)state;
    for (int k = 0; k < 500; k++) {
        struct ks_err err = KS_ERR_INIT;
        size_t len = 0;

        random_characters(&c, right, key);
        for (size_t i = 0; i < KS_RECOVERY_CHARS; i++) {
            char ch = right[i];

            if (ch == '0' && chance_below(&c, 2) == 0)
                ch = 'o';
            if (ch == '1' && chance_below(&c, 2) == 0)
                ch = chance_below(&c, 2) == 0 ? 'i' : 'l';
            if (ch >= 'a' && chance_below(&c, 2) == 0)
                ch = (char)(ch - 'a' + 'A');
            while (chance_below(&c, 4) == 0 && len < sizeof typed - 128)
                typed[len++] = separators[chance_below(&c, 5)];
            typed[len++] = ch;
        }
        typed[len++] = '\n';
        assert_int_equal(ks_recovery_parse(got, typed, len, &err), KS_OK);
        assert_memory_equal(got, key, sizeof key);
    }
}

static void
only_the_characters_of_the_alphabet_are_read(void **state)
{
    static const char accepted[] = "0123456789abcdefghijklmnopqrstvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTVWXYZ";
    struct chance c = chance_start("alphabet");
    char typed[KS_RECOVERY_CHARS];
    uint8_t key[KS_RECOVERY_BYTES];
    size_t readable = 0;

    (void)state;
    random_characters(&c, typed, key);
    /* Each value of a check character is right for one group of digits. */
    for (int byte = 0; byte < 256; byte++) {
        bool works = false;

        for (size_t i = 0; i < 32 && !works; i++) {
            struct ks_err err;

            typed[0] = alphabet[i];
            typed[3] = (char)byte;
            works = parse(typed, key, &err) == KS_OK;
        }
        assert_int_equal(works, byte != 0 && strchr(accepted, byte) != NULL);
        readable += works;
    }
    assert_int_equal(readable, sizeof accepted - 1);
}

static void
a_wide_character_counts_as_one_wrong_character(void **state)
{
    static const uint8_t euro[] = {0xe2, 0x82, 0xac};
    struct chance c = chance_start("wide characters");
    char right[KS_RECOVERY_CHARS];
    char typed[KS_RECOVERY_CHARS + 8];
    uint8_t key[KS_RECOVERY_BYTES];
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    random_characters(&c, right, key);
    memcpy(typed, right, 5);
    memcpy(typed + 5, euro, sizeof euro);
    memcpy(typed + 8, right + 6, KS_RECOVERY_CHARS - 6);
    assert_int_equal(ks_recovery_parse(key, typed, KS_RECOVERY_CHARS + 2, &err),
                     KS_E_FORMAT);
    assert_non_null(strstr(err.msg, "group 2 of 16 is mistyped"));

    /* Two in a row are two. */
    memcpy(typed + 8, euro, sizeof euro);
    memcpy(typed + 11, right + 7, KS_RECOVERY_CHARS - 7);
    err = KS_ERR_INIT;
    assert_int_equal(ks_recovery_parse(key, typed, KS_RECOVERY_CHARS + 4, &err),
                     KS_E_FORMAT);
    assert_non_null(strstr(err.msg, "group 2 of 16 is mistyped"));

    /* A stray later byte of one is no part of anything: it counts too. */
    memcpy(typed, right, KS_RECOVERY_CHARS);
    typed[KS_RECOVERY_CHARS] = '\x80';
    err = KS_ERR_INIT;
    assert_int_equal(ks_recovery_parse(key, typed, KS_RECOVERY_CHARS + 1, &err),
                     KS_E_FORMAT);
    assert_non_null(strstr(err.msg, "1 too many"));
}

static void
a_key_of_signal_is_recognised_as_likely(void **state)
{
    static const char signals[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    struct chance c = chance_start("Signal's recovery key");
    char typed[KS_RECOVERY_CHARS];

    (void)state;
    for (int k = 0; k < 1000; k++) {
        for (size_t i = 0; i < sizeof typed; i++)
            typed[i] = signals[chance_below(&c, 36)];
        assert_refused(typed, "may be Signal's recovery key");
    }
}

/* Random bytes, or, less random, those that keys are typed with. */
static void
fill_likely(struct chance *c, char *typed, size_t len)
{
    static const char likely[] = "0123456789abcdefghjkmnpqrstvwxyzOIL -\n\x80u";
    bool any = chance_below(c, 2) == 0;

    chance_fill(c, (uint8_t *)typed, len);
    for (size_t i = 0; i < len && !any; i++)
        typed[i] = likely[chance_below(c, sizeof likely - 1)];
}

static void
random_bytes_never_crash_and_never_leak_into_the_message(void **state)
{
    struct chance c = chance_start("random bytes");
    char typed[200];
    uint8_t key[KS_RECOVERY_BYTES];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t len = chance_below(&c, sizeof typed + 1);
        struct ks_err err = KS_ERR_INIT;

        fill_likely(&c, typed, len);
        if (ks_recovery_parse(key, typed, len, &err) == KS_OK)
            continue;
        assert_int_equal(err.code, KS_E_FORMAT);
        for (size_t i = 0; i + 4 <= len; i++) {
            char group[5] = {0};

            memcpy(group, typed + i, 4);
            if (strspn(group, alphabet) == 4 && strpbrk(group, "0123456789"))
                assert_null(strstr(err.msg, group));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_texts_are_those_of_recovery_txt),
        cmocka_unit_test(every_single_wrong_character_is_named),
        cmocka_unit_test(every_swap_of_two_characters_is_named),
        cmocka_unit_test(every_swap_of_two_groups_is_named),
        cmocka_unit_test(every_lost_or_added_character_is_counted),
        cmocka_unit_test(a_lost_character_is_looked_for_from_its_own_group_on),
        cmocka_unit_test(separators_and_look_alikes_are_accepted_anywhere),
        cmocka_unit_test(only_the_characters_of_the_alphabet_are_read),
        cmocka_unit_test(a_wide_character_counts_as_one_wrong_character),
        cmocka_unit_test(a_key_of_signal_is_recognised_as_likely),
        cmocka_unit_test(
            random_bytes_never_crash_and_never_leak_into_the_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
