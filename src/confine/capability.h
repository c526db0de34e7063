/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capability sets of the calling process, as 64-bit masks (bit n: capability n). */
#ifndef PRIVEXEC_CONFINE_CAPABILITY_H
#define PRIVEXEC_CONFINE_CAPABILITY_H

#include <linux/capability.h>
#include <stdint.h>

#define CAPABILITY_BIT(capability) (1ULL << (capability))

/* Each returns 0 or a negative errno. The inheritable set is always emptied. */
int capability_get(uint64_t *ret_effective, uint64_t *ret_permitted);
int capability_set(uint64_t effective, uint64_t permitted);

/* Removes all but @keep from the bounding set. Needs CAP_SETPCAP in the user namespace. */
int capability_bound(uint64_t keep);

#endif
