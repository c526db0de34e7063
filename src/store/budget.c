// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "control/choices.h"
#include "store/budget.h"

#define PAGE 4096ULL

static bool read_number(const char *path, uint64_t *ret_number)
{
	char text[64];

	return descriptor_read_file(AT_FDCWD, path, text, sizeof(text)) > 0 &&
	       sscanf(text, "%" SCNu64, ret_number) == 1;
}

/* Reduces *@bytes to what the cgroup directory @path still allows (limit and usage files). */
static void limit_by(const char *path, const char *limit_file, const char *usage_file,
		     uint64_t *bytes)
{
	char name[768];
	uint64_t limit, usage;

	snprintf(name, sizeof(name), "%s/%s", path, limit_file);
	if (!read_number(name, &limit))
		return; /* "max", or not there */
	snprintf(name, sizeof(name), "%s/%s", path, usage_file);
	if (!read_number(name, &usage))
		return;
	if (limit - usage < *bytes || usage > limit)
		*bytes = usage > limit ? 0 : limit - usage;
}

/* Walks from the cgroup of @line ("N:controllers:/path") up to the top of its hierarchy. */
static void limit_by_line(const char *line, uint64_t *bytes)
{
	bool unified = strncmp(line, "0::", 3) == 0;
	const char *cgroup = strchr(line, '/');
	char path[640];
	size_t top;

	if (!cgroup || (!unified && !strstr(line, ":memory:")))
		return;
	top = (size_t)snprintf(path, sizeof(path), "/sys/fs/cgroup%s", unified ? "" : "/memory");
	snprintf(path + top, sizeof(path) - top, "%s", cgroup);
	path[strcspn(path, "\n")] = '\0';
	while (strlen(path) > top) {
		if (unified)
			limit_by(path, "memory.max", "memory.current", bytes);
		else
			limit_by(path, "memory.limit_in_bytes", "memory.usage_in_bytes", bytes);
		*strrchr(path, '/') = '\0';
	}
}

int budget_available(uint64_t *ret_bytes, struct problem *problem)
{
	_cleanup_file_ FILE *memory = fopen("/proc/meminfo", "re");
	_cleanup_file_ FILE *cgroups = fopen("/proc/self/cgroup", "re");
	uint64_t kilobytes = 0;
	char line[1024];

	while (memory && fgets(line, sizeof(line), memory))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1)
			break;
	if (kilobytes == 0)
		return problem_set(
			problem, ENOENT,
			"cannot read how much memory is available from /proc/meminfo; is "
			"/proc mounted?");
	*ret_bytes = kilobytes * 1024;
	while (cgroups && fgets(line, sizeof(line), cgroups))
		limit_by_line(line, ret_bytes);
	return 0;
}

static int refuse(uint64_t left, uint64_t promised, struct problem *problem)
{
	char left_words[32], promised_words[32];

	return problem_set(
		problem, ENOMEM,
		"not enough memory: %s of what may be promised is left (%s are promised to "
		"running sessions, and half of the available memory stays free); end a "
		"session, or ask for less with --size",
		choice_print_size(left, left_words, sizeof(left_words)),
		choice_print_size(promised, promised_words, sizeof(promised_words)));
}

int budget_grant(uint64_t asked, uint64_t most, uint64_t available, uint64_t promised,
		 uint64_t *ret_granted, bool *ret_less, struct problem *problem)
{
	uint64_t half = available / 2;
	uint64_t left = half > promised ? half - promised : 0;
	uint64_t wanted = asked;

	if (asked && asked < BUDGET_ASKED_LEAST)
		return problem_set(
			problem, EINVAL,
			"a session cannot be made in %llu bytes; ask for --size=1M or more",
			(unsigned long long)asked);
	if (!asked) {
		wanted = left / 4 > BUDGET_LEAST ? left / 4 : BUDGET_LEAST;
		if (most && wanted > most)
			wanted = most;
	}
	wanted = (wanted + PAGE - 1) / PAGE * PAGE;
	*ret_less = wanted > left;
	if (wanted > left) {
		if (left < BUDGET_LEAST)
			return refuse(left, promised, problem);
		wanted = left / PAGE * PAGE;
	}
	*ret_granted = wanted;
	return 0;
}
