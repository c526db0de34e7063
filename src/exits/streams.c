// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exits/streams.h"
#include "base/filesystem.h"
#include "view/survey.h"

static const char *const names[] = { "standard input", "standard output", "standard error" };

/* The file type by what the kernel has cached: a FUSE or NFS server is not asked, it might hang. */
static int file_type(int stream, mode_t *ret_type)
{
	struct statx status;

	if (statx(stream, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) < 0)
		return -errno;
	*ret_type = status.stx_mode & S_IFMT;
	return 0;
}

/* Is @stream on a mount that can be seen here and whose file system answers by itself? */
static bool on_local_mount(int stream, const struct mount_table *mounts)
{
	char path[48], text[512];
	const char *line;
	uint64_t id;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", stream);
	if (descriptor_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	line = strstr(text, "mnt_id:");
	if (!line || sscanf(line, "mnt_id: %" SCNu64, &id) != 1)
		return false;
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->entries[i].id == id)
			return !survey_type_may_hang(mounts->entries[i].type);
	return false;
}

/* Opens the very inode of @stream again, for reading, on a read-only mount of nothing else. */
static int reopen(int stream, const struct authority *authority)
{
	_cleanup_close_ int clone = -1;
	char path[32];
	int reopened = -1, error = 0;

	authority_mounting(authority);
	clone = open_tree(stream, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (clone < 0)
		error = -errno;
	if (!error)
		error = filesystem_restrict(clone, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
							   MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	/*
	 * Some files in /proc and /sys show more to whoever had privilege when they were opened,
	 * and go on doing so: open with the user's rights and no more. Root's are what they are.
	 */
	if (authority->uid != 0)
		authority_as_user(authority);
	if (!error) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", clone);
		reopened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		error = reopened < 0 ? -errno : 0;
	}
	authority_as_user(authority);
	return error ? error : reopened;
}

static int readonly_clone(int *stream, int flags, const struct mount_table *mounts,
			  const struct authority *authority)
{
	int reopened;

	if (!on_local_mount(*stream, mounts))
		return -EXDEV;
	reopened = reopen(*stream, authority);
	if (reopened < 0)
		return reopened;
	if (lseek(reopened, lseek(*stream, 0, SEEK_CUR), SEEK_SET) < 0 ||
	    fcntl(reopened, F_SETFL, flags & ~(O_ACCMODE | O_PATH)) < 0) {
		close(reopened);
		return -EIO;
	}
	close(*stream);
	*stream = reopened;
	return 0;
}

int streams_admit(int *stream, int number, const struct mount_table *mounts,
		  const struct authority *authority, struct problem *problem)
{
	int flags = fcntl(*stream, F_GETFL);
	mode_t type;
	int error = flags < 0 ? -errno : file_type(*stream, &type);

	if (!error && (flags & O_PATH))
		error = -EBADF;
	if (error)
		return problem_set(problem, -error, "cannot use %s: %s", names[number],
				   strerror(-error));
	if (type == S_IFDIR || type == S_IFBLK)
		return problem_set(
			problem, EINVAL,
			"%s is a %s, by which the session could reach the host; redirect it "
			"to a file or a pipe",
			names[number], type == S_IFDIR ? "directory" : "block device");
	if (type != S_IFREG || (flags & O_ACCMODE) != O_RDONLY)
		return 0;
	error = readonly_clone(stream, flags, mounts, authority);
	if (error)
		return problem_set(
			problem, -error,
			"%s is a file that cannot be reopened read-only (%s); give it through "
			"a pipe: cat FILE | privexec ...",
			names[number], strerror(-error));
	return 0;
}

void streams_shift(int stream, const struct authority *authority)
{
	struct statfs system;
	struct stat status;

	/* by what is cached: see file_type(); only pipes and FIFOs go on */
	if (fcntl(stream, F_GETPIPE_SZ) < 0 || fstatfs(stream, &system) < 0 ||
	    system.f_type != PIPEFS_MAGIC || fstat(stream, &status) < 0 || status.st_uid != 0)
		return;
	authority_as_root(authority);
	/* its group stays: where this fails it cannot be opened anew, and nothing else is amiss */
	if (fchown(stream, AUTHORITY_SHIFTED, (gid_t)-1) < 0)
		errno = 0;
	authority_as_user(authority);
}
