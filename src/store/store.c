// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "store/store.h"

int store_attach(struct store *store, struct problem *problem)
{
	if (move_mount(store->mount, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	store->on_root = true;
	if (move_mount(store->mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return problem_set(problem, errno, "cannot attach the store: %s", strerror(errno));
	return 0;
}

int store_usage(const struct store *store, uint64_t *ret_bytes, uint64_t *ret_files)
{
	const struct space *space = &store->space;
	struct statfs usage;
	uint64_t used;

	if (fstatfs(store->directory, &usage) < 0)
		return -errno;
	used = (uint64_t)(usage.f_blocks - usage.f_bfree) * (uint64_t)usage.f_bsize;
	/* what the balloon holds is nobody's */
	if (space->count > 0)
		used -= space->levels[space->count - 1].left;
	*ret_bytes = used;
	*ret_files = usage.f_files - usage.f_ffree;
	return 0;
}

void store_close(struct store *store)
{
	descriptor_close(&store->directory);
	descriptor_close(&store->mount);
}
