// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "authority/authority.h"
#include "base/cleanup.h"
#include "keeper/maps.h"
#include "base/filesystem.h"

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

/* In the child, which shares memory and descriptors with the keeper: nobody but the process itself
 * may open its namespace, since it is not dumpable. */
static int open_own_namespace(void *ret_descriptor)
{
	*(int *)ret_descriptor = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	return 0;
}

int maps_make_shifted(struct problem *problem)
{
	static char stack[16384] __attribute__((aligned(16)));
	const int flags = CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD;
	int descriptor = -1, error;
	char map[64];
	pid_t child = clone(open_own_namespace, stack + sizeof(stack), flags, &descriptor);

	if (child < 0)
		return problem_set(problem, errno, "cannot make a user namespace: %s",
				   strerror(errno));
	/* it has exited by now; until it is reaped its maps can be written all the same */
	snprintf(map, sizeof(map), "0 %u 1\n1 1 %u\n", AUTHORITY_SHIFTED, AUTHORITY_SHIFTED - 1);
	error = write_both(child, map, map, problem);
	waitpid(child, NULL, 0);
	if (!error && descriptor < 0)
		error = problem_set(problem, EIO, "cannot open the session's user namespace");
	if (error)
		descriptor_close(&descriptor);
	return error ? error : descriptor;
}
