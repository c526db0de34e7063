// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Space that cannot lie, and when it grows: on real templates in loop devices, on a host's file
 * system that is itself a small image, so that its room can run out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "authority/authority.h"
#include "base/clock.h"
#include "children.h"
#include "store/ext4.h"
#include "store/growth.h"
#include "store/loop.h"
#include "store/template.h"

#define MIB (1ULL << 20)
#define BLOCK 4096ULL

/* What a test has, in a child, with which all of it goes: nothing is attached or has a name. */
struct bench {
	struct authority authority;
	int host;  /* the root directory of the host's file system */
	int file;  /* in it; in which the outermost level lies */
	int level; /* the root directory of the innermost level */
	struct space space;
};

/* An empty sparse file without a name; not below /tmp, which may be memory. */
static int sparse_file(uint64_t bytes)
{
	const char *directory = getenv("TMPDIR");
	int file = open(directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	CHECK(file >= 0 && ftruncate(file, (off_t)bytes) == 0);
	return file;
}

static void make_ext4(int file)
{
	char path[32];
	pid_t child = fork();
	int status;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	CHECK(child >= 0);
	if (child == 0) {
		fcntl(file, F_SETFD, 0);
		setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", 1);
		execlp("mke2fs", "mke2fs", "-qF", "-t", "ext4", "-b", "4096", "-m", "10", path,
		       NULL);
		_exit(127);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 0);
}

/* The root directory of the ext4 in @file. */
static int mount_image(int file)
{
	struct problem problem = { 0 };
	int mount, directory, device = loop_attach(file, false, &problem);

	if (device < 0 || ext4_mount(device, &mount, &directory, &problem) < 0) {
		fprintf(stderr, "%s\n", problem.text);
		_exit(1);
	}
	close(device);
	return directory;
}

/* What an ordinary user has left on the file system of @descriptor. */
static uint64_t available(int descriptor)
{
	struct statfs usage;

	CHECK(fstatfs(descriptor, &usage) == 0);
	return (uint64_t)usage.f_bavail * (uint64_t)usage.f_bsize;
}

/* What nobody has, root's reserve counted in. */
static uint64_t unused(int descriptor)
{
	struct statfs usage;

	CHECK(fstatfs(descriptor, &usage) == 0);
	return (uint64_t)usage.f_bfree * (uint64_t)usage.f_bsize;
}

static uint64_t allocated(int file)
{
	struct stat status;

	CHECK(fstat(file, &status) == 0);
	return (uint64_t)status.st_blocks * 512;
}

/* On a host of @bytes, of which root keeps back a tenth. */
static void make_bench(struct bench *bench, uint64_t bytes)
{
	struct problem problem = { 0 };
	int image = sparse_file(bytes);

	*bench = (struct bench){ .level = -1, .space = SPACE_NONE };
	make_ext4(image);
	CHECK(authority_take(&bench->authority, &problem) == 0);
	authority_as_root(&bench->authority);
	bench->host = mount_image(image);
	bench->file = -1;
}

/* Adds the file system of @template in a new file of @directory. Returns as space_add_level(). */
static int add_level(struct bench *bench, const struct template *template, int directory,
		     struct problem *problem)
{
	int file = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), error;

	CHECK(file >= 0 && ftruncate(file, (off_t) template->bytes) == 0);
	if (bench->file < 0)
		bench->file = file;
	authority_pay(&bench->authority);
	error = template_write(template, file);
	authority_as_root(&bench->authority);
	if (error)
		return error;
	bench->level = mount_image(file);
	return space_add_level(&bench->space, &bench->authority, file, bench->level,
			       template->bytes, problem);
}

static void add_good_level(struct bench *bench, const struct template *template, int directory)
{
	struct problem problem = { 0 };

	CHECK(add_level(bench, template, directory, &problem) == 0);
}

static int grow(struct bench *bench, uint64_t bytes)
{
	int error;

	authority_pay(&bench->authority);
	error = space_grow(&bench->space, bytes);
	authority_as_root(&bench->authority);
	return error;
}

