/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other processes of the session: those that outlive the command. */
#ifndef PRIVEXEC_INIT_SURVIVORS_H
#define PRIVEXEC_INIT_SURVIVORS_H

#include <stdbool.h>
#include <stddef.h>

/* Is there any process in the session besides init? */
bool survivors_exist(void);

/* Sends @signal to every process of the session but init. */
void survivors_signal(int signal);

/*
 * Counts the processes besides init that have not ended, and writes the names of as many as fit to
 * @names (with @size bytes) as "sleep, dd"; every name once. @names may be NULL.
 */
unsigned survivors_count(char *names, size_t size);

#endif
