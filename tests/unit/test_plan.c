// SPDX-License-Identifier: GPL-2.0-or-later
/* What matters most in the plans of the recorded machines, and how a plan is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/cleanup.h"
#include "plans.h"

/* --- machines --- */

static void a_laptop(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("laptop", WHO_USER, NULL, &recorded, &plan);
	assert_int_equal(plan.closing, CLOSING_IDENTITY);
	assert_kind(&plan, "/", NODE_OVERLAY_RW);
	assert_kind(&plan, "/snap/core22/1380", NODE_OVERLAY_RO);
	assert_kind(&plan, "/run/user/1000", NODE_FRESH);
	assert_none(&plan, "/run/user/1000/gvfs");
	assert_none(&plan, "/sys/fs/cgroup");
	assert_none(&plan, "/dev/hugepages");
	assert_none(&plan, "/proc/sys/fs/binfmt_misc");
	assert_kind(&plan, "/run/privexec", NODE_COVER);
	assert_string_equal(node_at(&plan, "/run/privexec")->parent->path, "/run");
	assert_kind(&plan, "/usr", NODE_BIND_RO);
	assert_kind(&plan, "/run/snapd/ns/firefox.mnt", NODE_COVER);
	assert_false(node_at(&plan, "/run/snapd/ns/firefox.mnt")->directory);
	assert_int_equal(node_at(&plan, "/run/lock")->inherit, INHERIT_NOEXEC);
	free_plan(&recorded, &plan);

	make_plan("laptop", WHO_ROOT, NULL, &recorded, &plan);
	assert_int_equal(plan.closing, CLOSING_SHIFTED);
	assert_none(&plan, "/usr");
	assert_kind(&plan, "/run/user/1000", NODE_COVER);
	assert_kind(&plan, "/boot/efi", NODE_BIND_RO);
	free_plan(&recorded, &plan);

	make_plan("laptop", WHO_ROOTLESS, NULL, &recorded, &plan);
	assert_int_equal(plan.closing, CLOSING_NONE);
	assert_kind(&plan, "/", NODE_SKELETON);
	assert_kind(&plan, "/sys", NODE_COVER);
	assert_kind(&plan, "/home/alice", NODE_OVERLAY_RW);
	assert_string_equal(node_at(&plan, "/home/alice")->parent->path, "/home");
	assert_kind(&plan, "/home", NODE_OVERLAY_RO);
	assert_kind(&plan, "/etc", NODE_OVERLAY_RO);
	assert_kind(&plan, "/usr", NODE_BIND_RO);
	assert_kind(&plan, "/snap", NODE_SKELETON);
	assert_string_equal(node_at(&plan, "/bin")->link, "usr/bin");
	assert_none(&plan, "/run/snapd.socket");
	free_plan(&recorded, &plan);
}

