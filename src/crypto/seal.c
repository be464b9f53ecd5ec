/*
 * seal: sealed objects, as seal.h lays them out byte by byte.
 *
 * Every object has a key of its own, from a fresh salt; so nonces may simply
 * count, and what an object is (version, suite, kind, epoch, vault) is bound
 * by going into the key. The last flag in the nonce makes a cut at a segment
 * border fail.
 */
#include "crypto/seal.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#include <xxhash.h>

#include "base/bytes.h"
#include "crypto/contexts.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

/* Places in the header. */
#define AT_VERSION      8
#define AT_SUITE        9
#define AT_KIND         10
#define AT_ZERO         11
#define AT_EPOCH        16
#define AT_SALT         24
#define AT_COMMITMENT   56
#define AT_ZERO_TAIL    88

#define BOUND_SIZE      ((size_t)AT_SALT) /* header bytes that bind the key */
#define SALT_SIZE       ((size_t)32)
#define COMMITMENT_SIZE ((size_t)32)
#define NONCE_SIZE      ((size_t)12)
#define SEALED_SEGMENT  (KS_SEAL_SEGMENT + KS_SEAL_TAG)
#define FORMAT_VERSION  1

/* The NUL is its eighth byte. */
static const uint8_t object_magic[8] = "KEEPSAY";

/* What an object's salt and its epoch's key give. */
struct derived {
    uint8_t key[KS_KEY_SIZE];
    uint8_t commitment[COMMITMENT_SIZE];
};

_Static_assert(sizeof(struct derived) == 64, "HKDF fills it in one go");

size_t
ks_seal_room(size_t plain_len)
{
    size_t segments;

    assert(plain_len >= 1 && plain_len <= KS_SEAL_PLAIN_MAX);
    segments = (plain_len - 1) / KS_SEAL_SEGMENT + 1;
    return KS_SEAL_HEADER_SIZE + plain_len + segments * KS_SEAL_TAG;
}

size_t
ks_seal_plain_len(size_t sealed)
{
    size_t whole;
    size_t rest;
    size_t plain_len;

    if (sealed <= KS_SEAL_HEADER_SIZE ||
        sealed > ks_seal_room(KS_SEAL_PLAIN_MAX))
        return 0;
    whole = (sealed - KS_SEAL_HEADER_SIZE) / SEALED_SEGMENT;
    rest = (sealed - KS_SEAL_HEADER_SIZE) % SEALED_SEGMENT;
    if (rest > 0 && rest <= KS_SEAL_TAG)
        return 0;
    plain_len = whole * KS_SEAL_SEGMENT;
    if (rest > 0)
        plain_len += rest - KS_SEAL_TAG;
    return plain_len;
}

size_t
ks_seal_at(size_t at)
{
    assert(at <= KS_SEAL_PLAIN_MAX);
    return KS_SEAL_HEADER_SIZE + at + at / KS_SEAL_SEGMENT * KS_SEAL_TAG;
}

enum ks_suite
ks_seal_default_suite(void)
{
    bool aes = false;

#if defined(__x86_64__) || defined(__i386__)
    aes = __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(__linux__)
    unsigned long caps = getauxval(AT_HWCAP);

    aes = (caps & HWCAP_AES) != 0 && (caps & HWCAP_PMULL) != 0;
#endif
    return aes ? KS_SUITE_AES_GCM : KS_SUITE_CHACHA;
}

static const EVP_CIPHER *
cipher_of(uint8_t suite)
{
    assert(suite == KS_SUITE_AES_GCM || suite == KS_SUITE_CHACHA);
    return suite == KS_SUITE_AES_GCM ? EVP_aes_256_gcm()
                                     : EVP_chacha20_poly1305();
}

/* header[0..24) of an object of this suite and binding. */
static void
put_bound(uint8_t *header, uint8_t suite, const struct ks_seal_binding *b)
{
    memset(header, 0, BOUND_SIZE);
    memcpy(header, object_magic, sizeof object_magic);
    header[AT_VERSION] = FORMAT_VERSION;
    header[AT_SUITE] = suite;
    header[AT_KIND] = b->kind;
    memcpy(header + AT_EPOCH, b->epoch_id, KS_EPOCH_ID_SIZE);
}

