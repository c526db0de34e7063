// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/lines.h"
#include "plan/mountinfo.h"
#include "plan/pathname.h"
#include "plan/visibility.h"

#define MOUNTS_MAX 10000
/* two paths of PATH_MAX, each byte of them escaped, and some pages of options */
#define MOUNT_LINE_SIZE (64 << 10)
#define MOUNT_TABLE_MEBIBYTES 64

/* Skips a number of at most nine digits that is followed by @end. NULL if there is none. */
static const char *skip_number(const char *text, char end)
{
	size_t length = text ? strspn(text, "0123456789") : 0;

	return length > 0 && length < 10 && text[length] == end ? text + length + 1 : NULL;
}

/*
 * Does @line begin as mountinfo does: "27 1 254:0 /"? A line that the kernel would not write is an
 * error, never skipped: what is mounted there would show in the session.
 */
static bool line_is_mountinfo(const char *line)
{
	line = skip_number(line, ' ');
	line = skip_number(line, ' ');
	line = skip_number(line, ':');
	line = skip_number(line, ' ');
	return line != NULL;
}

static void entry_free(struct mount_entry *entry)
{
	free(entry->root);
	free(entry->target);
	free(entry->type);
	free(entry->source);
	free(entry->options);
	free(entry->fs_options);
	*entry = (struct mount_entry){ 0 };
}

/* The byte that @text, "\\040" or the like, stands for; 0 for what the kernel does not write. */
static char escaped_byte(const char *text)
{
	unsigned byte = 0;

	for (int digit = 1; digit <= 3; digit++) {
		if (text[digit] < '0' || text[digit] > '7')
			return '\0';
		byte = byte * 8 + (unsigned)(text[digit] - '0');
	}
	return byte > 0xff ? '\0' : (char)byte;
}

bool mountinfo_unescape(char *text)
{
	char *to = text;
	bool good = true;

	for (; *text; text++) {
		char byte = *text == '\\' ? escaped_byte(text) : *text;

		if (*text == '\\' && byte)
			text += 3;
		good = good && byte;
		*to++ = byte ? byte : *text;
	}
	*to = '\0';
	return good;
}

/* The fields of a line that are of use, in it. */
struct line_fields {
	char *id, *parent, *root, *target, *options, *type, *source, *fs_options;
};

/* "27 1 254:0 /root /target options [tag ...] - type source fs-options" */
static bool split_line(char *line, struct line_fields *ret_fields)
{
	struct line_fields fields = { .id = strsep(&line, " ") };
	char *tag;

	fields.parent = strsep(&line, " ");
	strsep(&line, " "); /* the device */
	fields.root = strsep(&line, " ");
	fields.target = strsep(&line, " ");
	fields.options = strsep(&line, " ");
	while ((tag = strsep(&line, " ")) && strcmp(tag, "-") != 0)
		;
	fields.type = strsep(&line, " ");
	fields.source = strsep(&line, " ");
	fields.fs_options = line;
	if (line)
		mountinfo_unescape(
			line); /* file systems print what they like: nothing is asked of it */
	*ret_fields = fields;
	return fields.options && fields.type && *fields.type && fields.source && *fields.options &&
	       *fields.root && mountinfo_unescape(fields.root) &&
	       mountinfo_unescape(fields.target) && mountinfo_unescape(fields.type) &&
	       mountinfo_unescape(fields.source);
}

/* Returns 1, or 0 when the mount point was deleted, or a negative errno. */
static int entry_fill(const struct line_fields *fields, const char *name, struct mount_entry *entry,
		      struct problem *problem)
{
	static const char deleted[] = "//deleted";
	size_t length = strlen(fields->target);

	/* the kernel's mark for a mount point that no path leads to any more */
	if (length >= sizeof(deleted) &&
	    strcmp(fields->target + length - (sizeof(deleted) - 1), deleted) == 0)
		return 0;
	if (!path_is_normal(fields->target))
		return problem_set(problem, EINVAL, "%s has a mount point that is no path: %.100s",
				   name, fields->target);
	*entry = (struct mount_entry){
		.id = strtoull(fields->id, NULL, 10),
		.parent = strtoull(fields->parent, NULL, 10),
		.root = strdup(fields->root),
		.target = strdup(fields->target),
		.type = strdup(fields->type),
		.source = strdup(fields->source),
		.options = strdup(fields->options),
		.fs_options = strdup(fields->fs_options ? fields->fs_options : ""),
	};
	if (entry->root && entry->target && entry->type && entry->source && entry->options &&
	    entry->fs_options)
		return 1;
	entry_free(entry);
	return problem_set(problem, ENOMEM, "no memory to read %s", name);
}

/* Room for one more entry. */
static bool grow(struct mount_table *table, size_t *room)
{
	struct mount_entry *entries;

	if (table->count < *room)
		return true;
	*room = *room ? 2 * *room : 64;
	entries = realloc(table->entries, *room * sizeof(*entries));
	if (entries)
		table->entries = entries;
	return entries != NULL;
}

