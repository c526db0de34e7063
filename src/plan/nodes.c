// SPDX-License-Identifier: GPL-2.0-or-later
/* What one of the host's mounts becomes in a session, and why. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "plan/nodes.h"

const char *const fresh_paths[] = {
	"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", NULL,
};

static const enum fresh_kind fresh_kinds[] = {
	FRESH_PROC, FRESH_SYS, FRESH_DEV, FRESH_DEVPTS, FRESH_SHM, FRESH_MQUEUE,
};

/* What lies in them is the kernel's or other programs' state, not files of anybody's. */
static const char *const pseudo_types[] = {
	"apparmorfs",  "bdev",	     "binder",	  "binfmt_misc", "bpf",	   "cgroup",   "cgroup2",
	"configfs",    "cpuset",     "debugfs",	  "devfs",	 "devpts", "devtmpfs", "efivarfs",
	"functionfs",  "fusectl",    "gadgetfs",  "hugetlbfs",	 "mqueue", "nfsd",     "nsfs",
	"ocfs2_dlmfs", "oprofilefs", "pidfs",	  "pipefs",	 "proc",   "pstore",   "resctrl",
	"rpc_pipefs",  "securityfs", "selinuxfs", "smackfs",	 "sockfs", "spufs",    "sysfs",
	"tracefs",     "usbfs",	     "usbdevfs",  "xenfs",	 NULL,
};

/* overlayfs takes no lower layer whose names are compared in a way of their own. */
static const char *const refused_types[] = {
	"adfs",	 "affs", "exfat", "hfs",    "hfsplus", "hpfs",
	"msdos", "ntfs", "ntfs3", "umsdos", "vfat",    NULL,
};

static bool is_among(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

const struct mount_line *mount_list_find(const struct mount_list *list, const char *path)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->lines[i].path, path) == 0)
			return &list->lines[i];
	return NULL;
}

enum fresh_kind fresh_of_path(const char *path)
{
	for (size_t i = 0; fresh_paths[i]; i++)
		if (strcmp(path, fresh_paths[i]) == 0)
			return fresh_kinds[i];
	return FRESH_NOT;
}

bool mounts_below(const struct mount_table *mounts, const char *path, bool real)
{
	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_entry *mount = &mounts->entries[i];

		if (strcmp(mount->target, path) != 0 && path_is_below(mount->target, path) &&
		    !(real && strcmp(mount->type, "autofs") == 0))
			return true;
	}
	return false;
}

