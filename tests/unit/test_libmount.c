// SPDX-License-Identifier: GPL-2.0-or-later
/* What the keeper reads of mountinfo is what libmount reads of it, on every recorded machine and on
 * this one. */
#include <dirent.h>
#include <libmount/libmount.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "plan/mountinfo.h"

static const char *directory;

static struct libmnt_fs *find(struct libmnt_table *table, int id)
{
	struct libmnt_iter *iterator = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs, *found = NULL;

	while (!found && mnt_table_next_fs(table, iterator, &fs) == 0)
		if (mnt_fs_get_id(fs) == id)
			found = fs;
	mnt_free_iter(iterator);
	return found;
}

static void compare(const char *path)
{
	struct libmnt_table *theirs = mnt_new_table();
	struct mount_table ours = { 0 };
	struct problem problem = { 0 };
	FILE *stream = fopen(path, "r");

	assert_non_null(stream);
	assert_int_equal(mount_table_read(stream, path, &ours, &problem), 0);
	rewind(stream);
	assert_int_equal(mnt_table_parse_stream(theirs, stream, path), 0);
	fclose(stream);
	assert_true(ours.count > 0);
	for (size_t i = 0; i < ours.count; i++) {
		const struct mount_entry *entry = &ours.entries[i];
		struct libmnt_fs *fs = find(theirs, (int)entry->id);

		assert_non_null(fs);
		assert_int_equal(entry->parent, mnt_fs_get_parent_id(fs));
		assert_string_equal(entry->root, mnt_fs_get_root(fs));
		assert_string_equal(entry->target, mnt_fs_get_target(fs));
		assert_string_equal(entry->type, mnt_fs_get_fstype(fs));
		assert_string_equal(entry->options, mnt_fs_get_vfs_options(fs));
		if (mnt_fs_get_fs_options(fs))
			assert_string_equal(entry->fs_options, mnt_fs_get_fs_options(fs));
	}
	mount_table_free(&ours);
	mnt_unref_table(theirs);
}

static void recorded_machines_are_read_alike(void **state)
{
	DIR *listing = opendir(directory);
	struct dirent *entry;
	int count = 0;

	(void)state;
	assert_non_null(listing);
	while ((entry = readdir(listing))) {
		const char *ending = strrchr(entry->d_name, '.');
		char path[4096];

		if (!ending || strcmp(ending, ".txt") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		compare(path);
		count++;
	}
	closedir(listing);
	assert_true(count >= 12);
}

static void this_machine_is_read_alike(void **state)
{
	(void)state;
	compare("/proc/self/mountinfo");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_machines_are_read_alike),
		cmocka_unit_test(this_machine_is_read_alike),
	};

	if (argc < 2)
		return 2;
	directory = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
