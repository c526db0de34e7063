/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System call filters of the keeper's own processes: any call that is not listed kills. */
#ifndef PRIVEXEC_KEEPER_FILTER_H
#define PRIVEXEC_KEEPER_FILTER_H

#include "base/problem.h"

enum filter_kind {
	FILTER_KEEPER,	/* while it keeps the session */
	FILTER_SWEEPER, /* from its beginning */
};

/* Sets no_new_privs and loads the filter for the calling process. 0 or a negative errno. */
int filter_load(enum filter_kind kind, struct problem *problem);

/* Numbers of the system calls that @kind allows with any arguments, ended by -1: what the tests
 * compare with. */
const int *filter_allowed(enum filter_kind kind);

#endif
