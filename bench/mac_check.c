/*
 * mac_check: reads a Signal backup file, verifies every MAC, does nothing else.
 *
 *     mac_check FILE KEYFILE      walk FILE; KEYFILE holds its passphrase
 *     mac_check --kdf ROUNDS      derive a version 1 key, ROUNDS times
 *
 * What it costs is the floor for any program that reads such a file honestly:
 * the benchmark holds a night's backup against it. So it decrypts no more than
 * it must to find its way: lengths, and the frames that announce a blob.
 * Answers in JSON, for run.py; exit 1 if a MAC does not hold.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "source/signal_v1/container.h"
#include "source/signal_v1/frame.h"

#define WINDOW     ((size_t)1 << 20)
#define KEY_MAX    ((size_t)4096)         /* bytes of a key file */
#define BULK_BYTES ((size_t)250000 * 128) /* what a derivation compresses */
#define BULK_STEP  ((size_t)16000)

/* The file through a window: next[0..have) is what lies at hand. */
struct input {
    int fd;
    uint8_t *window;
    const uint8_t *next;
    size_t have;
    uint64_t read; /* bytes of the file, all told */
};

struct walk {
    struct input in;
    struct ks_v1_cipher cipher;
    uint8_t *plain; /* WINDOW bytes; no frame checked here is larger */
    uint32_t counter;
    uint64_t frames;
    uint64_t blobs;
    bool ended;
};

