// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/addresses.h"
#include "network/netlink.h"

/* After the rule for local addresses, before the one for all others. */
#define RULE_PRIORITY 100U

/* A dump that changed while it was read is read again so many times. */
#define REFRESH_TRIES 10

int addresses_open(struct addresses *addresses)
{
	addresses->count = 0;
	addresses->watch = netlink_open(NETLINK_ROUTE, NETLINK_ROUTE_GROUPS);
	addresses->ask = addresses->watch < 0 ? addresses->watch : netlink_open(NETLINK_ROUTE, 0);
	return addresses->ask < 0 ? addresses->ask : 0;
}

/* Refuses packets of @protocol (0: any) to @address, or no longer. */
static int forbid(int policies, const struct address *address, uint8_t protocol, bool forbidden)
{
	struct netlink_request request;
	const struct xfrm_selector to = {
		.family = address->family,
		.prefixlen_d = address->length,
		.proto = protocol,
	};

	if (forbidden) {
		struct xfrm_userpolicy_info policy = {
			.sel = to,
			.lft = { .soft_byte_limit = XFRM_INF,
				 .hard_byte_limit = XFRM_INF,
				 .soft_packet_limit = XFRM_INF,
				 .hard_packet_limit = XFRM_INF },
			.dir = XFRM_POLICY_OUT,
			.action = XFRM_POLICY_BLOCK,
		};

		memcpy(&policy.sel.daddr, address->bytes, sizeof(policy.sel.daddr));
		netlink_begin(&request, XFRM_MSG_NEWPOLICY, NLM_F_CREATE | NLM_F_EXCL, &policy,
			      sizeof(policy));
	} else {
		struct xfrm_userpolicy_id policy = { .sel = to, .dir = XFRM_POLICY_OUT };

		memcpy(&policy.sel.daddr, address->bytes, sizeof(policy.sel.daddr));
		netlink_begin(&request, XFRM_MSG_DELPOLICY, 0, &policy, sizeof(policy));
	}
	return netlink_ask(policies, &request);
}

/* A route that leads nowhere, so that a program is told what it knows: no route to host. */
static int route_nowhere(int routes, const struct address *address, bool there)
{
	struct netlink_request request;
	const struct rtmsg route = {
		.rtm_family = AF_INET,
		.rtm_dst_len = address->length,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNREACHABLE,
	};

	netlink_begin(&request, there ? RTM_NEWROUTE : RTM_DELROUTE,
		      there ? NLM_F_CREATE | NLM_F_EXCL : 0, &route, sizeof(route));
	netlink_add(&request, RTA_DST, address->bytes, 4);
	return netlink_ask(routes, &request);
}

/* A rule that ends the search for a route: after that for the session's own addresses. */
static int rule_out(int routes, const struct address *address, bool there)
{
	struct netlink_request request;
	const struct fib_rule_hdr rule = {
		.family = AF_INET6,
		.dst_len = address->length,
		.action = FR_ACT_UNREACHABLE,
	};
	const uint32_t priority = RULE_PRIORITY;

	netlink_begin(&request, there ? RTM_NEWRULE : RTM_DELRULE,
		      there ? NLM_F_CREATE | NLM_F_EXCL : 0, &rule, sizeof(rule));
	netlink_add(&request, FRA_DST, address->bytes, 16);
	netlink_add(&request, FRA_PRIORITY, &priority, sizeof(priority));
	return netlink_ask(routes, &request);
}

/*
 * Routes alone would not do. For a socket that is bound to an interface, IPv4 takes what no route
 * leads to for a neighbour, so it needs a policy besides (which does not count on loopback, where
 * the address may be the session's own too). IPv6 passes over routes that lead nowhere for such
 * sockets, as for all link-local addresses, but not over rules.
 */
static int block(const struct addresses *addresses, const struct address *address, bool blocked)
{
	int error;

	if (address->family == AF_INET6)
		return rule_out(addresses->session, address, blocked);
	error = forbid(addresses->policies, address, 0, blocked);
	if (!error || error == -EEXIST)
		error = route_nowhere(addresses->session, address, blocked);
	return error;
}

/*
 * By policies: a socket that names its source address or interface has no route looked up for
 * these. Neighbour discovery of IPv6 is multicast too, so there programs' packets alone.
 */
int addresses_forbid_groups(int policies)
{
	static const struct address multicast = { { 224 }, AF_INET, 4, false };
	static const struct address broadcast = { { 255, 255, 255, 255 }, AF_INET, 32, false };
	static const struct address multicast6 = { { 0xff }, AF_INET6, 8, false };
	int error = forbid(policies, &multicast, 0, true);

	if (!error)
		error = forbid(policies, &broadcast, 0, true);
	if (!error)
		error = forbid(policies, &multicast6, IPPROTO_UDP, true);
	/* of a kernel without IPv6 */
	return error == -EAFNOSUPPORT ? 0 : error;
}

/* Is @message a route by which the host takes packets for itself? Then what to block for it. */
static bool is_own(const struct nlmsghdr *message, struct address *ret_address)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	const struct rtmsg *route = NLMSG_DATA(message);
	const struct rtattr *to;
	size_t size = route->rtm_family == AF_INET ? 4 : 16;

	if (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE)
		return false;
	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
	    route->rtm_table != RT_TABLE_LOCAL || route->rtm_dst_len == 0 ||
	    (route->rtm_type != RTN_LOCAL && route->rtm_type != RTN_ANYCAST) ||
	    (route->rtm_family != AF_INET && route->rtm_family != AF_INET6))
		return false;
	to = netlink_route_attribute(message, RTA_DST);
	if (!to || RTA_PAYLOAD(to) != size)
		return false;
	*ret_address = (struct address){
		.family = route->rtm_family,
		.length = route->rtm_dst_len,
		.seen = true,
	};
	memcpy(ret_address->bytes, RTA_DATA(to), size);
	/* the session's own loopback is meant by these */
	return route->rtm_family == AF_INET ? ret_address->bytes[0] != 127
					    : memcmp(ret_address->bytes, loopback, size) != 0;
}

