// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/backing.h"

/* What statfs(2) calls file systems that linux/magic.h does not name everywhere. */
#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e

static const struct {
	long magic;
	const char *name;
} familiar[] = {
	{ BTRFS_SUPER_MAGIC, "btrfs" }, { ZFS_MAGIC, "zfs" },
	{ BCACHEFS_MAGIC, "bcachefs" }, { F2FS_SUPER_MAGIC, "f2fs" },
	{ TMPFS_MAGIC, "tmpfs" },	{ OVERLAYFS_SUPER_MAGIC, "overlay" },
	{ NFS_SUPER_MAGIC, "nfs" },
};

static const char *name_of(long magic)
{
	for (size_t i = 0; i < sizeof(familiar) / sizeof(*familiar); i++)
		if (familiar[i].magic == magic)
			return familiar[i].name;
	return "file system of another kind";
}

static int check(int directory, const char *path, struct problem *problem)
{
	struct statfs status;

	if (fstatfs(directory, &status) < 0)
		return problem_set(problem, errno, "cannot look at %s: %s", path, strerror(errno));
	if (status.f_type != EXT4_SUPER_MAGIC && status.f_type != XFS_MAGIC)
		return problem_set(problem, EOPNOTSUPP,
				   "%s is on a %s, which does not keep what it reserves; set "
				   "`directory` in privexec.conf to one on ext4 or XFS",
				   path, name_of((long)status.f_type));
	return 0;
}

int backing_open_directory(const char *path, struct problem *problem)
{
	_cleanup_close_ int directory = descriptor_open_trusted(AT_FDCWD, path);
	int error;

	if (directory == -ENOENT)
		directory =
			mkdir(path, 0700) < 0 ? -errno : descriptor_open_trusted(AT_FDCWD, path);
	if (directory < 0)
		return problem_set(problem, -directory,
				   "cannot use the store directory %s: %s; it must be a directory, "
				   "owned by root and not writable by others",
				   path, strerror(-directory));
	error = check(directory, path, problem);
	return error ? error : descriptor_take(&directory);
}

int backing_create(const struct authority *authority, int directory, uint64_t bytes,
		   struct problem *problem)
{
	_cleanup_close_ int file =
		openat(directory, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

	if (file < 0 || fchown(file, authority->uid, authority->gid) < 0)
		return problem_set(problem, errno,
				   "cannot make the store's backing file: %s; use --store=memory",
				   strerror(errno));
	if (ftruncate(file, (off_t)bytes) < 0)
		return problem_set(
			problem, errno,
			"cannot make a backing file of %llu bytes: %s; ask for less "
			"with --size, raise the limit on file sizes (ulimit -Hf), or use "
			"--store=memory",
			(unsigned long long)bytes, strerror(errno));
	return descriptor_take(&file);
}
