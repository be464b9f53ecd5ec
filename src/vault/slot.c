/*
 * slot: the keyring, wrapped under a key that follows from a secret.
 *
 *     offset size
 *          0    8  magic "keyslot\n"
 *          8    1  version, 1
 *          9    1  kind, 1..3
 *         10    6  zero
 *         16    8  created, milliseconds since 1970, signed
 *         24    4  Argon2id memory in KiB  } zero unless
 *         28    4  Argon2id passes         } the kind is
 *         32   16  Argon2id salt           } passphrase
 *         48   32  slot salt
 *         80   96  header of a sealed object of kind 10, epoch id zero
 *        176    -  its only segment: u32 n, keyring n, zeros; tag 16
 *       end-8   8  first bytes of the SHA-256 of all before
 *
 * Integers are little-endian. The whole is as many times 4096 bytes as it
 * needs. Slot key = HKDF(stretched, slot salt, "keepsay slot" ‖ bytes[0..80) ‖
 * vault id), where stretched is Argon2id(passphrase) or the secret itself. So
 * everything in front of the sealed object is bound into its key; its
 * commitment is the key check. The place of magic, version and checksum is
 * the same in every version to come.
 */
#include "vault/slot.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "crypto/contexts.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/recovery.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "vault/format.h"
#include "vault/keyring.h"

#define SLOT_MAGIC      "keyslot\n"
#define SLOT_MAGIC_SIZE (sizeof(SLOT_MAGIC) - 1)
#define SLOT_VERSION    1
#define SLOT_UNIT       ((size_t)4096)
#define SLOT_HEAD       ((size_t)80)
#define SLOT_CHECKSUM   ((size_t)8)
#define SLOT_SALT       ((size_t)32)
#define SLOT_PLAIN_AT   (SLOT_HEAD + KS_SEAL_HEADER_SIZE)
#define SLOT_AROUND     (SLOT_PLAIN_AT + KS_SEAL_TAG + SLOT_CHECKSUM)
#define KEYRING_LENGTH  ((size_t)4)

/* What a new passphrase slot costs to try: about half a second. */
#define ARGON2_MEM     ((uint32_t)256 << 10) /* KiB */
#define ARGON2_PASSES  ((uint32_t)3)
#define PASSPHRASE_MAX ((size_t)1024)

/* The head of a slot, decoded. */
struct slot_head {
    uint8_t kind;
    int64_t created_ms;
    struct ks_argon2 argon2;
    uint8_t salt[SLOT_SALT];
};

static_assert(SLOT_MAGIC_SIZE == 8, "the magic is 8 bytes");

/* Write bytes[0..80) of a slot. */
static void
put_slot_head(uint8_t *out, const struct slot_head *head)
{
    memset(out, 0, SLOT_HEAD);
    memcpy(out, SLOT_MAGIC, SLOT_MAGIC_SIZE);
    out[8] = SLOT_VERSION;
    out[9] = head->kind;
    ks_put_u64le(out + 16, (uint64_t)head->created_ms);
    ks_put_u32le(out + 24, head->argon2.mem_kib);
    ks_put_u32le(out + 28, head->argon2.passes);
    memcpy(out + 32, head->argon2.salt, KS_ARGON2_SALT_SIZE);
    memcpy(out + 48, head->salt, SLOT_SALT);
}

/* Against damage only: whoever can write can compute it. */
static void
slot_checksum(uint8_t *out, const uint8_t *data, size_t len)
{
    uint8_t digest[KS_SHA256_SIZE];

    ks_sha256(digest, data, len);
    memcpy(out, digest, SLOT_CHECKSUM);
}

/* Whether anything is set that only a passphrase needs. */
static bool
has_argon2(const struct slot_head *head)
{
    static const uint8_t zero[KS_ARGON2_SALT_SIZE];

    return head->argon2.mem_kib != 0 || head->argon2.passes != 0 ||
           memcmp(head->argon2.salt, zero, sizeof(zero)) != 0;
}

