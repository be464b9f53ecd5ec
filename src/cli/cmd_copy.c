/*
 * copy: the vault at another place, sealed as it is.
 */
#include <stdio.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "job/copy.h"
#include "vault/format.h"

/* One line, different for a first copy, a later one, and one that found
 * nothing to do. */
static void
answer_copied(struct ks_cli *c, const struct ks_copy_result *r, const char *to)
{
    char copied[KS_PHRASE_SIZE];
    char there[KS_COUNT_TEXT_SIZE];
    char size[KS_SIZE_TEXT_SIZE];

    ks_count_phrase(copied, r->objects, "object", "objects");
    ks_count_text(r->objects_there, there);
    ks_size_text(r->bytes, size);
    /* Copying again is how a second copy is kept up to date, so that there was
     * nothing to do is good news. */
    if (r->objects == 0)
        ks_answer_done(&c->out, "%s has it all already.", to);
    else if (r->objects_there == 0)
        ks_answer_done(&c->out, "Copied the vault to %s: %s, %s.", to, copied,
                       size);
    else
        ks_answer_done(&c->out,
                       "Copied what was new to %s: %s, %s; %s were there.", to,
                       copied, size, there);
}

int
ks_cmd_copy(struct ks_cli *c, struct ks_err *err)
{
    struct ks_copy_job job = {
        .to = c->args.value[KS_FLAG_TO],
        .allow_incomplete = ks_args_has(&c->args, KS_FLAG_ALLOW_INCOMPLETE),
        .progress = &c->progress,
    };
    struct ks_copy_result result = {0};
    uint8_t vault_id[KS_ID_SIZE];

    /* No ks_cli_open(): copying needs no key, so none is asked for. */
    if (ks_cli_where(c, &job.from, err) != KS_OK)
        return err->code;
    if (job.to == NULL) {
        ks_hint(&c->out, "say where with --to FOLDER, or --to FILE.keepsay");
        return ks_fail(err, KS_E_USAGE, 0, "where shall the copy go?");
    }
    if (ks_job_copy(&result, vault_id, &job, err) != KS_OK) {
        if (err->code == KS_E_EXISTS)
            ks_hint(&c->out, "choose an empty folder, or a vault to add to");
        return err->code;
    }
    ks_meter_clear(&c->meter);
    ks_out_set(&c->out, "vault", ks_json_hex(vault_id, sizeof(vault_id)));
    ks_out_set(&c->out, "to", ks_json_text(job.to));
    ks_out_set(&c->out, "objects", ks_json_u64(result.objects));
    ks_out_set(&c->out, "objects_there", ks_json_u64(result.objects_there));
    ks_out_set(&c->out, "bytes", ks_json_u64(result.bytes));
    answer_copied(c, &result, job.to);
    return KS_OK;
}
