// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keeping the session: wait for whatever ends it, end it, say so. From session_confine() on this
 * process has no capability, opens nothing, parses nothing and may make few system calls.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/descriptors.h"
#include "base/process.h"
#include "confine/capability.h"
#include "control/channel.h"
#include "init/init.h"
#include "keeper/filter.h"
#include "keeper/session.h"

/* init has two seconds of its own for what is left when the front is gone (init/state.h) */
#define FRONT_GONE_MILLISECONDS 3000
#define INIT_GONE_MILLISECONDS 10000
#define SWEEP_MILLISECONDS 60000

/* What one of the same user may ask of the keeper's socket, one byte each. */
enum keeper_request {
	KEEPER_END = 'e',    /* end the session now */
	KEEPER_STATUS = 's', /* answered by struct keeper_status */
};

struct keeper_status {
	uint32_t version;
	int32_t init;
	uint64_t bytes, files, size;
};

enum watched {
	WATCH_FRONT,
	WATCH_INIT,
	WATCH_NOTES,
	WATCH_SWEEPER,
	WATCH_SWAP,
	WATCH_LISTENER,
	WATCH_NETWORK,
	WATCHED,
};

int session_confine(const struct session *session, struct problem *problem)
{
	const int keep[] = { session->front,
			     session->front_pidfd,
			     session->init_pidfd,
			     session->init_channel,
			     session->sweeper.pidfd,
			     session->sweeper.channel,
			     session->network.holder,
			     session->network.channel,
			     session->swap.watch,
			     session->listener,
			     session->cgroup.kill,
			     session->cgroup.events,
			     session->store.directory,
			     session->store.space.levels[0].file,
			     session->store.space.levels[0].balloon,
			     session->store.space.levels[1].file,
			     session->store.space.levels[1].balloon,
			     session->unhibernated,
			     session->descriptors[REQUEST_STREAMS],
			     session->descriptors[REQUEST_STREAMS + 1],
			     session->descriptors[REQUEST_STREAMS + 2] };
	int error = descriptors_keep_only(keep, sizeof(keep) / sizeof(*keep));

	/* what the store grows by is his */
	authority_pay(&session->authority);
	if (!error)
		error = capability_set(0, 0);
	if (!error && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		error = -errno;
	if (error)
		return problem_set(problem, -error, "cannot confine the keeper: %s",
				   strerror(-error));
	return filter_load(FILTER_KEEPER, problem);
}

/* Answers one request of the keeper's socket. Returns true when the session is to end. */
static bool answer(const struct session *session)
{
	int peer = accept4(session->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct pollfd readable = { .fd = peer, .events = POLLIN };
	struct ucred user;
	socklen_t size = sizeof(user);
	bool end = false;
	char request;

	if (peer < 0)
		return false;
	/* a peer that connects and says nothing is not waited for */
	if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &user, &size) == 0 &&
	    (user.uid == 0 || user.uid == session->authority.uid) && poll(&readable, 1, 100) == 1 &&
	    read(peer, &request, 1) == 1) {
		struct keeper_status status = { 1, session->init_pid, 0, 0, session->store.size };

		end = request == KEEPER_END;
		if (request == KEEPER_STATUS &&
		    store_usage(&session->store, &status.bytes, &status.files) == 0)
			channel_send_within(peer, &status, sizeof(status), 100);
	}
	close(peer);
	return end;
}

/* Takes what init says. Returns false when it says nothing more. */
static bool take_note(const struct session *session, int32_t *status)
{
	char note[1 + sizeof(*status)];
	size_t none = 0;
	ssize_t length = channel_receive(session->init_channel, note, sizeof(note), NULL, &none);

	if (length == sizeof(note) && note[0] == INIT_STATUS)
		memcpy(status, note + 1, sizeof(*status));
	return length > 0;
}

static void set_cause(struct message_ended *ended, const char *cause)
{
	ended->status = 125;
	snprintf(ended->cause, sizeof(ended->cause), "%s", cause);
}

static void set_cause_init(const struct session *session, struct message_ended *ended)
{
	char how[40], cause[sizeof(ended->cause)];

	process_describe_end(session->init_pidfd, how, sizeof(how));
	snprintf(cause, sizeof(cause), "its first process %s", how[0] ? how : "is gone");
	set_cause(ended, cause);
}

/*
 * Looks at what woke us. Returns true when the session is over or has to be ended; @deadline is set
 * when it may end by itself for a little while yet.
 */
