// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/netlink.h"

/* Not in the headers of every libc that we build with. */
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

int netlink_open(int protocol, uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	_cleanup_close_ int opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	const int on = 1;

	if (opened < 0 || bind(opened, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* the kernel then looks at what a dump asks for, and an answer carries no copy of what was
	 * asked: where it knows neither, more comes than is needed */
	setsockopt(opened, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	setsockopt(opened, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return descriptor_take(&opened);
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body,
		   size_t size)
{
	memset(request, 0, sizeof(*request));
	request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = flags | NLM_F_REQUEST;
	memcpy(NLMSG_DATA(&request->header), body, size);
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *value, size_t size)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct nlattr attribute = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type };

	if (at + NLA_HDRLEN + NLA_ALIGN(size) > sizeof(request->bytes)) {
		request->header.nlmsg_len = UINT32_MAX;
		return;
	}
	memcpy(request->bytes + at, &attribute, sizeof(attribute));
	memcpy(request->bytes + at + NLA_HDRLEN, value, size);
	request->header.nlmsg_len = (uint32_t)(at + NLA_HDRLEN + NLA_ALIGN(size));
}

static int send_request(int socket, struct netlink_request *request)
{
	static uint32_t sequence;

	if (request->header.nlmsg_len > sizeof(request->bytes))
		return -EMSGSIZE;
	request->header.nlmsg_seq = ++sequence;
	if (send(socket, request->bytes, request->header.nlmsg_len, 0) < 0)
		return -errno;
	return 0;
}

/* The errno of an error message, 0 for an acknowledgement. */
static int error_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = NLMSG_DATA(message);

	return message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) ? -EBADMSG : error->error;
}

int netlink_ask(int socket, struct netlink_request *request)
{
	union {
		struct nlmsghdr header;
		char bytes[1024];
	} answer;
	int error;

	request->header.nlmsg_flags |= NLM_F_ACK;
	error = send_request(socket, request);
	while (!error) {
		ssize_t length = recv(socket, answer.bytes, sizeof(answer.bytes), 0);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < (ssize_t)sizeof(answer.header))
			return length < 0 ? -errno : -EBADMSG;
		/* one of a request that was given up may come before */
		if (answer.header.nlmsg_type == NLMSG_ERROR &&
		    answer.header.nlmsg_seq == request->header.nlmsg_seq)
			return error_of(&answer.header);
	}
	return error;
}

/* One packet of a dump. Returns 1 after the last, 0, or a negative errno. */
static int take_packet(const char *packet, size_t length, uint32_t sequence,
		       int (*take)(const struct nlmsghdr *message, void *context), void *context,
		       bool *changed)
{
	const struct nlmsghdr *message = (const void *)packet;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		int r;

		if (message->nlmsg_seq != sequence)
			continue;
		*changed |= message->nlmsg_flags & NLM_F_DUMP_INTR;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		r = message->nlmsg_type == NLMSG_ERROR ? error_of(message) : take(message, context);
		if (r < 0)
			return r;
	}
	return 0;
}

int netlink_dump(int socket, struct netlink_request *request,
		 int (*take)(const struct nlmsghdr *message, void *context), void *context)
{
	/* the kernel fills no larger packet than it was once asked for */
	static union {
		struct nlmsghdr header;
		char bytes[32768];
	} packet;
	bool changed = false;
	int r;

	request->header.nlmsg_flags |= NLM_F_DUMP;
	r = send_request(socket, request);
	while (r == 0) {
		ssize_t length = recv(socket, packet.bytes, sizeof(packet.bytes), 0);

		if (length < 0 && errno == EINTR)
			continue;
		r = length < 0 ? -errno
			       : take_packet(packet.bytes, (size_t)length,
					     request->header.nlmsg_seq, take, context, &changed);
	}
	if (r < 0)
		return r;
	return changed ? -EAGAIN : 0;
}

const struct rtattr *netlink_route_attribute(const struct nlmsghdr *message, unsigned short type)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	const struct rtattr *attribute = RTM_RTA(route);
	size_t length = RTM_PAYLOAD(message);

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length))
		if (attribute->rta_type == type)
			return attribute;
	return NULL;
}
