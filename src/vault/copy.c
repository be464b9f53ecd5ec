/*
 * copy: a vault's objects into another store, as they are.
 *
 * Snapshots are listed first and copied last: those listed need nothing that
 * the folders listed after them do not have. The header goes after all that
 * opening needs, so that a place is a vault only once it can be opened.
 *
 * No key is needed because names tell what bytes must be: those of sealed
 * objects and slots follow from their bytes, the header has a checksum. So a
 * copy cannot spread damage, though it cannot tell forgery: whoever can write
 * to a store can put objects there that are named rightly and open nowhere.
 */
#include "vault/copy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/progress.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "store/store.h"
#include "vault/format.h"
#include "vault/names.h"
#include "vault/object.h"
#include "vault/slot.h"
#include "vault/vault_header.h"

/* How an object's bytes are checked against its name without a key. */
enum name_rule {
    RULE_SEALED, /* <hex of the name of a sealed object> */
    RULE_SLOT,   /* <hex of the SHA-256>, or that and ".2" */
    RULE_WHO,    /* called after a writer: the sealed header alone */
};

/* A folder of a vault and what its objects must be. */
struct copied_folder {
    const char *folder;
    enum name_rule rule;
    uint8_t kind; /* of sealed objects; 0: see sealed_header_holds() */
};

/* In the order of copying; the snapshots, last, are listed first. */
static const struct copied_folder copied_folders[] = {
    {KS_DIR_PACKS, RULE_SEALED, KS_OBJ_PACK},
    {KS_DIR_INDEX, RULE_SEALED, KS_OBJ_INDEX},
    {KS_DIR_KEYS, RULE_SLOT, 0},
    {KS_DIR_NOTES, RULE_SEALED, KS_OBJ_NOTE},
    {KS_DIR_WRITERS, RULE_WHO, 0},
    {KS_DIR_MARKS, RULE_SEALED, KS_OBJ_MARK},
    {KS_DIR_ACKS, RULE_WHO, KS_OBJ_ACK},
    {KS_DIR_SNAPSHOTS, RULE_SEALED, KS_OBJ_SNAPSHOT},
};

#define FOLDERS   (sizeof(copied_folders) / sizeof(copied_folders[0]))
#define SNAPSHOTS (FOLDERS - 1)

/* One copy under way. */
struct copying {
    struct ks_store *from;
    struct ks_store *to;
    const struct ks_progress *progress;
    struct ks_names source[FOLDERS];
    struct ks_names target[FOLDERS];
    struct ks_namer *namer;
    struct ks_buf object; /* the one being copied, whole */
    struct ks_copy_result result;
    bool has_header[KS_HEADER_COPIES]; /* the target */
    uint64_t total;                    /* bytes to copy */
    struct ks_err damage;              /* the first damaged object */
};

/* The names of sealed objects follow from their bytes. */
static bool
sealed_name_holds(struct copying *c, const char *text)
{
    uint8_t id[KS_ID_SIZE];
    char hex[KS_ID_HEX_SIZE];

    ks_namer_reset(c->namer);
    ks_namer_update(c->namer, c->object.data, c->object.len);
    ks_namer_final(c->namer, id);
    ks_hex_encode(hex, id, sizeof(id));
    return strcmp(hex, text) == 0;
}

/* A slot's name follows from its bytes, the same for both copies. */
static bool
slot_name_holds(const struct copying *c, const char *text)
{
    uint8_t digest[KS_SHA256_SIZE];
    char hex[KS_ID_HEX_SIZE];
    size_t len = sizeof(hex) - 1;

    ks_sha256(digest, c->object.data, c->object.len);
    ks_hex_encode(hex, digest, KS_ID_SIZE);
    return strncmp(hex, text, len) == 0 &&
           (text[len] == '\0' || strcmp(text + len, ".2") == 0);
}

/* Whether it is a sealed object of `kind` by its header; 0: a writer, or one
 * that is retired. */
