/*
 * SQL text as Android and SQLite write it, and text that only looks like it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "check.h"
#include "source/signal_v1/rows.h"
#include "source/signal_v1/wire.h"
#include "vault/snapshot_writer.h"

static struct ks_v1_tables tables;

static struct ks_bytes
text(const char *s)
{
    return (struct ks_bytes){(const uint8_t *)s, strlen(s)};
}

/* Learn `create`, then read `insert`; the table is in *out. */
static bool
parse(struct ks_v1_table *out, const char *create, const char *insert)
{
    memset(&tables, 0, sizeof(tables));
    if (create != NULL)
        assert_true(ks_v1_tables_learn(&tables, text(create)));
    return ks_v1_insert_parse(out, &tables, text(insert));
}

static void
columns_are_found_by_name(void **state)
{
    struct ks_v1_table t;

    (void)state;
    assert_true(parse(&t,
                      "CREATE TABLE message (_id INTEGER PRIMARY KEY, "
                      "body TEXT DEFAULT 'a, (b', \"date_sent\" INTEGER, "
                      "CONSTRAINT x UNIQUE (_id, body))",
                      "INSERT INTO message VALUES (?,?,?)"));
    assert_string_equal(t.name, "message");
    assert_int_equal(t.at[KS_V1_COL_ID], 0);
    assert_int_equal(t.at[KS_V1_COL_DATE_SENT], 2);
    assert_int_equal(t.at[KS_V1_COL_DATE], -1);
    assert_int_equal(t.at[KS_V1_COL_DATA_FILE], -1);
}

static void
quotes_comments_and_case_do_not_matter(void **state)
{
    static const char *const creates[] = {
        "create table if not exists `part` ( -- a comment, with (\n"
        " [_id] integer, /* , */ '_data' text, Pending_Push integer )",
        "CREATE TABLE \"part\"(_id,_data,pending_push)",
        "\tCREATE\nTABLE part (_id INTEGER CHECK (_id IN (1, 2)), "
        "_data VARCHAR(10, 2), pending_push, FOREIGN KEY (_id) "
        "REFERENCES message(_id), PRIMARY KEY (_id, _data), CHECK (1))",
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ks_v1_table t;
        assert_true(parse(&t, creates[i],
                          "insert into [PART] values(?, ?,"
                          "?);"));
        assert_int_equal(t.at[KS_V1_COL_ID], 0);
        assert_int_equal(t.at[KS_V1_COL_DATA_FILE], 1);
        assert_int_equal(t.at[KS_V1_COL_TRANSFER_STATE], 2);
    }
}

static void
an_inserts_own_column_list_wins(void **state)
{
    struct ks_v1_table t;

    (void)state;
    assert_true(parse(&t, "CREATE TABLE m (_id, date_sent)",
                      "INSERT INTO m (\"date_sent\", _id) VALUES (?,?)"));
    assert_int_equal(t.at[KS_V1_COL_DATE_SENT], 0);
    assert_int_equal(t.at[KS_V1_COL_ID], 1);
}

static void
without_certainty_no_column_is_known(void **state)
{
    static const char *const inserts[] = {
        "INSERT INTO m VALUES (1,?)",     "INSERT INTO m VALUES (?,?",
        "INSERT INTO m VALUES (?,?) x",   "INSERT INTO m SELECT 1",
        "INSERT INTO m VALUES (?,?),(?)", "INSERT INTO m",
        "INSERT INTO m (_id VALUES (?)",  "INSERT INTO m VALUES (?/)",
        "INSERT INTO other VALUES (?)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(inserts) / sizeof(*inserts); i++) {
        struct ks_v1_table t;
        assert_true(parse(&t, "CREATE TABLE m (_id, date_sent)", inserts[i]));
        for (int k = 0; k < KS_V1_COLS; k++)
            assert_int_equal(t.at[k], -1);
    }
}

