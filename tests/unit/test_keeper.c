// SPDX-License-Identifier: GPL-2.0-or-later
/* The keeper's own defences, one by one: emptying the store, the budget, descriptors, the
 * sweeping of control groups, and how authority is taken and given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "authority/authority.h"
#include "base/descriptors.h"
#include "cgroup/cgroup.h"
#include "children.h"
#include "confine/capability.h"
#include "store/budget.h"
#include "store/empty.h"
#include "base/filesystem.h"

#define USER 54321
#define OTHER_USER 54322
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* ---- emptying the store ---- */

/* An empty tmpfs that is in no mount table. */
static int make_store(void)
{
	struct problem problem = { 0 };
	int mount, directory;

	need_root();
	mount = filesystem_mount("tmpfs", "mode=755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				 &problem);
	assert_true(mount >= 0);
	directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(directory >= 0);
	close(mount);
	return directory;
}

static void make_file(int directory, const char *name, const char *text)
{
	int file = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(file >= 0);
	assert_int_equal(write(file, text, strlen(text)), strlen(text));
	close(file);
}

static int make_directory(int parent, const char *name, mode_t mode)
{
	int directory;

	assert_int_equal(mkdirat(parent, name, 0700), 0);
	directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(directory >= 0);
	assert_int_equal(fchmod(directory, mode), 0);
	return directory;
}

static void make_deep(int store, int levels)
{
	int at = openat(store, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int level = 0; level < levels; level++) {
		int below = make_directory(at, level % 3 ? "d" : "!7", 0700);

		if (level % 50 == 0)
			make_file(below, "file", "text");
		close(at);
		at = below;
	}
	close(at);
}

/* It is empty in the end: a directory of which nothing but "." and ".." can be read. */
static void assert_empty(int store)
{
	char buffer[1024];
	long length, entries = 0;

	lseek(store, 0, SEEK_SET);
	while ((length = syscall(SYS_getdents64, store, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < length; entries++)
			at += *(unsigned short *)(buffer + at + 16);
	assert_int_equal(entries, 2);
}

static void a_tree_of_five_thousand_levels_is_emptied(void **state)
{
	int store = make_store();

	(void)state;
	make_deep(store, 5000);
	assert_int_equal(store_empty(store), 0);
	assert_empty(store);
	close(store);
}

static void empty_with_few_descriptors(const void *argument)
{
	const int *store = argument;
	const struct rlimit few = { (rlim_t)*store + 2, (rlim_t)*store + 2 };

	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK(store_empty(*store) == 0);
}

static void emptying_takes_one_descriptor_however_deep_the_tree(void **state)
{
	int store = make_store();

	(void)state;
	make_deep(store, 300);
	assert_good(empty_with_few_descriptors, &store);
	assert_empty(store);
	close(store);
}

static void a_wide_tree_is_emptied(void **state)
{
	int store = make_store(), wide = make_directory(store, "wide", 0700);
	char name[32];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		make_file(wide, name, "");
	}
	for (int i = 0; i < 2000; i++) {
		int directory;

		snprintf(name, sizeof(name), "!%d", i); /* as directories are named when moved up */
		directory = make_directory(i % 2 ? wide : store, name, 0700);
		make_file(directory, "file", "");
		close(directory);
	}
	close(wide);
	assert_int_equal(store_empty(store), 0);
	assert_empty(store);
	close(store);
}

static void odd_names_and_kinds_are_removed(void **state)
{
	static const char *const names[] = { "\n",   " ",	"-rf",
					     "...",  ".hidden", "\xff\xfe",
					     "*",    "!0",	"!18446744073709551615",
					     "a\tb", "\x1b[2J", "%s%n" };
	int store = make_store(), below = make_directory(store, "below", 0700);
	const int places[] = { store, below };
	char longest[256];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t place = 0; place < 2; place++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			if (i % 2)
				make_file(places[place], names[i], "text");
			else
				close(make_directory(places[place], names[i], 0700));
		}
		make_file(places[place], longest, "text");
		assert_int_equal(mkfifoat(places[place], "fifo", 0600), 0);
		assert_int_equal(mknodat(places[place], "socket", S_IFSOCK | 0600, 0), 0);
		assert_int_equal(symlinkat("/", places[place], "link"), 0);
		assert_int_equal(symlinkat("nowhere", places[place], "broken"), 0);
		assert_int_equal(linkat(places[place], longest, places[place], "hard", 0), 0);
	}
	close(below);
	assert_int_equal(store_empty(store), 0);
	assert_empty(store);
	close(store);
}

