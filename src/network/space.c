// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "confine/confine.h"
#include "network/addresses.h"
#include "network/netlink.h"
#include "network/space.h"

#define BACKLOG 16

/*
 * The most that a TCP socket of the session keeps on its way, in bytes. pasta takes of a stream
 * what the host's socket has room for and drops the rest, which must then be sent again, and waited
 * for: with the kernel's usual 4 MiB uploads nearly stand still now and then, with 1.5 they still
 * do.
 */
#define SENDING_MAX (1U << 20)

/* What makes its interface ready at once, and leaves it as pasta sets it up. Not there: no IPv6. */
static void settle_ipv6(void)
{
	static const char *const settings[] = { "accept_dad", "accept_ra", "autoconf" };
	_cleanup_close_ int directory =
		open("/proc/sys/net/ipv6/conf/default", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; directory >= 0 && i < sizeof(settings) / sizeof(*settings); i++)
		descriptor_write_file(directory, settings[i], "0");
}

static void bound_sending(void)
{
	static const char path[] = "/proc/sys/net/ipv4/tcp_wmem";
	unsigned least, usual, most;
	char text[64];

	if (descriptor_read_file(AT_FDCWD, path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%u %u %u", &least, &usual, &most) != 3 || usual > SENDING_MAX ||
	    most <= SENDING_MAX)
		return;
	snprintf(text, sizeof(text), "%u %u %u", least, usual, SENDING_MAX);
	descriptor_write_file(AT_FDCWD, path, text);
}

static int set(int socket, int level, int option)
{
	const int on = 1;

	return setsockopt(socket, level, option, &on, sizeof(on));
}

/* A socket on port 53 that tells which address it was reached by. */
static int listen_for_questions(int family, int type)
{
	_cleanup_close_ int listener = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct sockaddr_in6 address6 = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	bool six = family == AF_INET6;
	int failed = listener < 0;

	if (!failed && six)
		failed = set(listener, IPPROTO_IPV6, IPV6_V6ONLY) < 0 ||
			 set(listener, IPPROTO_IPV6, IPV6_RECVPKTINFO) < 0;
	else if (!failed && type == SOCK_DGRAM)
		failed = set(listener, IPPROTO_IP, IP_PKTINFO) < 0;
	if (!failed)
		failed = bind(listener,
			      six ? (struct sockaddr *)&address6 : (struct sockaddr *)&address,
			      six ? sizeof(address6) : sizeof(address)) < 0;
	if (!failed && type == SOCK_STREAM)
		failed = listen(listener, BACKLOG) < 0;
	return failed ? -errno : descriptor_take(&listener);
}

static int fill(int descriptors[SPACE_DESCRIPTORS])
{
	struct problem unused = { 0 };
	int error;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	settle_ipv6();
	bound_sending();
	/* for root's sessions: network_start(); else network_enter() does it */
	descriptor_write_file(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", "1 1");
	error = confine_raise_loopback(&unused);
	if (error)
		return error;
	descriptors[SPACE_NAMESPACE] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (descriptors[SPACE_NAMESPACE] < 0)
		return -errno;
	descriptors[SPACE_ROUTES] = netlink_open(NETLINK_ROUTE, 0);
	descriptors[SPACE_POLICIES] = netlink_open(NETLINK_XFRM, 0);
	descriptors[SPACE_WATCH] = netlink_open(NETLINK_ROUTE, NETLINK_ROUTE_GROUPS);
	descriptors[SPACE_DATAGRAMS] = listen_for_questions(AF_INET, SOCK_DGRAM);
	descriptors[SPACE_STREAMS] = listen_for_questions(AF_INET, SOCK_STREAM);
	for (int i = 0; i < SPACE_DATAGRAMS6; i++)
		if (descriptors[i] < 0)
			return descriptors[i];
	error = addresses_forbid_groups(descriptors[SPACE_POLICIES]);
	if (error)
		return error;
	descriptors[SPACE_DATAGRAMS6] = listen_for_questions(AF_INET6, SOCK_DGRAM);
	descriptors[SPACE_STREAMS6] = listen_for_questions(AF_INET6, SOCK_STREAM);
	return 0;
}

struct making {
	int *descriptors;
	int error;
};

static int make(void *pointer)
{
	struct making *making = pointer;

	making->error = fill(making->descriptors);
	_exit(0);
}

int space_make(int ret_descriptors[SPACE_DESCRIPTORS])
{
	struct making making = { .descriptors = ret_descriptors };

	pid_t child;

	for (int i = 0; i < SPACE_DESCRIPTORS; i++)
		ret_descriptors[i] = -1;
	/* with the caller's descriptors too: only its network is another */
	child = process_borrow(CLONE_FILES, make, &making);
	return child < 0 ? child : making.error;
}
