// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree for the authority of a user namespace. Planned and tested, but not yet made: the keeper
 * of this version always has capabilities.
 */
/*
 * The tree for AUTHORITY_USER_NAMESPACE. In a mount namespace that a user namespace owns, mounts
 * taken over from the host are locked to one another: a directory with a mount below it can be
 * neither an overlay's lower layer nor bound by itself (EINVAL). So such directories are made anew,
 * as skeletons, and what is in them is put together entry by entry. What a skeleton does not list
 * is not there: nothing shows by being left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/places.h"
#include "plan/nodes.h"

static bool is_overlay(const struct plan_node *node)
{
	return node->kind == NODE_OVERLAY_RW || node->kind == NODE_OVERLAY_RO;
}

/* The deepest mount at or above @path. */
static const struct mount_entry *containing_mount(const struct mount_table *mounts,
						  const char *path)
{
	const struct mount_entry *found = NULL;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_entry *mount = &mounts->entries[i];

		if (path_is_below(path, mount->target) &&
		    (!found || path_is_below(mount->target, found->target)))
			found = mount;
	}
	return found;
}

static bool is_proven(const struct planning *planning, const char *path)
{
	const char *const *proven = planning->facts->proven;

	for (; proven && *proven; proven++)
		if (strcmp(*proven, path) == 0)
			return !mount_list_find(&planning->configuration->usr_mounts, path);
	return false;
}

/* By owner and mode, for a mount that is not among the entries. */
static bool facts_writable(const struct planning *planning, const struct mount_facts *facts)
{
	if (facts->owner == planning->facts->uid)
		return facts->mode & S_IWUSR;
	return facts->mode & S_IWOTH;
}

static void decide_skeleton(struct plan_node *node, bool writable)
{
	if (!writable)
		node->inherit |= INHERIT_READ_ONLY;
	node_decide(node, NODE_SKELETON, "made anew, since mounts lie below it%s",
		    writable ? "; private" : "");
}

/* A directory without mounts below it. */
static void decide_directory(const struct planning *planning, const char *path, bool writable,
			     struct plan_node *node)
{
	if (is_proven(planning, path))
		node_decide(
			node, NODE_BIND_RO,
			"proven to be root's, without sockets, FIFOs and entries that others can "
			"write");
	else if (node->inherit & INHERIT_READ_ONLY)
		node_decide(node, NODE_OVERLAY_RO, "read-only on the host too");
	else if (writable)
		node_decide(node, NODE_OVERLAY_RW, "private: what is written goes to the store");
	else
		node_decide(node, NODE_OVERLAY_RO, "this user cannot write here");
}

/* Adds @node for @path, and skeletons for the directories on the way that nothing listed. */
static int add_node(const struct planning *planning, const struct plan_node *node, const char *path)
{
	_cleanup_free_ char *prefix = strdup(path);
	const struct plan_node *above = tree_find(planning->plan, path);
	struct plan_node way = { .directory = true };

	if (!prefix)
		return problem_set(planning->problem, ENOMEM, "no memory for the plan");
	decide_skeleton(&way, false);
	while (above->kind == NODE_SKELETON) {
		size_t done = strcmp(above->path, "/") == 0 ? 0 : strlen(above->path);
		char *slash = strchr(prefix + done + 1, '/');

		if (!slash)
			break;
		*slash = '\0';
		above = tree_add(planning->plan, &way, prefix, planning->problem);
		if (!above)
			return -ENOMEM;
		*slash = '/';
	}
	return tree_add(planning->plan, node, path, planning->problem) ? 0 : -ENOMEM;
}

/* @writable: by the user. */
static int add_mount(const struct planning *planning, const struct mount_entry *mount,
		     bool writable)
{
	bool below = mounts_below(planning->mounts, mount->target, false);
	struct plan_node node;
	int r = node_of_mount(planning, mount, &node);

	if (r < 0)
		return r;
	if (below && is_overlay(&node))
		decide_skeleton(&node, writable && !(node.inherit & INHERIT_READ_ONLY));
	else if (below && node.kind == NODE_BIND_RO)
		node_decide(&node, NODE_COVER, "mounts lie below it, so it cannot be bound alone");
	else if (is_overlay(&node))
		decide_directory(planning, mount->target, writable, &node);
	return add_node(planning, &node, mount->target);
}

/* An entry of a skeleton that is no mount. Sockets, FIFOs and devices are left out. */
static int add_plain(const struct planning *planning, const struct plan_entry *entry)
{
	const struct mount_entry *mount = containing_mount(planning->mounts, entry->path);
	struct plan_node node = { .directory = S_ISDIR(entry->mode) };
	_cleanup_free_ char *link = NULL;

	if (!S_ISDIR(entry->mode) && !S_ISREG(entry->mode) && !entry->link)
		return 0;
	if (mount) {
		node.inherit = node_inherited(mount);
		memcpy(node.type, mount->type, strnlen(mount->type, sizeof(node.type) - 1));
	}
	if (entry->link) {
		struct plan_node *added;

		link = strdup(entry->link);
		if (!link)
			return problem_set(planning->problem, ENOMEM, "no memory for the plan");
		node_decide(&node, NODE_SKELETON, "a symbolic link beside mounts");
		if (add_node(planning, &node, entry->path) < 0)
			return -ENOMEM;
		added = tree_find(planning->plan, entry->path);
		added->link = link;
		link = NULL;
		return 0;
	}
	if (S_ISREG(entry->mode))
		node_decide(&node, NODE_BIND_RO, "a file beside mounts, shown read-only%s",
			    entry->writable ? " since it cannot be made private" : "");
	else if (mounts_below(planning->mounts, entry->path, false))
		decide_skeleton(&node, entry->writable);
	else
		decide_directory(planning, entry->path, entry->writable, &node);
	return add_node(planning, &node, entry->path);
}

