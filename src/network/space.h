/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network namespace of the session, as it is made. */
#ifndef PRIVEXEC_NETWORK_SPACE_H
#define PRIVEXEC_NETWORK_SPACE_H

/* What a process that stays in the host's network has of it. */
enum space_descriptor {
	SPACE_NAMESPACE,
	SPACE_ROUTES,	/* netlink, to ask */
	SPACE_POLICIES, /* netlink */
	SPACE_WATCH,	/* netlink, hears of routes */
	/* where the relay is asked: port 53 of every address of the session's */
	SPACE_DATAGRAMS,
	SPACE_STREAMS,
	SPACE_DATAGRAMS6, /* last, since it may be missing */
	SPACE_STREAMS6,
	SPACE_DESCRIPTORS,
};

/*
 * Makes the namespace, with its loopback up and nothing else in it, in a child, so that the caller
 * stays where it is. To be called with all capabilities in its user namespace. 0 or a negative
 * errno; the IPv6 listeners are -1 where the kernel has no IPv6.
 */
int space_make(int ret_descriptors[SPACE_DESCRIPTORS]);

#endif
