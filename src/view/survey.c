// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "base/descriptors.h"
#include "view/survey.h"

/* More mounts of servers than this are taken as hung. */
#define CHILDREN_MAX 64

/* File systems that answer from this machine alone. Everything else may hang. */
static const char *const local[] = {
	"ext2",	     "ext3",	 "ext4",      "xfs",	  "btrfs",    "tmpfs",	     "ramfs",
	"overlay",   "squashfs", "erofs",     "iso9660",  "udf",      "vfat",	     "exfat",
	"msdos",     "ntfs",	 "ntfs3",     "f2fs",	  "jfs",      "reiserfs",    "zfs",
	"bcachefs",  "nilfs2",	 "proc",      "sysfs",	  "devtmpfs", "devpts",	     "mqueue",
	"cgroup",    "cgroup2",	 "debugfs",   "tracefs",  "bpf",      "securityfs",  "pstore",
	"configfs",  "nsfs",	 "hugetlbfs", "efivarfs", "fusectl",  "binfmt_misc", "rpc_pipefs",
	"selinuxfs", "cramfs",	 "minix",
};

bool survey_type_may_hang(const char *type)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if (strcmp(type, local[i]) == 0)
			return false;
	return true;
}

/*
 * Closing a clone makes the kernel wait for all processors: the first few are left open for
 * descriptors_keep_only(), which the keeper calls when it has nothing better to do.
 */
#define CLONES_LEFT 16

static bool can_idmap(const char *path, int user_namespace)
{
	static int left;
	int clone =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT);
	bool can = clone >= 0 && filesystem_idmap(clone, user_namespace) == 0;

	if (clone >= 0 && ++left > CLONES_LEFT)
		close(clone);
	return can;
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

/*
 * autofs is never opened: that would mount what lies behind it. Another user's server is never
 * asked: it is covered whatever it says.
 */
static bool to_look_at(const struct mount_entry *mount, uid_t uid)
{
	return strcmp(mount->type, "autofs") != 0 && !mount_is_someones(mount, uid);
}

/* Marks every mount that depends on somebody's server, by itself or because it lies below one. */
static bool mark_risky(const struct mount_table *mounts, bool *risky)
{
	bool any = false;

	for (size_t i = 0; i < mounts->count; i++) {
		if (!survey_type_may_hang(mounts->entries[i].type))
			continue;
		any = true;
		for (size_t k = 0; k < mounts->count; k++)
			if (path_is_below(mounts->entries[k].target, mounts->entries[i].target))
				risky[k] = true;
	}
	return any;
}

static _Noreturn void look_in_child(struct mount_entry *mount, struct mount_facts *ret_facts,
				    int alive, int user_namespace)
{
	const int keep[] = { alive, user_namespace };
	uid_t uid = geteuid();
	gid_t gid = getegid();

	/*
	 * A request that is in a server's hands outlives even SIGKILL: such a child must hold
	 * nothing that anybody waits for. Only what is kept here stays open.
	 */
	dup2(alive, 0);
	dup2(alive, 1);
	dup2(alive, 2);
	/* a FUSE server without allow_other answers only those all of whose ids are its user's */
	if (descriptors_keep_only(keep, 2) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(1);
	look_at(mount, user_namespace);
	*ret_facts = mount->facts;
	_exit(0);
}

/* A child for each, all at once. Returns how many there are; their pids in @children. */
static size_t start_children(struct mount_table *mounts, uid_t uid, const bool *risky,
			     struct mount_facts *facts, int alive, int user_namespace,
			     pid_t *children)
{
	size_t count = 0;

	for (size_t i = 0; i < mounts->count; i++) {
		struct mount_entry *mount = &mounts->entries[i];

		if (!to_look_at(mount, uid) || !risky[i])
			continue;
		facts[i].reach = REACH_HUNG; /* until it says otherwise */
		if (count == CHILDREN_MAX)
			continue;
		children[count] = fork();
		if (children[count] == 0)
			look_in_child(mount, &facts[i], alive, user_namespace);
		count += children[count] > 0;
	}
	return count;
}

/* Each child holds the writing end of a pipe: when all have ended the reading end says so. */
static void wait_for_children(const pid_t *children, size_t count, int ended, int milliseconds)
{
	struct pollfd all = { .fd = ended, .events = POLLIN };
	const struct timespec pause = { .tv_nsec = 1000000 };

	if (poll(&all, 1, milliseconds) > 0) {
		for (size_t i = 0; i < count; i++)
			waitpid(children[i], NULL, 0);
		return;
	}
	for (size_t i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	nanosleep(&pause, NULL);
	/* those that not even this ends are left to the kernel */
	for (size_t i = 0; i < count; i++)
		waitpid(children[i], NULL, WNOHANG);
}

static int look_in_children(struct mount_table *mounts, uid_t uid, const bool *risky,
			    int milliseconds, int user_namespace)
{
	size_t size = mounts->count * sizeof(struct mount_facts);
	struct mount_facts *facts =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[CHILDREN_MAX];
	int ends[2];
	size_t count;

	if (facts == MAP_FAILED)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		munmap(facts, size);
		return -errno;
	}
	count = start_children(mounts, uid, risky, facts, ends[1], user_namespace, children);
	close(ends[1]);
	wait_for_children(children, count, ends[0], milliseconds);
	close(ends[0]);
	for (size_t i = 0; i < mounts->count; i++)
		if (risky[i] && to_look_at(&mounts->entries[i], uid))
			mounts->entries[i].facts = facts[i];
	munmap(facts, size);
	return 0;
}

int survey_mounts(struct mount_table *mounts, uid_t uid, int milliseconds, int user_namespace)
{
	_cleanup_free_ bool *risky = calloc(mounts->count + 1, sizeof(*risky));
	bool children;

	if (!risky)
		return -ENOMEM;
	children = mark_risky(mounts, risky);
	for (size_t i = 0; i < mounts->count; i++) {
		struct mount_entry *mount = &mounts->entries[i];

		mount->facts = (struct mount_facts){ .reach = REACH_FAILED };
		if (to_look_at(mount, uid) && !risky[i])
			look_at(mount, user_namespace);
	}
	return children ? look_in_children(mounts, uid, risky, milliseconds, user_namespace) : 0;
}
