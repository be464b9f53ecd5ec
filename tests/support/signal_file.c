#include "signal_file.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_MESSAGE ((size_t)4096)

/* A protobuf message that is being put together. */
struct message {
    uint8_t data[SMALL_MESSAGE];
    size_t len;
};

static void
must(bool held, const char *what)
{
    if (!held) {
        (void)fprintf(stderr, "signal_file: %s\n", what);
        abort();
    }
}

/* ---- protobuf --------------------------------------------------------- */

static void
put_varint(struct message *m, uint64_t v)
{
    must(m->len + 10 <= sizeof(m->data), "message too long");
    for (; v > 127; v >>= 7)
        m->data[m->len++] = (uint8_t)(v | 128);
    m->data[m->len++] = (uint8_t)v;
}

static void
put_int(struct message *m, unsigned field, uint64_t v)
{
    put_varint(m, field << 3);
    put_varint(m, v);
}

static void
put_data(struct message *m, unsigned field, const void *data, size_t len)
{
    put_varint(m, field << 3 | 2);
    put_varint(m, len);
    must(m->len + len <= sizeof(m->data), "message too long");
    memcpy(m->data + m->len, data, len);
    m->len += len;
}

static void
put_text(struct message *m, unsigned field, const char *text)
{
    put_data(m, field, text, strlen(text));
}

/* ---- container -------------------------------------------------------- */

static void
append(struct signal_file *f, const void *data, size_t len)
{
    if (f->data == NULL || f->cap - f->len < len) {
        f->cap = 2 * f->cap + len + 1;
        f->data = realloc(f->data, f->cap);
        if (f->data == NULL)
            abort();
    }
    if (len > 0)
        memcpy(f->data + f->len, data, len);
    f->len += len;
}

/* A piece began at `offset` and ends here. */
static void
mark(struct signal_file *f, enum piece_kind kind, size_t offset)
{
    f->pieces = realloc(f->pieces, (f->count + 1) * sizeof(*f->pieces));
    must(f->pieces != NULL, "no memory");
    f->pieces[f->count++] = (struct file_piece){kind, offset, f->len};
}

static void
be32(uint8_t *out, size_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The keys of the source key: HKDF-SHA-256, "Backup Export", no salt. */
static void
derive_keys(struct signal_file *f)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    char info[] = "Backup Export";
    uint8_t okm[64];
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string("digest", digest, 6),
        OSSL_PARAM_octet_string("key", f->source_key, 32),
        OSSL_PARAM_octet_string("info", info, 13),
        OSSL_PARAM_END,
    };

    must(EVP_KDF_derive(ctx, okm, sizeof(okm), params) == 1, "HKDF");
    memcpy(f->cipher_key, okm, 32);
    memcpy(f->mac_key, okm + 32, 32);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

void
signal_file_begin_with(struct signal_file *f, unsigned version,
                       const uint8_t iv[16], const void *header, size_t len)
{
    uint8_t head[4];

    memset(f, 0, sizeof(*f));
    f->version = version;
    memcpy(f->iv, iv, 16);
    f->counter = (uint32_t)iv[0] << 24 | (uint32_t)iv[1] << 16 |
                 (uint32_t)iv[2] << 8 | iv[3];
    for (size_t i = 0; i < 32; i++)
        f->source_key[i] = (uint8_t)(7 * i + 1);
    derive_keys(f);
    be32(head, len);
    append(f, head, 4);
    append(f, header, len);
    mark(f, PIECE_HEADER, 0);
}

void
signal_file_begin(struct signal_file *f, unsigned version, uint32_t first)
{
    struct message header = {.len = 0};
    struct message frame = {.len = 0};
    uint8_t salt[32];
    uint8_t iv[16];

    for (size_t i = 0; i < sizeof(iv); i++)
        iv[i] = (uint8_t)(200 - i);
    be32(iv, first);
    memset(salt, 0x5a, sizeof(salt));
    put_data(&header, 1, iv, sizeof(iv));
    put_data(&header, 2, salt, sizeof(salt));
    if (version > 0)
        put_int(&header, 3, version);
    put_data(&frame, 1, header.data, header.len);
    signal_file_begin_with(f, version, iv, frame.data, frame.len);
}

void
signal_file_free(struct signal_file *f)
{
    free(f->data);
    free(f->pieces);
    memset(f, 0, sizeof(*f));
}

