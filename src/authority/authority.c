// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "confine/capability.h"
#include "authority/authority.h"

/* Why each is needed: privexec(7), "Privilege". */
static const struct needed {
	int capability;
	const char *name;
} needed[] = {
	{ CAP_CHOWN, "cap_chown" },
	{ CAP_DAC_OVERRIDE, "cap_dac_override" },
	{ CAP_DAC_READ_SEARCH, "cap_dac_read_search" },
	{ CAP_FOWNER, "cap_fowner" },
	{ CAP_SETGID, "cap_setgid" },
	{ CAP_SETUID, "cap_setuid" },
	{ CAP_SYS_ADMIN, "cap_sys_admin" },
	{ CAP_MKNOD, "cap_mknod" },
	{ CAP_SETFCAP, "cap_setfcap" },
};

/* Linux up to 6.4 wants this one of whoever attaches a program for packets; where the keeper has it
 * not, the host's network is not guarded. */
#define SPARE CAPABILITY_BIT(CAP_NET_ADMIN)

/*
 * An overlay acts with its mounter's capabilities: without this one root's own chmod, install and
 * tar would lose the set-group-id bit. Nobody but root has the use of it.
 */
static uint64_t root_mask(uid_t uid)
{
	return uid == 0 ? CAPABILITY_BIT(CAP_FSETID) : 0;
}

static uint64_t needed_mask(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		mask |= CAPABILITY_BIT(needed[i].capability);
	return mask;
}

static int missing(uint64_t permitted, uid_t uid, struct problem *problem)
{
	struct statvfs system;

	if (permitted == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return problem_set(problem, EPERM,
				   "no privilege: no_new_privs is set, as inside a private session "
				   "or another sandbox; start privexec outside of it");
	if (permitted == 0 && statvfs("/proc/self/exe", &system) == 0 &&
	    (system.f_flag & ST_NOSUID))
		return problem_set(
			problem, EPERM,
			"no privilege: privexec-keeper lies on a file system that is mounted "
			"nosuid; remount it suid, or install privexec elsewhere (make install "
			"prefix=...)");
	if (permitted == 0)
		return problem_set(
			problem, EPERM,
			"no privilege: privexec-keeper has no file capabilities; install "
			"it with `make install` as root, or run privexec as root");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!(permitted & CAPABILITY_BIT(needed[i].capability)))
			return problem_set(
				problem, EPERM, "%s is missing%s: %s", needed[i].name,
				uid == 0 ? " although this is root" : "",
				uid == 0 ? "already inside a private session or a "
					   "container; start privexec outside of it"
					 : "install the keeper again with `make install`");
	return 0;
}

