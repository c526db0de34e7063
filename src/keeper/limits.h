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

/*
 * Raises the hard limit on core dumps to 1 where it is 0: confine_forbid_core_dumps() says why. By
 * CAP_SYS_RESOURCE where it is permitted, so before authority_take() gives that up.
 */
int limits_raise_core(struct problem *problem);

#endif