static void a_server(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("server", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/home", NODE_OVERLAY_RW);
	assert_kind(&plan, "/var", NODE_OVERLAY_RW);
	assert_string_equal(node_at(&plan, "/var/log")->parent->path, "/var");
	assert_kind(&plan, "/var/log/audit", NODE_COVER);
	assert_reason(&plan, "/var/log/audit", "not open to this user");
	assert_int_equal(node_at(&plan, "/tmp")->inherit, INHERIT_NOEXEC);
	/* another user's runtime directory is covered, whether it can be opened or not */
	assert_kind(&plan, "/run/user/1002", NODE_COVER);
	assert_reason(&plan, "/run/user/1002", "user 1002");
	assert_kind(&plan, "/var/lib/nfs/rpc_pipefs", NODE_COVER);
	assert_none(&plan, "/proc/fs/nfsd");
	free_plan(&recorded, &plan);
}

static void homes_behind_an_automounter(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("nfs-home", WHO_USER, NULL, &recorded, &plan);
	/* what is mounted already stays, what is not is never triggered */
	assert_kind(&plan, "/home", NODE_SKELETON);
	assert_kind(&plan, "/home/alice", NODE_OVERLAY_RW);
	assert_kind(&plan, "/net/tape", NODE_SKELETON);
	assert_kind(&plan, "/net/tape/scratch", NODE_OVERLAY_RW);
	assert_kind(&plan, "/misc", NODE_COVER);
	assert_reason(&plan, "/misc", "never triggered");
	assert_true(node_at(&plan, "/misc")->directory);
	assert_kind(&plan, "/mnt/archive", NODE_COVER);
	assert_reason(&plan, "/mnt/archive", "does not answer");
	free_plan(&recorded, &plan);

	/* NFS cannot be idmapped */
	make_plan("nfs-home", WHO_ROOT, NULL, &recorded, &plan);
	assert_kind(&plan, "/home/alice", NODE_COVER);
	free_plan(&recorded, &plan);
}

static void subvolumes_of_one_file_system(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("btrfs", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/home", NODE_OVERLAY_RW);
	assert_kind(&plan, "/.snapshots", NODE_COVER);
	/* a mount below a proven tree keeps its own node */
	assert_kind(&plan, "/usr", NODE_BIND_RO);
	assert_kind(&plan, "/usr/local", NODE_OVERLAY_RW);
	assert_string_equal(node_at(&plan, "/usr/local")->parent->path, "/usr");
	free_plan(&recorded, &plan);

	/* without idmapped tmpfs, root gets empty directories in their place */
	make_plan("btrfs", WHO_ROOT, NULL, &recorded, &plan);
	assert_int_equal(plan.closing, CLOSING_SHIFTED);
	assert_int_equal(node_at(&plan, "/tmp")->fresh, FRESH_EMPTY);
	assert_int_equal(node_at(&plan, "/run")->fresh, FRESH_EMPTY);
	assert_none(&plan, "/run/user/1000");
	assert_none(&plan, "/run/privexec");
	free_plan(&recorded, &plan);

	/* a proven tree with a mount below it cannot be bound alone without privilege */
	make_plan("btrfs", WHO_ROOTLESS, NULL, &recorded, &plan);
	assert_kind(&plan, "/usr", NODE_SKELETON);
	assert_kind(&plan, "/usr/share", NODE_OVERLAY_RO);
	free_plan(&recorded, &plan);
}

static void inside_a_docker_container(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("docker", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/", NODE_OVERLAY_RW);
	assert_kind(&plan, "/etc/hosts", NODE_BIND_RO);
	assert_false(node_at(&plan, "/etc/hosts")->directory);
	/* files of other people's and sockets are never bound */
	assert_kind(&plan, "/root/.gitconfig", NODE_COVER);
	assert_kind(&plan, "/run/docker.sock", NODE_COVER);
	assert_kind(&plan, "/work", NODE_OVERLAY_RW);
	assert_none(&plan, "/proc/kcore");
	assert_none(&plan, "/sys/firmware");
	free_plan(&recorded, &plan);

	/* an overlay cannot be idmapped: identity maps, and /proc is sealed */
	make_plan("docker", WHO_ROOT, NULL, &recorded, &plan);
	assert_int_equal(plan.closing, CLOSING_IDENTITY);
	assert_kind(&plan, "/work", NODE_OVERLAY_RW);
	assert_int_equal(node_at(&plan, "/proc/sys")->fresh, FRESH_SEALED);
	free_plan(&recorded, &plan);
}

static void inside_a_podman_container(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("podman-rootless", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/", NODE_OVERLAY_RW);
	assert_kind(&plan, "/run/secrets", NODE_OVERLAY_RW);
	assert_kind(&plan, "/run/.containerenv", NODE_BIND_RO);
	assert_none(&plan, "/dev/null");
	free_plan(&recorded, &plan);
}

static void beside_windows(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("wsl", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/init", NODE_BIND_RO);
	assert_kind(&plan, "/mnt/c", NODE_OVERLAY_RW);
	assert_kind(&plan, "/tmp/.X11-unix", NODE_OVERLAY_RO);
	assert_kind(&plan, "/run/user/1000", NODE_FRESH);
	assert_kind(&plan, "/mnt/wslg/distro", NODE_OVERLAY_RO);
	free_plan(&recorded, &plan);

	make_plan("wsl", WHO_ROOTLESS, NULL, &recorded, &plan);
	/* a directory that the user can write and that has mounts below it is his, and empty */
	assert_kind(&plan, "/tmp", NODE_SKELETON);
	assert_false(node_at(&plan, "/tmp")->inherit & INHERIT_READ_ONLY);
	assert_true(node_at(&plan, "/mnt")->inherit & INHERIT_READ_ONLY);
	assert_kind(&plan, "/tmp/notes", NODE_OVERLAY_RW);
	assert_kind(&plan, "/tmp/draft.txt", NODE_BIND_RO);
	free_plan(&recorded, &plan);
}

static void automounts_that_were_triggered(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("automount", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/mnt/backup", NODE_OVERLAY_RW);
	assert_kind(&plan, "/boot/efi", NODE_BIND_RO);
	assert_string_equal(node_at(&plan, "/boot/efi")->type, "vfat");
	free_plan(&recorded, &plan);
}

static void fuse_mounts_of_several_people(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("sshfs", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/home/alice/remote", NODE_OVERLAY_RW);
	assert_kind(&plan, "/home/bob/remote", NODE_COVER);
	/* open to everybody or not: another user's server can keep whoever reads it waiting */
	assert_kind(&plan, "/home/bob/shared", NODE_COVER);
	assert_reason(&plan, "/home/bob/shared", "another user's file system");
	assert_kind(&plan, "/media/iso", NODE_OVERLAY_RO);
	assert_kind(&plan, "/home/alice/stuck", NODE_COVER);
	assert_reason(&plan, "/home/alice/stuck", "does not answer");
	assert_kind(&plan, "/home/alice/dead", NODE_COVER);
	assert_reason(&plan, "/home/alice/dead", "cannot be opened");
	/* of a mount that could not be opened nothing is known: it is taken for a directory */
	assert_true(node_at(&plan, "/home/alice/dead")->directory);
	assert_kind(&plan, "/run/user/1001", NODE_COVER);
	assert_none(&plan, "/run/user/1001/gvfs");
	free_plan(&recorded, &plan);

	make_plan("sshfs", WHO_ROOT, NULL, &recorded, &plan);
	assert_kind(&plan, "/home/alice/remote", NODE_COVER);
	assert_kind(&plan, "/home/bob/shared", NODE_COVER);
	free_plan(&recorded, &plan);
}

static void sticks_and_disks_of_other_systems(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("usb-stick", WHO_USER, NULL, &recorded, &plan);
	/* root's alone: shown; the user's, everybody's, unknown: covered */
	assert_kind(&plan, "/boot/firmware", NODE_BIND_RO);
	assert_kind(&plan, "/media/alice/STICK", NODE_COVER);
	assert_kind(&plan, "/media/alice/CAMERA", NODE_COVER);
	assert_kind(&plan, "/media/alice/WINDOWS", NODE_COVER);
	assert_kind(&plan, "/mnt/transfer", NODE_COVER);
	assert_kind(&plan, "/mnt/mac", NODE_BIND_RO);
	assert_kind(&plan, "/mnt/windows", NODE_OVERLAY_RO);
	assert_kind(&plan, "/media/alice/My Disk", NODE_OVERLAY_RW);
	free_plan(&recorded, &plan);
}

static void a_hardened_machine(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("luks", WHO_USER, NULL, &recorded, &plan);
	/* a proven tree that is a mount of its own */
	assert_kind(&plan, "/usr", NODE_BIND_RO);
	assert_kind(&plan, "/boot", NODE_OVERLAY_RO);
	assert_int_equal(node_at(&plan, "/tmp")->inherit, INHERIT_NOEXEC | INHERIT_NOSYMFOLLOW);
	assert_string_equal(node_at(&plan, "/home/alice/Vault")->parent->path, "/home");
	assert_int_equal(node_at(&plan, "/boot/efi")->inherit, INHERIT_NOEXEC | INHERIT_READ_ONLY);
	free_plan(&recorded, &plan);

	make_plan("luks", WHO_ROOT, NULL, &recorded, &plan);
	assert_kind(&plan, "/usr", NODE_OVERLAY_RO);
	free_plan(&recorded, &plan);
}

static void a_chroot_with_the_hosts_proc_and_dev(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("chroot-builder", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/srv/chroot/bookworm/proc", NODE_COVER);
	assert_kind(&plan, "/srv/chroot/bookworm/dev", NODE_COVER);
	assert_none(&plan, "/srv/chroot/bookworm/dev/pts");
	assert_kind(&plan, "/srv/chroot/bookworm/home", NODE_OVERLAY_RW);
	assert_kind(&plan, "/srv/chroot/bookworm/var/cache/apt", NODE_OVERLAY_RW);
	assert_kind(&plan, "/run/schroot/mount/trixie-7f1c", NODE_OVERLAY_RW);
	free_plan(&recorded, &plan);
}

static void a_store_bound_read_only(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("nixos", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/nix/store", NODE_BIND_RO);
	assert_kind(&plan, "/etc/machine-id", NODE_BIND_RO);
	assert_kind(&plan, "/run/keys", NODE_COVER);
	assert_kind(&plan, "/home/alice", NODE_OVERLAY_RW);
	free_plan(&recorded, &plan);
}

static void mounts_over_mounts(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("stacked", WHO_USER, NULL, &recorded, &plan);
	assert_string_equal(node_at(&plan, "/srv")->type, "xfs");
	assert_int_equal(node_at(&plan, "/srv")->inherit, INHERIT_NOEXEC);
	assert_none(&plan, "/srv/www");
	assert_kind(&plan, "/srv/mail", NODE_OVERLAY_RW);
	assert_none(&plan, "/data/deep/inner");
	assert_kind(&plan, "/opt", NODE_OVERLAY_RW);
	assert_string_equal(node_at(&plan, "/mnt/a/c")->type, "xfs");
	assert_string_equal(node_at(&plan, "/mnt/ab")->parent->path, "/");
	assert_string_equal(node_at(&plan, "/late/child")->parent->path, "/late");
	free_plan(&recorded, &plan);
}

static void a_read_only_root(void **state)
{
	struct recorded recorded;
	struct plan plan;

	(void)state;
	make_plan("kiosk", WHO_USER, NULL, &recorded, &plan);
	assert_kind(&plan, "/", NODE_OVERLAY_RO);
	assert_kind(&plan, "/home/kiosk", NODE_OVERLAY_RW);
	/* also where it is a mount, and has mounts of its own */
	assert_kind(&plan, "/run/privexec", NODE_COVER);
	assert_none(&plan, "/run/privexec/1000");
	free_plan(&recorded, &plan);
}

static void a_runtime_directory_that_is_no_mount(void **state)
{
	static char text[] =
		"10 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		"20 10 0:1 / /run rw - tmpfs run rw\n"
		"21 20 0:2 / /run/user/1000/doc rw - fuse.portal portal rw,user_id=1000\n";
	_cleanup_file_ FILE *stream = fmemopen(text, sizeof(text) - 1, "r");
	struct plan_facts facts = {
		.user_namespaces = true, .uid = 1000, .proc_sys = true, .probes = &recorded_probes
	};
	const struct request request = { 0 };
	struct configuration configuration;
	struct problem problem = { 0 };
	struct mount_table mounts;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	assert_int_equal(mount_table_read(stream, "table", &mounts, &problem), 0);
	for (size_t i = 0; i < mounts.count; i++)
		mounts.entries[i].facts.directory = true;
	assert_int_equal(plan_make(&request, &configuration, &mounts, &facts, &plan, &problem), 0);
	assert_none(&plan, "/run/user/1000");
	assert_kind(&plan, "/run/user/1000/doc", NODE_OVERLAY_RW);
	plan_free(&plan);
	/* where it is there, it is the session's own, and empty */
	facts.runtime = true;
	assert_int_equal(plan_make(&request, &configuration, &mounts, &facts, &plan, &problem), 0);
	assert_sound(&plan);
	assert_kind(&plan, "/run/user/1000", NODE_FRESH);
	assert_string_equal(node_at(&plan, "/run/user/1000")->parent->path, "/run");
	assert_none(&plan, "/run/user/1000/doc");
	plan_free(&plan);
	mount_table_free(&mounts);
	configuration_free(&configuration);
}

static void every_plan_of_every_machine_is_sound(void **state)
{
	static const char *const names[] = { "automount", "btrfs",    "cgroup1", "chroot-builder",
					     "docker",	  "kiosk",    "laptop",	 "luks",
					     "names",	  "nfs-home", "nixos",	 "podman-rootless",
					     "server",	  "sshfs",    "stacked", "usb-stick",
					     "wsl",	  "zfs" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (int who = WHO_USER; who <= WHO_ROOTLESS; who++) {
			struct recorded recorded;
			struct plan plan;

			make_plan(names[i], (enum who)who, NULL, &recorded, &plan);
			assert_kind(&plan, "/proc", NODE_FRESH);
			free_plan(&recorded, &plan);
		}
}

/* --- JSON --- */

static const char *text_of(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key));
}

static void json_says_the_same_as_the_plan(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct json_object *object, *nodes;
	struct recorded recorded;
	struct plan plan;
	size_t size = 0, count = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	make_plan("names", WHO_USER, NULL, &recorded, &plan);
	snprintf(plan.swap, sizeof(plan.swap), "never (no swap active)");
	plan.size_granted = 1 << 20;
	assert_int_equal(plan_print_json(&plan, stream), 0);
	fclose(stream);
	assert_int_equal(text[size - 1], '\n');
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	object = json_tokener_parse(text);
	assert_non_null(object);
	assert_int_equal(json_object_get_int(json_object_object_get(object, "v")), 1);
	assert_string_equal(text_of(object, "store"), "memory");
	assert_string_equal(text_of(object, "closing"), "identity");
	assert_string_equal(text_of(object, "swap"), "never (no swap active)");
	assert_int_equal(json_object_get_int(json_object_object_get(object, "size")), 1 << 20);
	nodes = json_object_object_get(object, "nodes");
	plan_for_each_node (node, &plan) {
		struct json_object *printed = json_object_array_get_idx(nodes, count++);

		assert_string_equal(text_of(printed, "kind"), node_kind_word(node->kind));
		/* bytes that are no characters cannot be said in JSON */
		if (strcmp(node->path, "/mnt/latin-\xe9") == 0)
			assert_string_equal(text_of(printed, "path"), "/mnt/latin-\xef\xbf\xbd");
		else
			assert_string_equal(text_of(printed, "path"), node->path);
		assert_string_equal(text_of(printed, "reason"), node->reason);
	}
	assert_int_equal(json_object_array_length(nodes), count);
	assert_int_equal(json_object_array_length(json_object_object_get(object, "exits")),
			 plan.exit_count);
	json_object_put(object);
	free_plan(&recorded, &plan);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_laptop),
		cmocka_unit_test(a_server),
		cmocka_unit_test(homes_behind_an_automounter),
		cmocka_unit_test(subvolumes_of_one_file_system),
		cmocka_unit_test(inside_a_docker_container),
		cmocka_unit_test(inside_a_podman_container),
		cmocka_unit_test(beside_windows),
		cmocka_unit_test(automounts_that_were_triggered),
		cmocka_unit_test(fuse_mounts_of_several_people),
		cmocka_unit_test(sticks_and_disks_of_other_systems),
		cmocka_unit_test(a_hardened_machine),
		cmocka_unit_test(a_chroot_with_the_hosts_proc_and_dev),
		cmocka_unit_test(a_store_bound_read_only),
		cmocka_unit_test(mounts_over_mounts),
		cmocka_unit_test(a_read_only_root),
		cmocka_unit_test(a_runtime_directory_that_is_no_mount),
		cmocka_unit_test(every_plan_of_every_machine_is_sound),
		cmocka_unit_test(json_says_the_same_as_the_plan),
	};

	if (argc < 2)
		return 2;
	machines = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
