/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command of the session: what it is given, and how it is started. */
#ifndef PRIVEXEC_INIT_COMMAND_H
#define PRIVEXEC_INIT_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "init/init.h"

struct command {
	char **arguments;   /* NULL-terminated, into a mapping of the request's memfd */
	char **environment; /* the same */
	char *directory;    /* absolute path, or NULL: it has none any more */
	pid_t process;	    /* 0: not started, or reaped */
	int report;	    /* closes when the command's program runs, gives an errno if it cannot;
			     * -1 when that is settled */
	int execute_error;  /* positive errno once @report gave one */
};

/* Maps arguments, environment and directory of @context. Returns 0 or a negative errno. */
int command_load(const struct init_context *context, struct command *ret_command);

/*
 * Enters the working directory in the calling process, where the command inherits it. Returns 0, or
 * a negative errno when "/" had to take its place.
 */
int command_enter_directory(const struct command *command);

/*
 * Forks the command. @terminal is the inner end of the session's terminal or -1; in the foreground
 * of it the command is put at once if @foreground. Streams are left to the caller to close.
 * Returns 0 or a negative errno.
 */
int command_start(struct command *command, const struct init_context *context, int terminal,
		  bool foreground);

/* Reads command->report, which must be readable, and closes it. */
void command_read_report(struct command *command);

#endif
