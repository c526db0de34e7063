// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/process.h"
#include "cgroup/cgroup.h"

#define NAME_PREFIX "privexec-"
#define SWEEP_MILLISECONDS 3
#define PROBE_MILLISECONDS 1000
#define TOP_INODE 1 /* the kernel counts them from there */

void cgroup_open_root(const struct mount_table *mounts, int *ret_root)
{
	*ret_root = -1;
	for (size_t i = 0; i < mounts->count; i++) {
		if (strcmp(mounts->entries[i].type, "cgroup2") != 0)
			continue;
		*ret_root = open(mounts->entries[i].target,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return;
	}
}

/* The calling process's own cgroup, "/user.slice/...". */
static int own_path(char *path, size_t size)
{
	char text[4096];
	char *line, *end;
	ssize_t length = descriptor_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));

	if (length < 0)
		return (int)length;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	end = line ? strchr(line, '\n') : NULL;
	if (!end || (size_t)(end - line) >= size)
		return -ENAMETOOLONG;
	snprintf(path, size, "%.*s", (int)(end - line), line);
	return 0;
}

static int open_directory(int parent, const char *path)
{
	int directory = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return directory < 0 ? -errno : directory;
}

/* Is the cgroup @path, or one above it, owned by anybody but root? */
static bool is_users(int root, const char *path)
{
	char prefix[CGROUP_PATH_MAX + 1];

	snprintf(prefix, sizeof(prefix), ".%s", path);
	while (strlen(prefix) > 1) {
		struct stat status;

		if (fstatat(root, prefix, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_uid != 0)
			return true;
		*strrchr(prefix, '/') = '\0';
	}
	return false;
}

/* Moves this process to where keepers are that cannot stay in the caller's control group. */
static int leave(int root)
{
	_cleanup_close_ int group = -1;

	if ((mkdirat(root, "privexec", 0755) < 0 && errno != EEXIST) ||
	    (mkdirat(root, "privexec/keepers", 0755) < 0 && errno != EEXIST))
		return -errno;
	group = open_directory(root, "privexec/keepers");
	return group < 0 ? group : descriptor_write_file(group, "cgroup.procs", "0");
}

int cgroup_leave_users(struct cgroup *cgroup)
{
	if (cgroup->root < 0 || own_path(cgroup->caller, sizeof(cgroup->caller)) < 0 ||
	    !is_users(cgroup->root, cgroup->caller))
		return 0;
	return leave(cgroup->root);
}

/* Does a child live that starts in @directory? */
static bool takes_children(int directory)
{
	siginfo_t ended = { 0 };
	int pidfd;
	pid_t child = process_clone(0, directory, &pidfd);

	if (child == 0)
		_exit(0);
	if (child < 0)
		return true; /* whoever needs one says why not */
	process_reap(pidfd, PROBE_MILLISECONDS, &ended);
	close(pidfd);
	/* one that does neither is frozen, which is for the user to end */
	return ended.si_code != CLD_KILLED;
}

int cgroup_take_children(const struct cgroup *cgroup)
{
	int error;

	if (strcmp(cgroup->caller, "/") == 0 || takes_children(cgroup->directory))
		return 0;
	error = leave(cgroup->root);
	if (error)
		return error;
	return takes_children(cgroup->directory) ? 0 : -EOWNERDEAD;
}

int cgroup_choose(struct cgroup *cgroup, uid_t uid, const char *id)
{
	const char *parent;
	char slice[64], above[CGROUP_PATH_MAX + 1];

	if (cgroup->root < 0 || cgroup->caller[0] != '/')
		return -ENOENT;
	snprintf(slice, sizeof(slice), "user.slice/user-%u.slice", uid);
	parent = slice;
	if (strncmp(cgroup->caller + 1, slice, strlen(slice)) == 0)
		cgroup->parent = open_directory(cgroup->root, slice);
	if (cgroup->parent < 0 && strcmp(cgroup->caller, "/") != 0) {
		/* whatever limits the caller limits the session too: below the caller's own */
		parent = cgroup->caller + 1;
		cgroup->parent = open_directory(cgroup->root, parent);
		if (cgroup->parent < 0)
			return cgroup->parent;
	}
	if (cgroup->parent < 0) {
		parent = "privexec";
		if (mkdirat(cgroup->root, parent, 0755) < 0 && errno != EEXIST)
			return -errno;
		cgroup->parent = open_directory(cgroup->root, parent);
		/* for memory.swap.max; where the controller cannot be had, swap_assure() says so */
		if (cgroup->parent >= 0)
			descriptor_write_file(cgroup->parent, "cgroup.subtree_control", "+memory");
	}
	if (cgroup->parent < 0)
		return cgroup->parent;
	snprintf(cgroup->name, sizeof(cgroup->name), NAME_PREFIX "%s", id);
	if (snprintf(cgroup->path, sizeof(cgroup->path), "%s/%s", parent, cgroup->name) >=
	    (int)sizeof(cgroup->path))
		return -ENAMETOOLONG;
	/* who may write to the group above may move processes between those below it */
	snprintf(above, sizeof(above), "/%s", parent);
	cgroup->users = is_users(cgroup->root, above);
	return 0;
}

unsigned cgroup_level(const struct cgroup *cgroup)
{
	unsigned level = 1;

	for (const char *slash = strchr(cgroup->path, '/'); slash; slash = strchr(slash + 1, '/'))
		level++;
	return level;
}

bool cgroup_root_is_whole(int root)
{
	struct stat status;

	return fstat(root, &status) == 0 && status.st_ino == TOP_INODE;
}

int cgroup_create(struct cgroup *cgroup)
{
	if (mkdirat(cgroup->parent, cgroup->name, 0755) < 0)
		return -errno;
	cgroup->directory = open_directory(cgroup->parent, cgroup->name);
	if (cgroup->directory < 0)
		return cgroup->directory;
	/* cgroup.kill: since Linux 5.14 */
	cgroup->kill = openat(cgroup->directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	cgroup->events = openat(cgroup->directory, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (cgroup->kill < 0 || cgroup->events < 0)
		return -errno;
	return 0;
}

void cgroup_kill(const struct cgroup *cgroup)
{
	if (cgroup->kill >= 0 && write(cgroup->kill, "1", 1) < 0)
		return; /* the pid namespace's end does the same, a little later */
}

static bool populated(int events)
{
	char text[128];
	ssize_t length = pread(events, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return false;
	text[length] = '\0';
	return strstr(text, "populated 1") != NULL;
}

bool cgroup_wait_empty(const struct cgroup *cgroup, int milliseconds)
{
	int64_t limit = clock_milliseconds() + milliseconds;
	struct pollfd watch = { .fd = cgroup->events, .events = POLLPRI };

	while (cgroup->events >= 0 && populated(cgroup->events)) {
		int64_t left = limit - clock_milliseconds();

		if (left <= 0)
			return false;
		/* woken by a change; the second look-up also serves kernels that wake late */
		poll(&watch, 1, left < 50 ? (int)left : 50);
	}
	return true;
}

bool cgroup_remove(int parent, const char *name, int milliseconds)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int64_t limit = clock_milliseconds() + milliseconds;

	while (unlinkat(parent, name, AT_REMOVEDIR) < 0) {
		if (errno != EBUSY)
			return errno == ENOENT;
		if (clock_milliseconds() >= limit)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

bool cgroup_sweep(int root, const char *path)
{
	char text[CGROUP_PATH_MAX];
	struct cgroup dead = CGROUP_NONE;
	bool gone = true;
	char *slash;

	/* written by a keeper, but only ever followed to a directory of ours */
	snprintf(text, sizeof(text), "%s", path);
	slash = strrchr(text, '/');
	if (!slash || strncmp(slash + 1, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 || text[0] == '/' ||
	    strstr(text, ".."))
		return true; /* nothing that could be ours */
	*slash = '\0';
	dead.parent = open_directory(root, text);
	if (dead.parent < 0)
		return true;
	dead.directory = open_directory(dead.parent, slash + 1);
	if (dead.directory >= 0) {
		dead.kill = openat(dead.directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
		dead.events = openat(dead.directory, "cgroup.events", O_RDONLY | O_CLOEXEC);
		cgroup_kill(&dead);
		cgroup_wait_empty(&dead, SWEEP_MILLISECONDS);
		gone = cgroup_remove(dead.parent, slash + 1, SWEEP_MILLISECONDS);
	}
	cgroup_close(&dead);
	return gone;
}

void cgroup_close(struct cgroup *cgroup)
{
	descriptor_close(&cgroup->events);
	descriptor_close(&cgroup->kill);
	descriptor_close(&cgroup->directory);
	descriptor_close(&cgroup->parent);
	descriptor_close(&cgroup->root);
}
