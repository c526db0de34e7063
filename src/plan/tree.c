// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/nodes.h"

struct plan_node *tree_find(const struct plan *plan, const char *path)
{
	struct plan_node *found = NULL;
	struct plan_node *node = plan->root;

	/* siblings are never below one another, so at most one leads on */
	while (node) {
		if (path_is_below(path, node->path)) {
			found = node;
			node = node->first_child;
		} else {
			node = node->next;
		}
	}
	return found;
}

bool node_hides(const struct plan_node *node)
{
	return node->kind == NODE_COVER || node->kind == NODE_FRESH || !node->directory;
}

/* Moves those children of @parent that are below @node to it. Their order stays. */
static void adopt(struct plan_node *parent, struct plan_node *node)
{
	struct plan_node **from = &parent->first_child, **to = &node->first_child;

	while (*from) {
		struct plan_node *child = *from;

		if (!path_is_below(child->path, node->path)) {
			from = &child->next;
			continue;
		}
		*from = child->next;
		child->next = NULL;
		child->parent = node;
		*to = child;
		to = &child->next;
	}
}

struct plan_node *tree_add(struct plan *plan, const struct plan_node *node, const char *path,
			   struct problem *problem)
{
	struct plan_node *parent = tree_find(plan, path);
	struct plan_node *added = malloc(sizeof(*added));
	struct plan_node **end;
	char *copy = strdup(path);

	if (!added || !copy) {
		free(added);
		free(copy);
		problem_set(problem, ENOMEM, "no memory for the plan");
		return NULL;
	}
	*added = *node;
	added->path = copy;
	added->first_child = NULL;
	added->next = NULL;
	added->parent = parent;
	if (!parent) {
		plan->root = added;
		return added;
	}
	adopt(parent, added);
	for (end = &parent->first_child; *end; end = &(*end)->next)
		;
	*end = added;
	return added;
}

struct plan_node *plan_next_node(const struct plan *plan, const struct plan_node *node)
{
	(void)plan;
	if (node->first_child)
		return node->first_child;
	while (node && !node->next)
		node = node->parent;
	return node ? node->next : NULL;
}

void plan_free(struct plan *plan)
{
	struct plan_node *node = plan->root;

	while (node) {
		struct plan_node *next;

		/* children go before the rest, by their list and not by recursion: trees are deep
		 */
		if (node->first_child) {
			struct plan_node *last = node->first_child;

			while (last->next)
				last = last->next;
			last->next = node->next;
			node->next = node->first_child;
		}
		next = node->next;
		free(node->path);
		free(node->link);
		free(node);
		node = next;
	}
	free(plan->exits);
	*plan = (struct plan){ 0 };
}
