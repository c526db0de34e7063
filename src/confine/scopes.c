// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/scopes.h"

/* As in linux/landlock.h since Linux 6.12; that of older machines lacks the last field. */
struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define CREATE_RULESET_VERSION 1U
#define VERSION_WITH_SCOPES 6

bool scopes_available(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION) >=
	       VERSION_WITH_SCOPES;
}

/*
 * No right of Landlock's on files: whoever has but one of those restricted can mount nothing any
 * more, and nested sandboxes fail. No scope for signals: the process namespace has it.
 */
int scopes_confine(struct problem *problem)
{
	const struct ruleset attributes = { .scoped = SCOPE_ABSTRACT_UNIX_SOCKET };
	_cleanup_close_ int ruleset = -1;

	if (!scopes_available())
		return 0;
	/* close-on-exec, as Landlock makes it */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return problem_set(problem, errno,
				   "cannot keep the session from abstract sockets of other "
				   "programs: %s",
				   strerror(errno));
	return 0;
}
