/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a session is asked for: what the front was given, the keeper's start, the request. */
#ifndef PRIVEXEC_PRIVEXEC_START_H
#define PRIVEXEC_PRIVEXEC_START_H

#include <stdint.h>
#include <sys/types.h>

#include "base/problem.h"
#include "privexec/options.h"
#include "privexec/streams.h"
#include "privexec/terminal.h"

/* What the front found when it was started, before it changed anything. */
struct origin {
	int closed; /* mask of the standard descriptors that were closed */
	uint64_t signals_ignored, signals_blocked;
	mode_t umask;
};

/*
 * Records the origin and makes the process its own: 0, 1 and 2 open, signals blocked (SIGTTIN and
 * SIGTTOU apart, which are to stop the front). Returns 0 or a negative errno.
 */
int origin_record(struct origin *ret_origin);

/* A session that was asked for. */
struct start {
	pid_t keeper_process;
	int keeper, init; /* channels, non-blocking; owned */
};

/*
 * Starts the keeper and sends it the request for @options: @command in the working directory with
 * the environment, @streams and signals of this process. Returns 0, or a negative errno with
 * @problem filled.
 */
int start_session(const struct origin *origin, const struct options *options, char *const *command,
		  const struct streams *streams, const struct terminal *terminal,
		  struct start *ret_start, struct problem *problem);

#endif
