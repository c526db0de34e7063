/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standard input, output and error: what becomes of each in the session. */
#ifndef PRIVEXEC_PRIVEXEC_STREAMS_H
#define PRIVEXEC_PRIVEXEC_STREAMS_H

#include "base/problem.h"
#include "control/request.h"
#include "privexec/relay.h"

struct streams {
	enum stream_choice choices[3];
	int passed[3]; /* what is sent, where the choice is STREAM_PASSED; owned */
	struct relay relays[3];
	size_t relay_count;
};

/*
 * Looks at 0, 1 and 2; those in the mask @closed were closed and are /dev/null now. Directories,
 * block devices and what else would open a way into the host are refused. Returns 0 or a negative
 * errno with @problem filled.
 */
int streams_prepare(int closed, struct streams *ret_streams, struct problem *problem);

/*
 * Once they are sent: closes what was sent, and lets go of standard input and output, so that a
 * pipe ends when the session lets go of it.
 */
void streams_sent(struct streams *streams);

#endif
