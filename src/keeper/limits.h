/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource limits: the keeper must not trip over the user's, the command must have exactly those.
 */
#ifndef PRIVEXEC_KEEPER_LIMITS_H
#define PRIVEXEC_KEEPER_LIMITS_H

#include <sys/resource.h>

#include "base/problem.h"

/*
 * Saves all limits to @ret_limits and raises the soft ones to the hard ones, as any process may.
 * Where a hard limit is too small to make a session: an error that says which.
 */
int limits_take(struct rlimit ret_limits[RLIM_NLIMITS], struct problem *problem);

#endif
