// SPDX-License-Identifier: GPL-2.0-or-later
/* The exits: every way by which data may leave the session, each by its name. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/nodes.h"

static int __attribute__((format(printf, 3, 4)))
add_exit(const struct planning *planning, const char *name, const char *format, ...)
{
	struct plan *plan = planning->plan;
	struct plan_exit *exits =
		reallocarray(plan->exits, plan->exit_count + 1, sizeof(*plan->exits));
	struct plan_exit *added;
	va_list arguments;

	if (!exits)
		return problem_set(planning->problem, ENOMEM, "no memory for the plan");
	plan->exits = exits;
	added = &exits[plan->exit_count++];
	*added = (struct plan_exit){ 0 };
	if (strlen(name) < sizeof(added->name))
		snprintf(added->name, sizeof(added->name), "%s", name);
	else
		snprintf(added->name, sizeof(added->name), "%.*s...", (int)sizeof(added->name) - 4,
			 name);
	va_start(arguments, format);
	vsnprintf(added->reason, sizeof(added->reason), format, arguments);
	va_end(arguments);
	return 0;
}

static int add_streams(const struct planning *planning)
{
	static const char *const names[] = { "standard input", "standard output",
					     "standard error" };
	const enum stream_choice *streams = planning->request->streams;
	bool terminal = false;
	int r = 0;

	for (size_t i = 0; i < 3 && r == 0; i++) {
		terminal |= streams[i] == STREAM_TERMINAL;
		if (streams[i] == STREAM_PASSED)
			r = add_exit(planning, names[i], "as the caller gave it");
	}
	if (r == 0 && terminal)
		r = add_exit(planning, "terminal",
			     "the caller's: what the session writes is shown there");
	return r;
}

static int add_passed(const struct planning *planning)
{
	int r = 0;

	plan_for_each_node (node, planning->plan) {
		const struct mount_line *line;

		if (node->kind != NODE_PASS)
			continue;
		line = mount_list_find(&planning->configuration->sys_mounts, node->path);
		r = add_exit(planning, node->path,
			     "the host's own mount: line %u of sys_mounts.conf passes it through",
			     line ? line->line : 0);
		if (r < 0)
			break;
	}
	return r;
}

const char *exits_core_dumps(const struct planning *planning)
{
	switch (planning->facts->probes->core) {
	case CORE_PROGRAM:
		/* whoever may lift the limit from outside, as root may anyhow */
		return planning->facts->uid == 0
			       ? NULL
			       : "another program of this user can have the program of "
				 "kernel.core_pattern given a process's memory";
	case CORE_SOCKET:
		return "what crashes is sent to the socket of kernel.core_pattern";
	case CORE_FILE:
		break;
	}
	return NULL;
}

/* A tree that is bound rather than overlaid is the same file to everybody, and so are its locks. */
static int add_locks(const struct planning *planning)
{
	bool bound = false;

	plan_for_each_node (node, planning->plan)
		bound |= node->kind == NODE_BIND_RO;
	return add_exit(
		planning, "file locks",
		"anyone can read in /proc/locks which parts of files the session has locked%s",
		bound ? ", and meets its locks where trees are bound read-only" : "");
}

/*
 * Nothing closes this: whoever may take packets off the network, by raw sockets or packet sockets,
 * gets them from the devices. Of pings to groups over IPv4 the kernel makes the copy for this
 * machine before the guard sees it, and no program is asked where they are sent to.
 */
static int add_watched(const struct planning *planning)
{
	return add_exit(planning, "watched packets",
			"programs that may watch the host's network (CAP_NET_RAW) see what the "
			"session sends, also to itself");
}

static int add_unguarded(const struct planning *planning)
{
	int r = add_exit(planning, "network",
			 "the host's, unguarded: other machines, the name service, loopback and %s",
			 planning->facts->probes->scopes
				 ? "whoever connects to abstract sockets of the session"
				 : "abstract sockets of this one");

	return r ? r : add_watched(planning);
}

static int add_guarded(const struct planning *planning)
{
	int r = add_exit(planning, "network",
			 "the host's, guarded: other machines; on this one the session alone");

	if (r == 0)
		r = add_exit(planning, "name service",
			     "port 53 of name servers on this machine that resolv.conf named when "
			     "the session started");
	if (r == 0)
		r = add_exit(planning, "abstract sockets",
			     planning->facts->probes->scopes
				     ? "the host's network has one set: whoever connects to those "
				       "of the session"
				     : "the host's network has one set, and this kernel does not "
				       "part it");
	/* what the guard cannot see: look-ups do not find sockets that are bound to a device */
	if (r == 0)
		r = add_exit(planning, "shared ports",
			     "datagrams for a port where the session set SO_REUSEADDR: another "
			     "program can bind it to a device");
	return r ? r : add_watched(planning);
}

int exits_name(const struct planning *planning)
{
	const char *core_dumps = exits_core_dumps(planning);
	int r = add_streams(planning);

	if (r == 0 && planning->plan->network == NETWORK_HOST)
		r = planning->plan->guarded ? add_guarded(planning) : add_unguarded(planning);
	if (r == 0 && planning->plan->network == NETWORK_PRIVATE)
		r = add_exit(
			planning, "network",
			"the session's own: other machines are reached through pasta, this one "
			"is not");
	if (r == 0 && planning->plan->network == NETWORK_PRIVATE)
		r = add_exit(planning, "name service",
			     "a name server on this machine, where resolv.conf names it, is asked "
			     "through a relay");
	if (r == 0)
		r = add_passed(planning);
	if (r == 0)
		r = add_exit(planning, "names of public files read",
			     "programs that watch files by fanotify or inotify see them opened");
	if (r == 0)
		r = add_exit(planning, "/proc/PID/net",
			     "anyone can read there which names and ports the session has bound");
	if (r == 0)
		r = add_exit(
			planning, "/proc/PID",
			"anyone can read there what it shows of all processes: names, arguments, "
			"mounts, limits");
	if (r == 0)
		r = add_locks(planning);
	if (r == 0)
		r = add_exit(planning, "exit status", "the caller gets the command's");
	if (r == 0 && core_dumps)
		r = add_exit(planning, "core dumps", "%s", core_dumps);
	return r;
}
