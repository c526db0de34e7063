/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device-mapper devices of sessions. Such a device has a name and outlives its maker, so whoever
 * holds the control device of a session clears it away (mapper_end()), and the next start clears
 * away what a session left whose processes were all killed (mapper_sweep()).
 */
#ifndef PRIVEXEC_STORE_MAPPER_H
#define PRIVEXEC_STORE_MAPPER_H

#include <stdint.h>

#include "base/problem.h"

/* Opens the control device. As root. A descriptor or a negative errno. */
int mapper_open(void);

/* Is there a target "crypt"? Has the kernel load it. 0 or a negative errno. */
int mapper_has_crypt(int control);

/*
 * Makes the device of the session @id, of @bytes, with one @target and its @parameters. It goes
 * with its last user (deferred removal), from before anything can be read or written by it. Returns
 * a descriptor of the device or a negative errno.
 */
int mapper_create(int control, const char *id, uint64_t bytes, const char *target,
		  const char *parameters, struct problem *problem);

/*
 * Puts a table that holds nothing in the place of the session's, which wipes the key that the old
 * one held, and removes the device with its last user. No error if there is none. Only ioctls on
 * @control.
 */
void mapper_end(int control, const char *id);

/* Removes the device of a session whose processes are gone, if there is one. */
void mapper_sweep(const char *id);

#endif
