// SPDX-License-Identifier: GPL-2.0
/*
 * The guard: programs on a session's cgroup that keep what shares the host's network with everybody
 * from everybody on this machine, in both directions.
 *
 * What counts are `outwards` and `inwards`, which see every packet of every socket of the
 * session's, also one that was sent without connecting. A packet that goes through the loopback
 * device stays on this machine, whatever address of the host's it is for: it passes only between
 * two sockets of the session's, each of which is in the session's cgroup or one below it. The
 * kernel is asked which sockets those are. Name servers on this machine that resolv.conf names are
 * an exit, port 53 of them.
 *
 * The others serve two ends. An error comes at once where dropping would mean waiting. And what the
 * two cannot see is not there: multicast over IPv4 (the copy for this machine is made before the
 * packet passes by), broadcast, groups of sockets that share a port (SO_REUSEPORT: a public program
 * could put itself into the session's, and a filter says who gets what), protocols whose sockets
 * cannot be looked up. Network namespaces that a session makes itself are its own affair, as far as
 * a program can tell which one it works for; loopback ones pass, since all who are there are its
 * own.
 *
 * Only fields of the stable interface are read, so that one object does for all kernels since 6.1,
 * without type information or relocations against any. There is nothing that a program could do if
 * it fails but refuse.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include "guard.h"

/* tools/make-guard goes by these sections. */
#define PROGRAM(name, context) __attribute__((section("program." #name), used)) int name(context)
#define inlined static inline __attribute__((always_inline))

/* The first device of every network namespace, and no other has that number. */
#define LOOPBACK_DEVICE 1

#define REFUSE 0
#define PASS 1
#define LOSE 2 /* only of `outwards`: dropped as if on the way, which is no error for datagrams */

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOL_SOCKET 1
#define SO_BROADCAST 6
#define SO_REUSEPORT 15
#define EPERM 1
#define ENOPROTOOPT 92
#define EPROTONOSUPPORT 93
#define EADDRINUSE 98
#define ECONNREFUSED 111

#define NAME_SERVICE_PORT __builtin_bswap16(53)
#define FLAGS_OFFSET 13 /* in the header of TCP */
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10
#define FRAGMENT __builtin_bswap16(0x3fff) /* an offset, or more to come */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "network byte order is swapped by hand here"
#endif

/* The maps: tools/make-guard knows them by these names. */
extern char facts;
extern char places;
extern char marks;

static void *(*const map_find)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const load_bytes)(const void *skb, __u32 offset, void *to,
				__u32 length) = (void *)BPF_FUNC_skb_load_bytes;
static struct bpf_sock *(*const find_tcp)(void *context, struct bpf_sock_tuple *tuple, __u32 size,
					  __u64 network,
					  __u64 flags) = (void *)BPF_FUNC_skc_lookup_tcp;
static struct bpf_sock *(*const find_udp)(void *context, struct bpf_sock_tuple *tuple, __u32 size,
					  __u64 network,
					  __u64 flags) = (void *)BPF_FUNC_sk_lookup_udp;
static long (*const release)(struct bpf_sock *socket) = (void *)BPF_FUNC_sk_release;
static struct bpf_sock *(*const full_socket)(struct bpf_sock *socket) = (void *)
	BPF_FUNC_sk_fullsock;
static __u64 (*const cgroup_at)(struct bpf_sock *socket,
				int level) = (void *)BPF_FUNC_sk_ancestor_cgroup_id;
static void *(*const mark_of)(void *map, void *socket, const void *value,
			      __u64 flags) = (void *)BPF_FUNC_sk_storage_get;
static __u64 (*const network_of)(void *context) = (void *)BPF_FUNC_get_netns_cookie;
static int (*const set_error)(int error) = (void *)BPF_FUNC_set_retval;

/* One end, or both, of what is looked up; IPv4 as ::ffff:a.b.c.d. Ports as on the wire. */
struct ends {
	__u32 source[4];
	__u32 target[4];
	__u16 source_port, target_port;
};

enum finding { NOBODY, SESSION, OTHER };

inlined const struct guard_facts *get_facts(void)
{
	__u32 first = 0;

	return map_find(&facts, &first);
}

