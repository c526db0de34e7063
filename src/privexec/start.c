// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "control/channel.h"
#include "paths.h"
#include "privexec/sealed.h"
#include "privexec/signals.h"
#include "privexec/start.h"
#include "privexec/words.h"

#define KEEPER_NAME "privexec-keeper"
#define KEEPER_CHANNEL 3

int origin_record(struct origin *ret_origin)
{
	const uint64_t stopping = signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
	int closed;

	ret_origin->signals_ignored = signals_ignored();
	ret_origin->signals_blocked = signals_block(UINT64_MAX);
	signals_block(~stopping | ret_origin->signals_blocked);
	ret_origin->umask = umask(0);
	umask(ret_origin->umask);
	closed = descriptor_fill_standard();
	if (closed < 0)
		return closed;
	ret_origin->closed = closed;
	return 0;
}

/*
 * The keeper beside this program counts for root only, who starts both from a build tree; for
 * anybody else privilege comes with the installed one.
 */
static void find_keeper(char path[PATH_MAX])
{
	ssize_t length;
	char *slash;

	if (getuid() == 0) {
		length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(KEEPER_NAME));
		path[length > 0 ? length : 0] = '\0';
		slash = strrchr(path, '/');
		if (slash) {
			memcpy(slash + 1, KEEPER_NAME, sizeof(KEEPER_NAME));
			if (access(path, X_OK) == 0)
				return;
		}
	}
	snprintf(path, PATH_MAX, "%s", PATH_KEEPER);
}

static int explain_spawn(int error, const char *path, struct problem *problem)
{
	if (error == ENOENT || error == ENOTDIR)
		return problem_set(problem, error,
				   "there is no keeper at %s: install privexec completely ('make "
				   "install')",
				   path);
	if (error == EACCES || error == EPERM)
		return problem_set(problem, error,
				   "the keeper %s may not be executed by you (%s): ask the "
				   "administrator, or look at its mode and mount options",
				   path, strerror(error));
	return problem_set(problem, error, "cannot start the keeper %s: %s%s", path,
			   strerror(error),
			   error == EAGAIN    ? "; too many processes? (ulimit -u)"
			   : error == ENOEXEC ? "; install privexec again ('make install')"
					      : "");
}

/* Spawns @path with @channel as its descriptor 3 and nothing of the user's. A positive errno. */
static int spawn(const char *path, int channel, pid_t *ret_process)
{
	char *const arguments[] = { KEEPER_NAME, NULL }, *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, blocked;
	int error;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGCHLD);
	/* a session of its own: keys typed at the outer terminal are no signals to the keeper */
	sigemptyset(&blocked);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setsigmask(&attributes, &blocked);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, channel, KEEPER_CHANNEL);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_adddup2(&actions, 0, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, KEEPER_CHANNEL + 1);
	error = posix_spawn(ret_process, path, &actions, &attributes, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

static int start_keeper(struct start *start, struct problem *problem)
{
	char path[PATH_MAX];
	int ends[2], r;

	if (getuid() != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return problem_set(problem, EPERM,
				   "this process may gain no privilege (no_new_privs), so neither "
				   "may the keeper: in a session or another sandbox no session can "
				   "be started, start it from outside");
	find_keeper(path);
	r = channel_pair(ends);
	if (r < 0)
		return problem_set(problem, -r, "cannot make a socket: %s", strerror(-r));
	r = spawn(path, ends[1], &start->keeper_process);
	close(ends[1]);
	if (r > 0) {
		close(ends[0]);
		return explain_spawn(r, path, problem);
	}
	start->keeper = ends[0];
	return 0;
}

/* The working directory as a memory file; an empty one when it is in no directory any more. */
static int seal_directory(void)
{
	_cleanup_free_ char *directory = getcwd(NULL, 0);

	if (!directory || directory[0] != '/') {
		words_say("the working directory no longer exists: the command starts in /");
		return sealed_bytes("directory", "", 0);
	}
	return sealed_bytes("directory", directory, strlen(directory));
}

/* Fills @descriptors in the order of enum request_descriptor. Returns their number. */
static int collect(char *const *command, const struct streams *streams, int front,
		   int descriptors[REQUEST_DESCRIPTORS_MAX])
{
	int count = REQUEST_STREAMS, r;

	r = descriptors[REQUEST_ARGUMENTS] = sealed_strings("arguments", command);
	if (r >= 0)
		r = descriptors[REQUEST_ENVIRONMENT] = sealed_strings("environment", environ);
	if (r >= 0)
		r = descriptors[REQUEST_DIRECTORY] = seal_directory();
	if (r < 0)
		return r;
	descriptors[REQUEST_FRONT] = front;
	for (int i = 0; i < 3; i++)
		if (streams->choices[i] == STREAM_PASSED)
			descriptors[count++] = streams->passed[i];
	return count;
}

static int send_request(const struct start *start, const struct request *request,
			char *const *command, const struct streams *streams, int front,
			struct problem *problem)
{
	int descriptors[REQUEST_DESCRIPTORS_MAX] = { -1, -1, -1 };
	char packet[REQUEST_SIZE_MAX];
	ssize_t size = request_format(request, packet, sizeof(packet));
	int count = size < 0 ? (int)size : collect(command, streams, front, descriptors);
	int r = count;

	if (count >= 0)
		r = channel_send(start->keeper, packet, (size_t)size, descriptors, (size_t)count);
	for (int i = REQUEST_ARGUMENTS; i <= REQUEST_DIRECTORY; i++)
		descriptor_close(&descriptors[i]);
	if (r == -EFBIG)
		return problem_set(
			problem, EFBIG,
			"the limit on file sizes is smaller than arguments and environment: "
			"raise it (ulimit -f)");
	/* a keeper that is gone already has said why, and that is read next */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return problem_set(problem, -r, "cannot send the request to the keeper: %s",
				   strerror(-r));
	return 0;
}

int start_session(const struct origin *origin, const struct options *options, char *const *command,
		  const struct streams *streams, const struct terminal *terminal,
		  struct start *ret_start, struct problem *problem)
{
	struct request request = options->request;
	struct start start = { .keeper = -1, .init = -1 };
	int ends[2], r;

	request.umask = origin->umask;
	request.signals_ignored = origin->signals_ignored;
	request.signals_blocked = origin->signals_blocked;
	request.terminal_lazy = terminal->present && terminal->lazy;
	memcpy(request.streams, streams->choices, sizeof(request.streams));
	r = start_keeper(&start, problem);
	if (r < 0)
		return r;
	r = channel_pair(ends);
	if (r < 0) {
		close(start.keeper);
		return problem_set(problem, -r, "cannot make a socket: %s", strerror(-r));
	}
	start.init = ends[0];
	r = send_request(&start, &request, command, streams, ends[1], problem);
	close(ends[1]);
	if (r < 0) {
		close(start.keeper);
		close(start.init);
		return r;
	}
	/* neither a frozen session nor a stopped keeper may hold up the front */
	fcntl(start.keeper, F_SETFL, O_NONBLOCK);
	fcntl(start.init, F_SETFL, O_NONBLOCK);
	*ret_start = start;
	return 0;
}