static bool is_same(const struct address *one, const struct address *two)
{
	return one->family == two->family && one->length == two->length &&
	       memcmp(one->bytes, two->bytes, sizeof(one->bytes)) == 0;
}

static int see(const struct nlmsghdr *message, void *context)
{
	struct addresses *addresses = context;
	struct address address;
	int error;

	if (message->nlmsg_type != RTM_NEWROUTE || !is_own(message, &address))
		return 0;
	for (unsigned i = 0; i < addresses->count; i++)
		if (is_same(&addresses->blocked[i], &address)) {
			addresses->blocked[i].seen = true;
			return 0;
		}
	if (addresses->count == ADDRESSES_MAX)
		return -ENOSPC;
	error = block(addresses, &address, true);
	if (error && error != -EEXIST)
		return error;
	addresses->blocked[addresses->count++] = address;
	return 0;
}

static int look(struct addresses *addresses, uint8_t family)
{
	const struct rtmsg local = { .rtm_family = family, .rtm_table = RT_TABLE_LOCAL };
	struct netlink_request request;

	netlink_begin(&request, RTM_GETROUTE, 0, &local, sizeof(local));
	return netlink_dump(addresses->ask, &request, see, addresses);
}

int addresses_refresh(struct addresses *addresses)
{
	int error = -EAGAIN;

	for (int i = 0; error == -EAGAIN && i < REFRESH_TRIES; i++) {
		for (unsigned at = 0; at < addresses->count; at++)
			addresses->blocked[at].seen = false;
		error = look(addresses, AF_INET);
		if (!error)
			error = look(addresses, AF_INET6);
	}
	if (error)
		return error;
	for (unsigned at = addresses->count; at-- > 0;) {
		if (addresses->blocked[at].seen)
			continue;
		/* one that stays blocked costs a way, not a secret */
		block(addresses, &addresses->blocked[at], false);
		addresses->blocked[at] = addresses->blocked[--addresses->count];
	}
	return 0;
}

/* The family, as a bit, of which @message tells a default route; 0: it tells something else. */
static unsigned way_of(const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) || route->rtm_dst_len != 0 ||
	    route->rtm_type != RTN_UNICAST || route->rtm_table != RT_TABLE_MAIN)
		return 0;
	return route->rtm_family == AF_INET ? ADDRESSES_IPV4 : ADDRESSES_IPV6;
}

unsigned addresses_hear(int watch, bool *ret_changed)
{
	static union {
		struct nlmsghdr header;
		char bytes[32768];
	} packet;
	struct address address;
	unsigned ways = 0;
	ssize_t length;

	*ret_changed = false;
	while ((length = recv(watch, packet.bytes, sizeof(packet.bytes), MSG_DONTWAIT)) > 0 ||
	       (length < 0 && (errno == EINTR || errno == ENOBUFS))) {
		const struct nlmsghdr *message = &packet.header;

		if (length < 0) {
			/* more came than there was room for: whatever it was */
			*ret_changed = true;
			ways = ADDRESSES_IPV4 | ADDRESSES_IPV6;
			continue;
		}
		for (; NLMSG_OK(message, (size_t)length); message = NLMSG_NEXT(message, length)) {
			*ret_changed |= is_own(message, &address);
			ways |= way_of(message);
		}
	}
	return ways;
}

static int find_way(const struct nlmsghdr *message, void *context)
{
	unsigned way = way_of(message), *found = context;

	/* pasta takes the first that it finds */
	if (way && !(*found & way))
		*found |= netlink_route_attribute(message, RTA_GATEWAY)
				  ? way
				  : way | ADDRESSES_DIRECT(way);
	return 0;
}

unsigned addresses_ways(int ask)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	unsigned found = 0;

	for (size_t i = 0; i < 2; i++) {
		const struct rtmsg main = { .rtm_family = families[i], .rtm_table = RT_TABLE_MAIN };
		struct netlink_request request;

		netlink_begin(&request, RTM_GETROUTE, 0, &main, sizeof(main));
		netlink_dump(ask, &request, find_way, &found);
	}
	return found;
}

/* The index of the interface that is up and no loopback. */
static int find_interface(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *interface = NLMSG_DATA(message);

	if (message->nlmsg_type == RTM_NEWLINK &&
	    message->nlmsg_len >= NLMSG_LENGTH(sizeof(*interface)) &&
	    (interface->ifi_flags & IFF_UP) && !(interface->ifi_flags & IFF_LOOPBACK))
		*(int *)context = interface->ifi_index;
	return 0;
}

void addresses_lead_out(int routes, unsigned families)
{
	const struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
	struct netlink_request request;
	int interface = 0;

	netlink_begin(&request, RTM_GETLINK, 0, &any, sizeof(any));
	netlink_dump(routes, &request, find_interface, &interface);
	for (unsigned family = ADDRESSES_IPV4; interface > 0 && family <= ADDRESSES_IPV6;
	     family <<= 1) {
		const struct rtmsg route = {
			.rtm_family = family == ADDRESSES_IPV4 ? AF_INET : AF_INET6,
			.rtm_table = RT_TABLE_MAIN,
			.rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_LINK,
			.rtm_type = RTN_UNICAST,
		};

		if (!(families & family))
			continue;
		netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route,
			      sizeof(route));
		netlink_add(&request, RTA_OIF, &interface, sizeof(interface));
		netlink_ask(routes, &request);
	}
}
