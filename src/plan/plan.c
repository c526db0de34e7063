// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan/nodes.h"

#define RUNTIME_PATH_SIZE 32

/*
 * Every word of a `require` list: what this version cannot do for it, with what can be done
 * instead; or NULL where it holds, or is checked elsewhere. A word that is not here is refused.
 */
static const struct {
	unsigned bit;
	const char *unmet;
} requirements[] = {
	{ REQUIRE_KERNEL_KEY,
	  "the memory store, this version's only one, has no key; leave it out" },
	{ REQUIRE_METADATA_HIDDEN, NULL }, /* nothing of the memory store is on a disk */
	{ REQUIRE_RESERVABLE, NULL },	   /* what is promised in memory is there: budget_grant() */
	{ REQUIRE_NO_SWAP, NULL },	   /* no session starts without: swap_assure() */
	{ REQUIRE_ENCRYPTED_SWAP, "this version does not encrypt swap; require no-swap instead" },
	{ REQUIRE_CLOSED, NULL }, /* choose_requirements() */
	{ REQUIRE_PRIVATE_NETWORK, "this version has no private network; use --net=none" },
	{ REQUIRE_LABELS, "this version loads no labels; leave it out" },
	{ REQUIRE_NO_HIBERNATION,
	  "this version does not hinder hibernation; leave it out and mask hibernate.target" },
	{ REQUIRE_NO_ACCOUNTING,
	  "this version does not look for accounting; leave it out and run: accton off" },
	{ REQUIRE_RAM_SCRUB,
	  "this version does not scrub memory; leave it out and boot with init_on_free=1" },
};

static int refuse_requirement(const struct planning *planning, unsigned bit, const char *reason)
{
	bool said = planning->request->require & bit;

	return problem_set(planning->problem, EOPNOTSUPP, "%s%s%s cannot be met: %s",
			   said ? "--require=" : "'require = ", choice_word(choices_require, bit),
			   said ? "" : "' of privexec.conf", reason);
}

static int choose_store(const struct planning *planning)
{
	enum store_choice store = planning->request->store;

	if (store == STORE_UNSAID)
		store = planning->configuration->store;
	if (store == STORE_DM_CRYPT || store == STORE_FSCRYPT)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "this version has no %s store; use --store=memory",
				   choice_word(choices_store, store));
	planning->plan->store = STORE_MEMORY;
	return 0;
}

static int choose_size(const struct planning *planning)
{
	uint64_t size = planning->request->size, most = planning->configuration->size_max;
	char asked[32], allowed[32];

	if (most && size > most)
		return problem_set(
			planning->problem, EINVAL,
			"--size=%llu (%s) is more than size_max of privexec.conf allows; "
			"ask for at most %llu (%s)",
			(unsigned long long)size, choice_print_size(size, asked, sizeof(asked)),
			(unsigned long long)most,
			choice_print_size(most, allowed, sizeof(allowed)));
	if (size == 0)
		size = planning->configuration->size;
	if (most && size > most)
		size = most;
	planning->plan->size = size;
	return 0;
}

static int choose_network(const struct planning *planning)
{
	enum network_choice network = planning->request->network;

	if (network == NETWORK_UNSAID)
		network = planning->configuration->network;
	if (network == NETWORK_PRIVATE)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "this version has no private network yet; use --net=none or "
				   "--net=host");
	planning->plan->network = network == NETWORK_NONE ? NETWORK_NONE : NETWORK_HOST;
	return 0;
}