/* Key and commitment from header[0..56). The caller wipes *out. */
static void
derive_object(struct derived *out, const uint8_t *header, const uint8_t *key,
              const uint8_t *vault_id)
{
    uint8_t info[sizeof KS_CTX_OBJECT - 1 + BOUND_SIZE + KS_VAULT_ID_SIZE];
    uint8_t okm[sizeof *out];
    const struct ks_hkdf_in in = {
        .key = key,
        .key_len = KS_KEY_SIZE,
        .salt = header + AT_SALT,
        .salt_len = SALT_SIZE,
        .info = info,
        .info_len = sizeof info,
    };
    uint8_t *p = info;

    memcpy(p, KS_CTX_OBJECT, sizeof KS_CTX_OBJECT - 1);
    p += sizeof KS_CTX_OBJECT - 1;
    memcpy(p, header, BOUND_SIZE);
    p += BOUND_SIZE;
    memcpy(p, vault_id, KS_VAULT_ID_SIZE);

    ks_hkdf(okm, sizeof okm, &in);
    memcpy(out->key, okm, sizeof out->key);
    memcpy(out->commitment, okm + sizeof out->key, sizeof out->commitment);
    ks_wipe(okm, sizeof okm);
}

static void
put_nonce(uint8_t *nonce, uint64_t index, bool last)
{
    memset(nonce, 0, NONCE_SIZE);
    ks_put_u64le(nonce, index);
    nonce[NONCE_SIZE - 1] = last ? 1 : 0;
}

/* As in cipher.c: with cipher and key set, EVP has nothing left to fail on. */
static void
aead_must(int rc)
{
    assert(rc == 1);
    (void)rc;
}

/* Encrypt segment[0..len) in place; its tag goes right behind it. */
static void
seal_segment(EVP_CIPHER_CTX *evp, uint64_t index, bool last, uint8_t *segment,
             size_t len)
{
    uint8_t nonce[NONCE_SIZE];
    int wrote = 0;

    put_nonce(nonce, index, last);
    aead_must(EVP_EncryptInit_ex(evp, NULL, NULL, NULL, nonce));
    aead_must(EVP_EncryptUpdate(evp, segment, &wrote, segment, (int)len));
    assert((size_t)wrote == len);
    aead_must(EVP_EncryptFinal_ex(evp, segment + len, &wrote));
    assert(wrote == 0);
    aead_must(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, (int)KS_SEAL_TAG,
                                  segment + len));
}

/* One sealed segment's part of the name. */
static void
name_segment(struct ks_sha256 *name, XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    ks_sha256_update(name, canonical.digest, sizeof canonical.digest);
}

static void
name_final(struct ks_sha256 *name, uint8_t *id)
{
    uint8_t digest[KS_SHA256_SIZE];

    ks_sha256_final(name, digest);
    memcpy(id, digest, KS_OBJECT_ID_SIZE);
}

/* Seal every segment and name the object, each segment while it is warm. */
static void
seal_segments(EVP_CIPHER_CTX *evp, uint8_t *object, size_t plain_len,
              uint8_t *id)
{
    uint8_t *segment = object + KS_SEAL_HEADER_SIZE;
    size_t left = plain_len;
    struct ks_sha256 name;

    ks_sha256_init(&name);
    ks_sha256_update(&name, object, KS_SEAL_HEADER_SIZE);
    for (uint64_t index = 0; left > 0; index++) {
        size_t len = left < KS_SEAL_SEGMENT ? left : KS_SEAL_SEGMENT;

        left -= len;
        seal_segment(evp, index, left == 0, segment, len);
        name_segment(&name, XXH3_128bits(segment, len + KS_SEAL_TAG));
        segment += len + KS_SEAL_TAG;
    }
    assert(segment == object + ks_seal_room(plain_len));
    name_final(&name, id);
}

