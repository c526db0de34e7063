/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Process 1 of the session: starts the command, reaps, holds the inner end of the terminal, ends
 * what is left. It is forked by the keeper and never executes anything itself; when init_run() is
 * entered it has the user's ids, no capability, no_new_privs and only the descriptors below.
 */
#ifndef PRIVEXEC_INIT_INIT_H
#define PRIVEXEC_INIT_INIT_H

#include <sys/resource.h>

#include "control/request.h"

/* What init tells the keeper on its channel, one packet each. */
enum init_note {
	INIT_READY = 'r',  /* about to wait for the front's MESSAGE_GO */
	INIT_STATUS = 'x', /* then int32_t: the session's exit status; init exits right after it */
};

struct init_context {
	const struct request *request;
	int keeper; /* channel to the keeper; end of file: the keeper is gone, so exit */
	int front;  /* channel to the front, enum message_type; end of file: the front is gone */
	int arguments, environment, directory; /* memfds of the request */
	int streams[3];			       /* -1 where request->streams is not STREAM_PASSED */
	int resolver; /* the session's /etc/resolv.conf, open for writing, or -1 */
	struct rlimit limits[RLIM_NLIMITS]; /* what the command is to have, RLIMIT_CORE apart */
};

_Noreturn void init_run(const struct init_context *context);

#endif
