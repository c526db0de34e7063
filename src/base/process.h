/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children by clone3(2), held by pidfd. */
#ifndef PRIVEXEC_BASE_PROCESS_H
#define PRIVEXEC_BASE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Forks a child into the new namespaces of @flags (CLONE_NEW*) and, if @cgroup is not negative,
 * into the cgroup of that directory. Returns its pid in the parent (with a close-on-exec pidfd), 0
 * in the child, or a negative errno.
 */
pid_t process_clone(uint64_t flags, int cgroup, int *ret_pidfd);

/* Waits at most @milliseconds for a child to end and reaps it. Returns 0, or -ETIMEDOUT. */
int process_reap(int pidfd, int milliseconds);

#endif
