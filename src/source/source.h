#ifndef KS_SOURCE_SOURCE_H
#define KS_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ks_progress;
struct ks_secret;
struct ks_snapshot_reader;
struct ks_snapshot_writer;

/*
 * source: where conversations live today.
 *
 * Floor 3. A connector turns one foreign container into records and blobs
 * (capture) and back (restore); it sees of the vault only the snapshot writer
 * and reader. Formats bid on what they are shown; the user never names one.
 * To add a connector: a folder source/<name>/, a line in
 * source/registry.c and meson.build, and a fixture folder.
 */
struct ks_source {
    const struct ks_source_ops *ops; /* first member of every connector */
};

/* What to leave out at capture, and what to accept. */
struct ks_policy {
    bool no_media;                 /* leave out every blob */
    bool allow_incomplete;         /* keep a source that was cut short */
    bool forget_source_key;        /* no `restore --original` later */
    uint64_t attachment_bytes_max; /* larger ones are left out */
};
#define KS_POLICY_INIT ((struct ks_policy){.attachment_bytes_max = UINT64_MAX})

struct ks_restore_options {
    bool original;                      /* the same bytes again, or KS_E_* */
    bool replace;                       /* the target may exist */
    const struct ks_secret *target_key; /* of the fresh container; unused, and
                                           may be NULL, with `original` */
};

struct ks_source_ops {
    const char *name;  /* "signal-v1", [a-z0-9-] */
    const char *title; /* "Signal for Android, backup file", for people */

    /*
     * How sure are we that head[0..len) begins this format? 0 = no,
     * 100 = certain. Must not fail, allocate, or read past len.
     */
    int (*probe)(const uint8_t *head, size_t len);

    /*
     * Open the source at `path` with `key` (NULL: none given). Proves the key
     * where the format allows. KS_E_WRONG_SOURCE_KEY, KS_E_FORMAT,
     * KS_E_UNSUPPORTED, KS_E_INCOMPLETE (cut so short that nothing is in it),
     * KS_E_NOTFOUND, KS_E_USAGE, KS_E_IO, KS_E_NOMEM.
     */
    int (*open)(struct ks_source **out, const char *path,
                const struct ks_secret *key, struct ks_err *err);

    /*
     * Hand every record and blob to `w`, damage to its report. KS_OK also when
     * damage was reported. KS_E_INCOMPLETE if the source was cut short and
     * the policy does not allow that. Called once.
     */
    int (*capture)(struct ks_source *src, struct ks_snapshot_writer *w,
                   const struct ks_policy *policy,
                   const struct ks_progress *progress, struct ks_err *err);

    void (*close)(struct ks_source *src); /* NULL is ok */

    /*
     * Write a container that the app accepts to `target`, which appears only
     * when it is whole. KS_E_EXISTS, KS_E_UNSUPPORTED (`original`
     * of a snapshot that does not have it; err says why), KS_E_CORRUPT.
     */
    int (*restore)(struct ks_snapshot_reader *r, const char *target,
                   const struct ks_restore_options *options,
                   const struct ks_progress *progress, struct ks_err *err);

    /* A fresh target key as the app wants it typed, into out[0..size). */
    void (*make_target_key)(char *out, size_t size);
};

/* The connector called `name`, or NULL. */
const struct ks_source_ops *ks_source_by_name(const char *name);

/* The connector that bids highest for the file at `path`. KS_E_UNSUPPORTED if
 * none bids, KS_E_USAGE for a folder, KS_E_NOTFOUND, KS_E_IO. */
KS_MUST_CHECK int ks_source_probe(const struct ks_source_ops **out,
                                  const char *path, struct ks_err *err);

#endif /* KS_SOURCE_SOURCE_H */
