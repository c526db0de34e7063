/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A problem: the one line a person reads when something cannot be done. */
#ifndef PRIVEXEC_BASE_PROBLEM_H
#define PRIVEXEC_BASE_PROBLEM_H

#include <stdarg.h>

#define PROBLEM_TEXT_SIZE 512

/*
 * What went wrong and what would mend it, in one line without a final period or newline. The
 * deepest function that knows the cause fills it; callers only pass it on. Zero-initialise.
 */
struct problem {
	char text[PROBLEM_TEXT_SIZE];
};

/*
 * Fills @problem, unless it already holds an earlier (deeper) cause, and returns -@error, so that a
 * failing function can end in `return problem_set(...)`. @error is a positive errno value. Bytes
 * that a terminal could act on are replaced by '?', since texts may quote what a user typed.
 */
int problem_set(struct problem *problem, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
