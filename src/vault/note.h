#ifndef KS_VAULT_NOTE_H
#define KS_VAULT_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/object.h"

/*
 * note: small sealed statements about a vault and its snapshots, never
 * changed, only outdone by newer ones: notes/<id>.
 *
 * Floor 2. Of two notes that speak of the same thing the one with the
 * highest (counter, writer, note id) wins. Encoding in doc/format.md.
 */
enum ks_note_kind {
    KS_NOTE_LABEL = 1, /* text = the new label of ids[0] */
    KS_NOTE_PIN = 2,   /* ids are to be kept */
    KS_NOTE_UNPIN = 3,
    KS_NOTE_VERIFIED = 4, /* all data of ids was read and found whole */
    KS_NOTE_DRILLED = 5,
    KS_NOTE_FORGOT = 6, /* ids were forgotten on purpose */
    KS_NOTE_ROSTER = 7, /* ids = the slots that count, all of them */
};

#define KS_NOTE_IDS_MAX  65536U
#define KS_NOTE_TEXT_MAX 1024U

/* The newest run known of a writer (DESIGN: going back in time). */
struct ks_head {
    uint8_t writer[16];
    uint64_t run;
    uint8_t snapshot[16];
};
#define KS_HEADS_MAX 4096U

struct ks_note {
    uint8_t id[16]; /* filled by put and read */
    enum ks_note_kind kind;
    uint64_t counter;
    uint8_t writer[16]; /* zero when made by a command that writes no data */
    int64_t time_ms;
    uint8_t (*ids)[16]; /* ids[0..id_count) */
    size_t id_count;
    char *text; /* NUL-terminated; put takes NULL for "", read gives "" */
    struct ks_head *heads;
    size_t head_count;
};

/* Seal and store a note; *note's id is set. The store is not synced. */
KS_MUST_CHECK int ks_note_put(const struct ks_object_context *cx,
                              struct ks_note *note, struct ks_err *err);

/* All notes that can be read, and how many could not (damaged or unknown). */
struct ks_notes {
    struct ks_note *notes;
    size_t count;
    size_t damaged;
};
KS_MUST_CHECK int ks_notes_read(const struct ks_object_context *cx,
                                struct ks_notes *out, struct ks_err *err);
void ks_notes_free(struct ks_notes *notes);

/* The highest counter in use, 0 if none. */
uint64_t ks_notes_counter(const struct ks_notes *notes);

/* Whether a outdoes b, if they speak of the same thing. */
bool ks_note_wins(const struct ks_note *a, const struct ks_note *b);

/* The winning note of `kind` about `id` (id NULL: of that kind), or NULL. */
const struct ks_note *ks_notes_find(const struct ks_notes *notes,
                                    enum ks_note_kind kind, const uint8_t *id);

#endif /* KS_VAULT_NOTE_H */
