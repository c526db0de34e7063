/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A key that is born in the kernel and that nobody has. */
#ifndef PRIVEXEC_STORE_KEY_H
#define PRIVEXEC_STORE_KEY_H

#include <stdint.h>

#include "base/problem.h"

#define KEY_BYTES 64
#define KEY_DESCRIPTION_SIZE 48

struct key {
	char description[KEY_DESCRIPTION_SIZE]; /* for ":64:encrypted:DESCRIPTION" */
	int32_t serial;
};

/*
 * Makes KEY_BYTES of the kernel's random numbers into a key of type "encrypted" that only this
 * process can find, and that nobody, this process included, can read or wrap again: the key that
 * it was wrapped with at its birth is destroyed, and its permissions allow a search by its
 * possessor and nothing else. @name makes the description unique. As root. 0 or a negative errno.
 */
int key_make(const char *name, struct key *ret_key, struct problem *problem);

/* Destroys it, when whoever needs it (dm-crypt) has taken its copy in the kernel. */
void key_destroy(struct key *key);

#endif