static void
what_does_not_insert_into_a_plain_name_is_no_row(void **state)
{
    static const char *const others[] = {
        "",
        " ",
        "INSERT",
        "INSERT INTO",
        "INSERT INTO 'm' VALUES (?)",
        "INSERT INTO \"a b\" VALUES (?)",
        "INSERT INTO \"\" VALUES (?)",
        "INSERT INTO a.b",
        "INSERTINTO m VALUES (?)",
        "UPDATE m SET a = 1",
        "REPLACE INTO m VALUES (?)",
        "INSERT INTO \xc3\xa4 VALUES (?)",
        "INSERT INTO (a) VALUES (?)",
        "INSERT INTO \"m",
        "-- INSERT INTO m",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        struct ks_v1_table t;
        bool row = parse(&t, NULL, others[i]);
        if (strcmp(others[i], "INSERT INTO a.b") == 0 ||
            strcmp(others[i], "INSERT INTO \"m") == 0)
            assert_true(row); /* a table's name all the same */
        else
            assert_false(row);
    }
}

static void
names_may_have_64_characters(void **state)
{
    char sql[128];
    char name[66];

    (void)state;
    for (int len = 64; len <= 65; len++) {
        struct ks_v1_table t;
        memset(name, 'n', sizeof(name));
        name[len] = '\0';
        (void)snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES (?)", name);
        assert_int_equal(parse(&t, NULL, sql), len == 64);
    }
}

static void
what_is_no_create_table_teaches_nothing(void **state)
{
    static const char *const others[] = {
        "CREATE INDEX i ON m (a)",
        "CREATE TABLE",
        "CREATE TABLE m",
        "CREATE TABLE m (a",
        "CREATE TABLE m AS SELECT 1",
        "CREATE VIRTUAL TABLE m USING x(a)",
        "CREATE TEMP TABLE m (a)",
        "CREATE TABLE IF m (a)",
        "CREATE TABLE \"a b\" (a)",
        "CREATE TABLE m (a, 'b",
        "CREATE TABLE m (a /* never )",
        "",
    };

    (void)state;
    memset(&tables, 0, sizeof(tables));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(ks_v1_tables_learn(&tables, text(others[i])));
    assert_int_equal(tables.count, 0);
}

static void
a_later_create_replaces_and_500_tables_are_known(void **state)
{
    struct ks_v1_table t;
    char sql[64];

    (void)state;
    memset(&tables, 0, sizeof(tables));
    for (int i = 0; i < 501; i++) {
        (void)snprintf(sql, sizeof(sql), "CREATE TABLE t%d (_id)", i);
        assert_int_equal(ks_v1_tables_learn(&tables, text(sql)), i < 500);
    }
    assert_true(ks_v1_tables_learn(&tables, text("CREATE TABLE T7 (a,_id)")));
    assert_int_equal(tables.count, 500);
    assert_true(
        ks_v1_insert_parse(&t, &tables, text("INSERT INTO t7 VALUES (?,?)")));
    assert_int_equal(t.at[KS_V1_COL_ID], 1);
}

/* Every cut of a statement is read without harm. */
static void
statements_cut_at_any_byte_do_no_harm(void **state)
{
    static const char create[] =
        "CREATE TABLE IF NOT EXISTS \"m\" /* c */ (_id INTEGER -- x\n"
        ", 'date_sent' TEXT DEFAULT 'it''s', [data_file] NUMERIC(1,2))";
    static const char insert[] =
        "INSERT INTO \"m\" (_id, `date_sent`) VALUES (?, ?);";

    (void)state;
    for (size_t len = 0; len < sizeof(create); len++) {
        uint8_t *exact = malloc(len + 1); /* for the sanitizer */
        struct ks_v1_table t;
        memcpy(exact, create, len);
        memset(&tables, 0, sizeof(tables));
        assert_int_equal(
            ks_v1_tables_learn(&tables, (struct ks_bytes){exact, len}),
            len == sizeof(create) - 1);
        if (len < sizeof(insert)) {
            memcpy(exact, insert, len);
            (void)ks_v1_insert_parse(&t, &tables,
                                     (struct ks_bytes){exact, len});
        }
        free(exact);
    }
}