static bool
sealed_header_holds(const struct copying *c, uint8_t kind)
{
    struct ks_err why = KS_ERR_INIT;
    struct ks_seal_header header = {0};

    if (ks_seal_plain_len(c->object.len) == 0 ||
        ks_seal_parse_header(&header, c->object.data, &why) < 0)
        return false;
    if (kind != 0)
        return header.kind == kind;
    return header.kind == KS_OBJ_WRITER || header.kind == KS_OBJ_RETIRED;
}

/* Whether the object just read is what its name says. */
static bool
object_holds(struct copying *c, const struct copied_folder *folder,
             const char *text)
{
    switch (folder->rule) {
    case RULE_SEALED:
        return sealed_name_holds(c, text) &&
               sealed_header_holds(c, folder->kind);
    case RULE_SLOT:
        return slot_name_holds(c, text);
    case RULE_WHO:
        break;
    }
    return sealed_header_holds(c, folder->kind);
}

/* Keep the first damage for the end. */
static void
leave_out(struct copying *c, const char *name, const char *why)
{
    if (c->damage.code == KS_OK)
        (void)ks_fail(&c->damage, KS_E_CORRUPT, 0,
                      "%s is damaged (%s) and was not copied", name, why);
}

/* Count what was put and say how far we are. */
static int
report_copied(struct copying *c, size_t len, struct ks_err *err)
{
    c->result.objects++;
    c->result.bytes += len;
    return ks_progress_step(c->progress, "copy", c->result.bytes, c->total,
                            err);
}

/* Copy one object that the target lacks. Damage is noted, not a failure. */
static int
copy_object(struct copying *c, const struct copied_folder *folder,
            const char *text, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    char name[KS_NAME_MAX + 1];
    int rc;

    ks_names_join(name, folder->folder, text);
    rc = ks_object_read(c->from, name, KS_OBJECT_MAX, &c->object, &why);
    /* A damaged object is the object's trouble; anything else is ours. */
    if (rc == KS_E_CORRUPT || rc == KS_E_LIMIT) {
        leave_out(c, name, why.msg);
        return KS_OK;
    }
    if (rc < 0) {
        *err = why;
        return ks_context(err, "copy %s", name);
    }
    if (!object_holds(c, folder, text)) {
        leave_out(c, name, "its bytes do not match its name");
        return KS_OK;
    }
    rc = ks_store_put(c->to, name, c->object.data, c->object.len, err);
    if (rc < 0)
        return ks_context(err, "copy %s", name);
    return report_copied(c, c->object.len, err);
}

/* Copy what the target's folder lacks; both listings are there. */
static int
copy_folder(struct copying *c, size_t i, struct ks_err *err)
{
    const struct ks_names *source = &c->source[i];
    int rc = KS_OK;

    for (size_t j = 0; rc == KS_OK && j < source->count; j++) {
        if (ks_names_find(&c->target[i], source->list[j].text) != NULL)
            c->result.objects_there++;
        else
            rc = copy_object(c, &copied_folders[i], source->list[j].text, err);
    }
    return rc;
}

/* Whichever copies of the header the target lacks. */
static int
copy_header(struct copying *c, const uint8_t *vault_id, struct ks_err *err)
{
    uint8_t header[KS_HEADER_SIZE];
    int rc = KS_OK;

    ks_header_encode(header, vault_id);
    /* Made anew rather than copied: one good copy becomes two. */
    for (size_t i = 0; rc == KS_OK && i < KS_HEADER_COPIES; i++) {
        if (c->has_header[i]) {
            c->result.objects_there++;
            continue;
        }
        rc = ks_store_put(c->to, ks_header_names[i], header, sizeof(header),
                          err);
        if (rc == KS_OK)
            rc = report_copied(c, sizeof(header), err);
    }
    return rc;
}

/* Which header copies the target has; a damaged one counts as there, for a
 * store replaces nothing. */
static int
look_for_headers(struct copying *c, struct ks_err *err)
{
    int rc = KS_OK;

    for (size_t i = 0; rc == KS_OK && i < KS_HEADER_COPIES; i++) {
        rc = ks_store_has(c->to, ks_header_names[i], &c->has_header[i], err);
        if (rc == KS_OK && !c->has_header[i])
            c->total += KS_HEADER_SIZE;
    }
    return rc;
}

/* List both sides, and add up what is to be copied. The source's snapshots
 * come first of all; the listings are kept for the whole copy. */
