/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session's own terminal: made in its /dev/pts, so that tty(1) and ttyname() are right. */
#ifndef PRIVEXEC_INIT_TERMINAL_H
#define PRIVEXEC_INIT_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

struct inner_terminal {
	int outer;     /* the end that goes to the front, -1 once it went */
	int inner;     /* kept until the session ends, so that the front reads to the last byte */
	pid_t own;     /* the process group of init, which is in the foreground of a lazy one */
	pid_t resumes; /* the group that was in the foreground when the command stopped, or 0 */
};

/*
 * Opens a terminal and makes it the controlling one of the calling session leader. Returns 0 or a
 * negative errno.
 */
int inner_terminal_open(struct inner_terminal *ret_terminal);

/* Is no group of the command's in the foreground? */
bool inner_terminal_is_idle(const struct inner_terminal *terminal);

/* The command has stopped: remembers which group was in the foreground. */
void inner_terminal_stopped(struct inner_terminal *terminal);

/*
 * Puts the group that was in the foreground when the command stopped, else @group, there again.
 * Returns the group.
 */
pid_t inner_terminal_resume(struct inner_terminal *terminal, pid_t group);

/* Puts init's own group in the foreground: whoever reads now is stopped by SIGTTIN. */
void inner_terminal_take_back(struct inner_terminal *terminal);

/* The group that signals of a keyboard go to: the foreground's, else @group. */
pid_t inner_terminal_target(const struct inner_terminal *terminal, pid_t group);

#endif
