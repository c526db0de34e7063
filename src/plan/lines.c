// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "plan/lines.h"

int line_reader_next(struct line_reader *reader, char *buffer, size_t size, struct problem *problem)
{
	size_t length = 0;
	int c = getc(reader->stream);

	if (c != EOF)
		reader->line++;
	for (; c != EOF && c != '\n'; c = getc(reader->stream)) {
		if (c == '\0')
			return problem_set(
				problem, EINVAL,
				"%s:%u: there is a NUL byte in this line; it must be text",
				reader->name, reader->line);
		if (length + 1 >= size)
			return problem_set(problem, EINVAL,
					   "%s:%u: this line is longer than %zu bytes; shorten it",
					   reader->name, reader->line, size - 1);
		buffer[length++] = (char)c;
	}
	if (ferror(reader->stream))
		return problem_set(problem, EIO, "cannot read %s: %m", reader->name);
	buffer[length] = '\0';
	return c == '\n' || length > 0;
}
