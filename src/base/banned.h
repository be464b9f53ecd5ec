#ifndef KS_BASE_BANNED_H
#define KS_BASE_BANNED_H

/*
 * Functions that this house does not use; -include'd into every file. The
 * headers that declare them come first: a poisoned name may not even be
 * declared afterwards.
 */
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets alloca atoi atol
#pragma GCC poison srand strncpy strncat
/* OpenSSL names its parameters `rand`, so only a call of it is refused. */
#define rand() use_ks_random_instead_of_rand

#endif /* KS_BASE_BANNED_H */
