// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

pid_t process_clone(uint64_t flags, int cgroup, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args arguments = {
		.flags = flags | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
	};
	long child = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (child < 0)
		return -errno;
	if (child > 0)
		*ret_pidfd = pidfd;
	return (pid_t)child;
}

pid_t process_borrow(int flags, int (*act)(void *), void *argument)
{
	static char stack[64 << 10] __attribute__((aligned(16)));
	pid_t child = clone(act, stack + sizeof(stack), flags | CLONE_VM | CLONE_VFORK | SIGCHLD,
			    argument);

	return child < 0 ? -errno : child;
}

int process_reap(int pidfd, int milliseconds, siginfo_t *ret_ended)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	siginfo_t unused;
	int ready;

	do {
		ready = poll(&ended, 1, milliseconds);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return -ETIMEDOUT;
	waitid(P_PIDFD, (id_t)pidfd, ret_ended ? ret_ended : &unused, WEXITED | __WALL);
	return 0;
}

void process_describe_end(int pidfd, char *text, size_t size)
{
	siginfo_t ended = { 0 };
	const char *name;

	text[0] = '\0';
	if (waitid(P_PIDFD, (id_t)pidfd, &ended, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
	    ended.si_pid == 0)
		return;
	name = sigabbrev_np(ended.si_status);
	if (ended.si_code == CLD_EXITED)
		snprintf(text, size, "exited with status %d", ended.si_status);
	else if (name)
		snprintf(text, size, "was killed by SIG%s", name);
	else
		snprintf(text, size, "was killed by signal %d", ended.si_status);
}
