/*
 * vectors: a record is kept as its lines; a field is found by looking
 * through them.
 */
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define FIELDS_MAX 32

struct vectors {
    FILE *file;
    char *lines[FIELDS_MAX];
    size_t field_count;
    size_t records;
};

struct vectors *
vectors_open(const char *name)
{
    struct vectors *v = calloc(1, sizeof *v);
    char path[1024];

    assert_non_null(v);
    (void)snprintf(path, sizeof path, "%s/%s", KS_VECTORS_DIR, name);
    v->file = fopen(path, "re");
    if (v->file == NULL)
        fail_msg("cannot open %s", path);
    return v;
}

static void
forget_record(struct vectors *v)
{
    for (size_t i = 0; i < v->field_count; i++)
        free(v->lines[i]);
    v->field_count = 0;
}

bool
vectors_next(struct vectors *v)
{
    char *line = NULL;
    size_t cap = 0;

    forget_record(v);
    while (getline(&line, &cap, v->file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#')
            continue;
        if (line[0] == '\0' && v->field_count > 0)
            break;
        if (line[0] == '\0')
            continue;
        assert_true(v->field_count < FIELDS_MAX);
        assert_non_null(strstr(line, " = "));
        v->lines[v->field_count++] = line;
        line = NULL;
        cap = 0;
    }
    free(line);
    if (v->field_count > 0)
        v->records++;
    return v->field_count > 0;
}

static const char *
find_field(struct vectors *v, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < v->field_count; i++) {
        if (strncmp(v->lines[i], name, len) == 0 &&
            strncmp(v->lines[i] + len, " = ", 3) == 0)
            return v->lines[i] + len + 3;
    }
    return NULL;
}

bool
vectors_has(struct vectors *v, const char *name)
{
    return find_field(v, name) != NULL;
}

const char *
vectors_text(struct vectors *v, const char *name)
{
    const char *value = find_field(v, name);

    if (value == NULL)
        fail_msg("record %zu has no field \"%s\"", v->records, name);
    return value;
}

size_t
vectors_number(struct vectors *v, const char *name)
{
    const char *value = vectors_text(v, name);
    char *end = NULL;
    unsigned long number = strtoul(value, &end, 10);

    assert_true(end != value && *end == '\0');
    return number;
}

static unsigned
nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    if (found == NULL)
        fail_msg("'%c' is not a hex digit", c);
    return found == NULL ? 0 : (unsigned)(found - digits);
}

size_t
vectors_hex(struct vectors *v, const char *name, uint8_t *out, size_t cap)
{
    const char *value = vectors_text(v, name);
    size_t len = strlen(value) / 2;

    if (strcmp(value, "-") == 0)
        return 0;
    assert_true(strlen(value) % 2 == 0);
    assert_true(len <= cap);
    for (size_t i = 0; i < len; i++)
        out[i] =
            (uint8_t)(nibble(value[2 * i]) << 4 | nibble(value[2 * i + 1]));
    return len;
}

void
vectors_bytes(struct vectors *v, const char *name, uint8_t *out, size_t len)
{
    assert_int_equal(vectors_hex(v, name, out, len), len);
}

size_t
vectors_close(struct vectors *v)
{
    size_t records = v->records;

    forget_record(v);
    (void)fclose(v->file);
    free(v);
    return records;
}

uint8_t
vectors_pattern(size_t i)
{
    return (uint8_t)(7 + 131 * i + 17 * (i / 256));
}
