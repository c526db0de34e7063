/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweeper: a confined child of the keeper that clears up after the session, whether the keeper
 * asks for it or is killed. It ends what is left of the session, ends its store (someone may hold
 * the dead session's mounts by an open /proc/PID/mounts), removes the cgroup and the state
 * directory. It is forked before any of these exist, so that no moment of set-up leaves something
 * behind.
 */
#ifndef PRIVEXEC_KEEPER_SWEEPER_H
#define PRIVEXEC_KEEPER_SWEEPER_H

#include "authority/authority.h"
#include "base/problem.h"
#include "cgroup/cgroup.h"
#include "control/choices.h"
#include "keeper/state.h"

struct sweeper {
	int pidfd;
	int channel;
};

#define SWEEPER_NONE ((struct sweeper){ -1, -1 })

/*
 * Forks it. @kind: of the store there will be; @mapper: for dm-crypt, else -1, the control device
 * of device-mapper. Returns 0 or a negative errno.
 */
int sweeper_start(const struct authority *authority, const struct state *state,
		  const struct cgroup *cgroup, enum store_choice kind, int mapper,
		  struct sweeper *ret_sweeper, struct problem *problem);

/* What it holds on behalf of the keeper: descriptors that exist only later. */
enum sweeper_gift {
	SWEEPER_STATE =
		's', /* the locked state directory: the session counts until it is cleared */
	SWEEPER_STORE = 'r',   /* store_remains.held, as many as there are */
	SWEEPER_DEVICE = 'h',  /* fscrypt: its loop device in sysfs, see store/held.h */
	SWEEPER_CGROUP = 'c',  /* cgroup.kill and cgroup.events */
	SWEEPER_NETWORK = 'n', /* a pidfd of the holder of a private network */
	SWEEPER_INIT = 'i',    /* a pidfd of init */
};
int sweeper_give(const struct sweeper *sweeper, enum sweeper_gift gift, const int *descriptors,
		 size_t count, struct problem *problem);

/* Tells it to begin; it exits when all is cleared. Nothing but write(2) is called. */
void sweeper_release(const struct sweeper *sweeper);

/* Waits at most @milliseconds until it says that all is cleared, or is gone. */
void sweeper_wait(const struct sweeper *sweeper, int milliseconds);

#endif