void
signal_file_raw(struct signal_file *f, const void *data, size_t len)
{
    size_t offset = f->len;

    append(f, data, len);
    mark(f, PIECE_OTHER, offset);
}

/* Append data[0..len) encrypted under the next counter, and its MAC over
 * `mac_first` and what was appended from `mac_from` on. */
static void
append_sealed(struct signal_file *f, const uint8_t *length, const void *data,
              size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    HMAC_CTX *mac = NULL;
    uint8_t *out = malloc(len + 4);
    uint8_t full[32];
    uint8_t head[4] = {0};
    int n;

    must(ctx != NULL && out != NULL, "no memory");
    be32(f->iv, f->counter++);
    must(EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, f->cipher_key,
                            f->iv) == 1,
         "AES");
    if (length != NULL && f->version == 0)
        memcpy(head, length, 4);
    else if (length != NULL)
        must(EVP_EncryptUpdate(ctx, head, &n, length, 4) == 1, "AES");
    must(EVP_EncryptUpdate(ctx, out, &n, data, (int)len) == 1, "AES");
    EVP_CIPHER_CTX_free(ctx);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    mac = HMAC_CTX_new();
    must(HMAC_Init_ex(mac, f->mac_key, 32, EVP_sha256(), NULL) == 1, "HMAC");
    if (length == NULL)
        HMAC_Update(mac, f->iv, 16);
    else if (f->version > 0)
        HMAC_Update(mac, head, 4);
    HMAC_Update(mac, out, len);
    HMAC_Final(mac, full, NULL);
    HMAC_CTX_free(mac);
#pragma GCC diagnostic pop
    if (length != NULL)
        append(f, head, 4);
    append(f, out, len);
    append(f, full, 10);
    free(out);
}

void
signal_file_frame(struct signal_file *f, const void *pb, size_t len)
{
    size_t offset = f->len;
    uint8_t length[4];

    be32(length, len + 10);
    append_sealed(f, length, pb, len);
    mark(f, PIECE_FRAME, offset);
}

void
signal_file_blob(struct signal_file *f, const void *data, size_t len)
{
    size_t offset = f->len;

    append_sealed(f, NULL, data, len);
    mark(f, PIECE_BLOB, offset);
}

/* ---- frames ----------------------------------------------------------- */

static void
put_frame(struct signal_file *f, unsigned kind, const struct message *body)
{
    struct message frame = {.len = 0};

    put_data(&frame, kind, body->data, body->len);
    signal_file_frame(f, frame.data, frame.len);
}

void
signal_file_end(struct signal_file *f)
{
    static const uint8_t end[] = {6 << 3, 1};

    signal_file_frame(f, end, sizeof(end));
    f->pieces[f->count - 1].kind = PIECE_END;
}

void
signal_file_version(struct signal_file *f, unsigned version)
{
    struct message body = {.len = 0};

    put_int(&body, 1, version);
    put_frame(f, 5, &body);
}

void
signal_file_row(struct signal_file *f, const char *sql,
                const char *const *columns, size_t count)
{
    struct message body = {.len = 0};

    put_text(&body, 1, sql);
    for (size_t i = 0; i < count; i++) {
        struct message param = {.len = 0};
        if (columns[i] == NULL)
            put_int(&param, 5, 1);
        else if (columns[i][0] == '#')
            put_int(&param, 2, strtoull(columns[i] + 1, NULL, 10));
        else
            put_text(&param, 1, columns[i]);
        put_data(&body, 2, param.data, param.len);
    }
    put_frame(f, 2, &body);
}

void
signal_file_sql(struct signal_file *f, const char *sql)
{
    signal_file_row(f, sql, NULL, 0);
}

void
signal_file_key_value(struct signal_file *f, const char *key, const char *text)
{
    struct message body = {.len = 0};

    put_text(&body, 1, key);
    put_text(&body, 7, text);
    put_frame(f, 9, &body);
}

void
signal_file_preference(struct signal_file *f, const char *key, const char *text)
{
    struct message body = {.len = 0};

    put_text(&body, 1, "SecureSMS-Preferences");
    put_text(&body, 2, key);
    put_text(&body, 3, text);
    put_frame(f, 3, &body);
}

void
signal_file_fill(uint8_t *out, size_t len, unsigned seed)
{
    uint32_t x = seed * 2654435761U + 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525U + 1013904223U;
        out[i] = (uint8_t)(x >> 24);
    }
}