int
ks_seal(uint8_t *object, size_t plain_len, const struct ks_seal_in *in,
        uint8_t *id, struct ks_err *err)
{
    uint8_t header[KS_SEAL_HEADER_SIZE] = {0};
    struct derived d = {0};
    EVP_CIPHER_CTX *evp = EVP_CIPHER_CTX_new();
    uint8_t suite = (uint8_t)in->suite;
    int rc = KS_OK;

    assert(plain_len >= 1 && plain_len <= KS_SEAL_PLAIN_MAX);
    assert(in->binding.kind >= 1);
    put_bound(header, suite, &in->binding);
    memcpy(header + AT_SALT, in->salt, SALT_SIZE);
    derive_object(&d, header, in->key, in->binding.vault_id);
    memcpy(header + AT_COMMITMENT, d.commitment, COMMITMENT_SIZE);

    if (evp == NULL ||
        EVP_EncryptInit_ex(evp, cipher_of(suite), NULL, d.key, NULL) != 1) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "no memory to seal an object");
        goto done;
    }
    memcpy(object, header, sizeof header);
    seal_segments(evp, object, plain_len, id);
done:
    EVP_CIPHER_CTX_free(evp);
    ks_wipe(&d, sizeof d);
    return rc;
}

static bool
reserved_is_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;

    for (size_t i = 0; i < len; i++)
        any |= p[i];
    return any == 0;
}

int
ks_seal_parse_header(struct ks_seal_header *out, const uint8_t *header,
                     struct ks_err *err)
{
    uint8_t suite = header[AT_SUITE];

    if (memcmp(header, object_magic, sizeof object_magic) != 0)
        return ks_fail(err, KS_E_FORMAT, 0, "this is not a Keepsay object");
    if (header[AT_VERSION] != FORMAT_VERSION)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "the object has format version %d; this Keepsay reads "
                       "version %d: a newer one may read it",
                       header[AT_VERSION], FORMAT_VERSION);
    if (suite != KS_SUITE_AES_GCM && suite != KS_SUITE_CHACHA)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "the object is sealed with suite %d, which this "
                       "Keepsay does not know",
                       suite);
    if (header[AT_KIND] == 0 || !reserved_is_zero(header + AT_ZERO, 5) ||
        !reserved_is_zero(header + AT_ZERO_TAIL, 8))
        return ks_fail(err, KS_E_FORMAT, 0, "the object's header is damaged");
    out->suite = suite;
    out->kind = header[AT_KIND];
    memcpy(out->epoch_id, header + AT_EPOCH, sizeof out->epoch_id);
    memcpy(out->commitment_prefix, header + AT_COMMITMENT,
           sizeof out->commitment_prefix);
    return KS_OK;
}

struct ks_opener {
    EVP_CIPHER_CTX *evp;
};

/* Prove header against key and binding; *d gets the object's keys either
 * way, and the caller wipes it. */
static int
prove_header(struct derived *d, const uint8_t *header, const uint8_t *key,
             const struct ks_seal_binding *binding, struct ks_err *err)
{
    struct ks_seal_header said = {0};
    uint8_t bound[BOUND_SIZE];
    int rc;

    rc = ks_seal_parse_header(&said, header, err);
    if (rc != KS_OK)
        return rc;
    put_bound(bound, said.suite, binding);
    derive_object(d, header, key, binding->vault_id);
    if (memcmp(bound, header, sizeof bound) != 0 ||
        !ks_same(d->commitment, header + AT_COMMITMENT, COMMITMENT_SIZE))
        return ks_fail(err, KS_E_WRONG_KEY, 0,
                       "the object does not open with this key");
    return KS_OK;
}

int
ks_opener_open(struct ks_opener **out, const uint8_t *header,
               const uint8_t *key, const struct ks_seal_binding *binding,
               struct ks_err *err)
{
    struct ks_opener *o = NULL;
    struct derived d = {0};
    int rc;

    assert(out != NULL);
    rc = prove_header(&d, header, key, binding, err);
    if (rc != KS_OK)
        goto done;
    o = calloc(1, sizeof *o);
    if (o != NULL)
        o->evp = EVP_CIPHER_CTX_new();
    if (o == NULL || o->evp == NULL ||
        EVP_DecryptInit_ex(o->evp, cipher_of(header[AT_SUITE]), NULL, d.key,
                           NULL) != 1) {
        rc = ks_fail(err, KS_E_NOMEM, 0, "no memory to open an object");
        goto done;
    }
    *out = o;
    o = NULL;
done:
    ks_opener_close(o);
    ks_wipe(&d, sizeof d);
    return rc;
}