static void symbolic_links_are_not_followed(void **state)
{
	int store = make_store(), outside = make_store();
	int below = make_directory(store, "below", 0700);
	char path[64];

	(void)state;
	make_file(outside, "precious", "text");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), outside);
	assert_int_equal(symlinkat(path, store, "link"), 0);
	assert_int_equal(symlinkat(path, below, "link"), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d/precious", getpid(), outside);
	assert_int_equal(symlinkat(path, store, "file"), 0);
	assert_int_equal(symlinkat(path, below, "file"), 0);
	close(below);
	assert_int_equal(store_empty(store), 0);
	assert_empty(store);
	assert_int_equal(faccessat(outside, "precious", F_OK, 0), 0);
	{
		struct stat status;

		assert_int_equal(fstatat(outside, "precious", &status, 0), 0);
		assert_int_equal(status.st_size, 4);
	}
	close(store);
	close(outside);
}

/* As the sweeper is: uid 0 with three capabilities. */
static void empty_as_the_sweeper(const void *argument)
{
	const uint64_t kept = CAPABILITY_BIT(CAP_DAC_OVERRIDE) | CAPABILITY_BIT(CAP_FOWNER) |
			      CAPABILITY_BIT(CAP_DAC_READ_SEARCH);

	CHECK(capability_set(kept, kept) == 0);
	CHECK(store_empty(*(const int *)argument) == 0);
}

static void what_other_users_made_sticky_or_unreadable_is_removed(void **state)
{
	int store = make_store();
	static const mode_t modes[] = { 01777, 01000, 0, 0500, 02755 };
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		int directory, below;

		snprintf(name, sizeof(name), "directory %zu", i);
		directory = make_directory(store, name, 0700);
		below = make_directory(directory, "below", 0700);
		make_file(below, "file", "text");
		make_file(directory, "file", "text");
		assert_int_equal(fchmodat(directory, "file", 0, 0), 0);
		assert_int_equal(fchownat(directory, "file", OTHER_USER, OTHER_USER, 0), 0);
		assert_int_equal(fchown(below, OTHER_USER, OTHER_USER), 0);
		assert_int_equal(fchown(directory, USER, USER), 0);
		assert_int_equal(fchmod(below, modes[i]), 0);
		assert_int_equal(fchmod(directory, modes[i]), 0);
		close(below);
		close(directory);
	}
	assert_good(empty_as_the_sweeper, &store);
	assert_empty(store);
	close(store);
}

/*
 * Whoever holds the mounts of a dead session may hold its files too, through cached entries of the
 * overlay: a name that is gone frees nothing then.
 */
static void files_that_something_still_holds_are_emptied_too(void **state)
{
	int store = make_store(), below = make_directory(store, "below", 0700), held[2];
	struct stat status;

	(void)state;
	make_file(store, "file", "secret");
	make_file(below, "file", "secret");
	held[0] = openat(store, "file", O_RDONLY | O_CLOEXEC);
	held[1] = openat(below, "file", O_RDONLY | O_CLOEXEC);
	close(below);
	assert_int_equal(store_empty(store), 0);
	assert_empty(store);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstat(held[i], &status), 0);
		assert_int_equal(status.st_size, 0);
		assert_int_equal(status.st_blocks, 0);
		close(held[i]);
	}
	close(store);
}

/* ---- the budget ---- */

