#ifndef KS_TESTS_VECTORS_H
#define KS_TESTS_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * vectors: known answers from text files in tests/vectors.
 *
 * A file is records apart by empty lines; a record is lines of
 * "name = value". Lines that begin with # are comments. Whatever is wrong
 * with a file fails the test that reads it.
 *
 * Life: open -> (next -> text, number, hex)* -> close.
 */

struct vectors;

/* Open tests/vectors/<name>. */
struct vectors *vectors_open(const char *name);

/* Go to the next record; false if there is none. */
bool vectors_next(struct vectors *v);

/* Whether the record has this field. */
bool vectors_has(struct vectors *v, const char *name);

/* A field's value, which stays the reader's; next() ends its life. */
const char *vectors_text(struct vectors *v, const char *name);

/* A field's value as a decimal number. */
size_t vectors_number(struct vectors *v, const char *name);

/* A field's hex digits as bytes into out[0..cap); returns how many. A dash
 * alone is no bytes. */
size_t
vectors_hex(struct vectors *v, const char *name, uint8_t *out, size_t cap);

/* A field that must be exactly len bytes of hex. */
void
vectors_bytes(struct vectors *v, const char *name, uint8_t *out, size_t len);

/* Close it; returns how many records were read. */
size_t vectors_close(struct vectors *v);

/*
 * The plaintext that vector files name by its length alone:
 * byte i is (7 + 131 * i + 17 * (i / 256)) mod 256.
 */
uint8_t vectors_pattern(size_t i);

#endif /* KS_TESTS_VECTORS_H */
