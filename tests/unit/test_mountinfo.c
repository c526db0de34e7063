// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "plan/mountinfo.h"

#define ROOT "10 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"

static int read_text(const char *text, size_t size, struct mount_table *ret_table,
		     struct problem *problem)
{
	_cleanup_file_ FILE *stream = fmemopen((char *)text, size, "r");

	assert_non_null(stream);
	return mount_table_read(stream, "table", ret_table, problem);
}

/* Asserts that the targets that can be seen in @text are @targets, in this order. */
static void assert_visible(const char *text, const char *targets)
{
	struct mount_table table = { 0 };
	struct problem problem = { 0 };
	char seen[1024] = "";
	size_t used = 0;

	if (read_text(text, strlen(text), &table, &problem) < 0)
		fail_msg("%s", problem.text);
	for (size_t i = 0; i < table.count && used < sizeof(seen); i++)
		used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s%s", i > 0 ? " " : "",
					 table.entries[i].target);
	mount_table_free(&table);
	assert_string_equal(seen, targets);
}

static void assert_refused_bytes(const char *text, size_t size, int error, const char *words)
{
	struct mount_table table = { .count = 77 };
	struct problem problem = { 0 };

	assert_int_equal(read_text(text, size, &table, &problem), -error);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	/* an output is untouched when the call fails */
	assert_int_equal(table.count, 77);
}

static void assert_refused(const char *text, const char *words)
{
	assert_refused_bytes(text, strlen(text), EINVAL, words);
}

static void every_field_is_read(void **state)
{
	static const char text[] = ROOT
		"42 10 0:33 /sub\\040dir /mnt/a\\134b rw,noexec shared:4 master:2 - fuse.sshfs "
		"me@there: rw,user_id=1000\n";
	struct mount_table table;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(read_text(text, strlen(text), &table, &problem), 0);
	assert_int_equal(table.count, 2);
	assert_int_equal(table.entries[1].id, 42);
	assert_int_equal(table.entries[1].parent, 10);
	assert_string_equal(table.entries[1].root, "/sub dir");
	assert_string_equal(table.entries[1].target, "/mnt/a\\b");
	assert_string_equal(table.entries[1].type, "fuse.sshfs");
	assert_string_equal(table.entries[1].source, "me@there:");
	assert_string_equal(table.entries[1].options, "rw,noexec");
	assert_string_equal(table.entries[1].fs_options, "rw,user_id=1000");
	mount_table_free(&table);
}

static void of_mounts_on_one_point_the_top_is_seen(void **state)
{
	(void)state;
	assert_visible(ROOT "20 10 0:1 / /a rw - ext4 one rw\n"
			    "21 20 0:2 / /a rw - ext4 two rw\n"
			    "22 21 0:3 / /a rw - ext4 three rw\n"
			    "23 20 0:4 / /a/below rw - ext4 hidden rw\n"
			    "24 22 0:5 / /a/above rw - ext4 seen rw\n",
		       "/ /a /a/above");
	/* also when the table has them in another order: a parent is a parent */
	assert_visible("22 21 0:3 / /a rw - ext4 three rw\n"
		       "21 20 0:2 / /a rw - ext4 two rw\n"
		       "20 10 0:1 / /a rw - ext4 one rw\n" ROOT,
		       "/ /a");
}

static void what_a_mount_above_lies_over_is_not_seen(void **state)
{
	(void)state;
	assert_visible(ROOT "20 10 0:1 / /a/b/c rw - ext4 one rw\n"
			    "21 20 0:2 / /a/b/c/d rw - ext4 two rw\n"
			    "22 10 0:3 / /a/b rw - ext4 three rw\n",
		       "/ /a/b");
	/* the same mounts as parent and child are both seen */
	assert_visible(ROOT "22 10 0:3 / /a/b rw - ext4 three rw\n"
			    "20 22 0:1 / /a/b/c rw - ext4 one rw\n",
		       "/ /a/b /a/b/c");
}

static void a_root_mounted_over_hides_everything_below(void **state)
{
	(void)state;
	assert_visible(ROOT "11 10 0:1 / /proc rw - proc proc rw\n"
			    "20 10 0:2 / / rw - overlay overlay rw\n"
			    "21 20 0:3 / /sys rw - sysfs sysfs rw\n",
		       "/ /sys");
}

static void names_that_begin_alike_are_not_below_one_another(void **state)
{
	(void)state;
	assert_visible(ROOT "20 10 0:1 / /a rw - ext4 one rw\n"
			    "21 10 0:2 / /ab rw - ext4 two rw\n"
			    "22 10 0:3 / /a-b rw - ext4 three rw\n"
			    "23 10 0:4 / /a.b/c rw - ext4 four rw\n"
			    "24 10 0:5 / /a!/c rw - ext4 five rw\n"
			    "25 10 0:6 / /a/x rw - ext4 hidden rw\n",
		       "/ /a /ab /a-b /a.b/c /a!/c");
}

