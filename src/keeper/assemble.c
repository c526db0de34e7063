// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The order in which a session is made. No other file knows it.
 *
 * Outside, in the keeper: streams, memory budget, sweeper, state, cgroup and its guard (which was
 * loaded while the keeper planned), swap, the private network (which gets ready beside what
 * follows), store, then process 1 is cloned into new namespaces, and the ids of the last one are
 * mapped. Inside, in that process: private mounts, the private network, view, the last namespaces
 * (also made while the keeper planned), every privilege dropped, and system calls filtered; then it
 * is init.
 *
 * A step that fails returns its error and the process exits: what exists by then is either held by
 * descriptors alone or known to the sweeper, which is there before anything that has a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "confine/calls.h"
#include "confine/confine.h"
#include "confine/scopes.h"
#include "control/channel.h"
#include "exits/streams.h"
#include "init/init.h"
#include "keeper/session.h"
#include "store/budget.h"
#include "store/end.h"
#include "store/mapper.h"
#include "view/view.h"

/* How long the inside may take; a lower file system that hangs after the survey ends here. */
#define INSIDE_MILLISECONDS 10000

/* Times sessions_per_user: how many dead sessions of a user's may be held before he is refused. */
#define HELD_SHARE 4

/* What the inside says to the keeper while the session is being made, besides enum init_note. */
enum inside_note {
	INSIDE_STANDS = 'u', /* the view does; the keeper answers with one byte and the streams */
	INSIDE_FAILED = 'E', /* text of the problem; it exits */
	INSIDE_WARNS = 'W',  /* text */
};

/* ---- inside: process 1, from here to init_run() ---- */

static int inside_channel = -1; /* for view->warn, which has no context */

static void inside_say(enum inside_note note, const char *text)
{
	char packet[1 + PROBLEM_TEXT_SIZE];

	packet[0] = (char)note;
	snprintf(packet + 1, sizeof(packet) - 1, "%s", text);
	channel_send(inside_channel, packet, 1 + strlen(packet + 1), NULL, 0);
}

static void inside_warn(const char *text)
{
	inside_say(INSIDE_WARNS, text);
}

static int inside_private_mounts(struct problem *problem)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return problem_set(problem, errno, "cannot make the session's mounts private: %s",
				   strerror(errno));
	/* last, so that the session's cgroup and not the keeper's is the root of what it sees */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return problem_set(problem, errno, "cannot make a cgroup namespace: %s",
				   strerror(errno));
	return 0;
}

/* Before the view is made: what /sys shows is the network of whoever mounts it. */
static int inside_network(struct session *session, struct problem *problem)
{
	int error;

	if (session->plan.network != NETWORK_PRIVATE)
		return 0;
	error = network_enter(&session->network, session->authority.uid,
			      session->plan.closing == CLOSING_SHIFTED, problem);
	descriptor_close(&session->network.channel);
	return error;
}

static int inside_view(struct session *session, struct problem *problem)
{
	struct view view = {
		.plan = &session->plan,
		.authority = &session->authority,
		.store = session->store.directory,
		.idmap = session->plan.closing == CLOSING_SHIFTED ? session->namespaces.user : -1,
		.root = -1,
		.warn = inside_warn,
	};
	int error;

	authority_as_root(&session->authority);
	error = store_attach(&session->store, problem);
	if (!error && session->plan.closing == CLOSING_SHIFTED)
		authority_shift(&session->authority);
	authority_expose(&session->authority);
	view.store_on_root = session->store.on_root;
	if (!error)
		error = view_build(&view, problem);
	/* the answer comes while we go on */
	if (!error)
		inside_say(INSIDE_STANDS, "");
	if (!error)
		error = view_verify(&session->plan, problem);
	/* nothing of the store stays in init */
	store_close(&session->store);
	return error;
}

/* The host may rewrite its resolv.conf by a new file, which an overlay would not show: init writes
 * the news into the session's copy, which is made by opening it. Absent or odd: no news. */
