// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plans.h"

const char *machines;

struct plan_node *node_at(const struct plan *plan, const char *path)
{
	plan_for_each_node (node, plan)
		if (strcmp(node->path, path) == 0)
			return node;
	return NULL;
}

void assert_kind(const struct plan *plan, const char *path, enum node_kind kind)
{
	const struct plan_node *node = node_at(plan, path);

	if (!node)
		fail_msg("the plan has no node for %s", path);
	else if (node->kind != kind)
		fail_msg("%s is %s (%s) and not %s", path, node_kind_word(node->kind), node->reason,
			 node_kind_word(kind));
}

void assert_none(const struct plan *plan, const char *path)
{
	const struct plan_node *node = node_at(plan, path);

	if (node)
		fail_msg("%s has a node: %s", path, node_kind_word(node->kind));
}

void assert_reason(const struct plan *plan, const char *path, const char *words)
{
	const struct plan_node *node = node_at(plan, path);

	assert_non_null(node);
	if (!strstr(node->reason, words))
		fail_msg("'%s' is not in the reason of %s: %s", words, path, node->reason);
}

bool has_exit(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->exit_count; i++)
		if (strcmp(plan->exits[i].name, name) == 0)
			return true;
	return false;
}

/* What every plan of a tree must be, whatever the machine. */
void assert_sound(const struct plan *plan)
{
	static const char *const six[] = { "/proc",    "/sys",	   "/dev",
					   "/dev/pts", "/dev/shm", "/dev/mqueue" };

	assert_non_null(plan->root);
	assert_string_equal(plan->root->path, "/");
	plan_for_each_node (node, plan) {
		const struct plan_node *parent = node->parent;

		assert_true(node->reason[0] != '\0');
		assert_true((node->kind == NODE_FRESH) == (node->fresh != FRESH_NOT));
		for (const struct plan_node *child = node->first_child; child;
		     child = child->next) {
			assert_ptr_equal(child->parent, node);
			assert_true(path_is_below(child->path, node->path));
			/* siblings do not contain one another */
			for (const struct plan_node *other = child->next; other;
			     other = other->next)
				assert_false(path_is_below(other->path, child->path) ||
					     path_is_below(child->path, other->path));
		}
		if (parent && (parent->kind == NODE_COVER || parent->kind == NODE_FRESH))
			assert_true(parent->fresh == FRESH_DEV || parent->fresh == FRESH_PROC);
		if (node->kind != NODE_FRESH && node->kind != NODE_COVER)
			assert_false(path_is_below(node->path, "/proc") ||
				     path_is_below(node->path, "/sys") ||
				     path_is_below(node->path, "/dev"));
	}
	for (size_t i = 0; i < sizeof(six) / sizeof(*six); i++)
		assert_non_null(node_at(plan, six[i]));
}

/* The plan of the machine @name. *ret_recorded must live as long. */
void make_plan(const char *name, enum who who, const struct configuration *configuration,
	       struct recorded *ret_recorded, struct plan *ret_plan)
{
	struct problem problem = { 0 };

	recorded_load(machines, name, ret_recorded);
	if (recorded_plan(ret_recorded, who, configuration, NULL, ret_plan, &problem) < 0)
		fail_msg("%s: %s", name, problem.text);
	assert_sound(ret_plan);
}

void free_plan(struct recorded *recorded, struct plan *plan)
{
	plan_free(plan);
	recorded_free(recorded);
}

void assert_refused(const char *name, enum who who, const struct configuration *configuration,
		    const struct request *request, int error, const char *words)
{
	struct recorded recorded;
	struct problem problem = { 0 };
	struct plan plan;

	recorded_load(machines, name, &recorded);
	assert_int_equal(recorded_plan(&recorded, who, configuration, request, &plan, &problem),
			 -error);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	free_plan(&recorded, &plan);
}
