// SPDX-License-Identifier: GPL-2.0-or-later
/* What matters most in the plans of the recorded machines, and the choices that go into a plan. */
#include <errno.h>
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
#include "recorded.h"

static const char *machines;

static struct plan_node *node_at(const struct plan *plan, const char *path)
{
	plan_for_each_node (node, plan)
		if (strcmp(node->path, path) == 0)
			return node;
	return NULL;
}

static void assert_kind(const struct plan *plan, const char *path, enum node_kind kind)
{
	const struct plan_node *node = node_at(plan, path);

	if (!node)
		fail_msg("the plan has no node for %s", path);
	else if (node->kind != kind)
		fail_msg("%s is %s (%s) and not %s", path, node_kind_word(node->kind), node->reason,
			 node_kind_word(kind));
}

static void assert_none(const struct plan *plan, const char *path)
{
	const struct plan_node *node = node_at(plan, path);

	if (node)
		fail_msg("%s has a node: %s", path, node_kind_word(node->kind));
}

static void assert_reason(const struct plan *plan, const char *path, const char *words)
{
	const struct plan_node *node = node_at(plan, path);

	assert_non_null(node);
	if (!strstr(node->reason, words))
		fail_msg("'%s' is not in the reason of %s: %s", words, path, node->reason);
}

static bool has_exit(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->exit_count; i++)
		if (strcmp(plan->exits[i].name, name) == 0)
			return true;
	return false;
}

/* What every plan of a tree must be, whatever the machine. */
static void assert_sound(const struct plan *plan)
{
	static const char *const six[] = { "/proc",    "/sys",	   "/dev",
					   "/dev/pts", "/dev/shm", "/dev/mqueue" };

	assert_non_null(plan->root);
	assert_string_equal(plan->root->path, "/");
	plan_for_each_node (node, plan) {
		const struct plan_node *parent = node->parent;

		assert_true(node->reason[0] != '\0');
		assert_true((node->kind == NODE_FRESH) == (node->fresh != FRESH_NOT));
		for (const struct plan_node *child = node->first_child; child;
		     child = child->next) {
			assert_ptr_equal(child->parent, node);
			assert_true(path_is_below(child->path, node->path));
			/* siblings do not contain one another */
			for (const struct plan_node *other = child->next; other;
			     other = other->next)
				assert_false(path_is_below(other->path, child->path) ||
					     path_is_below(child->path, other->path));
		}
		if (parent && (parent->kind == NODE_COVER || parent->kind == NODE_FRESH))
			assert_true(parent->fresh == FRESH_DEV || parent->fresh == FRESH_PROC);
		if (node->kind != NODE_FRESH && node->kind != NODE_COVER)
			assert_false(path_is_below(node->path, "/proc") ||
				     path_is_below(node->path, "/sys") ||
				     path_is_below(node->path, "/dev"));
	}
	for (size_t i = 0; i < sizeof(six) / sizeof(*six); i++)
		assert_non_null(node_at(plan, six[i]));
}

/* The plan of the machine @name. *ret_recorded must live as long. */
static void make_plan(const char *name, enum who who, const struct configuration *configuration,
		      struct recorded *ret_recorded, struct plan *ret_plan)
{
	struct problem problem = { 0 };

	recorded_load(machines, name, ret_recorded);
	if (recorded_plan(ret_recorded, who, configuration, NULL, ret_plan, &problem) < 0)
		fail_msg("%s: %s", name, problem.text);
	assert_sound(ret_plan);
}

static void free_plan(struct recorded *recorded, struct plan *plan)
{
	plan_free(plan);
	recorded_free(recorded);
}

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

/* --- the configuration's lists --- */

static void list_add(struct mount_list *list, const char *path, unsigned line)
{
	list->lines = reallocarray(list->lines, list->count + 1, sizeof(*list->lines));
	assert_non_null(list->lines);
	list->lines[list->count++] = (struct mount_line){ .path = strdup(path), .line = line };
}

