// SPDX-License-Identifier: GPL-2.0-or-later
/* What the configuration's lists of mount points make of a plan, and where they are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "plans.h"

static void list_add(struct mount_list *list, const char *path, unsigned line)
{
	list->lines = reallocarray(list->lines, list->count + 1, sizeof(*list->lines));
	assert_non_null(list->lines);
	list->lines[list->count++] = (struct mount_line){ .path = strdup(path), .line = line };
}

static void a_mount_that_is_passed_through_is_a_named_exit(void **state)
{
	struct configuration configuration;
	struct recorded recorded;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	list_add(&configuration.sys_mounts, "/proc", 1);
	list_add(&configuration.sys_mounts, "/dev/mqueue", 2);
	list_add(&configuration.sys_mounts, "/srv/data", 3);
	make_plan("server", WHO_USER, &configuration, &recorded, &plan);
	assert_kind(&plan, "/srv/data", NODE_PASS);
	assert_reason(&plan, "/srv/data", "sys_mounts.conf:3");
	assert_true(has_exit(&plan, "/srv/data"));
	/* the six are the session's own, mounted on the host or not, listed or not */
	assert_kind(&plan, "/proc", NODE_FRESH);
	assert_kind(&plan, "/dev/mqueue", NODE_FRESH);
	assert_false(has_exit(&plan, "/proc"));
	free_plan(&recorded, &plan);
	configuration_free(&configuration);
}

static void a_mount_that_cannot_be_passed_is_covered(void **state)
{
	struct configuration configuration;
	struct recorded recorded;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	list_add(&configuration.sys_mounts, "/home/alice/stuck", 1);
	list_add(&configuration.sys_mounts, "/home/alice/remote", 2);
	make_plan("sshfs", WHO_USER, &configuration, &recorded, &plan);
	assert_kind(&plan, "/home/alice/stuck", NODE_COVER);
	assert_kind(&plan, "/home/alice/remote", NODE_PASS);
	assert_false(has_exit(&plan, "/home/alice/stuck"));
	free_plan(&recorded, &plan);
	make_plan("sshfs", WHO_ROOT, &configuration, &recorded, &plan);
	assert_kind(&plan, "/home/alice/remote", NODE_COVER);
	free_plan(&recorded, &plan);
	configuration_free(&configuration);
}

static void without_auto_what_no_list_names_is_covered(void **state)
{
	struct configuration configuration;
	struct recorded recorded;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	configuration.usr_mounts.automatic = false;
	list_add(&configuration.usr_mounts, "/home", 1);
	list_add(&configuration.usr_mounts, "/tmp", 2);
	make_plan("server", WHO_USER, &configuration, &recorded, &plan);
	assert_kind(&plan, "/", NODE_OVERLAY_RW);
	assert_kind(&plan, "/home", NODE_OVERLAY_RW);
	assert_true(node_at(&plan, "/home")->strict);
	assert_kind(&plan, "/var", NODE_COVER);
	assert_reason(&plan, "/var", "neither");
	assert_none(&plan, "/var/log");
	assert_kind(&plan, "/run", NODE_COVER);
	assert_none(&plan, "/run/privexec");
	free_plan(&recorded, &plan);
	configuration_free(&configuration);
}