static void parents_come_before_their_children(void **state)
{
	(void)state;
	assert_visible("30 20 0:2 / /a/b rw - ext4 two rw\n"
		       "31 30 0:3 / /a/b/c rw - ext4 three rw\n"
		       "32 10 0:4 / /z rw - ext4 four rw\n"
		       "20 10 0:1 / /a rw - ext4 one rw\n" ROOT,
		       "/ /a /a/b /a/b/c /z");
}

static void a_mount_whose_parent_is_not_listed_is_not_lost(void **state)
{
	(void)state;
	assert_visible(ROOT "20 99 0:1 / /a rw - ext4 one rw\n", "/ /a");
	/* in a chroot to a plain directory nothing is listed for / */
	assert_visible("20 9 0:1 / /proc rw - proc proc rw\n"
		       "21 9 0:2 / /sys rw - sysfs sysfs rw\n",
		       "/proc /sys");
	/* some kernels have a root that is its own parent */
	assert_visible("10 10 8:1 / / rw - ext4 /dev/sda1 rw\n"
		       "20 10 0:1 / /a rw - ext4 one rw\n",
		       "/ /a");
}

static void a_deleted_mount_point_is_left_out(void **state)
{
	(void)state;
	assert_visible(ROOT "20 10 0:1 / /a//deleted rw - ext4 one rw\n"
			    "21 10 0:2 / /b\\040(deleted) rw - ext4 two rw\n"
			    "22 10 0:3 /x//deleted /c rw - ext4 three rw\n",
		       "/ /b (deleted) /c");
}

static void an_empty_table_has_no_mounts(void **state)
{
	_cleanup_file_ FILE *stream = fopen("/dev/null", "r");
	struct mount_table table = { .count = 77 };
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(mount_table_read(stream, "table", &table, &problem), 0);
	assert_int_equal(table.count, 0);
	mount_table_free(&table);
}

static void lines_that_are_not_mountinfo_are_refused(void **state)
{
	(void)state;
	assert_refused("/dev/sda1 / ext4 rw 0 0\n", "table:1: this is not a line of mountinfo");
	assert_refused(ROOT "/dev/sda1 / ext4 rw 0 0\n", "table:2:");
	assert_refused(ROOT "\n", "table:2:");
	assert_refused(ROOT "# comment\n", "table:2:");
	assert_refused(ROOT "Filename Type Size\n", "table:2:");
	assert_refused(ROOT "-5 10 0:1 / /a rw - ext4 one rw\n", "table:2:");
	assert_refused(ROOT "5 10 0.1 / /a rw - ext4 one rw\n", "table:2:");
	assert_refused(ROOT "4294967306 1 0:1 / /a rw - ext4 one rw\n", "table:2:");
	assert_refused(ROOT " 20 10 0:1 / /a rw - ext4 one rw\n", "table:2:");
	assert_refused(ROOT "20 10 0:1\n", "table:2:");
	assert_refused(ROOT "20 10 0:1 / /a rw ext4 one rw\n", "cannot be understood");
	assert_refused(ROOT "20 10 0:1 / /a\n", "cannot be understood");
	assert_refused(ROOT "20 10 0:1 / /a rw -\n", "table");
	assert_refused_bytes(ROOT "20\0 10", sizeof(ROOT "20\0 10") - 1, EINVAL, "NUL");
}

static void mount_points_that_are_no_paths_are_refused(void **state)
{
	(void)state;
	assert_refused(ROOT "20 10 0:1 / a rw - ext4 one rw\n", "no path");
	assert_refused(ROOT "20 10 0:1 / /a/../b rw - ext4 one rw\n", "no path");
	assert_refused(ROOT "20 10 0:1 / /a/./b rw - ext4 one rw\n", "no path");
	assert_refused(ROOT "20 10 0:1 / /a//b rw - ext4 one rw\n", "no path");
	assert_refused(ROOT "20 10 0:1 / /a/ rw - ext4 one rw\n", "no path");
}

static void entries_that_make_no_tree_are_refused(void **state)
{
	(void)state;
	assert_refused(ROOT "10 1 0:1 / /a rw - ext4 one rw\n", "two mounts have the number 10");
	assert_refused(ROOT "20 21 0:1 / /a rw - ext4 one rw\n"
			    "21 20 0:2 / /a rw - ext4 two rw\n",
		       "inside itself");
	assert_refused(ROOT "20 10 0:1 / /a rw - ext4 one rw\n"
			    "21 20 0:2 / /b rw - ext4 two rw\n",
		       "outside of the mount it is in");
}

