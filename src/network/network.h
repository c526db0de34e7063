/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A private network: a namespace of the session's own, whose packets pasta carries to other
 * machines by sockets of its own on the host. Nothing of this machine is reached through it, but
 * for a name server on it that resolv.conf names.
 *
 * Three helpers, in a user namespace that root owns (so that no other process of the user may look
 * into them), in the session's cgroup and in a pid namespace of their own; on the host they have
 * the ids of the user (in root's sessions: of nobody) and no capability:
 *
 *   holder   its process 1: makes the namespace, starts the others, keeps the host's own addresses
 *            out of reach as they come and go. It ends with the keeper, and they with it.
 *   pasta    not ours: /usr/bin/pasta of Debian's package passt
 *   relay    carries questions to name servers on this machine, and answers back; from the first on
 *
 * In U, that user namespace, they have the capabilities they need: those count for the session's
 * network namespace, which U owns, and for nothing else.
 */
#ifndef PRIVEXEC_NETWORK_NETWORK_H
#define PRIVEXEC_NETWORK_NETWORK_H

#include <stdbool.h>
#include <sys/types.h>

#include "authority/authority.h"
#include "base/problem.h"

struct network {
	int holder;  /* pidfd */
	int channel; /* from the holder: enum network_note, then text where it says so */
	bool over;   /* it has no way out and gets none: nothing more is listened to */
};

#define NETWORK_HAS_NONE ((struct network){ -1, -1, false })

/* What the holder says. NETWORK_NAMESPACE comes first, then one of the next three, once. */
enum network_note {
	NETWORK_NAMESPACE = 'n', /* with its descriptor, for network_enter() */
	NETWORK_UP = 'u',
	NETWORK_OFFLINE = 'o',	/* the host has no way out: it is up once the host has one */
	NETWORK_FAILED = 'f',	/* then text: why it is not, and will not be */
	NETWORK_ENDED = 'e',	/* then text: it was up, or offline, and will not be any more */
	NETWORK_NAMELESS = 'r', /* the relay is gone */
};

#define NETWORK_TEXT_MAX 200

/*
 * The holder, to be called in a child that was cloned with network_clone_flags; @channel is its end
 * of the pair. It waits for network_start().
 */
extern const unsigned long network_clone_flags;
_Noreturn void network_hold(int channel);

/* In the keeper, as root: gives the holder @pid its ids and lets it begin. 0 or a negative errno.
 */
int network_start(const struct network *network, pid_t pid, const struct authority *authority,
		  struct problem *problem);

/*
 * Reads one note, waiting at most @milliseconds. Returns it, with its @text where it has one; 0
 * when the holder is gone; -ETIMEDOUT.
 */
int network_hear(const struct network *network, int milliseconds,
		 char ret_text[NETWORK_TEXT_MAX + 1]);

/*
 * In process 1 of the session, which has the keeper's end of the channel too: waits for the
 * namespace and moves into it. ping works there, and root (@uid 0) may bind to every port.
 * @shifted: its ids are. As root, in the host's mounts. 0 or a negative errno.
 */
int network_enter(const struct network *network, uid_t uid, bool shifted, struct problem *problem);

/*
 * Can there be private networks on this machine? 0, or a negative errno with the reason, a
 * semicolon and the cure in @problem. As root: loads the kernel's module where it is one.
 */
int network_probe(struct problem *problem);

#endif
