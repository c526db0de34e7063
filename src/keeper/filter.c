// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "keeper/filter.h"
#include "store/end.h"

/* Nothing here opens, executes, forks, maps or changes credentials. */
static const int keeper[] = {
	SCMP_SYS(ppoll),
	SCMP_SYS(poll),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(pread64), /* /proc/swaps, cgroup.events */
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),
	SCMP_SYS(fstatfs),   /* how much is in the store */
	SCMP_SYS(fallocate), /* how it grows */
	SCMP_SYS(ftruncate),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(waitid),
	SCMP_SYS(close),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit_group),
	-1,
};

/* Removes by descriptor: it calls openat for directories below those it was given, which the filter
 * cannot see. */
static const int sweeper[] = {
	SCMP_SYS(recvmsg),
	SCMP_SYS(write),
	SCMP_SYS(pread64),
	SCMP_SYS(poll),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(getdents64),
	SCMP_SYS(unlinkat),
	SCMP_SYS(renameat),
	SCMP_SYS(read),	   /* is the store of the dead session held? */
	SCMP_SYS(mkdirat), /* then that is listed */
	SCMP_SYS(flock),
	SCMP_SYS(sync_file_range), /* its device, before the kernel forgets it */
	SCMP_SYS(ftruncate),	   /* its backing file gives its blocks back */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit_group),
	-1,
};

const int *filter_allowed(enum filter_kind kind)
{
	return kind == FILTER_KEEPER ? keeper : sweeper;
}

/* The sweeper ends a store by a handful of ioctls. The kernel looks at the low half of a command.
 */
static int allow_ioctls(scmp_filter_ctx context)
{
	int error = 0;

	for (const unsigned *command = store_end_ioctls; !error && *command; command++)
		error = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, *command));
	return error;
}

int filter_load(enum filter_kind kind, struct problem *problem)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = context ? 0 : -ENOMEM;

	for (const int *call = filter_allowed(kind); !error && *call != -1; call++)
		error = seccomp_rule_add(context, SCMP_ACT_ALLOW, *call, 0);
	if (!error && kind == FILTER_SWEEPER)
		error = allow_ioctls(context);
	/* seccomp_load() sets no_new_privs itself */
	if (!error)
		error = seccomp_load(context);
	seccomp_release(context);
	if (error)
		return problem_set(
			problem, -error,
			"cannot load the keeper's system call filter: %s; the kernel needs "
			"seccomp",
			strerror(-error));
	return 0;
}
