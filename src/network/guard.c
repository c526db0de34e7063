// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads and attaches the guard's programs, by bpf(2) alone: they need neither relocations nor type
 * information, so libbpf, libelf and zlib stay out of the privileged program, and out of its start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/btf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../bpf/guard.h"
#include "base/cleanup.h"
#include "base/descriptors.h"
#include "base/process.h"
#include "control/channel.h"
#include "network/guard.h"
#include "network/netlink.h"
#include "network/resolver.h"

/* Not in the headers of every libc that we build with. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define INSTRUCTIONS_MAX 1024
#define LOAD_MILLISECONDS 5000
#define REAP_MILLISECONDS 1000

static const struct {
	enum bpf_prog_type type;
	enum bpf_attach_type place;
} kinds[GUARD_PROGRAMS] = {
	[GUARD_OUTWARDS] = { BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS },
	[GUARD_INWARDS] = { BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS },
	[GUARD_CONNECT4] = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT },
	[GUARD_CONNECT6] = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT },
	[GUARD_SENDMSG4] = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG },
	[GUARD_BIND4] = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND },
	[GUARD_BIND6] = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_BIND },
	[GUARD_CREATE] = { BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE },
	[GUARD_OPTION] = { BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT },
	[GUARD_DEVICE] = { BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE },
};

static int call(enum bpf_cmd command, union bpf_attr *attributes)
{
	int result = (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));

	return result < 0 ? -errno : result;
}

/*
 * The kernel wants the type of what it is to keep with a socket: this says `u32`, in as few bytes
 * as that can be said.
 */
static int describe_mark(void)
{
	static const struct {
		struct btf_header header;
		struct btf_type type;
		uint32_t integer;
		char names[5];
	} __attribute__((packed)) description = {
		.header = {
			.magic = BTF_MAGIC,
			.version = BTF_VERSION,
			.hdr_len = sizeof(struct btf_header),
			.type_len = sizeof(struct btf_type) + sizeof(uint32_t),
			.str_off = sizeof(struct btf_type) + sizeof(uint32_t),
			.str_len = sizeof(description.names),
		},
		.type = { .name_off = 1, .info = BTF_KIND_INT << 24, .size = sizeof(uint32_t) },
		.integer = 8 * sizeof(uint32_t),
		.names = "\0u32",
	};
	union bpf_attr attributes = {
		.btf = (uintptr_t)&description,
		.btf_size = sizeof(description),
	};

	return call(BPF_BTF_LOAD, &attributes);
}

static int make_map(enum guard_map map)
{
	_cleanup_close_ int description = map == GUARD_MARKS ? describe_mark() : -1;
	union bpf_attr attributes[GUARD_MAPS] = {
		[GUARD_FACTS] = {
			.map_type = BPF_MAP_TYPE_ARRAY,
			.key_size = sizeof(uint32_t),
			.value_size = sizeof(struct guard_facts),
			.max_entries = 1,
			.map_flags = BPF_F_RDONLY_PROG,
		},
		[GUARD_PLACES] = {
			.map_type = BPF_MAP_TYPE_HASH,
			.key_size = sizeof(struct guard_place),
			.value_size = sizeof(uint32_t),
			.max_entries = GUARD_PLACES_MAX,
			.map_flags = BPF_F_RDONLY_PROG | BPF_F_NO_PREALLOC,
		},
		[GUARD_MARKS] = {
			.map_type = BPF_MAP_TYPE_SK_STORAGE,
			.key_size = sizeof(uint32_t),
			.value_size = sizeof(uint32_t),
			.map_flags = BPF_F_NO_PREALLOC,
			.btf_fd = (uint32_t)description,
			.btf_key_type_id = 1,
			.btf_value_type_id = 1,
		},
	};

	if (map == GUARD_MARKS && description < 0)
		return description;
	snprintf(attributes[map].map_name, sizeof(attributes[map].map_name), "privexec_guard");
	return call(BPF_MAP_CREATE, &attributes[map]);
}

static int put(int map, const void *key, const void *value)
{
	union bpf_attr attributes = {
		.map_fd = (uint32_t)map,
		.key = (uintptr_t)key,
		.value = (uintptr_t)value,
	};

	return call(BPF_MAP_UPDATE_ELEM, &attributes);
}

