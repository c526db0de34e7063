// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading back what was mounted: an invariant is checked where it has to hold, in the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "view/view.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

static const struct {
	unsigned attribute;
	const char *word;
} words[] = {
	{ MOUNT_ATTR_NOSUID, "nosuid" },	   { MOUNT_ATTR_NODEV, "nodev" },
	{ MOUNT_ATTR_NOEXEC, "noexec" },	   { MOUNT_ATTR_RDONLY, "ro" },
	{ MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow" },
};

static unsigned expected(const struct plan_node *node)
{
	if (node->fresh == FRESH_DEV || node->fresh == FRESH_DEVPTS)
		return MOUNT_ATTR_NOSUID; /* their nodes were made, not found */
	if (node->fresh == FRESH_SYS)
		return layer_attributes(node) | MOUNT_ATTR_RDONLY;
	return layer_attributes(node);
}

static struct plan_node *find(const struct plan *plan, const char *path)
{
	plan_for_each_node (node, plan)
		if (strcmp(node->path, path) == 0)
			return node;
	return NULL;
}

static int check(const struct plan *plan, char *target, const char *options,
		 struct problem *problem)
{
	const struct plan_node *node;

	mountinfo_unescape(target);
	node = find(plan, target);
	if (!node)
		return problem_set(problem, EPERM,
				   "the session has a mount at %s that was not planned; this is a "
				   "fault of privexec, please report it",
				   target);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if ((expected(node) & words[i].attribute) &&
		    !mount_has_option(options, words[i].word))
			return problem_set(
				problem, EPERM,
				"the session's mount at %s is not %s although asked for; "
				"this is a fault of privexec, please report it",
				target, words[i].word);
	return 0;
}

int view_verify(const struct plan *plan, struct problem *problem)
{
	_cleanup_file_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0, planned = 0, found = 0;
	int error = 0;

	if (!mounts)
		return problem_set(problem, EPERM, "cannot read the session's mounts back: %s",
				   strerror(errno));
	while (!error && getline(&line, &size, mounts) > 0) {
		char *rest, *field = strtok_r(line, " ", &rest), *target = NULL;

		/* id parent major:minor root TARGET OPTIONS ... */
		for (int i = 0; field && i < 4; i++)
			field = strtok_r(NULL, " ", &rest);
		target = field;
		field = target ? strtok_r(NULL, " ", &rest) : NULL;
		if (!field)
			return problem_set(problem, EPERM, "cannot read the session's mounts back");
		error = check(plan, target, field, problem);
		found++;
	}
	plan_for_each_node (node, plan)
		planned++;
	if (!error && found != planned)
		return problem_set(problem, EPERM,
				   "the session has %zu mounts where %zu were planned; this is a "
				   "fault of privexec, please report it",
				   found, planned);
	return error;
}

static bool mount_id(int directory, const char *path, uint64_t *ret_id)
{
	struct statx status;

	if (statx(directory, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW,
		  STATX_MNT_ID, &status) < 0 ||
	    !(status.stx_mask & STATX_MNT_ID))
		return false;
	*ret_id = status.stx_mnt_id;
	return true;
}

bool view_is_private(const struct plan *plan, int file)
{
	uint64_t own, passed;

	if (!mount_id(file, "", &own))
		return false;
	plan_for_each_node (node, plan)
		if (node->kind == NODE_PASS &&
		    (!mount_id(AT_FDCWD, node->path, &passed) || passed == own))
			return false;
	return true;
}
