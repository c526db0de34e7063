// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/process.h"
#include "confine/capability.h"
#include "control/channel.h"
#include "base/descriptors.h"
#include "keeper/filter.h"
#include "keeper/sweeper.h"
#include "store/end.h"
#include "store/held.h"

#define END_WAIT_MILLISECONDS 5000
#define CGROUP_MILLISECONDS 1000

/* After its end a store is gone within a fraction of a second, if nobody outside holds it. */
#define OUTER_GRACE_MILLISECONDS 200
#define HELD_GRACE_MILLISECONDS 2000
#define HELD_LOOK_MILLISECONDS 20
#define HELD_AGAIN_MILLISECONDS 1000
#define HELD_MOST_MILLISECONDS (24 * 3600 * 1000)

/* What the sweeper knows; all of it by descriptor. */
struct remains {
	int channel;
	struct store_remains store;
	int user_directory; /* holds the state directory @id */
	const char *id;
	struct cgroup cgroup;
	int init;
	int network;
	int state;
	struct held held;
};

/* Each kind once, and all before the keeper confines itself: what else comes is not the keeper's.
 */
static void take_gift(struct remains *remains, char gift, const int *descriptors, size_t count)
{
	if (gift == SWEEPER_STATE && count == 1 && remains->state < 0) {
		remains->state = descriptors[0];
	} else if (gift == SWEEPER_STORE && count >= 1 && count <= STORE_REMAINS_MAX &&
		   remains->store.held[REMAINS_INNER] < 0) {
		memcpy(remains->store.held, descriptors, count * sizeof(*descriptors));
	} else if (gift == SWEEPER_DEVICE && count == 1 && remains->held.device < 0) {
		held_begin(&remains->held, descriptors[0]);
	} else if (gift == SWEEPER_CGROUP && count == 2 && remains->cgroup.kill < 0) {
		remains->cgroup.kill = descriptors[0];
		remains->cgroup.events = descriptors[1];
	} else if (gift == SWEEPER_NETWORK && count == 1 && remains->network < 0) {
		remains->network = descriptors[0];
	} else if (gift == SWEEPER_INIT && count == 1 && remains->init < 0) {
		remains->init = descriptors[0];
	}
}

/* Waits until the keeper says so, or is gone: either ends the session. */
static void wait_for_end(struct remains *remains)
{
	char gift = 0;

	while (gift != 'e') {
		int descriptors[STORE_REMAINS_MAX];
		size_t count = STORE_REMAINS_MAX;
		ssize_t length = channel_receive(remains->channel, &gift, 1, descriptors, &count);

		if (length <= 0)
			return;
		take_gift(remains, gift, descriptors, count);
	}
}

/*
 * The session's processes are all in the pid namespace of process 1, and end before it does. The
 * helpers of a private network, in another, take the kernel 20 ms to end (so long does closing an
 * interface last); they have nothing of the session's.
 */
static bool only_helpers_left(const struct remains *remains)
{
	return remains->network >= 0 && remains->init >= 0;
}

static void end_processes(struct remains *remains)
{
	struct pollfd gone = { .fd = remains->init, .events = POLLIN };

	cgroup_kill(&remains->cgroup);
	/* where there is no cgroup */
	if (remains->network >= 0)
		syscall(SYS_pidfd_send_signal, remains->network, SIGKILL, NULL, 0);
	if (remains->init >= 0) {
		/* process 1 takes the whole pid namespace with it */
		syscall(SYS_pidfd_send_signal, remains->init, SIGKILL, NULL, 0);
		poll(&gone, 1, END_WAIT_MILLISECONDS);
	}
	if (!only_helpers_left(remains))
		cgroup_wait_empty(&remains->cgroup, END_WAIT_MILLISECONDS);
}

/* Looks every @pause milliseconds until nobody holds the store, or for @most of them. */
static bool is_held_after(const struct held *held, int pause, int most)
{
	int64_t limit = clock_milliseconds() + most;

	while (held_still(held)) {
		if (clock_milliseconds() >= limit)
			return true;
		poll(NULL, 0, pause);
	}
	return false;
}

/*
 * Sees the store of the dead session go. Has it listed for as long as it is held by somebody
 * outside.
 */
