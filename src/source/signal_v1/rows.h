#ifndef KS_SOURCE_SIGNAL_V1_ROWS_H
#define KS_SOURCE_SIGNAL_V1_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/*
 * rows: what must be known of the SQL text in a backup: which table a row
 * belongs to, when it was sent, and where a row says that its file exists.
 *
 * Floor 3. No SQL is run and columns are found by name, never by database
 * version. A statement that does not read as expected is no error: its table
 * or columns are then not known. Text is hostile; all loops end with it.
 */

#define KS_V1_TABLE_NAME_MAX ((size_t)64) /* bytes, [A-Za-z0-9_] */
#define KS_V1_TABLES_MAX     ((size_t)500)

/* The columns that matter; the second name is that before database 215. */
enum ks_v1_column {
    KS_V1_COL_ID,             /* _id */
    KS_V1_COL_DATE_SENT,      /* date_sent */
    KS_V1_COL_DATE,           /* date */
    KS_V1_COL_TRANSFER_STATE, /* transfer_state, pending_push */
    KS_V1_COL_DATA_FILE,      /* data_file, _data */
    KS_V1_COL_DATA_RANDOM,    /* data_random */
    KS_V1_COL_DATA_HASH,      /* data_hash */
    KS_V1_COL_HASH_START,     /* data_hash_start */
    KS_V1_COL_HASH_END,       /* data_hash_end */
    KS_V1_COLS,
};

/* Where a table's columns stand, -1 for what it does not have. */
struct ks_v1_table {
    char name[KS_V1_TABLE_NAME_MAX + 1];
    int16_t at[KS_V1_COLS];
};

/* The tables that CREATE TABLE statements have described. */
struct ks_v1_tables {
    size_t count;
    struct ks_v1_table list[KS_V1_TABLES_MAX];
};

/* Learn from a statement; true if it was a CREATE TABLE that could be read.
 * Beyond KS_V1_TABLES_MAX nothing more is learnt. */
bool ks_v1_tables_learn(struct ks_v1_tables *tables, struct ks_bytes sql);

/*
 * Read "INSERT INTO table [(columns)] VALUES (?, ?, ...)". True, with the
 * table's name and the place of each column's parameter (-1: none, or values
 * that are not all question marks), if it inserts into a table whose name is
 * fit to be a stream's; else false.
 */
bool ks_v1_insert_parse(struct ks_v1_table *out,
                        const struct ks_v1_tables *tables, struct ks_bytes sql);

/* The SQL text of a SqlStatement message; empty if it has none. */
struct ks_bytes ks_v1_statement_sql(struct ks_bytes body);

/* The integer parameter at `index` >= 0 of a SqlStatement message; false if
 * there is none or it is not an integer. */
bool ks_v1_row_int(struct ks_bytes body, int16_t index, int64_t *out);

/* When the row of this message was sent, ms; KS_TIME_NONE if it does not
 * say, or says something outside 1970-2200. */
int64_t ks_v1_row_time(const struct ks_v1_table *table, struct ks_bytes body);

/*
 * Rewrite an attachment row, given as whole frame pb, to one whose file is
 * not there and will not come: the columns that name it become NULL, the
 * transfer state 4 (permanent failure: "no longer available"). Everything
 * else, unknown fields included, is kept. Replaces *out's content.
 * KS_E_FORMAT if the frame is not exactly one statement with the columns,
 * KS_E_LIMIT, KS_E_NOMEM.
 */
KS_MUST_CHECK int
ks_v1_row_without_file(struct ks_buf *out, const struct ks_v1_table *table,
                       struct ks_bytes pb, struct ks_err *err);

#endif /* KS_SOURCE_SIGNAL_V1_ROWS_H */