/* Whether the session is closed depends on the machine and on whose it is. */
static int choose_closing(const struct planning *planning)
{
	const struct plan_facts *facts = planning->facts;
	const struct mount_table *mounts = planning->mounts;

	if (facts->authority == AUTHORITY_USER_NAMESPACE && !facts->user_namespaces)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "privexec has no privilege and this machine allows no user "
				   "namespaces; install privexec, so that its keeper has "
				   "capabilities");
	planning->plan->closing = CLOSING_NONE;
	/* the user owns a namespace made without privilege: it closes nothing against him */
	if (!facts->user_namespaces || facts->authority == AUTHORITY_USER_NAMESPACE)
		return 0;
	planning->plan->closing = CLOSING_IDENTITY;
	if (facts->uid != 0)
		return 0;
	for (size_t i = 0; i < mounts->count; i++)
		if (strcmp(mounts->entries[i].target, "/") == 0 &&
		    mounts->entries[i].facts.idmappable)
			planning->plan->closing = CLOSING_SHIFTED;
	return 0;
}

static int choose_requirements(const struct planning *planning)
{
	struct plan *plan = planning->plan;
	unsigned known = 0;

	plan->require = planning->request->require | planning->configuration->require;
	for (size_t i = 0; i < sizeof(requirements) / sizeof(*requirements); i++) {
		if ((plan->require & requirements[i].bit) && requirements[i].unmet)
			return refuse_requirement(planning, requirements[i].bit,
						  requirements[i].unmet);
		known |= requirements[i].bit;
	}
	if (plan->require & ~known)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "a requirement is not known to this version; leave it out");
	if (!(plan->require & REQUIRE_CLOSED))
		return 0;
	if (plan->authority == AUTHORITY_USER_NAMESPACE)
		return refuse_requirement(planning, REQUIRE_CLOSED,
					  "a session made without privilege is open to the same "
					  "user's programs; install privexec");
	if (plan->closing == CLOSING_NONE)
		return refuse_requirement(planning, REQUIRE_CLOSED,
					  "user namespaces are switched off on this machine; see "
					  "user.max_user_namespaces in sysctl(8)");
	if (plan->network != NETWORK_NONE)
		return refuse_requirement(
			planning, REQUIRE_CLOSED,
			"the host's network is not guarded; --net=none closes it");
	return 0;
}

static int choose(const struct planning *planning)
{
	const struct request *request = planning->request;
	const struct configuration *configuration = planning->configuration;
	struct plan *plan = planning->plan;
	int r;

	plan->authority = planning->facts->authority;
	plan->end = request->end != END_UNSAID ? request->end : configuration->end;
	if (plan->end == END_UNSAID)
		plan->end = END_COMMAND;
	plan->debug = request->debug || configuration->debug;
	/* the configuration's list says what may be opened, once something can be */
	if (request->relax_said && request->relax)
		return problem_set(
			planning->problem, EOPNOTSUPP,
			"this version opens no display or sound exits yet; leave --relax "
			"out");
	r = choose_store(planning);
	if (r == 0)
		r = choose_size(planning);
	if (r == 0)
		r = choose_network(planning);
	if (r == 0)
		r = choose_closing(planning);
	if (r == 0)
		r = choose_requirements(planning);
	return r;
}

static const struct mount_entry *find_mount(const struct mount_table *mounts, const char *path)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (strcmp(mounts->entries[i].target, path) == 0)
			return &mounts->entries[i];
	return NULL;
}

/* Every line of @list must name a mount, but for the instances that a session always has. */
static int check_mounted(const struct planning *planning, const struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mount_line *line = &list->lines[i];

		if (fresh_of_path(line->path) == FRESH_NOT &&
		    !find_mount(planning->mounts, line->path))
			return problem_set(
				planning->problem, ENOENT,
				"%s:%u: nothing is mounted on %.150s, or something else lies "
				"over it; mount it or remove the line",
				list->file, line->line, line->path);
	}
	return 0;
}

static const struct mount_entry *check_root(const struct planning *planning)
{
	const struct mount_entry *root = find_mount(planning->mounts, "/");
	const struct mount_line *line = mount_list_find(&planning->configuration->sys_mounts, "/");

	if (!root)
		problem_set(
			planning->problem, ENOENT,
			"no mount on / can be seen, as in a chroot; run privexec outside of it, or "
			"bind the directory to itself (mount --bind) before chroot");
	else if (line)
		problem_set(
			planning->problem, EINVAL,
			"sys_mounts.conf:%u: / cannot be passed through, nothing would be private; "
			"remove the line",
			line->line);
	else
		return root;
	return NULL;
}