/* One branch, where there could be three: the verifier follows each, which is what loading costs.
 */
inlined int is_ipv4(const __u32 *address)
{
	return !(address[0] | address[1] | (address[2] ^ __builtin_bswap32(0xffff)));
}

inlined int is_multicast(const __u32 *address, int ipv4)
{
	if (ipv4)
		return (address[3] & 0xf0) == 0xe0 || address[3] == 0xffffffff;
	return (address[0] & 0xff) == 0xff;
}

inlined int is_place(const __u32 *address, __u32 kind)
{
	struct guard_place place = {
		.address = { address[0], address[1], address[2], address[3] },
		.kind = kind,
	};

	return !!map_find(&places, &place);
}

inlined int is_name_server(const __u32 *address, __u16 port)
{
	return port == NAME_SERVICE_PORT && is_place(address, GUARD_NAME_SERVER);
}

/* Loopback, "any", which the kernel takes for it, and what the host had when the session began. */
inlined int is_here(const __u32 *address, int ipv4)
{
	if (ipv4 ? (address[3] & 0xff) == 127 || !address[3]
		 : !(address[0] | address[1] | address[2] | (address[3] & ~__builtin_bswap32(1))))
		return 1;
	return is_place(address, GUARD_OWN);
}

/*
 * Programs that see packets can ask for a socket's cgroup (and are answered for the one that
 * listens where a connection is being made); those that see addresses cannot, so that sockets which
 * the session makes are marked besides.
 *
 * One that is bound to a device is never the session's: the look-up knows of loopback alone, where
 * the kernel goes by the device that a packet was sent by or that has its address, and finds a
 * public program's socket at the same port that is bound to that.
 */
inlined int is_sessions(struct bpf_sock *socket, const struct guard_facts *known)
{
	if (socket->bound_dev_if)
		return 0;
	if (known)
		return cgroup_at(socket, known->level) == known->cgroup;
	return !!mark_of(&marks, socket, 0, 0);
}

/*
 * Whose socket would get a packet from @ends' source to its target? @known: NULL where sockets are
 * told by their mark.
 */
inlined enum finding find(void *context, const struct ends *ends, int ipv4, int tcp,
			  const struct guard_facts *known)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	enum finding found = NOBODY;
	__u32 size;

	if (ipv4) {
		tuple.ipv4.saddr = ends->source[3];
		tuple.ipv4.daddr = ends->target[3];
		tuple.ipv4.sport = ends->source_port;
		tuple.ipv4.dport = ends->target_port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, ends->source, sizeof(ends->source));
		__builtin_memcpy(tuple.ipv6.daddr, ends->target, sizeof(ends->target));
		tuple.ipv6.sport = ends->source_port;
		tuple.ipv6.dport = ends->target_port;
		size = sizeof(tuple.ipv6);
	}
	if (tcp) {
		socket = find_tcp(context, &tuple, size, BPF_F_CURRENT_NETNS, 0);
		if (socket) {
			/* what has been closed at both ends is no socket any more, and nobody's */
			if (is_sessions(socket, known))
				found = SESSION;
			else if (socket->state != BPF_TCP_TIME_WAIT)
				found = OTHER;
			release(socket);
		}
	} else {
		socket = find_udp(context, &tuple, size, BPF_F_CURRENT_NETNS, 0);
		if (socket) {
			found = is_sessions(socket, known) ? SESSION : OTHER;
			release(socket);
		}
	}
	return found;
}

/* ---- packets ---- */

struct packet {
	struct ends ends;
	__u8 ipv4;
	__u8 protocol;
	__u8 opens;  /* TCP: it asks for a connection */
	__u8 resets; /* TCP: it ends one */
};

/* The kernel puts this between IPv6 and TCP where it sends more than 64 KiB at once (BIG TCP), as
 * it does by the loopback device. */
struct jumbo {
	__u8 nexthdr, length; /* of it, in units of 8 bytes besides the first */
	__u8 option, option_length;
	__u8 payload[4];
};

inlined void mapped(__u32 *to, __u32 address)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = __builtin_bswap32(0xffff);
	to[3] = address;
}

