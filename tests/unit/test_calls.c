// SPDX-License-Identifier: GPL-2.0-or-later
/* The filter of a session's system calls, followed for every call by every entry point. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/fscrypt.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "children.h"
#include "confine/calls.h"
#include "confine/refused.h"

#define X32 0x40000000U
#define STEPS_MAX 200
#define NUMBERS 1024 /* more than any processor has */

static const struct entry {
	const char *name;
	uint32_t seccomp, audit; /* the architecture, as libseccomp and as the kernel name it */
	uint32_t bit;		 /* in all its numbers */
	bool upper;		 /* the upper half of an argument counts */
} entries[] = {
#ifdef __x86_64__
	{ "x86-64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0, true },
	{ "i386", SCMP_ARCH_X86, AUDIT_ARCH_I386, 0, false },
	{ "x32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, X32, false },
#else
	{ "aarch64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0, true },
	{ "arm", SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0, false },
#endif
};

static uint32_t word_at(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	assert_true(offset % sizeof(word) == 0 && offset < sizeof(*data));
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

static bool holds(const struct sock_filter *one, uint32_t accumulator)
{
	switch (BPF_OP(one->code)) {
	case BPF_JEQ:
		return accumulator == one->k;
	case BPF_JGT:
		return accumulator > one->k;
	case BPF_JGE:
		return accumulator >= one->k;
	default:
		assert_int_equal(BPF_OP(one->code), BPF_JSET);
		return accumulator & one->k;
	}
}

/* What the kernel would be told: follows the program as the kernel does. */
static uint32_t follow(const struct seccomp_data *data, unsigned *ret_steps)
{
	uint32_t accumulator = 0;
	unsigned at = 0;

	for (unsigned steps = 1; steps < STEPS_MAX; steps++) {
		const struct sock_filter *one = &calls_filter[at++];

		assert_true(at <= calls_filter_length);
		*ret_steps = steps;
		switch (BPF_CLASS(one->code)) {
		case BPF_LD:
			assert_int_equal(one->code, BPF_LD | BPF_W | BPF_ABS);
			accumulator = word_at(data, one->k);
			break;
		case BPF_ALU:
			assert_int_equal(one->code, BPF_ALU | BPF_AND | BPF_K);
			accumulator &= one->k;
			break;
		case BPF_JMP:
			if (BPF_OP(one->code) == BPF_JA)
				at += one->k;
			else
				at += holds(one, accumulator) ? one->jt : one->jf;
			break;
		default:
			assert_int_equal(one->code, BPF_RET | BPF_K);
			return one->k;
		}
	}
	fail_msg("more than %d steps", STEPS_MAX);
	return 0;
}

/* Of a call that is not made, while the program is told that it was. */
#define SAID_DONE (-1)

/* The errno that a call gets, SAID_DONE, or 0 if it passes. */
static int answer(const struct entry *entry, uint32_t number, const uint64_t arguments[6])
{
	struct seccomp_data data = { .nr = (int)number, .arch = entry->audit };
	unsigned steps;
	uint32_t action;

	for (size_t i = 0; arguments && i < 6; i++)
		data.args[i] = arguments[i];
	action = follow(&data, &steps);
	if (action == SECCOMP_RET_ALLOW)
		return 0;
	assert_int_equal(action & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
	return action & SECCOMP_RET_DATA ? (int)(action & SECCOMP_RET_DATA) : SAID_DONE;
}

static uint32_t number_of(const struct entry *entry, const char *call)
{
	int number = seccomp_syscall_resolve_name_arch(entry->seccomp, call);

	/* libseccomp has these for i386 under numbers of its own, since there are two ways */
	if (entry->seccomp == SCMP_ARCH_X86 && strcmp(call, "socket") == 0)
		return 359;
	if (entry->seccomp == SCMP_ARCH_X86 && strcmp(call, "socketpair") == 0)
		return 360;
	return number < 0 ? NUMBERS : (uint32_t)number;
}

#define ENTRIES (sizeof(entries) / sizeof(*entries))

/* The refusal of @number, of those without and those with comparisons. */
static const struct refused *refusal_of(const struct entry *entry, uint32_t number)
{
	for (size_t i = 0; i < refused_count; i++)
		if (number_of(entry, refused[i].call) == number)
			return &refused[i];
	return NULL;
}

static bool exists_here(const struct entry *entry, uint32_t number)
{
	/* the series common to all processors, and what x32 has instead of some calls */
	return number <= REFUSED_AFTER || (entry->bit && number >= 512 && number <= 547);
}

static void only_what_is_listed_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENTRIES; i++)
		for (uint32_t number = 0; number < NUMBERS; number++) {
			const struct entry *entry = &entries[i];

			const struct refused *refusal = refusal_of(entry, number | entry->bit);
			int expected = exists_here(entry, number) ? 0 : ENOSYS;
			int found = answer(entry, number | entry->bit, NULL);

			if (refusal && refusal->comparisons == 0)
				expected = refusal->error;
			else if (refusal && strncmp(refusal->call, "socket", 6) == 0)
				expected = strcmp(refusal->call, "socketcall") ? EAFNOSUPPORT : 0;
			if (found != expected)
				fail_msg("%s %u: %d instead of %d", entry->name, number, found,
					 expected);
		}
}

static void numbers_are_those_of_the_kernel(void **state)
{
	/* from the kernel's tables, to be told apart from what libseccomp says they are */
	static const struct {
		unsigned entry, number;
		int error;
	} known[] = {
#ifdef __x86_64__
		{ 0, 248, ENOSYS },
		{ 0, 250, ENOSYS },
		{ 0, 321, EPERM },
		{ 0, 425, ENOSYS },
		{ 0, 304, EPERM },
		{ 0, 470, ENOSYS },
		{ 1, 286, ENOSYS },
		{ 1, 288, ENOSYS },
		{ 1, 357, EPERM },
		{ 1, 342, EPERM },
		{ 1, 87, EPERM },
		{ 1, 248, 0 },
		{ 2, X32 | 248, ENOSYS },
		{ 2, X32 | 250, ENOSYS },
		{ 2, X32 | 321, EPERM },
		{ 2, X32 | 528, EPERM },
		{ 2, X32 | 246, 0 },
		{ 2, X32 | 548, ENOSYS },
		{ 2, X32 | 470, ENOSYS },
		{ 0, 528, ENOSYS },
		{ 1, 528, ENOSYS },
		{ 0, 0, 0 },
		{ 0, 303, 0 },
		{ 0, 0xffffffff, 0 },
		{ 1, 0xffffffff, 0 },
#else
		{ 0, 219, ENOSYS },
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		assert_int_equal(answer(&entries[known[i].entry], known[i].number, NULL),
				 known[i].error);
}

static int family(const struct entry *entry, const char *call, uint64_t number, uint64_t protocol)
{
	return answer(entry, number_of(entry, call), (uint64_t[6]){ number, 1, protocol });
}

static void four_families_of_sockets_are_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENTRIES; i++)
		for (uint64_t number = 0; number < 70; number++) {
			const struct entry *entry = &entries[i];

			bool left = number == AF_UNIX || number == AF_INET || number == AF_INET6 ||
				    number == AF_NETLINK;
			int expected = left ? 0 : EAFNOSUPPORT;

			assert_int_equal(family(entry, "socket", number, 0), expected);
			assert_int_equal(family(entry, "socketpair", number, 0), expected);
			/* the kernel looks at the lower half alone */
			assert_int_equal(family(entry, "socket", number | 1ULL << 32, 0),
					 entry->upper ? EAFNOSUPPORT : expected);
		}
}

static void of_netlink_only_routing_is_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENTRIES; i++) {
		const struct entry *entry = &entries[i];

		for (uint64_t protocol = 0; protocol < 40; protocol++)
			assert_int_equal(family(entry, "socket", AF_NETLINK, protocol),
					 protocol ? EPROTONOSUPPORT : 0);
		assert_int_equal(family(entry, "socket", AF_INET, IPPROTO_TCP), 0);
		assert_int_equal(family(entry, "socket", AF_NETLINK, 1ULL << 32),
				 entry->upper ? EPROTONOSUPPORT : 0);
	}
}