static int add_root(const struct planning *planning, const struct mount_entry *root)
{
	struct plan_node node;
	int r = node_of_mount(planning, root, &node);

	if (r < 0)
		return r;
	if (node.kind != NODE_OVERLAY_RW && node.kind != NODE_OVERLAY_RO)
		return problem_set(
			planning->problem, EOPNOTSUPP,
			"/ is a %.31s that cannot be an overlay (%s); privexec needs a root "
			"file system such as ext4, xfs, btrfs or tmpfs",
			root->type, node.reason);
	return tree_add(planning->plan, &node, "/", planning->problem) ? 0 : -ENOMEM;
}

static int add_fresh(const struct planning *planning)
{
	for (size_t i = 0; fresh_paths[i]; i++) {
		struct plan_node node;

		node_of_fresh(planning, fresh_paths[i], &node);
		if (!tree_add(planning->plan, &node, fresh_paths[i], planning->problem))
			return -ENOMEM;
	}
	return 0;
}

/*
 * What uid 0 alone, without any capability, could write to in /proc. Where root's session cannot
 * have another uid these are sealed, at a price: nothing may be mounted over files in /proc for a
 * nested sandbox to mount its own.
 */
static const char *const writable_by_root[] = {
	"/proc/sys",	       "/proc/sysrq-trigger", "/proc/irq",
	"/proc/bus",	       "/proc/acpi",	      "/proc/fs",
	"/proc/scsi",	       "/proc/driver",	      "/proc/tty",
	"/proc/mtrr",	       "/proc/asound",	      "/proc/dynamic_debug",
	"/proc/latency_stats", "/proc/slabinfo",
};

static int add_sealed(const struct planning *planning)
{
	const size_t count = sizeof(writable_by_root) / sizeof(*writable_by_root);

	if (planning->facts->uid != 0 || planning->plan->closing == CLOSING_SHIFTED)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct plan_node node = { .directory = true, .inherit = INHERIT_READ_ONLY };

		node_decide(&node, NODE_FRESH,
			    "the session's own, read-only: root could change the machine by it, "
			    "and / cannot be idmapped to give root another uid");
		node.fresh = FRESH_SEALED;
		if (!tree_add(planning->plan, &node, writable_by_root[i], planning->problem))
			return -ENOMEM;
	}
	return 0;
}

/* The runtime directory of the session's user. @buffer is returned. */
static const char *runtime_path(const struct planning *planning, char buffer[RUNTIME_PATH_SIZE])
{
	snprintf(buffer, RUNTIME_PATH_SIZE, "/run/user/%u", planning->facts->uid);
	return buffer;
}

static int add_mount(const struct planning *planning, const struct mount_entry *mount)
{
	const struct plan_node *above = tree_find(planning->plan, mount->target);
	char runtime[RUNTIME_PATH_SIZE];
	struct plan_node node;
	int r;

	/* the root and the instances of the session's own are there already */
	if (strcmp(above->path, mount->target) == 0)
		return 0;
	if (path_is_below(mount->target, STATE_DIRECTORY))
		return node_check_hidden(planning, mount, STATE_DIRECTORY, "always covered");
	/* where the runtime directory is no mount, its node comes after all mounts */
	if (planning->facts->runtime &&
	    path_is_below(mount->target, runtime_path(planning, runtime)) &&
	    !find_mount(planning->mounts, runtime))
		return node_check_hidden(planning, mount, runtime, "the session's own");
	if (node_hides(above))
		return node_check_hidden(planning, mount, above->path,
					 above->kind == NODE_FRESH ? "the session's own"
								   : "covered");
	r = node_of_mount(planning, mount, &node);
	if (r < 0)
		return r;
	return tree_add(planning->plan, &node, mount->target, planning->problem) ? 0 : -ENOMEM;
}

