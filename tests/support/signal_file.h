#ifndef KS_TESTS_SIGNAL_FILE_H
#define KS_TESTS_SIGNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workdir.h"

/*
 * signal_file: Signal `.backup` files made by hand, in memory.
 *
 * Shares no code with src/: keys, cipher and MAC come straight from OpenSSL.
 * The source key is given, not derived, so a file costs no 250 000 rounds.
 * Remembers where each piece lies, so that a test can say what a byte
 * belongs to.
 */
enum piece_kind {
    PIECE_HEADER,
    PIECE_FRAME,
    PIECE_BLOB, /* of the frame before it */
    PIECE_END,
    PIECE_OTHER, /* anything that was put in raw */
};

struct file_piece {
    enum piece_kind kind;
    size_t offset;
    size_t end;
};

struct signal_file {
    unsigned version;
    uint8_t source_key[32];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
    uint8_t iv[16];
    uint32_t counter; /* of the next frame or blob */
    uint8_t *data;
    size_t len;
    size_t cap;
    struct file_piece *pieces;
    size_t count;
};

/* A header of this version with 32 bytes of salt; counters begin at first. */
void signal_file_begin(struct signal_file *f, unsigned version, uint32_t first);
/* The same with a header frame of the test's own. */
void
signal_file_begin_with(struct signal_file *f, unsigned version,
                       const uint8_t iv[16], const void *header, size_t len);
void signal_file_free(struct signal_file *f);

void signal_file_raw(struct signal_file *f, const void *data, size_t len);
void signal_file_frame(struct signal_file *f, const void *pb, size_t len);
void signal_file_blob(struct signal_file *f, const void *data, size_t len);
void signal_file_end(struct signal_file *f);

/* Frames of the usual kinds. Columns: NULL is a NULL, "#17" an integer, else
 * text. */
void signal_file_version(struct signal_file *f, unsigned version);
void signal_file_sql(struct signal_file *f, const char *sql);
void signal_file_row(struct signal_file *f, const char *sql,
                     const char *const *columns, size_t count);
void
signal_file_key_value(struct signal_file *f, const char *key, const char *text);
void signal_file_preference(struct signal_file *f, const char *key,
                            const char *text);
/* A frame with a blob of len bytes that follow from `seed`. */
void signal_file_attachment(struct signal_file *f, unsigned row, size_t len,
                            unsigned seed);
void signal_file_sticker(struct signal_file *f, unsigned row, size_t len,
                         unsigned seed);
void signal_file_avatar(struct signal_file *f, const char *recipient,
                        size_t len, unsigned seed);

/* The bytes of such a blob. */
void signal_file_fill(uint8_t *out, size_t len, unsigned seed);

/*
 * A whole small file with every kind of frame: 19 frames and 3 blobs, the
 * attachment of row 7 (40 bytes), a sticker (25) and an avatar (60).
 */
void signal_file_story(struct signal_file *f, unsigned version);

/* 300 rows of a table, and after every twentieth an attachment. */
void signal_file_long(struct signal_file *f, unsigned version);

/* Write it to `name` in w. */
void signal_file_save(const struct signal_file *f, const struct workdir *w,
                      const char *name);

#endif /* KS_TESTS_SIGNAL_FILE_H */