static int take_line(char *line, const struct line_reader *reader, struct mount_table *table,
		     struct problem *problem)
{
	struct line_fields fields;
	int r;

	if (!line_is_mountinfo(line))
		return problem_set(problem, EINVAL, "%s:%u: this is not a line of mountinfo",
				   reader->name, reader->line);
	if (!split_line(line, &fields))
		return problem_set(problem, EINVAL, "%s:%u: a line that cannot be understood",
				   reader->name, reader->line);
	r = entry_fill(&fields, reader->name, &table->entries[table->count], problem);
	if (r > 0)
		table->count++;
	return r < 0 ? r : 0;
}

/* Takes every mount of @stream into @table, whether it can be seen or not. */
static int read_lines(FILE *stream, const char *name, struct mount_table *table,
		      struct problem *problem)
{
	struct line_reader reader = { stream, name, 0 };
	_cleanup_free_ char *line = malloc(MOUNT_LINE_SIZE);
	size_t total = 0, room = 0;
	int r;

	if (!line)
		return problem_set(problem, ENOMEM, "no memory to read %s", name);
	while ((r = line_reader_next(&reader, line, MOUNT_LINE_SIZE, problem)) > 0) {
		total += strlen(line) + 1;
		if (reader.line > MOUNTS_MAX || total > (size_t)MOUNT_TABLE_MEBIBYTES << 20)
			return problem_set(problem, E2BIG,
					   "%s has more than %d mounts or %d MiB; unmount some",
					   name, MOUNTS_MAX, MOUNT_TABLE_MEBIBYTES);
		if (!grow(table, &room))
			return problem_set(problem, ENOMEM, "no memory to read %s", name);
		r = take_line(line, &reader, table, problem);
		if (r < 0)
			return r;
	}
	return r;
}

/* Leaves in @table the mounts that can be seen, in their order. */
static int keep_visible(struct mount_table *table, struct problem *problem)
{
	_cleanup_free_ size_t *order = calloc(table->count + 1, sizeof(*order));
	struct mount_table visible = { .entries =
					       calloc(table->count + 1, sizeof(*visible.entries)) };
	int r;

	if (!order || !visible.entries)
		r = problem_set(problem, ENOMEM, "no memory for the table of mounts");
	else
		r = visibility_order(table->entries, table->count, order, &visible.count, problem);
	if (r < 0) {
		free(visible.entries);
		return r;
	}
	for (size_t i = 0; i < visible.count; i++) {
		visible.entries[i] = table->entries[order[i]];
		table->entries[order[i]] = (struct mount_entry){ 0 };
	}
	mount_table_free(table);
	*table = visible;
	return 0;
}

int mount_table_read(FILE *stream, const char *name, struct mount_table *ret_table,
		     struct problem *problem)
{
	struct mount_table table = { 0 };
	int r = read_lines(stream, name, &table, problem);

	if (r == 0)
		r = keep_visible(&table, problem);
	if (r < 0) {
		mount_table_free(&table);
		return r;
	}
	*ret_table = table;
	return 0;
}

void mount_table_free(struct mount_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		entry_free(&table->entries[i]);
	free(table->entries);
	*table = (struct mount_table){ 0 };
}

/* What follows @word in the list @options: "=value,..." or ",..." or ""; NULL if it is not there.
 */
static const char *find_option(const char *options, const char *word)
{
	size_t length = strlen(word);

	while (*options) {
		size_t item = strcspn(options, ",");

		if (item >= length && strncmp(options, word, length) == 0 &&
		    (item == length || options[length] == '='))
			return options + length;
		options += item + (options[item] == ',');
	}
	return NULL;
}

bool mount_has_option(const char *options, const char *word)
{
	return find_option(options, word) != NULL;
}

static bool option_number(const char *options, const char *word, unsigned base, unsigned *ret_value)
{
	const char *at = find_option(options, word);
	unsigned long value = 0;

	if (!at || *at++ != '=' || *at == '\0' || *at == ',')
		return false;
	for (; *at && *at != ','; at++) {
		if (*at < '0' || *at >= (char)('0' + base))
			return false;
		value = value * base + (unsigned long)(*at - '0');
		if (value > UINT_MAX)
			return false;
	}
	*ret_value = (unsigned)value;
	return true;
}

bool mount_option_number(const char *options, const char *word, unsigned *ret_value)
{
	return option_number(options, word, 10, ret_value);
}

bool mount_option_mask(const char *options, const char *word, unsigned *ret_value)
{
	return option_number(options, word, 8, ret_value);
}

bool mount_is_someones(const struct mount_entry *mount, uid_t uid)
{
	unsigned owner;

	return (strcmp(mount->type, "fuse") == 0 || strncmp(mount->type, "fuse.", 5) == 0 ||
		strcmp(mount->type, "fuseblk") == 0) &&
	       mount_option_number(mount->fs_options, "user_id", &owner) && owner != 0 &&
	       owner != uid;
}