int
ks_opener_segment(struct ks_opener *o, uint64_t index, bool last,
                  uint8_t *plain, struct ks_bytes sealed, struct ks_err *err)
{
    uint8_t nonce[NONCE_SIZE];
    uint8_t tag[KS_SEAL_TAG];
    uint8_t spare[KS_SEAL_TAG]; /* nothing comes out at the end */
    size_t plain_len;
    int wrote = 0;

    if (sealed.len <= KS_SEAL_TAG || sealed.len > SEALED_SEGMENT ||
        (!last && sealed.len != SEALED_SEGMENT))
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "segment %llu of the object has an impossible size",
                       (unsigned long long)index);
    plain_len = sealed.len - KS_SEAL_TAG;
    memcpy(tag, sealed.ptr + plain_len, sizeof tag);
    put_nonce(nonce, index, last);
    aead_must(EVP_DecryptInit_ex(o->evp, NULL, NULL, NULL, nonce));
    aead_must(EVP_CIPHER_CTX_ctrl(o->evp, EVP_CTRL_AEAD_SET_TAG,
                                  (int)sizeof tag, tag));
    aead_must(
        EVP_DecryptUpdate(o->evp, plain, &wrote, sealed.ptr, (int)plain_len));
    assert((size_t)wrote == plain_len);
    if (EVP_DecryptFinal_ex(o->evp, spare, &wrote) != 1) {
        ks_wipe(plain, plain_len);
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "segment %llu of the object is damaged",
                       (unsigned long long)index);
    }
    assert(wrote == 0);
    return KS_OK;
}

void
ks_opener_close(struct ks_opener *o)
{
    if (o == NULL)
        return;
    EVP_CIPHER_CTX_free(o->evp); /* wipes the key schedule */
    free(o);
}

/* Sealed bytes seen so far: `in_header` of the header's, then `in_segment`
 * of the current segment's, which `segment` has absorbed. */
struct ks_namer {
    struct ks_sha256 name;
    XXH3_state_t *segment;
    size_t in_header;
    size_t in_segment;
};

int
ks_namer_open(struct ks_namer **out, struct ks_err *err)
{
    struct ks_namer *n = calloc(1, sizeof *n);

    assert(out != NULL);
    if (n != NULL)
        n->segment = XXH3_createState();
    if (n == NULL || n->segment == NULL) {
        ks_namer_close(n);
        return ks_fail(err, KS_E_NOMEM, 0, "no memory to name an object");
    }
    ks_namer_reset(n);
    *out = n;
    return KS_OK;
}

void
ks_namer_reset(struct ks_namer *n)
{
    ks_sha256_init(&n->name);
    (void)XXH3_128bits_reset(n->segment);
    n->in_header = 0;
    n->in_segment = 0;
}

/* The current segment is whole, or the object ends in it. */
static void
end_segment(struct ks_namer *n)
{
    name_segment(&n->name, XXH3_128bits_digest(n->segment));
    (void)XXH3_128bits_reset(n->segment);
    n->in_segment = 0;
}

void
ks_namer_update(struct ks_namer *n, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t take = KS_SEAL_HEADER_SIZE - n->in_header;

    assert(data != NULL || len == 0);
    if (take > len)
        take = len;
    ks_sha256_update(&n->name, p, take);
    n->in_header += take;
    while (len > take) {
        p += take;
        len -= take;
        take = SEALED_SEGMENT - n->in_segment;
        if (take > len)
            take = len;
        (void)XXH3_128bits_update(n->segment, p, take);
        n->in_segment += take;
        if (n->in_segment == SEALED_SEGMENT)
            end_segment(n);
    }
}

void
ks_namer_final(struct ks_namer *n, uint8_t *id)
{
    if (n->in_segment > 0)
        end_segment(n);
    name_final(&n->name, id);
}

void
ks_namer_close(struct ks_namer *n)
{
    if (n == NULL)
        return;
    (void)XXH3_freeState(n->segment);
    free(n);
}
