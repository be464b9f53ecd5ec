/*
 * streams: names to numbers, and runs of records to the order.
 */
#include "source/signal_v1/streams.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "vault/snapshot_writer.h"

/* The other kinds have their place, however many tables there are. */
#define TABLES_MAX (KS_V1_STREAM_MAX - 16)

/* Numbers are given in the order of first use, so they are stable from night
 * to night until the app's database gets another table. */
struct numbered_stream {
    char name[KS_V1_NAME_SIZE];
    unsigned handle; /* the snapshot writer's */
};

/* The list is searched one by one, but only when a statement changes. */
struct ks_v1_streams {
    struct ks_snapshot_writer *w;
    unsigned order;  /* handle */
    unsigned run_of; /* number of the stream of the current run; 0: none */
    uint64_t run;    /* its records so far */
    size_t count;    /* number n is list[n - 1] */
    struct numbered_stream list[KS_V1_STREAM_MAX];
};

int
ks_v1_streams_new(struct ks_v1_streams **out, struct ks_snapshot_writer *w,
                  struct ks_err *err)
{
    struct ks_v1_streams *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL)
        return ks_fail(err, KS_E_NOMEM, 0, "reading a Signal backup");
    s->w = w;
    rc = ks_snapshot_stream(w, KS_V1_ORDER, &s->order, err);
    if (rc != KS_OK) {
        free(s);
        return rc;
    }
    *out = s;
    return KS_OK;
}

void
ks_v1_streams_free(struct ks_v1_streams *s)
{
    free(s);
}

/* Tell the order that the next number is called `name`. */
static int
write_name(struct ks_v1_streams *s, const char *name, struct ks_err *err)
{
    uint8_t record[1 + KS_V1_NAME_SIZE] = {0};

    (void)snprintf((char *)record + 1, KS_V1_NAME_SIZE, "%s", name);
    return ks_snapshot_record(s->w, s->order, record, 1 + strlen(name),
                              KS_TIME_NONE, err);
}

/* Write the current run, if there is one. */
static int
close_run(struct ks_v1_streams *s, struct ks_err *err)
{
    uint8_t record[2 * KS_VARINT_MAX];
    size_t n;

    /* Nothing has come since the last one. */
    if (s->run == 0)
        return KS_OK;
    assert(s->run_of >= 1 && s->run_of <= s->count);
    n = ks_varint_put(record, s->run_of);
    n += ks_varint_put(record + n, s->run);
    s->run = 0;
    return ks_snapshot_record(s->w, s->order, record, n, KS_TIME_NONE, err);
}

/* The number of the stream `name`; 0 if it has not been used. */
static unsigned
number_of_name(const struct ks_v1_streams *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->list[i].name, name) == 0)
            return (unsigned)i + 1;
    return 0;
}

int
ks_v1_streams_number(struct ks_v1_streams *s, const char *name,
                     unsigned *number, struct ks_err *err)
{
    /* May lie behind the list, until the assert below has spoken. */
    struct numbered_stream *fresh = &s->list[s->count];
    unsigned found = number_of_name(s, name);
    int rc;

    assert(strlen(name) < KS_V1_NAME_SIZE && name[0] != '\0');
    if (found == 0 && s->count >= TABLES_MAX && strncmp(name, "sql/", 4) == 0) {
        name = KS_V1_STATEMENTS;
        found = number_of_name(s, name);
    }
    if (found != 0) {
        *number = found;
        return KS_OK;
    }
    assert(s->count < KS_V1_STREAM_MAX);
    /* In the order of the file: what is still held back of the current run,
     * then the new name, which records may refer to from now on. */
    rc = ks_snapshot_stream(s->w, name, &fresh->handle, err);
    if (rc == KS_OK)
        rc = close_run(s, err);
    if (rc == KS_OK)
        rc = write_name(s, name, err);
    if (rc == KS_OK) {
        memcpy(fresh->name, name, strlen(name) + 1);
        *number = (unsigned)++s->count;
    }
    return rc;
}

/* The run is written when the next one begins: a run's record says its whole
 * length. */
int
ks_v1_streams_put(struct ks_v1_streams *s, unsigned number,
                  struct ks_bytes record, int64_t time_ms, struct ks_err *err)
{
    int rc = KS_OK;

    assert(number >= 1 && number <= s->count);
    /* A run ends where another stream's record comes between. */
    if (number != s->run_of)
        rc = close_run(s, err);
    if (rc != KS_OK)
        return rc;
    s->run_of = number;
    s->run++;
    return ks_snapshot_record(s->w, s->list[number - 1].handle, record.ptr,
                              record.len, time_ms, err);
}

int
ks_v1_streams_finish(struct ks_v1_streams *s, struct ks_err *err)
{
    return close_run(s, err);
}

bool
ks_v1_run_parse(struct ks_v1_run *out, struct ks_bytes record)
{
    struct ks_cursor c = ks_cursor_over(record.ptr, record.len);
    struct ks_v1_run run = {0};
    uint64_t number;

    if (!ks_cursor_varint(&c, &number) || number > KS_V1_STREAM_MAX)
        return false;
    run.number = (unsigned)number;
    if (number == 0) {
        /* So that it fits a buffer of KS_V1_NAME_SIZE with its NUL. */
        if (c.left == 0 || c.left >= KS_V1_NAME_SIZE ||
            !ks_cursor_bytes(&c, c.left, &run.name))
            return false;
    } else if (!ks_cursor_varint(&c, &run.records) || run.records == 0) {
        return false;
    }
    if (c.left != 0)
        return false;
    *out = run;
    return true;
}
