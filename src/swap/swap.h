/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping a session's memory from swap space that is not encrypted for it. */
#ifndef PRIVEXEC_SWAP_SWAP_H
#define PRIVEXEC_SWAP_SWAP_H

#include <stdbool.h>

#include "base/problem.h"

struct swap {
	const char *word; /* for the first line: "never (no swap active)" */
	bool limited;	  /* by the session's cgroup: nothing of it may be outside of that */
	int watch;	  /* /proc/swaps, when a device that appears ends the promise; else -1 */
};

#define SWAP_NONE ((struct swap){ .watch = -1 })

/*
 * Assures that nothing of the session is swapped, by the first of these that can be had: no swap is
 * active, and that is watched; the session's cgroup (@cgroup: its directory, or -1) swaps nothing;
 * refusal. As root. Returns 0 or a negative errno with @problem filled.
 */
int swap_assure(int cgroup, struct swap *ret_swap, struct problem *problem);

/*
 * To be asked when poll() reports POLLPRI or POLLERR on @watch: is any swap active now? Reads only
 * whether there is anything below the header line. True also when that cannot be read.
 */
bool swap_active(int watch);

void swap_close(struct swap *swap);

#endif
