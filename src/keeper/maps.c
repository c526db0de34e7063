// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "authority/authority.h"
#include "base/cleanup.h"
#include "control/channel.h"
#include "keeper/maps.h"
#include "keeper/process.h"
#include "view/filesystem.h"

#define NAMESPACE_MILLISECONDS 2000

int maps_user_namespaces(void)
{
	char text[32];

	return access("/proc/self/ns/user", F_OK) == 0 &&
	       descriptor_read_file(AT_FDCWD, "/proc/sys/user/max_user_namespaces", text,
				    sizeof(text)) > 0 &&
	       strtoull(text, NULL, 10) > 0;
}

/* The map @file of this process, each line turned into one that maps the inner ids to themselves. */
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

static int write_maps(int proc, pid_t pid, const char *users, const char *groups)
{
	char path[48];
	int error;

	snprintf(path, sizeof(path), "%s%d/uid_map", proc == AT_FDCWD ? "/proc/" : "", pid);
	error = descriptor_write_file(proc, path, users);
	if (error)
		return error;
	snprintf(path, sizeof(path), "%s%d/gid_map", proc == AT_FDCWD ? "/proc/" : "", pid);
	return descriptor_write_file(proc, path, groups);
}

static int write_both(pid_t pid, const char *users, const char *groups, struct problem *problem)
{
	int error = write_maps(AT_FDCWD, pid, users, groups);

	if (error == -ENOENT) {
		/* /proc with hidepid shows only the user's own: look at one of our own */
		_cleanup_close_ int proc =
			filesystem_mount("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, problem);

		if (proc < 0)
			return proc;
		error = write_maps(proc, pid, users, groups);
	}
	if (error)
		return problem_set(problem, -error,
				   "cannot map ids in the session's user namespace: %s",
				   strerror(-error));
	return 0;
}

int maps_write_identity(pid_t pid, struct problem *problem)
{
	char users[2048], groups[2048];
	int error = identity("uid_map", users, sizeof(users));

	if (!error)
		error = identity("gid_map", groups, sizeof(groups));
	if (error)
		return problem_set(problem, -error, "cannot read this process's id maps: %s",
				   strerror(-error));
	return write_both(pid, users, groups, problem);
}

/* In the child: nobody but itself may open its namespace, since it is not dumpable. */
static _Noreturn void send_namespace(int channel)
{
	int descriptor = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

	if (descriptor >= 0)
		channel_send(channel, "n", 1, &descriptor, 1);
	while (true)
		pause(); /* its maps are being written */
}

static int receive_namespace(int channel, struct problem *problem)
{
	struct pollfd readable = { .fd = channel, .events = POLLIN };
	int descriptor = -1;
	size_t count = 1;
	char byte;

	if (poll(&readable, 1, NAMESPACE_MILLISECONDS) < 1 ||
	    channel_receive(channel, &byte, 1, &descriptor, &count) != 1 || count != 1)
		return problem_set(problem, EIO, "cannot open the session's user namespace");
	return descriptor;
}

int maps_make_shifted(struct problem *problem)
{
	char map[64];
	int pidfd, ends[2], descriptor, error = channel_pair(ends);
	pid_t child = error ? error : process_clone(CLONE_NEWUSER, -1, &pidfd);

	if (child == 0)
		send_namespace(ends[1]);
	if (child < 0) {
		if (!error) {
			close(ends[0]);
			close(ends[1]);
		}
		return problem_set(problem, -child, "cannot make a user namespace: %s",
				   strerror(-child));
	}
	close(ends[1]);
	descriptor = receive_namespace(ends[0], problem);
	close(ends[0]);
	snprintf(map, sizeof(map), "0 %u 1\n1 1 %u\n", AUTHORITY_SHIFTED, AUTHORITY_SHIFTED - 1);
	error = descriptor < 0 ? descriptor : write_both(child, map, map, problem);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	process_reap(pidfd, NAMESPACE_MILLISECONDS);
	close(pidfd);
	if (error)
		descriptor_close(&descriptor);
	return error ? error : descriptor;
}
