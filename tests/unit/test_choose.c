// SPDX-License-Identifier: GPL-2.0-or-later
/* What request, configuration and machine come to: store, size, network, closing, requirements. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plans.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* --- what a session is to be --- */

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
		  "no private network can be had: the test has no pasta; install it; or use "
		  "--net=none or --net=host" },
		{ { .relax_said = true, .relax = RELAX_X11 },
		  "opens no display or sound exits yet" },
		{ { .require = REQUIRE_KERNEL_KEY }, "--require=kernel-key cannot be met" },
		{ { .require = REQUIRE_ENCRYPTED_SWAP }, "--require=encrypted-swap" },
		{ { .require = REQUIRE_PRIVATE_NETWORK },
		  "--require=private-network cannot be met: the test has no pasta; install it" },
		{ { .require = REQUIRE_PRIVATE_NETWORK, .network = NETWORK_HOST },
		  "the network is the host's; use --net=private" },
		{ { .require = REQUIRE_LABELS }, "--require=labels" },
		{ { .require = REQUIRE_NO_HIBERNATION }, "--require=no-hibernation" },
		{ { .require = REQUIRE_NO_ACCOUNTING }, "--require=no-accounting" },
		{ { .require = REQUIRE_RAM_SCRUB }, "--require=ram-scrub" },
		{ { .require = REQUIRE_CLOSED, .network = NETWORK_HOST },
		  "--net=private or --net=none closes it" },
		{ { .require = REQUIRE_CLOSED }, "--net=private says what is missing" },
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
	assert_true(has_exit(&plan, "/proc/PID"));
	assert_true(has_exit(&plan, "file locks"));
	assert_true(has_exit(&plan, "exit status"));
	free_plan(&recorded, &plan);
}

static void
abstract_sockets_of_others_are_an_exit_where_the_kernel_cannot_shut_them_off(void **state)
{
	const struct request request = { .network = NETWORK_HOST };

	(void)state;
	for (int scopes = 0; scopes < 2; scopes++) {
		struct probes probes = recorded_probes;
		struct problem problem = { 0 };
		struct recorded recorded;
		const char *reason = "";
		struct plan plan;

		probes.scopes = scopes;
		recorded_load(machines, "cgroup1", &recorded);
		recorded.probes = &probes;
		assert_int_equal(
			recorded_plan(&recorded, WHO_USER, NULL, &request, &plan, &problem), 0);
		for (size_t i = 0; i < plan.exit_count; i++)
			if (strcmp(plan.exits[i].name, "network") == 0)
				reason = plan.exits[i].reason;
		assert_non_null(
			strstr(reason, scopes ? "whoever connects to abstract sockets"
					      : "loopback and abstract sockets of this one"));
		free_plan(&recorded, &plan);
	}
}

/* --- stores --- */

/* What a machine has, as bits. */
enum {
	DISK = 1 << PROBE_DISK,
	MAPPER = 1 << PROBE_DM_CRYPT,
	FSCRYPT = 1 << PROBE_FSCRYPT,
	AWAKE = 1 << PROBE_NO_HIBERNATION,
	SCRUB = 1 << PROBE_RAM_SCRUB,
};

static struct probes machine_with(unsigned met, uint64_t free)
{
	struct probes probes = recorded_probes;

	probes.disk_free = free;
	for (int word = 0; word < PROBE_WORDS; word++)
		if (met & 1U << word)
			probes.words[word] = (struct probe){ .met = true };
	return probes;
}

/* What plan_make() chooses and returns on such a machine. The tree of *plan is gone. */
static int choose_on(const struct probes *probes, enum who who,
		     const struct configuration *configuration, const struct request *request,
		     struct plan *plan, struct problem *problem)
{
	struct recorded recorded;
	struct plan made;
	int error;

