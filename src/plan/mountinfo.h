/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's mounts, as read from /proc/self/mountinfo: strictly, so that nothing is skipped or
 * guessed, and without a library, so that the privileged program loads none (a quarter of its
 * start, and much code that nothing here calls). The unit tests compare the result with libmount's.
 */
#ifndef PRIVEXEC_PLAN_MOUNTINFO_H
#define PRIVEXEC_PLAN_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/problem.h"

/* Whether a mount's root could be opened as the user. */
enum mount_reach {
	REACH_OK,
	REACH_DENIED, /* EACCES, EPERM: another user's FUSE, a closed parent directory */
	REACH_HUNG,   /* no answer within the time limit */
	REACH_FAILED, /* anything else: stale handles, dead servers */
};

/* What trying found out about a mount (src/view/survey fills it; tests record it). */
struct mount_facts {
	enum mount_reach reach;
	bool directory;	 /* its root is a directory, not a file bound there */
	bool idmappable; /* a clone of it could be idmapped; only probed for root's sessions */
	uid_t owner;	 /* of its root */
	mode_t mode;	 /* of its root, with the type bits */
};

struct mount_entry {
	uint64_t id, parent;
	char *root;   /* path in its file system that is mounted here */
	char *target; /* mount point, unescaped */
	char *type;   /* file system type, as "fuse.sshfs" */
	char *source;
	char *options;	  /* of the mount: "rw,nosuid,relatime" */
	char *fs_options; /* of the file system */
	struct mount_facts facts;
};

/* Only mounts that a path can still reach, parents before what is mounted in them. */
struct mount_table {
	struct mount_entry *entries;
	size_t count;
};

/*
 * Reads a table in mountinfo format from @stream (named @name in errors) and keeps the mounts that
 * can be seen: not those covered by a later mount on the same point or on a directory above it.
 * At most 10,000 mounts are taken. Returns 0 or a negative errno with @problem filled.
 */
int mount_table_read(FILE *stream, const char *name, struct mount_table *ret_table,
		     struct problem *problem);

void mount_table_free(struct mount_table *table);

/*
 * Replaces in place what mountinfo escapes ("\040" for a blank). What else begins with a backslash
 * stays; returns false if there was any.
 */
bool mountinfo_unescape(char *text);

/* Is @word one of the comma-separated @options? Also matches "word=value". */
bool mount_has_option(const char *options, const char *word);

/* The value of "word=value" in @options as a decimal number; false when it is not there. */
bool mount_option_number(const char *options, const char *word, unsigned *ret_value);

/* The same for masks of permissions, which file systems print in octal, with or without a 0. */
bool mount_option_mask(const char *options, const char *word, unsigned *ret_value);

/* Is @mount a FUSE file system served by neither root nor @uid? Its server is not trusted to
 * answer. */
bool mount_is_someones(const struct mount_entry *mount, uid_t uid);

/* Is @path equal to @directory or below it? Both absolute and normalised. */
bool path_is_below(const char *path, const char *directory);

#endif
