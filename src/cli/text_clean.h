#ifndef KS_CLI_TEXT_CLEAN_H
#define KS_CLI_TEXT_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * text_clean: text from outside, made fit for a terminal and for JSON.
 *
 * Floor 6. A file name, a label or a line of a report may be any bytes. On a
 * terminal, control characters would be obeyed, and marks that turn the
 * direction of writing would make a line say something else.
 */

/*
 * Copy text into out[0..cap), cap >= 1, NUL-terminated: bytes that are no
 * UTF-8, control characters and direction marks become '?'; what does not fit
 * is cut off between two characters.
 */
void ks_text_clean(char *out, size_t cap, const char *text);

/* Whether text is UTF-8 without control characters: fit to be kept as a label.
 * Direction marks pass, and are cleaned when it is shown. */
bool ks_text_ok(const char *text);

#endif /* KS_CLI_TEXT_CLEAN_H */