static int load(const struct guard *guard, enum guard_program_number number)
{
	const struct guard_program *program = &guard_programs[number];
	struct bpf_insn instructions[INSTRUCTIONS_MAX];
	union bpf_attr attributes = {
		.prog_type = kinds[number].type,
		.expected_attach_type = kinds[number].place,
		.insns = (uintptr_t)instructions,
		.insn_cnt = (uint32_t)program->count,
		.license = (uintptr_t) "GPL",
	};

	if (program->count > INSTRUCTIONS_MAX)
		return -E2BIG;
	memcpy(instructions, program->instructions, program->count * sizeof(*instructions));
	for (size_t i = 0; i < program->count; i++)
		if (instructions[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    instructions[i].src_reg == BPF_PSEUDO_MAP_FD)
			instructions[i].imm = guard->maps[instructions[i].imm];
	snprintf(attributes.prog_name, sizeof(attributes.prog_name), "privexec_%.6s",
		 program->name);
	return call(BPF_PROG_LOAD, &attributes);
}

void guard_init(struct guard *guard)
{
	for (int i = 0; i < GUARD_MAPS; i++)
		guard->maps[i] = -1;
	for (int i = 0; i < GUARD_PROGRAMS; i++)
		guard->programs[i] = -1;
}

void guard_close(struct guard *guard)
{
	for (int i = 0; i < GUARD_MAPS; i++)
		descriptor_close(&guard->maps[i]);
	for (int i = 0; i < GUARD_PROGRAMS; i++)
		descriptor_close(&guard->programs[i]);
}

int guard_load(bool network, struct guard *guard, struct problem *problem)
{
	int error = 0;

	guard_init(guard);
	for (int i = 0; i < (network ? GUARD_MAPS : GUARD_FACTS + 1) && error >= 0; i++)
		error = guard->maps[i] = make_map(i);
	for (int i = network ? 0 : GUARD_DEVICE; i < GUARD_PROGRAMS && error >= 0; i++) {
		error = guard->programs[i] = load(guard, i);
		if (error < 0)
			problem_set(problem, -error,
				    "the kernel takes no program `%s`: %s; it needs "
				    "CONFIG_CGROUP_BPF and Linux 6.1 or later",
				    guard_programs[i].name, strerror(-error));
	}
	if (error >= 0)
		return 0;
	if (!problem->text[0])
		problem_set(problem, -error,
			    "the kernel makes no maps: %s; it needs CONFIG_BPF_SYSCALL",
			    strerror(-error));
	guard_close(guard);
	return error;
}

/* ---- loading beside something else ---- */

/* Says why not, or nothing and all descriptors in their order. */
static _Noreturn void load_for(int channel)
{
	struct problem problem = { 0 };
	int all[GUARD_MAPS + GUARD_PROGRAMS];
	struct guard guard;
	size_t count = 0;

	prctl(PR_SET_NAME, "privexec-guard");
	if (descriptors_keep_only(&channel, 1) < 0)
		_exit(1);
	if (guard_load(true, &guard, &problem) == 0) {
		count = GUARD_MAPS + GUARD_PROGRAMS;
		memcpy(all, guard.maps, sizeof(guard.maps));
		memcpy(all + GUARD_MAPS, guard.programs, sizeof(guard.programs));
	}
	channel_send(channel, problem.text, strlen(problem.text) + 1, all, count);
	_exit(0);
}

void guard_begin(struct guard_loader *ret_loader)
{
	int ends[2];
	pid_t child;

	*ret_loader = GUARD_LOADER_NONE;
	if (channel_pair(ends) < 0)
		return;
	child = process_clone(0, -1, &ret_loader->pidfd);
	if (child == 0)
		load_for(ends[1]);
	close(ends[1]);
	if (child < 0)
		close(ends[0]);
	else
		ret_loader->channel = ends[0];
}

static int take_loaded(int channel, struct guard *guard, struct problem *problem)
{
	struct pollfd readable = { .fd = channel, .events = POLLIN };
	int all[GUARD_MAPS + GUARD_PROGRAMS];
	size_t count = GUARD_MAPS + GUARD_PROGRAMS;
	char text[PROBLEM_TEXT_SIZE];
	ssize_t length;

	if (poll(&readable, 1, LOAD_MILLISECONDS) < 1)
		return problem_set(problem, ETIMEDOUT,
				   "its programs were not loaded within %d seconds; try again",
				   LOAD_MILLISECONDS / 1000);
	length = channel_receive(channel, text, sizeof(text), all, &count);
	if (length > 0 && count == GUARD_MAPS + GUARD_PROGRAMS) {
		memcpy(guard->maps, all, sizeof(guard->maps));
		memcpy(guard->programs, all + GUARD_MAPS, sizeof(guard->programs));
		return 0;
	}
	for (size_t i = 0; length > 0 && i < count; i++)
		descriptor_close(&all[i]);
	return problem_set(problem, EIO, "%.*s", length > 1 ? (int)length : 64,
			   length > 1 ? text : "what loads its programs ended; try again");
}

int guard_finish(struct guard_loader *loader, struct guard *guard, struct problem *problem)
{
	int error;

	if (loader->pidfd < 0)
		return guard_load(true, guard, problem);
	guard_init(guard);
	error = take_loaded(loader->channel, guard, problem);
	guard_abandon(loader);
	return error;
}

void guard_abandon(struct guard_loader *loader)
{
	if (loader->pidfd < 0)
		return;
	descriptor_close(&loader->channel);
	/* it may have to wait, in closing a file of a dead server */
	syscall(SYS_pidfd_send_signal, loader->pidfd, SIGKILL, NULL, 0);
	process_reap(loader->pidfd, REAP_MILLISECONDS, NULL);
	descriptor_close(&loader->pidfd);
}

/* ---- what the programs go by ---- */

static int add_place(int places, const void *address, size_t length, uint32_t kind)
{
	struct guard_place place = { .address = { [2] = htonl(0xffff) }, .kind = kind };

	if (length != 4 && length != sizeof(place.address))
		return 0;
	memcpy((char *)place.address + sizeof(place.address) - length, address, length);
	return put(places, &place, &kind);
}

/* One of the local routes: every address of the host's has one, loopback a whole range. */
static int add_own(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	const struct rtattr *target = netlink_route_attribute(message, RTA_DST);
	unsigned whole = route->rtm_family == AF_INET ? 32 : 128;

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_table != RT_TABLE_LOCAL ||
	    (route->rtm_type != RTN_LOCAL && route->rtm_type != RTN_ANYCAST) || !target ||
	    route->rtm_dst_len != whole)
		return 0;
	add_place(*(const int *)context, RTA_DATA(target), RTA_PAYLOAD(target), GUARD_OWN);
	return 0;
}

