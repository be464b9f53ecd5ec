/*
 * snapshot_info: its memory.
 */
#include "vault/snapshot_info.h"

#include <stdlib.h>

void
ks_snapshot_info_wipe(struct ks_snapshot_info *info)
{
    free(info->report);
    free(info->heads);
    *info = (struct ks_snapshot_info){.run = 0};
}
