// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "init/terminal.h"

int inner_terminal_open(struct inner_terminal *ret_terminal)
{
	_cleanup_close_ int outer = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_close_ int inner = -1;
	int unlock = 0;

	if (outer < 0)
		return -errno;
	if (ioctl(outer, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	/* by descriptor: a path could be something else's by now */
	inner = ioctl(outer, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (inner < 0)
		return -errno;
	if (ioctl(inner, TIOCSCTTY, 0) < 0)
		return -errno;
	ret_terminal->outer = descriptor_take(&outer);
	ret_terminal->inner = descriptor_take(&inner);
	ret_terminal->own = getpgrp();
	ret_terminal->resumes = 0;
	return 0;
}

/* The group in the foreground, or 0 when that is init's own or cannot be told. */
static pid_t foreground(const struct inner_terminal *terminal)
{
	pid_t group = terminal->inner >= 0 ? tcgetpgrp(terminal->inner) : 0;

	return group > 0 && group != terminal->own ? group : 0;
}

bool inner_terminal_is_idle(const struct inner_terminal *terminal)
{
	return terminal->inner >= 0 && foreground(terminal) == 0;
}

void inner_terminal_stopped(struct inner_terminal *terminal)
{
	terminal->resumes = foreground(terminal);
}

pid_t inner_terminal_resume(struct inner_terminal *terminal, pid_t group)
{
	pid_t wanted = terminal->resumes ? terminal->resumes : group;

	if (terminal->inner < 0)
		return group;
	terminal->resumes = 0;
	/* the remembered group may have ended meanwhile */
	if (tcsetpgrp(terminal->inner, wanted) == 0 || wanted == group)
		return wanted;
	tcsetpgrp(terminal->inner, group);
	return group;
}

void inner_terminal_take_back(struct inner_terminal *terminal)
{
	if (terminal->inner >= 0)
		tcsetpgrp(terminal->inner, terminal->own);
}

pid_t inner_terminal_target(const struct inner_terminal *terminal, pid_t group)
{
	pid_t target = foreground(terminal);

	return target ? target : group;
}
