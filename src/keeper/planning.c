// SPDX-License-Identifier: GPL-2.0-or-later
/* From the request, the configuration and the machine to the plan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/session.h"
#include "paths.h"
#include "proof/proof.h"
#include "store/budget.h"
#include "view/survey.h"

#define SURVEY_MILLISECONDS 2000

static int is_allowed(const struct session *session, struct problem *problem)
{
	int count = getgroups(0, NULL);
	/* not on the stack: there may be 65,536 of them */
	_cleanup_free_ gid_t *groups =
		count < 0 ? NULL : calloc((size_t)count + 1, sizeof(*groups));

	if (groups)
		count = getgroups(count, groups);
	if (!groups || count < 0)
		return problem_set(problem, errno, "cannot read the user's groups");
	groups[count] = session->authority.gid;
	return configuration_user_allowed(&session->configuration, session->authority.uid, groups,
					  (size_t)count + 1, problem);
}

static int read_configuration(struct session *session, struct problem *problem)
{
	int allowed, error;

	authority_as_root(&session->authority);
	error = configuration_load(CONFIGURATION_DIRECTORY, &session->configuration, problem);
	authority_as_user(&session->authority);
	if (error)
		return error;
	allowed = is_allowed(session, problem);
	if (allowed < 0)
		return allowed;
	if (!allowed)
		return problem_set(problem, EPERM,
				   "this user may not run privexec: not among `users` in "
				   "%s/privexec.conf; an administrator can change that",
				   CONFIGURATION_DIRECTORY);
	return 0;
}

static int read_mounts(struct session *session, struct problem *problem)
{
	_cleanup_file_ FILE *stream = fopen("/proc/self/mountinfo", "re");

	if (!stream)
		return problem_set(problem, errno,
				   "cannot read /proc/self/mountinfo: %s; is /proc mounted?",
				   strerror(errno));
	return mount_table_read(stream, "/proc/self/mountinfo", &session->mounts, problem);
}

/* What the request and the configuration say of the network, before there is a plan. */
static enum network_choice said_network(const struct session *session)
{
	enum network_choice said = session->request.network;

	return said == NETWORK_UNSAID ? session->configuration.network : said;
}

/* Whether it will be the host's: what the plan decides, as far as it matters for its start. */
static bool may_be_the_hosts(const struct session *session, bool user_namespaces)
{
	enum network_choice said = said_network(session);

	return said != NETWORK_NONE && said != NETWORK_PRIVATE &&
	       (said == NETWORK_HOST || !user_namespaces ||
		!session->probes.words[PROBE_NETWORK].met);
}

/* Likewise of the store. */
static bool may_be_on_disk(const struct session *session)
{
	enum store_choice said = session->request.store;

	return (said == STORE_UNSAID ? session->configuration.store : said) != STORE_MEMORY;
}

static int begin_namespaces(struct session *session, struct problem *problem)
{
	int error;

	authority_as_root(&session->authority);
	error = namespaces_begin(said_network(session) == NETWORK_NONE, &session->namespaces,
				 problem);
	authority_as_user(&session->authority);
	return error;
}

/* Where it is known so early that the network will be the host's. */
static void begin_guard(struct session *session)
{
	if (said_network(session) != NETWORK_HOST)
		return;
	authority_as_root(&session->authority);
	guard_begin(&session->guard_loader);
	authority_as_user(&session->authority);
}

/* For root's sessions the user namespace is mapped first, to try idmapping with it. */
static int survey(struct session *session, bool *ret_user_namespaces, struct problem *problem)
{
	const struct authority *authority = &session->authority;
	struct problem unavailable = { 0 };
	int shifted = -1, error = namespaces_take_user(&session->namespaces, problem);

	if (error < 0)
		return error;
	*ret_user_namespaces = error > 0;
	if (authority->uid == 0 && *ret_user_namespaces) {
		authority_as_root(authority);
		if (namespaces_map(&session->namespaces, true, &unavailable) == 0)
			shifted = session->namespaces.user;
		else
			session_say(session, MESSAGE_DEBUG, "uid 0 is not shifted: %s",
				    unavailable.text);
		authority_mounting(authority);
	}
	error = survey_mounts(&session->mounts, authority->uid, SURVEY_MILLISECONDS, shifted);
	authority_as_user(authority);
	if (error)
		return problem_set(problem, -error, "cannot look at the host's mounts: %s",
				   strerror(-error));
	return 0;
}

