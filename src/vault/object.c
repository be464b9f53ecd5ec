/*
 * object: whole sealed objects.
 *
 * What an object holds is never larger than memory allows, so it is sealed
 * and opened in one buffer each way. Only two things are decided here: under
 * which key a kind is sealed, and how its size is hidden. The rest is
 * crypto/seal.h.
 *
 *     plaintext, sealed by crypto/seal.h in segments of 65 536 bytes
 *     offset size
 *          0    4  content length n, little-endian
 *          4    n  content
 *        4+n    -  zeros up to the padded length
 */
#include "vault/object.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/contexts.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/keyring.h"

#define PADDED_MIN  ((size_t)4096)
#define LENGTH_SIZE ((size_t)4)

static_assert(sizeof(((struct ks_object_context *)0)->vault_id) ==
                  KS_VAULT_ID_SIZE,
              "a vault id is what seals bind");

size_t
ks_padded(size_t len)
{
    unsigned exponent = 0;
    unsigned bits = 0;
    size_t mask;

    assert(len <= KS_OBJECT_MAX);
    if (len <= PADDED_MIN)
        return PADDED_MIN;
    /* exponent = floor(log2 len); bits = how many bits that number has. */
    while (len >> (exponent + 1) != 0)
        exponent++;
    while (exponent >> bits != 0)
        bits++;
    /* The length keeps as many bits below its highest as that bit's number
     * has, and is rounded up: at most 12 % more, log log n bits told. */
    mask = ((size_t)1 << (exponent - bits)) - 1;
    return (len + mask) & ~mask;
}

/* Control objects outlive epochs: whoever can open a vault must see all of
 * its notes, writers and marks, however old. */
static bool
is_control_kind(enum ks_object_kind kind)
{
    switch (kind) {
    case KS_OBJ_NOTE:
    case KS_OBJ_WRITER:
    case KS_OBJ_RETIRED:
    case KS_OBJ_MARK:
    case KS_OBJ_ACK:
    case KS_OBJ_STATE:
        return true;
    case KS_OBJ_PACK:
    case KS_OBJ_SNAPSHOT:
    case KS_OBJ_INDEX:
    case KS_OBJ_SLOT: /* under a slot key, in slot.c */
        break;
    }
    return false;
}

/* Whether objects of this kind are called after their sealed bytes; the
 * others are called after whom they speak of. */
static bool
is_named_by_bytes(enum ks_object_kind kind)
{
    return kind == KS_OBJ_PACK || kind == KS_OBJ_SNAPSHOT ||
           kind == KS_OBJ_INDEX || kind == KS_OBJ_NOTE || kind == KS_OBJ_MARK;
}

/* The key of the epoch that `binding` names into key[0..32); the caller wipes
 * it. False if the keyring has none. */
static bool
object_key(uint8_t *key, const struct ks_object_context *cx,
           const struct ks_seal_binding *binding)
{
    const uint8_t *epoch = ks_keyring_epoch(cx->keys, binding->epoch_id);

    if (epoch == NULL)
        return false;
    if (binding->kind == KS_OBJ_STATE) {
        ks_hkdf(key, KS_KEY_SIZE,
                &(struct ks_hkdf_in){.key = epoch,
                                     .key_len = KS_KEY_SIZE,
                                     .info = KS_CTX_STATE,
                                     .info_len = sizeof(KS_CTX_STATE) - 1});
    } else {
        memcpy(key, epoch, KS_KEY_SIZE);
    }
    return true;
}

/* Copy data[0..len) to plaintext offset `at` of an object with gaps. */
static void
scatter_plain(uint8_t *object, size_t at, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t part = KS_SEAL_SEGMENT - at % KS_SEAL_SEGMENT;

        if (part > len)
            part = len;
        memcpy(object + ks_seal_at(at), data, part);
        at += part;
        data += part;
        len -= part;
    }
}

int
ks_object_seal(const struct ks_object_context *cx, enum ks_object_kind kind,
               struct ks_bytes content, struct ks_buf *sealed, uint8_t *id,
               struct ks_err *err)
{
    struct ks_seal_in in = {.suite = ks_seal_default_suite()};
    uint8_t key[KS_KEY_SIZE];
    uint8_t salt[32];
    uint8_t length[LENGTH_SIZE];
    size_t plain_len;
    bool found;
    int rc;

    if (content.len > KS_OBJECT_CONTENT_MAX)
        return ks_fail(err, KS_E_LIMIT, 0,
                       "%zu bytes are too many for one object", content.len);
    plain_len = ks_padded(LENGTH_SIZE + content.len);
    /* Zeros everywhere are the padding; header and tags go into them too. */
    ks_buf_reset(sealed);
    rc = ks_buf_zeros(sealed, ks_seal_room(plain_len), err);
    if (rc < 0)
        return rc;
    ks_put_u32le(length, (uint32_t)content.len);
    scatter_plain(sealed->data, 0, length, LENGTH_SIZE);
    scatter_plain(sealed->data, LENGTH_SIZE, content.ptr, content.len);

