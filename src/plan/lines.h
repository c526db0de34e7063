/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading text by lines of bounded length, for the parsers of this room. */
#ifndef PRIVEXEC_PLAN_LINES_H
#define PRIVEXEC_PLAN_LINES_H

#include <stddef.h>
#include <stdio.h>

#include "base/problem.h"

struct line_reader {
	FILE *stream;	  /* the caller's */
	const char *name; /* of the file, for errors */
	unsigned line;	  /* the number of the last line read, the first is 1 */
};

/*
 * Reads the next line, without its newline, into @buffer of @size bytes. A line that does not fit
 * or holds a NUL is an error, since what reads it next would see a part of it. Returns 1, 0 at the
 * end of the file, or a negative errno with @problem filled.
 */
int line_reader_next(struct line_reader *reader, char *buffer, size_t size,
		     struct problem *problem);

#endif
