// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets: by path, by abstract name, by address, by netlink. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "flow.h"

/* Of the host that tests/flow/stage.py makes: two of its own, its gateway, which nobody is. */
static const char *const addresses[] = {
	"127.0.0.1", "::1",	  "10.77.0.2", "10.78.0.5",  "fd77::2",
	"fd78::5",   "10.77.0.1", "0.0.0.0",   "127.55.0.1",
};
#define ADDRESSES (sizeof(addresses) / sizeof(*addresses))
#define GROUP4 "239.255.77.1"
#define GROUP6 "ff02::7701"
#define PORT 17700

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_un unix_;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_nl netlink;
		struct sockaddr_storage room;
	};
	socklen_t size;
	char name[80];
};

static void draw_address(struct flow *flow, struct address *address)
{
	const char *text = addresses[draw(flow, ADDRESSES)];
	in_port_t port = htons((in_port_t)(PORT + draw(flow, NAMES)));

	*address = (struct address){ 0 };
	snprintf(address->name, sizeof(address->name), "%s port %u", text, ntohs(port));
	if (strchr(text, ':')) {
		address->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		inet_pton(AF_INET6, text, &address->in6.sin6_addr);
		address->size = sizeof(address->in6);
	} else {
		address->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		inet_pton(AF_INET, text, &address->in.sin_addr);
		address->size = sizeof(address->in);
	}
}

static void draw_unix(struct flow *flow, struct address *address)
{
	*address = (struct address){ .unix_ = { .sun_family = AF_UNIX },
				     .size = sizeof(address->unix_) };
	draw_path(flow, address->name, sizeof(address->name), 's');
	snprintf(address->unix_.sun_path, sizeof(address->unix_.sun_path), "%s", address->name);
}

/* Abstract names have owners, so that it can be told who reached whom. */
static void draw_abstract(struct flow *flow, enum role owner, struct address *address)
{
	int length;

	*address = (struct address){ .unix_ = { .sun_family = AF_UNIX } };
	length = snprintf(address->unix_.sun_path + 1, sizeof(address->unix_.sun_path) - 1,
			  "%s-%c%u", flow->scene.prefix, ROLE_LETTER(owner), draw(flow, NAMES));
	snprintf(address->name, sizeof(address->name), "@%s", address->unix_.sun_path + 1);
	address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int make_socket(int family, int type, int protocol)
{
	const int yes = 1;
	int made = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (made < 0)
		return -errno;
	if (family == AF_INET || family == AF_INET6) {
		setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
		setsockopt(made, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	}
	return made;
}

/* Receives once, descriptors too, and where it came from. */
static int receive(struct flow *flow, enum kind kind, const char *object, int from)
{
	char bytes[4096], control[256];
	struct sockaddr_storage address;
	struct iovec vector = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_name = &address,
				  .msg_namelen = sizeof(address),
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t size;

	wait_for(from, POLLIN, (int)draw(flow, 6));
	size = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (size < 0)
		return -errno;
	taken(flow, kind, object, bytes, size);
	if (message.msg_namelen > 0 && message.msg_namelen <= sizeof(address))
		taken(flow, kind, object, &address, message.msg_namelen);
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
	     header = CMSG_NXTHDR(&message, header)) {
		int got;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= header->cmsg_len - CMSG_LEN(0);
		     at += sizeof(int)) {
			memcpy(&got, CMSG_DATA(header) + at, sizeof(int));
			slot_fill(flow, KIND_DESCRIPTOR, got);
		}
	}
	return 0;
}

static int send_to(struct flow *flow, int to, const struct address *address)
{
	char bytes[64];
	size_t size = payload(flow, bytes, sizeof(bytes));

	return sendto(to, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, &address->any, address->size) <
			       0
		       ? -errno
		       : 0;
}

