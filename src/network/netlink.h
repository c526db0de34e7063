/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the kernel by netlink, one at a time: small ones, with few attributes. */
#ifndef PRIVEXEC_NETWORK_NETLINK_H
#define PRIVEXEC_NETWORK_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* Bits for netlink_open(): changes of routes. */
#define NETLINK_ROUTE_GROUPS (1U << (RTNLGRP_IPV4_ROUTE - 1) | 1U << (RTNLGRP_IPV6_ROUTE - 1))

/* A request that is being put together. Start with netlink_begin(). */
struct netlink_request {
	union {
		struct nlmsghdr header;
		char bytes[512];
	};
};

/* Opens a socket of @protocol (NETLINK_*) that hears the groups of @groups (bits), close-on-exec. A
 * descriptor or a negative errno. */
int netlink_open(int protocol, uint32_t groups);

/* Begins a request of @type with @flags (NLM_F_*; NLM_F_REQUEST is added) and its fixed part @body.
 */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body,
		   size_t size);

/* Adds an attribute; what does not fit makes the request fail when it is sent. */
void netlink_add(struct netlink_request *request, uint16_t type, const void *value, size_t size);

/* Sends it and waits for the kernel's answer, which comes at once. 0 or a negative errno. */
int netlink_ask(int socket, struct netlink_request *request);

/*
 * Sends a dump request and calls @take with each message of the answer. Returns 0, the first
 * negative value that @take returned, or a negative errno (-EAGAIN: what was dumped changed
 * meanwhile).
 */
int netlink_dump(int socket, struct netlink_request *request,
		 int (*take)(const struct nlmsghdr *message, void *context), void *context);

/* The attribute @type of a route message, or NULL. */
const struct rtattr *netlink_route_attribute(const struct nlmsghdr *message, unsigned short type);

#endif
