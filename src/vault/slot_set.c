/*
 * slot_set: every slot of a store, from whichever copies are good.
 *
 * Nothing under keys/ is believed by its name alone: a copy counts only if it
 * is whole by its own checksum and if the id that follows from its bytes is
 * the one it lies under. Which kinds there are and when they were made is
 * then known without a key; whether a slot counts is not (see the roster).
 */
#include "vault/slot_set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"
#include "vault/format.h"
#include "vault/names.h"
#include "vault/note.h"
#include "vault/object.h"

/* "keys/<id>" or "keys/<id>.2". */
static void
slot_name(char *out, const uint8_t *id, unsigned copy)
{
    char hex[KS_ID_HEX_SIZE];
    int len;

    assert(copy < KS_SLOT_COPIES);
    ks_hex_encode(hex, id, KS_ID_SIZE);
    len = snprintf(out, KS_OBJECT_NAME_SIZE, "%s/%s%s", KS_DIR_KEYS, hex,
                   copy == 0 ? "" : ".2");
    assert(len > 0 && (size_t)len < KS_OBJECT_NAME_SIZE);
}

/* The slot id that a name under keys/ speaks of. */
static bool
slot_id_of(uint8_t *id, const char *text)
{
    char hex[KS_ID_HEX_SIZE];
    size_t len = strlen(text);

    if (len != sizeof(hex) - 1 &&
        (len != sizeof(hex) + 1 || strcmp(text + sizeof(hex) - 1, ".2") != 0))
        return false;
    memcpy(hex, text, sizeof(hex) - 1);
    hex[sizeof(hex) - 1] = '\0';
    return ks_hex_decode(id, KS_ID_SIZE, hex);
}

/* Read one copy into `bytes` and prove it: whole, and this slot, not another
 * one under its name. */
static int
read_slot_copy(struct ks_slot_info *info, struct ks_buf *bytes,
               struct ks_store *store, const char *name, const uint8_t *id,
               struct ks_err *err)
{
    int rc;

    rc = ks_object_read(store, name, KS_SLOT_SIZE_MAX, bytes, err);
    if (rc == KS_OK)
        rc = ks_slot_describe(info, bytes->data, bytes->len, err);
    if (rc == KS_OK && memcmp(info->id, id, KS_ID_SIZE) != 0)
        rc = ks_fail(err, KS_E_CORRUPT, 0, "its bytes do not match its name");
    return rc < 0 ? ks_context(err, "%s", name) : KS_OK;
}

/* Read a copy; if it is good, and the first such, it is the slot. */
static int
take_slot_copy(struct ks_slot_entry *entry, struct ks_store *store,
               unsigned copy, struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    struct ks_slot_info info = {0};
    struct ks_buf bytes;
    int rc;

    ks_buf_init(&bytes, KS_SLOT_SIZE_MAX);
    slot_name(name, entry->id, copy);
    rc = read_slot_copy(&info, &bytes, store, name, entry->id, err);
    if (rc == KS_OK && !entry->readable) {
        entry->readable = true;
        entry->info = info;
        entry->bytes = bytes; /* now the entry's */
        ks_buf_init(&bytes, KS_SLOT_SIZE_MAX);
    }
    ks_buf_wipe(&bytes);
    return rc;
}

/* Read a slot from whichever copy is good; look at both, to tell. */
static int
read_slot(struct ks_slot_entry *entry, struct ks_store *store,
          struct ks_err *err)
{
    struct ks_err io = KS_ERR_INIT;

    for (unsigned copy = 0; copy < KS_SLOT_COPIES; copy++) {
        struct ks_err why = KS_ERR_INIT;
        int rc = take_slot_copy(entry, store, copy, &why);

        if (rc == KS_E_NOMEM) {
            *err = why;
            return rc;
        }
        /* One dead sector is what the second copy is for; but if neither can
         * be read, that may pass, and must not be taken for damage. */
        if (rc == KS_E_IO)
            io = why;
        /* A slot from the future is not a bad one. */
        if (rc < 0 && rc != KS_E_UNSUPPORTED)
            entry->bad_copies++;
    }
    if (!entry->readable && io.code != KS_OK) {
        *err = io;
        return io.code;
    }
    return KS_OK;
}

