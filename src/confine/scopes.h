/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Landlock's scopes: what a session may reach by name in a network namespace that it shares. */
#ifndef PRIVEXEC_CONFINE_SCOPES_H
#define PRIVEXEC_CONFINE_SCOPES_H

#include <stdbool.h>

#include "base/problem.h"

/* Has this kernel a scope for abstract Unix sockets (Linux 6.12, with Landlock switched on)? */
bool scopes_available(void);

/*
 * Keeps the calling process, and everything that it starts, from abstract Unix sockets that other
 * processes made. Those of one session reach each other. no_new_privs must be set. It cannot be
 * undone. Where the kernel cannot, does nothing. 0 or a negative errno.
 */
int scopes_confine(struct problem *problem);

#endif