	*problem = (struct problem){ 0 };
	recorded_load(machines, "cgroup1", &recorded);
	recorded.probes = probes;
	error = recorded_plan(&recorded, who, configuration, request, &made, problem);
	*plan = made;
	plan->root = NULL;
	plan->exits = NULL;
	free_plan(&recorded, &made);
	return error;
}

static void assert_refused_on(unsigned met, enum who who, const struct configuration *configuration,
			      const struct request *request, int error, const char *words)
{
	const struct probes probes = machine_with(met, 100 * GIB);
	struct problem problem;
	struct plan plan;

	assert_int_equal(choose_on(&probes, who, configuration, request, &plan, &problem), -error);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
}

static const struct {
	const char *what;
	unsigned met;
	enum store_choice store;
	uint64_t free, size;
	const char *reason;
} automatic[] = {
	{ "everything", DISK | MAPPER | FSCRYPT, STORE_DM_CRYPT, 100 * GIB, 0, "" },
	{ "no fscrypt", DISK | MAPPER, STORE_DM_CRYPT, 100 * GIB, 0, "" },
	{ "no dm-crypt", DISK | FSCRYPT, STORE_FSCRYPT, 100 * GIB, 0, "the test has no dm-crypt" },
	{ "neither", DISK, STORE_MEMORY, 100 * GIB, 0, "the test has no fscrypt" },
	{ "nothing", 0, STORE_MEMORY, 0, 0, "the test has no fscrypt" },
	{ "no disk for them", MAPPER | FSCRYPT, STORE_MEMORY, 100 * GIB, 0,
	  "the test has no disk" },
	{ "no disk, whose room is not known", MAPPER | FSCRYPT, STORE_MEMORY, 0, 0,
	  "the test has no disk" },
	{ "a small store", DISK | MAPPER | FSCRYPT, STORE_MEMORY, 100 * GIB, 16 * MIB - 1,
	  "so small a store can only be in memory" },
	{ "the smallest on disk", DISK | MAPPER | FSCRYPT, STORE_DM_CRYPT, 100 * GIB, 16 * MIB,
	  "" },
	{ "little room", DISK | MAPPER | FSCRYPT, STORE_MEMORY, 256 * MIB - 1, 0,
	  "there is no room for one on disk" },
	{ "just room", DISK | MAPPER | FSCRYPT, STORE_DM_CRYPT, 256 * MIB, 0, "" },
};

static void auto_takes_the_first_store_that_can_be_had_and_says_why_no_better_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(automatic) / sizeof(*automatic); i++) {
		const struct probes probes = machine_with(automatic[i].met, automatic[i].free);

		for (int said = STORE_UNSAID; said <= STORE_AUTO; said++) {
			const struct request request = { .store = (enum store_choice)said,
							 .size = automatic[i].size };
			struct problem problem;
			struct plan plan;

			if (choose_on(&probes, WHO_USER, NULL, &request, &plan, &problem) < 0)
				fail_msg("%s: %s", automatic[i].what, problem.text);
			if (plan.store != automatic[i].store ||
			    strcmp(plan.store_reason, automatic[i].reason) != 0)
				fail_msg("%s: %s, since '%s'", automatic[i].what,
					 choice_word(choices_store, plan.store), plan.store_reason);
		}
	}
}

static void a_store_that_was_asked_for_is_had_without_a_reason(void **state)
{
	const struct probes probes = machine_with(DISK | MAPPER | FSCRYPT, 100 * GIB);
	struct configuration configuration;
	struct request request = { 0 };
	struct problem problem;
	struct plan plan;

	(void)state;
	configuration_defaults(&configuration);
	for (int store = STORE_DM_CRYPT; store <= STORE_MEMORY; store++) {
		configuration.store = STORE_AUTO;
		request.store = (enum store_choice)store;
		for (int who = WHO_USER; who <= WHO_ROOT; who++) {
			assert_int_equal(choose_on(&probes, (enum who)who, &configuration, &request,
						   &plan, &problem),
					 0);
			assert_int_equal(plan.store, store);
			assert_string_equal(plan.store_reason, "");
		}
		/* by the configuration, unless the command line says `auto` */
		configuration.store = (enum store_choice)store;
		request.store = STORE_UNSAID;
		assert_int_equal(
			choose_on(&probes, WHO_USER, &configuration, &request, &plan, &problem), 0);
		assert_int_equal(plan.store, store);
		request.store = STORE_AUTO;
		assert_int_equal(
			choose_on(&probes, WHO_USER, &configuration, &request, &plan, &problem), 0);
		assert_int_equal(plan.store, STORE_DM_CRYPT);
	}
	configuration_free(&configuration);
}

