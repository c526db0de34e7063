/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standard input, output and error on their way from the front to the command. */
#ifndef PRIVEXEC_EXITS_STREAMS_H
#define PRIVEXEC_EXITS_STREAMS_H

#include "authority/authority.h"
#include "base/problem.h"
#include "plan/mountinfo.h"

/*
 * Checks the stream *@stream (its number @number is for messages) and makes of it what the command
 * may have: a regular file that is open for reading only is reopened at the same offset through a
 * read-only clone of its mount, so that the command cannot open it for writing by /proc/self/fd.
 * Directories and block devices are refused. Returns 0 or a negative errno with @problem filled.
 */
int streams_admit(int *stream, int number, const struct mount_table *mounts,
		  const struct authority *authority, struct problem *problem);

/*
 * For a session of root's whose uid 0 is another one of the host's: a pipe that is root's becomes
 * its root's, so that it can be opened by /dev/stdout and the like. Other streams stay as they are.
 */
void streams_shift(int stream, const struct authority *authority);

#endif
