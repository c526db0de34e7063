// SPDX-License-Identifier: GPL-2.0-or-later
/* Templates of disk stores, as e2fsprogs sees what they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/template.h"

#define GIB (UINT64_C(1) << 30)

/* An empty sparse file without a name; not below /tmp, which may be memory. */
static int sparse_file(uint64_t bytes)
{
	const char *directory = getenv("TMPDIR");
	char path[4096];
	int file;

	snprintf(path, sizeof(path), "%s/template-XXXXXX", directory ? directory : "/var/tmp");
	file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(file, (off_t)bytes), 0);
	return file;
}

/* Runs a program of e2fsprogs on @file; its exit status, and the head of its output. */
static int run(const char *program, const char *option, const char *argument, int file,
	       char *ret_output, size_t size)
{
	int output = memfd_create("output", 0), status;
	char path[32];
	pid_t process;
	ssize_t count;

	assert_true(output >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	process = fork();
	assert_true(process >= 0);
	if (!process) {
		const char *argv[] = { program, option, argument, path, NULL };

		setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", 1);
		dup2(output, STDOUT_FILENO);
		dup2(output, STDERR_FILENO);
		execvp(program,
		       (char **)(argument ? argv
					  : (const char *[]){ program, option, path, NULL }));
		_exit(127);
	}
	assert_int_equal(waitpid(process, &status, 0), process);
	count = pread(output, ret_output, size - 1, 0);
	assert_true(count >= 0);
	ret_output[count] = '\0';
	close(output);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_clean(int file)
{
	char output[4096];
	int status = run("e2fsck", "-fn", NULL, file, output, sizeof(output));

	if (status)
		print_error("e2fsck: %s\n", output);
	assert_int_equal(status, 0);
}

static void test_every_template_is_a_clean_file_system(void **state)
{
	(void)state;
	assert_int_equal(templates_count, 10);
	for (size_t i = 0; i < templates_count; i++) {
		int file = sparse_file(templates[i].bytes);
		struct stat status;

		assert_int_equal(template_write(&templates[i], file), 0);
		assert_clean(file);
		assert_int_equal(fstat(file, &status), 0);
		assert_int_equal(status.st_size, templates[i].bytes);
		/* the bitmaps, and little else */
		assert_true((uint64_t)status.st_blocks * 512 <
			    templates[i].bytes / 32768 + (UINT64_C(1) << 20));
		close(file);
	}
}

static void test_the_balloon_holds_what_the_template_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < templates_count; i++) {
		int file = sparse_file(templates[i].bytes);
		char output[4096], size[64], blocks[64];

		assert_int_equal(template_write(&templates[i], file), 0);
		assert_int_equal(run("debugfs", "-R", "stat " TEMPLATE_BALLOON, file, output,
				     sizeof(output)),
				 0);
		snprintf(size, sizeof(size), "Size: %" PRIu64 "\n", templates[i].balloon);
		assert_non_null(strstr(output, size));
		assert_non_null(strstr(output, "Type: regular    Mode:  0600"));
		/* the first extent, unwritten */
		assert_non_null(strstr(output, "(0-32766[u]):"));
		assert_int_equal(
			run("debugfs", "-R", "show_super_stats -h", file, output, sizeof(output)),
			0);
		snprintf(blocks, sizeof(blocks), "Free blocks:              %" PRIu64 "\n",
			 (templates[i].usable - templates[i].balloon) / 4096);
		assert_non_null(strstr(output, blocks));
		assert_int_equal(!!strstr(output, " encrypt "),
				 templates[i].kind == TEMPLATE_OUTER);
		close(file);
	}
}

static void test_what_a_device_held_before_does_not_matter(void **state)
{
	const struct template *template = template_choose(TEMPLATE_INNER, 0);
	int file = sparse_file(template->bytes);
	static unsigned char garbage[1 << 20];

	(void)state;
	/* over all metadata: they are at the front, but for a block of extents */
	memset(garbage, 0xa5, sizeof(garbage));
	for (int i = 0; i < 32; i++)
		assert_int_equal(
			pwrite(file, garbage, sizeof(garbage), (off_t)i * (off_t)sizeof(garbage)),
			sizeof(garbage));
	assert_int_equal(template_write(template, file), 0);
	assert_clean(file);
	close(file);
}

static void test_two_stores_have_nothing_in_common_but_the_form(void **state)
{
	const struct template *template = template_choose(TEMPLATE_INNER, 0);
	unsigned char superblock[2][1024];

	(void)state;
	for (int i = 0; i < 2; i++) {
		int file = sparse_file(template->bytes);

		assert_int_equal(template_write(template, file), 0);
		assert_clean(file);
		assert_int_equal(pread(file, superblock[i], 1024, 1024), 1024);
		assert_int_equal(superblock[i][0x68 + 6] >> 4, 4);
		assert_int_equal(superblock[i][0x68 + 8] >> 6, 2);
		assert_int_equal(superblock[i][0xec + 6] >> 4, 4);
		close(file);
	}
	assert_memory_not_equal(superblock[0] + 0x68, superblock[1] + 0x68, 16);
	assert_memory_not_equal(superblock[0] + 0xec, superblock[1] + 0xec, 16);
	for (int i = 0; i < 2; i++) {
		memset(superblock[i] + 0x68, 0, 16);
		memset(superblock[i] + 0xec, 0, 16);
	}
	assert_memory_equal(superblock[0], superblock[1], 1024);
}

