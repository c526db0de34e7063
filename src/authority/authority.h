/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper's privilege: where it came from, and when it is in force. */
#ifndef PRIVEXEC_AUTHORITY_AUTHORITY_H
#define PRIVEXEC_AUTHORITY_AUTHORITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/problem.h"

struct authority {
	const char *source; /* "root", "file capabilities", "setuid" */
	uid_t uid;	    /* the user's */
	gid_t gid;
	uint64_t capabilities; /* in effect as root: the nine of authority.c; for root ten */
	uint64_t spare;	       /* permitted besides, for authority_attaching() alone; or 0 */
	uid_t root;	       /* who root is in the session: 0, or AUTHORITY_SHIFTED */
	bool exposed;	       /* authority_expose() was called */
};

/*
 * The host's uid and gid that stand for 0 in a session of root's: the highest block that systemd
 * and container tools leave alone. uid 0 itself can write to much of /proc and /sys without
 * capability.
 */
#define AUTHORITY_SHIFTED 4294901760U

/*
 * To be called first of all: takes all privilege out of effect, but keeps it. Until
 * authority_take() the process is the user's: counted among his, and his to kill. Returns 0 or a
 * negative errno.
 */
int authority_rest(struct problem *problem);

/*
 * To be called before anything that needs privilege. Finds out how privilege was given, reduces it
 * to what is needed and makes real and saved uid 0, so that the user can neither stop nor kill this
 * process; the effective uid becomes the user's and no capability is effective. Returns 0 or a
 * negative errno.
 */
int authority_take(struct authority *ret_authority, struct problem *problem);

/*
 * From now on the calling process (init) has all its ids the user's whenever it acts as the user,
 * not the effective ones alone: FUSE lets only such processes in, and an overlay keeps the
 * credentials of whoever mounted it. The price is that the user may stop or kill it. It can regain
 * root's.
 */
void authority_expose(struct authority *authority);

/*
 * Makes the calling process (init, before it is closed) act for a root that is AUTHORITY_SHIFTED,
 * in its groups too. Ends the process on failure.
 */
void authority_shift(struct authority *authority);

/*
 * authority_as_root() makes the effective uid root's with all permitted capabilities in effect.
 * authority_as_user() goes back: effective uid the user's, no capability. authority_mounting()
 * keeps the user's uid but puts all permitted capabilities into effect. They end the process if the
 * kernel refuses: nothing may go on under wrong credentials.
 */
void authority_as_root(const struct authority *authority);
void authority_as_user(const struct authority *authority);
void authority_mounting(const struct authority *authority);

/*
 * As authority_as_root(), with CAP_NET_ADMIN in effect besides, for attaching programs to a cgroup.
 * Lasts until the next of these calls. authority_forgo() then gives that up for good, in this
 * process and those that it makes: not before it has, a session gets nothing of it.
 */
void authority_attaching(const struct authority *authority);
void authority_forgo(struct authority *authority);

/*
 * As authority_as_user(), for reserving blocks of a file system: they count against the user's
 * quota, and those kept back for root are not touched, root's sessions included. Lasts until the
 * next of these calls.
 */
void authority_pay(const struct authority *authority);

#endif
