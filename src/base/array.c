/*
 * array: doubling, from 16 elements on.
 */
#include "base/array.h"

#include <assert.h>
#include <stdlib.h>

#define CAP_FIRST ((uint32_t)16)
#define CAP_MOST  ((uint32_t)1 << 31)

void *
ks_array_more(void *array, uint32_t count, uint32_t *cap, size_t size)
{
    uint32_t bigger = *cap == 0 ? CAP_FIRST : *cap * 2;
    void *p;

    assert(count <= *cap && *cap < CAP_MOST);
    assert(size > 0);
    if (count < *cap)
        return array;
    p = reallocarray(array, bigger, size);
    if (p != NULL)
        *cap = bigger;
    return p;
}
