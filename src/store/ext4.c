// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "store/ext4.h"

#define EXT4_SHUTDOWN_WITHOUT_LOG 2 /* EXT4_GOING_FLAGS_NOLOGFLUSH */

/*
 * noinit_itable: the template's inode tables read as zero already.
 * nobarrier, noauto_da_alloc: the store need not survive a crash.
 * errors=remount-ro: a store that is damaged says so.
 * There must be no "discard": it would give back blocks that were reserved.
 */
static const struct {
	const char *key, *value;
} options[] = {
	{ "noinit_itable", NULL },
	{ "nobarrier", NULL },
	{ "noauto_da_alloc", NULL },
	{ "errors", "remount-ro" },
};

int ext4_mount(int device, int *ret_mount, int *ret_directory, struct problem *problem)
{
	_cleanup_close_ int context = fsopen("ext4", FSOPEN_CLOEXEC);
	_cleanup_close_ int mount = -1;
	char link[32], source[64];
	int error = context < 0 ? -errno : 0;
	ssize_t length;

	/* its name in /dev, which stands for it as long as it is open */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", device);
	length = readlink(link, source, sizeof(source) - 1);
	if (length < 0)
		return problem_set(problem, errno, "cannot read %s: %s; is /proc mounted?", link,
				   strerror(errno));
	source[length] = '\0';
	if (!error && fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		error = -errno;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && !error; i++)
		if (fsconfig(context, options[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			     options[i].key, options[i].value, 0) < 0)
			error = -errno;
	if (error)
		return problem_set(problem, -error,
				   "cannot configure the store's file system: %s; does the kernel "
				   "have ext4?",
				   strerror(-error));
	mount = filesystem_create(context,
				  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME,
				  "the store's file system", problem);
	if (mount < 0)
		return mount;
	*ret_directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_directory < 0)
		return problem_set(problem, errno, "cannot open the store's file system: %s",
				   strerror(errno));
	*ret_mount = descriptor_take(&mount);
	return 0;
}

int ext4_shut_down(int directory)
{
	uint32_t flags = EXT4_SHUTDOWN_WITHOUT_LOG;

	return ioctl(directory, EXT4_IOC_SHUTDOWN, &flags) < 0 ? -errno : 0;
}
