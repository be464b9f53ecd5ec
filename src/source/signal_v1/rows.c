/*
 * rows: a tokenizer for just so much SQL as SQLite keeps in sqlite_master and
 * Android writes into a backup, and the parameters of
 *
 *     SqlStatement  1 statement (string)   2 parameters (repeated)
 *     SqlParameter  1 string  2 integer  3 double  4 blob  5 null (bool)
 */
#include "source/signal_v1/rows.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "source/signal_v1/wire.h"
#include "vault/snapshot_writer.h"

#define TRANSFER_PERMANENT_FAILURE 4U
#define YEAR_2200_MS               INT64_C(7258118400000)

/* Names before database 215 stand beside today's. */
static const struct {
    const char *name;
    enum ks_v1_column column;
} column_names[] = {
    {"_id", KS_V1_COL_ID},
    {"date_sent", KS_V1_COL_DATE_SENT},
    {"date", KS_V1_COL_DATE},
    {"transfer_state", KS_V1_COL_TRANSFER_STATE},
    {"pending_push", KS_V1_COL_TRANSFER_STATE},
    {"data_file", KS_V1_COL_DATA_FILE},
    {"_data", KS_V1_COL_DATA_FILE},
    {"data_random", KS_V1_COL_DATA_RANDOM},
    {"data_hash", KS_V1_COL_DATA_HASH},
    {"data_hash_start", KS_V1_COL_HASH_START},
    {"data_hash_end", KS_V1_COL_HASH_END},
};
#define COLUMN_NAMES (sizeof(column_names) / sizeof(column_names[0]))

/* ---- the tokenizer ---------------------------------------------------- */

/* Strings are told from names only where it matters: SQLite takes 'x' for a
 * column's name where it must be one. */
struct token {
    int kind; /* 'w' word, 'q' quoted name, 's' string, 0 end, else itself */
    struct ks_bytes text; /* without quotes */
};

static bool
is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