static int add_state(const struct planning *planning)
{
	struct plan_node node;

	if (node_hides(tree_find(planning->plan, STATE_DIRECTORY)))
		return 0;
	node_of_state(&node);
	return tree_add(planning->plan, &node, STATE_DIRECTORY, planning->problem) ? 0 : -ENOMEM;
}

/* The runtime directory where it is no mount: its sockets and files are the user's other programs'.
 */
static int add_runtime(const struct planning *planning)
{
	char path[RUNTIME_PATH_SIZE];
	const struct plan_node *above = tree_find(planning->plan, runtime_path(planning, path));
	struct plan_node node;

	if (!planning->facts->runtime || node_hides(above) || strcmp(above->path, path) == 0)
		return 0;
	node_of_fresh(planning, path, &node);
	return tree_add(planning->plan, &node, path, planning->problem) ? 0 : -ENOMEM;
}

/*
 * A tree that is proven to be root's, without sockets, FIFOs and entries that others can write, can
 * be shown as it is, read-only, at the host's own speed. Root himself could write it: he gets his
 * overlay.
 */
static int add_proven(const struct planning *planning, const char *path)
{
	struct plan_node *above = tree_find(planning->plan, path);
	struct plan_node node = {
		.directory = true,
		.inherit = above->inherit | INHERIT_READ_ONLY,
	};

	if (planning->facts->uid == 0 || strcmp(path, "/") == 0 ||
	    mount_list_find(&planning->configuration->usr_mounts, path))
		return 0;
	if (above->kind != NODE_OVERLAY_RW && above->kind != NODE_OVERLAY_RO &&
	    above->kind != NODE_BIND_RO)
		return 0;
	memcpy(node.type, above->type, sizeof(node.type));
	node_decide(
		&node, NODE_BIND_RO,
		"proven to be root's, without sockets, FIFOs and entries that others can write");
	if (strcmp(above->path, path) != 0)
		return tree_add(planning->plan, &node, path, planning->problem) ? 0 : -ENOMEM;
	if (above->directory) {
		above->inherit = node.inherit;
		node_decide(above, NODE_BIND_RO, "%s", node.reason);
	}
	return 0;
}

static int make_tree(const struct planning *planning)
{
	const struct mount_table *mounts = planning->mounts;
	const struct mount_entry *root = check_root(planning);
	const char *const *proven = planning->facts->proven;
	int r;

	if (!root)
		return -EOPNOTSUPP;
	if (planning->facts->authority == AUTHORITY_USER_NAMESPACE)
		return rootless_tree(planning);
	r = add_root(planning, root);
	if (r == 0)
		r = add_fresh(planning);
	if (r == 0)
		r = add_sealed(planning);
	for (size_t i = 0; i < mounts->count && r == 0; i++)
		r = add_mount(planning, &mounts->entries[i]);
	if (r == 0)
		r = add_state(planning);
	if (r == 0)
		r = add_runtime(planning);
	for (; proven && *proven && r == 0; proven++)
		r = add_proven(planning, *proven);
	return r;
}

int plan_make(const struct request *request, const struct configuration *configuration,
	      const struct mount_table *mounts, const struct plan_facts *facts,
	      struct plan *ret_plan, struct problem *problem)
{
	const struct planning planning = {
		request, configuration, mounts, facts, ret_plan, problem,
	};
	int r;

	*ret_plan = (struct plan){ 0 };
	r = choose(&planning);
	if (r == 0)
		r = check_mounted(&planning, &configuration->usr_mounts);
	if (r == 0)
		r = check_mounted(&planning, &configuration->sys_mounts);
	if (r == 0)
		r = make_tree(&planning);
	if (r == 0)
		r = exits_name(&planning);
	return r;
}
