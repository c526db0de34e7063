/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a store on disk grows: ahead of what is written, so that a write of any speed finds room
 * while the host has some. What is ahead is taken from everybody else on the disk: it is an eighth
 * of what the host has left, and no more than four gigabytes.
 */
#ifndef PRIVEXEC_STORE_GROWTH_H
#define PRIVEXEC_STORE_GROWTH_H

#include <stdint.h>

#include "store/store.h"

struct growth {
	int64_t next;	    /* when to look again: clock_milliseconds(); 0: at once */
	int64_t pause;	    /* between the last two looks, while nothing was written */
	uint64_t last_free; /* bytes in the store, at the last look */
};

/* Milliseconds until growth_step() is due, -1: never. */
int growth_wait(const struct growth *growth, const struct store *store);

/*
 * Looks how much is free in @store, if that is due, and grows it by one step if that is little. As
 * the user who pays. A host that has no room now is asked again later.
 */
void growth_step(struct growth *growth, struct store *store);

/* What a session begins with, where the host has it: it can write a gigabyte at once.
 * As the user who pays. */
void growth_begin(struct growth *growth, struct store *store);

#endif
