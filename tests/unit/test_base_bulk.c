/*
 * base/bulk: whichever way the bytes take, they arrive, in order and once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bulk.h"
#include "chance.h"
#include "check.h"
#include "fault.h"
#include "workdir.h"

#define MOST (3 * KS_BULK_MIN)

static struct workdir here;
static uint8_t *data; /* MOST + KS_BULK_ALIGN bytes, aligned */
static uint8_t *back;

static int
set_up(void **state)
{
    struct chance c = {1};

    (void)state;
    workdir_make(&here);
    data = aligned_alloc(KS_BULK_ALIGN, MOST + KS_BULK_ALIGN);
    back = malloc(MOST + KS_BULK_ALIGN);
    assert_non_null(data);
    assert_non_null(back);
    chance_fill(&c, data, MOST + KS_BULK_ALIGN);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    free(data);
    free(back);
    workdir_remove(&here);
    return 0;
}

/* Write `before` bytes as usual, then data[shift..shift + len) in bulk, and
 * compare what the file then has. */
static void
write_and_compare(int fd, size_t before, size_t shift, size_t len)
{
    struct ks_err err = KS_ERR_INIT;

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(write(fd, data, before), before);
    if (ks_fd_write_bulk(fd, data + shift, len, "it", &err) != KS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(pread(fd, back, MOST + KS_BULK_ALIGN, 0), before + len);
    assert_memory_equal(back, data, before);
    assert_memory_equal(back + before, data + shift, len);
    assert_int_equal(fcntl(fd, F_GETFL) & O_DIRECT, 0);
}

static int
open_file(void)
{
    int fd = open(workdir_path(&here, "f"), O_RDWR | O_CREAT, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void
every_length_and_alignment_arrives(void **state)
{
    static const size_t lens[] = {0,
                                  1,
                                  KS_BULK_MIN - 1,
                                  KS_BULK_MIN,
                                  KS_BULK_MIN + 1,
                                  KS_BULK_MIN + 4095,
                                  2 * KS_BULK_MIN + 4096,
                                  MOST - 4097};
    static const size_t shifts[] = {0, 1, 512, 4095};
    int fd = open_file();

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        for (size_t k = 0; k < sizeof(shifts) / sizeof(*shifts); k++) {
            write_and_compare(fd, 0, shifts[k], lens[i]);
            write_and_compare(fd, 1, shifts[k], lens[i]);
            write_and_compare(fd, 4096, shifts[k], lens[i]);
        }
    }
    assert_int_equal(close(fd), 0);
}

static void
a_file_system_that_knows_no_such_writes_is_good_enough(void **state)
{
    int fd = memfd_create("no such writes", 0);

    (void)state;
    assert_true(fd >= 0);
    write_and_compare(fd, 0, 0, MOST);
    write_and_compare(fd, 0, 0, MOST - 5);
    assert_int_equal(close(fd), 0);
}

static void
a_short_write_is_carried_on(void **state)
{
    struct ks_err err = KS_ERR_INIT;

    (void)state;
    for (long n = 0; n < 3; n++) {
        int fd = open_file();

        assert_int_equal(ftruncate(fd, 0), 0);
        fault_arm_short(n);
        assert_int_equal(ks_fd_write_bulk(fd, data, MOST - 7, "it", &err),
                         KS_OK);
        (void)fault_disarm();
        assert_int_equal(pread(fd, back, MOST, 0), MOST - 7);
        assert_memory_equal(back, data, MOST - 7);
        assert_int_equal(close(fd), 0);
    }
}

static void
a_disk_that_stays_full_is_called_full(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open_file();

    (void)state;
    fault_arm_lasting("write", 0, ENOSPC);
    assert_int_equal(ks_fd_write_bulk(fd, data, MOST, "the vault", &err),
                     KS_E_FULL);
    assert_true(fault_disarm());
    assert_non_null(strstr(err.msg, "the vault"));
    assert_int_equal(close(fd), 0);
}

static void
a_failure_only_the_short_way_has_is_none(void **state)
{
    struct ks_err err = KS_ERR_INIT;
    int fd = open_file();

    (void)state;
    assert_int_equal(ftruncate(fd, 0), 0);
    fault_arm_call("write", 0, EINVAL);
    assert_int_equal(ks_fd_write_bulk(fd, data, MOST, "it", &err), KS_OK);
    assert_true(fault_disarm());
    assert_int_equal(pread(fd, back, MOST, 0), MOST);
    assert_memory_equal(back, data, MOST);
    assert_int_equal(close(fd), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_and_alignment_arrives),
        cmocka_unit_test(
            a_file_system_that_knows_no_such_writes_is_good_enough),
        cmocka_unit_test(a_short_write_is_carried_on),
        cmocka_unit_test(a_disk_that_stays_full_is_called_full),
        cmocka_unit_test(a_failure_only_the_short_way_has_is_none),
    };

    return cmocka_run_group_tests_name("base/bulk", tests, set_up, tear_down);
}
