// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * privexec-keeper: the one privileged program. It is started by privexec, which hands it a channel
 * as descriptor 3 and nothing else; it makes the session and keeps it to its end. Root may also run
 * it by hand to prove trees (prove.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "keeper/limits.h"
#include "keeper/prove.h"
#include "keeper/session.h"

#define FRONT_DESCRIPTOR 3
#define CLEAR_MILLISECONDS 15000

/*
 * What the kernel sends without asking who may: to a terminal's foreground, of which a keeper is
 * that was started by hand as the leader of its process group (setsid(2) then fails), and by
 * timers, which outlive an exec. A keeper that a key stops might hold the lock that all starts
 * need. The sweeper has the same from it.
 */
static const int unheard[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTIN,   SIGTTOU,
			       SIGHUP, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF };

static void settle_signals(void)
{
	for (size_t i = 0; i < sizeof(unheard) / sizeof(*unheard); i++)
		signal(unheard[i], SIG_IGN);
	/* were it ignored, the numbers of children that have ended would be somebody else's by the
	 * time at which those that hang are killed */
	signal(SIGCHLD, SIG_DFL);
}

/* Nothing of how the caller set this process up may matter. */
static int settle(struct session *session, struct problem *problem)
{
	int error = authority_rest(problem);

	session->front = FRONT_DESCRIPTOR;
	session->keeper_pid = getpid();
	if (error)
		return error;
	if (descriptor_fill_standard() < 0 || close_range(FRONT_DESCRIPTOR + 1, ~0U, 0) < 0)
		return problem_set(problem, errno, "cannot settle descriptors: %s",
				   strerror(errno));
	/* out of the terminal's reach; of what else settle_signals() takes care */
	setsid();
	umask(0);
	/* as keeper and sweeper live on, the file system of the caller's could not be unmounted */
	if (chdir("/") < 0)
		return problem_set(problem, errno, "cannot enter /: %s", strerror(errno));
	settle_signals();
	return limits_take(session->limits, problem);
}

static int make(struct session *session, struct problem *problem)
{
	int error = session_receive(session, problem);

	if (!error)
		error = limits_raise_core(problem);
	/* only now: while it waits, the keeper is one of the user's processes, and counts as one */
	if (!error)
		error = authority_take(&session->authority, problem);
	if (!error)
		error = session_plan(session, problem);
	if (error || session->request.dry_run)
		return error;
	error = session_assemble(session, problem);
	/* the inside is still at work: two processors do both at once */
	if (!error)
		error = session_confine(session, problem);
	if (!error) {
		growth_begin(&session->growth, &session->store);
		error = session_await(session, problem);
	}
	return error;
}

static bool is_channel(int descriptor)
{
	int type, domain;
	socklen_t size = sizeof(type);

	/* one that is connected for good: a datagram socket could be pointed at somebody who
	 * believes what uid 0 sends */
	return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       type == SOCK_SEQPACKET && domain == AF_UNIX;
}

/* Set-up failed: what was begun is gone before the person reads why. */
static void clear(const struct session *session)
{
	if (session->sweeper.pidfd < 0)
		return;
	sweeper_release(&session->sweeper);
	sweeper_wait(&session->sweeper, CLEAR_MILLISECONDS);
}

int main(int argc, char **argv)
{
	static struct session session = {
		.front = -1,
		.front_pidfd = -1,
		.namespaces = { -1, -1, -1, -1 },
		.state = { .lock = -1, .root = -1, .user = -1, .directory = -1 },
		.cgroup = CGROUP_NONE,
		.swap = { .watch = -1 },
		.sweeper = { -1, -1 },
		.network = NETWORK_HAS_NONE,
		.guard_loader = GUARD_LOADER_NONE,
		.init_pidfd = -1,
		.init_channel = -1,
		.listener = -1,
		.unhibernated = -1,
	};
	struct problem problem = { 0 };
	int error;

	if (argc > 1 && strcmp(argv[1], "--prove") == 0)
		return prove(argv + 2);
	if (argc > 1 || !is_channel(FRONT_DESCRIPTOR)) {
		fputs("privexec-keeper is started by privexec, not by hand; root may run\n"
		      "privexec-keeper --prove DIRECTORY...\n",
		      stderr);
		return 125;
	}
	for (size_t i = 0; i < REQUEST_DESCRIPTORS_MAX; i++)
		session.descriptors[i] = -1;
	session.store = STORE_NONE;
	guard_init(&session.guard);
	error = settle(&session, &problem);
	if (!error)
		error = make(&session, &problem);
	if (error) {
		clear(&session);
		session_say(&session, MESSAGE_ERROR, "%s",
			    problem.text[0] ? problem.text : strerror(-error));
		return 125;
	}
	if (session.request.dry_run) {
		const struct message_ended done = { .status = 0 };

		session_say_plan(&session);
		session_say_ended(&session, &done);
		return 0;
	}
	session_keep(&session);
	return 0;
}
