/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PRIVEXEC_CONFINE_IDMAP_H
#define PRIVEXEC_CONFINE_IDMAP_H

#include <sys/types.h>

#include "base/problem.h"

/*
 * Writes the id maps of the user namespace of the process @pid, once for each namespace, in the
 * format of /proc/PID/uid_map. With capabilities in effect. Returns 0 or a negative errno.
 */
int idmap_write(pid_t pid, const char *users, const char *groups, struct problem *problem);

#endif