    in.binding.kind = (uint8_t)kind;
    if (!is_control_kind(kind))
        memcpy(in.binding.epoch_id, ks_keyring_current(cx->keys),
               KS_EPOCH_ID_SIZE);
    memcpy(in.binding.vault_id, cx->vault_id, KS_VAULT_ID_SIZE);
    found = object_key(key, cx, &in.binding);
    assert(found);
    ks_random(salt, sizeof(salt));
    in.key = key;
    in.salt = salt;
    rc = ks_seal(sealed->data, plain_len, &in, id, err);
    ks_wipe(key, sizeof(key));
    if (rc < 0)
        ks_buf_wipe(sealed); /* it holds plaintext */
    return rc;
}

/* Check the header of a sealed object and derive its key. All but a version
 * that we do not know is damage, whatever crypto/ calls it. */
static int
open_object(struct ks_opener **out, const struct ks_object_context *cx,
            enum ks_object_kind kind, struct ks_bytes sealed,
            struct ks_err *err)
{
    static const uint8_t control_epoch[KS_EPOCH_ID_SIZE];
    struct ks_err why = KS_ERR_INIT;
    struct ks_seal_binding binding = {.kind = (uint8_t)kind};
    struct ks_seal_header header;
    uint8_t key[KS_KEY_SIZE];
    int rc;

    if (ks_seal_plain_len(sealed.len) == 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its size is wrong");
    rc = ks_seal_parse_header(&header, sealed.ptr, &why);
    if (rc == KS_E_UNSUPPORTED)
        return ks_fail(err, rc, 0, "%s", why.msg);
    if (rc < 0 || header.kind != kind)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its head is wrong");
    if (is_control_kind(kind) &&
        memcmp(header.epoch_id, control_epoch, KS_EPOCH_ID_SIZE) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its head is wrong");
    memcpy(binding.epoch_id, header.epoch_id, KS_EPOCH_ID_SIZE);
    memcpy(binding.vault_id, cx->vault_id, KS_VAULT_ID_SIZE);
    if (!object_key(key, cx, &binding))
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "sealed with a key that this vault does not have");
    rc = ks_opener_open(out, sealed.ptr, key, &binding, &why);
    ks_wipe(key, sizeof(key));
    /* The vault is open, so its keys are right: it can only be the object. */
    if (rc == KS_E_WRONG_KEY)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "damaged, or sealed for another vault");
    return rc < 0 ? ks_fail(err, rc, why.sys, "%s", why.msg) : KS_OK;
}

/* Open every segment of sealed, behind its header, into plain[0..plain_len).
 * The last one is known by its place: a cut object has another, which fails. */
static int
open_segments(struct ks_opener *o, struct ks_bytes sealed, uint8_t *plain,
              size_t plain_len, struct ks_err *err)
{
    uint64_t index = 0;

    for (size_t at = 0; at < plain_len; index++) {
        size_t part = plain_len - at;
        bool last = part <= KS_SEAL_SEGMENT;
        int rc;

        if (!last)
            part = KS_SEAL_SEGMENT;
        rc = ks_opener_segment(
            o, index, last, plain + at,
            (struct ks_bytes){.ptr = sealed.ptr + ks_seal_at(at),
                              .len = part + KS_SEAL_TAG},
            err);
        if (rc < 0)
            return rc;
        at += part;
    }
    return KS_OK;
}

/* Reduce plain to its content. False if it is not laid out as it must be. */
static bool
strip_padding(struct ks_buf *plain)
{
    size_t len;

    if (plain->len < LENGTH_SIZE)
        return false;
    len = ks_get_u32le(plain->data);
    if (len > plain->len - LENGTH_SIZE || len > KS_OBJECT_CONTENT_MAX)
        return false;
    /* Padding that is not zero was not written by us: there is no room in
     * an object for anything that is not its content. */
    for (size_t i = LENGTH_SIZE + len; i < plain->len; i++) {
        if (plain->data[i] != 0)
            return false;
    }
    memmove(plain->data, plain->data + LENGTH_SIZE, len);
    plain->len = len;
    return true;
}

/* Make `plain` the content of `content`: its memory if that may be so large,
 * else a copy. */
