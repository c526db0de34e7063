/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a store of a dead session still held? A process outside that has the session's mounts open (by
 * /proc/PID/mounts, which anybody may open, or as root by a file) keeps the file system, its loop
 * device and, with fscrypt, its key in memory. Nothing can be read through it any more.
 */
#ifndef PRIVEXEC_STORE_HELD_H
#define PRIVEXEC_STORE_HELD_H

#include <stdbool.h>

#include "base/problem.h"

#define HELD_SEQUENCE_SIZE 32

struct held {
	int device; /* the directory of the inner loop device in sysfs; -1: nothing to watch */
	char sequence[HELD_SEQUENCE_SIZE]; /* the kernel's number of this use of the device */
};

/* Opens the directory in sysfs of the loop device @loop. A descriptor, or a negative errno. */
int held_open(int loop, struct problem *problem);

/* Begins to watch the loop device whose directory is @device: it is in use, and by the store. */
void held_begin(struct held *held, int device);

/* Is it in use by the same store still? */
bool held_still(const struct held *held);

#endif