int authority_rest(struct problem *problem)
{
	uint64_t effective, permitted;

	if (setresuid((uid_t)-1, getuid(), (uid_t)-1) < 0 ||
	    capability_get(&effective, &permitted) < 0 || capability_set(0, permitted) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return problem_set(problem, errno, "cannot lay privilege aside: %s",
				   strerror(errno));
	return 0;
}

int authority_take(struct authority *ret_authority, struct problem *problem)
{
	uid_t uid, effective_uid, saved_uid;
	uint64_t effective, permitted, mask = needed_mask();
	int error;

	if (getresuid(&uid, &effective_uid, &saved_uid) < 0)
		return problem_set(problem, errno, "cannot read user ids: %s", strerror(errno));
	error = capability_get(&effective, &permitted);
	if (error)
		return problem_set(problem, -error, "cannot read capabilities: %s",
				   strerror(-error));
	if ((permitted & mask) != mask)
		return missing(permitted, uid, problem);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	mask |= root_mask(uid) & permitted;
	ret_authority->uid = uid;
	ret_authority->gid = getgid();
	ret_authority->root = 0;
	ret_authority->capabilities = mask;
	ret_authority->spare = SPARE & permitted;
	ret_authority->source = uid == 0 ? "root" : saved_uid == 0 ? "setuid" : "file capabilities";
	/* needs both capabilities in effect; leaving uid 0 as effective one takes them out */
	if (capability_set(mask, mask | ret_authority->spare) < 0 ||
	    setresgid(ret_authority->gid, ret_authority->gid, 0) < 0 || setresuid(0, uid, 0) < 0)
		return problem_set(problem, errno, "cannot take user id 0: %s", strerror(errno));
	authority_as_user(ret_authority);
	return 0;
}

/* How this process acts now: changing credentials is not free, and most calls ask for the same. */
static enum { ACTS_UNKNOWN, ACTS_AS_ROOT, ACTS_AS_USER, ACTS_MOUNTING } acts;

static void become_root(const struct authority *authority)
{
	uint64_t permitted = authority->capabilities | authority->spare;

	if (acts == ACTS_AS_ROOT)
		return;
	/* where no id is root's any more it takes CAP_SETUID and CAP_SETGID in effect */
	if ((acts != ACTS_MOUNTING && capability_set(authority->capabilities, permitted) < 0) ||
	    setresgid((gid_t)-1, authority->root, (gid_t)-1) < 0 ||
	    setresuid((uid_t)-1, authority->root, (uid_t)-1) < 0)
		_exit(125);
	/* becoming uid 0 has put all that is permitted into effect */
	if (authority->spare && capability_set(authority->capabilities, permitted) < 0)
		_exit(125);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a change of ids may have undone it */
	acts = ACTS_AS_ROOT;
}

/* Ids are set before capabilities: leaving uid 0 takes those out of effect. */
static void become_user(const struct authority *authority, uint64_t effective)
{
	uid_t other_uids = authority->exposed ? authority->uid : (uid_t)-1;
	gid_t other_gids = authority->exposed ? authority->gid : (gid_t)-1;
	bool ids = acts == ACTS_AS_ROOT || acts == ACTS_UNKNOWN;

	if ((ids && (setresgid(other_gids, authority->gid, other_gids) < 0 ||
		     setresuid(other_uids, authority->uid, other_uids) < 0)) ||
	    capability_set(effective, authority->capabilities | authority->spare) < 0)
		_exit(125);
	if (ids)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	acts = effective ? ACTS_MOUNTING : ACTS_AS_USER;
}

void authority_expose(struct authority *authority)
{
	authority->exposed = true;
	/* for capabilities to outlive the moment when the last id stops being root's */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		_exit(125);
	authority_as_root(authority);
	authority_as_user(authority);
}

void authority_shift(struct authority *authority)
{
	int count = getgroups(0, NULL);
	gid_t *groups = calloc((size_t)(count < 0 ? 0 : count) + 1, sizeof(*groups));

	if (count < 0 || !groups)
		_exit(125);
	authority_as_root(authority);
	acts = ACTS_UNKNOWN; /* neither root nor user is who it was */
	authority->uid = AUTHORITY_SHIFTED;
	authority->gid = AUTHORITY_SHIFTED;
	authority->root = AUTHORITY_SHIFTED;
	count = getgroups(count, groups);
	for (int i = 0; i < count; i++)
		if (groups[i] == 0)
			groups[i] = AUTHORITY_SHIFTED;
	if (count < 0 || setgroups((size_t)count, groups) < 0 ||
	    setresgid(AUTHORITY_SHIFTED, AUTHORITY_SHIFTED, AUTHORITY_SHIFTED) < 0)
		_exit(125);
	free(groups);
	authority_as_user(authority);
}

void authority_as_root(const struct authority *authority)
{
	become_root(authority);
}

void authority_as_user(const struct authority *authority)
{
	become_user(authority, 0);
}

void authority_attaching(const struct authority *authority)
{
	uint64_t all = authority->capabilities | authority->spare;

	become_root(authority);
	if (capability_set(all, all) < 0)
		_exit(125);
	acts = ACTS_UNKNOWN;
}

void authority_forgo(struct authority *authority)
{
	authority->spare = 0;
	acts = ACTS_UNKNOWN;
	authority_as_root(authority);
}

void authority_pay(const struct authority *authority)
{
	authority_as_user(authority);
	if (authority->uid != 0)
		return;
	/* takes a capability that acting as the user has put aside */
	become_root(authority);
	setfsgid(AUTHORITY_SHIFTED);
	setfsuid(AUTHORITY_SHIFTED);
	/* it tells by its next result only whether it was obeyed */
	if ((uid_t)setfsuid((uid_t)-1) != AUTHORITY_SHIFTED)
		_exit(125);
	if (capability_set(0, authority->capabilities | authority->spare) < 0)
		_exit(125);
	acts = ACTS_UNKNOWN;
}

void authority_mounting(const struct authority *authority)
{
	become_user(authority, authority->capabilities);
}
