#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "check.h"
#include "job/keys.h"
#include "jobkit.h"
#include "vault/vault.h"

static int
kit_up(void **state)
{
    struct jobkit *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    jobkit_begin(k);
    *state = k;
    return 0;
}

static int
kit_down(void **state)
{
    jobkit_end(*state);
    free(*state);
    return 0;
}

static void
a_vault_is_asked_for_its_key_and_opened(void **state)
{
    struct jobkit *k = *state;

    jobkit_open(k, KS_STORE_READ, false);
    assert_int_equal(k->unlock_asked, 1);
    assert_int_equal(k->unlock_kinds, 1U << KS_SLOT_RAW);
    assert_string_equal(ks_session_where(k->session), k->vault);
    assert_false(ks_session_dry(k->session));
    assert_non_null(ks_session_vault(k->session));
}

static void
all_kinds_of_slots_are_told(void **state)
{
    struct jobkit *k = *state;
    struct kit_key words = kit_passphrase("correct horse");
    uint8_t slot[16];

    jobkit_open(k, KS_STORE_WRITE, false);
    KIT_OK(ks_vault_slot_add(ks_session_vault(k->session), &words.unlock,
                             &kit_quick, slot, KIT_ERR));
    workdir_write(&k->dir, "vault/keys/junk", "x", 1);
    jobkit_open(k, KS_STORE_READ, false);
    assert_int_equal(k->unlock_kinds,
                     1U << KS_SLOT_RAW | 1U << KS_SLOT_PASSPHRASE);
    kit_lock(&words);
}

static void
no_key_is_asked_for_where_there_is_no_vault(void **state)
{
    struct jobkit *k = *state;
    struct ks_init_job job = {.unlock_count = 1, .slot_options = kit_quick};
    struct ks_session *s = NULL;
    uint8_t id[16];

    k->access.where = workdir_path(&k->dir, "nowhere");
    KIT_FAILS(KS_E_NOTFOUND, ks_session_open(&s, &k->access, KIT_ERR));
    assert_int_equal(mkdir(workdir_path(&k->dir, "empty"), 0700), 0);
    k->access.where = workdir_path(&k->dir, "empty");
    KIT_FAILS(KS_E_NOTFOUND, ks_session_open(&s, &k->access, KIT_ERR));
    workdir_write(&k->dir, "a.keepsay", "my diary", 8);
    k->access.where = workdir_path(&k->dir, "a.keepsay");
    KIT_FAILS(KS_E_FORMAT, ks_session_open(&s, &k->access, KIT_ERR));
    job.where = k->access.where = workdir_path(&k->dir, "cut.keepsay");
    job.unlocks = &k->key.unlock;
    KIT_OK(ks_job_init(id, &job, KIT_ERR));
    assert_int_equal(
        truncate(job.where, workdir_size(&k->dir, "cut.keepsay") - 1), 0);
    KIT_FAILS(KS_E_INCOMPLETE, ks_session_open(&s, &k->access, KIT_ERR));
    assert_int_equal(k->unlock_asked, 0);
    assert_null(s);
}

/* A key-giver that gives wrong keys, and then the right one or none. */
struct giver {
    struct kit_key wrong;
    struct kit_key right;
    unsigned wrong_ones;
    int then; /* KS_OK: the right key; else the answer */
    unsigned last_attempt;
};

static int
give_keys(void *user, const struct ks_unlock_ask *ask, struct ks_unlock *out,
          struct ks_err *err)
{
    struct giver *g = user;

    g->last_attempt = ask->attempt;
    if (ask->attempt < g->wrong_ones) {
        *out = g->wrong.unlock;
        return KS_OK;
    }
    *out = g->right.unlock;
    return g->then < 0 ? ks_fail(err, g->then, 0, "given up") : g->then;
}

static void
a_wrong_key_is_followed_by_the_next(void **state)
{
    struct jobkit *k = *state;
    struct giver g = {.wrong_ones = 3};
    struct ks_session *s = NULL;

    g.wrong = kit_raw(1);
    g.right = kit_raw(7);
    k->access.unlock = give_keys;
    k->access.user = &g;
    KIT_OK(ks_session_open(&s, &k->access, KIT_ERR));
    assert_int_equal(g.last_attempt, 3);
    ks_session_close(s);

    s = NULL;
    g.then = KS_END;
    KIT_FAILS(KS_E_WRONG_KEY, ks_session_open(&s, &k->access, KIT_ERR));
    g.then = KS_E_CANCELLED;
    KIT_SAYS(KS_E_CANCELLED, "given up",
             ks_session_open(&s, &k->access, KIT_ERR));
    g.wrong_ones = 0;
    KIT_FAILS(KS_E_CANCELLED, ks_session_open(&s, &k->access, KIT_ERR));
    assert_null(s);
    kit_lock(&g.wrong);
    kit_lock(&g.right);
}

