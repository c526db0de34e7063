// SPDX-License-Identifier: GPL-2.0-or-later
/* What the request, the configuration and the machine come to: store, size, network, closing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan/nodes.h"
#include "probe/probe.h"

/* A session asks the host for no less, with what its file system takes itself. */
#define DISK_ROOM_LEAST (256ULL << 20)

/* Without --size: what fits the largest template that is mounted in a millisecond. */
#define DISK_DEFAULT_MOST (31ULL << 30)

/*
 * Every word of a `require` list: what the machine must be able to do for it (PROBE_WORDS: nothing
 * that is probed), or why this version cannot meet it, with what can be done instead; neither: it
 * holds, or is checked elsewhere. A word that is not here is refused.
 */
static const struct {
	unsigned bit;
	enum probe_word probe;
	const char *unmet;
} requirements[] = {
	{ REQUIRE_KERNEL_KEY, PROBE_WORDS, NULL }, /* choose_store() */
	/* nothing of the memory store is on a disk, and the others encrypt whole file systems */
	{ REQUIRE_METADATA_HIDDEN, PROBE_WORDS, NULL },
	/* what is promised in memory is there: budget_grant(); on disk: PROBE_DISK */
	{ REQUIRE_RESERVABLE, PROBE_WORDS, NULL },
	{ REQUIRE_NO_SWAP, PROBE_WORDS, NULL }, /* no session starts without: swap_assure() */
	{ REQUIRE_ENCRYPTED_SWAP, PROBE_WORDS,
	  "this version does not encrypt swap; require no-swap instead" },
	{ REQUIRE_CLOSED, PROBE_WORDS, NULL },		/* choose_requirements() */
	{ REQUIRE_PRIVATE_NETWORK, PROBE_WORDS, NULL }, /* choose_requirements() */
	{ REQUIRE_LABELS, PROBE_WORDS, "this version loads no labels; leave it out" },
	{ REQUIRE_NO_HIBERNATION, PROBE_NO_HIBERNATION, NULL },
	{ REQUIRE_NO_ACCOUNTING, PROBE_WORDS,
	  "this version does not look for accounting; leave it out and run: accton off" },
	{ REQUIRE_RAM_SCRUB, PROBE_RAM_SCRUB, NULL },
};

static int refuse_requirement(const struct planning *planning, unsigned bit, const char *reason)
{
	bool said = planning->request->require & bit;

	return problem_set(planning->problem, EOPNOTSUPP, "%s%s%s cannot be met: %s",
			   said ? "--require=" : "'require = ", choice_word(choices_require, bit),
			   said ? "" : "' of privexec.conf", reason);
}

static const char *why_not(const struct planning *planning, enum probe_word word)
{
	const struct probe *probe = &planning->facts->probes->words[word];

	return probe->met ? NULL : probe->reason;
}

/* Why a session cannot have a store of @kind, or NULL. */
static const char *why_no_store(const struct planning *planning, enum store_choice kind)
{
	const char *reason = NULL;

	if (kind != STORE_MEMORY && planning->facts->authority == AUTHORITY_USER_NAMESPACE)
		return "without privilege there is only the memory store; install privexec";
	if (kind == STORE_DM_CRYPT)
		reason = why_not(planning, PROBE_DM_CRYPT);
	else if (kind == STORE_FSCRYPT)
		reason = why_not(planning, PROBE_FSCRYPT);
	if (!reason && kind != STORE_MEMORY)
		reason = why_not(planning, PROBE_DISK);
	return reason;
}

/* The first of the stores on disk that can be had, else memory; with the reason. */
static enum store_choice first_store(const struct planning *planning)
{
	const struct plan_facts *facts = planning->facts;
	const char *no_mapper = why_no_store(planning, STORE_DM_CRYPT);
	const char *no_fscrypt = why_no_store(planning, STORE_FSCRYPT);
	uint64_t size =
		planning->plan->size ? planning->plan->size : planning->configuration->size_max;
	enum store_choice store = STORE_MEMORY;
	const char *reason = no_fscrypt;

	if (size && size < STORE_DISK_LEAST)
		reason = "so small a store can only be in memory";
	else if (!why_not(planning, PROBE_DISK) && facts->probes->disk_free < DISK_ROOM_LEAST)
		reason = "there is no room for one on disk";
	else if (!no_mapper)
		store = STORE_DM_CRYPT;
	else if (!no_fscrypt)
		store = STORE_FSCRYPT;
	if (store != STORE_DM_CRYPT)
		snprintf(planning->plan->store_reason, sizeof(planning->plan->store_reason),
			 "%.159s", store == STORE_FSCRYPT ? no_mapper : reason);
	return store;
}

static int choose_store(const struct planning *planning)
{
	enum store_choice store = planning->request->store;
	struct plan *plan = planning->plan;
	bool kernel_key = plan->require & REQUIRE_KERNEL_KEY;
	const char *reason;

	if (store == STORE_UNSAID)
		store = planning->configuration->store;
	if (store != STORE_DM_CRYPT && store != STORE_FSCRYPT && store != STORE_MEMORY)
		store = kernel_key ? STORE_DM_CRYPT : first_store(planning);
	reason = why_no_store(planning, store);
	if (kernel_key && (reason || store != STORE_DM_CRYPT))
		return refuse_requirement(planning, REQUIRE_KERNEL_KEY,
					  reason ? reason
						 : "only the dm-crypt store has one; use "
						   "--store=dm-crypt or leave it out");
	if (reason)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "no %s store can be had: %s; or use --store=memory",
				   choice_word(choices_store, store), reason);
	plan->store = store;
	return 0;
}

/*
 * What a store on disk may grow to: what was asked for, else half of what is free, but no more than
 * what can be set up quickly.
 */
