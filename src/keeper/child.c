// SPDX-License-Identifier: GPL-2.0-or-later
/* Children in the session's cgroup: its first process, and what helps it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/process.h"
#include "control/channel.h"
#include "keeper/session.h"

/* Where clone3(2) cannot do it (before Linux 5.7, or by some filter): a moment later, by its file.
 */
static void move_to_cgroup(const struct session *session, pid_t pid)
{
	char text[16];
	int error;

	snprintf(text, sizeof(text), "%d", pid);
	error = descriptor_write_file(session->cgroup.directory, "cgroup.procs", text);
	if (error)
		session_say(session, MESSAGE_DEBUG, "cannot be moved there either: %s",
			    strerror(-error));
}

pid_t session_clone(const struct session *session, uint64_t namespaces, int *ret_channel,
		    int *ret_pidfd)
{
	int ends[2], error = channel_pair(ends);
	pid_t child;

	if (error)
		return error;
	child = process_clone(namespaces, session->cgroup.directory, ret_pidfd);
	/* what guards the host's network is the cgroup's, and what keeps it from swap may be: not
	 * for a moment without */
	if (child < 0 && session->cgroup.directory >= 0 && !session->plan.guarded &&
	    !session->swap.limited) {
		session_say(session, MESSAGE_DEBUG, "cannot start in the session's cgroup: %s",
			    strerror(-child));
		child = process_clone(namespaces, -1, ret_pidfd);
		if (child > 0)
			move_to_cgroup(session, child);
	}
	*ret_channel = child == 0 ? ends[1] : ends[0];
	if (child != 0)
		close(ends[1]);
	return child;
}
