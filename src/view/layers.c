// SPDX-License-Identifier: GPL-2.0-or-later
/* Mounts made from the host's: overlays, read-only binds, covers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "view/view.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* The three directories an overlay is made of. */
struct layers {
	int lower, upper, work;
};

unsigned layer_attributes(const struct plan_node *node)
{
	unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

	if (node->inherit & INHERIT_NOEXEC)
		attributes |= MOUNT_ATTR_NOEXEC;
	if (node->inherit & INHERIT_NOSYMFOLLOW)
		attributes |= MOUNT_ATTR_NOSYMFOLLOW;
	if ((node->inherit & INHERIT_READ_ONLY) || node->kind == NODE_OVERLAY_RO ||
	    node->kind == NODE_BIND_RO || node->kind == NODE_COVER)
		attributes |= MOUNT_ATTR_RDONLY;
	return attributes;
}

/*
 * Opens the host's directory or file at @path as the user would, and no differently: a mount below
 * a directory that is closed to the user stays closed.
 */
static int open_host(struct view *view, const char *path, struct problem *problem)
{
	int opened;

	authority_as_user(view->authority);
	opened = filesystem_open_path(AT_FDCWD, path);
	authority_mounting(view->authority);
	if (opened < 0)
		return problem_set(problem, -opened, "cannot open %s: %s", path, strerror(-opened));
	return opened;
}