/*
 * The addresses that the host has now make for an error at once. Not all of them, nor those that it
 * gets later, need be known: what comes of a packet is seen when it goes out. So nothing fails
 * here.
 */
static void add_addresses(int places)
{
	const unsigned char families[] = { AF_INET, AF_INET6 };
	_cleanup_close_ int socket = netlink_open(NETLINK_ROUTE, 0);

	for (size_t i = 0; socket >= 0 && i < sizeof(families); i++) {
		const struct rtmsg local = { .rtm_family = families[i],
					     .rtm_table = RT_TABLE_LOCAL };
		struct netlink_request request;

		netlink_begin(&request, RTM_GETROUTE, 0, &local, sizeof(local));
		netlink_dump(socket, &request, add_own, &places);
	}
}

static int add_name_servers(int places)
{
	struct name_servers servers = { 0 };
	int error = 0;

	name_servers_read(&servers);
	for (unsigned i = 0; i < servers.count && !error; i++)
		error = add_place(places, &servers.servers[i], sizeof(servers.servers[i]),
				  GUARD_NAME_SERVER);
	return error;
}

/* The host's network namespace, by which sockets in one of the session's own are told from it. */
static int read_cookie(uint64_t *ret_cookie)
{
	_cleanup_close_ int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*ret_cookie);

	if (any < 0 || getsockopt(any, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) < 0)
		return -errno;
	return 0;
}

static int fill(const struct guard *guard, int cgroup, unsigned level, bool pasta)
{
	struct guard_facts facts = { .level = level, .pasta = pasta };
	const uint32_t first = 0;
	uint64_t cookie = 0;
	struct stat status;
	int error;

	if (fstat(cgroup, &status) < 0)
		return -errno;
	facts.cgroup = status.st_ino; /* which is its id, with 64-bit inode numbers */
	if (guard->programs[GUARD_OUTWARDS] >= 0) {
		error = read_cookie(&cookie);
		if (error)
			return error;
		facts.network = cookie;
		if (getrandom(&facts.sign, sizeof(facts.sign), 0) != sizeof(facts.sign))
			return -EIO;
		/* among the priorities that no program chooses without privilege: all above 6 */
		facts.sign |= 1U << 31;
		add_addresses(guard->maps[GUARD_PLACES]);
		error = add_name_servers(guard->maps[GUARD_PLACES]);
		if (error)
			return error;
	}
	return put(guard->maps[GUARD_FACTS], &first, &facts);
}

int guard_attach(const struct guard *guard, int cgroup, unsigned level, bool pasta,
		 struct problem *problem)
{
	int error = fill(guard, cgroup, level, pasta);

	if (error)
		return problem_set(problem, -error, "cannot tell the guard what to go by: %s",
				   strerror(-error));
	for (int i = 0; i < GUARD_PROGRAMS && !error; i++) {
		union bpf_attr attributes = {
			.target_fd = (uint32_t)cgroup,
			.attach_bpf_fd = (uint32_t)guard->programs[i],
			.attach_type = kinds[i].place,
			/* beside those of the cgroups above, and with more below */
			.attach_flags = BPF_F_ALLOW_MULTI,
		};

		if (guard->programs[i] < 0)
			continue;
		error = call(BPF_PROG_ATTACH, &attributes);
		if (error)
			return problem_set(problem, -error,
					   "cannot attach the guard's program `%s`: %s",
					   guard_programs[i].name, strerror(-error));
	}
	return 0;
}