/* ---- rows ------------------------------------------------------------- */

/* A statement's message: the text, then parameters as given, raw. */
static void
make_body(struct ks_buf *body, const char *sql, const char *const *params,
          size_t count)
{
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(ks_wire_put_bytes(body, 1, text(sql), &err), KS_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ks_wire_put_bytes(body, 2, text(params[i]), &err),
                         KS_OK);
}

static void
integers_are_read_by_position(void **state)
{
    /* int 5, text "x", no value at all, int 0xffffffffffffffff, null */
    static const char *const params[] = {
        "\20\5", "\12\1x", "", "\20\377\377\377\377\377\377\377\377\377\1",
        "\50\1"};
    struct ks_buf body;
    int64_t v = 77;

    (void)state;
    ks_buf_init(&body, 1000);
    make_body(&body, "INSERT", params, 5);
    assert_true(ks_v1_row_int(ks_buf_bytes(&body), 0, &v));
    assert_int_equal(v, 5);
    assert_false(ks_v1_row_int(ks_buf_bytes(&body), 1, &v));
    assert_false(ks_v1_row_int(ks_buf_bytes(&body), 2, &v));
    assert_int_equal(v, 5);
    assert_true(ks_v1_row_int(ks_buf_bytes(&body), 3, &v));
    assert_int_equal(v, -1);
    assert_false(ks_v1_row_int(ks_buf_bytes(&body), 4, &v));
    assert_false(ks_v1_row_int(ks_buf_bytes(&body), 5, &v));
    assert_int_equal(ks_v1_statement_sql(ks_buf_bytes(&body)).len, 6);
    ks_buf_wipe(&body);
}

static void
times_outside_the_centuries_are_no_times(void **state)
{
    static const struct {
        uint64_t value;
        int64_t ms;
    } cases[] = {
        {0, KS_TIME_NONE},
        {1, 1},
        {1700000000000, 1700000000000},
        {7258118399999, 7258118399999},
        {7258118400000, KS_TIME_NONE},
        {UINT64_MAX, KS_TIME_NONE},
    };
    struct ks_v1_table t;

    (void)state;
    assert_true(parse(&t, "CREATE TABLE m (date)", "INSERT INTO m VALUES (?)"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ks_err err = KS_ERR_INIT;
        struct ks_buf param;
        struct ks_buf body;
        ks_buf_init(&param, 100);
        ks_buf_init(&body, 100);
        assert_int_equal(ks_wire_put_int(&param, 2, cases[i].value, &err), 0);
        assert_int_equal(
            ks_wire_put_bytes(&body, 2, ks_buf_bytes(&param), &err), 0);
        assert_int_equal(ks_v1_row_time(&t, ks_buf_bytes(&body)), cases[i].ms);
        ks_buf_wipe(&param);
        ks_buf_wipe(&body);
    }
}

/* An attachment row as a whole frame, with a field of the future in it. */
static void
make_row(struct ks_buf *pb)
{
    static const char *const params[] = {"\20\7",  "\20\0",  "\12\4file",
                                         "\42\1r", "\12\1h", "\20\11"};
    struct ks_err err = KS_ERR_INIT;
    struct ks_buf body;

    ks_buf_init(&body, 1000);
    make_body(&body, "INSERT INTO a VALUES (?,?,?,?,?,?)", params, 6);
    assert_int_equal(ks_wire_put_int(&body, 99, 1234567, &err), KS_OK);
    assert_int_equal(ks_wire_put_bytes(pb, 2, ks_buf_bytes(&body), &err),
                     KS_OK);
    ks_buf_wipe(&body);
}

static const char media_table[] =
    "CREATE TABLE a (_id, transfer_state, data_file, data_random, data_hash, "
    "data_size)";

static void
a_row_without_its_file_says_so_and_keeps_the_rest(void **state)
{
    static const char *const want[] = {"\20\7", "\20\4", "\50\1",
                                       "\50\1", "\50\1", "\20\11"};
    struct ks_err err = KS_ERR_INIT;
    struct ks_wire_field f;
    struct ks_v1_table t;
    struct ks_cursor c;
    struct ks_buf bare;
    struct ks_buf pb;

    (void)state;
    ks_buf_init(&pb, 1000);
    ks_buf_init(&bare, 1000);
    make_row(&pb);
    assert_true(parse(&t, media_table, "INSERT INTO a VALUES (?,?,?,?,?,?)"));
    assert_int_equal(ks_v1_row_without_file(&bare, &t, ks_buf_bytes(&pb), &err),
                     KS_OK);
    c = ks_cursor_over(bare.data, bare.len);
    assert_int_equal(ks_wire_next(&c, &f), KS_OK);
    assert_int_equal(f.number, 2);
    assert_int_equal(c.left, 0);
    c = ks_cursor_over(f.bytes.ptr, f.bytes.len);
    assert_int_equal(ks_wire_next(&c, &f), KS_OK);
    assert_int_equal(f.bytes.len, 34);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(ks_wire_next(&c, &f), KS_OK);
        assert_int_equal(f.bytes.len, strlen(want[i]));
        assert_memory_equal(f.bytes.ptr, want[i], f.bytes.len);
    }
    assert_int_equal(ks_wire_next(&c, &f), KS_OK);
    assert_int_equal(f.number, 99);
    assert_int_equal(f.value, 1234567);
    assert_int_equal(ks_wire_next(&c, &f), KS_END);
    ks_buf_wipe(&pb);
    ks_buf_wipe(&bare);
}

