// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "control/channel.h"
#include "keeper/session.h"

#define REQUEST_WAIT_MILLISECONDS 10000

/* Who is at the other end; its death ends the session. */
static int watch_front(struct session *session, struct problem *problem)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(session->front, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return problem_set(problem, errno,
				   "privexec-keeper is started by privexec, not by hand");
	session->front_pid = peer.pid;
	session->front_pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (session->front_pidfd < 0)
		return problem_set(problem, errno, "cannot watch the front: %s", strerror(errno));
	return 0;
}

int session_receive(struct session *session, struct problem *problem)
{
	char bytes[REQUEST_SIZE_MAX];
	size_t count = REQUEST_DESCRIPTORS_MAX;
	struct pollfd readable = { .fd = session->front, .events = POLLIN };
	ssize_t length;
	int error = watch_front(session, problem);

	if (error)
		return error;
	if (poll(&readable, 1, REQUEST_WAIT_MILLISECONDS) <= 0)
		return problem_set(problem, ETIMEDOUT, "no request came from the front");
	length =
		channel_receive(session->front, bytes, sizeof(bytes), session->descriptors, &count);
	if (length <= 0)
		return problem_set(problem, length < 0 ? (int)-length : EPIPE,
				   "cannot receive the request");
	for (size_t i = count; i < REQUEST_DESCRIPTORS_MAX; i++)
		session->descriptors[i] = -1;
	error = request_parse(bytes, (size_t)length, &session->request, problem);
	if (error)
		return error;
	if (count != request_descriptor_count(&session->request))
		return problem_set(problem, EINVAL,
				   "the request came with %zu descriptors where %zu were due",
				   count, request_descriptor_count(&session->request));
	return 0;
}
