// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "init/survivors.h"

/*
 * kill(-1) reaches the whole machine from anywhere but process 1 of a pid namespace of its own. All
 * three functions do nothing elsewhere.
 */
static bool is_process_one(void)
{
	return getpid() == 1;
}

bool survivors_exist(void)
{
	return is_process_one() && kill(-1, 0) == 0;
}

void survivors_signal(int signal)
{
	if (is_process_one())
		kill(-1, signal);
}

/* Reads the name of process @entry of @proc. False when it has ended or is not a process. */
static bool read_name(int proc, const char *entry, char *name, size_t size)
{
	char path[32], text[512];
	char *first, *last;

	if (entry[strspn(entry, "0123456789")] != '\0' || strcmp(entry, "1") == 0)
		return false;
	snprintf(path, sizeof(path), "%.20s/stat", entry);
	if (descriptor_read_file(proc, path, text, sizeof(text)) < 0)
		return false;
	/* "17 (name, which may hold anything) S ..." */
	first = strchr(text, '(');
	last = strrchr(text, ')');
	if (!first || !last || last < first || strlen(last) < 3)
		return false;
	if (strchr("ZXx", last[2]))
		return false;
	snprintf(name, size, "%.*s", (int)(last - first - 1), first + 1);
	return true;
}

/* Is @name one of the words of the list @names? */
static bool is_listed(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = names; *at;) {
		const char *end = strstr(at, ", ");
		size_t word = end ? (size_t)(end - at) : strlen(at);

		if (word == length && memcmp(at, name, length) == 0)
			return true;
		if (!end)
			break;
		at = end + 2;
	}
	return false;
}

static void add_name(char *names, size_t size, const char *name)
{
	size_t used = strlen(names);

	if (is_listed(names, name) || used + strlen(name) + 3 > size)
		return;
	snprintf(names + used, size - used, "%s%s", used ? ", " : "", name);
}

unsigned survivors_count(char *names, size_t size)
{
	unsigned count = 0;
	struct dirent *entry;
	char name[64];
	DIR *proc;

	if (names)
		names[0] = '\0';
	if (!is_process_one())
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		if (!read_name(dirfd(proc), entry->d_name, name, sizeof(name)))
			continue;
		count++;
		if (names)
			add_name(names, size, name);
	}
	closedir(proc);
	return count;
}
