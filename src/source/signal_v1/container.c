/*
 * container:
 *
 *     u32be  H                 1..KS_V1_HEADER_MAX
 *     H      BackupFrame       field 1: Header { 1 iv, 2 salt, 3 version }
 *     then frames, up to and with the one that says end:
 *       4    length            content + 10, big-endian; encrypted in v1
 *       n    content           AES-256-CTR
 *       10   MAC               HMAC-SHA-256 over length (v1) and content
 *     and directly after an attachment, sticker or avatar frame its blob:
 *       n    content           AES-256-CTR
 *       10   MAC               HMAC-SHA-256 over the 16-byte IV and content
 *
 * Frames and blobs are numbered by one counter, whose start is the header's
 * iv[0..4); each begins a keystream of its own at counter || iv[4..16).
 */
#include "source/signal_v1/container.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "crypto/cipher.h"
#include "crypto/contexts.h"
#include "source/signal_v1/wire.h"

#define KEY_ROUNDS     250000U
#define NEWEST_VERSION 1U

/* The fields of Header into *h; false if they break the format. The lengths of
 * salt and IV are checked before they are copied. */
static bool
read_header_fields(struct ks_v1_header *h, struct ks_bytes message,
                   uint64_t *version, size_t *iv_len)
{
    struct ks_cursor c = ks_cursor_over(message.ptr, message.len);
    struct ks_wire_field f;
    int rc;

    while ((rc = ks_wire_next(&c, &f)) == KS_OK) {
        if (f.type == KS_WIRE_LEN && f.number == 1) {
            *iv_len = f.bytes.len;
            if (f.bytes.len == KS_V1_IV_SIZE)
                memcpy(h->iv, f.bytes.ptr, KS_V1_IV_SIZE);
        } else if (f.type == KS_WIRE_LEN && f.number == 2) {
            /* The app writes 32 bytes; the bound is the room that we have. */
            if (f.bytes.len > KS_V1_SALT_MAX)
                return false;
            h->salt_len = f.bytes.len;
            if (f.bytes.len > 0)
                memcpy(h->salt, f.bytes.ptr, f.bytes.len);
        } else if (f.type == KS_WIRE_VARINT && f.number == 3) {
            *version = f.value;
        }
    }
    return rc == KS_END;
}

int
ks_v1_header_parse(struct ks_v1_header *out, const uint8_t *pb, size_t len,
                   struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(pb, len);
    struct ks_v1_header h = {0};
    struct ks_bytes message = {0};
    struct ks_wire_field f;
    uint64_t version = 0;
    size_t iv_len = 0;
    int rc;

    while ((rc = ks_wire_next(&c, &f)) == KS_OK)
        if (f.number == 1 && f.type == KS_WIRE_LEN)
            message = f.bytes;
    if (rc != KS_END || message.len == 0 ||
        !read_header_fields(&h, message, &version, &iv_len))
        return ks_fail(err, KS_E_FORMAT, 0,
                       "its header does not read as that of a Signal backup; "
                       "its first bytes may be damaged");
    /* Before the IV: a newer version may have another. */
    if (version > NEWEST_VERSION)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "it is a Signal backup of version %llu, newer than "
                       "this keepsay knows",
                       (unsigned long long)version);
    if (iv_len != KS_V1_IV_SIZE)
        return ks_fail(err, KS_E_FORMAT, 0,
                       "the IV in its header has %zu bytes instead of 16; "
                       "its first bytes may be damaged",
                       iv_len);
    h.version = (uint32_t)version;
    *out = h;
    return KS_OK;
}

void
ks_v1_header_build(uint8_t out[KS_V1_HEADER_OWN],
                   const struct ks_v1_header *header)
{
    uint8_t *p = out;

    assert(header->salt_len == KS_V1_SALT_SIZE);
    assert(header->version == 1);
    ks_put_u32be(p, KS_V1_HEADER_OWN - KS_V1_LEN_SIZE);
    p += KS_V1_LEN_SIZE;
    *p++ = 1 << 3 | KS_WIRE_LEN; /* BackupFrame.header */
    *p++ = (uint8_t)(KS_V1_HEADER_OWN - KS_V1_LEN_SIZE - 2);
    *p++ = 1 << 3 | KS_WIRE_LEN; /* Header.iv */
    *p++ = (uint8_t)KS_V1_IV_SIZE;
    memcpy(p, header->iv, KS_V1_IV_SIZE);
    p += KS_V1_IV_SIZE;
    *p++ = 2 << 3 | KS_WIRE_LEN; /* Header.salt */
    *p++ = (uint8_t)KS_V1_SALT_SIZE;
    memcpy(p, header->salt, KS_V1_SALT_SIZE);
    p += KS_V1_SALT_SIZE;
    *p++ = 3 << 3 | KS_WIRE_VARINT; /* Header.version */
    *p++ = 1;
    assert(p == out + KS_V1_HEADER_OWN);
}

uint32_t
ks_v1_first_counter(const struct ks_v1_header *header)
{
    return ks_get_u32be(header->iv);
}

/*
 * The app shows the passphrase in groups and takes it in groups, so spaces are
 * no part of it. Nothing else is changed: not digits only, not one length.
 */
