// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "privexec/resolver.h"
#include "privexec/sealed.h"

#define RESOLVER_FILE "/etc/resolv.conf"
#define RESOLVER_SIZE_MAX 65536

/* Watches the directory that @path is in. */
static void watch_directory(int watch, const char *path)
{
	const unsigned events =
		IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (length == 0 || length >= sizeof(directory))
		return;
	memcpy(directory, path, length);
	directory[length] = '\0';
	inotify_add_watch(watch, directory, events);
}

/* The name and what it points to may be in different directories: either can be replaced. */
static void watch_both(int watch)
{
	_cleanup_free_ char *target = realpath(RESOLVER_FILE, NULL);

	watch_directory(watch, RESOLVER_FILE);
	if (target)
		watch_directory(watch, target);
}

void resolver_note(struct resolver *resolver)
{
	if (stat(RESOLVER_FILE, &resolver->seen) < 0)
		memset(&resolver->seen, 0, sizeof(resolver->seen));
}

void resolver_watch(struct resolver *resolver)
{
	resolver->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (resolver->watch >= 0)
		watch_both(resolver->watch);
}

void resolver_close(struct resolver *resolver)
{
	descriptor_close(&resolver->watch);
}

static bool is_same(const struct stat *one, const struct stat *two)
{
	return one->st_dev == two->st_dev && one->st_ino == two->st_ino &&
	       one->st_size == two->st_size && one->st_mtim.tv_sec == two->st_mtim.tv_sec &&
	       one->st_mtim.tv_nsec == two->st_mtim.tv_nsec;
}

int resolver_read(struct resolver *resolver)
{
	_cleanup_close_ int file = -1;
	_cleanup_free_ char *text = NULL;
	struct stat status;
	char events[4096];
	ssize_t length;

	/* whatever happened in those directories: the file itself tells */
	while (read(resolver->watch, events, sizeof(events)) > 0)
		continue;
	file = open(RESOLVER_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0 || fstat(file, &status) < 0 || !S_ISREG(status.st_mode) ||
	    is_same(&status, &resolver->seen))
		return -1;
	resolver->seen = status;
	/* it may be a link to elsewhere now */
	watch_both(resolver->watch);
	text = malloc(RESOLVER_SIZE_MAX);
	length = text ? pread(file, text, RESOLVER_SIZE_MAX, 0) : -1;
	return length < 0 ? -1 : sealed_bytes("resolver", text, (size_t)length);
}
