// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
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

void resolver_open(struct resolver *ret_resolver)
{
	ret_resolver->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (ret_resolver->watch >= 0)
		watch_both(ret_resolver->watch);
}

void resolver_close(struct resolver *resolver)
{
	descriptor_close(&resolver->watch);
}

/* Did any of the pending events name a file called like ours or its target? */
static bool concerns_us(int watch)
{
	_cleanup_free_ char *target = realpath(RESOLVER_FILE, NULL);
	const char *name = target ? strrchr(target, '/') + 1 : "";
	union {
		struct inotify_event event;
		char bytes[4096];
	} buffer;
	bool concerned = false;
	ssize_t got;

	while ((got = read(watch, &buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(const void *)(buffer.bytes + at);

			if (event->mask & IN_Q_OVERFLOW)
				concerned = true;
			else if (event->len > 0 && (strcmp(event->name, "resolv.conf") == 0 ||
						    strcmp(event->name, name) == 0))
				concerned = true;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	return concerned;
}

int resolver_read(struct resolver *resolver)
{
	_cleanup_close_ int file = -1;
	_cleanup_free_ char *text = NULL;
	struct stat status;
	ssize_t length;

	if (!concerns_us(resolver->watch))
		return -1;
	/* it may be a link to elsewhere now */
	watch_both(resolver->watch);
	file = open(RESOLVER_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0 || fstat(file, &status) < 0 || !S_ISREG(status.st_mode))
		return -1;
	text = malloc(RESOLVER_SIZE_MAX);
	length = text ? pread(file, text, RESOLVER_SIZE_MAX, 0) : -1;
	return length < 0 ? -1 : sealed_bytes("resolver", text, (size_t)length);
}
