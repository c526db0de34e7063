// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * privexec: runs a command in a private session. This program has no privilege and needs none: it
 * asks privexec-keeper for the session, sits between its terminal and the person's, and passes on
 * signals and the exit status.
 */
#include <stdio.h>
#include <string.h>

#include "privexec/options.h"
#include "privexec/session.h"
#include "privexec/start.h"
#include "privexec/words.h"

#ifndef PRIVEXEC_VERSION
#define PRIVEXEC_VERSION "unknown"
#endif

#define STATUS_FAILED 125

int main(int argc, char **argv)
{
	struct problem problem = { 0 };
	struct options options;
	struct origin origin;
	int r;

	r = origin_record(&origin);
	if (r < 0) {
		words_say("cannot open /dev/null in place of a closed descriptor: %s",
			  strerror(-r));
		return STATUS_FAILED;
	}
	if (options_parse(argc, argv, &options, &problem) < 0) {
		words_say("%s", problem.text);
		return STATUS_FAILED;
	}
	if (options.help)
		options_print_help(stdout);
	else if (options.version)
		puts("privexec " PRIVEXEC_VERSION);
	else
		return session_run(&options, &origin, argc, argv);
	return fflush(stdout) == 0 ? 0 : STATUS_FAILED;
}
