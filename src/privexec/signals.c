// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "privexec/signals.h"

uint64_t signals_ignored(void)
{
	uint64_t mask = 0;

	for (int number = 1; number <= SIGNALS; number++) {
		/* as the kernel has it: handler, flags, restorer, mask */
		unsigned long action[4] = { 0 };

		if (syscall(SYS_rt_sigaction, number, NULL, action, sizeof(uint64_t)) == 0 &&
		    action[0] == (unsigned long)SIG_IGN)
			mask |= signal_bit(number);
	}
	return mask;
}

uint64_t signals_block(uint64_t mask)
{
	uint64_t before = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof(mask));
	return before;
}

int signals_open(uint64_t mask)
{
	long descriptor =
		syscall(SYS_signalfd4, -1, &mask, sizeof(mask), SFD_CLOEXEC | SFD_NONBLOCK);

	return descriptor < 0 ? -errno : (int)descriptor;
}

bool signal_take(int number)
{
	const struct timespec none = { 0 };
	uint64_t mask = signal_bit(number);

	return syscall(SYS_rt_sigtimedwait, &mask, NULL, &none, sizeof(mask)) == number;
}