static void a_store_that_cannot_be_had_is_refused_with_the_probes_reason(void **state)
{
	static const struct {
		unsigned met;
		enum store_choice store;
		const char *words;
	} cases[] = {
		{ DISK | FSCRYPT, STORE_DM_CRYPT,
		  "no dm-crypt store can be had: the test has no dm-crypt; or use --store=memory" },
		{ DISK | MAPPER, STORE_FSCRYPT,
		  "no fscrypt store can be had: the test has no fscrypt; or use --store=memory" },
		{ MAPPER | FSCRYPT, STORE_DM_CRYPT,
		  "no dm-crypt store can be had: the test has no disk; or use --store=memory" },
		{ MAPPER | FSCRYPT, STORE_FSCRYPT,
		  "no fscrypt store can be had: the test has no disk; or use --store=memory" },
	};
	struct configuration configuration;

	(void)state;
	configuration_defaults(&configuration);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct request request = { .store = cases[i].store };
		const struct request nothing = { 0 };

		assert_refused_on(cases[i].met, WHO_USER, NULL, &request, EOPNOTSUPP,
				  cases[i].words);
		configuration.store = cases[i].store;
		assert_refused_on(cases[i].met, WHO_USER, &configuration, &nothing, EOPNOTSUPP,
				  cases[i].words);
	}
	configuration_free(&configuration);
}

static void without_privilege_there_is_only_the_memory_store(void **state)
{
	const struct probes probes = machine_with(DISK | MAPPER | FSCRYPT, 100 * GIB);
	struct request request = { .network = NETWORK_NONE };
	struct problem problem;
	struct plan plan;

	(void)state;
	assert_int_equal(choose_on(&probes, WHO_ROOTLESS, NULL, &request, &plan, &problem), 0);
	assert_int_equal(plan.store, STORE_MEMORY);
	assert_non_null(strstr(plan.store_reason, "install privexec"));
	for (int store = STORE_DM_CRYPT; store <= STORE_FSCRYPT; store++) {
		request.store = (enum store_choice)store;
		assert_refused_on(DISK | MAPPER | FSCRYPT, WHO_ROOTLESS, NULL, &request, EOPNOTSUPP,
				  "without privilege there is only the memory store");
	}
}

/* --- sizes --- */