static void
the_state_folder_is_named_by_vault_and_place(void **state)
{
    struct jobkit *k = *state;
    char hex[33];
    char first[400];
    char moved[300];
    const char *name;

    jobkit_open(k, KS_STORE_READ, false);
    name = ks_session_state_name(k->session);
    ks_hex_encode(hex, ks_vault_id(ks_session_vault(k->session)), 16);
    assert_memory_equal(name, k->state, strlen(k->state));
    assert_memory_equal(name + strlen(k->state) + 1, hex, 32);
    assert_int_equal(strlen(name), strlen(k->state) + 1 + 32 + 1 + 16);
    (void)snprintf(first, sizeof(first), "%s", name);

    /* By another name of the same place it is the same ... */
    assert_int_equal(symlink("vault", workdir_path(&k->dir, "link")), 0);
    k->access.where = workdir_path(&k->dir, "link");
    jobkit_open(k, KS_STORE_READ, false);
    assert_string_equal(ks_session_state_name(k->session), first);

    /* ... at another place it is another. */
    jobkit_close(k);
    (void)snprintf(moved, sizeof(moved), "%s", workdir_path(&k->dir, "moved"));
    assert_int_equal(rename(k->vault, moved), 0);
    k->access.where = moved;
    jobkit_open(k, KS_STORE_READ, false);
    assert_string_not_equal(ks_session_state_name(k->session), first);
}

static void
the_state_folder_is_made_when_it_is_needed(void **state)
{
    struct jobkit *k = *state;
    const char *folder = NULL;
    struct stat st;

    jobkit_open(k, KS_STORE_READ, false);
    assert_int_not_equal(stat(k->state, &st), 0);
    KIT_OK(ks_session_state(k->session, &folder, KIT_ERR));
    assert_string_equal(folder, ks_session_state_name(k->session));
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void
a_state_folder_that_cannot_be_made_is_said(void **state)
{
    struct jobkit *k = *state;
    const char *folder = NULL;

    workdir_write(&k->dir, "state", "a file", 6);
    jobkit_open(k, KS_STORE_READ, false);
    KIT_SAYS(KS_E_USAGE, "remembers",
             ks_session_state(k->session, &folder, KIT_ERR));
    assert_null(folder);
}

static void
a_dry_run_has_a_state_that_goes_with_it(void **state)
{
    struct jobkit *k = *state;
    const char *folder = NULL;
    const char *again = NULL;
    char file[500];
    struct stat st;

    jobkit_open(k, KS_STORE_READ, true);
    assert_true(ks_session_dry(k->session));
    KIT_OK(ks_session_state(k->session, &folder, KIT_ERR));
    KIT_OK(ks_session_state(k->session, &again, KIT_ERR));
    assert_string_equal(folder, again);
    assert_string_not_equal(folder, ks_session_state_name(k->session));
    assert_int_equal(stat(folder, &st), 0);
    (void)snprintf(file, sizeof(file), "state/%s/lock",
                   strrchr(folder, '/') + 1);
    workdir_write(&k->dir, file, "x", 1);
    jobkit_close(k);
    assert_int_equal(workdir_entries(&k->dir, "state"), 0);
}

static void
what_a_dry_run_puts_is_nowhere(void **state)
{
    struct jobkit *k = *state;
    size_t before = workdir_entries(&k->dir, "vault");
    struct ks_store *store;

    jobkit_open(k, KS_STORE_READ, true);
    store = ks_vault_store(ks_session_vault(k->session));
    KIT_OK(ks_store_put(store, "thing", "x", 1, KIT_ERR));
    jobkit_close(k);
    assert_int_equal(workdir_entries(&k->dir, "vault"), before);
}

static void
a_place_is_opened_without_a_key(void **state)
{
    struct jobkit *k = *state;
    struct ks_store_options options = {.mode = KS_STORE_READ};
    struct ks_store *store = NULL;
    uint8_t id[16] = {0};

    KIT_OK(ks_place_open(&store, k->vault, &options, id, KIT_ERR));
    ks_store_close(store);
    jobkit_open(k, KS_STORE_READ, false);
    assert_memory_equal(id, ks_vault_id(ks_session_vault(k->session)), 16);
    KIT_OK(ks_place_open(&store, k->vault, &options, NULL, KIT_ERR));
    ks_store_close(store);
    ks_session_close(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define SESSION_TEST(f) cmocka_unit_test_setup_teardown(f, kit_up, kit_down)
        SESSION_TEST(a_vault_is_asked_for_its_key_and_opened),
        SESSION_TEST(all_kinds_of_slots_are_told),
        SESSION_TEST(no_key_is_asked_for_where_there_is_no_vault),
        SESSION_TEST(a_wrong_key_is_followed_by_the_next),
        SESSION_TEST(the_state_folder_is_named_by_vault_and_place),
        SESSION_TEST(the_state_folder_is_made_when_it_is_needed),
        SESSION_TEST(a_state_folder_that_cannot_be_made_is_said),
        SESSION_TEST(a_dry_run_has_a_state_that_goes_with_it),
        SESSION_TEST(what_a_dry_run_puts_is_nowhere),
        SESSION_TEST(a_place_is_opened_without_a_key),
    };

    return cmocka_run_group_tests(tests, kit_setup, NULL);
}