/* Read the fields behind magic and version from head[0..SLOT_HEAD). */
static int
get_slot_head(struct slot_head *out, const uint8_t *head, struct ks_err *err)
{
    static const uint8_t zero[6];
    struct ks_cursor c = ks_cursor_over(head, SLOT_HEAD);
    struct slot_head h = {0};
    struct ks_bytes skipped;
    struct ks_bytes reserved;
    uint64_t created;
    bool whole;

    whole = ks_cursor_bytes(&c, SLOT_MAGIC_SIZE + 1, &skipped) &&
            ks_cursor_u8(&c, &h.kind) &&
            ks_cursor_bytes(&c, sizeof(zero), &reserved) &&
            ks_cursor_u64le(&c, &created) &&
            ks_cursor_u32le(&c, &h.argon2.mem_kib) &&
            ks_cursor_u32le(&c, &h.argon2.passes) &&
            ks_cursor_copy(&c, h.argon2.salt, KS_ARGON2_SALT_SIZE) &&
            ks_cursor_copy(&c, h.salt, SLOT_SALT);
    assert(whole && c.left == 0);
    h.created_ms = (int64_t)created;
    /* The checksum holds, so these bytes were meant: by a later version. */
    if (memcmp(reserved.ptr, zero, sizeof(zero)) != 0 ||
        h.kind < KS_SLOT_RECOVERY || h.kind > KS_SLOT_RAW)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "a kind of key that this version does not know");
    /* Bounds of the parameters are checked where they are used. */
    if (h.kind != KS_SLOT_PASSPHRASE && has_argon2(&h))
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its parameters");
    *out = h;
    return KS_OK;
}

/* Size, magic and checksum first, so that damage is never taken for anything
 * else; then what the head says. */
static int
parse_slot(struct slot_head *out, const uint8_t *data, size_t len,
           struct ks_err *err)
{
    uint8_t sum[SLOT_CHECKSUM];

    if (len == 0 || len % SLOT_UNIT != 0 || len > KS_SLOT_SIZE_MAX)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its size is wrong");
    slot_checksum(sum, data, len - SLOT_CHECKSUM);
    if (memcmp(data, SLOT_MAGIC, SLOT_MAGIC_SIZE) != 0 ||
        memcmp(data + len - SLOT_CHECKSUM, sum, SLOT_CHECKSUM) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its checksum is wrong");
    if (data[8] > SLOT_VERSION)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "made by a newer version (format %u)",
                       (unsigned)data[8]);
    if (data[8] != SLOT_VERSION)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its version is wrong");
    return get_slot_head(out, data, err);
}

/* Whether a secret can be of its kind at all. */
static bool
secret_fits(const struct ks_unlock *unlock)
{
    size_t len = unlock->secret->len;

    switch (unlock->kind) {
    case KS_SLOT_RECOVERY:
        return len == KS_RECOVERY_BYTES;
    case KS_SLOT_PASSPHRASE:
        return len >= 1 && len <= PASSPHRASE_MAX;
    case KS_SLOT_RAW:
        return len == KS_KEY_SIZE;
    }
    return false;
}

/* The same, saying what such a secret is like; never what it is. */
static int
check_secret(const struct ks_unlock *unlock, struct ks_err *err)
{
    if (secret_fits(unlock))
        return KS_OK;
    switch (unlock->kind) {
    case KS_SLOT_RECOVERY:
        return ks_fail(err, KS_E_USAGE, 0, "a recovery key is %zu bytes",
                       KS_RECOVERY_BYTES);
    case KS_SLOT_PASSPHRASE:
        return ks_fail(err, KS_E_USAGE, 0, "a passphrase has 1 to %zu bytes",
                       PASSPHRASE_MAX);
    case KS_SLOT_RAW:
        break;
    }
    return ks_fail(err, KS_E_USAGE, 0, "a raw key is %zu bytes", KS_KEY_SIZE);
}

/* The slot key into key[0..32), which the caller wipes. */
static int
derive_slot_key(uint8_t *key, const uint8_t *head, const uint8_t *vault_id,
                const struct slot_head *h, const struct ks_secret *secret,
                struct ks_err *err)
{
    uint8_t info[sizeof(KS_CTX_SLOT) - 1 + SLOT_HEAD + KS_VAULT_ID_SIZE];
    uint8_t *at = info;
    uint8_t stretched[KS_KEY_SIZE] = {0};
    struct ks_hkdf_in in = {.key = secret->data,
                            .key_len = secret->len,
                            .salt = h->salt,
                            .salt_len = SLOT_SALT,
                            .info = info,
                            .info_len = sizeof(info)};