static const struct {
	const char *what;
	uint64_t asked, configured, most, free;
	uint64_t granted;
	bool less;
} sizes[] = {
	{ "half of what is free", 0, 0, 0, 10 * GIB, 5 * GIB, false },
	{ "whole MiB, rounded down", 0, 0, 0, 10 * GIB + 2 * MIB + 2, 5 * GIB + MIB, false },
	{ "what is mounted quickly", 0, 0, 0, 62 * GIB, 31 * GIB, false },
	{ "no more of a large disk", 0, 0, 0, 1000 * GIB, 31 * GIB, false },
	{ "size_max bounds the default", 0, 0, 3 * GIB, 100 * GIB, 3 * GIB, false },
	{ "size_max above the default", 0, 0, 30 * GIB, 10 * GIB, 5 * GIB, false },
	{ "what is asked", 100 * MIB, 0, 0, 10 * GIB, 100 * MIB, false },
	{ "what is asked, in whole MiB", 100 * MIB + 5, 0, 0, 10 * GIB, 100 * MIB, false },
	{ "more than half of what is free", 9 * GIB, 0, 0, 10 * GIB, 9 * GIB, false },
	{ "more than the default has at most", 90 * GIB, 0, 0, 100 * GIB, 90 * GIB, false },
	{ "all that is free", 10 * GIB, 0, 0, 10 * GIB, 10 * GIB, false },
	{ "more than is free", 10 * GIB + 1, 0, 0, 10 * GIB, 10 * GIB, true },
	{ "more than is free, which is no whole MiB", 20 * GIB, 0, 0, 10 * GIB + 7, 10 * GIB,
	  true },
	{ "all of size_max", 8 * GIB, 0, 8 * GIB, 100 * GIB, 8 * GIB, false },
	{ "the configuration's size", 0, 7 * GIB, 0, 10 * GIB, 7 * GIB, false },
	{ "the configuration's size within size_max", 0, 7 * GIB, 6 * GIB, 10 * GIB, 6 * GIB,
	  false },
	{ "the request's, not the configuration's", 2 * GIB, 7 * GIB, 0, 10 * GIB, 2 * GIB, false },
	{ "the least", 16 * MIB, 0, 0, 10 * GIB, 16 * MIB, false },
	{ "no less than the least", 0, 0, 0, 20 * MIB, 16 * MIB, false },
};

static void a_store_on_disk_may_have_what_the_table_says(void **state)
{
	struct configuration configuration;

	(void)state;
	configuration_defaults(&configuration);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		const struct probes probes = machine_with(DISK | FSCRYPT, sizes[i].free);
		const struct request request = { .store = STORE_FSCRYPT, .size = sizes[i].asked };
		struct problem problem;
		struct plan plan;

		configuration.size = sizes[i].configured;
		configuration.size_max = sizes[i].most;
		if (choose_on(&probes, WHO_USER, &configuration, &request, &plan, &problem) < 0)
			fail_msg("%s: %s", sizes[i].what, problem.text);
		if (plan.size_granted != sizes[i].granted || plan.granted_less != sizes[i].less)
			fail_msg("%s: %llu granted%s", sizes[i].what,
				 (unsigned long long)plan.size_granted,
				 plan.granted_less ? ", said to be less" : "");
	}
	configuration_free(&configuration);
}

static void a_store_in_memory_is_granted_later(void **state)
{
	const struct probes probes = machine_with(DISK | FSCRYPT, 10 * GIB);
	const struct request request = { .store = STORE_MEMORY, .size = 20 * GIB };
	struct problem problem;
	struct plan plan;

	(void)state;
	assert_int_equal(choose_on(&probes, WHO_USER, NULL, &request, &plan, &problem), 0);
	assert_int_equal(plan.size, 20 * GIB);
	assert_int_equal(plan.size_granted, 0);
	assert_false(plan.granted_less);
}

static void a_disk_store_that_is_asked_to_be_tiny_is_refused(void **state)
{
	const struct request request = { .store = STORE_FSCRYPT, .size = 16 * MIB - 1 };

	(void)state;
	assert_refused_on(DISK | FSCRYPT, WHO_USER, NULL, &request, EINVAL,
			  "a store on disk cannot be made in 16777215 bytes; ask for --size=16M");
}

/* --- requirements --- */