static const struct {
	const char *what;
	uint64_t asked, most, available, promised;
	uint64_t granted; /* 0: refused */
	bool less;
} budgets[] = {
	{ "a quarter of the half by default", 0, 0, 16 * GIB, 0, 2 * GIB, false },
	{ "a quarter of what others left", 0, 0, 16 * GIB, 4 * GIB, GIB, false },
	{ "size_max bounds the default", 0, GIB, 16 * GIB, 0, GIB, false },
	{ "size_max below the least", 0, MIB, 16 * GIB, 0, MIB, false },
	{ "the default is no less than the least", 0, 0, 64 * MIB, 0, 16 * MIB, false },
	{ "what is asked", 3 * GIB, 0, 16 * GIB, 0, 3 * GIB, false },
	{ "all of the half", 8 * GIB, 0, 16 * GIB, 0, 8 * GIB, false },
	{ "less than asked", 9 * GIB, 0, 16 * GIB, 0, 8 * GIB, true },
	{ "the rest of the half", 8 * GIB, 0, 16 * GIB, 5 * GIB, 3 * GIB, true },
	{ "whole pages, rounded up", MIB + 1, 0, 16 * GIB, 0, MIB + 4096, false },
	{ "whole pages, rounded down where less is left", GIB, 0, 64 * MIB + 4098, 0, 32 * MIB,
	  true },
	{ "little asked where little is left", 4 * MIB, 0, 16 * MIB, 0, 4 * MIB, false },
	{ "exactly the least is left", GIB, 0, 64 * MIB, 16 * MIB, 16 * MIB, true },
	{ "less than the least is left", GIB, 0, 64 * MIB, 16 * MIB + 4096, 0, false },
	{ "nothing is left", 0, 0, 16 * GIB, 8 * GIB, 0, false },
	{ "others have more than the half by now", 0, 0, 16 * GIB, 9 * GIB, 0, false },
	{ "nothing is available", 0, 0, 0, 0, 0, false },
	{ "all that can be asked", 1ULL << 60, 0, 16 * GIB, 0, 8 * GIB, true },
};

static void promises_follow_the_table_and_stay_within_half_of_what_is_available(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(budgets) / sizeof(*budgets); i++) {
		struct problem problem = { 0 };
		uint64_t granted = 0;
		bool less = false;
		int r = budget_grant(budgets[i].asked, budgets[i].most, budgets[i].available,
				     budgets[i].promised, &granted, &less, &problem);

		if (r != (budgets[i].granted ? 0 : -ENOMEM) || granted != budgets[i].granted ||
		    (r == 0 && less != budgets[i].less))
			fail_msg("%s: %d, %llu granted", budgets[i].what, r,
				 (unsigned long long)granted);
		if (r == 0)
			assert_true(granted + budgets[i].promised <= budgets[i].available / 2);
		else
			assert_non_null(strstr(problem.text, "--size"));
	}
}

static void too_little_to_be_of_use_is_refused(void **state)
{
	struct problem problem = { 0 };
	uint64_t granted;
	bool less;

	(void)state;
	assert_int_equal(budget_grant(MIB - 1, 0, 16 * GIB, 0, &granted, &less, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "--size=1M or more"));
}

static void sessions_that_start_one_after_the_other_never_pass_the_half(void **state)
{
	const uint64_t asks[] = { 0, GIB, MIB, 1ULL << 60, 100 * MIB };

	(void)state;
	for (size_t ask = 0; ask < sizeof(asks) / sizeof(*asks); ask++) {
		uint64_t promised = 0, granted;
		int started = 0;

		for (bool less; started < 100000; started++) {
			struct problem problem = { 0 };

			if (budget_grant(asks[ask], 0, 8 * GIB, promised, &granted, &less,
					 &problem) < 0)
				break;
			promised += granted;
			assert_true(granted > 0 && promised <= 4 * GIB);
		}
		assert_true(started > 0);
	}
}

/* ---- descriptors ---- */

static bool is_open(int descriptor)
{
	return fcntl(descriptor, F_GETFD) >= 0;
}