static void sockets_are_not_made_by_the_call_that_hides_its_arguments(void **state)
{
	(void)state;
#ifdef __x86_64__
	for (uint64_t number = 0; number < 24; number++)
		assert_int_equal(answer(&entries[1], 102, (uint64_t[6]){ number }),
				 number == 1 || number == 8 ? EAFNOSUPPORT : 0);
#else
	skip();
#endif
}

static void two_commands_of_ioctl_are_refused_by_their_lower_half(void **state)
{
	static const uint64_t above[] = { 0, 1ULL << 32, 0xffffffff00000000, 0x5412ULL << 32 };

	(void)state;
	for (size_t i = 0; i < ENTRIES; i++) {
		const struct entry *entry = &entries[i];
		uint32_t number = number_of(entry, "ioctl");

		for (size_t j = 0; j < sizeof(above) / sizeof(*above); j++) {
			assert_int_equal(
				answer(entry, number, (uint64_t[6]){ 1, above[j] | TIOCSTI }), EIO);
			assert_int_equal(
				answer(entry, number, (uint64_t[6]){ 1, above[j] | TIOCLINUX }),
				ENOTTY);
			assert_int_equal(
				answer(entry, number, (uint64_t[6]){ 1, above[j] | TIOCGWINSZ }),
				0);
		}
		for (int bit = 0; bit < 32; bit++)
			assert_int_equal(
				answer(entry, number, (uint64_t[6]){ 1, TIOCSTI ^ 1ULL << bit }),
				0);
	}
}

