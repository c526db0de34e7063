// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/calls.h"

/*
 * No flag is set. Process 1 has one thread (TSYNC). Nobody's log shall name what a session asked
 * for (LOG). And SPEC_ALLOW would take protection away: by default the kernel changes nothing about
 * speculation for a filter's sake, but where it was booted to (spectre_v2_user=seccomp) it guards
 * the filtered from what others taught the branch predictor, which is just what a session wants.
 */
int calls_confine(struct problem *problem)
{
	const struct sock_fprog program = {
		.len = calls_filter_length,
		.filter = (struct sock_filter *)calls_filter,
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return problem_set(problem, errno,
				   "cannot filter the session's system calls: %s; the kernel needs "
				   "CONFIG_SECCOMP_FILTER",
				   strerror(errno));
	return 0;
}
