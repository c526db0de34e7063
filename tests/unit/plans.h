/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of plans have in common: making them on recorded machines, and looking at them. */
#ifndef PRIVEXEC_TESTS_PLANS_H
#define PRIVEXEC_TESTS_PLANS_H

#include "recorded.h"

/* The directory of the recorded machines: an argument of the program. */
extern const char *machines;

/* The node of @path, or NULL. */
struct plan_node *node_at(const struct plan *plan, const char *path);

void assert_kind(const struct plan *plan, const char *path, enum node_kind kind);
void assert_none(const struct plan *plan, const char *path);
void assert_reason(const struct plan *plan, const char *path, const char *words);
bool has_exit(const struct plan *plan, const char *name);

/* What every plan of a tree must be, whatever the machine. */
void assert_sound(const struct plan *plan);

/* The plan of the machine @name. *ret_recorded must live as long. */
void make_plan(const char *name, enum who who, const struct configuration *configuration,
	       struct recorded *ret_recorded, struct plan *ret_plan);

void free_plan(struct recorded *recorded, struct plan *plan);

/* No plan is made: @error, and a problem with @words in it. */
void assert_refused(const char *name, enum who who, const struct configuration *configuration,
		    const struct request *request, int error, const char *words);

#endif
