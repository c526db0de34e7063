/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk that a proof is: see proof.h. */
#ifndef PRIVEXEC_PROOF_WALK_H
#define PRIVEXEC_PROOF_WALK_H

#include "base/problem.h"

/*
 * Looks at everything below @directory, whose path is @path, that lies on the same mount. Returns
 * 0, or -EPERM with the first entry that does not qualify in @problem, or another negative errno.
 */
int walk_tree(int directory, const char *path, struct problem *problem);

#endif
