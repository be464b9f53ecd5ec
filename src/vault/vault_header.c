/*
 * vault_header: which vault a store holds.
 *
 *     offset size
 *          0    8  magic "keepsay\n"
 *          8    4  format version, 1, little-endian
 *         12   16  vault id
 *         28   28  zero
 *         56    8  first bytes of the SHA-256 of bytes[0..56)
 *
 * The places of magic, version and checksum, and the size, are the same in
 * every version to come.
 */
#include "vault/vault_header.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "crypto/hash.h"
#include "vault/format.h"
#include "vault/object.h"

#define HEADER_MAGIC       "keepsay\n"
#define HEADER_MAGIC_SIZE  (sizeof(HEADER_MAGIC) - 1)
#define HEADER_VERSION_AT  8
#define HEADER_ID_AT       12
#define HEADER_ZERO_AT     28
#define HEADER_CHECKSUM_AT ((size_t)56)

const char *const ks_header_names[KS_HEADER_COPIES] = {"vault", "vault.2"};

/* The whole digest; a header keeps its first 8 bytes. */
static void
header_checksum(uint8_t *digest, const uint8_t *header)
{
    ks_sha256(digest, header, HEADER_CHECKSUM_AT);
}

void
ks_header_encode(uint8_t *out, const uint8_t *vault_id)
{
    uint8_t digest[KS_SHA256_SIZE];

    memset(out, 0, KS_HEADER_SIZE);
    memcpy(out, HEADER_MAGIC, HEADER_MAGIC_SIZE);
    ks_put_u32le(out + HEADER_VERSION_AT, KS_FORMAT_VERSION);
    memcpy(out + HEADER_ID_AT, vault_id, KS_ID_SIZE);
    header_checksum(digest, out);
    memcpy(out + HEADER_CHECKSUM_AT, digest,
           KS_HEADER_SIZE - HEADER_CHECKSUM_AT);
}

int
ks_header_decode(uint8_t *vault_id, const void *data, size_t len,
                 struct ks_err *err)
{
    static const uint8_t zero[HEADER_CHECKSUM_AT - HEADER_ZERO_AT];
    const uint8_t *header = data;
    uint8_t digest[KS_SHA256_SIZE];
    uint32_t version;

    if (len != KS_HEADER_SIZE)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its size is wrong");
    header_checksum(digest, header);
    if (memcmp(header, HEADER_MAGIC, HEADER_MAGIC_SIZE) != 0 ||
        memcmp(header + HEADER_CHECKSUM_AT, digest,
               KS_HEADER_SIZE - HEADER_CHECKSUM_AT) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its checksum is wrong");
    version = ks_get_u32le(header + HEADER_VERSION_AT);
    if (version > KS_FORMAT_VERSION ||
        memcmp(header + HEADER_ZERO_AT, zero, sizeof(zero)) != 0)
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "this vault has format %u, made by a newer version of "
                       "keepsay than this one, which knows format %u",
                       version, KS_FORMAT_VERSION);
    if (version != KS_FORMAT_VERSION)
        return ks_fail(err, KS_E_CORRUPT, 0, "damaged: its version is wrong");
    memcpy(vault_id, header + HEADER_ID_AT, KS_ID_SIZE);
    return KS_OK;
}

/* Read and decode one copy. Anything but 64 bytes is damage. */
static int
read_header_copy(struct ks_store *store, const char *name, uint8_t *vault_id,
                 struct ks_err *err)
{
    struct ks_buf data;
    int rc;

    ks_buf_init(&data, KS_HEADER_SIZE);
    rc = ks_object_read(store, name, KS_HEADER_SIZE, &data, err);
    if (rc == KS_E_LIMIT) {
        *err = KS_ERR_INIT;
        rc = ks_fail(err, KS_E_CORRUPT, 0, "damaged: its size is wrong");
    }
    if (rc == KS_OK)
        rc = ks_header_decode(vault_id, data.data, data.len, err);
    ks_buf_wipe(&data);
    return rc < 0 ? ks_context(err, "%s", name) : KS_OK;
}

/* Of two failures the one to tell: what a retry, an update or a repair may
 * mend before what says that there is nothing. */
static const struct ks_err *
graver_failure(const struct ks_err *a, const struct ks_err *b)
{
    static const int order[] = {KS_E_NOMEM, KS_E_IO, KS_E_UNSUPPORTED,
                                KS_E_CORRUPT};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a->code == order[i])
            return a;
        if (b->code == order[i])
            return b;
    }
    return a;
}

int
ks_header_read(struct ks_store *store, uint8_t *vault_id, bool *damaged,
               struct ks_err *err)
{
    struct ks_err why[KS_HEADER_COPIES] = {KS_ERR_INIT, KS_ERR_INIT};
    uint8_t ids[KS_HEADER_COPIES][KS_ID_SIZE];
    bool good[KS_HEADER_COPIES];

    for (size_t i = 0; i < KS_HEADER_COPIES; i++)
        good[i] = read_header_copy(store, ks_header_names[i], ids[i],
                                   &why[i]) == KS_OK;
    if (!good[0] && !good[1]) {
        if (why[0].code == KS_E_NOTFOUND && why[1].code == KS_E_NOTFOUND)
            return ks_fail(err, KS_E_NOTFOUND, 0, "there is no vault here");
        *err = *graver_failure(&why[0], &why[1]);
        return err->code;
    }
    /* Two good copies that differ: someone has put another vault's header
     * here. The first decides, as one of them must. */
    *damaged = !good[0] || !good[1] || memcmp(ids[0], ids[1], KS_ID_SIZE) != 0;
    memcpy(vault_id, good[0] ? ids[0] : ids[1], KS_ID_SIZE);
    return KS_OK;
}
