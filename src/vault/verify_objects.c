/*
 * verify_objects: everything in a vault that is neither pack nor snapshot.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/seal.h"
#include "store/store.h"
#include "vault/names.h"
#include "vault/slot.h"
#include "vault/vault.h"
#include "vault/vault_header.h"
#include "vault/verify_run.h"

#define HINT_COPY  "the other copy is whole, so nothing is lost"
#define HINT_INDEX "it is a cache: nothing is lost"
#define HINT_NAME  "not one of the vault's; a sync program may have left it"

/* Both copies of the header: each must be whole and name this vault. One of
 * them is enough to open it, but then there is none to spare. */
static int
check_headers(struct ks_verify_run *run, struct ks_err *err)
{
    struct ks_store *store = ks_vault_store(run->vault);
    int rc = KS_OK;

    for (size_t i = 0; rc == KS_OK && i < KS_HEADER_COPIES; i++) {
        struct ks_err why = KS_ERR_INIT;
        struct ks_buf object;
        uint8_t id[16];

        ks_buf_init(&object, KS_HEADER_SIZE);
        rc = ks_object_read(store, ks_header_names[i], KS_HEADER_SIZE, &object,
                            &why);
        if (rc == KS_OK)
            rc = ks_header_decode(id, object.data, object.len, &why);
        if (rc == KS_OK && memcmp(id, ks_vault_id(run->vault), 16) != 0)
            rc = ks_fail(&why, KS_E_CORRUPT, 0, "it names another vault");
        if (rc < 0)
            rc = ks_verify_blame(run, ks_header_names[i], &why, err);
        ks_buf_wipe(&object);
    }
    return rc;
}

/* A slot must have the name that its bytes give, and so must its copy. What
 * can be told without the slot's own secret; that it opens, only its owner
 * can find out. */
static int
check_slot(struct ks_verify_run *run, const char *name, const char *text,
           struct ks_err *err)
{
    struct ks_slot_info info;
    char hex[KS_ID_HEX_SIZE];
    struct ks_buf object;
    int rc;

    ks_buf_init(&object, KS_SLOT_SIZE_MAX);
    rc = ks_object_read(ks_vault_store(run->vault), name, KS_SLOT_SIZE_MAX,
                        &object, err);
    if (rc == KS_OK)
        rc = ks_slot_describe(&info, object.data, object.len, err);
    if (rc == KS_OK) {
        ks_hex_encode(hex, info.id, 16);
        if (strncmp(text, hex, strlen(hex)) != 0)
            rc = ks_fail(err, KS_E_CORRUPT, 0, "it is another slot");
    }
    ks_buf_wipe(&object);
    return rc;
}

/* Every copy of every slot, and that none lacks its other copy. */
static int
check_key_slots(struct ks_verify_run *run, struct ks_err *err)
{
    struct ks_names names = {NULL, 0};
    int rc =
        ks_names_list(&names, ks_vault_store(run->vault), KS_DIR_KEYS, err);

    for (size_t i = 0; rc == KS_OK && i < names.count; i++) {
        struct ks_err why = KS_ERR_INIT;
        char name[KS_NAME_MAX + 1];
        char other[KS_NAME_PART_SIZE + 2];
        const char *text = names.list[i].text;
        const char *dot = strstr(text, ".2");

        ks_names_join(name, KS_DIR_KEYS, text);
        if (check_slot(run, name, text, &why) < 0)
            rc = ks_verify_blame(run, name, &why, err);
        if (dot != NULL)
            (void)snprintf(other, sizeof(other), "%.*s", (int)(dot - text),
                           text);
        else
            (void)snprintf(other, sizeof(other), "%s.2", text);
        if (rc == KS_OK && ks_names_find(&names, other) == NULL)
            ks_verify_found(run, true, name, "its other copy is missing",
                            HINT_COPY);
    }
    ks_names_free(&names);
    return rc;
}

/* The kind of the objects in a folder, by their names where two share one. */
static enum ks_object_kind
kind_in(const char *folder, const char *text)
{
    if (strcmp(folder, KS_DIR_WRITERS) == 0)
        return strstr(text, ".retired") != NULL ? KS_OBJ_RETIRED
                                                : KS_OBJ_WRITER;
    if (strcmp(folder, KS_DIR_MARKS) == 0)
        return KS_OBJ_MARK;
    if (strcmp(folder, KS_DIR_ACKS) == 0)
        return KS_OBJ_ACK;
    return strcmp(folder, KS_DIR_NOTES) == 0 ? KS_OBJ_NOTE : KS_OBJ_INDEX;
}