static int add_entry(const struct planning *planning, const struct plan_entry *entry)
{
	const struct plan_node *above = tree_find(planning->plan, entry->path);
	struct plan_node node;

	/* a list is given by the caller: an entry may be there twice, or be a fresh instance */
	if (strcmp(above->path, entry->path) == 0 || node_hides(above))
		return 0;
	if (strcmp(entry->path, STATE_DIRECTORY) == 0) {
		node_of_state(&node);
		return add_node(planning, &node, entry->path);
	}
	if (node_is_runtime(planning, entry->path)) {
		node_of_fresh(planning, entry->path, &node);
		return add_node(planning, &node, entry->path);
	}
	for (size_t i = 0; i < planning->mounts->count; i++)
		if (strcmp(planning->mounts->entries[i].target, entry->path) == 0)
			return add_mount(planning, &planning->mounts->entries[i], entry->writable);
	/* elsewhere than in a skeleton, only what the user can write needs a node of its own */
	if (above->kind != NODE_SKELETON &&
	    (above->kind != NODE_OVERLAY_RO || !entry->writable || !S_ISDIR(entry->mode)))
		return 0;
	return add_plain(planning, entry);
}

static int compare_entries(const void *left, const void *right)
{
	const struct plan_entry *a = *(const struct plan_entry *const *)left;
	const struct plan_entry *b = *(const struct plan_entry *const *)right;

	return strcmp(a->path, b->path);
}

/* Adds the entries, those of a directory after it. */
static int add_entries(const struct planning *planning)
{
	const struct plan_entry *entries = planning->facts->entries;
	_cleanup_free_ const struct plan_entry **sorted = NULL;
	size_t count = 0;
	int r = 0;

	while (entries && entries[count].path)
		count++;
	sorted = calloc(count + 1, sizeof(*sorted));
	if (!sorted)
		return problem_set(planning->problem, ENOMEM, "no memory for the plan");
	for (size_t i = 0; i < count; i++)
		sorted[i] = &entries[i];
	qsort(sorted, count, sizeof(*sorted), compare_entries);
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_entry(planning, sorted[i]);
	return r;
}

/* Adds the mounts that no entry stands for. */
static int add_mounts(const struct planning *planning)
{
	const struct mount_table *mounts = planning->mounts;
	int r = 0;

	for (size_t i = 0; i < mounts->count && r == 0; i++) {
		const struct mount_entry *mount = &mounts->entries[i];
		const struct plan_node *above = tree_find(planning->plan, mount->target);

		if (strcmp(above->path, mount->target) == 0)
			continue;
		if (path_is_below(mount->target, STATE_DIRECTORY))
			r = node_check_hidden(planning, mount, STATE_DIRECTORY, "always covered");
		else if (node_hides(above))
			r = node_check_hidden(planning, mount, above->path,
					      above->kind == NODE_FRESH ? "the session's own"
									: "covered");
		else
			r = add_mount(planning, mount, facts_writable(planning, &mount->facts));
	}
	return r;
}

static int add_root(const struct planning *planning)
{
	const struct plan_entry *entry = planning->facts->entries;
	struct plan_node node = { .directory = true };

	while (entry && entry->path && strcmp(entry->path, "/") != 0)
		entry++;
	decide_skeleton(&node, entry && entry->path && entry->writable);
	if (!tree_add(planning->plan, &node, "/", planning->problem))
		return -ENOMEM;
	for (size_t i = 0; fresh_paths[i]; i++) {
		node_of_fresh(planning, fresh_paths[i], &node);
		if (!tree_add(planning->plan, &node, fresh_paths[i], planning->problem))
			return -ENOMEM;
	}
	return 0;
}

/* Where /run is one overlay, the state below it would show; a skeleton lists it or has it not. */
static int add_state(const struct planning *planning)
{
	const struct plan_node *above = tree_find(planning->plan, STATE_DIRECTORY);
	struct plan_node node;

	if (above->kind == NODE_SKELETON || node_hides(above))
		return 0;
	node_of_state(&node);
	return add_node(planning, &node, STATE_DIRECTORY);
}

int rootless_tree(const struct planning *planning)
{
	int r = add_root(planning);

	if (r == 0)
		r = add_entries(planning);
	if (r == 0)
		r = add_mounts(planning);
	if (r == 0)
		r = add_state(planning);
	return r;
}