void node_decide(struct plan_node *node, enum node_kind kind, const char *format, ...)
{
	va_list arguments;

	node->kind = kind;
	va_start(arguments, format);
	vsnprintf(node->reason, sizeof(node->reason), format, arguments);
	va_end(arguments);
	/* a type's name may be a user's ("fuse.anything"), and reasons go to terminals */
	for (char *c = node->reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* The user whose runtime directory @path is ("/run/user/1000"); false when it is none. */
static bool runtime_of(const char *path, uid_t *ret_uid)
{
	unsigned long long number = 0;

	if (!path_is_below(path, "/run/user") || strlen(path) < sizeof("/run/user/"))
		return false;
	for (path += strlen("/run/user/"); *path; path++) {
		if (*path < '0' || *path > '9' || number > UINT32_MAX)
			return false;
		number = number * 10 + (unsigned long long)(*path - '0');
	}
	*ret_uid = (uid_t)number;
	return number <= UINT32_MAX;
}

/* Is @entry mounted read-only, or its file system? */
static bool is_read_only(const struct mount_entry *entry)
{
	return mount_has_option(entry->options, "ro") || mount_has_option(entry->fs_options, "ro");
}

unsigned node_inherited(const struct mount_entry *mount)
{
	unsigned inherit = 0;

	/* an overlay takes over none of its lower mount's flags by itself */
	if (mount_has_option(mount->options, "noexec"))
		inherit |= INHERIT_NOEXEC;
	if (mount_has_option(mount->options, "nosymfollow"))
		inherit |= INHERIT_NOSYMFOLLOW;
	if (is_read_only(mount))
		inherit |= INHERIT_READ_ONLY;
	return inherit;
}

/*
 * Do the options of @entry show that all of it is root's and that nobody else can write there? For
 * file systems without owners and modes of their own.
 */
static bool options_prove_root(const struct mount_entry *entry)
{
	const char *options = entry->fs_options;
	unsigned uid = 0, files, directories;

	if (mount_has_option(options, "uid") &&
	    (!mount_option_number(options, "uid", &uid) || uid != 0))
		return false;
	if (mount_option_mask(options, "umask", &files))
		directories = files;
	else if (!mount_option_mask(options, "fmask", &files) ||
		 !mount_option_mask(options, "dmask", &directories))
		return false;
	return (files & 022) == 022 && (directories & 022) == 022;
}

/* A mount that cannot be opened has no facts: it is taken for a directory, as nearly all are. */
static bool is_directory(const struct mount_entry *mount)
{
	if (strcmp(mount->type, "autofs") == 0)
		return true;
	if (strcmp(mount->type, "nsfs") == 0)
		return false;
	return mount->facts.directory || mount->facts.reach != REACH_OK;
}

static const char *reach_words(enum mount_reach reach)
{
	switch (reach) {
	case REACH_OK:
		break;
	case REACH_DENIED:
		return "it is not open to this user";
	case REACH_HUNG:
		return "it does not answer";
	case REACH_FAILED:
		return "it cannot be opened";
	}
	return "it is open to this user";
}

bool node_is_runtime(const struct planning *planning, const char *path)
{
	uid_t uid;

	return runtime_of(path, &uid) && uid == planning->facts->uid;
}

void node_of_fresh(const struct planning *planning, const char *path, struct plan_node *ret_node)
{
	struct plan_node node = { .fresh = fresh_of_path(path), .directory = true };

	if (node.fresh == FRESH_NOT) {
		node.fresh = FRESH_RUNTIME;
		node_decide(&node, NODE_FRESH, "an empty runtime directory of the session's own");
	} else if (node.fresh == FRESH_SYS && !planning->facts->proc_sys) {
		node.fresh = FRESH_NOT;
		node_decide(&node, NODE_COVER, "no sysfs of the session's own can be mounted here");
	} else {
		node_decide(&node, NODE_FRESH,
			    "an instance of the session's own, never the host's");
	}
	*ret_node = node;
}

void node_of_state(struct plan_node *ret_node)
{
	*ret_node = (struct plan_node){ .directory = true };
	node_decide(ret_node, NODE_COVER,
		    "what privexec knows of sessions is hidden in all of them");
}

/* Lets through what sys_mounts.conf names. */
static void decide_passed(const struct planning *planning, const struct mount_entry *mount,
			  const struct mount_line *line, struct plan_node *node)
{
	if (mount->facts.reach != REACH_OK && strcmp(mount->type, "autofs") != 0)
		node_decide(node, NODE_COVER, "sys_mounts.conf:%u passes it through, but %s",
			    line->line, reach_words(mount->facts.reach));
	else if (planning->plan->closing == CLOSING_SHIFTED && !mount->facts.idmappable)
		node_decide(
			node, NODE_COVER,
			"sys_mounts.conf:%u passes it through, but its owners cannot be shifted "
			"for a session of root",
			line->line);
	else
		node_decide(node, NODE_PASS,
			    "the host's own, an exit: sys_mounts.conf:%u passes it through",
			    line->line);
}

/* Covers what must not be shown, whatever it could be made into. */
static bool decide_closed(const struct planning *planning, const struct mount_entry *mount,
			  struct plan_node *node)
{
	const struct configuration *configuration = planning->configuration;
	uid_t uid;

	if (runtime_of(mount->target, &uid)) {
		node_decide(node, NODE_COVER, "the runtime directory of user %u", uid);
		return true;
	}
	if (is_among(mount->type, pseudo_types)) {
		node_decide(node, NODE_COVER, "%.31s shows the host's own state", mount->type);
		return true;
	}
	/* opening an automounter would mount, so nothing is known of it, and nothing need be */
	if (strcmp(mount->type, "autofs") == 0) {
		if (mounts_below(planning->mounts, mount->target, true))
			node_decide(node, NODE_SKELETON,
				    "an automounter: never triggered, what is mounted on it stays");
		else
			node_decide(node, NODE_COVER, "an automounter: never triggered");
		return true;
	}
	if (mount_is_someones(mount, planning->facts->uid)) {
		node_decide(
			node, NODE_COVER,
			"another user's file system, whose server could keep the session waiting");
		return true;
	}
	if (!configuration->usr_mounts.automatic && !node->strict &&
	    strcmp(mount->target, "/") != 0) {
		node_decide(node, NODE_COVER,
			    "neither usr_mounts.conf nor sys_mounts.conf lists it");
		return true;
	}
	if (mount->facts.reach != REACH_OK) {
		node_decide(node, NODE_COVER, "%s", reach_words(mount->facts.reach));
		return true;
	}
	return false;
}

/* A file bound somewhere cannot be an overlay's lower layer. */
static void decide_file(const struct mount_entry *mount, struct plan_node *node)
{
	const struct mount_facts *facts = &mount->facts;

	if (S_ISREG(facts->mode) && facts->owner == 0 && !(facts->mode & (S_IWGRP | S_IWOTH)))
		node_decide(node, NODE_BIND_RO,
			    "a file is mounted here; root's, so it can be shown read-only");
	else if (S_ISREG(facts->mode))
		node_decide(node, NODE_COVER,
			    "a file is mounted here that others than root can write");
	else
		node_decide(node, NODE_COVER, "what is mounted here is no regular file");
}

static void decide_layer(const struct mount_entry *mount, struct plan_node *node)
{
	if (!node->directory)
		decide_file(mount, node);
	else if (!is_among(mount->type, refused_types) && (node->inherit & INHERIT_READ_ONLY))
		node_decide(node, NODE_OVERLAY_RO, "read-only on the host too");
	else if (!is_among(mount->type, refused_types))
		node_decide(node, NODE_OVERLAY_RW, "private: what is written goes to the store");
	else if (options_prove_root(mount))
		node_decide(node, NODE_BIND_RO,
			    "%.31s can be no layer of an overlay; root's, so it can be shown "
			    "read-only",
			    mount->type);
	else
		node_decide(
			node, NODE_COVER,
			"%.31s can be no layer of an overlay, and others than root can write it",
			mount->type);
}

/* In a session of root's, every host mount must be one whose owners can be shifted. */
static void decide_shifted(const struct mount_entry *mount, struct plan_node *node)
{
	if (mount->facts.idmappable || node->kind == NODE_COVER)
		return;
	if (node->kind == NODE_OVERLAY_RW && strcmp(mount->type, "tmpfs") == 0) {
		node->fresh = FRESH_EMPTY;
		node_decide(
			node, NODE_FRESH,
			"empty: this kernel cannot shift the owners of a tmpfs for a session of "
			"root");
	} else {
		node_decide(node, NODE_COVER,
			    "the owners of this %.31s cannot be shifted for a session of root",
			    mount->type);
	}
}

/* usr_mounts.conf names the mount: it is private, or there is no session. */
static int check_strict(const struct planning *planning, const struct mount_entry *mount,
			const struct plan_node *node)
{
	const struct mount_list *list = &planning->configuration->usr_mounts;
	const struct mount_line *line = mount_list_find(list, mount->target);

	/* the root has no other choice, and an error of its own */
	if (!line || node->kind == NODE_OVERLAY_RW || node->kind == NODE_OVERLAY_RO ||
	    strcmp(mount->target, "/") == 0)
		return 0;
	return problem_set(
		planning->problem, EOPNOTSUPP,
		"%s:%u: %.100s cannot be an overlay (%s); remove the line, then it is %s",
		list->file, line->line, mount->target, node->reason,
		list->automatic ? "made what it can be" : "covered");
}

int node_of_mount(const struct planning *planning, const struct mount_entry *mount,
		  struct plan_node *ret_node)
{
	const struct configuration *configuration = planning->configuration;
	const struct mount_line *passed =
		mount_list_find(&configuration->sys_mounts, mount->target);
	struct plan_node node = {
		.directory = is_directory(mount),
		.strict = mount_list_find(&configuration->usr_mounts, mount->target) != NULL,
		.inherit = node_inherited(mount),
	};

	if (fresh_of_path(mount->target) != FRESH_NOT ||
	    (!passed && node_is_runtime(planning, mount->target))) {
		node_of_fresh(planning, mount->target, ret_node);
		return 0;
	}
	snprintf(node.type, sizeof(node.type), "%.31s", mount->type);
	if (passed) {
		decide_passed(planning, mount, passed, &node);
	} else if (!decide_closed(planning, mount, &node)) {
		decide_layer(mount, &node);
		if (planning->plan->closing == CLOSING_SHIFTED)
			decide_shifted(mount, &node);
	}
	*ret_node = node;
	return passed ? 0 : check_strict(planning, mount, &node);
}

int node_check_hidden(const struct planning *planning, const struct mount_entry *mount,
		      const char *above, const char *why)
{
	const struct mount_list *list = &planning->configuration->usr_mounts;
	const struct mount_line *line = mount_list_find(list, mount->target);

	if (!line) {
		list = &planning->configuration->sys_mounts;
		line = mount_list_find(list, mount->target);
	}
	if (!line || fresh_of_path(mount->target) != FRESH_NOT)
		return 0;
	return problem_set(planning->problem, EOPNOTSUPP,
			   "%s:%u: %.100s has no place in a session, since %.100s above it is %s; "
			   "remove the line",
			   list->file, line->line, mount->target, above, why);
}
