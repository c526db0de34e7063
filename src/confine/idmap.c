// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "confine/idmap.h"

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

int idmap_write(pid_t pid, const char *users, const char *groups, struct problem *problem)
{
	int error = write_maps(AT_FDCWD, pid, users, groups);

	if (error == -ENOENT) {
		/* /proc with hidepid shows only the user's own: look at one of our own */
		_cleanup_close_ int proc = filesystem_mount(
			"proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, problem);

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
