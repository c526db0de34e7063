/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's own addresses: pasta would carry a packet for one of them to whatever listens there.
 * So the session's network has no way to them, nor to any group of machines (multicast), among
 * which the host is one.
 */
#ifndef PRIVEXEC_NETWORK_ADDRESSES_H
#define PRIVEXEC_NETWORK_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#define ADDRESSES_MAX 4096

struct addresses {
	int watch;    /* of the host's routes */
	int ask;      /* the host's routes are asked for by it */
	int session;  /* routes and rules of the session's network, by netlink */
	int policies; /* and its policies */
	unsigned count;
	struct address {
		uint8_t bytes[16];
		uint8_t family, length; /* AF_INET or AF_INET6; bits of the prefix */
		bool seen;
	} blocked[ADDRESSES_MAX];
};

/* Opens what looks at the host. In the host's network. 0 or a negative errno. */
int addresses_open(struct addresses *addresses);

/* Forbids multicast and broadcast in the network of @policies, a netlink socket. 0 or a negative
 * errno. */
int addresses_forbid_groups(int policies);

/*
 * Blocks what the host has now and is not blocked yet, and opens what it has no longer. 0 or a
 * negative errno: then something may be reachable that must not be.
 */
int addresses_refresh(struct addresses *addresses);

/* Families, as bits. */
#define ADDRESSES_IPV4 1U
#define ADDRESSES_IPV6 2U
#define ADDRESSES_FAMILIES (ADDRESSES_IPV4 | ADDRESSES_IPV6)
/* Besides, where the default route of the family has no gateway, as one into a tunnel. */
#define ADDRESSES_DIRECT(families) ((families) << 2)

/*
 * Takes in what @watch, a netlink socket that hears routes, has. Returns of which families there
 * are new default routes; *@ret_changed: an address came or went, so refresh.
 */
unsigned addresses_hear(int watch, bool *ret_changed);

/*
 * In the session's network: makes default routes of @families over its interface, without a
 * gateway. pasta makes none where the host's has none, as that of a tunnel.
 */
void addresses_lead_out(int routes, unsigned families);

/* Of which families the network of the netlink socket @ask has default routes, and which are
 * direct. */
unsigned addresses_ways(int ask);

#endif
