// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/descriptors.h"
#include "confine/capability.h"
#include "network/relay.h"
#include "network/relayed.h"

static const struct {
	enum space_descriptor listener;
	bool streams;
} listeners[] = {
	{ SPACE_DATAGRAMS, false },
	{ SPACE_DATAGRAMS6, false },
	{ SPACE_STREAMS, true },
	{ SPACE_STREAMS6, true },
};
#define LISTENERS (sizeof(listeners) / sizeof(*listeners))

static _Noreturn void serve(const int space[SPACE_DESCRIPTORS])
{
	static struct relayed relayed;
	static struct pollfd polled[LISTENERS + RELAYED_DESCRIPTORS];

	relayed_begin(&relayed);
	while (true) {
		int64_t now;

		for (size_t i = 0; i < LISTENERS; i++)
			polled[i] = (struct pollfd){ .fd = space[listeners[i].listener],
						     .events = POLLIN };
		relayed_poll(&relayed, polled + LISTENERS);
		if (poll(polled, LISTENERS + RELAYED_DESCRIPTORS, relayed_timeout(&relayed)) < 0 &&
		    errno != EINTR)
			_exit(1);
		now = clock_milliseconds();
		relayed_move(&relayed, polled + LISTENERS, now);
		for (size_t i = 0; i < LISTENERS; i++) {
			if (!polled[i].revents)
				continue;
			if (listeners[i].streams)
				relayed_accept(&relayed, polled[i].fd, now);
			else
				relayed_ask(&relayed, polled[i].fd, now);
		}
	}
}

static _Noreturn void become_relay(const int space[SPACE_DESCRIPTORS], int alive)
{
	int keep[] = { space[SPACE_DATAGRAMS], space[SPACE_DATAGRAMS6], space[SPACE_STREAMS],
		       space[SPACE_STREAMS6], alive };

	prctl(PR_SET_NAME, "privexec-names");
	signal(SIGPIPE, SIG_IGN);
	if (descriptors_keep_only(keep, sizeof(keep) / sizeof(*keep)) < 0 ||
	    capability_set(0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(1);
	serve(space);
}

int relay_start(const int space[SPACE_DESCRIPTORS])
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		become_relay(space, ends[1]);
	close(ends[1]);
	if (child < 0) {
		int error = errno;

		close(ends[0]);
		return -error;
	}
	return ends[0];
}
