#ifndef KS_VAULT_SNAPSHOTS_H
#define KS_VAULT_SNAPSHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/note.h"
#include "vault/snapshot_writer.h"

struct ks_index;
struct ks_index_options;
struct ks_vault;

/*
 * snapshots: which snapshots a vault has, and what each says of itself.
 *
 * Floor 2. The struct is a snapshot object decoded, without the
 * table-of-contents entries of its packs. Encoding: doc/format.md.
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
    uint64_t generation; /* parent's + 1; 1 for the first */
    uint8_t parent[16];  /* zero if none */
    int64_t time_ms;     /* never before the parent's */
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

struct ks_snapshots {
    struct ks_snapshot_info *list; /* oldest generation first, then time */
    size_t count;
    uint64_t damaged;    /* objects under snapshots/ that do not open */
    uint64_t void_count; /* put too late to count; ignored */
};

/* Read all. A damaged object is counted, not fatal. */
KS_MUST_CHECK int
ks_snapshots_read(struct ks_vault *v, struct ks_snapshots *out,
                  struct ks_err *err);
void ks_snapshots_free(struct ks_snapshots *s);

/*
 * The snapshot that `which` names: "latest" (highest generation, then time),
 * or at least 4 of the first hex digits of its id. KS_E_NOTFOUND, KS_E_USAGE
 * (two match). The answer points into s.
 */
KS_MUST_CHECK int ks_snapshots_find(const struct ks_snapshot_info **out,
                                    const struct ks_snapshots *s,
                                    const char *which, struct ks_err *err);

/* Free what a struct holds; it is zero afterwards. */
void ks_snapshot_info_wipe(struct ks_snapshot_info *info);

/*
 * The index of the vault, with the entries of every run that no index object
 * covers. doomed: see index.h; may be NULL. The caller closes it.
 */
KS_MUST_CHECK int
ks_snapshots_index(struct ks_index **out, struct ks_vault *v,
                   const struct ks_index_options *options, struct ks_err *err);

#endif /* KS_VAULT_SNAPSHOTS_H */
