// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/filesystem.h"
#include "view/survey.h"

/* File systems that answer from this machine alone. Everything else may hang. */
static const char *const local[] = {
	"ext2",	    "ext3",    "ext4",	   "xfs",      "btrfs",	  "tmpfs",	 "ramfs",
	"overlay",  "squashfs", "erofs",   "iso9660",  "udf",	  "vfat",	 "exfat",
	"msdos",    "ntfs",    "ntfs3",	   "f2fs",     "jfs",	  "reiserfs",	 "zfs",
	"bcachefs", "nilfs2",  "proc",	   "sysfs",    "devtmpfs", "devpts",	 "mqueue",
	"cgroup",   "cgroup2", "debugfs",  "tracefs",  "bpf",	  "securityfs",	 "pstore",
	"configfs", "nsfs",    "hugetlbfs", "efivarfs", "fusectl", "binfmt_misc", "rpc_pipefs",
	"selinuxfs", "cramfs", "minix",
};

bool survey_type_may_hang(const char *type)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if (strcmp(type, local[i]) == 0)
			return false;
	return true;
}

static bool can_idmap(const char *path, int user_namespace)
{
	_cleanup_close_ int clone =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT);

	return clone >= 0 && filesystem_idmap(clone, user_namespace) == 0;
}

/* Of what lies below these a session sees nothing: trying each out would take time for nothing. */
static bool replaced(const char *target)
{
	return path_is_below(target, "/proc") || path_is_below(target, "/sys") ||
	       path_is_below(target, "/dev");
}

static void look_at(struct mount_entry *mount, int user_namespace)
{
	_cleanup_close_ int root = filesystem_open_path(AT_FDCWD, mount->target);
	struct mount_facts *facts = &mount->facts;
	struct stat status;

	facts->reach = REACH_FAILED;
	if (root < 0) {
		if (root == -EACCES || root == -EPERM)
			facts->reach = REACH_DENIED;
		return;
	}
	if (fstatat(root, "", &status, AT_EMPTY_PATH | AT_NO_AUTOMOUNT) < 0) {
		if (errno == EACCES || errno == EPERM)
			facts->reach = REACH_DENIED;
		return;
	}
	facts->reach = REACH_OK;
	facts->directory = S_ISDIR(status.st_mode);
	facts->owner = status.st_uid;
	facts->mode = status.st_mode;
	if (user_namespace >= 0 && !replaced(mount->target))
		facts->idmappable = can_idmap(mount->target, user_namespace);
}

/* autofs is never opened: that would mount what lies behind it. */
static bool to_look_at(const struct mount_entry *mount)
{
	return strcmp(mount->type, "autofs") != 0;
}

/* What the looking child shares with its parent. */
struct progress {
	size_t at; /* the mount it is looking at; count when done */
	struct mount_facts facts[];
};

static _Noreturn void look_in_child(struct mount_table *mounts, struct progress *progress,
				    int user_namespace)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	/* a FUSE server without allow_other answers only those all of whose ids are its user's */
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(1);
	for (size_t i = progress->at; i < mounts->count; i++) {
		progress->at = i;
		if (to_look_at(&mounts->entries[i]))
			look_at(&mounts->entries[i], user_namespace);
		progress->facts[i] = mounts->entries[i].facts;
	}
	progress->at = mounts->count;
	_exit(0);
}

/* One child, until it is done or hangs. Returns 0 or a negative errno when none can be had. */
static int look_once(struct mount_table *mounts, struct progress *progress, int milliseconds,
		     int user_namespace)
{
	int ends[2];
	pid_t child;
	struct pollfd done;

	/* the child holds the writing end: its death is the end of file */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (child == 0)
		look_in_child(mounts, progress, user_namespace);
	close(ends[1]);
	done = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (poll(&done, 1, milliseconds) == 0)
		kill(child, SIGKILL);
	/* a child that even SIGKILL does not end at once is left to the kernel, not waited for */
	for (int i = 0; i < 100 && waitpid(child, NULL, WNOHANG) == 0; i++)
		poll(&done, 1, 10);
	close(ends[0]);
	return 0;
}

static int look_in_children(struct mount_table *mounts, int milliseconds, int user_namespace)
{
	size_t size = sizeof(struct progress) + mounts->count * sizeof(struct mount_facts);
	struct progress *progress = mmap(NULL, size, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error = 0;

	if (progress == MAP_FAILED)
		return -errno;
	while (!error && progress->at < mounts->count) {
		size_t stuck;

		error = look_once(mounts, progress, milliseconds, user_namespace);
		stuck = progress->at;
		if (stuck < mounts->count) {
			progress->facts[stuck].reach = REACH_HUNG;
			progress->at = stuck + 1;
		}
	}
	for (size_t i = 0; i < mounts->count; i++)
		mounts->entries[i].facts = progress->facts[i];
	munmap(progress, size);
	return error;
}

int survey_mounts(struct mount_table *mounts, int milliseconds, int user_namespace)
{
	bool may_hang = false;

	for (size_t i = 0; i < mounts->count; i++) {
		mounts->entries[i].facts = (struct mount_facts){ .reach = REACH_FAILED };
		may_hang |= survey_type_may_hang(mounts->entries[i].type) &&
			    to_look_at(&mounts->entries[i]);
	}
	if (may_hang)
		return look_in_children(mounts, milliseconds, user_namespace);
	for (size_t i = 0; i < mounts->count; i++)
		if (to_look_at(&mounts->entries[i]))
			look_at(&mounts->entries[i], user_namespace);
	return 0;
}