static int grant_disk(const struct planning *planning)
{
	struct plan *plan = planning->plan;
	uint64_t available = planning->facts->probes->disk_free, size = plan->size;
	uint64_t most = planning->configuration->size_max;

	if (plan->store == STORE_MEMORY)
		return 0;
	if ((size && size < STORE_DISK_LEAST) || (most && most < STORE_DISK_LEAST))
		return problem_set(planning->problem, EINVAL,
				   "a store on disk cannot be made in %llu bytes; %s",
				   (unsigned long long)(size ? size : most),
				   !size ? "size_max of privexec.conf allows only --store=memory"
				   : plan->require & REQUIRE_KERNEL_KEY
					   ? "ask for --size=16M or more"
					   : "ask for --size=16M or more, or use --store=memory");
	if (!size) {
		size = available / 2 < DISK_DEFAULT_MOST ? available / 2 : DISK_DEFAULT_MOST;
		if (most && size > most)
			size = most;
	} else if (size > available) {
		size = available;
		plan->granted_less = true;
	}
	if (size < STORE_DISK_LEAST)
		size = STORE_DISK_LEAST;
	plan->size_granted = size / STORE_DISK_STEP * STORE_DISK_STEP;
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

/* Its reasons begin with what fits into a session's first line, up to a semicolon. */
static const char *why_no_private_network(const struct planning *planning)
{
	if (planning->facts->authority == AUTHORITY_USER_NAMESPACE)
		return "not without privilege; install privexec";
	if (!planning->facts->user_namespaces)
		return "user namespaces are switched off; see user.max_user_namespaces in "
		       "sysctl(8)";
	return why_not(planning, PROBE_NETWORK);
}

static const char *why_no_guard(const struct planning *planning)
{
	if (planning->facts->authority == AUTHORITY_USER_NAMESPACE)
		return "not without privilege; install privexec";
	return why_not(planning, PROBE_GUARD);
}

/* "host (guarded: REASON)": why it is not private, else why it is not guarded. */
static void say_network(const struct planning *planning)
{
	struct plan *plan = planning->plan;
	const char *unguarded = why_no_guard(planning), *reason = plan->network_reason;

	plan->guarded = plan->network == NETWORK_HOST && !unguarded;
	if (!reason[0] && unguarded)
		reason = unguarded;
	if (plan->network != NETWORK_HOST)
		snprintf(plan->network_words, sizeof(plan->network_words), "%s",
			 choice_word(choices_network, plan->network));
	else
		snprintf(plan->network_words, sizeof(plan->network_words), "host (%s%s%.*s)",
			 plan->guarded ? "guarded" : "unguarded", reason[0] ? ": " : "",
			 (int)strcspn(reason, ";"), reason);
}

static int choose_network(const struct planning *planning)
{
	enum network_choice network = planning->request->network;
	struct plan *plan = planning->plan;
	const char *reason = why_no_private_network(planning);

	if (network == NETWORK_UNSAID)
		network = planning->configuration->network;
	if (network == NETWORK_PRIVATE && reason)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "no private network can be had: %s; or use --net=none or "
				   "--net=host",
				   reason);
	if (network == NETWORK_NONE || network == NETWORK_HOST || network == NETWORK_PRIVATE) {
		plan->network = network;
	} else {
		plan->network = reason ? NETWORK_HOST : NETWORK_PRIVATE;
		snprintf(plan->network_reason, sizeof(plan->network_reason), "%.159s",
			 reason ? reason : "");
	}
	say_network(planning);
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

	for (size_t i = 0; i < sizeof(requirements) / sizeof(*requirements); i++) {
		const char *unmet = requirements[i].unmet;

		if (!unmet && requirements[i].probe < PROBE_WORDS)
			unmet = why_not(planning, requirements[i].probe);
		if ((plan->require & requirements[i].bit) && unmet)
			return refuse_requirement(planning, requirements[i].bit, unmet);
		known |= requirements[i].bit;
	}
	if (plan->require & ~known)
		return problem_set(planning->problem, EOPNOTSUPP,
				   "a requirement is not known to this version; leave it out");
	/* none at all is the session's own as well */
	if ((plan->require & REQUIRE_PRIVATE_NETWORK) && plan->network == NETWORK_HOST)
		return refuse_requirement(planning, REQUIRE_PRIVATE_NETWORK,
					  plan->network_reason[0]
						  ? plan->network_reason
						  : "the network is the host's; use --net=private");
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
	if (exits_core_dumps(planning))
		return refuse_requirement(
			planning, REQUIRE_CLOSED,
			"core dumps can be had of its processes; a pattern that "
			"names a file keeps them in (sysctl kernel.core_pattern=core)");
	/* Landlock's scope, where the kernel has it, closes one direction only */
	if (plan->network == NETWORK_HOST)
		return refuse_requirement(
			planning, REQUIRE_CLOSED,
			plan->guarded
				? "with the host's network the session's abstract Unix sockets are "
				  "open to this machine; --net=private or --net=none closes them"
			: plan->network_reason[0]
				? "the host's network is not guarded, and there is no private one; "
				  "--net=none closes it, --net=private says what is missing"
				: "the host's network is not guarded; --net=private or --net=none "
				  "closes it");
	return 0;
}

int choose(const struct planning *planning)
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
	plan->require = request->require | configuration->require;
	r = choose_size(planning);
	if (r == 0)
		r = choose_store(planning);
	if (r == 0)
		r = grant_disk(planning);
	if (r == 0)
		r = choose_network(planning);
	if (r == 0)
		r = choose_closing(planning);
	if (r == 0)
		r = choose_requirements(planning);
	return r;
}
