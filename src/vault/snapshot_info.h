#ifndef KS_VAULT_SNAPSHOT_INFO_H
#define KS_VAULT_SNAPSHOT_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/note.h"
#include "vault/snapshot_writer.h"

/*
 * snapshot_info: what a snapshot says of itself.
 *
 * Floor 2. The struct is a snapshot object decoded, without its extras and
 * the table-of-contents entries of its packs. Encoding: snapshot_object.h.
 */
struct ks_skip_count {
    char reason[32];
    uint64_t count;
};

#define KS_SKIPS_MAX 16U

struct ks_snapshot_info {
    uint8_t id[16];
    uint8_t writer[16];
    uint64_t run;
    uint64_t previous_run; /* of the same writer; 0 none */
    uint8_t previous[16];
    uint64_t generation; /* the highest in the vault + 1; 1 for the first */
    uint8_t parent[16];  /* the newest of the same source; zero if none */
    int64_t time_ms;     /* never before that of a lower generation */
    char source[32];     /* connector, "signal-v1" */
    char account[128];
    char label[256]; /* by the newest label note, else as made */
    uint64_t streams;
    uint64_t records;
    uint64_t blobs; /* distinct */
    uint64_t source_bytes;
    uint64_t new_records;
    uint64_t new_blobs;
    uint64_t added_bytes; /* sealed, this snapshot's object included */
    struct ks_skip_count skips[KS_SKIPS_MAX];
    size_t skip_count;
    uint64_t lost;                  /* report entries that are losses */
    uint64_t report_count;          /* all of them, kept or only counted */
    struct ks_report_entry *report; /* report[0..report_kept) */
    size_t report_kept;
    bool filtered; /* policy left something out */
    bool pinned;
    bool verified;    /* a note says its data was read and whole */
    uint8_t root[32]; /* of its list */
    uint8_t root_level;
    struct ks_head *heads;
    size_t head_count;
};

/* Free what a struct holds; it is zero afterwards. */
void ks_snapshot_info_wipe(struct ks_snapshot_info *info);

#endif /* KS_VAULT_SNAPSHOT_INFO_H */
