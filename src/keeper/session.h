/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything the keeper knows of its one session. */
#ifndef PRIVEXEC_KEEPER_SESSION_H
#define PRIVEXEC_KEEPER_SESSION_H

#include <sys/resource.h>

#include "authority/authority.h"
#include "cgroup/cgroup.h"
#include "control/message.h"
#include "control/request.h"
#include "keeper/namespaces.h"
#include "keeper/state.h"
#include "keeper/sweeper.h"
#include "network/guard.h"
#include "network/network.h"
#include "plan/configuration.h"
#include "plan/mountinfo.h"
#include "plan/plan.h"
#include "probe/probe.h"
#include "store/growth.h"
#include "store/store.h"
#include "swap/swap.h"

struct session {
	struct authority authority;
	struct rlimit limits[RLIM_NLIMITS]; /* the user's, for the command */

	int front;	 /* channel to the front */
	int front_pidfd; /* readable when the front is gone */
	pid_t front_pid, keeper_pid;
	struct request request;
	int descriptors[REQUEST_DESCRIPTORS_MAX]; /* enum request_descriptor; -1 where not sent */

	struct configuration configuration;
	struct mount_table mounts;
	struct namespaces namespaces;
	struct probes probes;
	struct plan plan;

	struct state state;
	struct cgroup cgroup;
	struct store store;
	struct growth growth;
	struct swap swap;
	struct sweeper sweeper;
	struct network network; /* a private one */
	struct guard_loader guard_loader;
	struct guard guard;
	int init_pidfd;
	int init_channel;
	pid_t init_pid;
	int listener;	  /* the keeper's socket in the state directory */
	int unhibernated; /* secret memory, which keeps the machine from hibernating; or -1 */
};

/* In receive.c: waits for the request and checks it. 0 or a negative errno. */
int session_receive(struct session *session, struct problem *problem);

/* In planning.c: configuration, mounts and what can be done with them, the plan. */
int session_plan(struct session *session, struct problem *problem);

/*
 * In assemble.c: makes the session as far as the keeper's privilege is needed; the inside goes on
 * by itself. session_await() waits, without any privilege, until only MESSAGE_GO is missing.
 */
int session_assemble(struct session *session, struct problem *problem);
int session_await(struct session *session, struct problem *problem);

/*
 * In keep.c: gives up all privilege that keeping does not need; then keeps the session to its end
 * and reports that. session_keep() returns no error: it ends the session.
 */
int session_confine(const struct session *session, struct problem *problem);
void session_keep(struct session *session);

/*
 * In child.c: a child in the session's cgroup and in new @namespaces, with a channel to it of which
 * each has its end in *@ret_channel; else as process_clone().
 */
pid_t session_clone(const struct session *session, uint64_t namespaces, int *ret_channel,
		    int *ret_pidfd);

/*
 * In networking.c: attaches the guard, before anything is in the session's cgroup, and gives up
 * what that takes. It must be there where the plan says that the host's network is guarded; for
 * device nodes it is a second bolt. As root. 0 or a negative errno.
 */
int session_attach_guard(struct session *session, struct problem *problem);

/* Starts the helpers of a private network. As root. 0 or a negative errno. */
int session_start_network(struct session *session, struct problem *problem);

/* Waits until the session has a network, or is known to have none: only then its command starts. */
void session_await_network(struct session *session);

/*
 * Hears what became of it: a helper that ends takes with it what it gave, and the session goes on.
 * Returns false when there is nothing left of it.
 */
bool session_hear_network(const struct session *session);

/* In report.c: lines to the front. The front may be gone: nothing fails. */
void session_say(const struct session *session, enum message_type type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void session_say_plan(const struct session *session);
void session_say_started(const struct session *session);
void session_say_ended(const struct session *session, const struct message_ended *ended);
int session_describe(const struct session *session, struct problem *problem);

#endif