    if (h->kind == KS_SLOT_PASSPHRASE) {
        int rc = ks_argon2_run(stretched, &h->argon2, secret->data, secret->len,
                               err);

        if (rc < 0)
            return rc;
        in.key = stretched;
        in.key_len = sizeof(stretched);
    }
    /* All of the head goes in: a changed parameter, salt or date gives
     * another key, and so does another vault. */
    memcpy(at, KS_CTX_SLOT, sizeof(KS_CTX_SLOT) - 1);
    at += sizeof(KS_CTX_SLOT) - 1;
    memcpy(at, head, SLOT_HEAD);
    at += SLOT_HEAD;
    memcpy(at, vault_id, KS_VAULT_ID_SIZE);
    ks_hkdf(key, KS_KEY_SIZE, &in);
    ks_wipe(stretched, sizeof(stretched));
    return KS_OK;
}

/* Fresh salts and the parameters asked for; ks_argon2_run() knows the bounds
 * and refuses what is beyond them. */
static struct slot_head
new_slot_head(const struct ks_slot_in *in)
{
    struct slot_head h = {.kind = (uint8_t)in->unlock->kind,
                          .created_ms = ks_now_ms()};

    ks_random(h.salt, SLOT_SALT);
    if (h.kind == KS_SLOT_PASSPHRASE) {
        ks_random(h.argon2.salt, KS_ARGON2_SALT_SIZE);
        h.argon2.mem_kib = in->options.argon2_mem_kib != 0
                               ? in->options.argon2_mem_kib
                               : ARGON2_MEM;
        h.argon2.passes = in->options.argon2_passes != 0
                              ? in->options.argon2_passes
                              : ARGON2_PASSES;
    }
    return h;
}

/* Seal the keyring behind the head, which is there, and end with the
 * checksum. The key is used for this one object and forgotten; the salt of the
 * sealed header is fresh as well, though the slot's own would do. */
static int
seal_slot(struct ks_buf *slot, const struct ks_slot_in *in,
          const struct slot_head *head, const struct ks_secret *keyring,
          struct ks_err *err)
{
    struct ks_seal_in seal = {.suite = ks_seal_default_suite(),
                              .binding.kind = KS_OBJ_SLOT};
    uint8_t *plain = slot->data + SLOT_PLAIN_AT;
    uint8_t key[KS_KEY_SIZE];
    uint8_t salt[32];
    uint8_t unused_id[KS_ID_SIZE];
    int rc;

    rc = derive_slot_key(key, slot->data, in->vault_id, head,
                         in->unlock->secret, err);
    if (rc < 0)
        return rc;
    ks_put_u32le(plain, (uint32_t)keyring->len);
    memcpy(plain + KEYRING_LENGTH, keyring->data, keyring->len);
    memcpy(seal.binding.vault_id, in->vault_id, KS_VAULT_ID_SIZE);
    ks_random(salt, sizeof(salt));
    seal.key = key;
    seal.salt = salt;
    rc = ks_seal(slot->data + SLOT_HEAD, slot->len - SLOT_AROUND, &seal,
                 unused_id, err);
    ks_wipe(key, sizeof(key));
    if (rc == KS_OK)
        slot_checksum(slot->data + slot->len - SLOT_CHECKSUM, slot->data,
                      slot->len - SLOT_CHECKSUM);
    return rc;
}

int
ks_slot_make(struct ks_buf *out, uint8_t *id, const struct ks_slot_in *in,
             struct ks_err *err)
{
    struct ks_secret *keyring = NULL;
    struct slot_head head;
    uint8_t digest[KS_SHA256_SIZE];
    size_t size;
    int rc;

    rc = check_secret(in->unlock, err);
    if (rc < 0)
        return rc;
    rc = ks_keyring_encode(in->keys, &keyring, err);
    if (rc < 0)
        return rc;
    /* Whole pages: a slot's size does not tell the number of epochs. */
    size = SLOT_AROUND + KEYRING_LENGTH + keyring->len;
    size = (size + SLOT_UNIT - 1) / SLOT_UNIT * SLOT_UNIT;
    assert(size <= KS_SLOT_SIZE_MAX);
    assert(size - SLOT_AROUND <= KS_SEAL_SEGMENT);

