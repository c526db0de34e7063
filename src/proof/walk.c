// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proof/walk.h"

/* Deeper trees are not proven: each level takes a descriptor and some stack. */
#define DEPTH_MAX 64

static const char *fault(const struct statx *status)
{
	mode_t type = status->stx_mode & S_IFMT;

	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
		return "is neither a file, a directory nor a symbolic link";
	if (status->stx_uid != 0)
		return "is not owned by root";
	/* with an access control list the group bits are its mask: these cover it too */
	if (type != S_IFLNK && (status->stx_mode & (S_IWGRP | S_IWOTH)))
		return "can be written by others than root";
	return NULL;
}

static int look(int directory, const char *name, const char *path, struct statx *status,
		struct problem *problem)
{
	const char *wrong;

	if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
		  STATX_BASIC_STATS, status) < 0)
		return problem_set(problem, errno, "cannot look at %s/%s: %s", path, name,
				   strerror(errno));
	wrong = fault(status);
	if (!wrong)
		return 0;
	return problem_set(problem, EPERM, "%s%s%s %s, so the tree will be overlaid", path,
			   *name ? "/" : "", name, wrong);
}

static int walk(int directory, const char *path, unsigned depth, struct problem *problem);

static int enter(int parent, const char *name, const char *path, unsigned depth,
		 struct problem *problem)
{
	_cleanup_free_ char *below = NULL;
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0 || asprintf(&below, "%s/%s", path, name) < 0) {
		int error = directory < 0 ? errno : ENOMEM;

		descriptor_close(&directory);
		return problem_set(problem, error, "cannot open %s/%s: %s", path, name,
				   strerror(error));
	}
	return walk(directory, below, depth + 1, problem);
}

/* Takes @directory over. */
static int walk(int directory, const char *path, unsigned depth, struct problem *problem)
{
	DIR *listing = fdopendir(directory);
	struct dirent *entry;
	int error = 0;

	if (!listing || depth > DEPTH_MAX) {
		error = listing ? ELOOP : errno;
		if (listing)
			closedir(listing);
		else
			close(directory);
		return problem_set(problem, error, "cannot list %s: %s", path, strerror(error));
	}
	while (!error && (entry = readdir(listing))) {
		struct statx status;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		error = look(dirfd(listing), entry->d_name, path, &status, problem);
		if (error || !S_ISDIR(status.stx_mode) ||
		    (status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
			continue; /* what is mounted there has a node of its own */
		error = enter(dirfd(listing), entry->d_name, path, depth, problem);
	}
	closedir(listing);
	return error;
}

int walk_tree(int directory, const char *path, struct problem *problem)
{
	struct statx status;
	int copy, error = look(directory, "", path, &status, problem);

	if (error)
		return error;
	copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return problem_set(problem, errno, "cannot open %s: %s", path, strerror(errno));
	return walk(copy, path, 0, problem);
}
