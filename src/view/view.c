// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "view/view.h"

static void warn_of_cover(const struct view *view, const char *path, const char *cause)
{
	char text[PROBLEM_TEXT_SIZE];

	snprintf(text, sizeof(text), "%.200s is covered in the session: %.280s", path, cause);
	view->warn(text);
}

/* A directory of root's in the store, for the mounts below it. */
static int make_skeleton(struct view *view, const struct plan_node *node, struct problem *problem)
{
	const uid_t root = view->authority->root;
	/* not read-only yet: places for what is below it are made in it */
	const unsigned attributes = layer_attributes(node) & ~(unsigned)MOUNT_ATTR_RDONLY;
	char name[24];

	snprintf(name, sizeof(name), "skeleton%u", view->layers++);
	return layer_store_directory(view, name, 0755, root, root, attributes, problem);
}

static int make_mount(struct view *view, const struct plan_node *node, struct problem *problem)
{
	switch (node->kind) {
	case NODE_OVERLAY_RW:
	case NODE_OVERLAY_RO:
		return layer_overlay(view, node, problem);
	case NODE_BIND_RO:
	case NODE_PASS:
		return layer_bind(view, node, problem);
	case NODE_COVER:
		return layer_cover(view, node->directory, problem);
	case NODE_FRESH:
		return fresh_mount(view, node, problem);
	case NODE_SKELETON:
		return make_skeleton(view, node, problem);
	}
	return problem_set(problem, EINVAL,
			   "the plan has a node of kind \"%s\" at %s, which this "
			   "authority does not make",
			   node_kind_word(node->kind), node->path);
}

/*
 * Makes the directories of @path below the session's root that are missing, as root's; if not
 * @directory, @path itself becomes an empty file.
 */
static int make_path(const struct view *view, const char *path, bool directory)
{
	char prefix[4096];
	int error = 0;

	if (snprintf(prefix, sizeof(prefix), "%s", path) >= (int)sizeof(prefix))
		return -ENAMETOOLONG;
	authority_as_root(view->authority);
	for (char *slash = strchr(prefix, '/'); !error; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (slash || directory)
			error = mkdirat(view->root, prefix, 0755) < 0 ? -errno : 0;
		else
			error = mknodat(view->root, prefix, S_IFREG | 0444, 0) < 0 ? -errno : 0;
		if (error == -EEXIST)
			error = 0;
		if (!slash)
			break;
		*slash = '/';
	}
	authority_mounting(view->authority);
	return error;
}

/* A fresh instance, or what is in a skeleton, may need a place that is not there. */
static int make_place(const struct view *view, const struct plan_node *node,
		      struct problem *problem)
{
	_cleanup_close_ int place = filesystem_open_path(view->root, node->path + 1);
	int error = 0;

	if (place != -ENOENT || (node->kind != NODE_FRESH && node->parent->kind != NODE_SKELETON))
		return 0;
	error = make_path(view, node->path + 1, node->directory);
	if (!error)
		return 0;
	return problem_set(problem, -error, "cannot make %s in the session: %s", node->path,
			   strerror(-error));
}

/* What cannot be made is covered, never skipped: skipping would show what is beneath it. */
static int cover_instead(struct view *view, const struct plan_node *node,
			 const struct problem *cause, struct problem *problem)
{
	int mount;

	if (node->strict) {
		*problem = *cause;
		return -EOPNOTSUPP;
	}
	warn_of_cover(view, node->path, cause->text);
	mount = layer_cover(view, node->directory, problem);
	if (mount < 0)
		return mount;
	return filesystem_attach(mount, view->root, node->path + 1, problem);
}

static int build_node(struct view *view, struct plan_node *node, struct problem *problem)
{
	struct problem cause = { 0 };
	int error = make_place(view, node, problem), mount;

	if (error)
		return error;
	mount = make_mount(view, node, &cause);
	error = mount < 0 ? mount : filesystem_attach(mount, view->root, node->path + 1, &cause);
	if (!error)
		return 0;
	if (node->kind == NODE_FRESH || node->kind == NODE_COVER || node->kind == NODE_SKELETON) {
		*problem = cause;
		return error;
	}
	error = cover_instead(view, node, &cause, problem);
	node->kind = NODE_COVER; /* view_verify() expects what became of it */
	return error;
}

/*
 * A part of /proc that this kernel does not have needs no sealing; and where nothing can be seen
 * anyway there is nothing to cover.
 */
static bool left_out(const struct view *view, const struct plan_node *node)
{
	struct stat status;

	return (node->fresh == FRESH_SEALED || node->kind == NODE_COVER) &&
	       fstatat(view->root, node->path + 1, &status, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

/* Everything below a cover is hidden by it: there is no place for it to go. */
static int build_children(struct view *view, struct plan_node *parent, struct problem *problem)
{
	int error = 0;

	if (parent->kind == NODE_COVER)
		parent->first_child = NULL;
	for (struct plan_node **at = &parent->first_child; *at && !error;) {
		struct plan_node *node = *at;

		if (left_out(view, node)) {
			*at = node->next; /* its memory goes with the process */
			continue;
		}
		error = build_node(view, node, problem);
		if (!error)
			error = build_children(view, node, problem);
		at = &node->next;
	}
	return error;
}

static int build_root(struct view *view, struct problem *problem)
{
	int mount = make_mount(view, view->plan->root, problem);

	if (mount < 0)
		return mount;
	view->root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (view->root < 0) {
		close(mount);
		return problem_set(problem, errno, "cannot open the session's root: %s",
				   strerror(errno));
	}
	return filesystem_attach(mount, AT_FDCWD, "/", problem);
}

/* Makes the session's root the process's, and lets go of the host's tree. */
static int pivot(struct view *view, struct problem *problem)
{
	/* the old root now lies on top of the new one, and the store perhaps on top of that */
	if (fchdir(view->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    (view->store_on_root && umount2(".", MNT_DETACH) < 0) || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return problem_set(problem, errno, "cannot enter the session's root: %s",
				   strerror(errno));
	descriptor_close(&view->root);
	return 0;
}

int view_build(struct view *view, struct problem *problem)
{
	int error;

	view->root = -1;
	authority_mounting(view->authority);
	error = build_root(view, problem);
	if (!error)
		error = build_children(view, view->plan->root, problem);
	if (!error)
		error = pivot(view, problem);
	authority_as_user(view->authority);
	return error;
}
