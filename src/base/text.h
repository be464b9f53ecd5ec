#ifndef KS_BASE_TEXT_H
#define KS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * text: small conversions between bytes, numbers and what people type.
 *
 * Floor 0. No locale, no allocation. Parsers take a NUL-terminated string and
 * answer false, outputs untouched, for anything but exactly what they name.
 */

/* data[0..len) as 2*len lower-case hex digits and a NUL into out. */
void ks_hex_encode(char *out, const void *data, size_t len);

/* Exactly 2*len hex digits (either case) of text into out[0..len). */
bool ks_hex_decode(void *out, size_t len, const char *text);

/* "10485760", "10K", "10M", "2G", "1T", "10MiB": units are powers of 1024, K
 * M G T in either case. "10MB" is refused: it means two things. */
bool ks_parse_size(const char *text, uint64_t *bytes);

/* A decimal number without sign or spaces. */
bool ks_parse_u64(const char *text, uint64_t *out);

#define KS_SIZE_TEXT_SIZE ((size_t)24)

/* "0 B", "999 B", "1.2 KiB", "3.4 GiB" into out[0..KS_SIZE_TEXT_SIZE). */
void ks_size_text(uint64_t bytes, char *out);

#endif /* KS_BASE_TEXT_H */
