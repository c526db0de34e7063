/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doing in a child what cannot be taken back: giving up privilege, loading a filter. */
#ifndef PRIVEXEC_TESTS_CHILDREN_H
#define PRIVEXEC_TESTS_CHILDREN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In a child, where cmocka cannot be told: says what is wrong and exits with 1. */
#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                               \
		}                                                                               \
	} while (0)

/* Runs @what in a child, which exits with 0 unless it says otherwise. Returns the wait status. */
static inline int in_child(void (*what)(const void *), const void *argument)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		what(argument);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static inline void assert_good(void (*what)(const void *), const void *argument)
{
	int status = in_child(what, argument);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

#endif
