/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recorded machines: NAME.txt is a table in mountinfo format, NAME.facts what else the plan is
 * told. A line of facts is a word and a path, whose unusual bytes are in octal as in mountinfo,
 * then:
 *
 *   owner PATH UID MODE        of the root of a mount; else root's and 40755
 *   file PATH UID MODE         the same where no directory is mounted
 *   reach PATH denied|hung|failed
 *   fixed PATH                 the mount cannot be idmapped; else it can
 *   proven PATH                a tree fit for a read-only bind
 *   entry KIND PATH [TARGET]   what a session without privilege finds in its directories; KIND is
 *                              dir, writable (a directory), file, writable-file, socket or link
 */
#ifndef PRIVEXEC_TESTS_RECORDED_H
#define PRIVEXEC_TESTS_RECORDED_H

#include "plan/plan.h"

/* For whom a plan is made. */
enum who {
	WHO_USER,     /* user 1000, by a keeper that has capabilities */
	WHO_ROOT,     /* root, likewise */
	WHO_ROOTLESS, /* user 1000, without privilege */
};

struct recorded {
	struct mount_table mounts;
	const struct probes *probes; /* recorded_probes, if nothing else is put here */
	const char **proven;	    /* ends with NULL */
	struct plan_entry *entries; /* ends with an empty one */
	size_t proven_count, entry_count;
};

/* Loads the machine @name. Fails the running test when it cannot. */
void recorded_load(const char *directory, const char *name, struct recorded *ret_recorded);

void recorded_free(struct recorded *recorded);

/* Makes a plan on @recorded; @configuration and @request may be NULL for the defaults. */
int recorded_plan(struct recorded *recorded, enum who who,
		  const struct configuration *configuration, const struct request *request,
		  struct plan *ret_plan, struct problem *problem);

/* A machine that can do nothing that is probed. */
extern const struct probes recorded_probes;

#endif
