// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"

/* The kernel's last words about @context ("e overlay: ..."), without their level; or nothing. */
static void last_words(int context, char *buffer, size_t size)
{
	char line[256];
	ssize_t length;

	buffer[0] = '\0';
	while ((length = read(context, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		snprintf(buffer, size, " (%s)", length > 2 ? line + 2 : line);
	}
}

int filesystem_create(int context, unsigned attributes, const char *what, struct problem *problem)
{
	char words[300];
	int mount, error;

	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		error = errno; /* reading the kernel's words overwrites it */
		last_words(context, words, sizeof(words));
		return problem_set(problem, error, "cannot create %s: %s%s", what, strerror(error),
				   words);
	}
	mount = fsmount(context, FSMOUNT_CLOEXEC, attributes);
	if (mount < 0)
		return problem_set(problem, errno, "cannot mount %s: %s", what, strerror(errno));
	return mount;
}

static int configure(int context, char *options)
{
	char *rest, *option = strtok_r(options, ",", &rest);

	for (; option; option = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(option, '=');

		if (value)
			*value++ = '\0';
		if (fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option,
			     value, 0) < 0)
			return -errno;
	}
	return 0;
}

int filesystem_mount(const char *type, const char *options, unsigned attributes,
		     struct problem *problem)
{
	_cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);
	_cleanup_free_ char *copy = options ? strdup(options) : NULL;
	int error = 0;

	if (context < 0 || (options && !copy))
		error = -errno;
	else if (fsconfig(context, FSCONFIG_SET_STRING, "source", "privexec", 0) < 0)
		error = -errno;
	else if (copy)
		error = configure(context, copy);
	if (error)
		return problem_set(problem, -error, "cannot configure a new %s: %s", type,
				   strerror(-error));
	return filesystem_create(context, attributes, type, problem);
}

int filesystem_open_path(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long descriptor = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return descriptor < 0 ? -errno : (int)descriptor;
}

int filesystem_attach(int mount, int root, const char *path, struct problem *problem)
{
	_cleanup_close_ int owned = mount;
	_cleanup_close_ int target = filesystem_open_path(root, *path ? path : ".");

	if (target < 0)
		return problem_set(problem, -target, "cannot open /%s in the session: %s", path,
				   strerror(-target));
	if (move_mount(owned, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return problem_set(problem, errno, "cannot attach /%s in the session: %s", path,
				   strerror(errno));
	return 0;
}

static int set_attributes(int mount, struct mount_attr *attributes)
{
	if (mount_setattr(mount, "", AT_EMPTY_PATH, attributes, sizeof(*attributes)) < 0)
		return -errno;
	return 0;
}

int filesystem_restrict(int mount, uint64_t attributes)
{
	struct mount_attr change = {
		.attr_set = attributes,
		/* how access times are kept is one value of several bits: they are set as a whole
		 */
		.attr_clr = attributes & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0,
	};

	return set_attributes(mount, &change);
}

int filesystem_idmap(int mount, int user_namespace)
{
	struct mount_attr change = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)user_namespace,
	};

	return set_attributes(mount, &change);
}

int filesystem_room(int descriptor, uint64_t *ret_bytes)
{
	struct statfs usage;

	if (fstatfs(descriptor, &usage) < 0)
		return -errno;
	*ret_bytes = (uint64_t)usage.f_bavail * (uint64_t)usage.f_bsize;
	return 0;
}
