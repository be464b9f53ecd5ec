/*
 * keyring: every key of an open vault, in one piece of secret memory.
 *
 *     offset size
 *          0    1  version, 1
 *          1   32  control key
 *         33   32  id key
 *         65   32  cut key
 *         97    1  n, 1..255
 *         98 40*n  epoch id (8, not zero, no two alike), epoch key (32)
 *
 * is the encoding; behind it, in memory only, lies the fingerprint key.
 * Guarded memory costs whole pages, hence one piece for all; and because the
 * encoding is what is kept, a slot wraps exactly what was unwrapped.
 */
#include "vault/keyring.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/contexts.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/secret.h"

#define KEYRING_VERSION 1
#define CONTROL_AT      ((size_t)1)
#define ID_AT           (CONTROL_AT + KS_KEY_SIZE)
#define CUT_AT          (ID_AT + KS_KEY_SIZE)
#define COUNT_AT        (CUT_AT + KS_KEY_SIZE)
#define EPOCHS_AT       (COUNT_AT + 1)
#define EPOCH_SIZE      (KS_EPOCH_ID_SIZE + KS_KEY_SIZE)

static const uint8_t no_epoch[KS_EPOCH_ID_SIZE];

struct ks_keyring {
    struct ks_secret *keys; /* the encoding, then the fingerprint key */
    size_t count;           /* of epochs */
};

/* Bytes of a keyring with so many epochs, as a slot wraps it. */
static size_t
encoded_size(size_t epochs)
{
    return EPOCHS_AT + epochs * EPOCH_SIZE;
}

/* The id of epoch i, its key behind it. */
static const uint8_t *
epoch_at(const struct ks_keyring *k, size_t i)
{
    assert(i < k->count);
    return k->keys->data + EPOCHS_AT + i * EPOCH_SIZE;
}

/* Memory for a keyring of `count` epochs, all zero. */
static int
keyring_new(struct ks_keyring **out, size_t count, struct ks_err *err)
{
    struct ks_keyring *k = NULL;
    int rc;

    assert(count >= 1 && count <= KS_EPOCHS_MAX);
    k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for keys");
    rc = ks_secret_new(&k->keys, encoded_size(count) + KS_KEY_SIZE, err);
    if (rc < 0) {
        ks_keyring_free(k);
        return rc;
    }
    k->count = count;
    *out = k;
    return KS_OK;
}

/* The last key, derived once: it is needed for every piece of every blob.
 * Nothing is written to the keyring after it. */
static void
finish_keyring(struct ks_keyring *k)
{
    ks_hkdf(k->keys->data + encoded_size(k->count), KS_KEY_SIZE,
            &(struct ks_hkdf_in){.key = k->keys->data + ID_AT,
                                 .key_len = KS_KEY_SIZE,
                                 .info = KS_CTX_FINGERPRINT,
                                 .info_len = sizeof(KS_CTX_FINGERPRINT) - 1});
    ks_secret_freeze(k->keys);
}

int
ks_keyring_generate(struct ks_keyring **out, struct ks_err *err)
{
    struct ks_keyring *k = NULL;
    uint8_t *data;
    int rc;

    rc = keyring_new(&k, 1, err);
    if (rc < 0)
        return rc;
    assert(k != NULL);
    data = k->keys->data;
    data[0] = KEYRING_VERSION;
    ks_random(data + CONTROL_AT, 3 * KS_KEY_SIZE);
    data[COUNT_AT] = 1;
    /* The zero id means the control key, so it is nobody's. */
    do {
        ks_random(data + EPOCHS_AT, EPOCH_SIZE);
    } while (memcmp(data + EPOCHS_AT, no_epoch, KS_EPOCH_ID_SIZE) == 0);
    finish_keyring(k);
    *out = k;
    return KS_OK;
}

/* Whether no epoch id is zero or there twice. */
static bool
epochs_are_distinct(const struct ks_keyring *k)
{
    for (size_t i = 0; i < k->count; i++) {
        const uint8_t *id = epoch_at(k, i);

        if (memcmp(id, no_epoch, KS_EPOCH_ID_SIZE) == 0)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (memcmp(id, epoch_at(k, j), KS_EPOCH_ID_SIZE) == 0)
                return false;
        }
    }
    return true;
}

int
ks_keyring_decode(struct ks_keyring **out, const void *data, size_t len,
                  struct ks_err *err)
{
    struct ks_keyring *k = NULL;
    const uint8_t *from = data;
    int rc;

    if (len >= 1 && from[0] > KEYRING_VERSION)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "its keys are kept in a newer form (version %u)",
                       (unsigned)from[0]);
    /* The count decides the length, to the byte: nothing may hang on. */
    if (len < EPOCHS_AT || from[0] != KEYRING_VERSION || from[COUNT_AT] == 0 ||
        len != encoded_size(from[COUNT_AT]))
        return ks_fail(err, KS_E_CORRUPT, 0, "its keys are damaged");
    rc = keyring_new(&k, from[COUNT_AT], err);
    if (rc < 0)
        return rc;
    assert(k != NULL);
    memcpy(k->keys->data, from, len);
    if (!epochs_are_distinct(k)) {
        ks_keyring_free(k);
        return ks_fail(err, KS_E_CORRUPT, 0, "its keys are damaged");
    }
    finish_keyring(k);
    *out = k;
    return KS_OK;
}

int
ks_keyring_encode(const struct ks_keyring *k, struct ks_secret **out,
                  struct ks_err *err)
{
    return ks_secret_copy(out, k->keys->data, encoded_size(k->count), err);
}

void
ks_keyring_free(struct ks_keyring *k)
{
    if (k == NULL)
        return;
    ks_secret_free(k->keys);
    free(k);
}

const uint8_t *
ks_keyring_control(const struct ks_keyring *k)
{
    return k->keys->data + CONTROL_AT;
}

const uint8_t *
ks_keyring_id_key(const struct ks_keyring *k)
{
    return k->keys->data + ID_AT;
}

const uint8_t *
ks_keyring_cut_key(const struct ks_keyring *k)
{
    return k->keys->data + CUT_AT;
}

const uint8_t *
ks_keyring_fingerprint_key(const struct ks_keyring *k)
{
    return k->keys->data + encoded_size(k->count);
}

const uint8_t *
ks_keyring_current(const struct ks_keyring *k)
{
    /* Rotation appends, so the newest epoch is the last one. */
    return epoch_at(k, k->count - 1);
}

const uint8_t *
ks_keyring_epoch(const struct ks_keyring *k, const uint8_t *epoch_id)
{
    /* Epoch ids are public: they stand in every object's header. */
    if (memcmp(epoch_id, no_epoch, KS_EPOCH_ID_SIZE) == 0)
        return ks_keyring_control(k);
    for (size_t i = 0; i < k->count; i++) {
        if (memcmp(epoch_id, epoch_at(k, i), KS_EPOCH_ID_SIZE) == 0)
            return epoch_at(k, i) + KS_EPOCH_ID_SIZE;
    }
    return NULL;
}
