/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Id maps of the session's user namespaces. */
#ifndef PRIVEXEC_KEEPER_MAPS_H
#define PRIVEXEC_KEEPER_MAPS_H

#include <sys/types.h>

#include "base/problem.h"

/* Are user namespaces to be had on this machine at all? By the kernel's own limit. */
int maps_user_namespaces(void);

/*
 * Writes the id maps of process @pid, which has just made a user namespace: every id that exists
 * here stands for itself. With capabilities in effect. Returns 0 or a negative errno.
 */
int maps_write_identity(pid_t pid, struct problem *problem);

/*
 * Makes a user namespace in which 0 stands for AUTHORITY_SHIFTED and every other id for itself.
 * Returns a descriptor of it, or a negative errno.
 */
int maps_make_shifted(struct problem *problem);

#endif