/* CPU seconds of this process so far, user and system. */
static double
cpu_s(void)
{
    struct rusage ru;

    (void)getrusage(RUSAGE_SELF, &ru);
    return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

/* Move what is left to the front of the window, and fill it. */
static int
refill(struct input *in, struct ks_err *err)
{
    ssize_t got;

    memmove(in->window, in->next, in->have);
    in->next = in->window;
    while (in->have < WINDOW) {
        got = read(in->fd, in->window + in->have, WINDOW - in->have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ks_fail_sys(err, errno, "reading");
        if (got == 0)
            break;
        in->have += (size_t)got;
        in->read += (uint64_t)got;
    }
    return KS_OK;
}

/* See to it that `len` bytes lie at hand. */
static int
need(struct input *in, size_t len, struct ks_err *err)
{
    int rc = KS_OK;

    assert(len <= WINDOW);
    if (in->have < len)
        rc = refill(in, err);
    if (rc == KS_OK && in->have < len)
        rc = ks_fail(err, KS_E_INCOMPLETE, 0, "the file ends early");
    return rc;
}

static void
skip(struct input *in, size_t len)
{
    assert(len <= in->have);
    in->next += len;
    in->have -= len;
}

/* Absorb the next `len` bytes, and hold the MAC behind them against `mac`. */
static int
check_mac(struct walk *w, uint64_t len, struct ks_hmac *mac, struct ks_err *err)
{
    uint8_t full[KS_SHA256_SIZE];
    int rc;

    while (len > 0) {
        size_t n = len < w->in.have ? (size_t)len : w->in.have;
        if (n == 0) {
            rc = need(&w->in, 1, err);
            if (rc != KS_OK)
                return rc;
            continue;
        }
        ks_hmac_update(mac, w->in.next, n);
        skip(&w->in, n);
        len -= n;
    }
    rc = need(&w->in, KS_V1_MAC_SIZE, err);
    if (rc != KS_OK)
        return rc;
    ks_hmac_final(mac, full);
    if (!ks_same(w->in.next, full, KS_V1_MAC_SIZE))
        return ks_fail(err, KS_E_FORMAT, 0, "MAC %" PRIu32 " does not hold",
                       w->counter);
    skip(&w->in, KS_V1_MAC_SIZE);
    w->counter++;
    return KS_OK;
}

/* What the frame of `len` bytes in w->in announces. Only the first byte is
 * decrypted unless that says that there is more to know. */
static void
look_inside(struct walk *w, size_t len, struct ks_v1_frame *frame)
{
    enum ks_v1_kind kind;

    *frame = (struct ks_v1_frame){.kind = KS_V1_UNKNOWN};
    ks_ctr_apply(w->cipher.ctr, w->plain, w->in.next, 1);
    kind = ks_v1_frame_first_kind(w->plain[0]);
    if (kind != KS_V1_ATTACHMENT && kind != KS_V1_AVATAR &&
        kind != KS_V1_STICKER && kind != KS_V1_END)
        return;
    ks_ctr_apply(w->cipher.ctr, w->plain + 1, w->in.next + 1, len - 1);
    if (!ks_v1_frame_parse(frame, (struct ks_bytes){w->plain, len}))
        frame->kind = KS_V1_UNKNOWN;
}

/* One frame, and its blob if there is one. */
static int
walk_frame(struct walk *w, struct ks_err *err)
{
    struct ks_v1_frame frame;
    struct ks_hmac mac;
    uint32_t len;
    int rc = need(&w->in, KS_V1_LEN_SIZE, err);

    if (rc != KS_OK)
        return rc;
    len = ks_v1_frame_read(&w->cipher, w->counter, w->in.next, &mac);
    skip(&w->in, KS_V1_LEN_SIZE);
    if (len <= KS_V1_MAC_SIZE || len > WINDOW)
        return ks_fail(err, KS_E_FORMAT, 0, "a frame of %" PRIu32 " bytes",
                       len);
    len -= (uint32_t)KS_V1_MAC_SIZE;
    rc = need(&w->in, len, err);
    if (rc != KS_OK)
        return rc;
    look_inside(w, len, &frame);
    rc = check_mac(w, len, &mac, err);
    if (rc != KS_OK)
        return rc;
    w->frames++;
    w->ended = frame.kind == KS_V1_END;
    if (!frame.has_blob)
        return KS_OK;
    w->blobs++;
    ks_v1_blob_start(&w->cipher, w->counter, &mac);
    return check_mac(w, frame.blob_len, &mac, err);
}

/* The passphrase in the file `path`, as it stands up to the line's end. */
static int
read_passphrase(struct ks_secret **out, const char *path, struct ks_err *err)
{
    uint8_t text[KEY_MAX];
    FILE *f = fopen(path, "re");
    size_t n;

    if (f == NULL)
        return ks_fail_sys(err, errno, "cannot open %s", path);
    n = fread(text, 1, sizeof(text), f);
    (void)fclose(f); /* only read from */
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    return ks_secret_copy(out, text, n, err);
}

/* Read the header of the open file and derive the keys. */
static int
unlock(struct walk *w, const char *key_path, struct ks_err *err)
{
    struct ks_secret *passphrase = NULL;
    struct ks_secret *key = NULL;
    struct ks_v1_header header;
    uint32_t len;
    int rc = need(&w->in, KS_V1_LEN_SIZE, err);

    if (rc != KS_OK)
        goto done;
    len = ks_get_u32be(w->in.next);
    skip(&w->in, KS_V1_LEN_SIZE);
    if (len > KS_V1_HEADER_MAX) {
        rc = ks_fail(err, KS_E_FORMAT, 0, "not a Signal backup");
        goto done;
    }
    rc = need(&w->in, len, err);
    if (rc == KS_OK)
        rc = ks_v1_header_parse(&header, w->in.next, len, err);
    if (rc == KS_OK)
        rc = read_passphrase(&passphrase, key_path, err);
    if (rc == KS_OK)
        rc = ks_v1_key_derive(&key, &header, passphrase, err);
    if (rc == KS_OK)
        rc = ks_v1_cipher_init(&w->cipher, key->data, &header, err);
    if (rc == KS_OK) {
        skip(&w->in, len);
        w->counter = ks_v1_first_counter(&header);
    }
done:
    ks_secret_free(passphrase);
    ks_secret_free(key);
    return rc;
}

static int
check_file(const char *path, const char *key_path, struct ks_err *err)
{
    struct walk w = {.in.fd = open(path, O_RDONLY | O_CLOEXEC)};
    double derived_s = 0;
    int rc;

    w.in.window = malloc(WINDOW);
    w.in.next = w.in.window;
    w.plain = malloc(WINDOW);
    if (w.in.fd < 0)
        rc = ks_fail_sys(err, errno, "cannot open %s", path);
    else if (w.in.window == NULL || w.plain == NULL)
        rc = ks_fail(err, KS_E_NOMEM, 0, "not enough memory");
    else
        rc = unlock(&w, key_path, err);
    derived_s = cpu_s();
    while (rc == KS_OK && !w.ended)
        rc = walk_frame(&w, err);
    if (rc == KS_OK)
        printf("{\"bytes\": %" PRIu64 ", \"frames\": %" PRIu64
               ", \"blobs\": %" PRIu64
               ", \"derive_cpu_s\": %.6f, \"check_cpu_s\": %.6f}\n",
               w.in.read, w.frames, w.blobs, derived_s, cpu_s() - derived_s);
    ks_v1_cipher_wipe(&w.cipher);
    free(w.in.window);
    free(w.plain);
    if (w.in.fd >= 0)
        (void)close(w.in.fd);
    return rc;
}

/* CPU seconds of one derivation by the program's own code. */
static int
derive_once(double *out, struct ks_err *err)
{
    static const char passphrase[] = "123451234512345123451234512345";
    const struct ks_v1_header header = {.version = 1,
                                        .salt_len = KS_V1_SALT_SIZE};
    struct ks_secret *secret = NULL;
    struct ks_secret *key = NULL;
    double from_s;
    int rc = ks_secret_copy(&secret, passphrase, sizeof(passphrase) - 1, err);

    from_s = cpu_s();
    if (rc == KS_OK)
        rc = ks_v1_key_derive(&key, &header, secret, err);
    *out = cpu_s() - from_s;
    ks_secret_free(secret);
    ks_secret_free(key);
    return rc;
}

/* CPU seconds of SHA-512 over as many blocks in one go. */
static double
bulk_once(void)
{
    static uint8_t block[BULK_STEP];
    uint8_t out[64];
    struct ks_sha512_chain chain = {
        .input = block, .input_len = BULK_STEP, .rounds = 1};
    double from_s = cpu_s();

    /* A chain of one round hashes its input twice. */
    for (size_t done = 0; done < BULK_BYTES; done += 2 * BULK_STEP)
        ks_sha512_chain_run(out, &chain);
    return cpu_s() - from_s;
}

static int
time_kdf(int rounds, struct ks_err *err)
{
    double best_s = 1e9;
    double bulk_s = 1e9;
    int rc = KS_OK;

    for (int i = 0; rc == KS_OK && i < rounds; i++) {
        double took = 0;
        rc = derive_once(&took, err);
        best_s = took < best_s ? took : best_s;
        took = bulk_once();
        bulk_s = took < bulk_s ? took : bulk_s;
    }
    if (rc == KS_OK)
        printf("{\"derive_cpu_s\": %.6f, \"sha512_cpu_s\": %.6f}\n", best_s,
               bulk_s);
    return rc;
}

static int
run(char **argv, struct ks_err *err)
{
    int rc = ks_crypto_init(err);

    if (rc != KS_OK)
        return rc;
    if (strcmp(argv[1], "--kdf") == 0)
        return time_kdf((int)strtol(argv[2], NULL, 10), err);
    return check_file(argv[1], argv[2], err);
}

int
main(int argc, char **argv)
{
    struct ks_err err = KS_ERR_INIT;

    if (argc != 3) {
        (void)fprintf(stderr, "mac_check FILE KEYFILE | --kdf ROUNDS\n");
        return 2;
    }
    if (run(argv, &err) == KS_OK)
        return 0;
    (void)fprintf(stderr, "mac_check: %s\n", err.msg);
    return 1;
}
