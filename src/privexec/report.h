/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --report says at the end. */
#ifndef PRIVEXEC_PRIVEXEC_REPORT_H
#define PRIVEXEC_PRIVEXEC_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "control/message.h"

struct report {
	const struct message_started *started;
	const struct message_ended *ended;
	const struct message_survivors *survivors;
	const char *name; /* of the session, may be empty */
	int64_t milliseconds;
};

/* Writes the report to @stream as lines, or as one JSON object. 0 or a negative errno. */
int report_print_words(const struct report *report, FILE *stream);
int report_print_json(const struct report *report, FILE *stream);

#endif