static void a_key_of_the_kernels_means_dm_crypt(void **state)
{
	const struct probes probes = machine_with(DISK | MAPPER | FSCRYPT, 100 * GIB);
	struct request request = { .require = REQUIRE_KERNEL_KEY };
	struct problem problem;
	struct plan plan;

	(void)state;
	for (int store = STORE_UNSAID; store <= STORE_DM_CRYPT; store++) {
		request.store = (enum store_choice)store;
		assert_int_equal(choose_on(&probes, WHO_USER, NULL, &request, &plan, &problem), 0);
		assert_int_equal(plan.store, STORE_DM_CRYPT);
		assert_string_equal(plan.store_reason, "");
	}
	for (int store = STORE_FSCRYPT; store <= STORE_MEMORY; store++) {
		request.store = (enum store_choice)store;
		assert_refused_on(DISK | MAPPER | FSCRYPT, WHO_USER, NULL, &request, EOPNOTSUPP,
				  "--require=kernel-key cannot be met: only the dm-crypt store has "
				  "one; use --store=dm-crypt or leave it out");
	}
	/* never a weaker store in its place */
	request.store = STORE_AUTO;
	assert_refused_on(DISK | FSCRYPT, WHO_USER, NULL, &request, EOPNOTSUPP,
			  "--require=kernel-key cannot be met: the test has no dm-crypt");
	assert_refused_on(MAPPER | FSCRYPT, WHO_USER, NULL, &request, EOPNOTSUPP,
			  "--require=kernel-key cannot be met: the test has no disk");
	assert_refused_on(DISK | MAPPER, WHO_ROOTLESS, NULL, &request, EOPNOTSUPP,
			  "--require=kernel-key cannot be met: without privilege");
	request.size = MIB;
	assert_refused_on(DISK | MAPPER, WHO_USER, NULL, &request, EINVAL, "ask for --size=16M");
}

static void a_key_of_the_kernels_that_the_configuration_requires_is_no_less_required(void **state)
{
	const struct request request = { .store = STORE_MEMORY };
	struct configuration configuration;

	(void)state;
	configuration_defaults(&configuration);
	configuration.require = REQUIRE_KERNEL_KEY;
	assert_refused_on(DISK | MAPPER | FSCRYPT, WHO_USER, &configuration, &request, EOPNOTSUPP,
			  "'require = kernel-key' of privexec.conf cannot be met");
	configuration_free(&configuration);
}

static void what_is_probed_can_be_required_where_the_probe_was_met(void **state)
{
	static const struct {
		unsigned require, met;
		const char *words;
	} cases[] = {
		{ REQUIRE_NO_HIBERNATION, AWAKE,
		  "--require=no-hibernation cannot be met: the test has no secret memory" },
		{ REQUIRE_RAM_SCRUB, SCRUB,
		  "--require=ram-scrub cannot be met: the test clears nothing" },
	};
	const unsigned all = DISK | MAPPER | FSCRYPT | AWAKE | SCRUB;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct probes probes = machine_with(cases[i].met, 0);
		const struct request request = { .require = cases[i].require };
		struct problem problem;
		struct plan plan;

		assert_int_equal(choose_on(&probes, WHO_USER, NULL, &request, &plan, &problem), 0);
		assert_int_equal(plan.require, cases[i].require);
		assert_refused_on(all & ~cases[i].met, WHO_USER, NULL, &request, EOPNOTSUPP,
				  cases[i].words);
	}
}

/* --- networks --- */

static void a_network_is_private_where_that_can_be(void **state)
{
	static const enum network_choice said[] = { NETWORK_UNSAID, NETWORK_AUTO, NETWORK_PRIVATE };
	struct probes probes = recorded_probes;
	struct problem problem;
	struct plan plan;

	(void)state;
	probes.words[PROBE_NETWORK] = (struct probe){ .met = true };
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		const struct request request = {
			.network = said[i],
			.require = REQUIRE_PRIVATE_NETWORK | REQUIRE_CLOSED,
		};

		assert_int_equal(choose_on(&probes, WHO_USER, NULL, &request, &plan, &problem), 0);
		assert_int_equal(plan.network, NETWORK_PRIVATE);
		assert_string_equal(plan.network_words, "private");
		assert_string_equal(plan.network_reason, "");
	}
}

