/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children by clone3(2), held by pidfd. */
#ifndef PRIVEXEC_BASE_PROCESS_H
#define PRIVEXEC_BASE_PROCESS_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Forks a child into the new namespaces of @flags (CLONE_NEW*) and, if @cgroup is not negative,
 * into the cgroup of that directory. Returns its pid in the parent (with a close-on-exec pidfd), 0
 * in the child, or a negative errno.
 */
pid_t process_clone(uint64_t flags, int cgroup, int *ret_pidfd);

/*
 * Runs @act with @argument in a child that shares this process's memory, as with vfork(2): a copy
 * of that would take longer than what the child does. The caller waits until it exits or executes
 * another program. @flags: more CLONE_* flags. One at a time. Returns its pid or a negative errno.
 */
pid_t process_borrow(int flags, int (*act)(void *), void *argument);

/* Waits at most @milliseconds for a child to end and reaps it; says how it ended in @ret_ended if
 * that is not NULL. Returns 0, or -ETIMEDOUT. */
int process_reap(int pidfd, int milliseconds, siginfo_t *ret_ended);

/*
 * Writes in words how a child ended, "was killed by SIGKILL" or "exited with status 1", and leaves
 * it to be reaped. @text is empty when it has not ended or was reaped.
 */
void process_describe_end(int pidfd, char *text, size_t size);

#endif
