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
	int user_namespace; /* CLOSING_SHIFTED: the prepared one */
	bool own_network;   /* a network namespace with a loopback device and nothing else */
	uid_t uid;	    /* who the command runs as, in the session's own ids */
	gid_t gid;
};

/*
 * The last namespaces. A user namespace that is made with effective uid 0 belongs to root: so no
 * other process of the same user may look into the session, trace it or enter it. For
 * CLOSING_IDENTITY the caller must have its id maps written before it goes on.
 */
int confine_enter_namespaces(const struct confinement *confinement,
			     const struct authority *authority, struct problem *problem);

/* Brings the loopback device of the new network namespace up and lets everybody ping. */
int confine_raise_loopback(struct problem *problem);

/*
 * Gives up everything: bounding set, ids, capabilities (but a short list for root, which counts in
 * the session's own user namespace only), the login's session keyring; no_new_privs. The parent's death becomes this process's
 * own. Nothing can be regained afterwards.
 */
int confine_drop(const struct confinement *confinement, struct problem *problem);

/* Core dumps off for this process and its descendants: limit 0, and nothing selected to be dumped. */
int confine_forbid_core_dumps(struct problem *problem);

#endif
