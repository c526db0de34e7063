// SPDX-License-Identifier: GPL-2.0-or-later
/* The filters of the keeper and the sweeper, call by call. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/fiemap.h>
#include <linux/fscrypt.h>
#include <linux/loop.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "children.h"
#include "keeper/filter.h"
#include "store/end.h"

#define CALLS 471
#define X32 0x40000000L

enum entry { ENTRY_NATIVE, ENTRY_X32, ENTRY_I386 };

struct attempt {
	int filter; /* enum filter_kind, or -1 for none */
	enum entry entry;
	long number;
	unsigned long command; /* its second argument, or 0 for -1 */
};

static void call_i386(long number)
{
#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "+a"(number)
			 : "b"(-1L), "c"(-1L), "d"(-1L), "S"(-1L), "D"(-1L)
			 : "memory", "r8", "r9", "r10", "r11");
#else
	(void)number;
#endif
}

static void attempt(const void *argument)
{
	const struct attempt *it = argument;
	struct problem problem = { 0 };

	if (it->filter >= 0 && filter_load((enum filter_kind)it->filter, &problem) < 0)
		_exit(2);
	if (it->entry == ENTRY_I386)
		call_i386(it->number);
	else
		syscall(it->number | (it->entry == ENTRY_X32 ? X32 : 0), -1L,
			it->command ? (long)it->command : -1L, -1L, -1L, -1L, -1L);
	/* not _exit(), before which a sanitizer may make calls of its own */
	syscall(SYS_exit_group, 0);
}

static bool is_allowed(int filter, long number)
{
	for (const int *call = filter_allowed((enum filter_kind)filter); *call != -1; call++)
		if (*call == number)
			return true;
	return false;
}

static void assert_killed(const struct attempt *it)
{
	int status = in_child(attempt, it);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("filter %d, entry %d, call %ld, %#lx: wait status %#x", it->filter,
			 it->entry, it->number, it->command, status);
}

static void assert_dies(int filter, enum entry entry, long number)
{
	const struct attempt it = { filter, entry, number, 0 };

	assert_killed(&it);
}

/* uretprobe and uprobe: newer kernels let these two pass whatever a filter says. Outside of a
 * probe's trampoline they fail or kill, and do nothing. */
static bool passes_all_filters(long number)
{
#ifdef __x86_64__
	return number == 335 || number == 336;
#else
	(void)number;
	return false;
#endif
}

static void other_calls_die(int filter)
{
	for (long number = 0; number < CALLS; number++)
		if (!is_allowed(filter, number) && !passes_all_filters(number))
			assert_dies(filter, ENTRY_NATIVE, number);
}

static void every_call_that_is_not_listed_kills_the_keeper(void **state)
{
	(void)state;
	other_calls_die(FILTER_KEEPER);
}

static void every_call_that_is_not_listed_kills_the_sweeper(void **state)
{
	(void)state;
	other_calls_die(FILTER_SWEEPER);
}

static void the_x32_entry_kills_whatever_the_call(void **state)
{
	(void)state;
#ifndef __x86_64__
	skip();
#endif
	for (int filter = FILTER_KEEPER; filter <= FILTER_SWEEPER; filter++)
		for (long number = 0; number < CALLS; number++)
			if (is_allowed(filter, number) || number % 16 == 0)
				assert_dies(filter, ENTRY_X32, number);
}

static void the_i386_entry_kills_whatever_the_call(void **state)
{
	/* getpid, unfiltered: a kernel without that entry raises SIGSEGV, and nothing is to be seen
	 */
	const struct attempt plain = { -1, ENTRY_I386, 20, 0 };

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	if (WIFSIGNALED(in_child(attempt, &plain)))
		skip();
	for (int filter = FILTER_KEEPER; filter <= FILTER_SWEEPER; filter++)
		for (long number = 0; number < CALLS; number++)
			if (is_allowed(filter, number) || number % 16 == 0)
				assert_dies(filter, ENTRY_I386, number);
}

