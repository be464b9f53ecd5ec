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
#pragma GCC poison rand srand strncpy strncat

#endif /* KS_BASE_BANNED_H */
