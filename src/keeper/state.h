/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state directory, /run/privexec/UID/ID: who has which session, and how much memory all of them
 * were promised. Everything in it is root's; UID/ may be entered by that user alone. The keeper
 * holds a lock on its ID directory for as long as it or its sweeper lives: a directory that can be
 * locked is stale, and the next start removes it together with its cgroup and its device-mapper
 * device.
 */
#ifndef PRIVEXEC_KEEPER_STATE_H
#define PRIVEXEC_KEEPER_STATE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/problem.h"
#include "control/message.h"

struct state {
	char id[SESSION_ID_LENGTH + 1];
	int lock;      /* the lock on all of STATE_DIRECTORY while a session is being entered */
	int root;      /* STATE_DIRECTORY */
	int user;      /* its directory UID */
	int directory; /* UID/ID, locked */
};

#define STATE_NONE ((struct state){ .lock = -1, .root = -1, .user = -1, .directory = -1 })

/* What state_open() found of live sessions. */
struct state_count {
	unsigned sessions_of_user;
	uint64_t bytes_promised; /* memory, to the sessions of all users */
	unsigned held_of_user;
	char held[SESSION_ID_LENGTH + 1]; /* one of the user's that has ended, but whose store
					   * somebody holds: state_hold(); or empty */
};

/*
 * Opens (and makes) the directories, takes the lock within ten seconds, sweeps stale sessions with
 * their cgroups below @cgroup_root (a directory descriptor, or -1), counts the live ones and
 * chooses an id. To be called as root. Returns 0 or a negative errno with @problem filled.
 */
int state_open(uid_t uid, int cgroup_root, struct state *ret_state, struct state_count *ret_count,
	       struct problem *problem);

/* Enters the session: makes UID/ID with its promise and gives up the lock. As root. */
int state_enter(struct state *state, uint64_t bytes_promised, struct problem *problem);

/*
 * Gives up the lock on STATE_DIRECTORY. Nothing that a user could make last may be done while it is
 * held: no message to the front, no close of a descriptor of its.
 */
void state_unlock(struct state *state);

/* Records where the session's cgroup is: a path below the cgroup root. As root. */
int state_record_cgroup(const struct state *state, const char *path, struct problem *problem);

/* Records that the session has a device-mapper device, named after it. As root. */
int state_record_mapper(const struct state *state, struct problem *problem);

/* Writes state.json whole. As root. */
int state_describe(const struct state *state, const char *json, struct problem *problem);

/* Makes the keeper's listening socket, which the user may connect to. As root. Descriptor or error.
 */
int state_listen(const struct state *state, struct problem *problem);

/* Removes the session's directory. Missing parts are no error. Descriptors only: no paths of users.
 */
void state_remove(int user_directory, const char *id);

/*
 * The session of the locked @directory has ended, and only what helped it is still to be cleared
 * away: it counts no more, and no tool shows it.
 */
void state_end(int directory);

/*
 * Lists the session @id, which has ended, as held; the caller's lock on it lasts until it exits. By
 * the sweeper. 0 or a negative errno.
 */
int state_hold(int user_directory, const char *id);

void state_close(struct state *state);

#endif
