// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/places.h"
#include "plan/nodes.h"

#define RUNTIME_PATH_SIZE 32

static const struct mount_entry *find_mount(const struct mount_table *mounts, const char *path)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (strcmp(mounts->entries[i].target, path) == 0)
			return &mounts->entries[i];
	return NULL;
}

/* Every line of @list must name a mount, but for the instances that a session always has. */
static int check_mounted(const struct planning *planning, const struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mount_line *line = &list->lines[i];

		if (fresh_of_path(line->path) == FRESH_NOT &&
		    !find_mount(planning->mounts, line->path))
			return problem_set(
				planning->problem, ENOENT,
				"%s:%u: nothing is mounted on %.150s, or something else lies "
				"over it; mount it or remove the line",
				list->file, line->line, line->path);
	}
	return 0;
}

static const struct mount_entry *check_root(const struct planning *planning)
{
	const struct mount_entry *root = find_mount(planning->mounts, "/");
	const struct mount_line *line = mount_list_find(&planning->configuration->sys_mounts, "/");

	if (!root)
		problem_set(
			planning->problem, ENOENT,
			"no mount on / can be seen, as in a chroot; run privexec outside of it, or "
			"bind the directory to itself (mount --bind) before chroot");
	else if (line)
		problem_set(
			planning->problem, EINVAL,
			"sys_mounts.conf:%u: / cannot be passed through, nothing would be private; "
			"remove the line",
			line->line);
	else
		return root;
	return NULL;
}

static int add_root(const struct planning *planning, const struct mount_entry *root)
{
	struct plan_node node;
	int r = node_of_mount(planning, root, &node);

	if (r < 0)
		return r;
	if (node.kind != NODE_OVERLAY_RW && node.kind != NODE_OVERLAY_RO)
		return problem_set(
			planning->problem, EOPNOTSUPP,
			"/ is a %.31s that cannot be an overlay (%s); privexec needs a root "
			"file system such as ext4, xfs, btrfs or tmpfs",
			root->type, node.reason);
	return tree_add(planning->plan, &node, "/", planning->problem) ? 0 : -ENOMEM;
}

static int add_fresh(const struct planning *planning)
{
	for (size_t i = 0; fresh_paths[i]; i++) {
		struct plan_node node;

		node_of_fresh(planning, fresh_paths[i], &node);
		if (!tree_add(planning->plan, &node, fresh_paths[i], planning->problem))
			return -ENOMEM;
	}
	return 0;
}

/*
 * What uid 0 alone, without any capability, could write to in /proc. Where root's session cannot
 * have another uid these are sealed, at a price: nothing may be mounted over files in /proc for a
 * nested sandbox to mount its own.
 */
static const char *const writable_by_root[] = {
	"/proc/sys",	       "/proc/sysrq-trigger", "/proc/irq",
	"/proc/bus",	       "/proc/acpi",	      "/proc/fs",
	"/proc/scsi",	       "/proc/driver",	      "/proc/tty",
	"/proc/mtrr",	       "/proc/asound",	      "/proc/dynamic_debug",
	"/proc/latency_stats", "/proc/slabinfo",
};

static int add_sealed(const struct planning *planning)
{
	const size_t count = sizeof(writable_by_root) / sizeof(*writable_by_root);

	if (planning->facts->uid != 0 || planning->plan->closing == CLOSING_SHIFTED)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct plan_node node = { .directory = true, .inherit = INHERIT_READ_ONLY };

		node_decide(&node, NODE_FRESH,
			    "the session's own, read-only: root could change the machine by it, "
			    "and / cannot be idmapped to give root another uid");
		node.fresh = FRESH_SEALED;
		if (!tree_add(planning->plan, &node, writable_by_root[i], planning->problem))
			return -ENOMEM;
	}
	return 0;
}

/* The runtime directory of the session's user. @buffer is returned. */
static const char *runtime_path(const struct planning *planning, char buffer[RUNTIME_PATH_SIZE])
{
	snprintf(buffer, RUNTIME_PATH_SIZE, "/run/user/%u", planning->facts->uid);
	return buffer;
}

