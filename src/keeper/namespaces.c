// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "authority/authority.h"
#include "base/descriptor.h"
#include "base/descriptors.h"
#include "confine/confine.h"
#include "confine/idmap.h"
#include "control/channel.h"
#include "keeper/namespaces.h"

#define TAKE_MILLISECONDS 5000
#define REAP_TRIES 1000 /* of a millisecond each */

static void send_namespace(int channel, const char *file, char what)
{
	int descriptor = open(file, O_RDONLY | O_CLOEXEC);

	if (descriptor >= 0)
		channel_send(channel, &what, 1, &descriptor, 1);
	descriptor_close(&descriptor);
}

/* In the child. Whatever fails, the keeper finds out by what does not come. */
static _Noreturn void make(int channel, bool network)
{
	struct problem unused = { 0 };

	prctl(PR_SET_NAME, "privexec-spaces");
	if (descriptors_keep_only(&channel, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
		_exit(1);
	send_namespace(channel, "/proc/self/ns/user", 'u');
	if (network && unshare(CLONE_NEWNET) == 0 && confine_raise_loopback(&unused) == 0)
		send_namespace(channel, "/proc/self/ns/net", 'n');
	_exit(0);
}

int namespaces_begin(bool network, struct namespaces *ret_namespaces, struct problem *problem)
{
	int ends[2], error = channel_pair(ends);

	*ret_namespaces = NAMESPACES_NONE;
	if (!error) {
		ret_namespaces->channel = ends[0];
		ret_namespaces->maker = fork();
		if (ret_namespaces->maker == 0)
			make(ends[1], network);
		if (ret_namespaces->maker < 0)
			error = -errno;
		close(ends[1]);
	}
	if (error)
		return problem_set(
			problem, -error,
			"cannot start a process for the session's namespaces: %s; too many "
			"processes?",
			strerror(-error));
	return 0;
}

static int take(const struct namespaces *namespaces)
{
	struct pollfd readable = { .fd = namespaces->channel, .events = POLLIN };
	int descriptor = -1;
	size_t count = 1;
	char what;

	if (poll(&readable, 1, TAKE_MILLISECONDS) < 1)
		return -ETIMEDOUT;
	if (channel_receive(namespaces->channel, &what, 1, &descriptor, &count) != 1 || count != 1)
		return -ENODATA;
	return descriptor;
}

int namespaces_take_user(struct namespaces *namespaces, struct problem *problem)
{
	int taken = take(namespaces);

	/* none is one thing, no answer another: a session is not left open for want of time */
	if (taken == -ETIMEDOUT)
		return problem_set(
			problem, ETIMEDOUT,
			"the session's namespaces were not made within %d seconds; is the "
			"machine overloaded? try again",
			TAKE_MILLISECONDS / 1000);
	namespaces->user = taken < 0 ? -1 : taken;
	return taken >= 0;
}

int namespaces_take_network(struct namespaces *namespaces, struct problem *problem)
{
	int taken = take(namespaces);

	namespaces->network = taken < 0 ? -1 : taken;
	if (taken < 0)
		return problem_set(problem, EIO,
				   "cannot make a network namespace with a loopback; "
				   "are there too many (user.max_net_namespaces)?");
	return 0;
}

/* The map @file of this process, each line turned into one that maps the inner ids to themselves.
 */
static int identity(const char *file, char *map, size_t size)
{
	char text[4096], path[32];
	char *rest, *line;
	size_t used = 0;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	length = descriptor_read_file(AT_FDCWD, path, text, sizeof(text));
	if (length <= 0)
		return length < 0 ? (int)length : -ENODATA;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		uint32_t inner, outer, count;
		int added;

		if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inner, &outer, &count) != 3)
			return -EINVAL;
		added = snprintf(map + used, size - used, "%u %u %u\n", inner, inner, count);
		if (added < 0 || (size_t)added >= size - used)
			return -E2BIG;
		used += (size_t)added;
	}
	return 0;
}

static int map_identity(pid_t maker, struct problem *problem)
{
	char users[2048], groups[2048];
	int error = identity("uid_map", users, sizeof(users));

	if (!error)
		error = identity("gid_map", groups, sizeof(groups));
	if (error)
		return problem_set(problem, -error, "cannot read this process's id maps: %s",
				   strerror(-error));
	return idmap_write(maker, users, groups, problem);
}

static int map_shifted(pid_t maker, struct problem *problem)
{
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1\n1 1 %u\n", AUTHORITY_SHIFTED, AUTHORITY_SHIFTED - 1);
	return idmap_write(maker, map, map, problem);
}

int namespaces_map(struct namespaces *namespaces, bool shifted, struct problem *problem)
{
	return shifted ? map_shifted(namespaces->maker, problem)
		       : map_identity(namespaces->maker, problem);
}

void namespaces_close(struct namespaces *namespaces)
{
	/* it has most probably ended; if it hangs, as on closing a file of a dead server, leave it
	 */
	for (int i = 0; namespaces->maker > 0 && i < REAP_TRIES; i++) {
		const struct timespec pause = { .tv_nsec = 1000000 };

		if (waitpid(namespaces->maker, NULL, WNOHANG) != 0)
			break;
		if (i == REAP_TRIES / 2)
			kill(namespaces->maker, SIGKILL);
		nanosleep(&pause, NULL);
	}
	namespaces->maker = -1;
	descriptor_close(&namespaces->channel);
	descriptor_close(&namespaces->user);
	descriptor_close(&namespaces->network);
}