static void
only_whole_attachment_rows_are_rewritten(void **state)
{
    struct ks_v1_table t;
    struct ks_buf bare;
    struct ks_buf pb;

    (void)state;
    ks_buf_init(&pb, 1000);
    ks_buf_init(&bare, 1000);
    make_row(&pb);
    assert_true(parse(&t, media_table, "INSERT INTO a VALUES (?,?,?,?,?,?)"));
    for (size_t len = 0; len < pb.len; len++) {
        struct ks_err err = KS_ERR_INIT;
        assert_int_equal(ks_v1_row_without_file(
                             &bare, &t, (struct ks_bytes){pb.data, len}, &err),
                         KS_E_FORMAT);
    }
    assert_true(parse(&t, NULL, "INSERT INTO a VALUES (?)"));
    {
        struct ks_err err = KS_ERR_INIT;
        assert_int_equal(
            ks_v1_row_without_file(&bare, &t, ks_buf_bytes(&pb), &err),
            KS_E_FORMAT);
    }
    ks_buf_wipe(&bare);
    ks_buf_init(&bare, pb.len - 10); /* no room */
    assert_true(parse(&t, media_table, "INSERT INTO a VALUES (?,?,?,?,?,?)"));
    {
        struct ks_err err = KS_ERR_INIT;
        assert_int_equal(
            ks_v1_row_without_file(&bare, &t, ks_buf_bytes(&pb), &err),
            KS_E_LIMIT);
    }
    ks_buf_wipe(&pb);
    ks_buf_wipe(&bare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name),
        cmocka_unit_test(quotes_comments_and_case_do_not_matter),
        cmocka_unit_test(an_inserts_own_column_list_wins),
        cmocka_unit_test(without_certainty_no_column_is_known),
        cmocka_unit_test(what_does_not_insert_into_a_plain_name_is_no_row),
        cmocka_unit_test(names_may_have_64_characters),
        cmocka_unit_test(what_is_no_create_table_teaches_nothing),
        cmocka_unit_test(a_later_create_replaces_and_500_tables_are_known),
        cmocka_unit_test(statements_cut_at_any_byte_do_no_harm),
        cmocka_unit_test(integers_are_read_by_position),
        cmocka_unit_test(times_outside_the_centuries_are_no_times),
        cmocka_unit_test(a_row_without_its_file_says_so_and_keeps_the_rest),
        cmocka_unit_test(only_whole_attachment_rows_are_rewritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