static bool
is_space_byte(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void
skip_bytes(struct ks_cursor *c, size_t n)
{
    assert(n <= c->left);
    c->ptr += n;
    c->left -= n;
}

/* Skip white space and comments. */
static void
skip_space(struct ks_cursor *c)
{
    while (c->left > 0) {
        const uint8_t *end;
        if (is_space_byte(c->ptr[0])) {
            skip_bytes(c, 1);
        } else if (c->left >= 2 && memcmp(c->ptr, "--", 2) == 0) {
            end = memchr(c->ptr, '\n', c->left);
            skip_bytes(c, end == NULL ? c->left : (size_t)(end - c->ptr));
        } else if (c->left >= 2 && memcmp(c->ptr, "/*", 2) == 0) {
            end = memmem(c->ptr + 2, c->left - 2, "*/", 2);
            skip_bytes(c, end == NULL ? c->left : (size_t)(end - c->ptr) + 2);
        } else {
            return;
        }
    }
}

/* A token in quotes that end with `close`; doubled ones stay doubled, which
 * no name of ours contains. */
static void
read_quoted(struct ks_cursor *c, char close, struct token *t)
{
    size_t i = 1;

    while (i < c->left) {
        if (c->ptr[i] == (uint8_t)close) {
            if (i + 1 >= c->left || c->ptr[i + 1] != (uint8_t)close)
                break;
            i++;
        }
        i++;
    }
    if (i > c->left)
        i = c->left;
    t->text = (struct ks_bytes){.ptr = c->ptr + 1, .len = i - 1};
    skip_bytes(c, i < c->left ? i + 1 : i);
}

/* The next token; kind 0 at the end of the text. */
static struct token
next_token(struct ks_cursor *c)
{
    struct token t = {0};
    size_t n = 0;

    skip_space(c);
    if (c->left == 0)
        return t;
    switch (c->ptr[0]) {
    case '"':
    case '`':
        t.kind = 'q';
        read_quoted(c, (char)c->ptr[0], &t);
        return t;
    case '[':
        t.kind = 'q';
        read_quoted(c, ']', &t);
        return t;
    case '\'':
        t.kind = 's';
        read_quoted(c, '\'', &t);
        return t;
    default:
        break;
    }
    while (n < c->left && is_word_byte(c->ptr[n]))
        n++;
    t.kind = n > 0 ? 'w' : c->ptr[0];
    t.text = (struct ks_bytes){.ptr = c->ptr, .len = n > 0 ? n : 1};
    skip_bytes(c, t.text.len);
    return t;
}

static bool
text_is(struct ks_bytes text, const char *word)
{
    return text.len == strlen(word) &&
           strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

/* Take the next token if it is the key word `word`. */
static bool
take_keyword(struct ks_cursor *c, const char *word)
{
    struct ks_cursor at = *c;
    struct token t = next_token(&at);

    if (t.kind != 'w' || !text_is(t.text, word))
        return false;
    *c = at;
    return true;
}

static bool
take_mark(struct ks_cursor *c, char mark)
{
    struct ks_cursor at = *c;

    if (next_token(&at).kind != mark)
        return false;
    *c = at;
    return true;
}

/* Take a name, quoted or not, that is fit to be a stream's. */
static bool
take_table_name(struct ks_cursor *c, char *out)
{
    struct token t = next_token(c);

    if ((t.kind != 'w' && t.kind != 'q') || t.text.len == 0 ||
        t.text.len > KS_V1_TABLE_NAME_MAX)
        return false;
    for (size_t i = 0; i < t.text.len; i++)
        if (!is_word_byte(t.text.ptr[i]) || t.text.ptr[i] >= 0x80)
            return false;
    memcpy(out, t.text.ptr, t.text.len);
    out[t.text.len] = '\0';
    return true;
}

/* ---- tables ----------------------------------------------------------- */

static void
forget_columns(struct ks_v1_table *table)
{
    for (int i = 0; i < KS_V1_COLS; i++)
        table->at[i] = -1;
}

static void
note_column(struct ks_v1_table *table, struct ks_bytes name, int16_t index)
{
    for (size_t i = 0; i < COLUMN_NAMES; i++)
        if (text_is(name, column_names[i].name))
            table->at[column_names[i].column] = index;
}

/* Whether an item of a CREATE TABLE list is a constraint, not a column. */
static bool
begins_constraint(struct token t)
{
    static const char *const words[] = {"CONSTRAINT", "PRIMARY", "UNIQUE",
                                        "CHECK", "FOREIGN"};

    for (size_t i = 0; t.kind == 'w' && i < sizeof(words) / sizeof(*words); i++)
        if (text_is(t.text, words[i]))
            return true;
    return false;
}

/* The columns between '(' (taken already) and its ')'. False if that never
 * comes or there are more than an index can count. */
static bool
read_columns(struct ks_cursor *c, struct ks_v1_table *table)
{
    bool at_start = true;
    int16_t index = 0;
    unsigned depth = 1;

    /* Commas inside parentheses, as in NUMERIC(10, 2), part no columns. */
    while (depth > 0) {
        struct token t = next_token(c);
        if (t.kind == 0 || index == INT16_MAX)
            return false;
        if (at_start && !begins_constraint(t) &&
            (t.kind == 'w' || t.kind == 'q' || t.kind == 's'))
            note_column(table, t.text, index++);
        at_start = t.kind == ',' && depth == 1;
        if (t.kind == '(')
            depth++;
        if (t.kind == ')')
            depth--;
    }
    return true;
}

/* SQLite's names know no case. */
static const struct ks_v1_table *
find_table(const struct ks_v1_tables *tables, const char *name)
{
    for (size_t i = 0; i < tables->count; i++)
        if (strcasecmp(tables->list[i].name, name) == 0)
            return &tables->list[i];
    return NULL;
}

/* CREATE VIRTUAL TABLE and CREATE TABLE ... AS are not read: the app's backup
 * has no rows for them. */
bool
ks_v1_tables_learn(struct ks_v1_tables *tables, struct ks_bytes sql)
{
    struct ks_cursor c = ks_cursor_over(sql.ptr, sql.len);
    struct ks_v1_table table;
    const struct ks_v1_table *known;

    assert(tables->count <= KS_V1_TABLES_MAX);
    forget_columns(&table);
    if (!take_keyword(&c, "CREATE") || !take_keyword(&c, "TABLE"))
        return false;
    if (take_keyword(&c, "IF") &&
        (!take_keyword(&c, "NOT") || !take_keyword(&c, "EXISTS")))
        return false;
    if (!take_table_name(&c, table.name) || !take_mark(&c, '(') ||
        !read_columns(&c, &table))
        return false;
    known = find_table(tables, table.name);
    if (known != NULL) {
        tables->list[known - tables->list] = table;
    } else {
        if (tables->count == KS_V1_TABLES_MAX)
            return false;
        tables->list[tables->count++] = table;
    }
    return true;
}

/* "VALUES (?, ?, ...)" and nothing else. */
static bool
values_are_marks(struct ks_cursor *c)
{
    if (!take_keyword(c, "VALUES") || !take_mark(c, '('))
        return false;
    do {
        if (!take_mark(c, '?'))
            return false;
    } while (take_mark(c, ','));
    if (!take_mark(c, ')'))
        return false;
    (void)take_mark(c, ';');
    return next_token(c).kind == 0;
}

/*
 * Positions are believed only if every value is a question mark: then the n-th
 * parameter is the n-th column's. Of anything else the table is known and
 * nothing more.
 */
bool
ks_v1_insert_parse(struct ks_v1_table *out, const struct ks_v1_tables *tables,
                   struct ks_bytes sql)
{
    struct ks_cursor c = ks_cursor_over(sql.ptr, sql.len);
    const struct ks_v1_table *known;
    struct ks_v1_table table;
    bool sure = true;

    forget_columns(&table);
    if (!take_keyword(&c, "INSERT") || !take_keyword(&c, "INTO") ||
        !take_table_name(&c, table.name))
        return false;
    known = find_table(tables, table.name);
    if (take_mark(&c, '('))
        sure = read_columns(&c, &table);
    else if (known != NULL)
        memcpy(table.at, known->at, sizeof(table.at));
    /* A parameter's index is a column's place only if each value is one. */
    if (!sure || !values_are_marks(&c))
        forget_columns(&table);
    *out = table;
    return true;
}

/* ---- parameters ------------------------------------------------------- */

struct ks_bytes
ks_v1_statement_sql(struct ks_bytes body)
{
    struct ks_cursor c = ks_cursor_over(body.ptr, body.len);
    struct ks_wire_field f;

    /* Almost always the first field; the last one counts. */
    struct ks_bytes sql = {0};
    while (ks_wire_next(&c, &f) == KS_OK) {
        if (f.number == 1 && f.type == KS_WIRE_LEN)
            sql = f.bytes;
        else if (sql.len > 0)
            break;
    }
    return sql;
}

/* Parameters are skipped by their length, none is decoded on the way. */
bool
ks_v1_row_int(struct ks_bytes body, int16_t index, int64_t *out)
{
    struct ks_cursor c = ks_cursor_over(body.ptr, body.len);
    struct ks_wire_field f;
    /* the index of the parameter that was passed last */
    int seen = -1;

    assert(index >= 0);
    while (ks_wire_next(&c, &f) == KS_OK) {
        if (f.number != 2 || f.type != KS_WIRE_LEN || ++seen != index)
            continue;
        c = ks_cursor_over(f.bytes.ptr, f.bytes.len);
        if (ks_wire_next(&c, &f) != KS_OK || f.number != 2 ||
            f.type != KS_WIRE_VARINT)
            return false;
        *out = (int64_t)f.value;
        return true;
    }
    return false;
}

int64_t
ks_v1_row_time(const struct ks_v1_table *table, struct ks_bytes body)
{
    int16_t index = table->at[KS_V1_COL_DATE_SENT];
    int64_t ms;

    if (index < 0)
        index = table->at[KS_V1_COL_DATE];
    if (index < 0 || !ks_v1_row_int(body, index, &ms) || ms <= 0 ||
        ms >= YEAR_2200_MS)
        return KS_TIME_NONE;
    return ms;
}

/* What the parameter at `index` becomes in a row without its file. */
static struct ks_bytes
without_file(const struct ks_v1_table *table, int16_t index,
             struct ks_bytes old)
{
    static const uint8_t null_param[] = {2 << 3 | KS_WIRE_LEN, 2, 5 << 3, 1};
    static const uint8_t failed_param[] = {2 << 3 | KS_WIRE_LEN, 2, 2 << 3,
                                           TRANSFER_PERMANENT_FAILURE};

    if (index == table->at[KS_V1_COL_TRANSFER_STATE])
        return (struct ks_bytes){failed_param, sizeof(failed_param)};
    for (int i = KS_V1_COL_DATA_FILE; i < KS_V1_COLS; i++)
        if (index == table->at[i])
            return (struct ks_bytes){null_param, sizeof(null_param)};
    return old;
}

/* The message is put together anew from its fields' raw bytes, because a
 * parameter that changes its length changes those around it. */
int
ks_v1_row_without_file(struct ks_buf *out, const struct ks_v1_table *table,
                       struct ks_bytes pb, struct ks_err *err)
{
    struct ks_cursor c = ks_cursor_over(pb.ptr, pb.len);
    struct ks_wire_field f;
    struct ks_buf body;
    int16_t index = 0;
    int rc = KS_OK;

    assert(pb.ptr != out->data || pb.len == 0);
    ks_buf_init(&body, out->max);
    if (ks_wire_next(&c, &f) != KS_OK || c.left != 0 || f.number != 2 ||
        f.type != KS_WIRE_LEN || table->at[KS_V1_COL_DATA_FILE] < 0)
        return ks_fail(err, KS_E_FORMAT, 0, "not an attachment row");
    c = ks_cursor_over(f.bytes.ptr, f.bytes.len);
    while (rc == KS_OK && (rc = ks_wire_next(&c, &f)) == KS_OK) {
        struct ks_bytes field = f.raw;
        if (f.number == 2 && f.type == KS_WIRE_LEN && index < INT16_MAX)
            field = without_file(table, index++, field);
        rc = ks_buf_append(&body, field.ptr, field.len, err);
    }
    if (rc == KS_E_FORMAT)
        (void)ks_fail(err, KS_E_FORMAT, 0, "not an attachment row");
    if (rc == KS_END) {
        ks_buf_reset(out);
        rc = ks_wire_put_bytes(out, 2, ks_buf_bytes(&body), err);
    }
    ks_buf_wipe(&body);
    return rc;
}
