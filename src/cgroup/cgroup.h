/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session's cgroup: one for each session, root's, never handed over. It ends all of a session's
 * processes with one write, and keeps them from swap where it has the memory controller.
 */
#ifndef PRIVEXEC_CGROUP_CGROUP_H
#define PRIVEXEC_CGROUP_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/problem.h"
#include "plan/mountinfo.h"

#define CGROUP_PATH_MAX 512

struct cgroup {
	int root;		      /* where the cgroup2 file system is mounted */
	int parent;		      /* the directory the session's was made in */
	int directory;		      /* the session's */
	int kill;		      /* its cgroup.kill, open for writing */
	int events;		      /* its cgroup.events */
	char name[48];		      /* in @parent */
	char path[CGROUP_PATH_MAX];   /* below @root */
	char caller[CGROUP_PATH_MAX]; /* where the session is started from, "/user.slice/..." */
	bool users;		      /* lies in one that somebody else than root owns */
};

#define CGROUP_NONE ((struct cgroup){ -1, -1, -1, -1, -1, "", "", "", false })

/* Opens the machine's cgroup2 file system; -1 in @ret_root where there is none. */
void cgroup_open_root(const struct mount_table *mounts, int *ret_root);

/*
 * After cgroup_leave_users(): chooses where the cgroup "privexec-@id" goes: under the user's slice
 * where the session starts from there, else under the cgroup that it starts from, so that the
 * administrator's limits hold; from the top one, under "privexec". Opens the parent, making the
 * latter. As root. Returns 0, or a negative errno when cgroups cannot be had here (the session goes
 * without: its pid namespace ends it).
 *
 * Where that is in one of the user's (@cgroup->users), his other programs can move the session's
 * processes out of it: then it is good for ending and counting them alone.
 */
int cgroup_choose(struct cgroup *cgroup, uid_t uid, const char *id);

/*
 * Notes where the session is started from, and moves the calling process out of a cgroup that
 * somebody else than root owns, as systemd gives users: whoever owns one may freeze and kill what
 * is in it. It goes to "privexec/keepers". As root. Does nothing where the own cgroup is root's.
 * Returns 0 or a negative errno.
 */
int cgroup_leave_users(struct cgroup *cgroup);

/* How many cgroups are above it, up to that of the whole machine; needs cgroup_root_is_whole(). */
unsigned cgroup_level(const struct cgroup *cgroup);

/* Is @root the machine's top cgroup, not that of a container? */
bool cgroup_root_is_whole(int root);

/* Makes it. As root. Returns 0 or a negative errno. */
int cgroup_create(struct cgroup *cgroup);

/* Kills everything in it by its open files alone. Harmless when there is no cgroup. */
void cgroup_kill(const struct cgroup *cgroup);

/* Waits until no process is left in it, at most @milliseconds. Returns whether that is so. */
bool cgroup_wait_empty(const struct cgroup *cgroup, int milliseconds);

/*
 * Removes the directory, waiting up to @milliseconds for the kernel to let go of it. Returns
 * whether it is gone: a process that hangs in the hands of a dead file server keeps it.
 */
bool cgroup_remove(int parent, const char *name, int milliseconds);

/*
 * Kills and removes the cgroup at @path, as recorded by a session that is gone. As root. Waits next
 * to nothing, since somebody's start waits for it. Returns whether it is gone.
 */
bool cgroup_sweep(int root, const char *path);

void cgroup_close(struct cgroup *cgroup);

#endif