static int
list_both(struct copying *c, struct ks_err *err)
{
    int rc = KS_OK;

    for (size_t n = 0; rc == KS_OK && n < FOLDERS; n++) {
        size_t i = (SNAPSHOTS + n) % FOLDERS;
        const char *folder = copied_folders[i].folder;

        rc = ks_names_list(&c->source[i], c->from, folder, err);
        if (rc == KS_OK)
            rc = ks_names_list(&c->target[i], c->to, folder, err);
        for (size_t j = 0; rc == KS_OK && j < c->source[i].count; j++) {
            const struct ks_name *name = &c->source[i].list[j];

            if (ks_names_find(&c->target[i], name->text) == NULL)
                c->total += name->size;
        }
    }
    return rc;
}

/*
 * The target must be empty or this vault. Without a header it may be a copy
 * that was interrupted: then all that lies there lies here as well.
 */
static int
check_target(struct copying *c, const uint8_t *vault_id, struct ks_err *err)
{
    struct ks_err why = KS_ERR_INIT;
    uint8_t id[KS_ID_SIZE];
    bool damaged;
    int rc;

    rc = ks_header_read(c->to, id, &damaged, &why);
    if (rc == KS_OK && memcmp(id, vault_id, KS_ID_SIZE) == 0)
        return KS_OK;
    if (rc == KS_OK)
        return ks_fail(err, KS_E_USAGE, 0,
                       "the target holds another vault: copy to an empty "
                       "place");
    if (rc != KS_E_NOTFOUND) {
        *err = why;
        return ks_context(err, "the target");
    }
    for (size_t i = 0; i < FOLDERS; i++) {
        for (size_t j = 0; j < c->target[i].count; j++) {
            if (ks_names_find(&c->source[i], c->target[i].list[j].text) == NULL)
                return ks_fail(err, KS_E_USAGE, 0,
                               "the target is not empty (%s/%s): copy to an "
                               "empty place",
                               copied_folders[i].folder,
                               c->target[i].list[j].text);
        }
    }
    return KS_OK;
}

/* All of it, in order. */
static int
copy_all(struct copying *c, struct ks_err *err)
{
    uint8_t vault_id[KS_ID_SIZE];
    bool damaged; /* the header's other copy: the target gets two good ones */
    int rc;

    rc = ks_header_read(c->from, vault_id, &damaged, err);
    if (rc == KS_OK)
        rc = list_both(c, err);
    if (rc == KS_OK)
        rc = check_target(c, vault_id, err);
    if (rc == KS_OK)
        rc = look_for_headers(c, err);
    for (size_t i = 0; rc == KS_OK && i < SNAPSHOTS; i++)
        rc = copy_folder(c, i, err);
    /* All that the header and the snapshots stand on is durable first. */
    if (rc == KS_OK)
        rc = ks_store_sync(c->to, err);
    if (rc == KS_OK)
        rc = copy_header(c, vault_id, err);
    if (rc == KS_OK)
        rc = copy_folder(c, SNAPSHOTS, err);
    if (rc == KS_OK)
        rc = ks_store_sync(c->to, err);
    return rc;
}

int
ks_vault_copy(struct ks_store *from, struct ks_store *to,
              const struct ks_progress *progress, struct ks_copy_result *out,
              struct ks_err *err)
{
    struct copying c = {.from = from, .to = to, .progress = progress};
    int rc;

    assert(from != to);
    ks_buf_init(&c.object, KS_OBJECT_MAX);
    rc = ks_crypto_init(err);
    if (rc == KS_OK)
        rc = ks_namer_open(&c.namer, err);
    if (rc == KS_OK)
        rc = copy_all(&c, err);
    if (rc == KS_OK && c.damage.code != KS_OK) {
        *err = c.damage;
        rc = c.damage.code;
    }
    if (rc == KS_OK)
        *out = c.result;
    for (size_t i = 0; i < FOLDERS; i++) {
        ks_names_free(&c.source[i]);
        ks_names_free(&c.target[i]);
    }
    ks_namer_close(c.namer);
    ks_buf_wipe(&c.object);
    return rc;
}