static int serve(struct flow *flow, enum kind kind, int type, const struct address *address)
{
	int server = make_socket(address->any.sa_family, type, 0);

	if (server < 0)
		return server;
	if (address->any.sa_family == AF_UNIX && address->unix_.sun_path[0] && draw(flow, 2))
		unlink(address->unix_.sun_path);
	if (bind(server, &address->any, address->size) < 0 ||
	    (type != SOCK_DGRAM && listen(server, 8) < 0)) {
		int error = -errno;

		close(server);
		return error;
	}
	slot_fill(flow, kind, server);
	return 0;
}

static int connect_to(struct flow *flow, enum kind kind, int type, const struct address *address)
{
	int client = make_socket(address->any.sa_family, type, 0), error = 0;
	enum kind answers = kind == KIND_ABSTRACT ? KIND_ABSTRACT_INWARD : kind;

	if (client < 0)
		return client;
	if (connect(client, &address->any, address->size) < 0)
		error = errno == EINPROGRESS && wait_for(client, POLLOUT, 5) ? 0 : -errno;
	if (!error)
		error = give_to(flow, client);
	if (!error && scene_has(&flow->scene, answers))
		receive(flow, answers, address->name, client);
	if (error)
		close(client);
	else
		slot_fill(flow, answers, client);
	return error;
}

/* Whatever server of one's own: takes a connection, and what comes by it. */
static int accept_any(struct flow *flow)
{
	struct slot *slot = slot_draw_kind(flow, KIND_UNIX, KIND_NETLINK);
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	enum kind kind;
	int taker;

	if (!slot)
		return -EBADF;
	kind = slot->kind;
	wait_for(slot->descriptor, POLLIN, (int)draw(flow, 6));
	taker = accept4(slot->descriptor, (struct sockaddr *)&address, &size,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (taker < 0)
		return receive(flow, kind, "a socket held", slot->descriptor);
	taken(flow, kind, "the name of who connected", &address, size);
	if (kind != KIND_ABSTRACT || scene_has(&flow->scene, KIND_ABSTRACT_INWARD))
		give_to(flow, taker);
	receive(flow, kind, "a connection accepted", taker);
	slot_fill(flow, kind, taker);
	return 0;
}

static int draw_type(struct flow *flow)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

	return types[draw(flow, 3)];
}

static int path_serve(struct flow *flow)
{
	struct address address;

	draw_unix(flow, &address);
	return serve(flow, KIND_UNIX, draw_type(flow), &address);
}

static int path_connect(struct flow *flow)
{
	struct address address;

	draw_unix(flow, &address);
	return connect_to(flow, KIND_UNIX, draw_type(flow), &address);
}

static int abstract_serve(struct flow *flow)
{
	struct address address;

	if (flow->role != ROLE_PUBLIC && !scene_has(&flow->scene, KIND_ABSTRACT_INWARD))
		return -ECANCELED;
	draw_abstract(flow, flow->role, &address);
	return serve(flow, KIND_ABSTRACT, draw_type(flow), &address);
}

static int abstract_connect(struct flow *flow)
{
	struct address address;

	draw_abstract(flow, draw(flow, ROLES), &address);
	return connect_to(flow, KIND_ABSTRACT, draw_type(flow), &address);
}

/* A name can be what is told. */
static int name_bind(struct flow *flow)
{
	struct address address;
	int made = make_socket(AF_UNIX, SOCK_DGRAM, 0);

	if (made < 0)
		return made;
	draw_abstract(flow, flow->role, &address);
	payload(flow, address.unix_.sun_path + address.size - 2 - sizeof(sa_family_t), 32);
	address.size += 30;
	if (bind(made, &address.any, address.size) < 0) {
		close(made);
		return -errno;
	}
	slot_fill(flow, KIND_BOUND_NAME, made);
	return 0;
}