static bool look(const struct session *session, struct pollfd *watch, int32_t *status,
		 int64_t *deadline, struct message_ended *ended)
{
	if (watch[WATCH_NOTES].revents && !take_note(session, status))
		watch[WATCH_NOTES].fd = -1;
	if (*status >= 0)
		return true; /* the last thing init does before it exits */
	if (watch[WATCH_INIT].revents) {
		/* the status may have come with the same wake-up */
		if (*status < 0 && watch[WATCH_NOTES].fd >= 0)
			take_note(session, status);
		if (*status < 0)
			set_cause_init(session, ended);
		return true;
	}
	if (watch[WATCH_FRONT].revents) {
		watch[WATCH_FRONT].fd = -1;
		*deadline = clock_milliseconds() + FRONT_GONE_MILLISECONDS;
	}
	if (watch[WATCH_SWEEPER].revents) {
		set_cause(ended, "its sweeper was killed");
		return true;
	}
	if (watch[WATCH_SWAP].revents && swap_active(session->swap.watch)) {
		set_cause(ended,
			  "swap was switched on, and nothing could keep the session from it");
		return true;
	}
	if (watch[WATCH_NETWORK].revents && !session_hear_network(session))
		watch[WATCH_NETWORK].fd = -1;
	if (watch[WATCH_LISTENER].revents && answer(session)) {
		set_cause(ended, "somebody of the same user or root asked for it");
		return true;
	}
	return *deadline && clock_milliseconds() >= *deadline;
}

/* Milliseconds until @deadline (0: none) or until the store wants to be looked at; -1: neither. */
static int next_timeout(const struct session *session, int64_t deadline)
{
	int growth = growth_wait(&session->growth, &session->store);
	int64_t left;

	if (!deadline)
		return growth;
	left = deadline - clock_milliseconds();
	if (left < 0)
		left = 0;
	return growth >= 0 && growth < left ? growth : (int)left;
}

static void keep(struct session *session, struct message_ended *ended)
{
	struct pollfd watch[WATCHED] = {
		[WATCH_FRONT] = { .fd = session->front_pidfd, .events = POLLIN },
		[WATCH_INIT] = { .fd = session->init_pidfd, .events = POLLIN },
		[WATCH_NOTES] = { .fd = session->init_channel, .events = POLLIN },
		[WATCH_SWEEPER] = { .fd = session->sweeper.pidfd, .events = POLLIN },
		[WATCH_SWAP] = { .fd = session->swap.watch, .events = POLLPRI },
		[WATCH_LISTENER] = { .fd = session->listener, .events = POLLIN },
		[WATCH_NETWORK] = { .fd = session->network.over ? -1 : session->network.channel,
				    .events = POLLIN },
	};
	int64_t deadline = 0;
	int32_t status = -1;
	bool over = false;

	while (!over) {
		if (poll(watch, WATCHED, next_timeout(session, deadline)) < 0 && errno != EINTR)
			break;
		over = look(session, watch, &status, &deadline, ended);
		if (!over)
			growth_step(&session->growth, &session->store);
	}
	if (!ended->cause[0])
		ended->status = status >= 0 ? status : 125;
}

static void count_discarded(const struct session *session, struct message_ended *ended)
{
	const struct store *store = &session->store;
	uint64_t bytes, files;

	if (store_usage(store, &bytes, &files) < 0)
		return;
	ended->bytes = bytes > store->bytes_empty ? bytes - store->bytes_empty : 0;
	ended->files = files > store->files_empty ? files - store->files_empty : 0;
}

/*
 * Ends what is left, counts what was in the store, and has everything cleared away. init's own
 * word that it ends saves waiting for that twice: the sweeper waits for it, and kills what it must.
 */
static void end(const struct session *session, struct message_ended *ended)
{
	if (ended->cause[0]) {
		cgroup_kill(&session->cgroup);
		syscall(SYS_pidfd_send_signal, session->init_pidfd, SIGKILL, NULL, 0);
		process_reap(session->init_pidfd, INIT_GONE_MILLISECONDS, NULL);
		cgroup_wait_empty(&session->cgroup, INIT_GONE_MILLISECONDS);
	}
	count_discarded(session, ended);
	sweeper_release(&session->sweeper);
	if (!ended->cause[0])
		process_reap(session->init_pidfd, INIT_GONE_MILLISECONDS, NULL);
	sweeper_wait(&session->sweeper, SWEEP_MILLISECONDS);
}

void session_keep(struct session *session)
{
	struct message_ended ended = { .status = 125 };

	/* the front waits for this before it lets the command begin */
	session_say_started(session);
	keep(session, &ended);
	end(session, &ended);
	session_say_ended(session, &ended);
}