static int inside_open_resolver(const struct session *session)
{
	struct stat status;
	int file;

	if (session->plan.network == NETWORK_NONE)
		return -1;
	authority_as_root(&session->authority);
	file = open("/etc/resolv.conf", O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	authority_as_user(&session->authority);
	if (file >= 0 && (fstat(file, &status) < 0 || !S_ISREG(status.st_mode) ||
			  !view_is_private(&session->plan, file)))
		descriptor_close(&file);
	return file;
}

/*
 * Only now come the streams: a process that hangs in a dead file server's hands, which not even
 * SIGKILL ends, must not keep those waiting who read what the command prints.
 */
static int inside_wait_for_streams(struct session *session, struct problem *problem)
{
	size_t count = 3;
	char answer;

	if (channel_receive(session->init_channel, &answer, 1,
			    session->descriptors + REQUEST_STREAMS, &count) != 1)
		return problem_set(problem, EPIPE, "the keeper is gone");
	return 0;
}

static int inside_close(struct session *session, struct problem *problem)
{
	struct confinement confinement = {
		.closing = session->plan.closing,
		.user_namespace = session->namespaces.user,
		.network_namespace = session->namespaces.network,
		.own_network = session->plan.network == NETWORK_NONE,
		.uid = session->plan.closing == CLOSING_SHIFTED ? 0 : session->authority.uid,
		.gid = session->plan.closing == CLOSING_SHIFTED ? 0 : session->authority.gid,
	};
	int error = confine_enter_namespaces(&confinement, &session->authority, problem);

	if (!error)
		error = inside_wait_for_streams(session, problem);
	if (!error)
		error = confine_drop(&confinement, problem);
	/* what init itself does from here on is none of what these refuse */
	if (!error)
		error = calls_confine(problem);
	/* a network namespace of the session's own has no sockets of others */
	if (!error && session->plan.network == NETWORK_HOST)
		error = scopes_confine(problem);
	descriptor_close(&session->namespaces.user);
	descriptor_close(&session->namespaces.network);
	return error;
}

static void fill_context(const struct session *session, int resolver, struct init_context *context)
{
	int next = REQUEST_STREAMS;

	context->request = &session->request;
	context->keeper = session->init_channel;
	context->front = session->descriptors[REQUEST_FRONT];
	context->arguments = session->descriptors[REQUEST_ARGUMENTS];
	context->environment = session->descriptors[REQUEST_ENVIRONMENT];
	context->directory = session->descriptors[REQUEST_DIRECTORY];
	context->resolver = resolver;
	for (int i = 0; i < 3; i++)
		context->streams[i] = session->request.streams[i] == STREAM_PASSED
					      ? session->descriptors[next++]
					      : -1;
	memcpy(context->limits, session->limits, sizeof(context->limits));
}

/* The exact list: the request's descriptors, the channel to the keeper, and until they are closed
 * the store and the last namespaces. */
static int inside_keep_descriptors(const struct session *session, struct problem *problem)
{
	int keep[REQUEST_STREAMS + 6];
	size_t count = REQUEST_STREAMS;
	int error;

	memcpy(keep, session->descriptors, REQUEST_STREAMS * sizeof(*keep));
	keep[count++] = session->init_channel;
	keep[count++] = session->store.mount;
	keep[count++] = session->store.directory;
	keep[count++] = session->namespaces.user;
	keep[count++] = session->namespaces.network;
	keep[count++] = session->network.channel;
	error = descriptors_keep_only(keep, count);
	if (error)
		return problem_set(problem, -error, "cannot close descriptors: %s",
				   strerror(-error));
	return 0;
}

static _Noreturn void inside(struct session *session)
{
	struct problem problem = { 0 };
	struct init_context context = { 0 };
	int resolver = -1, error;

	inside_channel = session->init_channel;
	prctl(PR_SET_NAME, "privexec-init");
	error = inside_keep_descriptors(session, &problem);
	if (!error) {
		authority_as_root(&session->authority);
		error = inside_private_mounts(&problem);
		if (!error)
			error = inside_network(session, &problem);
		authority_as_user(&session->authority);
	}
	if (!error)
		error = inside_view(session, &problem);
	if (!error) {
		resolver = inside_open_resolver(session);
		error = inside_close(session, &problem);
	}
	if (error) {
		inside_say(INSIDE_FAILED, problem.text);
		_exit(125);
	}
	fill_context(session, resolver, &context);
	init_run(&context);
}

/* ---- outside: the keeper ---- */

static int admit_streams(struct session *session, struct problem *problem)
{
	int next = REQUEST_STREAMS, error = 0;

	for (int i = 0; i < 3 && !error; i++) {
		int *stream;

		if (session->request.streams[i] != STREAM_PASSED)
			continue;
		stream = &session->descriptors[next++];
		error = streams_admit(stream, i, &session->mounts, &session->authority, problem);
		if (!error && session->plan.closing == CLOSING_SHIFTED)
			streams_shift(*stream, &session->authority);
	}
	return error;
}

/* How much memory the session is promised: none for a store on disk. */
static int promise_memory(struct session *session, const struct state_count *count,
			  uint64_t *ret_bytes, struct problem *problem)
{
	uint64_t available;
	int error;

	*ret_bytes = 0;
	if (session->plan.store != STORE_MEMORY)
		return 0;
	error = budget_available(&available, problem);
	if (error)
		return error;
	return budget_grant(session->plan.size, session->configuration.size_max, available,
			    count->bytes_promised, ret_bytes, &session->plan.granted_less, problem);
}

/*
 * Under the state's lock: what others were promised must not change in between. The sweeper comes
 * first, so that there is somebody to clear away what follows.
 */
static int enter(struct session *session, const struct state_count *count, struct problem *problem)
{
	uint64_t bytes;
	int error = promise_memory(session, count, &bytes, problem);

	if (!error && session->plan.store == STORE_DM_CRYPT) {
		session->store.mapper = mapper_open();
		if (session->store.mapper < 0)
			error = problem_set(problem, -session->store.mapper,
					    "cannot open /dev/mapper/control: %s",
					    strerror(-session->store.mapper));
	}
	if (!error)
		error = sweeper_start(&session->authority, &session->state, &session->cgroup,
				      session->plan.store, session->store.mapper, &session->sweeper,
				      problem);
	if (!error)
		error = state_enter(&session->state, bytes, problem);
	if (!error)
		error = sweeper_give(&session->sweeper, SWEEPER_STATE, &session->state.directory, 1,
				     problem);
	if (session->plan.store == STORE_MEMORY)
		session->plan.size_granted = bytes;
	return error;
}

static int make_store(struct session *session, struct problem *problem)
{
	struct store *store = &session->store;
	const struct store_disk disk = {
		.authority = &session->authority,
		.directory = session->configuration.directory,
		.id = session->state.id,
		.size = session->plan.size_granted,
	};
	size_t count = 1;
	int error = 0;

	switch (session->plan.store) {
	case STORE_DM_CRYPT:
		error = state_record_mapper(&session->state, problem);
		if (!error)
			error = store_prepare_dmcrypt(&disk, store, problem);
		break;
	case STORE_FSCRYPT:
		error = store_prepare_fscrypt(&disk, store, problem);
		break;
	default:
		error = store_prepare_memory(disk.size, store, problem);
	}
	if (!error) {
		const int gift[STORE_REMAINS_MAX] = {
			[REMAINS_INNER] = store->directory,
			[REMAINS_DEVICE] = store->block,
			[REMAINS_OUTER] = store->outer,
			[REMAINS_BALLOON] = store->space.levels[0].balloon,
			[REMAINS_BACKING] = store->space.levels[0].file,
		};

		if (store->outer >= 0)
			count = STORE_REMAINS_MAX;
		else if (store->block >= 0)
			count = REMAINS_DEVICE + 1;
		error = sweeper_give(&session->sweeper, SWEEPER_STORE, gift, count, problem);
	}
	if (!error && store->loop_directory >= 0)
		error = sweeper_give(&session->sweeper, SWEEPER_DEVICE, &store->loop_directory, 1,
				     problem);
	if (!error)
		session_say(session, MESSAGE_DEBUG, "store: %llu bytes",
			    (unsigned long long)store->size);
	return error;
}

static int check_count(const struct session *session, const struct state_count *count,
		       struct problem *problem)
{
	unsigned most = session->configuration.sessions_per_user;

	/* others can hold them too: that shall not be an easy way to keep this user from starting
	 */
	if (session->authority.uid != 0 && count->held_of_user >= HELD_SHARE * most)
		return problem_set(problem, EAGAIN,
				   "%u sessions have ended, but other processes hold their mounts; "
				   "end those first",
				   count->held_of_user);
	if (session->authority.uid == 0 || count->sessions_of_user < most)
		return 0;
	return problem_set(problem, EAGAIN,
			   "%u sessions are running, the most this user may have "
			   "(`sessions_per_user` in privexec.conf); end one of them first",
			   count->sessions_of_user);
}

static int make_cgroup(struct session *session, struct problem *problem)
{
	struct cgroup *cgroup = &session->cgroup;
	int error = cgroup->parent < 0 ? -ENOENT : 0;

	if (!error)
		error = state_record_cgroup(&session->state, cgroup->path, problem);
	if (!error)
		error = cgroup_create(cgroup);
	if (!error) {
		const int gift[] = { cgroup->kill, cgroup->events };

		session_say(session, MESSAGE_DEBUG, "control group: %s", cgroup->path);
		return sweeper_give(&session->sweeper, SWEEPER_CGROUP, gift, 2, problem);
	}
	if (problem->text[0])
		return error;
	session_say(session, MESSAGE_DEBUG, "no cgroup of its own: %s", strerror(-error));
	descriptor_close(&cgroup->directory);
	return 0;
}

/* All that has a name outside of this process. */
static int make_outside(struct session *session, struct problem *problem)
{
	struct state_count count;
	int error;

	cgroup_open_root(&session->mounts, &session->cgroup.root);
	/* before the lock: a keeper that its user freezes must not hold up everybody else */
	error = cgroup_leave_users(&session->cgroup);
	if (error)
		return problem_set(problem, -error,
				   "cannot leave the control group of the user: %s; is cgroup2 "
				   "writable?",
				   strerror(-error));
	error = state_open(session->authority.uid, session->cgroup.root, &session->state, &count,
			   problem);
	if (!error)
		error = check_count(session, &count, problem);
	if (!error) {
		if (cgroup_choose(&session->cgroup, session->authority.uid, session->state.id) < 0)
			descriptor_close(&session->cgroup.parent);
		error = enter(session, &count, problem);
	}
	/* also on failure, of which the front is told only then: it may not be reading */
	state_unlock(&session->state);
	if (!error && count.held[0])
		session_say(
			session, MESSAGE_WARNING,
			"session %s has ended, but another process holds its mounts: nothing can "
			"be read through them, but its key stays in memory until that process "
			"ends",
			count.held);
	if (!error)
		error = make_cgroup(session, problem);
	if (!error)
		error = session_attach_guard(session, problem);
	if (!error)
		error = swap_assure(session->cgroup.users ? -1 : session->cgroup.directory,
				    &session->swap, problem);
	if (!error)
		session_say(session, MESSAGE_DEBUG, "swap: %s", session->swap.word);
	if (!error && session->plan.network == NETWORK_PRIVATE)
		error = session_start_network(session, problem);
	if (!error)
		error = make_store(session, problem);
	if (!error) {
		session->listener = state_listen(&session->state, problem);
		error = session->listener < 0 ? session->listener : 0;
	}
	return error;
}

static int clone_init(struct session *session, struct problem *problem)
{
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
	pid_t child =
		session_clone(session, namespaces, &session->init_channel, &session->init_pidfd);

	if (child == 0)
		inside(session);
	if (child < 0)
		return problem_set(problem, -child,
				   "cannot start the session's first process: %s; "
				   "too many processes?",
				   strerror(-child));
	session->init_pid = child;
	session_say(session, MESSAGE_DEBUG, "process 1 of the session: %d", child);
	for (size_t i = 0; i < REQUEST_STREAMS; i++)
		descriptor_close(&session->descriptors[i]);
	return sweeper_give(&session->sweeper, SWEEPER_INIT, &session->init_pidfd, 1, problem);
}

/* One packet from the inside, at the latest at @limit. Returns its first byte or a negative errno.
 */
static int hear_inside(const struct session *session, int64_t limit, char *text, size_t size,
		       struct problem *problem)
{
	struct pollfd readable = { .fd = session->init_channel, .events = POLLIN };
	int64_t left = limit - clock_milliseconds();
	ssize_t length;

	if (left <= 0 || poll(&readable, 1, (int)left) == 0)
		return problem_set(
			problem, ETIMEDOUT,
			"making the session took more than %d seconds; does a network or "
			"FUSE file system hang?",
			INSIDE_MILLISECONDS / 1000);
	length = channel_receive(session->init_channel, text, size - 1, NULL, NULL);
	if (length <= 0)
		return problem_set(
			problem, EPIPE,
			"the session's first process was killed while the session was being "
			"made");
	text[length] = '\0';
	return text[0];
}

/* Serves the inside until it says @awaited, at the latest until @limit. */
static int serve_inside(const struct session *session, char awaited, int64_t limit,
			struct problem *problem)
{
	while (true) {
		char packet[2 + PROBLEM_TEXT_SIZE];
		int note = hear_inside(session, limit, packet, sizeof(packet), problem);

		if (note < 0 || note == awaited)
			return note < 0 ? note : 0;
		switch (note) {
		case INSIDE_WARNS:
			session_say(session, MESSAGE_WARNING, "%s", packet + 1);
			break;
		case INSIDE_FAILED:
			return problem_set(problem, EIO, "%s", packet + 1);
		default:
			return problem_set(problem, EIO,
					   "the session's first process could not start");
		}
	}
}

static int give_streams(struct session *session, struct problem *problem)
{
	int *streams = session->descriptors + REQUEST_STREAMS;
	size_t count = 0;
	int error;

	while (count < 3 && streams[count] >= 0)
		count++;
	error = channel_send(session->init_channel, "m", 1, streams, count);
	for (size_t i = 0; i < count; i++)
		descriptor_close(&streams[i]);
	if (error)
		return problem_set(problem, -error, "the session's first process is gone");
	return 0;
}

int session_await(struct session *session, struct problem *problem)
{
	int64_t limit = clock_milliseconds() + INSIDE_MILLISECONDS;
	int error = serve_inside(session, INSIDE_STANDS, limit, problem);

	if (!error) {
		session_say(session, MESSAGE_DEBUG, "the view stands");
		error = give_streams(session, problem);
	}
	if (!error)
		error = serve_inside(session, INIT_READY, limit, problem);
	if (error)
		return error;
	session_say(session, MESSAGE_DEBUG, "closed and confined");
	session_await_network(session);
	if (session->plan.network == NETWORK_HOST && !session->probes.scopes)
		session_say(session, MESSAGE_DEBUG,
			    "this kernel cannot keep it from other programs' abstract sockets");
	/* what the view itself takes is not the session's doing */
	return store_usage(&session->store, &session->store.bytes_empty,
			   &session->store.files_empty);
}

int session_assemble(struct session *session, struct problem *problem)
{
	int error = admit_streams(session, problem);

	if (!error) {
		authority_as_root(&session->authority);
		error = confine_forbid_core_dumps(problem);
		/* no error where it is not to be had: --require says who wants it */
		session->unhibernated = probe_open_secret();
		if (!error)
			error = make_outside(session, problem);
		if (!error && session->namespaces.user >= 0 &&
		    session->plan.network == NETWORK_NONE)
			error = namespaces_take_network(&session->namespaces, problem);
		if (!error)
			error = clone_init(session, problem);
		/* before the streams are given, without which the inside changes no ids */
		if (!error && session->plan.closing == CLOSING_IDENTITY)
			error = namespaces_map(&session->namespaces, false, problem);
		namespaces_close(&session->namespaces);
		if (!error)
			error = session_describe(session, problem);
		authority_as_user(&session->authority);
	}
	return error;
}
