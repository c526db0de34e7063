// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may run privexec: the `users` key. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/configuration.h"

/*
 * The user database answers "no such name" with no error or one of several; what is left is its
 * failing, and then nobody can tell who is who.
 */
static bool database_failed(int error)
{
	return error != 0 && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM;
}

/* Returns 1 if @name is @uid's, 0 if not or if there is no such user, or a negative errno. */
static int is_user(const char *name, unsigned uid, bool *ret_known)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	*ret_known = user;
	if (!user)
		return database_failed(errno) ? -errno : 0;
	return user->pw_uid == uid;
}

/* Returns 1 if the group @name is one of @groups, 0 if not or if there is no such group, or a
 * negative errno. */
static int is_member(const char *name, const unsigned *groups, size_t group_count, bool *ret_known)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	*ret_known = group;
	if (!group)
		return database_failed(errno) ? -errno : 0;
	for (size_t i = 0; i < group_count; i++)
		if (groups[i] == group->gr_gid)
			return 1;
	return 0;
}

int configuration_user_allowed(const struct configuration *configuration, unsigned uid,
			       const unsigned *groups, size_t group_count, struct problem *problem)
{
	_cleanup_free_ char *users = NULL;
	const char *unknown = NULL;
	char *rest, *name;

	if (uid == 0 || (configuration->users && strcmp(configuration->users, "*") == 0))
		return 1;
	users = configuration->users ? strdup(configuration->users) : NULL;
	if (!users)
		return problem_set(problem, ENOMEM, "no memory for the list of users");
	rest = users;
	while ((name = strsep(&rest, " \t,")) != NULL) {
		bool known = true;
		int r = 0;

		if (name[0] == '@')
			r = is_member(name + 1, groups, group_count, &known);
		else if (name[0])
			r = is_user(name, uid, &known);
		if (r < 0)
			return problem_set(
				problem, -r,
				"cannot look '%.60s' of 'users' in privexec.conf up: %s; is "
				"the user database well?",
				name, strerror(-r));
		if (r > 0)
			return 1;
		if (!known)
			unknown = name;
	}
	/* a name that is misspelt is the likeliest cause */
	if (unknown)
		return problem_set(problem, EPERM,
				   "this user may not run privexec: 'users' in privexec.conf has "
				   "'%.60s', which is no %s of this machine; an administrator can "
				   "change that",
				   unknown, unknown[0] == '@' ? "group" : "user");
	return 0;
}