static void keep_some(const void *argument)
{
	const int keep[] = { 40, -1, 7, 40, 1, -1, 3, 8, 500 };

	(void)argument;
	for (int descriptor = 3; descriptor <= 60; descriptor++)
		CHECK(dup2(0, descriptor) == descriptor);
	CHECK(dup2(0, 500) == 500 && dup2(0, 501) == 501 && dup2(0, 900) == 900);
	CHECK(descriptors_keep_only(keep, sizeof(keep) / sizeof(*keep)) == 0);
	for (int descriptor = 0; descriptor <= 1000; descriptor++) {
		bool kept = descriptor <= 3 || descriptor == 7 || descriptor == 8 ||
			    descriptor == 40 || descriptor == 500;

		CHECK(is_open(descriptor) == kept);
	}
	CHECK(descriptors_keep_only(NULL, 0) == 0);
	CHECK(is_open(2) && !is_open(3) && !is_open(7) && !is_open(500));
}

static void only_the_listed_descriptors_stay_open(void **state)
{
	(void)state;
	assert_good(keep_some, NULL);
}

static void keep_too_many(const void *argument)
{
	int keep[33] = { 0 };

	(void)argument;
	CHECK(dup2(0, 70) == 70);
	CHECK(descriptors_keep_only(keep, 33) == -EINVAL);
	CHECK(is_open(70)); /* all or nothing */
}

static void a_list_that_is_too_long_is_an_error(void **state)
{
	(void)state;
	assert_good(keep_too_many, NULL);
}

/* ---- sweeping control groups ---- */

static const char *const not_ours[] = {
	"",
	"privexec-00000001",
	"/privexec/privexec-00000001",
	"privexec",
	"privexec/",
	"privexec/other",
	"privexec/other-privexec-00000001",
	"privexec/../privexec/privexec-00000001",
	"../privexec/privexec-00000001",
	"privexec/privexec-00000001/..",
	"privexec/privexec-00000001/below",
	"link/privexec-00000001",
	"privexec/privexec-link",
	"nowhere/privexec-00000001",
};

/* A tree that looks like a control group file system; its directories are plain ones. */
static int make_groups(void)
{
	int root = make_store(), parent = make_directory(root, "privexec", 0755);

	close(make_directory(parent, "privexec-00000001", 0755));
	close(make_directory(parent, "other", 0755));
	close(make_directory(parent, "other-privexec-00000001", 0755));
	close(make_directory(root, "privexec-00000001", 0755));
	close(make_directory(root, "target", 0755));
	assert_int_equal(symlinkat("privexec", root, "link"), 0);
	assert_int_equal(symlinkat("../target", parent, "privexec-link"), 0);
	close(parent);
	return root;
}

static void only_groups_of_ours_are_swept(void **state)
{
	int root = make_groups();
	static const char *const stay[] = { "privexec/privexec-00000001",
					    "privexec/other",
					    "privexec/other-privexec-00000001",
					    "privexec-00000001",
					    "target",
					    "privexec/privexec-link",
					    "link" };

	(void)state;
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++) {
		cgroup_sweep(root, not_ours[i]);
		for (size_t at = 0; at < sizeof(stay) / sizeof(*stay); at++)
			if (faccessat(root, stay[at], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
				fail_msg("'%s' removed %s", not_ours[i], stay[at]);
	}
	cgroup_sweep(root, "privexec/privexec-00000001");
	assert_int_equal(faccessat(root, "privexec/privexec-00000001", F_OK, 0), -1);
	assert_int_equal(faccessat(root, "privexec", F_OK, 0), 0);
	close(root);
}

/* ---- authority ---- */

static const uint64_t nine = CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |
			     CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) |
			     CAPABILITY_BIT(CAP_SETGID) | CAPABILITY_BIT(CAP_SETUID) |
			     CAPABILITY_BIT(CAP_SYS_ADMIN) | CAPABILITY_BIT(CAP_MKNOD) |
			     CAPABILITY_BIT(CAP_SETFCAP);

