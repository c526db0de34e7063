// SPDX-License-Identifier: GPL-2.0-or-later
/* A session's private network, as the keeper starts it and hears of it; or the host's, guarded. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keeper/session.h"

/* How long a private network may take to be there; the session then starts without. */
#define NETWORK_MILLISECONDS 5000

int session_attach_guard(struct session *session, struct problem *problem)
{
	bool needed = session->plan.network == NETWORK_HOST && session->plan.guarded;
	struct problem unattached = { 0 };
	int error = -ENOENT;

	/* the guard is the group's: whoever may take processes out of that takes the guard off */
	if (needed && session->cgroup.users)
		return problem_set(problem, EPERM,
				   "the host's network cannot be guarded: the control group "
				   "that the session is started from is not root's, and its owner "
				   "could move the session out; --net=none needs no guard");
	authority_attaching(&session->authority);
	if (session->cgroup.directory >= 0 && session->guard.programs[GUARD_DEVICE] >= 0)
		error = guard_attach(&session->guard, session->cgroup.directory,
				     cgroup_level(&session->cgroup),
				     session->plan.network == NETWORK_PRIVATE, &unattached);
	authority_forgo(&session->authority);
	guard_close(&session->guard);
	if (error && needed)
		return problem_set(problem, -error,
				   "the host's network cannot be guarded: %.200s; --net=none needs "
				   "no guard",
				   unattached.text[0] ? unattached.text
						      : "the session has no cgroup of its own");
	if (error)
		session_say(session, MESSAGE_DEBUG, "device nodes are not guarded: %s",
			    unattached.text[0] ? unattached.text : "no cgroup or no program");
	return 0;
}

int session_start_network(struct session *session, struct problem *problem)
{
	struct network *network = &session->network;
	pid_t holder =
		session_clone(session, network_clone_flags, &network->channel, &network->holder);
	int error;

	if (holder == 0)
		network_hold(network->channel);
	if (holder < 0)
		return problem_set(problem, -holder,
				   "cannot start the private network: %s; too many processes?",
				   strerror(-holder));
	session_say(session, MESSAGE_DEBUG, "private network: held by process %d", holder);
	error = sweeper_give(&session->sweeper, SWEEPER_NETWORK, &network->holder, 1, problem);
	return error ? error : network_start(network, holder, &session->authority, problem);
}

void session_await_network(struct session *session)
{
	char text[NETWORK_TEXT_MAX + 1], *words = session->plan.network_words;
	size_t size = sizeof(session->plan.network_words);

	if (session->plan.network != NETWORK_PRIVATE)
		return;
	switch (network_hear(&session->network, NETWORK_MILLISECONDS, text)) {
	case NETWORK_UP:
		break;
	case NETWORK_OFFLINE:
		snprintf(words, size, "private (this machine has none now)");
		break;
	case NETWORK_FAILED:
		snprintf(words, size, "private (no way out)");
		session_say(session, MESSAGE_WARNING, "the private network has no way out: %s",
			    text);
		session->network.over = true;
		break;
	case -ETIMEDOUT:
		session_say(session, MESSAGE_WARNING,
			    "the private network is not there yet; the session starts without");
		break;
	default:
		snprintf(words, size, "private (no way out)");
		session_say(session, MESSAGE_WARNING,
			    "the private network has no way out: its first process ended");
		session->network.over = true;
	}
}

bool session_hear_network(const struct session *session)
{
	char text[NETWORK_TEXT_MAX + 1];

	switch (network_hear(&session->network, 0, text)) {
	case NETWORK_UP: /* later than the session waited for it */
	case NETWORK_OFFLINE:
		break;
	case NETWORK_FAILED:
	case NETWORK_ENDED:
		session_say(session, MESSAGE_WARNING,
			    "the private network has no way out any more: %s", text);
		return false;
	case NETWORK_NAMELESS:
		session_say(session, MESSAGE_WARNING,
			    "the relay of the name service ended: names that a server on this "
			    "machine knows are not found any more");
		break;
	default:
		session_say(session, MESSAGE_WARNING,
			    "the private network has no way out any more: its first process was "
			    "ended");
		return false;
	}
	return true;
}