static void core_dumps_that_others_get_are_an_exit_and_no_closed_session(void **state)
{
	static const struct {
		enum core_target target;
		enum who who;
		bool out;
	} cases[] = {
		{ CORE_FILE, WHO_USER, false },	  { CORE_FILE, WHO_ROOT, false },
		{ CORE_PROGRAM, WHO_USER, true }, { CORE_PROGRAM, WHO_ROOT, false },
		{ CORE_SOCKET, WHO_USER, true },  { CORE_SOCKET, WHO_ROOT, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct request request = { .network = NETWORK_NONE };
		struct probes probes = recorded_probes;
		struct problem problem = { 0 };
		struct recorded recorded;
		struct plan plan;

		probes.core = cases[i].target;
		recorded_load(machines, "cgroup1", &recorded);
		recorded.probes = &probes;
		assert_int_equal(
			recorded_plan(&recorded, cases[i].who, NULL, &request, &plan, &problem), 0);
		assert_int_equal(has_exit(&plan, "core dumps"), cases[i].out);
		free_plan(&recorded, &plan);
		request.require = REQUIRE_CLOSED;
		assert_int_equal(choose_on(&probes, cases[i].who, NULL, &request, &plan, &problem) <
					 0,
				 cases[i].out);
		if (cases[i].out)
			assert_non_null(strstr(problem.text, "sysctl kernel.core_pattern=core"));
	}
}

static void a_network_is_the_host_s_where_no_private_one_can_be_and_the_reason_is_said(void **state)
{
	const struct request request = { .network = NETWORK_UNSAID };
	struct problem problem;
	struct plan plan;

	(void)state;
	assert_int_equal(choose_on(&recorded_probes, WHO_USER, NULL, &request, &plan, &problem), 0);
	assert_int_equal(plan.network, NETWORK_HOST);
	assert_string_equal(plan.network_words, "host (unguarded: the test has no pasta)");
	assert_string_equal(plan.network_reason, "the test has no pasta; install it");
	assert_int_equal(choose_on(&recorded_probes, WHO_ROOTLESS, NULL, &request, &plan, &problem),
			 0);
	assert_non_null(strstr(plan.network_reason, "install privexec"));
}

static void a_network_that_was_asked_for_has_no_reason(void **state)
{
	static const struct {
		enum network_choice said;
		const char *words;
	} cases[] = { { NETWORK_HOST, "host (unguarded: the test guards nothing)" },
		      { NETWORK_NONE, "none" } };
	struct problem problem;
	struct plan plan;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct request request = { .network = cases[i].said };

		assert_int_equal(
			choose_on(&recorded_probes, WHO_USER, NULL, &request, &plan, &problem), 0);
		assert_int_equal(plan.network, cases[i].said);
		assert_string_equal(plan.network_words, cases[i].words);
		assert_string_equal(plan.network_reason, "");
	}
}

static const char *exit_reason(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->exit_count; i++)
		if (strcmp(plan->exits[i].name, name) == 0)
			return plan->exits[i].reason;
	return "";
}

static void the_host_s_network_is_guarded_where_that_can_be(void **state)
{
	static const struct {
		enum network_choice said;
		const char *words;
	} cases[] = { { NETWORK_HOST, "host (guarded)" },
		      { NETWORK_UNSAID, "host (guarded: the test has no pasta)" } };
	struct probes probes = recorded_probes;
	struct problem problem = { 0 };
	struct recorded recorded;
	struct plan plan;

	(void)state;
	probes.words[PROBE_GUARD] = (struct probe){ .met = true };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct request request = { .network = cases[i].said };

		recorded_load(machines, "cgroup1", &recorded);
		recorded.probes = &probes;
		assert_int_equal(
			recorded_plan(&recorded, WHO_USER, NULL, &request, &plan, &problem), 0);
		assert_true(plan.guarded);
		assert_string_equal(plan.network_words, cases[i].words);
		assert_non_null(strstr(exit_reason(&plan, "network"), "guarded"));
		assert_non_null(strstr(exit_reason(&plan, "name service"), "port 53"));
		assert_string_not_equal(exit_reason(&plan, "abstract sockets"), "");
		free_plan(&recorded, &plan);
	}
}