/* Addresses and protocol. 0, or -1 for what no program sends by the sockets that a session has. */
inlined int read_addresses(struct __sk_buff *skb, struct packet *packet, __u32 *ret_offset)
{
	if (skb->protocol == __builtin_bswap16(ETH_P_IP)) {
		struct iphdr header;

		if (load_bytes(skb, 0, &header, sizeof(header)) < 0)
			return -1;
		mapped(packet->ends.source, header.saddr);
		mapped(packet->ends.target, header.daddr);
		packet->ipv4 = 1;
		packet->protocol = header.protocol;
		*ret_offset = sizeof(header);
		/* with options, a source route for example; not whole */
		return header.ihl == 5 && !(header.frag_off & FRAGMENT) ? 0 : -1;
	}
	if (skb->protocol == __builtin_bswap16(ETH_P_IPV6)) {
		struct ipv6hdr header;

		if (load_bytes(skb, 0, &header, sizeof(header)) < 0)
			return -1;
		__builtin_memcpy(packet->ends.source, &header.saddr, sizeof(header.saddr));
		__builtin_memcpy(packet->ends.target, &header.daddr, sizeof(header.daddr));
		packet->ipv4 = 0;
		packet->protocol = header.nexthdr;
		*ret_offset = sizeof(header);
		if (header.nexthdr == IPPROTO_HOPOPTS && !header.payload_len) {
			struct jumbo jumbo;

			if (load_bytes(skb, sizeof(header), &jumbo, sizeof(jumbo)) < 0 ||
			    jumbo.length || jumbo.option != IPV6_TLV_JUMBO ||
			    jumbo.option_length != sizeof(jumbo.payload))
				return -1;
			packet->protocol = jumbo.nexthdr;
			*ret_offset += sizeof(jumbo);
		}
		return 0;
	}
	return -1;
}