static void assert_refused(const char *name, enum who who,
			   const struct configuration *configuration, const struct request *request,
			   int error, const char *words)
{
	struct recorded recorded;
	struct problem problem = { 0 };
	struct plan plan;

	recorded_load(machines, name, &recorded);
	assert_int_equal(recorded_plan(&recorded, who, configuration, request, &plan, &problem),
			 -error);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	free_plan(&recorded, &plan);
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

/* --- choices --- */

static void the_request_decides_then_the_configuration(void **state)
{
	struct request request = { .end = END_LAST, .network = NETWORK_NONE, .size = 5 << 20 };
	struct problem problem = { 0 };
	struct configuration configuration;
	struct recorded recorded;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	configuration.size = 7 << 20;
	configuration.require = REQUIRE_NO_SWAP;
	configuration.debug = true;
	recorded_load(machines, "cgroup1", &recorded);
	request.require = REQUIRE_CLOSED;
	assert_int_equal(
		recorded_plan(&recorded, WHO_USER, &configuration, &request, &plan, &problem), 0);
	assert_int_equal(plan.store, STORE_MEMORY);
	assert_int_equal(plan.network, NETWORK_NONE);
	assert_int_equal(plan.end, END_LAST);
	assert_int_equal(plan.size, 5 << 20);
	assert_int_equal(plan.require, REQUIRE_NO_SWAP | REQUIRE_CLOSED);
	assert_true(plan.debug);
	assert_false(has_exit(&plan, "network"));
	plan_free(&plan);

	request = (struct request){ 0 };
	configuration.require = 0;
	configuration.end = END_LAST;
	assert_int_equal(
		recorded_plan(&recorded, WHO_USER, &configuration, &request, &plan, &problem), 0);
	assert_int_equal(plan.network, NETWORK_HOST);
	assert_true(has_exit(&plan, "network"));
	assert_int_equal(plan.end, END_LAST);
	assert_int_equal(plan.size, 7 << 20);
	plan_free(&plan);

	/* the configuration's own size gives way to its limit */
	configuration.size_max = 6 << 20;
	assert_int_equal(
		recorded_plan(&recorded, WHO_USER, &configuration, &request, &plan, &problem), 0);
	assert_int_equal(plan.size, 6 << 20);
	free_plan(&recorded, &plan);
	configuration_free(&configuration);
}

static void a_size_above_the_limit_is_refused(void **state)
{
	const struct request request = { .size = 9ULL << 30 };
	struct configuration configuration;

	(void)state;
	configuration_defaults(&configuration);
	configuration.size_max = 8ULL << 30;
	assert_refused("cgroup1", WHO_USER, &configuration, &request, EINVAL,
		       "ask for at most 8589934592 (8.0 GiB)");
	configuration_free(&configuration);
}

static void what_this_version_lacks_is_refused_with_its_cure(void **state)
{
	static const struct {
		struct request request;
		const char *words;
	} cases[] = {
		{ { .store = STORE_DM_CRYPT },
		  "no dm-crypt store can be had: the test has no dm-crypt; or use --store=memory" },
		{ { .store = STORE_FSCRYPT },
		  "no fscrypt store can be had: the test has no fscrypt; or use --store=memory" },
		{ { .network = NETWORK_PRIVATE },
		  "no private network yet; use --net=none or --net=host" },
		{ { .relax_said = true, .relax = RELAX_X11 },
		  "opens no display or sound exits yet" },
		{ { .require = REQUIRE_KERNEL_KEY }, "--require=kernel-key cannot be met" },
		{ { .require = REQUIRE_ENCRYPTED_SWAP }, "--require=encrypted-swap" },
		{ { .require = REQUIRE_PRIVATE_NETWORK }, "--require=private-network" },
		{ { .require = REQUIRE_LABELS }, "--require=labels" },
		{ { .require = REQUIRE_NO_HIBERNATION }, "--require=no-hibernation" },
		{ { .require = REQUIRE_NO_ACCOUNTING }, "--require=no-accounting" },
		{ { .require = REQUIRE_RAM_SCRUB }, "--require=ram-scrub" },
		{ { .require = REQUIRE_CLOSED, .network = NETWORK_HOST }, "--net=none closes it" },
		{ { .require = REQUIRE_CLOSED }, "--net=none closes it" },
	};
	struct configuration configuration;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_refused("cgroup1", WHO_USER, NULL, &cases[i].request, EOPNOTSUPP,
			       cases[i].words);
	/* a word that nobody thought of when it was added is refused, not taken as met */
	{
		const struct request unknown = { .require = 1U << 30 };

		assert_refused("cgroup1", WHO_USER, NULL, &unknown, EOPNOTSUPP, "is not known");
	}
	configuration_defaults(&configuration);
	configuration.require = REQUIRE_LABELS;
	assert_refused("cgroup1", WHO_USER, &configuration, NULL, EOPNOTSUPP,
		       "'require = labels' of privexec.conf cannot be met");
	configuration_free(&configuration);
}

static void what_the_memory_store_gives_can_be_required(void **state)
{
	const struct request request = {
		.network = NETWORK_NONE,
		.require = REQUIRE_METADATA_HIDDEN | REQUIRE_RESERVABLE | REQUIRE_NO_SWAP |
			   REQUIRE_CLOSED,
		.relax_said = true,
	};
	struct problem problem = { 0 };
	struct recorded recorded;
	struct plan plan;

	(void)state;
	recorded_load(machines, "cgroup1", &recorded);
	assert_int_equal(recorded_plan(&recorded, WHO_USER, NULL, &request, &plan, &problem), 0);
	free_plan(&recorded, &plan);
	assert_refused("cgroup1", WHO_ROOTLESS, NULL, &request, EOPNOTSUPP,
		       "open to the same user's programs");
}

static void without_user_namespaces_a_session_is_open(void **state)
{
	struct plan_facts facts = { .uid = 1000, .proc_sys = true, .probes = &recorded_probes };
	struct request request = { .network = NETWORK_NONE };
	struct configuration configuration;
	struct problem problem = { 0 };
	struct recorded recorded;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	recorded_load(machines, "cgroup1", &recorded);
	assert_int_equal(
		plan_make(&request, &configuration, &recorded.mounts, &facts, &plan, &problem), 0);
	assert_int_equal(plan.closing, CLOSING_NONE);
	plan_free(&plan);
	request.require = REQUIRE_CLOSED;
	assert_true(plan_make(&request, &configuration, &recorded.mounts, &facts, &plan, &problem) <
		    0);
	assert_non_null(strstr(problem.text, "user namespaces are switched off"));
	plan_free(&plan);
	/* and without privilege there is none */
	request.require = 0;
	facts.authority = AUTHORITY_USER_NAMESPACE;
	problem = (struct problem){ 0 };
	assert_true(plan_make(&request, &configuration, &recorded.mounts, &facts, &plan, &problem) <
		    0);
	assert_non_null(strstr(problem.text, "allows no user namespaces"));
	free_plan(&recorded, &plan);
	configuration_free(&configuration);
}

static void streams_are_exits_as_they_were_given(void **state)
{
	const struct request request = {
		.network = NETWORK_NONE,
		.streams = { STREAM_CLOSED, STREAM_PASSED, STREAM_TERMINAL },
	};
	struct problem problem = { 0 };
	struct recorded recorded;
	struct plan plan;

	(void)state;
	recorded_load(machines, "cgroup1", &recorded);
	assert_int_equal(recorded_plan(&recorded, WHO_USER, NULL, &request, &plan, &problem), 0);
	assert_false(has_exit(&plan, "standard input"));
	assert_true(has_exit(&plan, "standard output"));
	assert_false(has_exit(&plan, "standard error"));
	assert_true(has_exit(&plan, "terminal"));
	assert_true(has_exit(&plan, "names of public files read"));
	assert_true(has_exit(&plan, "/proc/PID/net"));
	free_plan(&recorded, &plan);
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
		cmocka_unit_test(a_mount_that_is_passed_through_is_a_named_exit),
		cmocka_unit_test(a_mount_that_cannot_be_passed_is_covered),
		cmocka_unit_test(without_auto_what_no_list_names_is_covered),
		cmocka_unit_test(a_listed_mount_that_cannot_be_private_is_refused),
		cmocka_unit_test(a_listed_tree_is_private_even_if_it_is_proven),
		cmocka_unit_test(a_listed_path_where_nothing_is_mounted_is_refused),
		cmocka_unit_test(the_root_is_never_passed_through),
		cmocka_unit_test(a_root_that_cannot_be_an_overlay_is_refused),
		cmocka_unit_test(a_chroot_to_a_plain_directory_is_refused),
		cmocka_unit_test(the_request_decides_then_the_configuration),
		cmocka_unit_test(a_size_above_the_limit_is_refused),
		cmocka_unit_test(what_this_version_lacks_is_refused_with_its_cure),
		cmocka_unit_test(what_the_memory_store_gives_can_be_required),
		cmocka_unit_test(without_user_namespaces_a_session_is_open),
		cmocka_unit_test(streams_are_exits_as_they_were_given),
		cmocka_unit_test(json_says_the_same_as_the_plan),
	};

	if (argc < 2)
		return 2;
	machines = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
