// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/store.h"
#include "base/filesystem.h"

#define INODES_LEAST 1024

static int configure(int context, uint64_t size)
{
	char bytes[32], inodes[32];
	/* a page per file is what most files take at least; inodes are kernel memory too */
	uint64_t most = size / 4096 < INODES_LEAST ? INODES_LEAST : size / 4096;

	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, most);
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", "privexec", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "size", bytes, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", inodes, 0) < 0)
		return -errno;
	/* since Linux 6.4; where it is refused swap_assure() alone keeps the pages from swap */
	fsconfig(context, FSCONFIG_SET_FLAG, "noswap", NULL, 0);
	return 0;
}

int store_prepare_memory(uint64_t size, struct store *ret_store, struct problem *problem)
{
	_cleanup_close_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	_cleanup_close_ int mount = -1, directory = -1;
	int error = context < 0 ? -errno : configure(context, size);

	if (error)
		return problem_set(problem, -error, "cannot make the memory store: %s",
				   strerror(-error));
	mount = filesystem_create(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "memory store",
				  problem);
	if (mount < 0)
		return mount;
	directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return problem_set(problem, errno, "cannot open the memory store: %s",
				   strerror(errno));
	*ret_store = STORE_NONE;
	ret_store->kind = STORE_MEMORY;
	ret_store->size = size;
	ret_store->mount = descriptor_take(&mount);
	ret_store->directory = descriptor_take(&directory);
	return 0;
}
