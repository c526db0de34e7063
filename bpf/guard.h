/* SPDX-License-Identifier: GPL-2.0 */
/* What the keeper tells the guard's programs: src/network/guard.c fills it, guard.bpf.c reads it.
 */
#ifndef PRIVEXEC_BPF_GUARD_H
#define PRIVEXEC_BPF_GUARD_H

#include <linux/types.h>

/* The one value of the map `facts`. Zero, as before it is filled, matches nothing. */
struct guard_facts {
	__u64 cgroup;  /* id of the session's */
	__u64 network; /* cookie of the host's network namespace */
	__u32 level;   /* of the session's cgroup: 1 below the root of all */
	__u32 pasta;   /* a helper in the cgroup opens /dev/net/tun */
	__u32 sign;    /* what a packet of the session's carries on this machine; never 0 */
};

enum {
	GUARD_OWN,	   /* an address of the host's when the session started */
	GUARD_NAME_SERVER, /* port 53 there is an exit */
};

/* A member of the set `places`: a key of the map, whatever the value. IPv4 as ::ffff:a.b.c.d. */
struct guard_place {
	__u32 address[4]; /* as on the wire */
	__u32 kind;
};

#define GUARD_PLACES_MAX 1024

#endif
