/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals as the kernel numbers them, all 64: the C library hides two from its own sets. */
#ifndef PRIVEXEC_PRIVEXEC_SIGNALS_H
#define PRIVEXEC_PRIVEXEC_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#define SIGNALS 64

/* Masks have bit n-1 for signal n. */
static inline uint64_t signal_bit(int number)
{
	return 1ULL << (number - 1);
}

/* The signals whose disposition is to be ignored. */
uint64_t signals_ignored(void);

/* Sets the mask of blocked signals and returns the one before. */
uint64_t signals_block(uint64_t mask);

/* Opens a descriptor that signals in @mask can be read from. A negative errno on failure. */
int signals_open(uint64_t mask);

/* Takes a pending, blocked @number away. Returns true if there was one. */
bool signal_take(int number);

#endif
