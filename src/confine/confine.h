/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Closing the session: its user and network namespaces, and all privilege gone. */
#ifndef PRIVEXEC_CONFINE_CONFINE_H
#define PRIVEXEC_CONFINE_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "authority/authority.h"
#include "base/problem.h"
#include "plan/plan.h"

struct confinement {
	enum closing_kind closing;
	int user_namespace;    /* prepared, or -1 with CLOSING_NONE */
	int network_namespace; /* prepared, or -1 */
	bool own_network;      /* no network but a loopback device */
	uid_t uid;	       /* who the command runs as, in the session's own ids */
	gid_t gid;
};

/*
 * Enters the last namespaces. The user namespace was made with effective uid 0 and so belongs to
 * root: no other process of the same user may look into the session, trace it or enter it. Its id
 * maps must have been written before ids are changed.
 */
int confine_enter_namespaces(const struct confinement *confinement,
			     const struct authority *authority, struct problem *problem);

/* Brings the loopback device of the own network namespace up. */
int confine_raise_loopback(struct problem *problem);

/*
 * Gives up everything: bounding set, ids, capabilities (but a short list for root, which counts in
 * the session's own user namespace only), the login's session keyring; no_new_privs. The parent's
 * death becomes this process's own. Nothing can be regained afterwards.
 */
int confine_drop(const struct confinement *confinement, struct problem *problem);

/*
 * Core dumps off for this process and its descendants: nothing selected to be dumped, and the limit
 * 1, with which the kernel neither writes a file nor starts the program that kernel.core_pattern
 * may name; at 0 it starts that. A hard limit of 0 must have been raised, where that matters:
 * limits_raise_core().
 */
int confine_forbid_core_dumps(struct problem *problem);

#endif