static int name_look(struct flow *flow)
{
	char bytes[4096];
	int table = open("/proc/self/net/unix", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (table < 0)
		return -errno;
	for (int i = 0; i < 16 && (size = read(table, bytes, sizeof(bytes))) > 0; i++)
		taken(flow, KIND_BOUND_NAME, "/proc/self/net/unix", bytes, size);
	close(table);
	return 0;
}

static int tcp_serve(struct flow *flow)
{
	struct address address;

	draw_address(flow, &address);
	return serve(flow, KIND_TCP, SOCK_STREAM, &address);
}

static int tcp_connect(struct flow *flow)
{
	struct address address;

	draw_address(flow, &address);
	return connect_to(flow, KIND_TCP, SOCK_STREAM, &address);
}

static int udp_serve(struct flow *flow)
{
	struct address address;

	draw_address(flow, &address);
	return serve(flow, KIND_UDP, SOCK_DGRAM, &address);
}

static int udp_send(struct flow *flow)
{
	struct address address;

	draw_address(flow, &address);
	return connect_to(flow, KIND_UDP, SOCK_DGRAM, &address);
}

/* On every interface there is, since a route for all need not be. */
static void join(int member)
{
	struct if_nameindex *interfaces = if_nameindex();

	for (struct if_nameindex *each = interfaces; each && each->if_index; each++) {
		struct ip_mreqn request4 = { .imr_ifindex = (int)each->if_index };
		struct ipv6_mreq request6 = { .ipv6mr_interface = each->if_index };

		inet_pton(AF_INET, GROUP4, &request4.imr_multiaddr);
		inet_pton(AF_INET6, GROUP6, &request6.ipv6mr_multiaddr);
		setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request4, sizeof(request4));
		setsockopt(member, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request6, sizeof(request6));
	}
	if_freenameindex(interfaces);
}

static int group_serve(struct flow *flow)
{
	struct address address = {
		.in6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT + NAMES) },
		.size = sizeof(address.in6),
	};
	int member;

	if (draw(flow, 2)) {
		address.in = (struct sockaddr_in){ .sin_family = AF_INET,
						   .sin_port = htons(PORT + NAMES) };
		address.size = sizeof(address.in);
	}
	member = make_socket(address.any.sa_family, SOCK_DGRAM, 0);
	if (member < 0)
		return member;
	if (bind(member, &address.any, address.size) < 0) {
		close(member);
		return -errno;
	}
	join(member);
	slot_fill(flow, KIND_GROUP, member);
	return 0;
}

static int group_send(struct flow *flow)
{
	static const char *const groups[] = { GROUP4, "255.255.255.255", "10.77.0.255" };
	static const char *const interfaces[] = { "lo", "eth0" };
	struct address address = { 0 };
	unsigned number = draw(flow, 4);
	int index = (int)if_nametoindex(interfaces[draw(flow, 2)]), from, error;

	if (number == 3) {
		address.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						     .sin6_port = htons(PORT + NAMES),
						     .sin6_scope_id = (unsigned)index };
		inet_pton(AF_INET6, GROUP6, &address.in6.sin6_addr);
		address.size = sizeof(address.in6);
	} else {
		address.in = (struct sockaddr_in){ .sin_family = AF_INET,
						   .sin_port = htons(PORT + NAMES) };
		inet_pton(AF_INET, groups[number], &address.in.sin_addr);
		address.size = sizeof(address.in);
	}
	from = make_socket(address.any.sa_family, SOCK_DGRAM, 0);
	if (from < 0)
		return from;
	if (number < 3) {
		struct ip_mreqn through = { .imr_ifindex = index };

		setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof(through));
	}
	error = send_to(flow, from, &address);
	close(from);
	return error;
}

static void netlink_name(struct flow *flow, enum role owner, struct address *address)
{
	*address = (struct address){
		.netlink = { .nl_family = AF_NETLINK,
			     .nl_pid = 0x770000 + (unsigned)owner * NAMES + draw(flow, NAMES) },
		.size = sizeof(address->netlink),
	};
}

