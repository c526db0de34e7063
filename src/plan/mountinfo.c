// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <libmount/libmount.h>
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

/* Skips a number that is followed by @end. Nine digits fit libmount's int. NULL if there is none.
 */
static const char *skip_number(const char *text, char end)
{
	size_t length = text ? strspn(text, "0123456789") : 0;

	return length > 0 && length < 10 && text[length] == end ? text + length + 1 : NULL;
}

/*
 * Does @line begin as mountinfo does: "27 1 254:0 /"? libmount takes a table for fstab when its
 * first line looks so, skips comments, and lets numbers overflow; none of that may happen here.
 */
static bool line_is_mountinfo(const char *line)
{
	line = skip_number(line, ' ');
	line = skip_number(line, ' ');
	line = skip_number(line, ':');
	line = skip_number(line, ' ');
	return line != NULL;
}

/* A table as text, every line of which was checked. */
struct table_text {
	char *bytes;
	size_t size;
	unsigned lines;
};

/* Checks every line of @stream and copies it; the bytes of *ret_text are the caller's to free. */
static int read_lines(FILE *stream, const char *name, struct table_text *ret_text,
		      struct problem *problem)
{
	struct line_reader reader = { stream, name, 0 };
	_cleanup_free_ char *line = malloc(MOUNT_LINE_SIZE);
	_cleanup_free_ char *text = NULL;
	_cleanup_file_ FILE *copy = NULL;
	size_t size = 0, total = 0;
	int r;

	copy = open_memstream(&text, &size);
	if (!line || !copy)
		return problem_set(problem, ENOMEM, "no memory to read %s", name);
	while ((r = line_reader_next(&reader, line, MOUNT_LINE_SIZE, problem)) > 0) {
		total += strlen(line) + 1;
		if (!line_is_mountinfo(line))
			return problem_set(problem, EINVAL,
					   "%s:%u: this is not a line of mountinfo", name,
					   reader.line);
		if (reader.line > MOUNTS_MAX || total > (size_t)MOUNT_TABLE_MEBIBYTES << 20)
			return problem_set(problem, E2BIG,
					   "%s has more than %d mounts or %d MiB; unmount some",
					   name, MOUNTS_MAX, MOUNT_TABLE_MEBIBYTES);
		if (fprintf(copy, "%s\n", line) < 0)
			return problem_set(problem, ENOMEM, "no memory to read %s", name);
	}
	if (r < 0)
		return r;
	r = fclose(copy);
	copy = NULL;
	if (r != 0 || !text)
		return problem_set(problem, ENOMEM, "no memory to read %s", name);
	*ret_text = (struct table_text){ text, size, reader.line };
	text = NULL;
	return 0;
}

/* libmount calls this for a line that it cannot parse; a negative value makes it stop. */
static int refuse_line(struct libmnt_table *table, const char *name, int line)
{
	(void)table;
	(void)name;
	(void)line;
	return -EINVAL;
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

/* A copy of @text, or of an empty text in its place: options and source may be missing. */
static char *copy_text(const char *text)
{
	return strdup(text ? text : "");
}

/* Returns 1, or 0 when the mount point was deleted, or a negative errno. */
static int entry_fill(struct libmnt_fs *fs, const char *name, struct mount_entry *entry,
		      struct problem *problem)
{
	static const char deleted[] = "//deleted";
	const char *target = mnt_fs_get_target(fs);
	const char *type = mnt_fs_get_fstype(fs);
	size_t length = target ? strlen(target) : 0;

	if (!target || !type || !mnt_fs_get_root(fs))
		return problem_set(problem, EINVAL, "%s has a mount without a %s", name,
				   !target ? "mount point" : "type or root");
	/* the kernel's mark for a mount point that no path leads to any more */
	if (length >= sizeof(deleted) &&
	    strcmp(target + length - (sizeof(deleted) - 1), deleted) == 0)
		return 0;
	if (!path_is_normal(target))
		return problem_set(problem, EINVAL, "%s has a mount point that is no path: %.100s",
				   name, target);
	*entry = (struct mount_entry){
		.id = (uint64_t)mnt_fs_get_id(fs),
		.parent = (uint64_t)mnt_fs_get_parent_id(fs),
		.root = copy_text(mnt_fs_get_root(fs)),
		.target = copy_text(target),
		.type = copy_text(type),
		.source = copy_text(mnt_fs_get_source(fs)),
		.options = copy_text(mnt_fs_get_vfs_options(fs)),
		.fs_options = copy_text(mnt_fs_get_fs_options(fs)),
	};
	if (entry->root && entry->target && entry->type && entry->source && entry->options &&
	    entry->fs_options)
		return 1;
	entry_free(entry);
	return problem_set(problem, ENOMEM, "no memory to read %s", name);
}

/* Takes every mount of @parsed into @table, whether it can be seen or not. */
static int take_entries(struct libmnt_table *parsed, const char *name, struct mount_table *table,
			struct problem *problem)
{
	struct libmnt_iter *iterator = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int r = 0;

	table->entries = calloc((size_t)mnt_table_get_nents(parsed) + 1, sizeof(*table->entries));
	if (!iterator || !table->entries)
		r = problem_set(problem, ENOMEM, "no memory to read %s", name);
	while (r == 0 && mnt_table_next_fs(parsed, iterator, &fs) == 0) {
		r = entry_fill(fs, name, &table->entries[table->count], problem);
		if (r > 0) {
			table->count++;
			r = 0;
		}
	}
	mnt_free_iter(iterator);
	return r;
}

/* Parses @text with libmount into @table. */
static int parse_text(const struct table_text *text, const char *name, struct mount_table *table,
		      struct problem *problem)
{
	struct libmnt_table *parsed = mnt_new_table();
	FILE *stream = fmemopen(text->bytes, text->size, "r");
	int r;

	if (!parsed || !stream) {
		r = problem_set(problem, ENOMEM, "no memory to read %s", name);
	} else {
		mnt_table_set_parser_errcb(parsed, refuse_line);
		r = mnt_table_parse_stream(parsed, stream, name);
		if (r != 0)
			r = problem_set(problem, EINVAL, "a line of %s cannot be understood", name);
		/* libmount can lose a line for want of memory; what is mounted there would show */
		else if ((unsigned)mnt_table_get_nents(parsed) != text->lines)
			r = problem_set(problem, EIO, "%s has %u lines of which %d were read", name,
					text->lines, mnt_table_get_nents(parsed));
		else
			r = take_entries(parsed, name, table, problem);
	}
	if (stream)
		fclose(stream);
	mnt_unref_table(parsed);
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
	struct table_text text = { 0 };
	int r;

	r = read_lines(stream, name, &text, problem);
	if (r < 0)
		return r;
	if (text.lines > 0)
		r = parse_text(&text, name, &table, problem);
	free(text.bytes);
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
