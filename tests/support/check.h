#ifndef KS_TESTS_CHECK_H
#define KS_TESTS_CHECK_H

/* check: cmocka, after the headers that it wants before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif /* KS_TESTS_CHECK_H */
