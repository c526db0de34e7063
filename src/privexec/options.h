/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of privexec. */
#ifndef PRIVEXEC_PRIVEXEC_OPTIONS_H
#define PRIVEXEC_PRIVEXEC_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/problem.h"
#include "control/request.h"

struct options {
	struct request request; /* the choices said; the rest of it is filled in later */
	bool help, version;
	bool quiet;   /* no first line */
	bool verbose; /* more about the session at its start and its end */
	bool report;
	const char *report_file; /* NULL: standard error */
	int status_descriptor;	 /* -1: not asked for */
	char **command;		 /* NULL-terminated, in argv; NULL: none, so a shell */
};

/*
 * Reads the command line. Option parsing stops at the first word that is none. Strings are not
 * copied. Returns 0 or -EINVAL with @problem filled.
 */
int options_parse(int argc, char **argv, struct options *ret_options, struct problem *problem);

void options_print_help(FILE *stream);

#endif