/* An index is sealed like a pack, so its content has no length in front and
 * ks_object_get() cannot open it. Its name is over all of its bytes, so that
 * shows every change; segments are opened as look-ups come to them. */
static int
check_index(struct ks_verify_run *run, const char *name, struct ks_buf *object,
            struct ks_err *err)
{
    struct ks_namer *namer = NULL;
    char hex[KS_ID_HEX_SIZE];
    uint8_t id[16];
    int rc = ks_object_read(ks_vault_store(run->vault), name, KS_OBJECT_MAX,
                            object, err);

    if (rc == KS_OK)
        rc = ks_namer_open(&namer, err);
    if (rc < 0)
        return rc;
    ks_namer_update(namer, object->data, object->len);
    ks_namer_final(namer, id);
    ks_namer_close(namer);
    ks_hex_encode(hex, id, 16);
    if (strcmp(strchr(name, '/') + 1, hex) != 0)
        return ks_fail(err, KS_E_CORRUPT, 0,
                       "its bytes are not those that were written (%s)",
                       HINT_INDEX);
    return KS_OK;
}

/* Every sealed object of a folder, opened whole. One that is damaged is named
 * and the next one looked at. */
static int
check_folder(struct ks_verify_run *run, const char *folder, struct ks_err *err)
{
    const struct ks_object_context *cx = ks_vault_context(run->vault);
    struct ks_names names = {NULL, 0};
    struct ks_buf content;
    int rc = ks_names_list(&names, cx->store, folder, err);

    ks_buf_init(&content, KS_OBJECT_MAX);
    for (size_t i = 0; rc == KS_OK && i < names.count; i++) {
        enum ks_object_kind kind = kind_in(folder, names.list[i].text);
        struct ks_err why = KS_ERR_INIT;
        char name[KS_NAME_MAX + 1];
        int bad;

        ks_names_join(name, folder, names.list[i].text);
        if (kind == KS_OBJ_INDEX)
            bad = check_index(run, name, &content, &why);
        else
            bad = ks_object_get(cx, kind, name, &content, &why);
        if (bad < 0)
            rc = ks_verify_blame(run, name, &why, err);
    }
    ks_buf_wipe(&content);
    ks_names_free(&names);
    return rc;
}

/* Names in a folder that cannot be objects of ours: worth a word, no damage.
 * Those under snapshots/ are told where snapshots are read. */
static int
name_strangers(struct ks_verify_run *run, const char *folder,
               struct ks_err *err)
{
    struct ks_names names = {NULL, 0};
    int rc = ks_names_list(&names, ks_vault_store(run->vault), folder, err);

    for (size_t i = 0; rc == KS_OK && i < names.count; i++) {
        char name[KS_NAME_MAX + 1];
        uint8_t id[16];

        ks_names_join(name, folder, names.list[i].text);
        if (!ks_hex_decode(id, sizeof(id), names.list[i].text))
            ks_verify_found(run, false, name, "a strange name", HINT_NAME);
    }
    ks_names_free(&names);
    return rc;
}

int
ks_verify_objects(struct ks_verify_run *run, bool data, struct ks_err *err)
{
    static const char *const sealed[] = {KS_DIR_NOTES, KS_DIR_WRITERS,
                                         KS_DIR_MARKS, KS_DIR_ACKS};
    size_t damaged = ks_index_damaged(run->index);
    int rc = check_headers(run, err);

    if (rc == KS_OK)
        rc = check_key_slots(run, err);
    if (rc == KS_OK)
        rc = name_strangers(run, KS_DIR_PACKS, err);
    for (size_t i = 0; rc == KS_OK && i < sizeof(sealed) / sizeof(*sealed); i++)
        rc = check_folder(run, sealed[i], err);
    if (rc == KS_OK && data)
        rc = check_folder(run, KS_DIR_INDEX, err);
    else if (rc == KS_OK && damaged > 0)
        ks_verify_found(run, true, KS_DIR_INDEX,
                        "an index object does not open", HINT_INDEX);
    return rc;
}