/* Is @opened the root of a mount? Else the mount went away, or a name on the way was replaced. */
static bool is_mount_root(int opened)
{
	struct statx status;

	return statx(opened, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &status) ==
		       0 &&
	       (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int open_lower(struct view *view, const char *path, struct problem *problem)
{
	_cleanup_close_ int opened = open_host(view, path, problem);
	int clone, error;

	if (opened < 0)
		return opened;
	if (!is_mount_root(opened))
		return problem_set(problem, ESTALE, "%s is no longer a mount point; try again",
				   path);
	if (view->idmap < 0)
		return descriptor_take(&opened);
	clone = open_tree(opened, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (clone < 0)
		return problem_set(problem, errno, "cannot clone the mount of %s: %s", path,
				   strerror(errno));
	error = filesystem_idmap(clone, view->idmap);
	if (error) {
		close(clone);
		return problem_set(problem, -error, "cannot idmap the mount of %s: %s", path,
				   strerror(-error));
	}
	return clone;
}

/* What the root of a lower layer looks like. */
struct appearance {
	struct stat status;
	struct access_list {
		const char *name;
		char bytes[1024];
		ssize_t length;
	} lists[2];
};

/* As the user: a FUSE server may not answer anybody else. */
static int read_appearance(int lower, struct appearance *appearance)
{
	static const char *const names[] = { "system.posix_acl_access",
					     "system.posix_acl_default" };
	char path[32];

	if (fstatat(lower, "", &appearance->status, AT_EMPTY_PATH) < 0)
		return -errno;
	/* the lower may be open as a path only, of which no attributes can be read directly */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", lower);
	for (size_t i = 0; i < 2; i++) {
		struct access_list *list = &appearance->lists[i];

		list->name = names[i];
		list->length = getxattr(path, list->name, list->bytes, sizeof(list->bytes));
	}
	return 0;
}

/* The root of an overlay shows its upper layer's attributes: make them the lower's. */
static int match_root(int upper, const struct appearance *appearance)
{
	const struct stat *status = &appearance->status;

	if (fchown(upper, status->st_uid, status->st_gid) < 0 ||
	    fchmod(upper, status->st_mode & 07777) < 0)
		return -errno;
	for (size_t i = 0; i < 2; i++) {
		const struct access_list *list = &appearance->lists[i];

		if (list->length > 0)
			fsetxattr(upper, list->name, list->bytes, (size_t)list->length, 0);
	}
	if (futimens(upper, (const struct timespec[]){ status->st_atim, status->st_mtim }) < 0)
		return -errno;
	return 0;
}

static int make_directory(int parent, const char *name)
{
	int directory;

	if (mkdirat(parent, name, 0755) < 0)
		return -errno;
	directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return directory < 0 ? -errno : directory;
}

static int open_layers(struct view *view, const struct plan_node *node, struct layers *layers,
		       struct problem *problem)
{
	struct appearance appearance;
	char name[24];
	int error;

	layers->lower = open_lower(view, node->path, problem);
	if (layers->lower < 0)
		return layers->lower;
	error = read_appearance(layers->lower, &appearance);
	if (error)
		return problem_set(problem, -error, "cannot look at %s: %s", node->path,
				   strerror(-error));
	authority_as_root(view->authority);
	snprintf(name, sizeof(name), "upper%u", view->layers);
	layers->upper = make_directory(view->store, name);
	snprintf(name, sizeof(name), "work%u", view->layers++);
	layers->work = layers->upper < 0 ? -1 : make_directory(view->store, name);
	if (layers->upper < 0 || layers->work < 0)
		error = layers->upper < 0 ? layers->upper : layers->work;
	else
		error = match_root(layers->upper, &appearance);
	authority_mounting(view->authority);
	if (error)
		return problem_set(problem, -error, "cannot prepare the private layer of %s: %s",
				   node->path, strerror(-error));
	return 0;
}

/* Linux 6.13 and later take layers by descriptor, also of mounts that are attached nowhere. */
static bool set_by_descriptor(int context, const struct layers *layers)
{
	return fsconfig(context, FSCONFIG_SET_FD, "lowerdir+", NULL, layers->lower) == 0 &&
	       fsconfig(context, FSCONFIG_SET_FD, "upperdir", NULL, layers->upper) == 0 &&
	       fsconfig(context, FSCONFIG_SET_FD, "workdir", NULL, layers->work) == 0;
}

static int set_path(int context, const char *key, int descriptor)
{
	char path[32];

	/* not the layer's own path, which may hold colons and can be changed under us */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	return fsconfig(context, FSCONFIG_SET_STRING, key, path, 0) < 0 ? -errno : 0;
}

/* Before 6.13: layers are paths, of mounts attached in this namespace. */
static int set_by_path(struct view *view, int context, struct layers *layers)
{
	char name[24];
	int error = 0;

	if (view->idmap >= 0) {
		/* the idmapped clone of the lower is attached nowhere yet: give it a place */
		int place;

		snprintf(name, sizeof(name), "lower%u", view->layers);
		place = make_directory(view->store, name);
		if (place < 0)
			return place;
		if (move_mount(layers->lower, "", place, "",
			       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			error = -errno;
		close(place);
	}
	if (!error)
		error = set_path(context, "lowerdir", layers->lower);
	if (!error)
		error = set_path(context, "upperdir", layers->upper);
	if (!error)
		error = set_path(context, "workdir", layers->work);
	return error;
}

/*
 * xino: constant inode numbers across copy-up, without which `git clone` by hard links fails.
 * index: hard links stay hard links when copied up. redirect_dir: directories can be renamed.
 * volatile: fsync costs nothing, since the store need not survive a crash.
 */
static int set_options(int context)
{
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", "privexec", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "xino", "on", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "index", "on", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "redirect_dir", "on", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return -errno;
	return 0;
}

static int new_context(struct view *view, struct layers *layers, struct problem *problem)
{
	int context = fsopen("overlay", FSOPEN_CLOEXEC);
	int error = context < 0 ? -errno : 0;

	if (!error && !set_by_descriptor(context, layers)) {
		/* a context that refused one layer keeps the others: begin again */
		close(context);
		context = fsopen("overlay", FSOPEN_CLOEXEC);
		error = context < 0 ? -errno : set_by_path(view, context, layers);
	}
	if (!error)
		error = set_options(context);
	if (!error)
		return context;
	descriptor_close(&context);
	return problem_set(problem, -error, "cannot configure an overlay: %s%s", strerror(-error),
			   error == -ENODEV ? "; this kernel lacks overlayfs (modprobe overlay)"
					    : "");
}

int layer_overlay(struct view *view, const struct plan_node *node, struct problem *problem)
{
	struct layers layers = { -1, -1, -1 };
	char what[PROBLEM_TEXT_SIZE / 2];
	int context, mount = -1;

	context = open_layers(view, node, &layers, problem);
	if (!context) {
		context = new_context(view, &layers, problem);
		snprintf(what, sizeof(what), "the overlay of %s", node->path);
		mount = context < 0
				? context
				: filesystem_create(context, layer_attributes(node), what, problem);
	} else {
		mount = context;
	}
	descriptor_close(&context);
	descriptor_close(&layers.lower);
	descriptor_close(&layers.upper);
	descriptor_close(&layers.work);
	return mount;
}

int layer_bind(struct view *view, const struct plan_node *node, struct problem *problem)
{
	_cleanup_close_ int opened = open_host(view, node->path, problem);
	int clone, error = 0;

	if (opened < 0)
		return opened;
	if (node->kind == NODE_PASS && !is_mount_root(opened))
		return problem_set(problem, ESTALE, "%s is no longer a mount point; try again",
				   node->path);
	clone = open_tree(opened, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (clone < 0)
		error = -errno;
	if (!error && view->idmap >= 0)
		error = filesystem_idmap(clone, view->idmap);
	if (!error)
		error = filesystem_restrict(clone, layer_attributes(node));
	if (!error)
		return clone;
	descriptor_close(&clone);
	return problem_set(problem, -error, "cannot clone the mount of %s: %s", node->path,
			   strerror(-error));
}

int layer_store_directory(struct view *view, const char *name, mode_t mode, uid_t uid, gid_t gid,
			  unsigned attributes, struct problem *problem)
{
	_cleanup_close_ int directory = -1;
	int clone = -1, error = 0;

	authority_as_root(view->authority);
	directory = make_directory(view->store, name);
	if (directory < 0)
		error = directory;
	else if (fchown(directory, uid, gid) < 0 || fchmod(directory, mode) < 0)
		error = -errno;
	if (!error) {
		clone = open_tree(directory, "",
				  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		error = clone < 0 ? -errno
				  : filesystem_restrict(clone, attributes | MOUNT_ATTR_NOSUID |
								       MOUNT_ATTR_NODEV);
	}
	authority_mounting(view->authority);
	if (!error)
		return clone;
	descriptor_close(&clone);
	return problem_set(problem, -error, "cannot make %s in the store: %s", name,
			   strerror(-error));
}

int layer_cover(struct view *view, bool directory, struct problem *problem)
{
	const char *name = directory ? "cover" : "cover-file";
	int clone, error = 0;

	authority_as_root(view->authority);
	if (directory && mkdirat(view->store, name, 0555) < 0 && errno != EEXIST)
		error = -errno;
	if (!directory && mknodat(view->store, name, S_IFREG | 0444, 0) < 0 && errno != EEXIST)
		error = -errno;
	clone = error ? -1 : open_tree(view->store, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (!error && clone < 0)
		error = -errno;
	if (!error)
		error = filesystem_restrict(clone, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
							   MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	authority_mounting(view->authority);
	if (!error)
		return clone;
	descriptor_close(&clone);
	return problem_set(problem, -error, "cannot make an empty cover in the store: %s",
			   strerror(-error));
}