/* The namespaces that were begun are not those that the plan asks for: rare, so it costs time. */
static int settle_namespaces(struct session *session, struct problem *problem)
{
	enum closing_kind closing = session->plan.closing;
	int error;

	if (closing == CLOSING_SHIFTED ||
	    (closing == CLOSING_IDENTITY && session->authority.uid != 0))
		return 0;
	namespaces_close(&session->namespaces);
	if (closing == CLOSING_NONE)
		return 0;
	error = begin_namespaces(session, problem);
	if (!error)
		error = namespaces_take_user(&session->namespaces, problem);
	if (error == 0)
		return problem_set(problem, EIO, "cannot make a user namespace");
	return error < 0 ? error : 0;
}

static bool has_runtime(uid_t uid)
{
	struct stat status;
	char path[32];

	snprintf(path, sizeof(path), "/run/user/%u", uid);
	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* For --dry-run: what the session would be given now. Nothing is made; the next start may differ.
 */
static int preview(struct session *session, struct problem *problem)
{
	struct plan *plan = &session->plan;
	struct state_count count;
	struct problem refused = { 0 };
	uint64_t available;
	bool less;
	bool memory = plan->store == STORE_MEMORY; /* what one on disk has is in the plan already */
	int error = memory ? budget_available(&available, problem) : 0;

	namespaces_close(&session->namespaces);
	if (error)
		return error;
	authority_as_root(&session->authority);
	cgroup_open_root(&session->mounts, &session->cgroup.root);
	error = state_open(session->authority.uid, session->cgroup.root, &session->state, &count,
			   problem);
	state_close(&session->state);
	if (!error && swap_assure(-1, &session->swap, &refused) < 0)
		session->swap.word = "swap is active: decided at the start by the session's cgroup";
	swap_close(&session->swap);
	authority_as_user(&session->authority);
	if (!error && memory)
		error = budget_grant(plan->size, session->configuration.size_max, available,
				     count.bytes_promised, &plan->size_granted, &less, problem);
	if (!error)
		snprintf(plan->swap, sizeof(plan->swap), "%s", session->swap.word);
	return error;
}

int session_plan(struct session *session, struct problem *problem)
{
	struct plan_facts facts = {
		.authority = AUTHORITY_CAPABILITIES,
		.uid = session->authority.uid,
		.gid = session->authority.gid,
		.proc_sys = true,
		.runtime = has_runtime(session->authority.uid),
		.probes = &session->probes,
	};
	char *proven[PROOFS_MAX + 1] = { NULL };
	int error = read_configuration(session, problem);

	if (!error)
		begin_guard(session);
	if (!error)
		error = begin_namespaces(session, problem);
	if (!error)
		error = read_mounts(session, problem);
	if (!error)
		error = survey(session, &facts.user_namespaces, problem);
	if (!error && facts.uid != 0) {
		authority_as_root(&session->authority);
		proof_list(&session->mounts, proven);
		authority_as_user(&session->authority);
		facts.proven = (const char *const *)proven;
	}
	if (!error) {
		authority_as_root(&session->authority);
		probe_machine(&session->probes);
		if (may_be_on_disk(session))
			probe_stores(session->configuration.directory, &session->probes);
		if (said_network(session) != NETWORK_NONE && said_network(session) != NETWORK_HOST)
			probe_network(&session->probes);
		probe_guard(&session->mounts, &session->authority,
			    may_be_the_hosts(session, facts.user_namespaces),
			    &session->guard_loader, &session->guard, &session->probes);
		authority_as_user(&session->authority);
	}
	if (!error)
		error = plan_make(&session->request, &session->configuration, &session->mounts,
				  &facts, &session->plan, problem);
	session_say(session, MESSAGE_DEBUG, "authority: %s; %zu mounts", session->authority.source,
		    session->mounts.count);
	for (size_t i = 0; proven[i]; i++)
		session_say(session, MESSAGE_DEBUG, "proven: %s", proven[i]);
	proof_list_free(proven);
	session->request.end = session->plan.end; /* which init goes by */
	if (!error)
		error = settle_namespaces(session, problem);
	if (!error && session->request.dry_run)
		error = preview(session, problem);
	return error;
}
