/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three files of /etc/privexec: privexec.conf, usr_mounts.conf and sys_mounts.conf. They are
 * security sensitive: owned by root and not writable by others, else they are refused.
 */
#ifndef PRIVEXEC_PLAN_CONFIGURATION_H
#define PRIVEXEC_PLAN_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/problem.h"
#include "control/choices.h"

/* One of the two lists of mount points. */
struct mount_list {
	bool automatic; /* a line `auto`, or no file at all */
	struct mount_line {
		char *path;    /* absolute, normalised */
		unsigned line; /* in the file, for errors */
	} * lines;
	size_t count;
	const char *file; /* its name, for errors: "usr_mounts.conf" */
};

struct configuration {
	/* [session]: never *_UNSAID after configuration_load() */
	enum store_choice store;
	uint64_t size; /* bytes, 0: the default of the store */
	enum network_choice network;
	enum end_choice end;
	enum suspend_choice suspend;
	unsigned relax, require; /* masks */
	bool debug;
	/* [store] */
	char *directory;
	/* [limits] */
	unsigned sessions_per_user;
	uint64_t size_max; /* bytes, 0: none */
	char *users;	   /* "*", or names and @groups separated by blanks or commas */

	struct mount_list usr_mounts, sys_mounts;
};

/* Sets every default, as if no file existed. */
void configuration_defaults(struct configuration *configuration);

/*
 * Reads the files in @directory ("/etc/privexec"); one that is missing means its defaults, a
 * missing directory all of them. Opens each without following links and refuses files or a
 * directory with a wrong owner or mode. Errors name file, line and what would mend it. Returns 0 or
 * a negative errno; *configuration must be freed in either case.
 */
int configuration_load(const char *directory, struct configuration *configuration,
		       struct problem *problem);

/* The parsers alone, on a stream that is named @name in errors: what the fuzzers drive. */
int configuration_parse_main(FILE *stream, const char *name, struct configuration *configuration,
			     struct problem *problem);
int configuration_parse_mounts(FILE *stream, const char *name, struct mount_list *list,
			       struct problem *problem);

void configuration_free(struct configuration *configuration);

/*
 * May @uid (with groups @groups) run privexec under the `users` key? Resolves names by the system's
 * user database only when the list is not "*". Returns 1, 0, or a negative errno with @problem:
 * -EPERM where @uid is not allowed and the list has a name that does not exist.
 */
int configuration_user_allowed(const struct configuration *configuration, unsigned uid,
			       const unsigned *groups, size_t group_count, struct problem *problem);

#endif