inlined int read_ports(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	__u16 ports[2];
	__u8 flags;

	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return -1;
	if (load_bytes(skb, offset, ports, sizeof(ports)) < 0)
		return -1;
	packet->ends.source_port = ports[0];
	packet->ends.target_port = ports[1];
	packet->opens = 0;
	packet->resets = 0;
	if (packet->protocol == IPPROTO_UDP)
		return 0;
	if (load_bytes(skb, offset + FLAGS_OFFSET, &flags, sizeof(flags)) < 0)
		return -1;
	packet->opens = (flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN;
	packet->resets = !!(flags & FLAG_RST);
	return 0;
}

/*
 * Nobody there: a packet that belongs to a connection gets at most a reset as its answer, and must,
 * or the session's end of it would wait. One that opens a connection, or a datagram, could be for a
 * socket that the look-up does not know, since it knows nothing of devices that sockets are bound
 * to.
 * @lost: what becomes of a datagram then; whoever was asked something may well be gone.
 */
inlined int verdict(enum finding found, const struct packet *packet, int lost)
{
	if (found == SESSION)
		return PASS;
	if (found == OTHER)
		return REFUSE;
	return packet->protocol == IPPROTO_TCP ? !packet->opens : lost;
}

/*
 * The kernel has sockets of its own in each network namespace that a session makes, which count as
 * the session's: all of those are raw, and no raw one is to be had in the host's.
 */
inlined int is_the_kernels(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;

	socket = socket ? full_socket(socket) : 0;
	return socket && socket->type == SOCK_RAW;
}

PROGRAM(outwards, struct __sk_buff *skb)
{
	const struct guard_facts *known = get_facts();
	/* whole, whatever becomes of it: the verifier looks */
	struct packet packet = {};
	enum finding found;
	__u32 offset = 0;

	if (!known)
		return REFUSE;
	/* for `inwards`; elsewhere it would choose among queues */
	if (skb->ifindex == LOOPBACK_DEVICE)
		skb->priority = known->sign;
	else if (skb->priority == known->sign)
		skb->priority = 0;
	if (is_the_kernels(skb))
		return PASS;
	if (read_addresses(skb, &packet, &offset) < 0 ||
	    is_multicast(packet.ends.target, packet.ipv4))
		return REFUSE;
	if (skb->ifindex != LOOPBACK_DEVICE)
		return PASS;
	if (read_ports(skb, &packet, offset) < 0)
		return REFUSE;
	if (is_name_server(packet.ends.target, packet.ends.target_port))
		return PASS;
	/* also what opens a connection: somebody who asks for one between the same ends gets it,
	 * whoever listens there */
	found = find(skb, &packet.ends, packet.ipv4, packet.protocol == IPPROTO_TCP, known);
	if (found == NOBODY && packet.opens) {
		/* an old connection that had the same ends: then whoever listens */
		packet.ends.source_port = 0;
		found = find(skb, &packet.ends, packet.ipv4, 1, known);
	}
	return verdict(found, &packet, LOSE);
}

/*
 * What a session's socket has sent on this machine is signed. Who has sent something else is not to
 * be told by its addresses: a program may send from any address of the machine's, and so in the
 * name of a socket of the session's at the same port of another address. Only of TCP there is more:
 * resets and last answers, which the kernel makes without a socket.
 */
PROGRAM(inwards, struct __sk_buff *skb)
{
	const struct guard_facts *known = get_facts();
	/* whole, whatever becomes of it: the verifier looks */
	struct packet packet = {};
	enum finding found;
	struct ends back;
	__u32 offset = 0;

	if (!known)
		return REFUSE;
	if (is_the_kernels(skb))
		return PASS;
	/* what another program of this machine sent to a group comes by the device it went out by
	 */
	if (skb->pkt_type == PACKET_LOOPBACK)
		return REFUSE;
	if (skb->ifindex != LOOPBACK_DEVICE || (known->sign && skb->priority == known->sign))
		return PASS;
	if (read_addresses(skb, &packet, &offset) < 0 || read_ports(skb, &packet, offset) < 0)
		return REFUSE;
	if (is_name_server(packet.ends.source, packet.ends.source_port))
		return PASS;
	if (packet.protocol != IPPROTO_TCP)
		return REFUSE;
	/* whose is the socket that an answer would come to? */
	__builtin_memcpy(back.source, packet.ends.target, sizeof(back.source));
	__builtin_memcpy(back.target, packet.ends.source, sizeof(back.target));
	back.source_port = packet.ends.target_port;
	back.target_port = packet.ends.source_port;
	found = find(skb, &back, packet.ipv4, 1, known);
	if (found == SESSION)
		return packet.resets ? PASS : REFUSE;
	return verdict(found, &packet, REFUSE);
}

/* ---- addresses that programs name ---- */

inlined int refuse(int error)
{
	set_error(-error);
	return REFUSE;
}

inlined int is_in_host(void *context)
{
	const struct guard_facts *known = get_facts();

	return known && known->network == network_of(context);
}

/*
 * connect(2) to @ends' target: an error at once, where `outwards` would let a connection wait.
 * Datagrams it refuses itself, with an error for whoever sends them.
 */
inlined int reach(struct bpf_sock_addr *context, struct ends *ends, int ipv4)
{
	if (!is_in_host(context))
		return PASS;
	if (is_multicast(ends->target, ipv4))
		return refuse(EPERM);
	if (context->protocol != IPPROTO_TCP || !is_here(ends->target, ipv4) ||
	    is_name_server(ends->target, ends->target_port))
		return PASS;
	/* "any" is this machine */
	if (ipv4 && !ends->target[3])
		ends->target[3] = __builtin_bswap32(0x7f000001);
	if (!ipv4 && !(ends->target[0] | ends->target[1] | ends->target[2] | ends->target[3]))
		ends->target[3] = __builtin_bswap32(1);
	return find(context, ends, ipv4, 1, 0) == SESSION ? PASS : refuse(ECONNREFUSED);
}

inlined void take_ipv4(struct bpf_sock_addr *context, struct ends *ends)
{
	mapped(ends->target, context->user_ip4);
	ends->target_port = (__u16)context->user_port;
}

inlined void take_ipv6(struct bpf_sock_addr *context, struct ends *ends)
{
	ends->target[0] = context->user_ip6[0];
	ends->target[1] = context->user_ip6[1];
	ends->target[2] = context->user_ip6[2];
	ends->target[3] = context->user_ip6[3];
	ends->target_port = (__u16)context->user_port;
}

PROGRAM(connect4, struct bpf_sock_addr *context)
{
	struct ends ends = {};

	take_ipv4(context, &ends);
	return reach(context, &ends, 1);
}

PROGRAM(connect6, struct bpf_sock_addr *context)
{
	struct ends ends = {};

	take_ipv6(context, &ends);
	return reach(context, &ends, is_ipv4(ends.target));
}

/* Also those to an IPv4 address by a socket for IPv6; multicast over IPv6 is seen by `outwards`. */
PROGRAM(sendmsg4, struct bpf_sock_addr *context)
{
	struct ends ends = {};

	take_ipv4(context, &ends);
	return is_multicast(ends.target, 1) && is_in_host(context) ? refuse(EPERM) : PASS;
}

/*
 * Two sockets for datagrams may have the same address when both say SO_REUSEADDR, and the last one
 * gets all: not what is meant for a public program, nor the other way round.
 */
inlined int claim(struct bpf_sock_addr *context, struct ends *ends, int ipv4)
{
	if (context->protocol != IPPROTO_UDP || !ends->target_port || !is_in_host(context))
		return PASS;
	return find(context, ends, ipv4, 0, 0) == OTHER ? refuse(EADDRINUSE) : PASS;
}

PROGRAM(bind4, struct bpf_sock_addr *context)
{
	struct ends ends = {};

	take_ipv4(context, &ends);
	return claim(context, &ends, 1);
}

PROGRAM(bind6, struct bpf_sock_addr *context)
{
	struct ends ends = {};

	take_ipv6(context, &ends);
	return claim(context, &ends, is_ipv4(ends.target));
}

/* ---- sockets ---- */

PROGRAM(create, struct bpf_sock *socket)
{
	const struct guard_facts *known = get_facts();
	__u32 protocol = socket->protocol;

	if (!is_in_host(socket) || (socket->family != AF_INET && socket->family != AF_INET6))
		return PASS;
	/* without memory for it: a socket that the session itself does not reach */
	mark_of(&marks, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
	/* on Linux 6.1 `outwards` does not see a listener's first answer over IPv6 */
	if (known)
		socket->priority = known->sign;
	if (socket->type == SOCK_STREAM && protocol == IPPROTO_TCP)
		return PASS;
	if (socket->type == SOCK_DGRAM &&
	    (protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6))
		return PASS;
	return refuse(EPROTONOSUPPORT);
}

PROGRAM(option, struct bpf_sockopt *context)
{
	struct bpf_sock *socket = context->sk;
	__u8 *value = context->optval, *end = context->optval_end;
	int length = context->optlen, name = context->optname;

	/* what is longer than a page is not shown to programs, and refused unless one says this */
	if (length > end - value)
		context->optlen = 0;
	if (context->level != SOL_SOCKET || (name != SO_REUSEPORT && name != SO_BROADCAST))
		return PASS;
	if (!socket || (socket->family != AF_INET && socket->family != AF_INET6))
		return PASS;
	if (!is_in_host(context))
		return PASS;
	if (value + sizeof(__u32) > end || !*(__u32 *)value)
		return PASS;
	return refuse(name == SO_REUSEPORT ? ENOPROTOOPT : EPERM);
}

/* ---- devices ---- */

/*
 * The nodes that the session's /dev has (src/view/fresh.c), by their numbers. It has no others, and
 * nodes elsewhere are not opened (nodev): this holds if one of these two ever fails.
 */
PROGRAM(device, struct bpf_cgroup_dev_ctx *context)
{
	const struct guard_facts *known;

	if ((context->access_type & 0xffff) != BPF_DEVCG_DEV_CHAR)
		return REFUSE;
	switch (context->major) {
	case 1: /* null, zero, full, random, urandom */
		return context->minor == 3 || context->minor == 5 ||
		       (context->minor >= 7 && context->minor <= 9);
	case 5: /* tty, ptmx */
		return context->minor == 0 || context->minor == 2;
	case 10: /* net/tun */
		known = get_facts();
		return context->minor == 200 && known && known->pasta;
	default: /* pts/N */
		return context->major >= 136 && context->major <= 143;
	}
}
