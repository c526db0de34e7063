// SPDX-License-Identifier: GPL-2.0-or-later
/* Instances of the session's own: /proc, /sys, /dev and what is in it, the runtime directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "view/view.h"

#define GROUP_TTY 5 /* the same in every distribution; terminals are written to by its members */

/* Nodes are made, not bound: the host's own would share their locks and modes. */
static const struct device {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "ptmx", "pts/ptmx" },		 { "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },	 { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

static const char *const directories[] = { "pts", "shm", "mqueue" };

static int fill_devices(int directory)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (mknodat(directory, devices[i].name, S_IFCHR | 0666,
			    makedev(devices[i].major, devices[i].minor)) < 0)
			return -errno;
	if (fchownat(directory, "tty", (uid_t)-1, GROUP_TTY, 0) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (mkdirat(directory, directories[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (symlinkat(links[i][1], directory, links[i][0]) < 0)
			return -errno;
	return 0;
}

static int fresh_devices(struct view *view, struct problem *problem)
{
	char options[96];
	_cleanup_close_ int directory = -1;
	int mount, error;

	snprintf(options, sizeof(options), "mode=755,size=64k,nr_inodes=64,uid=%u,gid=%u",
		 view->authority->root, view->authority->root);
	mount = filesystem_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, problem);
	if (mount < 0)
		return mount;
	directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = directory < 0 ? -errno : fill_devices(directory);
	if (!error)
		return mount;
	close(mount);
	return problem_set(problem, -error, "cannot fill the session's /dev: %s", strerror(-error));
}

/* A writable directory that starts empty, with the mode and owner of the host's. */
static int fresh_empty(struct view *view, const struct plan_node *node, struct problem *problem)
{
	struct stat status;
	char name[24];

	if (lstat(node->path, &status) < 0 || !S_ISDIR(status.st_mode)) {
		status.st_mode = 0755;
		status.st_uid = view->authority->root;
		status.st_gid = view->authority->root;
	}
	if (status.st_uid == 0)
		status.st_uid = view->authority->root;
	if (status.st_gid == 0)
		status.st_gid = view->authority->root;
	snprintf(name, sizeof(name), "empty%u", view->layers++);
	/* what the host's mount forbids it forbids here */
	return layer_store_directory(view, name, status.st_mode & 07777, status.st_uid,
				     status.st_gid, layer_attributes(node), problem);
}

/* A part of the /proc that was made before, read-only. */
static int fresh_sealed(struct view *view, const struct plan_node *node, struct problem *problem)
{
	int clone = open_tree(view->root, node->path + 1, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int error = clone < 0 ? -errno
			      : filesystem_restrict(clone, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
								   MOUNT_ATTR_NODEV |
								   MOUNT_ATTR_NOEXEC);

	if (!error)
		return clone;
	descriptor_close(&clone);
	return problem_set(problem, -error, "cannot seal %s: %s", node->path, strerror(-error));
}

/* What needs no more than a type, options and attributes. */
static int fresh_simple(struct view *view, const struct plan_node *node, struct problem *problem)
{
	const unsigned closed = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

	(void)view;
	switch (node->fresh) {
	case FRESH_PROC:
		return filesystem_mount("proc", NULL, closed, problem);
	case FRESH_SYS:
		return filesystem_mount("sysfs", NULL, closed | MOUNT_ATTR_RDONLY, problem);
	case FRESH_DEVPTS:
		return filesystem_mount("devpts", "gid=5,mode=620,ptmxmode=666",
					MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, problem);
	case FRESH_MQUEUE:
		return filesystem_mount("mqueue", NULL, closed, problem);
	default:
		return problem_set(problem, EINVAL, "no fresh instance is known for %s",
				   node->path);
	}
}

int fresh_mount(struct view *view, const struct plan_node *node, struct problem *problem)
{
	const struct authority *authority = view->authority;
	int mount;

	switch (node->fresh) {
	case FRESH_SHM:
		return layer_store_directory(view, "shm", 01777, authority->root, authority->root,
					     0, problem);
	case FRESH_RUNTIME:
		return layer_store_directory(view, "runtime", 0700, authority->uid, authority->gid,
					     0, problem);
	case FRESH_EMPTY:
		return fresh_empty(view, node, problem);
	case FRESH_SEALED:
		return fresh_sealed(view, node, problem);
	default:
		/* made by root, so that root owns what is in it */
		authority_as_root(authority);
		mount = node->fresh == FRESH_DEV ? fresh_devices(view, problem)
						 : fresh_simple(view, node, problem);
		authority_mounting(authority);
		return mount;
	}
}