    ks_buf_reset(out);
    rc = ks_buf_zeros(out, size, err);
    if (rc < 0)
        goto done;
    head = new_slot_head(in);
    put_slot_head(out->data, &head);
    rc = seal_slot(out, in, &head, keyring, err);
    if (rc < 0) {
        ks_buf_wipe(out); /* it may hold the keyring */
        goto done;
    }
    ks_sha256(digest, out->data, out->len);
    memcpy(id, digest, KS_ID_SIZE);
done:
    ks_secret_free(keyring);
    return rc;
}

int
ks_slot_describe(struct ks_slot_info *out, const void *data, size_t len,
                 struct ks_err *err)
{
    struct slot_head head = {0};
    uint8_t digest[KS_SHA256_SIZE];
    int rc;

    rc = parse_slot(&head, data, len, err);
    if (rc < 0)
        return rc;
    ks_sha256(digest, data, len);
    memcpy(out->id, digest, KS_ID_SIZE);
    out->kind = (enum ks_slot_kind)head.kind;
    out->created_ms = head.created_ms;
    out->argon2_mem_kib = head.argon2.mem_kib;
    out->argon2_passes = head.argon2.passes;
    return KS_OK;
}

/* The keyring out of an unwrapped plaintext. */
static int
decode_slot_plain(struct ks_keyring **out, const struct ks_secret *plain,
                  struct ks_err *err)
{
    size_t len = ks_get_u32le(plain->data);

    /* A page has room for the length, so this cannot wrap. */
    assert(plain->len > KEYRING_LENGTH);
    if (len > plain->len - KEYRING_LENGTH)
        return ks_fail(err, KS_E_CORRUPT, 0, "its keys are damaged");
    for (size_t i = KEYRING_LENGTH + len; i < plain->len; i++) {
        if (plain->data[i] != 0)
            return ks_fail(err, KS_E_CORRUPT, 0, "its keys are damaged");
    }
    return ks_keyring_decode(out, plain->data + KEYRING_LENGTH, len, err);
}

/* Check the key and unwrap. */
static int
unwrap_slot(struct ks_keyring **out, const uint8_t *data, size_t len,
            const uint8_t *key, const uint8_t *vault_id, struct ks_err *err)
{
    struct ks_seal_binding binding = {.kind = KS_OBJ_SLOT};
    struct ks_err why = KS_ERR_INIT;
    struct ks_opener *opener = NULL;
    struct ks_secret *plain = NULL;
    size_t plain_len = len - SLOT_AROUND;
    struct ks_bytes sealed = {.ptr = data + SLOT_PLAIN_AT,
                              .len = plain_len + KS_SEAL_TAG};
    int rc;

    memcpy(binding.vault_id, vault_id, KS_VAULT_ID_SIZE);
    rc = ks_opener_open(&opener, data + SLOT_HEAD, key, &binding, &why);
    if (rc < 0) {
        /* The sealed header is ours, so its breach is damage, not a format. */
        if (rc == KS_E_FORMAT)
            rc = KS_E_CORRUPT;
        return ks_fail(err, rc, why.sys, "%s", why.msg);
    }
    rc = ks_secret_new(&plain, plain_len, err);
    if (rc < 0)
        goto done;
    rc = ks_opener_segment(opener, 0, true, plain->data, sealed, err);
    if (rc == KS_OK)
        rc = decode_slot_plain(out, plain, err);
done:
    ks_secret_free(plain);
    ks_opener_close(opener);
    return rc;
}

int
ks_slot_open(struct ks_keyring **out, const void *data, size_t len,
             const uint8_t *vault_id, const struct ks_unlock *unlock,
             struct ks_err *err)
{
    struct slot_head head = {0};
    uint8_t key[KS_KEY_SIZE];
    int rc;

    rc = parse_slot(&head, data, len, err);
    if (rc < 0)
        return rc;
    /* Before any slow derivation: it could not come out right. */
    if (head.kind != unlock->kind || !secret_fits(unlock))
        return ks_fail(err, KS_E_WRONG_KEY, 0, "this key is not for this slot");
    rc = derive_slot_key(key, data, vault_id, &head, unlock->secret, err);
    if (rc < 0)
        return rc;
    rc = unwrap_slot(out, data, len, key, vault_id, err);
    ks_wipe(key, sizeof(key));
    return rc;
}