static void test_the_smallest_that_suffices_is_chosen(void **state)
{
	const struct template *small = template_choose(TEMPLATE_INNER, 0);
	const struct template *large = template_choose(TEMPLATE_INNER, 500 * GIB);

	(void)state;
	assert_int_equal(small->bytes, 2 * GIB);
	assert_int_equal(large->bytes, 512 * GIB);
	assert_ptr_equal(template_choose(TEMPLATE_INNER, small->usable), small);
	assert_int_equal(template_choose(TEMPLATE_INNER, small->usable + 1)->bytes, 8 * GIB);
	assert_ptr_equal(template_choose(TEMPLATE_INNER, large->usable), large);
	assert_null(template_choose(TEMPLATE_INNER, large->usable + 1));
	assert_null(template_choose(TEMPLATE_INNER, UINT64_MAX));
	assert_int_equal(template_choose(TEMPLATE_OUTER, 0)->kind, TEMPLATE_OUTER);
}

static void test_an_inner_has_room_in_its_outer(void **state)
{
	size_t inners = 0;

	(void)state;
	for (size_t i = 0; i < templates_count; i++) {
		const struct template *inner = &templates[i], *outer = template_outer_of(inner);
		struct template copy = *inner;

		assert_int_equal(inner->usable - inner->balloon,
				 inner->kind == TEMPLATE_INNER
					 ? UINT64_C(1) << 20 << (i == 0 ? 5 : 10) |
						   (i == 0 ? 0 : UINT64_C(64) << 20)
					 : templates[i - 1].bytes - templates[i - 1].balloon +
						   (UINT64_C(32) << 20));
		assert_null(template_outer_of(&copy));
		if (inner->kind == TEMPLATE_OUTER) {
			assert_null(outer);
			continue;
		}
		assert_non_null(outer);
		assert_int_equal(outer->kind, TEMPLATE_OUTER);
		assert_true(outer->usable >=
			    inner->bytes + inner->bytes / 256 + (UINT64_C(64) << 20));
		inners++;
	}
	assert_int_equal(inners, 5);
}

/* A record of @width words each of first and step (all zero), or of @length zero bytes. */
static size_t put_record(unsigned char *at, uint64_t offset, uint32_t length, uint32_t width)
{
	size_t payload = width ? width * 8 : length;

	offset = htole64(offset);
	memcpy(at, &offset, 8);
	memcpy(at + 8, &(uint32_t){ htole32(length) }, 4);
	memcpy(at + 12, &(uint32_t){ htole32(width) }, 4);
	memset(at + 16, 0, payload);
	return 16 + payload;
}

#define TINY UINT64_C(65536)

static int write_two(uint64_t offset, uint32_t length, uint32_t width, size_t missing)
{
	static unsigned char records[TINY];
	struct template template = { .kind = TEMPLATE_INNER, .bytes = TINY, .records = records };
	size_t head = put_record(records, 0, 8192, 1), size;
	struct stat status;
	int file = sparse_file(0), error;

	size = head + put_record(records + head, offset, length, width);
	/* at the end of memory, so that the address sanitizer sees a read beyond it */
	template.length = size - missing;
	template.records = memcpy(malloc(template.length), records, template.length);
	error = template_write(&template, file);
	free((void *)template.records);
	assert_int_equal(fstat(file, &status), 0);
	assert_true((uint64_t)status.st_size <= TINY);
	close(file);
	return error;
}

static void test_records_out_of_bounds_are_refused(void **state)
{
	struct template empty = { .bytes = TINY };
	int file = sparse_file(0);

	(void)state;
	assert_int_equal(write_two(8192, 4096, 0, 0),
			 0); /* the others are wrong only in one thing */
	assert_int_equal(write_two(TINY - 4096, 4096, 8, 0), 0);
	assert_int_equal(write_two(TINY - 4092, 4096, 8, 0), -EINVAL);
	assert_int_equal(write_two(TINY, 4, 1, 0), -EINVAL);
	assert_int_equal(write_two(UINT64_MAX - 3, 8, 1, 0), -EINVAL);
	assert_int_equal(write_two(8192, UINT32_MAX - 3, 1, 0), -EINVAL);
	assert_int_equal(write_two(8192, 4096, 9, 0), -EINVAL);
	assert_int_equal(write_two(8190, 4096, 1, 0), -EINVAL);
	assert_int_equal(write_two(8192, 4095, 1, 0), -EINVAL);
	assert_int_equal(write_two(8188, 4096, 1, 0), -EINVAL); /* into the one before */
	for (size_t missing = 1; missing < 16 + 4096; missing++)
		assert_int_equal(write_two(8192, 4096, 0, missing), -EINVAL);
	assert_int_equal(write_two(8192, 4096, 8, 1), -EINVAL);
	/* no superblock */
	assert_int_equal(template_write(&empty, file), -EINVAL);
	close(file);
}

static void test_a_failing_write_is_told(void **state)
{
	int file = open("/dev/full", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(template_write(&templates[0], file), -ENOSPC);
	close(file);
	assert_int_equal(template_write(&templates[0], -1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_template_is_a_clean_file_system),
		cmocka_unit_test(test_the_balloon_holds_what_the_template_says),
		cmocka_unit_test(test_what_a_device_held_before_does_not_matter),
		cmocka_unit_test(test_two_stores_have_nothing_in_common_but_the_form),
		cmocka_unit_test(test_the_smallest_that_suffices_is_chosen),
		cmocka_unit_test(test_an_inner_has_room_in_its_outer),
		cmocka_unit_test(test_records_out_of_bounds_are_refused),
		cmocka_unit_test(test_a_failing_write_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
