/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory a session may be promised. */
#ifndef PRIVEXEC_STORE_BUDGET_H
#define PRIVEXEC_STORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"

/* Bytes that could be used now without swapping, the limits of the own cgroups counted in. */
int budget_available(uint64_t *ret_bytes, struct problem *problem);

/*
 * Grants a session memory such that all promises together (@promised: those to live sessions) stay
 * within half of @available. @asked 0 means the default: a quarter of what is left to promise, so
 * that the next sessions find something too, but not below BUDGET_LEAST. Where less is left than
 * asked, less is granted (*ret_less), down to BUDGET_LEAST; below that -ENOMEM. Less than
 * BUDGET_ASKED_LEAST may not be asked for: -EINVAL. @most: the
 * configuration's size_max, 0 for none. All in bytes, whole pages.
 */
#define BUDGET_LEAST (16ULL << 20)
#define BUDGET_ASKED_LEAST (1ULL << 20)
int budget_grant(uint64_t asked, uint64_t most, uint64_t available, uint64_t promised,
		 uint64_t *ret_granted, bool *ret_less, struct problem *problem);

#endif
