/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the plan: the tree of nodes, and what one mount becomes. */
#ifndef PRIVEXEC_PLAN_NODES_H
#define PRIVEXEC_PLAN_NODES_H

#include "plan/plan.h"

/* What plan_make() works with. */
struct planning {
	const struct request *request;
	const struct configuration *configuration;
	const struct mount_table *mounts;
	const struct plan_facts *facts;
	struct plan *plan; /* its .closing is known before nodes are made */
	struct problem *problem;
};

/* In choose.c: all of the plan but its tree and its exits. 0 or a negative errno. */
int choose(const struct planning *planning);

/* The line of @list that names @path, or NULL. */
const struct mount_line *mount_list_find(const struct mount_list *list, const char *path);

/* Which of the instances that every session has of its own belongs at @path, or FRESH_NOT. */
enum fresh_kind fresh_of_path(const char *path);

/* The paths of these instances, parents first; ends with NULL. */
extern const char *const fresh_paths[];

/* In tree.c. */

/*
 * Adds a copy of @node (without its links) for @path below the nodes above it; nodes that are in
 * the tree already and below @path become its children. Returns it, or NULL with @problem filled.
 */
struct plan_node *tree_add(struct plan *plan, const struct plan_node *node, const char *path,
			   struct problem *problem);

/* The deepest node at or above @path, or NULL when there is no root yet. */
struct plan_node *tree_find(const struct plan *plan, const char *path);

/* Is nothing of the host's below @node in the session, so that no mount can have a place there? */
bool node_hides(const struct plan_node *node);

/* In nodes.c. */

/* Sets the kind and, in words, the reason of @node. */
void node_decide(struct plan_node *node, enum node_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Decides what @mount becomes in the session, as far as that does not depend on other nodes. Fills
 * *ret_node but for its path and links. Returns 0, or a negative errno with @problem filled.
 */
int node_of_mount(const struct planning *planning, const struct mount_entry *mount,
		  struct plan_node *ret_node);

/* Fills *ret_node with the instance of the session's own that belongs at @path. */
void node_of_fresh(const struct planning *planning, const char *path, struct plan_node *ret_node);

/* INHERIT_* that a node takes over from @mount. */
unsigned node_inherited(const struct mount_entry *mount);

/* Is @path the session's user's /run/user/UID? */
bool node_is_runtime(const struct planning *planning, const char *path);

/* Fills *ret_node with the cover of STATE_DIRECTORY. */
void node_of_state(struct plan_node *ret_node);

/*
 * Fails when a list names @mount, which has no place in the session: @above is @why ("covered"),
 * and nothing of the host's is below it.
 */
int node_check_hidden(const struct planning *planning, const struct mount_entry *mount,
		      const char *above, const char *why);

/* Has the table a mount below @path, apart from automounters when @real? */
bool mounts_below(const struct mount_table *mounts, const char *path, bool real);

/* In rootless.c: the tree for AUTHORITY_USER_NAMESPACE. */
int rootless_tree(const struct planning *planning);

/* In exits.c: names every exit of the session; the tree is complete. */
int exits_name(const struct planning *planning);

/* Likewise: how core dumps can leave the session, or NULL. */
const char *exits_core_dumps(const struct planning *planning);

#endif
