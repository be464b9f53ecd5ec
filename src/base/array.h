#ifndef KS_BASE_ARRAY_H
#define KS_BASE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/*
 * array: room for one more element in an array that grows by doubling.
 *
 * Floor 0. The array, its count and its room are the owner's.
 */

/*
 * The array, with room for at least count + 1 elements of `size` bytes, or
 * NULL if there is no memory; then the old one is as it was, and so is *cap.
 * array is NULL while *cap is 0. count <= *cap <= 2^31: the owner bounds what
 * it keeps. The answer replaces the owner's pointer.
 */
void *ks_array_more(void *array, uint32_t count, uint32_t *cap, size_t size);

#endif /* KS_BASE_ARRAY_H */