static void a_listed_mount_that_cannot_be_private_is_refused(void **state)
{
	static const struct {
		const char *machine, *path, *words;
		enum who who;
	} cases[] = {
		{ "usb-stick", "/media/alice/STICK", "usr_mounts.conf:7: /media/alice/STICK cannot",
		  WHO_USER },
		{ "usb-stick", "/boot/firmware", "cannot be an overlay (vfat", WHO_USER },
		{ "sshfs", "/home/alice/stuck", "it does not answer", WHO_USER },
		{ "nfs-home", "/misc", "an automounter", WHO_USER },
		{ "nfs-home", "/home", "an automounter", WHO_USER },
		{ "docker", "/etc/hosts", "a file is mounted here", WHO_USER },
		{ "btrfs", "/tmp", "cannot shift", WHO_ROOT },
		{ "laptop", "/run/user/1000/doc", "/run/user/1000 above it is the session's own",
		  WHO_USER },
		{ "laptop", "/sys/fs/cgroup", "/sys above it is the session's own", WHO_USER },
		{ "kiosk", "/run/privexec/1000", "/run/privexec above it is always covered",
		  WHO_USER },
		{ "sshfs", "/run/user/1001/gvfs", "/run/user/1001 above it is covered", WHO_USER },
		{ "sshfs", "/run/user/1001/gvfs", "/run/user/1001 above it is covered",
		  WHO_ROOTLESS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct configuration configuration;

		configuration_defaults(&configuration);
		list_add(&configuration.usr_mounts, cases[i].path, 7);
		assert_refused(cases[i].machine, cases[i].who, &configuration, NULL, EOPNOTSUPP,
			       cases[i].words);
		configuration_free(&configuration);
	}
}

static void a_listed_tree_is_private_even_if_it_is_proven(void **state)
{
	struct configuration configuration;
	struct recorded recorded;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	list_add(&configuration.usr_mounts, "/usr", 1);
	make_plan("luks", WHO_USER, &configuration, &recorded, &plan);
	assert_kind(&plan, "/usr", NODE_OVERLAY_RO);
	free_plan(&recorded, &plan);
	configuration_free(&configuration);
}

static void a_listed_path_where_nothing_is_mounted_is_refused(void **state)
{
	struct configuration configuration;

	(void)state;
	configuration_defaults(&configuration);
	list_add(&configuration.usr_mounts, "/home", 3);
	assert_refused("laptop", WHO_USER, &configuration, NULL, ENOENT,
		       "usr_mounts.conf:3: nothing is mounted on /home");
	configuration_free(&configuration);

	configuration_defaults(&configuration);
	list_add(&configuration.sys_mounts, "/srv/www", 9);
	assert_refused("stacked", WHO_USER, &configuration, NULL, ENOENT,
		       "sys_mounts.conf:9: nothing is mounted on /srv/www, or something else lies");
	configuration_free(&configuration);
}

static void the_root_is_never_passed_through(void **state)
{
	struct configuration configuration;

	(void)state;
	configuration_defaults(&configuration);
	list_add(&configuration.sys_mounts, "/", 1);
	assert_refused("laptop", WHO_USER, &configuration, NULL, EOPNOTSUPP,
		       "sys_mounts.conf:1: / cannot be passed through");
	configuration_free(&configuration);
}

static void a_root_that_cannot_be_an_overlay_is_refused(void **state)
{
	static char text[] = "10 1 8:1 / / rw - vfat /dev/sda1 rw,fmask=0022,dmask=0022\n";
	_cleanup_file_ FILE *stream = fmemopen(text, sizeof(text) - 1, "r");
	const struct plan_facts facts = {
		.user_namespaces = true, .uid = 1000, .proc_sys = true, .probes = &recorded_probes
	};
	const struct request request = { 0 };
	struct configuration configuration;
	struct problem problem = { 0 };
	struct mount_table mounts;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	list_add(&configuration.usr_mounts, "/", 1);
	assert_int_equal(mount_table_read(stream, "table", &mounts, &problem), 0);
	mounts.entries[0].facts.directory = true;
	assert_int_equal(plan_make(&request, &configuration, &mounts, &facts, &plan, &problem),
			 -EOPNOTSUPP);
	assert_non_null(strstr(problem.text, "/ is a vfat that cannot be an overlay"));
	plan_free(&plan);
	mount_table_free(&mounts);
	configuration_free(&configuration);
}

static void a_chroot_to_a_plain_directory_is_refused(void **state)
{
	(void)state;
	for (int who = WHO_USER; who <= WHO_ROOTLESS; who++)
		assert_refused("chroot", (enum who)who, NULL, NULL, EOPNOTSUPP,
			       "no mount on / can be seen");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mount_that_is_passed_through_is_a_named_exit),
		cmocka_unit_test(a_mount_that_cannot_be_passed_is_covered),
		cmocka_unit_test(without_auto_what_no_list_names_is_covered),
		cmocka_unit_test(a_listed_mount_that_cannot_be_private_is_refused),
		cmocka_unit_test(a_listed_tree_is_private_even_if_it_is_proven),
		cmocka_unit_test(a_listed_path_where_nothing_is_mounted_is_refused),
		cmocka_unit_test(the_root_is_never_passed_through),
		cmocka_unit_test(a_root_that_cannot_be_an_overlay_is_refused),
		cmocka_unit_test(a_chroot_to_a_plain_directory_is_refused),
	};

	if (argc < 2)
		return 2;
	machines = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