static int
hand_over(struct ks_buf *content, struct ks_buf *plain, struct ks_err *err)
{
    struct ks_buf next;
    int rc = KS_OK;

    ks_buf_init(&next, content->max);
    if (plain->cap <= content->max) {
        next = *plain;
        next.max = content->max;
        ks_buf_init(plain, plain->max);
    } else {
        rc = ks_buf_append(&next, plain->data, plain->len, err);
    }
    if (rc == KS_OK) {
        ks_buf_wipe(content);
        *content = next;
    }
    return rc;
}

int
ks_object_unseal(const struct ks_object_context *cx, enum ks_object_kind kind,
                 struct ks_bytes sealed, struct ks_buf *content,
                 struct ks_err *err)
{
    struct ks_opener *opener = NULL;
    struct ks_buf plain;
    size_t plain_len;
    int rc;

    ks_buf_init(&plain, KS_OBJECT_MAX);
    if (sealed.len > KS_OBJECT_MAX) {
        rc = ks_fail(err, KS_E_CORRUPT, 0, "damaged: it is too large");
        goto done;
    }
    rc = open_object(&opener, cx, kind, sealed, err);
    if (rc < 0)
        goto done;
    /* Into memory of its own: the caller's content stays as it is unless all
     * of this succeeds. */
    plain_len = ks_seal_plain_len(sealed.len);
    rc = ks_buf_zeros(&plain, plain_len, err);
    if (rc < 0)
        goto done;
    rc = open_segments(opener, sealed, plain.data, plain_len, err);
    if (rc < 0)
        goto done;
    if (!strip_padding(&plain)) {
        rc = ks_fail(err, KS_E_CORRUPT, 0, "its content is laid out wrongly");
        goto done;
    }
    rc = hand_over(content, &plain, err);
done:
    ks_buf_wipe(&plain);
    ks_opener_close(opener);
    return rc;
}

/* Whether the last part of `name` is the one that sealed bytes ask for. */
static int
check_object_name(const char *name, struct ks_bytes sealed, struct ks_err *err)
{
    const char *slash = strrchr(name, '/');
    struct ks_namer *namer = NULL;
    uint8_t id[KS_ID_SIZE];
    char hex[KS_ID_HEX_SIZE];
    int rc;

    rc = ks_namer_open(&namer, err);
    if (rc < 0)
        return rc;
    ks_namer_update(namer, sealed.ptr, sealed.len);
    ks_namer_final(namer, id);
    ks_namer_close(namer);
    ks_hex_encode(hex, id, sizeof(id));
    if (slash == NULL || strcmp(slash + 1, hex) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "damaged: its bytes do not match its name");
    return KS_OK;
}

int
ks_object_get(const struct ks_object_context *cx, enum ks_object_kind kind,
              const char *name, struct ks_buf *content, struct ks_err *err)
{
    struct ks_buf sealed;
    int rc;

    ks_buf_init(&sealed, KS_OBJECT_MAX);
    rc = ks_object_read(cx->store, name, KS_OBJECT_MAX, &sealed, err);
    if (rc < 0)
        goto done;
    /* The name first: it is cheaper than the key, and tells damage from an
     * object that someone has put under another one's name. */
    if (is_named_by_bytes(kind))
        rc = check_object_name(name, ks_buf_bytes(&sealed), err);
    if (rc == KS_OK)
        rc = ks_object_unseal(cx, kind, ks_buf_bytes(&sealed), content, err);
    if (rc < 0)
        rc = ks_context(err, "%s", name);
done:
    ks_buf_wipe(&sealed);
    return rc;
}

void
ks_object_name(char *out, const char *folder, const uint8_t *id)
{
    char hex[KS_ID_HEX_SIZE];
    int len;

    ks_hex_encode(hex, id, KS_ID_SIZE);
    len = snprintf(out, KS_OBJECT_NAME_SIZE, "%s/%s", folder, hex);
    assert(len > 0 && (size_t)len < KS_OBJECT_NAME_SIZE);
}

int
ks_object_read(struct ks_store *store, const char *name, size_t max,
               struct ks_buf *out, struct ks_err *err)
{
    uint64_t size = 0;
    size_t got = 0;
    int rc;

    rc = ks_store_stat(store, name, &size, err);
    if (rc < 0)
        return rc;
    if (size > max)
        return ks_fail(err, KS_E_LIMIT, 0, "%s: %" PRIu64 " bytes are too many",
                       name, size);
    ks_buf_reset(out);
    rc = ks_buf_reserve(out, (size_t)size, err);
    if (rc < 0 || size == 0)
        return rc;
    rc = ks_store_get(store, name, 0, out->data, (size_t)size, &got, err);
    if (rc < 0)
        return rc;
    if (got < size)
        return ks_fail(err, KS_E_CORRUPT, 0, "%s: cut short", name);
    out->len = got;
    return KS_OK;
}
