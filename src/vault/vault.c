/*
 * vault: making one, opening one, closing it.
 *
 *     vault, vault.2      which vault (vault_header.c)
 *     keys/<id>, <id>.2   ways to open it (slot.c, slot_set.c)
 *     notes/<id>          among them the roster of the slots that count
 *
 * A vault is there once its header is: everything else that it needs is put
 * and synced before. Opening goes by the slots alone, newest first; which of
 * them count is known only once one has opened, so a slot that opened and is
 * not on the roster is dropped again, and the next one tried.
 */
#include "vault/vault.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/keyring.h"
#include "vault/names.h"
#include "vault/note.h"
#include "vault/slot_set.h"
#include "vault/vault_header.h"

/* What is open: the keys, and where all the rest of the room finds them. */
struct ks_vault {
    struct ks_keyring *keys;
    struct ks_object_context cx; /* cx.keys == keys */
    struct ks_vault_warnings warnings;
    uint8_t opened_by[KS_ID_SIZE];
};

/* Close all but the store. */
static void
vault_free(struct ks_vault *v)
{
    if (v == NULL)
        return;
    ks_keyring_free(v->keys);
    free(v);
}

/* An empty vault on a store that stays the caller's. */
static int
vault_new(struct ks_vault **out, struct ks_store *store, struct ks_err *err)
{
    struct ks_vault *v;
    int rc;

    rc = ks_crypto_init(err);
    if (rc < 0)
        return rc;
    v = calloc(1, sizeof(*v));
    if (v == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for a vault");
    v->cx.store = store;
    *out = v;
    return KS_OK;
}

/* KS_OK if the store has neither a header nor keys. Keys without a header may
 * be all that is left of somebody's vault: they are not touched. */
static int
check_no_vault(struct ks_store *store, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    struct ks_names names = {0};
    uint8_t id[KS_ID_SIZE];
    bool damaged;
    int rc;

    rc = ks_header_read(store, id, &damaged, &why);
    if (rc == KS_OK || rc == KS_E_CORRUPT || rc == KS_E_UNSUPPORTED)
        return ks_fail(err, KS_E_EXISTS, 0, "there is a vault already");
    if (rc != KS_E_NOTFOUND) {
        *err = why;
        return rc;
    }
    rc = ks_names_list(&names, store, KS_DIR_KEYS, err);
    if (rc == KS_OK && names.count > 0)
        rc = ks_fail(err, KS_E_EXISTS, 0,
                     "there are keys of a vault already, but no vault: "
                     "take an empty place, or remove what is left here");
    ks_names_free(&names);
    return rc;
}

/* A vault in the making, and what ks_vault_create() has put of it so far. */
struct creation {
    struct ks_vault *v;
    struct ks_buf slot;
    uint8_t roster_id[KS_ID_SIZE];
    bool has_slot;    /* one copy at least */
    bool has_roster;  /* roster_id says which */
    unsigned headers; /* copies put */
};

/* Put everything, the header last: a crash before it leaves no vault, a crash
 * after it one that opens. Each step is noted for unput_vault(). */
static int
put_vault(struct creation *c, struct ks_err *err)
{
    struct ks_vault *v = c->v;
    struct ks_store *store = v->cx.store;
    struct ks_note roster = {.kind = KS_NOTE_ROSTER,
                             .counter = 1,
                             .time_ms = ks_now_ms(),
                             .ids = &v->opened_by,
                             .id_count = 1};
    uint8_t header[KS_HEADER_SIZE];
    int rc;

    c->has_slot = true; /* even if only one copy gets there */
    rc = ks_slot_put(store, v->opened_by, &c->slot, err);
    if (rc < 0)
        return rc;
    rc = ks_note_put(&v->cx, &roster, err);
    if (rc < 0)
        return rc;
    memcpy(c->roster_id, roster.id, KS_ID_SIZE);
    c->has_roster = true;
    /* Without this a header could outlive a crash that its keys do not. */
    rc = ks_store_sync(store, err);
    if (rc < 0)
        return rc;
    ks_header_encode(header, v->cx.vault_id);
    for (size_t i = 0; i < KS_HEADER_COPIES; i++) {
        rc = ks_store_put(store, ks_header_names[i], header, sizeof(header),
                          err);
        if (rc < 0)
            return rc;
        c->headers++;
    }
    return ks_store_sync(store, err);
}

/* Take back what was put, the header first: a vault that still has its header
 * must keep its keys. */
static void
unput_vault(const struct creation *c)
{
    struct ks_store *store = c->v->cx.store;
    struct ks_err ignored = KS_ERR_INIT;
    char name[KS_OBJECT_NAME_SIZE];
    int rc = KS_OK;

    /* Only what this run has put: another one may have been faster, and then
     * the header that made ours fail is its own. */
    for (unsigned i = 0; rc == KS_OK && i < c->headers; i++)
        rc = ks_store_remove(store, ks_header_names[i], &ignored);
    if (rc == KS_OK && c->headers > 0)
        rc = ks_store_sync(store, &ignored);
    if (c->has_roster) {
        ks_object_name(name, KS_DIR_NOTES, c->roster_id);
        if (rc == KS_OK)
            rc = ks_store_remove(store, name, &ignored);
    }
    if (rc == KS_OK && c->has_slot)
        rc = ks_slot_remove(store, c->v->opened_by, &ignored);
    if (rc == KS_OK)
        rc = ks_store_sync(store, &ignored);
    if (rc < 0) {
        /* What is left without a header opens nothing. */
    }
}

/* Fresh keys, and the slot that wraps them. */
static int
make_keys(struct creation *c, const struct ks_unlock *unlock,
          const struct ks_slot_options *options, struct ks_err *err)
{
    struct ks_vault *v = c->v;
    struct ks_slot_in in = {.vault_id = v->cx.vault_id, .unlock = unlock};
    int rc;

    rc = ks_keyring_generate(&v->keys, err);
    if (rc < 0)
        return rc;
    v->cx.keys = v->keys;
    ks_random(v->cx.vault_id, KS_ID_SIZE);
    in.keys = v->keys;
    if (options != NULL)
        in.options = *options;
    return ks_slot_make(&c->slot, v->opened_by, &in, err);
}

int
ks_vault_create(struct ks_vault **out, struct ks_store *store,
                const struct ks_unlock *unlock,
                const struct ks_slot_options *options, struct ks_err *err)
{
    struct creation c = {0};
    int rc;

    ks_buf_init(&c.slot, KS_SLOT_SIZE_MAX);
    rc = vault_new(&c.v, store, err);
    if (rc == KS_OK)
        rc = check_no_vault(store, err);
    if (rc == KS_OK)
        rc = make_keys(&c, unlock, options, err);
    if (rc < 0)
        goto done;
    rc = put_vault(&c, err);
    if (rc < 0) {
        unput_vault(&c);
        goto done;
    }
    *out = c.v;
    c.v = NULL; /* now the caller's */
done:
    ks_buf_wipe(&c.slot);
    vault_free(c.v);
    return rc < 0 ? ks_context(err, "make a vault") : KS_OK;
}

/* What trying the slots has shown. */
struct opening {
    struct ks_slot_set slots;
    unsigned tried;     /* slots of the right kind */
    unsigned refused;   /* slots that opened, but do not count */
    unsigned bad_slots; /* no copy can be read */
    struct ks_err why;  /* the first slot that failed otherwise */
};

/* The warnings, once the notes are known. */
static void
weigh_slots(struct ks_vault *v, const struct opening *o,
            const struct ks_notes *notes)
{
    const struct ks_note *roster = ks_notes_find(notes, KS_NOTE_ROSTER, NULL);
    size_t listed = roster != NULL ? roster->id_count : o->slots.count;

    v->warnings.damaged_notes = (unsigned)notes->damaged;
    for (size_t i = 0; i < o->slots.count; i++) {
        const struct ks_slot_entry *entry = &o->slots.list[i];

        /* Damage to a slot that does not count is nobody's loss. */
        if (ks_slot_counts(notes, entry->id)) {
            v->warnings.damaged_slots += entry->bad_copies;
            listed -= listed > 0;
        } else {
            v->warnings.unlisted_slots++;
        }
    }
    /* What is left of `listed` are slots of which not even a name is. */
    v->warnings.damaged_slots += KS_SLOT_COPIES * (unsigned)listed;
}

/* A slot gave keys: take them if it counts. *counts says whether. */
static int
judge_keys(struct ks_vault *v, const struct opening *o, const uint8_t *slot_id,
           bool *counts, struct ks_err *err)
{
    struct ks_notes notes = {0};
    int rc;

    v->cx.keys = v->keys;
    rc = ks_notes_read(&v->cx, &notes, err);
    if (rc < 0)
        return rc;
    *counts = ks_slot_counts(&notes, slot_id);
    if (*counts) {
        memcpy(v->opened_by, slot_id, KS_ID_SIZE);
        weigh_slots(v, o, &notes);
    }
    ks_notes_free(&notes);
    return KS_OK;
}

/* Try one slot. KS_OK with *opened false: go on with the next. */
static int
try_slot(struct ks_vault *v, struct opening *o,
         const struct ks_slot_entry *slot, const struct ks_unlock *unlock,
         bool *opened, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    int rc;

    /* A slot that is not this key's, or not usable, is no failure yet: the
     * next one may be. Lack of memory or a broken store is. */
    o->tried++;
    rc = ks_slot_open(&v->keys, slot->bytes.data, slot->bytes.len,
                      v->cx.vault_id, unlock, &why);
    if (rc == KS_E_WRONG_KEY)
        return KS_OK;
    if (rc == KS_E_CORRUPT || rc == KS_E_LIMIT || rc == KS_E_UNSUPPORTED) {
        if (o->why.code == KS_OK)
            o->why = why;
        return KS_OK;
    }
    if (rc < 0) {
        *err = why;
        return rc;
    }
    rc = judge_keys(v, o, slot->id, opened, err);
    if (rc == KS_OK && !*opened) {
        /* The keys are right, but their slot was removed. Forget them. */
        o->refused++;
        ks_keyring_free(v->keys);
        v->keys = NULL;
        v->cx.keys = NULL;
    }
    return rc;
}

/* Which kinds of slots there are, as "recovery key, passphrase". */
static void
list_kinds(char *out, size_t cap, const struct ks_slot_set *slots)
{
    size_t len = 0;

    out[0] = '\0';
    for (int kind = KS_SLOT_RECOVERY; kind <= KS_SLOT_RAW; kind++) {
        for (size_t i = 0; i < slots->count && slots->list[i].readable; i++) {
            if ((int)slots->list[i].info.kind != kind)
                continue;
            len += (size_t)snprintf(
                out + len, cap - len, "%s%s", len > 0 ? ", " : "",
                ks_slot_kind_text(slots->list[i].info.kind));
            assert(len < cap);
            break;
        }
    }
}

/* There was no slot of the right kind. */
static int
fail_no_such_slot(const struct opening *o, enum ks_slot_kind kind,
                  struct ks_err *err)
{
    char kinds[64];

    /* From the worst to the likeliest: nothing left, damage that may hide a
     * slot of this kind, slots from the future, and only then a mix-up. */
    if (o->slots.count == 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "all slots of this vault are missing: nothing is left "
                       "under keys/ that a key could open");
    if (o->bad_slots > 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "%u of the vault's slots are damaged in both copies, "
                       "and no other takes a %s",
                       o->bad_slots, ks_slot_kind_text(kind));
    list_kinds(kinds, sizeof(kinds), &o->slots);
    if (kinds[0] == '\0')
        return ks_fail(err, KS_E_UNSUPPORTED, 0,
                       "this vault opens only in ways that a newer version "
                       "of keepsay knows");
    return ks_fail(err, KS_E_WRONG_KEY, 0,
                   "this vault has no %s; it opens with: %s",
                   ks_slot_kind_text(kind), kinds);
}

/* No slot opened: say why. */
static int
fail_to_open(const struct opening *o, enum ks_slot_kind kind,
             struct ks_err *err)
{
    /* A removed key is told apart from a wrong one. That other slots are
     * damaged is said along: this key's may be among them. */
    if (o->tried == 0)
        return fail_no_such_slot(o, kind, err);
    if (o->refused > 0)
        return ks_fail(err, KS_E_WRONG_KEY, 0,
                       "this key was removed from the vault");
    if (o->why.code != KS_OK) {
        *err = o->why;
        return ks_context(err, "the slot of this key");
    }
    if (o->bad_slots > 0)
        return ks_fail(err, KS_E_WRONG_KEY, 0,
                       "wrong %s, or it is that of a damaged slot "
                       "(%u damaged in both copies)",
                       ks_slot_kind_text(kind), o->bad_slots);
    if (kind == KS_SLOT_RECOVERY)
        return ks_fail(err, KS_E_WRONG_KEY, 0,
                       "wrong recovery key: it does not open this vault");
    return ks_fail(err, KS_E_WRONG_KEY, 0, "wrong %s",
                   kind == KS_SLOT_RAW ? "key" : ks_slot_kind_text(kind));
}

/* Try the slots of the right kind, newest first. */
static int
open_by_slots(struct ks_vault *v, const struct ks_unlock *unlock,
              struct ks_err *err)
{
    struct opening o = {0};
    bool opened = false;
    int rc;

    assert(v != NULL);
    rc = ks_slot_set_read(&o.slots, v->cx.store, err);
    for (size_t i = 0; rc == KS_OK && i < o.slots.count; i++) {
        if (o.slots.list[i].bad_copies == KS_SLOT_COPIES)
            o.bad_slots++;
    }
    /* The set is in the order to try: a passphrase takes half a second a
     * slot, and the newest is the likeliest. */
    for (size_t i = 0; rc == KS_OK && !opened && i < o.slots.count; i++) {
        const struct ks_slot_entry *slot = &o.slots.list[i];

        if (slot->readable && slot->info.kind == unlock->kind)
            rc = try_slot(v, &o, slot, unlock, &opened, err);
    }
    if (rc == KS_OK && !opened)
        rc = fail_to_open(&o, unlock->kind, err);
    ks_slot_set_free(&o.slots);
    return rc;
}

int
ks_vault_open(struct ks_vault **out, struct ks_store *store,
              const struct ks_unlock *unlock, struct ks_err *err)
{
    struct ks_vault *v = NULL;
    int rc;

    rc = vault_new(&v, store, err);
    if (rc == KS_OK)
        rc = ks_header_read(store, v->cx.vault_id,
                            &v->warnings.damaged_header_copy, err);
    if (rc == KS_OK)
        rc = open_by_slots(v, unlock, err);
    if (rc < 0) {
        vault_free(v);
        return rc;
    }
    *out = v;
    return KS_OK;
}

/* Which of the copies is damaged matters to whoever opens, not here. */
int
ks_vault_probe(struct ks_store *store, uint8_t *vault_id, struct ks_err *err)
{
    bool damaged;

    return ks_header_read(store, vault_id, &damaged, err);
}

void
ks_vault_close(struct ks_vault *v)
{
    if (v == NULL)
        return;
    ks_store_close(v->cx.store);
    vault_free(v);
}

const struct ks_object_context *
ks_vault_context(const struct ks_vault *v)
{
    return &v->cx;
}

struct ks_store *
ks_vault_store(const struct ks_vault *v)
{
    return v->cx.store;
}

const struct ks_keyring *
ks_vault_keys(const struct ks_vault *v)
{
    return v->keys;
}

const uint8_t *
ks_vault_id(const struct ks_vault *v)
{
    return v->cx.vault_id;
}

struct ks_vault_warnings
ks_vault_get_warnings(const struct ks_vault *v)
{
    return v->warnings;
}

const uint8_t *
ks_vault_opened_by(const struct ks_vault *v)
{
    return v->opened_by;
}
