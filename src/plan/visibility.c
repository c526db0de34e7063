// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/visibility.h"

#define NO_PARENT SIZE_MAX

enum visit { VISIT_NOT, VISIT_RUNNING, VISIT_DONE };

/* A mount on its way through the steps below. */
struct place {
	const struct mount_entry *entry;
	size_t index;	/* in the table: later mounts have greater ones */
	size_t parent;	/* index of the place it is mounted in, or NO_PARENT */
	bool blocked;	/* another mount in the same parent lies over its mount point */
	bool topped;	/* a mount on its own root lies over all of it */
	bool reachable; /* neither it nor a place above it is blocked */
	bool emitted;
	enum visit visit;
};

/* Orders paths so that what is below a path follows it at once: '/' comes before all bytes. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_ids(const void *left, const void *right)
{
	const struct place *a = *(const struct place *const *)left;
	const struct place *b = *(const struct place *const *)right;

	return a->entry->id < b->entry->id ? -1 : a->entry->id > b->entry->id;
}

/* By parent, then by path; of two on one mount point the later comes first. */
static int compare_siblings(const void *left, const void *right)
{
	const struct place *a = *(const struct place *const *)left;
	const struct place *b = *(const struct place *const *)right;
	int order;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	order = compare_paths(a->entry->target, b->entry->target);
	if (order != 0)
		return order;
	return a->index > b->index ? -1 : a->index < b->index;
}

/* The index of the place with @id among @sorted, or NO_PARENT. */
static size_t find_id(struct place *const *sorted, size_t count, uint64_t id)
{
	const struct mount_entry entry = { .id = id };
	const struct place place = { .entry = &entry };
	const struct place *key = &place;
	struct place *const *found =
		bsearch(&key, sorted, count, sizeof(const struct place *), compare_ids);

	return found ? (*found)->index : NO_PARENT;
}

/*
 * Fills .parent. A mount whose parent is not in the table is the root if its target is "/". Others
 * (the table changed while it was read) are taken as mounted in the root, so that none is lost.
 */
static int find_parents(struct place *places, struct place **sorted, size_t count,
			struct problem *problem)
{
	size_t root = NO_PARENT;

	qsort(sorted, count, sizeof(*sorted), compare_ids);
	for (size_t i = 1; i < count; i++)
		if (sorted[i]->entry->id == sorted[i - 1]->entry->id)
			return problem_set(problem, EINVAL,
					   "two mounts have the number %llu in the table of mounts",
					   (unsigned long long)sorted[i]->entry->id);
	for (size_t i = 0; i < count; i++) {
		const struct mount_entry *entry = places[i].entry;

		places[i].parent = find_id(sorted, count, entry->parent);
		if (places[i].parent == i)
			places[i].parent = NO_PARENT;
		if (places[i].parent == NO_PARENT && root == NO_PARENT &&
		    strcmp(entry->target, "/") == 0)
			root = i;
	}
	for (size_t i = 0; i < count; i++) {
		if (places[i].parent == NO_PARENT && i != root)
			places[i].parent = root;
		if (places[i].parent != NO_PARENT &&
		    !path_is_below(places[i].entry->target, places[places[i].parent].entry->target))
			return problem_set(
				problem, EINVAL,
				"the table of mounts has %.100s outside of the mount it is "
				"in (did it change while it was read?)",
				places[i].entry->target);
	}
	return 0;
}

/* Fills .blocked and .topped by going through the mounts of each parent in the order of paths. */
static void find_covers(struct place *places, struct place **sorted, size_t count)
{
	const struct place *cover = NULL;

	qsort(sorted, count, sizeof(*sorted), compare_siblings);
	for (size_t i = 0; i < count; i++) {
		struct place *place = sorted[i];

		if (cover && cover->parent == place->parent &&
		    path_is_below(place->entry->target, cover->entry->target)) {
			place->blocked = true;
			continue;
		}
		cover = place;
		if (place->parent != NO_PARENT &&
		    strcmp(place->entry->target, places[place->parent].entry->target) == 0)
			places[place->parent].topped = true;
	}
}

/* Fills .reachable of @start and of what it is in. @stack has room for every place. */
static int find_reachable(struct place *places, size_t start, size_t *stack,
			  struct problem *problem)
{
	size_t depth = 0;

	for (size_t i = start; i != NO_PARENT && places[i].visit != VISIT_DONE;
	     i = places[i].parent) {
		if (places[i].visit == VISIT_RUNNING)
			return problem_set(problem, EINVAL,
					   "the table of mounts has mount %llu inside itself",
					   (unsigned long long)places[i].entry->id);
		places[i].visit = VISIT_RUNNING;
		stack[depth++] = i;
	}
	while (depth > 0) {
		struct place *place = &places[stack[--depth]];

		place->reachable = !place->blocked &&
				   (place->parent == NO_PARENT || places[place->parent].reachable);
		place->visit = VISIT_DONE;
	}
	return 0;
}

/* Appends @start to @ret_order, after the places it is in. @stack has room for every place. */
static void emit(struct place *places, size_t start, size_t *stack, size_t *ret_order,
		 size_t *ret_visible)
{
	size_t depth = 0;

	for (size_t i = start; i != NO_PARENT && !places[i].emitted; i = places[i].parent) {
		places[i].emitted = true;
		stack[depth++] = i;
	}
	while (depth > 0) {
		const struct place *place = &places[stack[--depth]];

		if (place->reachable && !place->topped)
			ret_order[(*ret_visible)++] = place->index;
	}
}

int visibility_order(const struct mount_entry *entries, size_t count, size_t *ret_order,
		     size_t *ret_visible, struct problem *problem)
{
	_cleanup_free_ struct place *places = calloc(count + 1, sizeof(*places));
	_cleanup_free_ struct place **sorted = calloc(count + 1, sizeof(*sorted));
	_cleanup_free_ size_t *stack = calloc(count + 1, sizeof(*stack));
	int r;

	if (!places || !sorted || !stack)
		return problem_set(problem, ENOMEM, "no memory for the table of mounts");
	for (size_t i = 0; i < count; i++) {
		places[i].entry = &entries[i];
		places[i].index = i;
		sorted[i] = &places[i];
	}
	r = find_parents(places, sorted, count, problem);
	if (r < 0)
		return r;
	find_covers(places, sorted, count);
	for (size_t i = 0; i < count; i++) {
		r = find_reachable(places, i, stack, problem);
		if (r < 0)
			return r;
	}
	*ret_visible = 0;
	for (size_t i = 0; i < count; i++)
		emit(places, i, stack, ret_order, ret_visible);
	return 0;
}