/* A socket by a ring: its calls pass no filter. */
static int ring_socket(int family, int type, int protocol)
{
	struct io_uring_params parameters = { 0 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &parameters), made = -ENOSYS;
	size_t size = parameters.sq_off.array + sizeof(unsigned);
	size_t results = parameters.cq_off.cqes + 2 * sizeof(struct io_uring_cqe);
	char *queue, *answers;
	struct io_uring_sqe *entry;

	if (ring < 0)
		return -errno;
	queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	answers = mmap(NULL, results, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	entry = mmap(NULL, sizeof(*entry), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		     IORING_OFF_SQES);
	if (queue != MAP_FAILED && answers != MAP_FAILED && entry != MAP_FAILED) {
		*entry = (struct io_uring_sqe){ .opcode = IORING_OP_SOCKET,
						.fd = family,
						.off = (unsigned)(type),
						.len = (unsigned)protocol };
		*(unsigned *)(void *)(queue + parameters.sq_off.array) = 0;
		__atomic_store_n((unsigned *)(void *)(queue + parameters.sq_off.tail), 1,
				 __ATOMIC_RELEASE);
		if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1)
			made = ((struct io_uring_cqe *)(void *)(answers + parameters.cq_off.cqes))
				       ->res;
	}
	if (entry != MAP_FAILED)
		munmap(entry, sizeof(*entry));
	if (answers != MAP_FAILED)
		munmap(answers, results);
	if (queue != MAP_FAILED)
		munmap(queue, size);
	close(ring);
	return made;
}

/* Programs may speak to programs by it, and to groups. */
static int netlink_talk(struct flow *flow, int made)
{
	struct address own, other;
	int error;

	if (made < 0)
		return made;
	fcntl(made, F_SETFL, O_NONBLOCK);
	netlink_name(flow, flow->role, &own);
	own.netlink.nl_groups = 1;
	netlink_name(flow, draw(flow, ROLES), &other);
	if (draw(flow, 4) == 0)
		other.netlink.nl_pid = 0, other.netlink.nl_groups = 1;
	if (bind(made, &own.any, own.size) < 0) {
		/* groups are for root alone */
		own.netlink.nl_groups = 0;
		bind(made, &own.any, own.size);
	}
	error = send_to(flow, made, &other);
	receive(flow, KIND_NETLINK, "netlink", made);
	slot_fill(flow, KIND_NETLINK, made);
	return error;
}

static int netlink_any(struct flow *flow)
{
	return netlink_talk(flow, make_socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK));
}

static int netlink_ring(struct flow *flow)
{
	return netlink_talk(flow,
			    ring_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK));
}

const struct call socket_calls[] = {
	{ "accept, recvmsg", KIND_UNIX, 60, 0, accept_any },
	{ "bind a path", KIND_UNIX, 10, 0, path_serve },
	{ "connect to a path", KIND_UNIX, 25, 0, path_connect },
	{ "bind an abstract name", KIND_ABSTRACT, 8, 0, abstract_serve },
	{ "connect to an abstract name", KIND_ABSTRACT, 15, 0, abstract_connect },
	{ "bind a name that tells", KIND_BOUND_NAME, 5, GIVES, name_bind },
	{ "read /proc/self/net/unix", KIND_BOUND_NAME, 2, 0, name_look },
	{ "bind, listen", KIND_TCP, 12, 0, tcp_serve },
	{ "connect", KIND_TCP, 25, 0, tcp_connect },
	{ "bind a datagram socket", KIND_UDP, 12, 0, udp_serve },
	{ "send a datagram", KIND_UDP, 25, 0, udp_send },
	{ "join a group", KIND_GROUP, 6, 0, group_serve },
	{ "send to all", KIND_GROUP, 15, GIVES, group_send },
	{ "netlink", KIND_NETLINK, 10, 0, netlink_any },
	{ "netlink by io_uring", KIND_NETLINK, 5, 0, netlink_ring },
	{ 0 },
};
