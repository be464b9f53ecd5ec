/*
 * workdir: a temporary folder for one test.
 */
#include "workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATHS      8
#define PATH_BYTES 1024

static void __attribute__((noreturn))
give_up(const char *what, const char *path)
{
    (void)fprintf(stderr, "workdir: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

void
workdir_make(struct workdir *w)
{
    const char *base = getenv("TMPDIR");

    if (base == NULL || base[0] == '\0')
        base = "/tmp";
    (void)snprintf(w->path, sizeof(w->path), "%s/ks-test-XXXXXX", base);
    if (mkdtemp(w->path) == NULL)
        give_up("cannot make", w->path);
}

/* Folders that a test closed are opened again on the way down. */
static int
open_up(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type == FTW_D || type == FTW_DNR)
        return chmod(path, 0700);
    return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void
workdir_remove(struct workdir *w)
{
    if (nftw(w->path, open_up, 8, FTW_PHYS) != 0)
        give_up("cannot open up", w->path);
    if (nftw(w->path, remove_one, 8, FTW_PHYS | FTW_DEPTH) != 0)
        give_up("cannot remove", w->path);
}

const char *
workdir_path(const struct workdir *w, const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % PATHS];
    int n = snprintf(path, PATH_BYTES, "%s/%s", w->path, name);

    if (n < 0 || n >= PATH_BYTES)
        give_up("name too long under", w->path);
    return path;
}

void
workdir_write(const struct workdir *w, const char *name, const void *data,
              size_t len)
{
    const char *path = workdir_path(w, name);
    FILE *f = fopen(path, "wb");

    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        give_up("cannot write", path);
}

bool
workdir_holds(const struct workdir *w, const char *name, const void *data,
              size_t len)
{
    FILE *f = fopen(workdir_path(w, name), "rb");
    char *got = malloc(len + 1); /* one more, to see a longer file */
    bool same = false;

    if (got == NULL)
        give_up("no memory to read", name);
    if (f != NULL) {
        same = fread(got, 1, len + 1, f) == len && memcmp(got, data, len) == 0;
        (void)fclose(f);
    }
    free(got);
    return same;
}

long
workdir_size(const struct workdir *w, const char *name)
{
    struct stat st;

    if (lstat(workdir_path(w, name), &st) != 0)
        return -1;
    return (long)st.st_size;
}

size_t
workdir_entries(const struct workdir *w, const char *name)
{
    const char *path = workdir_path(w, name);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    size_t count = 0;

    if (dir == NULL)
        give_up("cannot list", path);
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            count++;
    }
    (void)closedir(dir);
    return count;
}
