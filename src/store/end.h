/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a store, so that whoever still holds its mount holds nothing. */
#ifndef PRIVEXEC_STORE_END_H
#define PRIVEXEC_STORE_END_H

#include "store/store.h"

#define STORE_REMAINS_MAX 5

/* Places in struct store_remains. */
enum { REMAINS_INNER, REMAINS_DEVICE, REMAINS_OUTER, REMAINS_BALLOON, REMAINS_BACKING };

/* What is needed to end a store: descriptors alone. */
struct store_remains {
	enum store_choice kind;
	/*
	 * The root directory that the session writes below, and the device that its file system is
	 * on, if there is one; fscrypt: the root directory of the outer file system,
	 * and its balloon, which takes long to free in a file system that has not been shut down,
	 * and the backing file below all.
	 * -1: none.
	 */
	int held[STORE_REMAINS_MAX];
	int mapper; /* dm-crypt: the control device */
};

#define STORE_REMAINS_NONE ((struct store_remains){ .held = { -1, -1, -1, -1, -1 }, .mapper = -1 })

/* What it takes: a disk store is shut down by CAP_SYS_ADMIN, a memory store is emptied. */
uint64_t store_end_capabilities(enum store_choice kind);

/* The ioctls by which store_end() does so, ended by 0. */
extern const unsigned store_end_ioctls[];

/*
 * Ends the store of the session @id when its processes are gone: empties memory, or makes what is
 * on disk unreadable at once, without writing back what nobody will read. The kernel frees the rest
 * with the last descriptor and mount.
 */
void store_end(const struct store_remains *remains, const char *id);

/*
 * Lets go of what the session wrote to, which the kernel then takes down: that can take a moment.
 */
void store_let_go(struct store_remains *remains);

/*
 * fscrypt, later: shuts the outer file system down too, empties the backing file, so that its
 * blocks are the disk's again whoever holds what, and lets go of them. Not before the inner one is
 * gone, whose last words would fail on it with a line in the log for each; or as soon as it is
 * clear that somebody holds that. Else does nothing.
 */
void store_end_outer(struct store_remains *remains);

#endif