static void a_guard_does_not_close_what_it_cannot(void **state)
{
	const struct request request = { .network = NETWORK_HOST, .require = REQUIRE_CLOSED };
	struct probes probes = recorded_probes;
	struct problem problem;
	struct plan plan;

	(void)state;
	probes.words[PROBE_GUARD] = (struct probe){ .met = true };
	assert_int_equal(choose_on(&probes, WHO_USER, NULL, &request, &plan, &problem),
			 -EOPNOTSUPP);
	assert_non_null(strstr(problem.text, "abstract Unix sockets"));
	assert_non_null(strstr(problem.text, "--net=private"));
}

static void only_the_host_s_network_is_guarded_and_not_without_privilege(void **state)
{
	const struct request none = { .network = NETWORK_NONE }, host = { .network = NETWORK_HOST };
	struct probes probes = recorded_probes;
	struct problem problem;
	struct plan plan;

	(void)state;
	probes.words[PROBE_GUARD] = (struct probe){ .met = true };
	assert_int_equal(choose_on(&probes, WHO_USER, NULL, &none, &plan, &problem), 0);
	assert_false(plan.guarded);
	assert_int_equal(choose_on(&probes, WHO_ROOTLESS, NULL, &host, &plan, &problem), 0);
	assert_false(plan.guarded);
	assert_string_equal(plan.network_words, "host (unguarded: not without privilege)");
}

static void no_network_at_all_is_the_session_s_own_too(void **state)
{
	const struct request request = { .network = NETWORK_NONE,
					 .require = REQUIRE_PRIVATE_NETWORK | REQUIRE_CLOSED };
	struct problem problem;
	struct plan plan;

	(void)state;
	assert_int_equal(choose_on(&recorded_probes, WHO_USER, NULL, &request, &plan, &problem), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_decides_then_the_configuration),
		cmocka_unit_test(a_size_above_the_limit_is_refused),
		cmocka_unit_test(what_this_version_lacks_is_refused_with_its_cure),
		cmocka_unit_test(what_the_memory_store_gives_can_be_required),
		cmocka_unit_test(without_user_namespaces_a_session_is_open),
		cmocka_unit_test(streams_are_exits_as_they_were_given),
		cmocka_unit_test(
			abstract_sockets_of_others_are_an_exit_where_the_kernel_cannot_shut_them_off),
		cmocka_unit_test(
			auto_takes_the_first_store_that_can_be_had_and_says_why_no_better_one),
		cmocka_unit_test(a_store_that_was_asked_for_is_had_without_a_reason),
		cmocka_unit_test(a_store_that_cannot_be_had_is_refused_with_the_probes_reason),
		cmocka_unit_test(without_privilege_there_is_only_the_memory_store),
		cmocka_unit_test(a_store_on_disk_may_have_what_the_table_says),
		cmocka_unit_test(a_store_in_memory_is_granted_later),
		cmocka_unit_test(a_disk_store_that_is_asked_to_be_tiny_is_refused),
		cmocka_unit_test(a_key_of_the_kernels_means_dm_crypt),
		cmocka_unit_test(
			a_key_of_the_kernels_that_the_configuration_requires_is_no_less_required),
		cmocka_unit_test(what_is_probed_can_be_required_where_the_probe_was_met),
		cmocka_unit_test(a_network_is_private_where_that_can_be),
		cmocka_unit_test(core_dumps_that_others_get_are_an_exit_and_no_closed_session),
		cmocka_unit_test(
			a_network_is_the_host_s_where_no_private_one_can_be_and_the_reason_is_said),
		cmocka_unit_test(a_network_that_was_asked_for_has_no_reason),
		cmocka_unit_test(the_host_s_network_is_guarded_where_that_can_be),
		cmocka_unit_test(a_guard_does_not_close_what_it_cannot),
		cmocka_unit_test(only_the_host_s_network_is_guarded_and_not_without_privilege),
		cmocka_unit_test(no_network_at_all_is_the_session_s_own_too),
	};

	if (argc < 2)
		return 2;
	machines = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