/* The file system in @level->file has no free block that is not there. */
static void check_level(const struct space_level *level)
{
	struct stat balloon;

	CHECK(fstat(level->balloon, &balloon) == 0);
	CHECK((uint64_t)balloon.st_size == level->left);
	CHECK(balloon.st_nlink == 0);
	/* blocks of its map come on top of what the balloon holds */
	CHECK((uint64_t)balloon.st_blocks * 512 >= level->left / BLOCK * BLOCK);
	CHECK(unused(level->balloon) <= allocated(level->file));
	CHECK(allocated(level->file) >= level->bytes - level->left);
}

static void check_levels(const struct space *space)
{
	for (unsigned i = 0; i < space->count; i++)
		check_level(&space->levels[i]);
}

static const struct template *smallest(void)
{
	return template_choose(TEMPLATE_INNER, 0);
}

/* What the smallest reserves at first. */
static uint64_t reserve_of_smallest(void)
{
	return smallest()->bytes - smallest()->balloon;
}

/* Runs @what with a bench, as root. */
static void on_bench(void (*what)(const void *))
{
	need_root();
	if (access("/dev/loop-control", F_OK) < 0)
		skip();
	assert_good(what, NULL);
}

/* --- levels --- */

static void reserve(const void *argument)
{
	struct bench bench;

	(void)argument;
	make_bench(&bench, 256 * MIB);
	add_good_level(&bench, smallest(), bench.host);
	check_levels(&bench.space);
	CHECK(bench.space.levels[0].left == smallest()->balloon);
	CHECK(space_to_come(&bench.space) == smallest()->balloon);
	/* its name is gone, and the blocks are not */
	CHECK(faccessat(bench.level, TEMPLATE_BALLOON, F_OK, 0) < 0);
	CHECK(unused(bench.level) < 64 * MIB);
	/* and no more is taken from the host than that */
	CHECK(allocated(bench.file) < reserve_of_smallest() + 8 * MIB);
}

static void a_new_level_has_everything_reserved_but_what_its_balloon_holds(void **state)
{
	(void)state;
	on_bench(reserve);
}

static void grow_by_steps(const void *argument)
{
	static const uint64_t steps[] = { BLOCK, MIB, 4 * MIB, 100, 3 * MIB + 100, 32 * MIB };
	struct bench bench;

	(void)argument;
	make_bench(&bench, 256 * MIB);
	add_good_level(&bench, smallest(), bench.host);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		uint64_t before = unused(bench.level), left = bench.space.levels[0].left;
		uint64_t gained, step = steps[i] / BLOCK * BLOCK;

		CHECK(grow(&bench, steps[i]) == 0);
		CHECK(bench.space.levels[0].left == left - step);
		gained = unused(bench.level) - before;
		/* a map that becomes shorter frees a block or two more */
		CHECK(gained >= step && gained <= step + 8 * BLOCK);
		check_levels(&bench.space);
	}
}

static void growing_gives_what_was_asked_for_in_whole_blocks_that_are_reserved_below(void **state)
{
	(void)state;
	on_bench(grow_by_steps);
}

static void grow_to_the_floor(const void *argument)
{
	struct bench bench;
	uint64_t floor = smallest()->balloon - 10 * MIB;

	(void)argument;
	make_bench(&bench, 256 * MIB);
	add_good_level(&bench, smallest(), bench.host);
	bench.space.floor = floor;
	CHECK(space_to_come(&bench.space) == 10 * MIB);
	CHECK(grow(&bench, 4 * MIB) == 0);
	CHECK(space_to_come(&bench.space) == 6 * MIB);
	CHECK(grow(&bench, 500 * MIB) == 0);
	CHECK(bench.space.levels[0].left == floor && space_to_come(&bench.space) == 0);
	CHECK(grow(&bench, 4 * MIB) == 0);
	CHECK(bench.space.levels[0].left == floor);
	check_levels(&bench.space);
}

static void a_level_never_grows_beyond_its_floor(void **state)
{
	(void)state;
	on_bench(grow_to_the_floor);
}