static void watch_held(struct remains *remains)
{
	is_held_after(&remains->held, HELD_LOOK_MILLISECONDS, OUTER_GRACE_MILLISECONDS);
	store_end_outer(&remains->store);
	if (!is_held_after(&remains->held, HELD_LOOK_MILLISECONDS, HELD_GRACE_MILLISECONDS) ||
	    state_hold(remains->user_directory, remains->id) < 0)
		return;
	is_held_after(&remains->held, HELD_AGAIN_MILLISECONDS, HELD_MOST_MILLISECONDS);
	state_remove(remains->user_directory, remains->id);
}

static void say_done(struct remains *remains)
{
	if (remains->channel >= 0 && write(remains->channel, "d", 1) < 0)
		remains->channel = -1; /* the keeper was killed */
	descriptor_close(&remains->channel);
}

static _Noreturn void sweep(struct remains *remains)
{
	wait_for_end(remains);
	end_processes(remains);
	store_end(&remains->store, remains->id);
	if (only_helpers_left(remains)) {
		state_end(remains->state);
		say_done(remains);
	}
	/* a group that stays is swept later, by what the state directory says of it */
	if (remains->cgroup.parent < 0 ||
	    cgroup_remove(remains->cgroup.parent, remains->cgroup.name, CGROUP_MILLISECONDS))
		state_remove(remains->user_directory, remains->id);
	/* its own end takes a moment more, for which nobody needs to wait */
	say_done(remains);
	store_let_go(&remains->store);
	watch_held(remains);
	_exit(0);
}

static _Noreturn void become_sweeper(const struct authority *authority, struct remains *remains)
{
	struct problem problem = { 0 };
	const int keep[] = { remains->channel, remains->store.mapper, remains->user_directory,
			     remains->cgroup.parent };
	/* the control group may be in one that the user owns */
	uint64_t capabilities =
		authority->capabilities &
		(store_end_capabilities(remains->store.kind) | CAPABILITY_BIT(CAP_DAC_OVERRIDE));

	prctl(PR_SET_NAME, "privexec-sweep");
	if (descriptors_keep_only(keep, sizeof(keep) / sizeof(*keep)) < 0)
		_exit(1);
	/* all ids 0: what it removes is root's, and the user must not be able to stop it */
	authority_as_root(authority);
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
	    capability_set(capabilities, capabilities) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || filter_load(FILTER_SWEEPER, &problem) < 0)
		_exit(1);
	sweep(remains);
}

int sweeper_start(const struct authority *authority, const struct state *state,
		  const struct cgroup *cgroup, enum store_choice kind, int mapper,
		  struct sweeper *ret_sweeper, struct problem *problem)
{
	struct remains remains = {
		.store = STORE_REMAINS_NONE,
		.user_directory = state->user,
		.id = state->id,
		.cgroup = *cgroup,
		.init = -1,
		.network = -1,
		.state = -1,
		.held = { .device = -1 },
	};
	int ends[2], pidfd, error = channel_pair(ends);
	pid_t child;

	if (error)
		return problem_set(problem, -error, "cannot start the sweeper: %s",
				   strerror(-error));
	remains.store.kind = kind;
	remains.store.mapper = mapper;
	remains.channel = ends[1];
	child = process_clone(0, -1, &pidfd);
	if (child == 0)
		become_sweeper(authority, &remains);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return problem_set(problem, -child,
				   "cannot start the sweeper: %s; too many processes?",
				   strerror(-child));
	}
	ret_sweeper->pidfd = pidfd;
	ret_sweeper->channel = ends[0];
	return 0;
}

int sweeper_give(const struct sweeper *sweeper, enum sweeper_gift gift, const int *descriptors,
		 size_t count, struct problem *problem)
{
	char byte = (char)gift;
	int error = channel_send(sweeper->channel, &byte, 1, descriptors, count);

	if (error)
		return problem_set(problem, -error, "the sweeper is gone: %s", strerror(-error));
	return 0;
}

void sweeper_wait(const struct sweeper *sweeper, int milliseconds)
{
	struct pollfd said = { .fd = sweeper->channel, .events = POLLIN };

	poll(&said, 1, milliseconds);
}

void sweeper_release(const struct sweeper *sweeper)
{
	if (write(sweeper->channel, "e", 1) < 0)
		return; /* it is gone; the next start sweeps */
}