int
ks_v1_key_derive(struct ks_secret **out, const struct ks_v1_header *header,
                 const struct ks_secret *passphrase, struct ks_err *err)
{
    struct ks_sha512_chain chain = {.rounds = KEY_ROUNDS};
    struct ks_secret *input = NULL;
    struct ks_secret *hash = NULL;
    size_t n = 0;
    int rc = ks_secret_new(&input, passphrase->len, err);

    if (rc != KS_OK)
        goto done;
    for (size_t i = 0; i < passphrase->len; i++)
        if (passphrase->data[i] != ' ')
            input->data[n++] = passphrase->data[i];
    if (n == 0) {
        rc = ks_fail(err, KS_E_USAGE, 0, "the passphrase is empty");
        goto done;
    }
    rc = ks_secret_new(&hash, 64, err);
    if (rc != KS_OK)
        goto done;
    chain.input = input->data;
    chain.input_len = n;
    chain.salt = header->salt_len > 0 ? header->salt : NULL;
    chain.salt_len = header->salt_len;
    ks_sha512_chain_run(hash->data, &chain);
    /* The chain gives 64 bytes, of which the app uses the first half. */
    rc = ks_secret_copy(out, hash->data, KS_KEY_SIZE, err);
done:
    ks_secret_free(input);
    ks_secret_free(hash);
    return rc;
}

/* Here the cipher key comes first and the MAC key second; in Signal's newer
 * formats it is the other way round. */
int
ks_v1_cipher_init(struct ks_v1_cipher *c, const uint8_t *key,
                  const struct ks_v1_header *header, struct ks_err *err)
{
    uint8_t okm[64]; /* cipher key || MAC key */
    struct ks_hkdf_in in = {
        .key = key,
        .key_len = KS_KEY_SIZE,
        .info = KS_CTX_SIGNAL_V1,
        .info_len = sizeof(KS_CTX_SIGNAL_V1) - 1,
    };
    struct ks_v1_cipher fresh = {.version = header->version};
    int rc;

    assert(header->version <= NEWEST_VERSION);
    ks_hkdf(okm, sizeof(okm), &in);
    rc = ks_ctr_open(&fresh.ctr, okm, err);
    if (rc == KS_OK) {
        ks_hmac_init(&fresh.mac, okm + KS_KEY_SIZE, KS_KEY_SIZE);
        memcpy(fresh.iv, header->iv, sizeof(fresh.iv));
        *c = fresh;
    }
    ks_wipe(okm, sizeof(okm));
    ks_wipe(&fresh, sizeof(fresh));
    return rc;
}

void
ks_v1_cipher_wipe(struct ks_v1_cipher *c)
{
    ks_ctr_close(c->ctr);
    ks_wipe(c, sizeof(*c));
}

/* Stand at the start of the keystream of `counter`. */
static void
seek_keystream(struct ks_v1_cipher *c, uint32_t counter)
{
    assert(c->ctr != NULL);
    ks_put_u32be(c->iv, counter);
    ks_ctr_start(c->ctr, c->iv);
}

/* Version 0 has neither encrypted nor authenticated the length: whoever reads
 * it learns only from the MAC over so many bytes whether it was right. */
uint32_t
ks_v1_frame_read(struct ks_v1_cipher *c, uint32_t counter,
                 const uint8_t in[KS_V1_LEN_SIZE], struct ks_hmac *mac)
{
    uint8_t plain[KS_V1_LEN_SIZE];

    assert(c->version <= NEWEST_VERSION);
    seek_keystream(c, counter);
    *mac = c->mac;
    if (c->version == 0)
        return ks_get_u32be(in);
    ks_ctr_apply(c->ctr, plain, in, KS_V1_LEN_SIZE);
    ks_hmac_update(mac, in, KS_V1_LEN_SIZE);
    return ks_get_u32be(plain);
}

void
ks_v1_frame_write(struct ks_v1_cipher *c, uint32_t counter, uint32_t len,
                  uint8_t out[KS_V1_LEN_SIZE], struct ks_hmac *mac)
{
    assert(len <= KS_V1_FRAME_MAX);
    seek_keystream(c, counter);
    *mac = c->mac;
    ks_put_u32be(out, len + (uint32_t)KS_V1_MAC_SIZE);
    if (c->version == 0)
        return;
    ks_ctr_apply(c->ctr, out, out, KS_V1_LEN_SIZE);
    ks_hmac_update(mac, out, KS_V1_LEN_SIZE);
}

void
ks_v1_blob_start(struct ks_v1_cipher *c, uint32_t counter, struct ks_hmac *mac)
{
    seek_keystream(c, counter);
    *mac = c->mac;
    ks_hmac_update(mac, c->iv, KS_V1_IV_SIZE);
}

void
ks_v1_keystream(struct ks_v1_cipher *c, uint32_t counter,
                uint8_t out[KS_V1_IV_SIZE])
{
    memset(out, 0, KS_V1_IV_SIZE);
    seek_keystream(c, counter);
    ks_ctr_apply(c->ctr, out, out, KS_V1_IV_SIZE);
}

size_t
ks_v1_frame_seal(struct ks_v1_cipher *c, uint32_t counter, const uint8_t *pb,
                 size_t len, uint8_t *out, uint8_t full[KS_SHA256_SIZE])
{
    struct ks_hmac mac;

    assert(len <= KS_V1_FRAME_MAX);
    ks_v1_frame_write(c, counter, (uint32_t)len, out, &mac);
    ks_ctr_apply(c->ctr, out + KS_V1_LEN_SIZE, pb, len);
    ks_hmac_update(&mac, out + KS_V1_LEN_SIZE, len);
    ks_hmac_final(&mac, full);
    memcpy(out + KS_V1_LEN_SIZE + len, full, KS_V1_MAC_SIZE);
    return KS_V1_FRAME_EXTRA + len;
}

/* The whole MAC, not the ten bytes in the file: those could collide. */
void
ks_v1_digest_add(struct ks_sha256 *digest, uint32_t len,
                 const uint8_t full[KS_SHA256_SIZE])
{
    uint8_t element[KS_V1_LEN_SIZE + KS_SHA256_SIZE];

    ks_put_u32le(element, len);
    memcpy(element + KS_V1_LEN_SIZE, full, KS_SHA256_SIZE);
    ks_sha256_update(digest, element, sizeof(element));
}
