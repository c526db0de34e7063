// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "confine/capability.h"
#include "keeper/limits.h"
#include "probe/probe.h"

/* The least that set-up needs, and how a shell sets it. */
static const struct {
	int resource;
	rlim_t least;
	const char *name, *cure;
} needs[] = {
	{ RLIMIT_NOFILE, 64, "open files", "ulimit -Hn 1024" },
	{ RLIMIT_FSIZE, 65536, "file size", "ulimit -Hf unlimited" },
	{ RLIMIT_AS, 64 << 20, "address space", "ulimit -Hv unlimited" },
	{ RLIMIT_DATA, 16 << 20, "data size", "ulimit -Hd unlimited" },
	{ RLIMIT_STACK, 256 << 10, "stack size", "ulimit -Hs 8192" },
};

int limits_take(struct rlimit ret_limits[RLIM_NLIMITS], struct problem *problem)
{
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit raised;

		if (getrlimit(resource, &ret_limits[resource]) < 0)
			return problem_set(problem, errno, "cannot read resource limits");
		raised = ret_limits[resource];
		raised.rlim_cur = raised.rlim_max;
		setrlimit(resource, &raised);
	}
	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (ret_limits[needs[i].resource].rlim_max < needs[i].least)
			return problem_set(
				problem, EMFILE,
				"the hard limit on %s is too small to make a session; raise "
				"it (%s)",
				needs[i].name, needs[i].cure);
	/* a write beyond the limit is an error to report, not an end */
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

int limits_raise_core(struct problem *problem)
{
	const struct rlimit one = { 1, 1 };
	uint64_t effective, permitted;
	struct rlimit now;
	int error;

	if (getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_max > 0)
		return 0;
	error = capability_get(&effective, &permitted);
	/* without any authority_take() says so */
	if (!error && permitted == 0)
		return 0;
	if (!error)
		error = capability_set(permitted & CAPABILITY_BIT(CAP_SYS_RESOURCE), permitted);
	if (!error && setrlimit(RLIMIT_CORE, &one) < 0)
		error = -errno;
	capability_set(0, permitted);
	/* in some containers nobody may; a file is no way out at 0 either */
	if (error && probe_core() != CORE_FILE)
		return problem_set(
			problem, -error,
			"the hard limit on core dumps is 0, at which the kernel still "
			"hands them to the program of kernel.core_pattern, and it cannot "
			"be raised to 1: %s; start privexec with a higher one (ulimit -Hc)",
			strerror(-error));
	return 0;
}
