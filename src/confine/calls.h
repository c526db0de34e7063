/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls of a session: a filter for process 1 and all that descends from it. */
#ifndef PRIVEXEC_CONFINE_CALLS_H
#define PRIVEXEC_CONFINE_CALLS_H

#include <linux/filter.h>

#include "base/problem.h"

/*
 * Refuses the calling process, and everything that it starts, what refused.h lists, by an error of
 * the call's own. no_new_privs must be set. It cannot be undone. 0 or a negative errno.
 */
int calls_confine(struct problem *problem);

/* What is loaded, made at build time by tools/make-calls. */
extern const struct sock_filter calls_filter[];
extern const unsigned short calls_filter_length;

#endif
