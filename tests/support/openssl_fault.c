/*
 * openssl_fault: libcrypto's memory functions, made of the wrapped ones.
 */
#include "openssl_fault.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static void *
wrapped_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return size == 0 ? NULL : malloc(size);
}

static void *
wrapped_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(old, size);
}

static void
plain_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

void
openssl_fault_install(void)
{
    int rc =
        CRYPTO_set_mem_functions(wrapped_malloc, wrapped_realloc, plain_free);

    assert(rc == 1); /* else something was allocated already */
    (void)rc;
}