/* Writes until nothing more is taken; every byte that was taken must be kept. */
static uint64_t fill(int directory)
{
	static char bytes[MIB];
	int file = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t taken = 0;
	ssize_t length;

	CHECK(file >= 0);
	memset(bytes, 'x', sizeof(bytes));
	while ((length = write(file, bytes, sizeof(bytes))) > 0)
		taken += (uint64_t)length;
	CHECK(errno == ENOSPC);
	CHECK(fsync(file) == 0);
	close(file);
	return taken;
}

static void run_out(const void *argument)
{
	struct bench bench;
	uint64_t left, free;
	int error, other;

	(void)argument;
	make_bench(&bench, 160 * MIB);
	other = openat(bench.host, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(other >= 0 && fallocate(other, 0, 0, (off_t)(16 * MIB)) == 0);
	add_good_level(&bench, smallest(), bench.host);
	while ((error = grow(&bench, 4 * MIB)) == 0)
		check_levels(&bench.space);
	CHECK(error == -ENOSPC);
	check_levels(&bench.space);
	/* what is kept back for root was not touched, though this is root's */
	CHECK(unused(bench.host) >= 12 * MIB && available(bench.host) < 8 * MIB);
	left = bench.space.levels[0].left;
	free = unused(bench.level);
	CHECK(grow(&bench, 64 * MIB) == -ENOSPC);
	CHECK(bench.space.levels[0].left == left && unused(bench.level) == free);
	check_levels(&bench.space);
	/* all of it can be written, on a host that has nothing left */
	CHECK(fill(bench.level) >= free / 2);
	check_levels(&bench.space);
	/* and when the host has room again, so has the level */
	close(other);
	CHECK(grow(&bench, 8 * MIB) == 0);
	check_levels(&bench.space);
}

static void a_host_without_room_leaves_a_level_as_it_was_and_loses_nothing(void **state)
{
	(void)state;
	on_bench(run_out);
}

/* The control of the one before: without its balloon the same file system takes what is not there.
 */
static void lie(const void *argument)
{
	struct bench bench;
	int file, directory;

	(void)argument;
	make_bench(&bench, 160 * MIB);
	file = openat(bench.host, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(file >= 0 && ftruncate(file, (off_t)smallest()->bytes) == 0);
	CHECK(template_write(smallest(), file) == 0);
	directory = mount_image(file);
	CHECK(unlinkat(directory, TEMPLATE_BALLOON, 0) == 0);
	CHECK(unused(directory) > 1024 * MIB && unused(directory) > allocated(file));
}

static void without_a_balloon_there_would_be_free_blocks_that_are_not_there(void **state)
{
	(void)state;
	on_bench(lie);
}

static void begin_without_room(const void *argument)
{
	struct bench bench;
	struct problem problem = { 0 };
	int other, error;

	(void)argument;
	make_bench(&bench, 160 * MIB);
	other = openat(bench.host, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(other >= 0);
	CHECK(fallocate(other, 0, 0, (off_t)(available(bench.host) - 30 * MIB)) == 0);
	error = add_level(&bench, smallest(), bench.host, &problem);
	CHECK(error == -ENOSPC);
	CHECK(strstr(problem.text, "no room for a store on disk") != NULL);
	CHECK(strstr(problem.text, "--store=memory") != NULL);
	CHECK(unused(bench.host) >= 12 * MIB);
}

static void a_host_with_less_than_a_level_begins_with_is_refused_with_a_cure(void **state)
{
	(void)state;
	on_bench(begin_without_room);
}

static void have_a_hole(const void *argument)
{
	struct bench bench;
	struct problem problem = { 0 };
	int file, directory, balloon;

	(void)argument;
	make_bench(&bench, 256 * MIB);
	file = openat(bench.host, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(file >= 0 && ftruncate(file, (off_t)smallest()->bytes) == 0);
	CHECK(template_write(smallest(), file) == 0);
	directory = mount_image(file);
	balloon = openat(directory, TEMPLATE_BALLOON, O_RDWR | O_CLOEXEC);
	CHECK(balloon >= 0);
	CHECK(fallocate(balloon, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(64 * MIB),
			(off_t)MIB) == 0);
	CHECK(space_add_level(&bench.space, &bench.authority, file, directory, smallest()->bytes,
			      &problem) == -EINVAL);
	CHECK(strstr(problem.text, "balloon") != NULL);
}

static void a_balloon_with_a_hole_is_refused(void **state)
{
	(void)state;
	on_bench(have_a_hole);
}

/* --- a level in a level --- */

static void make_two(struct bench *bench, uint64_t bytes)
{
	make_bench(bench, bytes);
	add_good_level(bench, template_outer_of(smallest()), bench->host);
	add_good_level(bench, smallest(), bench->level);
}

static void grow_two(const void *argument)
{
	struct bench bench;
	uint64_t outer, inner;

	(void)argument;
	make_two(&bench, 512 * MIB);
	check_levels(&bench.space);
	outer = bench.space.levels[0].left;
	inner = bench.space.levels[1].left;
	for (int i = 0; i < 10; i++) {
		CHECK(grow(&bench, 8 * MIB) == 0);
		check_levels(&bench.space);
	}
	CHECK(bench.space.levels[1].left == inner - 80 * MIB);
	CHECK(bench.space.levels[0].left < outer - 80 * MIB);
	/* the inner's file is part of the outer's, which is all that the host sees */
	CHECK(allocated(bench.file) >= allocated(bench.space.levels[1].file));
	CHECK(fill(bench.level) >= 70 * MIB);
	check_levels(&bench.space);
}

static void a_level_in_a_level_grows_with_what_the_outer_one_needs_itself(void **state)
{
	(void)state;
	on_bench(grow_two);
}

static void run_out_of_two(const void *argument)
{
	struct bench bench;
	uint64_t inner, free;
	int error;

	(void)argument;
	make_two(&bench, 288 * MIB);
	while ((error = grow(&bench, 4 * MIB)) == 0)
		check_levels(&bench.space);
	CHECK(error == -ENOSPC);
	inner = bench.space.levels[1].left;
	free = unused(bench.level);
	CHECK(grow(&bench, 64 * MIB) == -ENOSPC);
	CHECK(bench.space.levels[1].left == inner && unused(bench.level) == free);
	check_levels(&bench.space);
	CHECK(fill(bench.level) >= free / 2);
	check_levels(&bench.space);
}

static void a_host_without_room_leaves_both_levels_as_they_were_and_loses_nothing(void **state)
{
	(void)state;
	on_bench(run_out_of_two);
}

/* --- when --- */

static void make_store(struct bench *bench, struct store *store, uint64_t bytes)
{
	make_bench(bench, bytes);
	add_good_level(bench, smallest(), bench->host);
	*store = STORE_NONE;
	store->directory = bench->level;
	store->space = bench->space;
}

static void step(const struct bench *bench, struct growth *growth, struct store *store)
{
	authority_pay(&bench->authority);
	growth_step(growth, store);
	authority_as_root(&bench->authority);
}

/* Takes steps that are due at once, until one is not. */
static void settle(const struct bench *bench, struct growth *growth, struct store *store)
{
	growth->next = 0;
	for (int i = 0; i < 100 && growth_wait(growth, store) == 0; i++) {
		step(bench, growth, store);
		check_levels(&store->space);
	}
	CHECK(growth_wait(growth, store) != 0);
}

static void grow_in_time(const void *argument)
{
	struct growth growth = { 0 };
	struct store store;
	struct bench bench;
	uint64_t before, free;
	int64_t pause;
	int file;

	(void)argument;
	make_store(&bench, &store, 1024 * MIB);
	CHECK(growth_wait(&growth, &store) == 0);
	settle(&bench, &growth, &store);
	/* there is some room, and most of the host's is left to others */
	free = available(store.directory);
	CHECK(free >= 32 * MIB && available(bench.host) >= 512 * MIB);
	pause = growth.pause;
	CHECK(pause > 0 && growth_wait(&growth, &store) <= pause);
	/* nothing is done before it is due, nor while nothing is written; and that ever less often
	 */
	before = store.space.levels[0].left;
	step(&bench, &growth, &store);
	CHECK(growth.pause == pause);
	for (int i = 0; i < 20; i++) {
		settle(&bench, &growth, &store);
		CHECK(growth.pause >= pause);
		pause = growth.pause;
	}
	CHECK(store.space.levels[0].left == before);
	CHECK(growth_wait(&growth, &store) <= 2000);
	/* what is written comes back as room, and is looked after closely */
	file = openat(store.directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(file >= 0 && fallocate(file, 0, 0, (off_t)(free - 4 * MIB)) == 0);
	settle(&bench, &growth, &store);
	CHECK(store.space.levels[0].left < before);
	CHECK(available(store.directory) >= free / 2);
}

static void a_store_grows_ahead_of_what_is_written_and_rests_when_nothing_is(void **state)
{
	(void)state;
	on_bench(grow_in_time);
}

static void grow_no_more(const void *argument)
{
	struct growth growth = { 0 };
	struct store store;
	struct bench bench;

	(void)argument;
	make_store(&bench, &store, 1024 * MIB);
	store.space.floor = smallest()->balloon - 8 * MIB;
	settle(&bench, &growth, &store);
	CHECK(space_to_come(&store.space) == 0);
	CHECK(growth_wait(&growth, &store) == -1);
	growth.next = 0;
	step(&bench, &growth, &store);
	CHECK(store.space.levels[0].left == store.space.floor);
	/* nor in memory */
	store.space = SPACE_NONE;
	CHECK(growth_wait(&growth, &store) == -1);
}

static void a_store_that_has_all_it_may_have_is_never_looked_at(void **state)
{
	(void)state;
	on_bench(grow_no_more);
}

static void ask_again(const void *argument)
{
	struct growth growth = { 0 };
	struct store store;
	struct bench bench;
	uint64_t left;
	int other, wait;

	(void)argument;
	make_store(&bench, &store, 256 * MIB);
	other = openat(bench.host, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(other >= 0);
	CHECK(fallocate(other, 0, 0, (off_t)(available(bench.host) - MIB)) == 0);
	/* the store is full, and the host too */
	fill(store.directory);
	left = store.space.levels[0].left;
	{
		int file = openat(store.directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

		CHECK(file >= 0);
		CHECK(fallocate(file, 0, 0, (off_t)available(store.directory)) == 0);
		step(&bench, &growth, &store);
		wait = growth_wait(&growth, &store);
		CHECK(wait > 50 && wait <= 1000);
		CHECK(store.space.levels[0].left == left);
		check_levels(&store.space);
		close(other);
		settle(&bench, &growth, &store);
		CHECK(store.space.levels[0].left < left);
	}
}

static void a_host_that_had_no_room_is_asked_again(void **state)
{
	(void)state;
	on_bench(ask_again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_level_has_everything_reserved_but_what_its_balloon_holds),
		cmocka_unit_test(
			growing_gives_what_was_asked_for_in_whole_blocks_that_are_reserved_below),
		cmocka_unit_test(a_level_never_grows_beyond_its_floor),
		cmocka_unit_test(a_host_without_room_leaves_a_level_as_it_was_and_loses_nothing),
		cmocka_unit_test(without_a_balloon_there_would_be_free_blocks_that_are_not_there),
		cmocka_unit_test(a_host_with_less_than_a_level_begins_with_is_refused_with_a_cure),
		cmocka_unit_test(a_balloon_with_a_hole_is_refused),
		cmocka_unit_test(a_level_in_a_level_grows_with_what_the_outer_one_needs_itself),
		cmocka_unit_test(
			a_host_without_room_leaves_both_levels_as_they_were_and_loses_nothing),
		cmocka_unit_test(a_store_grows_ahead_of_what_is_written_and_rests_when_nothing_is),
		cmocka_unit_test(a_store_that_has_all_it_may_have_is_never_looked_at),
		cmocka_unit_test(a_host_that_had_no_room_is_asked_again),
	};

	return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