static void
put_blob(struct signal_file *f, size_t len, unsigned seed)
{
    uint8_t *data = malloc(len + 1);

    must(data != NULL, "no memory");
    signal_file_fill(data, len, seed);
    signal_file_blob(f, data, len);
    free(data);
}

void
signal_file_attachment(struct signal_file *f, unsigned row, size_t len,
                       unsigned seed)
{
    struct message body = {.len = 0};

    put_int(&body, 1, row);
    put_int(&body, 3, len);
    put_frame(f, 4, &body);
    put_blob(f, len, seed);
}

void
signal_file_sticker(struct signal_file *f, unsigned row, size_t len,
                    unsigned seed)
{
    struct message body = {.len = 0};

    put_int(&body, 1, row);
    put_int(&body, 2, len);
    put_frame(f, 8, &body);
    put_blob(f, len, seed);
}

void
signal_file_avatar(struct signal_file *f, const char *recipient, size_t len,
                   unsigned seed)
{
    struct message body = {.len = 0};

    put_int(&body, 2, len);
    put_text(&body, 3, recipient);
    put_frame(f, 7, &body);
    put_blob(f, len, seed);
}

/* ---- the story -------------------------------------------------------- */

static void
tell_rows(struct signal_file *f)
{
    static const char message[] = "INSERT INTO message VALUES (?,?,?)";
    static const char attachment[] =
        "INSERT INTO \"attachment\" VALUES (?,?,?,?,?)";
    static const char *const first[] = {"#1", "#1700000000001", "Hello"};
    static const char *const second[] = {"#2", "#1700000000002", ""};
    static const char *const third[] = {"#3", "#1700000000003", NULL};
    static const char *const with[] = {"#7", "#0", "/data/7", "rnd", "hash"};
    static const char *const without[] = {"#8", "#2", NULL, NULL, NULL};

    signal_file_row(f, message, first, 3);
    signal_file_row(f, message, second, 3);
    signal_file_row(f, message, third, 3);
    signal_file_row(f, attachment, with, 5);
    signal_file_attachment(f, 7, 40, 1);
    signal_file_row(f, attachment, without, 5);
    signal_file_sticker(f, 3, 25, 2);
}

void
signal_file_story(struct signal_file *f, unsigned version)
{
    static const uint8_t unknown[] = {12 << 3 | 2, 3, 'n', 'e', 'w'};

    signal_file_begin(f, version, 0xfffffff8); /* wraps on the way */
    signal_file_version(f, 223);
    signal_file_sql(f, "CREATE TABLE message (_id INTEGER PRIMARY KEY, "
                       "date_sent INTEGER NOT NULL, body TEXT)");
    signal_file_sql(f, "CREATE TABLE \"attachment\" (_id INTEGER, "
                       "transfer_state INTEGER, data_file TEXT, "
                       "data_random BLOB, data_hash_end TEXT, "
                       "UNIQUE(_id) ON CONFLICT REPLACE)");
    signal_file_sql(f, "CREATE INDEX message_date ON message (date_sent)");
    tell_rows(f);
    signal_file_preference(f, "pref_one", "1");
    signal_file_preference(f, "pref_two", "2");
    signal_file_frame(f, unknown, sizeof(unknown));
    signal_file_key_value(f, "account.aci",
                          "11111111-1111-4111-8111-111111111111");
    signal_file_key_value(f, "account.e164", "+15550000001");
    signal_file_key_value(f, "other", "x");
    signal_file_avatar(f, "2", 60, 3);
    signal_file_end(f);
}

void
signal_file_long(struct signal_file *f, unsigned version)
{
    signal_file_begin(f, version, 1000);
    signal_file_version(f, 223);
    for (unsigned i = 1; i <= 300; i++) {
        char id[16];
        char text[64];
        const char *columns[] = {id, text, NULL};
        (void)snprintf(id, sizeof(id), "#%u", i);
        (void)snprintf(text, sizeof(text), "message %u%.*s", i, (int)(i % 40),
                       "........................................");
        signal_file_row(f, "INSERT INTO message VALUES (?,?,?)", columns, 3);
        if (i % 20 == 0)
            signal_file_attachment(f, i, 50 * i % 7000, i);
    }
    signal_file_end(f);
}

void
signal_file_save(const struct signal_file *f, const struct workdir *w,
                 const char *name)
{
    workdir_write(w, name, f->data, f->len);
}
