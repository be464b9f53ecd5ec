/*
 * The contract on a generated Signal backup, and what only such files can
 * show: versions 0 and 1 of the same content, two installations, a reader
 * that shares no code with us.
 *
 *     test_source_signal_v1 FOLDER NODE READER
 *
 * FOLDER has legacy-{v0,v1,v1-b}.backup; NODE READER --read reads one.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "check.h"
#include "source/signal_v1/signal_v1.h"
#include "source_contract.h"
#include "workdir.h"

static const struct ks_policy keep_all = {.attachment_bytes_max = UINT64_MAX};
static const char passphrase[] = "123451234512345123451234512345";

static struct workdir work;
static const char *folder;
static char *node;
static char *reader;

/* The path of a sample; one buffer. */
static const char *
sample(const char *name)
{
    static char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int
make_work(void **state)
{
    (void)state;
    workdir_make(&work);
    return 0;
}

static int
remove_work(void **state)
{
    (void)state;
    workdir_remove(&work);
    return 0;
}

static size_t
count_of(const struct memory_snapshot *m, const char *stream)
{
    const struct memory_stream *s = memory_snapshot_stream(m, stream);

    return s == NULL ? 0 : s->count;
}

static struct memory_snapshot *
capture_sample(const char *name)
{
    return source_captured(&ks_source_signal_v1, sample(name), passphrase,
                           &keep_all);
}

static void
every_row_and_blob_of_a_real_schema_is_kept(void **state)
{
    static const char *const names[] = {"legacy-v1.backup", "legacy-v0.backup",
                                        "legacy-v1-b.backup"};
    static const size_t messages[] = {200, 200, 120};
    static const size_t reactions[] = {20, 20, 12};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct memory_snapshot *m = capture_sample(names[i]);
        const struct memory_stream *rows =
            memory_snapshot_stream(m, "sql/message");
        assert_int_equal(count_of(m, "sql/message"), messages[i]);
        assert_int_equal(count_of(m, "sql/attachment"), 10);
        assert_int_equal(count_of(m, "blob/attachment"), 10);
        assert_int_equal(count_of(m, "blob/avatar"), 1);
        assert_int_equal(count_of(m, "sql/reaction"), reactions[i]);
        assert_int_equal(m->report_count, 0);
        assert_string_equal(m->account, "+15550000001");
        for (size_t k = 0; k < rows->count; k++)
            assert_int_equal(rows->records[k].time_ms,
                             1700000000000 +
                                 60000 * (int64_t)(k + (i == 2 ? 161 : 1)));
        memory_snapshot_free(m);
    }
}

static void
both_versions_of_the_container_hold_the_same(void **state)
{
    struct memory_snapshot *a = capture_sample("legacy-v0.backup");
    struct memory_snapshot *b = capture_sample("legacy-v1.backup");

    (void)state;
    assert_true(memory_snapshot_equal(a, b));
    memory_snapshot_free(a);
    memory_snapshot_free(b);
}

static void
what_two_installations_share_is_shared(void **state)
{
    struct memory_snapshot *a = capture_sample("legacy-v1.backup");
    struct memory_snapshot *b = capture_sample("legacy-v1-b.backup");
    size_t shared = 0;

    (void)state;
    for (size_t i = 0; i < a->blob_count; i++)
        shared += memory_snapshot_blob(b, a->blobs[i].id) != NULL;
    assert_int_equal(shared, 5); /* four attachments and the avatar */
    memory_snapshot_free(a);
    memory_snapshot_free(b);
}

static void
originals_come_again_byte_for_byte(void **state)
{
    static const char *const names[] = {"legacy-v1.backup", "legacy-v0.backup"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct memory_snapshot *m = capture_sample(names[i]);
        struct ks_err err = KS_ERR_INIT;
        struct ks_buf whole;
        ks_buf_init(&whole, 10000000);
        assert_int_equal(ks_file_read(sample(names[i]), 10000000, &whole, &err),
                         KS_OK);
        if (source_restored(&ks_source_signal_v1, m,
                            workdir_path(&work, names[i]), NULL, &err) != KS_OK)
            fail_msg("%s", err.msg);
        assert_true(workdir_holds(&work, names[i], whole.data, whole.len));
        ks_buf_wipe(&whole);
        memory_snapshot_free(m);
    }
}

/* What the reader says of a file, into out[0..size). False if it fails. */
static bool
ask_reader(const char *path, const char *key, char *out, size_t size)
{
    char read_flag[] = "--read";
    char path_copy[4096];
    char key_copy[128];
    char *argv[] = {node, reader, read_flag, path_copy, key_copy, NULL};
    posix_spawn_file_actions_t actions;
    size_t len = 0;
    ssize_t got;
    int status = -1;
    int ends[2];
    pid_t pid;

    (void)snprintf(path_copy, sizeof(path_copy), "%s", path);
    (void)snprintf(key_copy, sizeof(key_copy), "%s", key);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, node, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    while (len < size - 1 &&
           (got = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
another_reader_finds_the_same_in_what_we_write(void **state)
{
    static const char key[] = "999990000011111222223333344444";
    struct memory_snapshot *m = capture_sample("legacy-v1.backup");
    struct ks_err err = KS_ERR_INIT;
    char before[8192];
    char after[8192];

    (void)state;
    if (source_restored(&ks_source_signal_v1, m, workdir_path(&work, "fresh"),
                        key, &err) != KS_OK)
        fail_msg("%s", err.msg);
    assert_true(ask_reader(sample("legacy-v1.backup"), passphrase, before,
                           sizeof(before)));
    assert_true(
        ask_reader(workdir_path(&work, "fresh"), key, after, sizeof(after)));
    assert_string_equal(before, after);
    assert_non_null(strstr(after, "\"message\": 200"));
    assert_false(ask_reader(workdir_path(&work, "fresh"), passphrase, after,
                            sizeof(after)));
    memory_snapshot_free(m);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_and_blob_of_a_real_schema_is_kept),
        cmocka_unit_test(both_versions_of_the_container_hold_the_same),
        cmocka_unit_test(what_two_installations_share_is_shared),
        cmocka_unit_test(originals_come_again_byte_for_byte),
        cmocka_unit_test(another_reader_finds_the_same_in_what_we_write),
    };
    struct source_kind kind = {.ops = &ks_source_signal_v1,
                               .secret = passphrase,
                               .wrong = "543215432154321543215432154321"};

    if (argc != 4)
        return 2;
    folder = argv[1];
    node = argv[2];
    reader = argv[3];
    kind.sample = sample("legacy-v1.backup");
    if (source_contract(&kind) != 0)
        return 1;
    return cmocka_run_group_tests_name("signal-v1", tests, make_work,
                                       remove_work);
}