static void listed_calls_are_let_through(void **state)
{
	const struct attempt attempts[] = {
		{ FILTER_KEEPER, ENTRY_NATIVE, SYS_read, 0 },
		{ FILTER_KEEPER, ENTRY_NATIVE, SYS_accept4, 0 },
		{ FILTER_KEEPER, ENTRY_NATIVE, SYS_waitid, 0 },
		{ FILTER_SWEEPER, ENTRY_NATIVE, SYS_openat, 0 },
		{ FILTER_SWEEPER, ENTRY_NATIVE, SYS_unlinkat, 0 },
		{ FILTER_SWEEPER, ENTRY_NATIVE, SYS_renameat, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		assert_int_equal(in_child(attempt, &attempts[i]), 0);
}

static struct attempt ioctl_attempt(int filter, unsigned long command)
{
	return (struct attempt){ filter, ENTRY_NATIVE, SYS_ioctl, command };
}

/* The kernel takes a command to be of 32 bits, whatever is above them. */
static void the_sweeper_ends_a_store_by_ioctls_that_are_let_through(void **state)
{
	(void)state;
	assert_true(store_end_ioctls[0]);
	for (const unsigned *command = store_end_ioctls; *command; command++) {
		const struct attempt plain = ioctl_attempt(FILTER_SWEEPER, *command),
				     high = ioctl_attempt(FILTER_SWEEPER,
							  0xffffffff00000000UL | *command);

		assert_int_equal(in_child(attempt, &plain), 0);
		assert_int_equal(in_child(attempt, &high), 0);
	}
}

static bool is_ending(unsigned long command)
{
	for (const unsigned *listed = store_end_ioctls; *listed; listed++)
		if (*listed == command)
			return true;
	return false;
}

/* Those that would be of use to somebody, and all that differ from an allowed one by a bit. */
static void another_ioctl_kills_the_sweeper(void **state)
{
	static const unsigned others[] = {
		TIOCSTI,
		TIOCSCTTY,
		FIONREAD,
		FS_IOC_SETFLAGS,
		FS_IOC_FIEMAP,
		FICLONE,
		FITRIM,
		LOOP_CONFIGURE,
		LOOP_SET_FD,
		LOOP_CTL_ADD,
		DM_DEV_CREATE,
		DM_REMOVE_ALL,
		DM_LIST_DEVICES,
		DM_DEV_STATUS,
		DM_TABLE_CLEAR,
		DM_DEV_RENAME,
		BLKDISCARD,
		BLKRRPART,
		FS_IOC_FSSETXATTR,
		FS_IOC_ADD_ENCRYPTION_KEY,
		FS_IOC_REMOVE_ENCRYPTION_KEY,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		const struct attempt it = ioctl_attempt(FILTER_SWEEPER, others[i]);

		assert_killed(&it);
	}
	for (const unsigned *command = store_end_ioctls; *command; command++)
		for (int bit = 0; bit < 32; bit++) {
			const struct attempt it =
				ioctl_attempt(FILTER_SWEEPER, *command ^ 1U << bit);

			if (!is_ending(it.command))
				assert_killed(&it);
		}
}

static void every_ioctl_kills_the_keeper(void **state)
{
	(void)state;
	for (const unsigned *command = store_end_ioctls; *command; command++) {
		const struct attempt it = ioctl_attempt(FILTER_KEEPER, *command);

		assert_killed(&it);
	}
}

static void a_filtered_process_can_gain_no_privilege(void **state)
{
	char path[64], text[4096] = "";
	int ends[2], file, status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* the filter lets it wait for nothing but this: poll without an end */
		struct problem problem = { 0 };

		CHECK(filter_load(FILTER_KEEPER, &problem) == 0);
		if (write(ends[1], "x", 1) == 1)
			syscall(SYS_poll, NULL, 0, 5000);
		_exit(0);
	}
	assert_int_equal(read(ends[0], text, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/status", child);
	file = open(path, O_RDONLY);
	assert_true(file >= 0);
	assert_true(read(file, text, sizeof(text) - 1) > 0);
	close(file);
	close(ends[0]);
	close(ends[1]);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	assert_non_null(strstr(text, "Seccomp:\t2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_that_is_not_listed_kills_the_keeper),
		cmocka_unit_test(every_call_that_is_not_listed_kills_the_sweeper),
		cmocka_unit_test(the_x32_entry_kills_whatever_the_call),
		cmocka_unit_test(the_i386_entry_kills_whatever_the_call),
		cmocka_unit_test(listed_calls_are_let_through),
		cmocka_unit_test(the_sweeper_ends_a_store_by_ioctls_that_are_let_through),
		cmocka_unit_test(another_ioctl_kills_the_sweeper),
		cmocka_unit_test(every_ioctl_kills_the_keeper),
		cmocka_unit_test(a_filtered_process_can_gain_no_privilege),
	};
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
