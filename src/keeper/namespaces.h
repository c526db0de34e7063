/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session's last namespaces: the user namespace that closes it and, with --net=none, a network
 * namespace that belongs to that. A child makes them, with effective uid 0 so that root owns them,
 * while the keeper looks at mounts; process 1 enters them when its view stands.
 */
#ifndef PRIVEXEC_KEEPER_NAMESPACES_H
#define PRIVEXEC_KEEPER_NAMESPACES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/problem.h"

struct namespaces {
	pid_t maker; /* the child; its maps can be written until it is reaped, even when it has
			exited */
	int channel; /* from it */
	int user;    /* the user namespace, or -1 */
	int network; /* the network namespace with its loopback up, or -1 */
};

#define NAMESPACES_NONE ((struct namespaces){ -1, -1, -1, -1 })

/* Starts the child. As root. Returns 0 or a negative errno with @problem filled. */
int namespaces_begin(bool network, struct namespaces *ret_namespaces, struct problem *problem);

/* Waits for the user namespace. Returns 1, 0 where there are none on this machine, negative errno.
 */
int namespaces_take_user(struct namespaces *namespaces, struct problem *problem);

/* Waits for the network namespace. Returns 0 or a negative errno. */
int namespaces_take_network(struct namespaces *namespaces, struct problem *problem);

/*
 * Writes the id maps, once: every id that exists here stands for itself, or, if @shifted, 0 stands
 * for AUTHORITY_SHIFTED and every other for itself. With capabilities in effect. Returns 0 or a
 * negative errno.
 */
int namespaces_map(struct namespaces *namespaces, bool shifted, struct problem *problem);

/* Closes what is open here and reaps the child, which ends by itself. */
void namespaces_close(struct namespaces *namespaces);

#endif
