// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/problem.h"

int problem_set(struct problem *problem, int error, const char *format, ...)
{
	va_list arguments;

	if (problem->text[0])
		return -error;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	for (char *c = problem->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -error;
}