static void a_table_has_its_bounds(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	fputs(ROOT, stream);
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "%d 10 0:%d / /m/%d rw - tmpfs t rw\n", 100 + i, i, i);
	fclose(stream);
	assert_refused_bytes(text, size, E2BIG, "more than 10000 mounts");

	free(text);
	text = NULL;
	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fputs(ROOT "20 10 0:1 / /a rw - ext4 ", stream);
	for (int i = 0; i < 70000; i++)
		putc('x', stream);
	fputs(" rw\n", stream);
	fclose(stream);
	assert_refused_bytes(text, size, EINVAL, "table:2: this line is longer than");
}

static void ten_thousand_mounts_are_read_at_once(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct mount_table table;
	struct problem problem = { 0 };
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	fputs(ROOT, stream);
	/* half of them in a chain, one on the other, half of them side by side */
	for (int i = 0; i < 5000; i++)
		fprintf(stream, "%d %d 0:1 / /deep rw - tmpfs t rw\n", 100 + i, i ? 99 + i : 10);
	for (int i = 0; i < 4999; i++)
		fprintf(stream, "%d 10 0:1 / /wide/%d rw - tmpfs t rw\n", 20000 + i, i);
	fclose(stream);
	assert_int_equal(read_text(text, size, &table, &problem), 0);
	assert_int_equal(table.count, 1 + 1 + 4999);
	assert_int_equal(table.entries[1].id, 5099);
	mount_table_free(&table);
}

static void an_option_is_a_whole_word(void **state)
{
	unsigned number = 7;

	(void)state;
	assert_true(mount_has_option("rw,ro", "ro"));
	assert_true(mount_has_option("ro", "ro"));
	assert_false(mount_has_option("rw,errors=remount-ro,nro", "ro"));
	assert_false(mount_has_option("", "ro"));
	assert_false(mount_has_option("romance", "ro"));
	assert_true(mount_has_option("rw,uid=0", "uid"));
	assert_true(mount_option_number("rw,uid=1000,gid=5", "uid", &number));
	assert_int_equal(number, 1000);
	assert_true(mount_option_number("gid=5", "gid", &number));
	assert_int_equal(number, 5);
	assert_true(mount_option_number("uid=4294967295", "uid", &number));
	assert_true(number == UINT32_MAX);
	assert_false(mount_option_number("uid=4294967296", "uid", &number));
	assert_false(mount_option_number("uid=99999999999999999999999", "uid", &number));
	assert_false(mount_option_number("uid", "uid", &number));
	assert_false(mount_option_number("uid=", "uid", &number));
	assert_false(mount_option_number("uid=,gid=5", "uid", &number));
	assert_false(mount_option_number("uid=-1", "uid", &number));
	assert_false(mount_option_number("uid=1x", "uid", &number));
	assert_false(mount_option_number("fsuid=1", "uid", &number));
	assert_true(mount_option_mask("fmask=0022", "fmask", &number));
	assert_int_equal(number, 022);
	assert_true(mount_option_mask("umask=77", "umask", &number));
	assert_int_equal(number, 077);
	assert_false(mount_option_mask("umask=9", "umask", &number));
}

static void a_path_is_below_another_by_whole_names(void **state)
{
	(void)state;
	assert_true(path_is_below("/a", "/"));
	assert_true(path_is_below("/", "/"));
	assert_true(path_is_below("/a/b", "/a"));
	assert_true(path_is_below("/a", "/a"));
	assert_false(path_is_below("/ab", "/a"));
	assert_false(path_is_below("/a", "/a/b"));
	assert_false(path_is_below("/", "/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_is_read),
		cmocka_unit_test(of_mounts_on_one_point_the_top_is_seen),
		cmocka_unit_test(what_a_mount_above_lies_over_is_not_seen),
		cmocka_unit_test(a_root_mounted_over_hides_everything_below),
		cmocka_unit_test(names_that_begin_alike_are_not_below_one_another),
		cmocka_unit_test(parents_come_before_their_children),
		cmocka_unit_test(a_mount_whose_parent_is_not_listed_is_not_lost),
		cmocka_unit_test(a_deleted_mount_point_is_left_out),
		cmocka_unit_test(an_empty_table_has_no_mounts),
		cmocka_unit_test(lines_that_are_not_mountinfo_are_refused),
		cmocka_unit_test(mount_points_that_are_no_paths_are_refused),
		cmocka_unit_test(entries_that_make_no_tree_are_refused),
		cmocka_unit_test(a_table_has_its_bounds),
		cmocka_unit_test(ten_thousand_mounts_are_read_at_once),
		cmocka_unit_test(an_option_is_a_whole_word),
		cmocka_unit_test(a_path_is_below_another_by_whole_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