/* They need neither a mount that can be written to nor, some of them, the file's owner. */
static void what_changes_the_host_s_file_systems_without_writing_is_refused(void **state)
{
	static const struct {
		const char *call;
		uint64_t command;
		int error;
	} refused_commands[] = {
		{ "ioctl", FS_IOC_ADD_ENCRYPTION_KEY, ENOTTY },
		{ "ioctl", FS_IOC_REMOVE_ENCRYPTION_KEY, ENOTTY },
		{ "fcntl", 1036 /* F_SET_RW_HINT */, EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ENTRIES; i++)
		for (size_t j = 0; j < sizeof(refused_commands) / sizeof(*refused_commands); j++) {
			uint32_t number = number_of(&entries[i], refused_commands[j].call);
			uint64_t command = refused_commands[j].command;

			assert_int_equal(answer(&entries[i], number, (uint64_t[6]){ 1, command }),
					 refused_commands[j].error);
			assert_int_equal(answer(&entries[i], number,
						(uint64_t[6]){ 1, command | 1ULL << 40 }),
					 refused_commands[j].error);
			assert_int_equal(
				answer(&entries[i], number, (uint64_t[6]){ 1, command - 1 }), 0);
		}
#ifdef __x86_64__
	assert_int_equal(answer(&entries[1], 221 /* fcntl64 */, (uint64_t[6]){ 1, 1036 }), EINVAL);
#endif
}

static void setting_the_limit_of_core_dumps_is_said_to_be_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENTRIES; i++) {
		const struct entry *entry = &entries[i];
		uint32_t set = number_of(entry, "setrlimit"), both = number_of(entry, "prlimit64");

		for (uint64_t resource = 0; resource < 20; resource++) {
			int expected = resource == RLIMIT_CORE ? SAID_DONE : 0;
			uint64_t above = resource | 1ULL << 32;

			assert_int_equal(answer(entry, set, (uint64_t[6]){ resource, 1 }),
					 expected);
			assert_int_equal(answer(entry, set, (uint64_t[6]){ above, 1 }), expected);
			assert_int_equal(answer(entry, both, (uint64_t[6]){ 7, resource, 1 }),
					 expected);
			assert_int_equal(answer(entry, both, (uint64_t[6]){ 0, above, 1 }),
					 expected);
			/* that only asks */
			assert_int_equal(answer(entry, both, (uint64_t[6]){ 0, resource, 0, 1 }),
					 0);
		}
	}
}

static void another_processors_calls_are_not_there(void **state)
{
	const struct entry other = { .audit = AUDIT_ARCH_S390X };

	(void)state;
	assert_int_equal(answer(&other, 1, NULL), ENOSYS);
}

/* The kernel remembers what passes whatever its arguments if it needs to look at no more than the
 * number and the architecture, and follows the filter to find out whenever it is loaded. */
static void what_passes_is_found_in_few_steps_by_number_alone(void **state)
{
	unsigned most = 0, sum = 0, count = 0;

	(void)state;
	for (size_t i = 0; i < ENTRIES; i++)
		for (uint32_t number = 0; number <= REFUSED_AFTER; number++) {
			const struct entry *entry = &entries[i];

			struct seccomp_data data = { .nr = (int)(number | entry->bit),
						     .arch = entry->audit };
			unsigned steps;

			follow(&data, &steps);
			most = steps > most ? steps : most;
			sum += steps;
			count++;
		}
	print_message("%u instructions; at most %u steps, on average %u\n", calls_filter_length,
		      most, sum / count);
	assert_in_range(sum / count, 1, 30);
}

static void load(void)
{
	struct problem problem = { 0 };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(calls_confine(&problem) == 0);
}

static void use_it(const void *unused)
{
	(void)unused;
	CHECK(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) >= 0);
	load();
	CHECK(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) < 0);
	CHECK(errno == ENOSYS);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT);
	/* a second one inside, as nested sandboxes have */
	load();
	CHECK(getppid() > 0);
}

static void the_kernel_takes_it(void **state)
{
	(void)state;
	assert_good(use_it, NULL);
}

static void load_without(const void *unused)
{
	struct problem problem = { 0 };

	(void)unused;
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK(calls_confine(&problem) == -EACCES);
	CHECK(strstr(problem.text, "system calls"));
}

static void a_kernel_that_refuses_is_no_session(void **state)
{
	(void)state;
	need_root();
	assert_good(load_without, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_listed_is_refused),
		cmocka_unit_test(numbers_are_those_of_the_kernel),
		cmocka_unit_test(four_families_of_sockets_are_left),
		cmocka_unit_test(of_netlink_only_routing_is_left),
		cmocka_unit_test(sockets_are_not_made_by_the_call_that_hides_its_arguments),
		cmocka_unit_test(two_commands_of_ioctl_are_refused_by_their_lower_half),
		cmocka_unit_test(what_changes_the_host_s_file_systems_without_writing_is_refused),
		cmocka_unit_test(setting_the_limit_of_core_dumps_is_said_to_be_done),
		cmocka_unit_test(another_processors_calls_are_not_there),
		cmocka_unit_test(what_passes_is_found_in_few_steps_by_number_alone),
		cmocka_unit_test(the_kernel_takes_it),
		cmocka_unit_test(a_kernel_that_refuses_is_no_session),
	};

	return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
