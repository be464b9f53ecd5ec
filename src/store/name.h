#ifndef KS_STORE_NAME_H
#define KS_STORE_NAME_H

/*
 * name: what stores that keep all names in one list ask about them.
 *
 * Floor 1, inside store only.
 */

/* The last part of the object's name, if it is in `folder` ("": not in any);
 * else NULL. */
const char *ks_name_within(const char *name, const char *folder);

#endif /* KS_STORE_NAME_H */
