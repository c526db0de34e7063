// SPDX-License-Identifier: GPL-2.0-or-later
/* usr_mounts.conf and sys_mounts.conf: one mount point a line, in mount order, or `auto`. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "plan/configuration.h"
#include "plan/lines.h"
#include "plan/mountinfo.h"
#include "plan/pathname.h"

#define BLANKS " \t\r\f\v"
#define LIST_LINES_MAX 1000

/* Cuts a comment and the blanks around what is left of @line. */
static char *trim(char *line)
{
	size_t length;

	line += strspn(line, BLANKS);
	/* a '#' inside a name is a part of it, as in a shell */
	for (char *c = line; *c; c++)
		if (*c == '#' && (c == line || strchr(BLANKS, c[-1]))) {
			*c = '\0';
			break;
		}
	length = strlen(line);
	while (length > 0 && strchr(BLANKS, line[length - 1]))
		length--;
	line[length] = '\0';
	return line;
}

/* Checks @path against the lines that came before it. */
static int check_order(const char *path, const struct line_reader *reader,
		       const struct mount_list *list, struct problem *problem)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mount_line *before = &list->lines[i];

		if (strcmp(before->path, path) == 0)
			return problem_set(problem, EINVAL,
					   "%s:%u: %.150s is listed before, in line %u; remove one",
					   reader->name, reader->line, path, before->line);
		if (path_is_below(before->path, path))
			return problem_set(problem, EINVAL,
					   "%s:%u: unordered: %.100s comes after %.100s (line %u), "
					   "which is below it; put it first",
					   reader->name, reader->line, path, before->path,
					   before->line);
	}
	return 0;
}

static int list_append(struct mount_list *list, const char *path, unsigned line)
{
	struct mount_line *lines = reallocarray(list->lines, list->count + 1, sizeof(*list->lines));

	if (!lines)
		return -ENOMEM;
	list->lines = lines;
	lines[list->count] = (struct mount_line){ .path = strdup(path), .line = line };
	if (!lines[list->count].path)
		return -ENOMEM;
	list->count++;
	return 0;
}

static int parse_line(const char *text, const struct line_reader *reader, struct mount_list *list,
		      struct problem *problem)
{
	int r;

	if (strcmp(text, "auto") == 0) {
		if (list->automatic)
			return problem_set(problem, EINVAL,
					   "%s:%u: 'auto' is there twice; remove one", reader->name,
					   reader->line);
		list->automatic = true;
		return 0;
	}
	if (text[0] != '/')
		return problem_set(
			problem, EINVAL,
			"%s:%u: '%.150s' is neither 'auto' nor a path that begins with /",
			reader->name, reader->line, text);
	if (!path_is_normal(text) || strlen(text) >= PATH_MAX)
		return problem_set(
			problem, EINVAL,
			"%s:%u: write %.150s without '//', '.', '..' or a slash at its end",
			reader->name, reader->line, text);
	r = check_order(text, reader, list, problem);
	if (r < 0)
		return r;
	if (list->count == LIST_LINES_MAX)
		return problem_set(problem, E2BIG,
				   "%s:%u: more than %d mount points; use 'auto' for the rest",
				   reader->name, reader->line, LIST_LINES_MAX);
	r = list_append(list, text, reader->line);
	if (r < 0)
		return problem_set(problem, -r, "no memory to read %s", reader->name);
	return 0;
}

int configuration_parse_mounts(FILE *stream, const char *name, struct mount_list *list,
			       struct problem *problem)
{
	struct line_reader reader = { stream, name, 0 };
	char line[PATH_MAX + 256];
	int r;

	list->automatic = false;
	while ((r = line_reader_next(&reader, line, sizeof(line), problem)) > 0) {
		const char *text = trim(line);

		if (*text) {
			r = parse_line(text, &reader, list, problem);
			if (r < 0)
				break;
		}
	}
	return r;
}
