/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mounts of a table a path can still reach. */
#ifndef PRIVEXEC_PLAN_VISIBILITY_H
#define PRIVEXEC_PLAN_VISIBILITY_H

#include "plan/mountinfo.h"

/*
 * Writes to @ret_order, which has room for @count, the indices of those of @entries that are
 * visible: parents before what is mounted in them, the order of the table otherwise. Their number
 * goes to *ret_visible. Every target must be absolute and normalised. Returns 0 or a negative errno
 * with @problem filled when the entries do not make a tree.
 */
int visibility_order(const struct mount_entry *entries, size_t count, size_t *ret_order,
		     size_t *ret_visible, struct problem *problem);

#endif
