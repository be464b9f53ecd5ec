/*
 * capture_rows: statement frames. Each table has a stream; half a million
 * rows of it carry the same INSERT text, so what was read from that text is
 * remembered until another one comes.
 *
 * An attachment's row comes directly before the frame and blob of its file.
 * Where policy may leave the file out, the row waits for that decision.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "source/signal_v1/capture_state.h"

/* Whether the policy may leave blobs out at all. */
static bool
may_drop(const struct ks_policy *policy)
{
    return policy->no_media || policy->attachment_bytes_max < UINT32_MAX;
}

/*
 * Find out about the statement `sql`, which is not the one remembered: which
 * stream it goes to, and where the columns that matter stand. Only an
 * INSERT is remembered: a CREATE TABLE comes once, and may change what the
 * same INSERT means.
 */
static int
look_up(struct ks_v1_capture *c, struct ks_bytes sql, struct ks_err *err)
{
    char name[KS_V1_NAME_SIZE];
    int rc;

    ks_buf_reset(&c->sql);
    if (!ks_v1_insert_parse(&c->row, &c->tables, sql)) {
        (void)ks_v1_tables_learn(&c->tables, sql);  /* not each one is one */
        memset(c->row.at, 0xff, sizeof(c->row.at)); /* -1: no columns */
        return ks_v1_streams_number(c->streams, KS_V1_STATEMENTS,
                                    &c->row_number, err);
    }
    (void)snprintf(name, sizeof(name), "sql/%s", c->row.name);
    rc = ks_v1_streams_number(c->streams, name, &c->row_number, err);
    if (rc == KS_OK && sql.len <= KS_V1_SQL_KEPT)
        rc = ks_buf_append(&c->sql, sql.ptr, sql.len, err);
    return rc;
}

int
ks_v1_capture_statement(struct ks_v1_capture *c, struct ks_bytes pb,
                        struct ks_bytes body, struct ks_err *err)
{
    struct ks_bytes sql = ks_v1_statement_sql(body);
    int64_t ms;
    int rc = KS_OK;

    assert(!c->holding);
    if (sql.len == 0 || sql.len != c->sql.len ||
        memcmp(sql.ptr, c->sql.data, sql.len) != 0)
        rc = look_up(c, sql, err);
    if (rc != KS_OK)
        return rc;
    /* From here on it costs a few steps through the row's first fields. */
    ms = ks_v1_row_time(&c->row, body);
    if (!may_drop(c->policy) || c->row.at[KS_V1_COL_DATA_FILE] < 0 ||
        c->row.at[KS_V1_COL_ID] < 0)
        return ks_v1_streams_put(c->streams, c->row_number, pb, ms, err);
    ks_buf_reset(&c->held);
    rc = ks_buf_append(&c->held, pb.ptr, pb.len, err);
    if (rc != KS_OK)
        return rc;
    c->held_row = c->row;
    c->held_number = c->row_number;
    c->held_ms = ms;
    c->holding = true;
    return KS_OK;
}

int
ks_v1_capture_release(struct ks_v1_capture *c, struct ks_err *err)
{
    if (!c->holding)
        return KS_OK;
    assert(c->held.len > 0 && c->held_number > 0);
    c->holding = false;
    return ks_v1_streams_put(c->streams, c->held_number, ks_buf_bytes(&c->held),
                             c->held_ms, err);
}

int
ks_v1_capture_release_bare(struct ks_v1_capture *c, uint64_t row,
                           struct ks_err *err)
{
    struct ks_v1_frame frame;
    struct ks_buf bare;
    int64_t id;
    int rc;

    if (!c->holding)
        return KS_OK;
    /* The row before an attachment frame is nearly always its own, but only
     * the id says so. */
    if (!ks_v1_frame_parse(&frame, ks_buf_bytes(&c->held)) ||
        !ks_v1_row_int(frame.body, c->held_row.at[KS_V1_COL_ID], &id) ||
        (uint64_t)id != row)
        return ks_v1_capture_release(c, err);
    ks_buf_init(&bare, KS_RECORD_MAX);
    rc = ks_v1_row_without_file(&bare, &c->held_row, ks_buf_bytes(&c->held),
                                err);
    if (rc == KS_OK) {
        c->holding = false;
        rc = ks_v1_streams_put(c->streams, c->held_number, ks_buf_bytes(&bare),
                               c->held_ms, err);
    } else if (rc == KS_E_FORMAT || rc == KS_E_LIMIT) {
        *err = KS_ERR_INIT; /* an odd row stays as it is */
        rc = ks_v1_capture_release(c, err);
    }
    ks_buf_wipe(&bare);
    return rc;
}