static int add_mount(const struct planning *planning, const struct mount_entry *mount)
{
	const struct plan_node *above = tree_find(planning->plan, mount->target);
	char runtime[RUNTIME_PATH_SIZE];
	struct plan_node node;
	int r;

	/* the root and the instances of the session's own are there already */
	if (strcmp(above->path, mount->target) == 0)
		return 0;
	if (path_is_below(mount->target, STATE_DIRECTORY))
		return node_check_hidden(planning, mount, STATE_DIRECTORY, "always covered");
	/* where the runtime directory is no mount, its node comes after all mounts */
	if (planning->facts->runtime &&
	    path_is_below(mount->target, runtime_path(planning, runtime)) &&
	    !find_mount(planning->mounts, runtime))
		return node_check_hidden(planning, mount, runtime, "the session's own");
	if (node_hides(above))
		return node_check_hidden(planning, mount, above->path,
					 above->kind == NODE_FRESH ? "the session's own"
								   : "covered");
	r = node_of_mount(planning, mount, &node);
	if (r < 0)
		return r;
	return tree_add(planning->plan, &node, mount->target, planning->problem) ? 0 : -ENOMEM;
}

static int add_state(const struct planning *planning)
{
	struct plan_node node;

	if (node_hides(tree_find(planning->plan, STATE_DIRECTORY)))
		return 0;
	node_of_state(&node);
	return tree_add(planning->plan, &node, STATE_DIRECTORY, planning->problem) ? 0 : -ENOMEM;
}

/* The runtime directory where it is no mount: its sockets and files are the user's other programs'.
 */
static int add_runtime(const struct planning *planning)
{
	char path[RUNTIME_PATH_SIZE];
	const struct plan_node *above = tree_find(planning->plan, runtime_path(planning, path));
	struct plan_node node;

	if (!planning->facts->runtime || node_hides(above) || strcmp(above->path, path) == 0)
		return 0;
	node_of_fresh(planning, path, &node);
	return tree_add(planning->plan, &node, path, planning->problem) ? 0 : -ENOMEM;
}

/*
 * A tree that is proven to be root's, without sockets, FIFOs and entries that others can write, can
 * be shown as it is, read-only, at the host's own speed. Root himself could write it: he gets his
 * overlay.
 */
static int add_proven(const struct planning *planning, const char *path)
{
	struct plan_node *above = tree_find(planning->plan, path);
	struct plan_node node = {
		.directory = true,
		.inherit = above->inherit | INHERIT_READ_ONLY,
	};

	if (planning->facts->uid == 0 || strcmp(path, "/") == 0 ||
	    mount_list_find(&planning->configuration->usr_mounts, path))
		return 0;
	if (above->kind != NODE_OVERLAY_RW && above->kind != NODE_OVERLAY_RO &&
	    above->kind != NODE_BIND_RO)
		return 0;
	memcpy(node.type, above->type, sizeof(node.type));
	node_decide(
		&node, NODE_BIND_RO,
		"proven to be root's, without sockets, FIFOs and entries that others can write");
	if (strcmp(above->path, path) != 0)
		return tree_add(planning->plan, &node, path, planning->problem) ? 0 : -ENOMEM;
	if (above->directory) {
		above->inherit = node.inherit;
		node_decide(above, NODE_BIND_RO, "%s", node.reason);
	}
	return 0;
}

static int make_tree(const struct planning *planning)
{
	const struct mount_table *mounts = planning->mounts;
	const struct mount_entry *root = check_root(planning);
	const char *const *proven = planning->facts->proven;
	int r;

	if (!root)
		return -EOPNOTSUPP;
	if (planning->facts->authority == AUTHORITY_USER_NAMESPACE)
		return rootless_tree(planning);
	r = add_root(planning, root);
	if (r == 0)
		r = add_fresh(planning);
	if (r == 0)
		r = add_sealed(planning);
	for (size_t i = 0; i < mounts->count && r == 0; i++)
		r = add_mount(planning, &mounts->entries[i]);
	if (r == 0)
		r = add_state(planning);
	if (r == 0)
		r = add_runtime(planning);
	for (; proven && *proven && r == 0; proven++)
		r = add_proven(planning, *proven);
	return r;
}

int plan_make(const struct request *request, const struct configuration *configuration,
	      const struct mount_table *mounts, const struct plan_facts *facts,
	      struct plan *ret_plan, struct problem *problem)
{
	const struct planning planning = {
		request, configuration, mounts, facts, ret_plan, problem,
	};
	int r;

	*ret_plan = (struct plan){ 0 };
	r = choose(&planning);
	if (r == 0)
		r = check_mounted(&planning, &configuration->usr_mounts);
	if (r == 0)
		r = check_mounted(&planning, &configuration->sys_mounts);
	if (r == 0)
		r = make_tree(&planning);
	if (r == 0)
		r = exits_name(&planning);
	return r;
}
