/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: kernel programs (bpf/guard.bpf.c) on the session's cgroup. They keep a session that
 * has the host's network from everybody else on this machine and everybody from it, and any session
 * from device nodes that its /dev has not.
 *
 * They are the cgroup's, not a process's: they go with it, and nothing that dies before it takes
 * them along. To detach one takes CAP_NET_ADMIN on the host.
 */
#ifndef PRIVEXEC_NETWORK_GUARD_H
#define PRIVEXEC_NETWORK_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/problem.h"
#include "network/guard_programs.h"

struct guard {
	int maps[GUARD_MAPS];
	int programs[GUARD_PROGRAMS]; /* -1: not loaded, and not to be attached */
};

/* Descriptors are -1 after this, and after guard_close(). */
void guard_init(struct guard *guard);

/*
 * Loads the programs: all, or without @network the one for devices alone. What they do is decided
 * when they are attached, so this can be done before there is a cgroup, and it tells whether the
 * kernel takes them. As root (CAP_SYS_ADMIN). 0, or a negative errno with the reason, a semicolon
 * and the cure in @problem; then nothing is loaded.
 */
int guard_load(bool network, struct guard *guard, struct problem *problem);

/*
 * The same in a child, since the kernel takes some milliseconds to check the programs, all of them.
 * guard_finish() waits for it, five seconds at most, and does guard_load() itself where there is
 * none; guard_abandon() ends it where nobody wants what it loads. As root.
 */
struct guard_loader {
	int pidfd;
	int channel;
};

#define GUARD_LOADER_NONE ((struct guard_loader){ -1, -1 })

void guard_begin(struct guard_loader *ret_loader);
int guard_finish(struct guard_loader *loader, struct guard *guard, struct problem *problem);
void guard_abandon(struct guard_loader *loader);

/*
 * Attaches what was loaded to @cgroup, an open directory of cgroup2, in which nothing runs yet.
 * @level: how many cgroups are above it. @pasta: it opens /dev/net/tun there. As root, in the
 * host's network, with CAP_NET_ADMIN in effect. 0 or a negative errno; what is attached then stays.
 */
int guard_attach(const struct guard *guard, int cgroup, unsigned level, bool pasta,
		 struct problem *problem);

void guard_close(struct guard *guard);

#endif
