/*
 * vault_slots: listing, adding and removing the slots of an open vault.
 *
 * The roster, a sealed note, lists the slots that count. So a slot is added
 * by putting it first and listing it then, and removed the other way round:
 * whenever that is interrupted, every slot listed is there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/store.h"
#include "vault/format.h"
#include "vault/note.h"
#include "vault/slot_set.h"
#include "vault/vault.h"

int
ks_vault_slots(struct ks_vault *v,
               int (*each)(void *user, const struct ks_slot_info *slot),
               void *user, struct ks_err *err)
{
    struct ks_slot_set set = {0};
    struct ks_notes notes = {0};
    int rc;

    /* Read afresh: another device may have changed them since the vault was
     * opened. All is read before each() is called, so it may do as it likes. */
    rc = ks_slot_set_read(&set, ks_vault_store(v), err);
    if (rc == KS_OK)
        rc = ks_notes_read(ks_vault_context(v), &notes, err);
    for (size_t i = 0; rc == KS_OK && i < set.count; i++) {
        const struct ks_slot_entry *entry = &set.list[i];

        if (entry->readable && ks_slot_counts(&notes, entry->id))
            rc = each(user, &entry->info);
    }
    ks_notes_free(&notes);
    ks_slot_set_free(&set);
    return rc;
}

/* What is known of a vault's slots, and the roster that comes next. */
struct roster_change {
    struct ks_slot_set set;
    struct ks_notes notes;
    struct ks_note next; /* ids: those that count; others as they must be */
};

/* Free what roster_change_begin() has read. */
static void
roster_change_end(struct roster_change *change)
{
    free(change->next.ids);
    ks_notes_free(&change->notes);
    ks_slot_set_free(&change->set);
}

/* The slots that count into next.ids, with room for one more: those of the
 * newest roster, or if there is none that can be read, all that are there. */
static int
list_counting_slots(struct roster_change *change, struct ks_err *err)
{
    const struct ks_note *roster =
        ks_notes_find(&change->notes, KS_NOTE_ROSTER, NULL);
    struct ks_note *next = &change->next;
    size_t count = roster != NULL ? roster->id_count : change->set.count;

    next->ids = calloc(count + 1, sizeof(next->ids[0]));
    if (next->ids == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "no memory for the roster");
    next->id_count = count;
    if (roster != NULL) {
        memcpy(next->ids, roster->ids, count * KS_ID_SIZE);
        return KS_OK;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(next->ids[i], change->set.list[i].id, KS_ID_SIZE);
    return KS_OK;
}

/* Read what there is. End it with roster_change_end() even if this fails. */
static int
roster_change_begin(struct roster_change *change, struct ks_vault *v,
                    struct ks_err *err)
{
    uint64_t counter;
    int rc;

    rc = ks_slot_set_read(&change->set, ks_vault_store(v), err);
    if (rc == KS_OK)
        rc = ks_notes_read(ks_vault_context(v), &change->notes, err);
    if (rc == KS_OK)
        rc = list_counting_slots(change, err);
    if (rc < 0)
        return rc;
    counter = ks_notes_counter(&change->notes);
    if (counter == UINT64_MAX)
        return ks_fail(err, KS_E_LIMIT, 0, "the vault's notes are used up");
    change->next.kind = KS_NOTE_ROSTER;
    change->next.counter = counter + 1;
    change->next.time_ms = ks_now_ms();
    return KS_OK;
}

/* Put the next roster, for good. */
static int
put_roster(struct ks_vault *v, struct roster_change *change, struct ks_err *err)
{
    int rc = ks_note_put(ks_vault_context(v), &change->next, err);

    return rc == KS_OK ? ks_store_sync(ks_vault_store(v), err) : rc;
}

int
ks_vault_slot_add(struct ks_vault *v, const struct ks_unlock *unlock,
                  const struct ks_slot_options *options, uint8_t *slot_id,
                  struct ks_err *err)
{
    struct ks_store *store = ks_vault_store(v);
    struct ks_slot_in in = {
        .vault_id = ks_vault_id(v), .keys = ks_vault_keys(v), .unlock = unlock};
    struct roster_change change = {0};
    struct ks_buf slot;
    uint8_t id[KS_ID_SIZE];
    int rc;

    ks_buf_init(&slot, KS_SLOT_SIZE_MAX);
    if (options != NULL)
        in.options = *options;
    rc = roster_change_begin(&change, v, err);
    if (rc == KS_OK && change.next.id_count >= KS_SLOT_COUNT_MAX)
        rc = ks_fail(err, KS_E_LIMIT, 0, "the vault has too many slots");
    if (rc == KS_OK)
        rc = ks_slot_make(&slot, id, &in, err);
    if (rc < 0)
        goto done;
    rc = ks_slot_put(store, id, &slot, err);
    if (rc == KS_OK)
        rc = ks_store_sync(store, err);
    if (rc < 0) {
        struct ks_err ignored = KS_ERR_INIT;

        /* The failure to tell is the first one. */
        if (ks_slot_remove(store, id, &ignored) < 0) {
            /* It stays, unlisted: it opens nothing. */
        }
        goto done;
    }
    /* From here on the roster may name it, so it stays even on failure. */
    memcpy(change.next.ids[change.next.id_count++], id, KS_ID_SIZE);
    rc = put_roster(v, &change, err);
    if (rc == KS_OK)
        memcpy(slot_id, id, KS_ID_SIZE);
done:
    roster_change_end(&change);
    ks_buf_wipe(&slot);
    return rc;
}

/* Take id out of next.ids. False if it is not there. */
static bool
strike_from_roster(struct ks_note *next, const uint8_t *id)
{
    assert(next->ids != NULL);
    for (size_t i = 0; i < next->id_count; i++) {
        if (memcmp(next->ids[i], id, KS_ID_SIZE) != 0)
            continue;
        next->id_count--;
        memmove(next->ids[i], next->ids[i + 1],
                (next->id_count - i) * KS_ID_SIZE);
        return true;
    }
    return false;
}

/* Whether a slot that stays on the roster can be read. */
static bool
another_slot_opens(const struct roster_change *change)
{
    for (size_t i = 0; i < change->set.count; i++) {
        const struct ks_slot_entry *entry = &change->set.list[i];

        for (size_t j = 0; entry->readable && j < change->next.id_count; j++) {
            if (memcmp(change->next.ids[j], entry->id, KS_ID_SIZE) == 0)
                return true;
        }
    }
    return false;
}

int
ks_vault_slot_remove(struct ks_vault *v, const uint8_t *slot_id,
                     struct ks_err *err)
{
    struct roster_change change = {0};
    int rc;

    rc = roster_change_begin(&change, v, err);
    if (rc < 0)
        goto done;
    if (!strike_from_roster(&change.next, slot_id)) {
        rc = ks_fail(err, KS_E_NOTFOUND, 0, "the vault has no such slot");
        goto done;
    }
    /* Listed is not enough: a slot that is damaged opens nothing. */
    if (!another_slot_opens(&change)) {
        rc = ks_fail(err, KS_E_USAGE, 0,
                     "this is the last slot that opens the vault: "
                     "add another one first");
        goto done;
    }
    rc = put_roster(v, &change, err);
    if (rc == KS_OK)
        rc = ks_slot_remove(ks_vault_store(v), slot_id, err);
    if (rc == KS_OK)
        rc = ks_store_sync(ks_vault_store(v), err);
done:
    roster_change_end(&change);
    return rc;
}