/* With what attaches programs, which is no condition. */
#define TEN (nine | CAPABILITY_BIT(CAP_NET_ADMIN))

/* Becomes what a program with file capabilities is when USER runs it. */
static void become_user_with(uint64_t permitted)
{
	const gid_t groups[] = { USER, OTHER_USER };

	CHECK(setgroups(2, groups) == 0);
	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	CHECK(setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0);
	CHECK(capability_set(permitted, permitted) == 0);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void check_ids(uid_t real, uid_t effective, uid_t saved)
{
	uid_t uids[3];
	gid_t gids[3];

	CHECK(getresuid(&uids[0], &uids[1], &uids[2]) == 0);
	CHECK(uids[0] == real && uids[1] == effective && uids[2] == saved);
	CHECK(getresgid(&gids[0], &gids[1], &gids[2]) == 0);
	CHECK(gids[1] == (effective == 0 ? 0 : USER) && gids[2] == 0);
	CHECK((uid_t)setfsuid((uid_t)-1) == effective);
	CHECK((gid_t)setfsgid((gid_t)-1) == gids[1]);
}

static void check_capabilities(uint64_t effective, uint64_t held)
{
	uint64_t now, permitted;

	CHECK(capability_get(&now, &permitted) == 0);
	CHECK(now == effective && permitted == held);
}

static void take_as_user(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	become_user_with(nine);
	CHECK(authority_take(&authority, &problem) == 0);
	CHECK(authority.uid == USER && authority.gid == USER && authority.root == 0);
	CHECK(authority.capabilities == nine && strcmp(authority.source, "file capabilities") == 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	/* real and saved root, so that the user can send it no signal; nothing in effect */
	check_ids(0, USER, 0);
	check_capabilities(0, nine);
	authority_as_root(&authority);
	check_ids(0, 0, 0);
	check_capabilities(nine, nine);
	authority_as_user(&authority);
	check_ids(0, USER, 0);
	check_capabilities(0, nine);
	authority_mounting(&authority);
	check_ids(0, USER, 0);
	check_capabilities(nine, nine);
	authority_as_user(&authority);
	check_capabilities(0, nine);
}

static void a_user_gets_authority_that_is_in_effect_only_when_asked_for(void **state)
{
	(void)state;
	need_root();
	assert_good(take_as_user, NULL);
}

static void take_too_much(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	become_user_with(nine | CAPABILITY_BIT(CAP_NET_ADMIN) | CAPABILITY_BIT(CAP_SYS_PTRACE));
	CHECK(authority_take(&authority, &problem) == 0);
	check_capabilities(0, TEN);
	authority_as_root(&authority);
	check_capabilities(nine, TEN);
}

static void attach(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	become_user_with(TEN);
	CHECK(authority_take(&authority, &problem) == 0);
	authority_attaching(&authority);
	check_ids(0, 0, 0);
	check_capabilities(TEN, TEN);
	authority_as_user(&authority);
	check_capabilities(0, TEN);
	authority_forgo(&authority);
	check_capabilities(nine, nine);
	authority_as_user(&authority);
	check_capabilities(0, nine);
	authority_attaching(&authority);
	check_capabilities(nine, nine);
}

static void what_attaches_programs_is_in_effect_once_and_then_gone(void **state)
{
	(void)state;
	need_root();
	assert_good(attach, NULL);
}

static void capabilities_that_are_not_needed_are_dropped_for_good(void **state)
{
	(void)state;
	need_root();
	assert_good(take_too_much, NULL);
}

static void take_as_root(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };
	uint64_t effective, permitted;

	(void)argument;
	CHECK(authority_take(&authority, &problem) == 0);
	CHECK(authority.uid == 0 && strcmp(authority.source, "root") == 0);
	CHECK(capability_get(&effective, &permitted) == 0);
	CHECK(effective == 0 && permitted == (TEN | CAPABILITY_BIT(CAP_FSETID)));
}

static void root_keeps_eleven_capabilities_and_none_in_effect(void **state)
{
	(void)state;
	need_root();
	assert_good(take_as_root, NULL);
}

static void miss_one(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	become_user_with(nine & ~CAPABILITY_BIT(CAP_MKNOD));
	CHECK(authority_take(&authority, &problem) == -EPERM);
	CHECK(strstr(problem.text, "cap_mknod is missing") && strstr(problem.text, "make install"));
}

static void have_none(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	become_user_with(0);
	CHECK(authority_take(&authority, &problem) == -EPERM);
	CHECK(strstr(problem.text, "has no file capabilities") &&
	      strstr(problem.text, "make install"));
}

static void be_in_a_sandbox(const void *argument)
{
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	become_user_with(0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(authority_take(&authority, &problem) == -EPERM);
	CHECK(strstr(problem.text, "no_new_privs") && strstr(problem.text, "outside"));
}

static void want_of_authority_is_said_with_its_cure(void **state)
{
	(void)state;
	need_root();
	assert_good(miss_one, NULL);
	assert_good(have_none, NULL);
	assert_good(be_in_a_sandbox, NULL);
}

static void shift(const void *argument)
{
	const gid_t groups[] = { 0, OTHER_USER };
	gid_t now[4];
	uid_t uids[3];
	gid_t gids[3];
	struct authority authority;
	struct problem problem = { 0 };

	(void)argument;
	CHECK(setgroups(2, groups) == 0);
	CHECK(authority_take(&authority, &problem) == 0);
	authority_shift(&authority);
	CHECK(getgroups(4, now) == 2);
	CHECK(now[0] != 0 && now[1] != 0);
	CHECK(getresuid(&uids[0], &uids[1], &uids[2]) == 0 && uids[1] == AUTHORITY_SHIFTED);
	CHECK(getresgid(&gids[0], &gids[1], &gids[2]) == 0 && gids[1] == AUTHORITY_SHIFTED);
	CHECK((uid_t)setfsuid((uid_t)-1) == AUTHORITY_SHIFTED);
	CHECK((gid_t)setfsgid((gid_t)-1) == AUTHORITY_SHIFTED);
	check_capabilities(0, TEN | CAPABILITY_BIT(CAP_FSETID));
	authority_as_root(&authority);
	CHECK(geteuid() == AUTHORITY_SHIFTED && getegid() == AUTHORITY_SHIFTED);
}

static void root_of_a_session_is_never_uid_or_group_0_again(void **state)
{
	(void)state;
	need_root();
	assert_good(shift, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_of_five_thousand_levels_is_emptied),
		cmocka_unit_test(emptying_takes_one_descriptor_however_deep_the_tree),
		cmocka_unit_test(a_wide_tree_is_emptied),
		cmocka_unit_test(odd_names_and_kinds_are_removed),
		cmocka_unit_test(symbolic_links_are_not_followed),
		cmocka_unit_test(what_other_users_made_sticky_or_unreadable_is_removed),
		cmocka_unit_test(files_that_something_still_holds_are_emptied_too),
		cmocka_unit_test(
			promises_follow_the_table_and_stay_within_half_of_what_is_available),
		cmocka_unit_test(too_little_to_be_of_use_is_refused),
		cmocka_unit_test(sessions_that_start_one_after_the_other_never_pass_the_half),
		cmocka_unit_test(only_the_listed_descriptors_stay_open),
		cmocka_unit_test(a_list_that_is_too_long_is_an_error),
		cmocka_unit_test(only_groups_of_ours_are_swept),
		cmocka_unit_test(a_user_gets_authority_that_is_in_effect_only_when_asked_for),
		cmocka_unit_test(capabilities_that_are_not_needed_are_dropped_for_good),
		cmocka_unit_test(what_attaches_programs_is_in_effect_once_and_then_gone),
		cmocka_unit_test(root_keeps_eleven_capabilities_and_none_in_effect),
		cmocka_unit_test(want_of_authority_is_said_with_its_cure),
		cmocka_unit_test(root_of_a_session_is_never_uid_or_group_0_again),
	};
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