/* Readable before unreadable, newest before oldest, else by id. */
static int
compare_slots(const void *a, const void *b)
{
    const struct ks_slot_entry *x = a;
    const struct ks_slot_entry *y = b;

    if (x->readable != y->readable)
        return x->readable ? -1 : 1;
    if (x->info.created_ms != y->info.created_ms)
        return x->info.created_ms > y->info.created_ms ? -1 : 1;
    return memcmp(x->id, y->id, KS_ID_SIZE);
}

/* The slots that there are names of. Sorted as they are, both names of a slot
 * stand side by side; names of any other shape are passed over. */
static int
collect_slots(struct ks_slot_set *out, const struct ks_names *names,
              struct ks_err *err)
{
    out->list = calloc(names->count + 1, sizeof(out->list[0]));
    if (out->list == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for the slots");
    for (size_t i = 0; i < names->count && out->count < KS_SLOT_COUNT_MAX;
         i++) {
        struct ks_slot_entry *entry = &out->list[out->count];
        uint8_t id[KS_ID_SIZE];

        if (!slot_id_of(id, names->list[i].text))
            continue;
        if (out->count > 0 && memcmp(entry[-1].id, id, KS_ID_SIZE) == 0)
            continue;
        memcpy(entry->id, id, KS_ID_SIZE);
        ks_buf_init(&entry->bytes, KS_SLOT_SIZE_MAX);
        out->count++;
    }
    return KS_OK;
}

int
ks_slot_set_read(struct ks_slot_set *out, struct ks_store *store,
                 struct ks_err *err)
{
    struct ks_slot_set set = {0};
    struct ks_names names = {0};
    int rc;

    rc = ks_names_list(&names, store, KS_DIR_KEYS, err);
    if (rc == KS_OK)
        rc = collect_slots(&set, &names, err);
    for (size_t i = 0; rc == KS_OK && i < set.count; i++)
        rc = read_slot(&set.list[i], store, err);
    ks_names_free(&names);
    if (rc < 0) {
        ks_slot_set_free(&set);
        return rc;
    }
    assert(set.list != NULL);
    qsort(set.list, set.count, sizeof(set.list[0]), compare_slots);
    *out = set;
    return KS_OK;
}

void
ks_slot_set_free(struct ks_slot_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        ks_buf_wipe(&set->list[i].bytes);
    free(set->list);
    *set = (struct ks_slot_set){0};
}

int
ks_slot_put(struct ks_store *store, const uint8_t *id,
            const struct ks_buf *slot, struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    int rc = KS_OK;

    for (unsigned copy = 0; rc == KS_OK && copy < KS_SLOT_COPIES; copy++) {
        slot_name(name, id, copy);
        rc = ks_store_put(store, name, slot->data, slot->len, err);
    }
    return rc < 0 ? ks_context(err, "write a slot") : KS_OK;
}

int
ks_slot_remove(struct ks_store *store, const uint8_t *id, struct ks_err *err)
{
    char name[KS_OBJECT_NAME_SIZE];
    int rc = KS_OK;

    /* Both are tried even if one fails: less of it is left then. */
    for (unsigned copy = 0; copy < KS_SLOT_COPIES; copy++) {
        struct ks_err why = KS_ERR_INIT;
        int one;

        slot_name(name, id, copy);
        one = ks_store_remove(store, name, &why);
        if (one < 0 && one != KS_E_NOTFOUND && rc == KS_OK) {
            *err = why;
            rc = ks_context(err, "remove a slot");
        }
    }
    return rc;
}

bool
ks_slot_counts(const struct ks_notes *notes, const uint8_t *id)
{
    const struct ks_note *roster = ks_notes_find(notes, KS_NOTE_ROSTER, NULL);

    /* The newest roster of all, and the newest that lists this slot. */
    return roster == NULL || roster == ks_notes_find(notes, KS_NOTE_ROSTER, id);
}

const char *
ks_slot_kind_text(enum ks_slot_kind kind)
{
    switch (kind) {
    case KS_SLOT_RECOVERY:
        return "recovery key";
    case KS_SLOT_PASSPHRASE:
        return "passphrase";
    case KS_SLOT_RAW:
        break;
    }
    return "raw key";
}
