/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proofs: that a tree of the host may be bound read-only into a session instead of being overlaid,
 * which makes reading it as fast as outside. Through a read-only bind a socket connects, a FIFO
 * delivers and a device opens, and what others may write could carry data out: so a tree qualifies
 * only if everything in it is root's, writable by nobody else, and a regular file, directory or
 * symbolic link. Locks, for which reading is enough, are shared all the same: a named exit. A proof
 * is a walk by root; what it found is kept below STATE_DIRECTORY/proofs until the machine restarts,
 * with a fingerprint that changes when the mount is changed or a package manager was at work.
 * Without a valid proof a tree is overlaid.
 */
#ifndef PRIVEXEC_PROOF_PROOF_H
#define PRIVEXEC_PROOF_PROOF_H

#include "base/problem.h"
#include "plan/mountinfo.h"

/*
 * Walks @path (absolute, normalised, a directory; other mounts in it are not entered) and records
 * that it qualifies. As root. Returns 0, or a negative errno with the first entry that does not
 * qualify in @problem.
 */
int proof_make(const char *path, const struct mount_table *mounts, struct problem *problem);

#define PROOFS_MAX 16

/*
 * The paths whose recorded proofs hold now, at most PROOFS_MAX, ended by NULL. As root. The strings
 * are the caller's (proof_list_free()). What cannot be read is not proven.
 */
void proof_list(const struct mount_table *mounts, char *ret_paths[PROOFS_MAX + 1]);
void proof_list_free(char *paths[PROOFS_MAX + 1]);

#endif
