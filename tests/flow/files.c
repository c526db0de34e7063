// SPDX-License-Identifier: GPL-2.0-or-later
/* Files, by what is in them and around them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "flow.h"

static int file_write(struct flow *flow)
{
	char path[256], bytes[128];
	int file, error;

	draw_path(flow, path, sizeof(path), 'f');
	file = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC | (draw(flow, 2) ? O_TRUNC : 0),
		    0666);
	if (file < 0)
		return -errno;
	error = pwrite(file, bytes, payload(flow, bytes, sizeof(bytes)), draw(flow, 2048)) < 0
			? -errno
			: 0;
	slot_fill(flow, KIND_FILE, file);
	return error;
}

static int file_read(struct flow *flow)
{
	char path[256], bytes[4096];
	int file;
	ssize_t size;

	draw_path(flow, path, sizeof(path), 'f');
	file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return -errno;
	size = read(file, bytes, sizeof(bytes));
	taken(flow, KIND_FILE, path, bytes, size);
	slot_fill(flow, KIND_FILE, file);
	return size < 0 ? -EIO : 0;
}

/* What is mapped is looked at and written to by memory alone. */
static int file_map(struct flow *flow)
{
	char path[256], *memory;
	int file;

	draw_path(flow, path, sizeof(path), 'm');
	file = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
	if (file < 0)
		return -errno;
	memory = ftruncate(file, 4096) < 0
			 ? MAP_FAILED
			 : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (memory == MAP_FAILED)
		return -EIO;
	taken(flow, KIND_FILE, path, memory, 4096);
	if (flow->role != ROLE_PUBLIC)
		payload(flow, memory + draw(flow, 64) * 32, 32);
	munmap(memory, 4096);
	return 0;
}

static int name_make(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	char path[256], word[CANARY_SIZE + 1] = { 0 };
	int file;

	/* one spelling, so that there are few names */
	memcpy(word, flow->role == ROLE_PUBLIC ? "public" : flow->canary,
	       flow->role == ROLE_PUBLIC ? 6 : CANARY_SIZE);
	snprintf(path, sizeof(path), "%s/%s-n%s",
		 scene->directories[draw(flow, scene->directory_count)], scene->prefix, word);
	switch (draw(flow, 4)) {
	case 0:
		return mkdir(path, 0777) < 0 ? -errno : 0;
	case 1:
		return symlink("/", path) < 0 ? -errno : 0;
	case 2:
		return unlink(path) < 0 && rmdir(path) < 0 ? -errno : 0;
	default:
		file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		slot_fill(flow, KIND_QUEUE, file); /* in /dev/mqueue it is one */
		return file < 0 ? -errno : 0;
	}
}

static int name_list(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	const char *path = scene->directories[draw(flow, scene->directory_count)];
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char entries[8192];
	long size;

	if (directory < 0)
		return -errno;
	for (int i = 0; i < 4; i++) {
		size = syscall(SYS_getdents64, directory, entries, sizeof(entries));
		taken(flow, KIND_NAME, path, entries, size);
		if (size <= 0)
			break;
	}
	close(directory);
	return 0;
}

/* Where nothing can be made: else whoever follows it would make files that nobody removes. */
#define NOWHERE "/proc/nowhere/"

static int link_make(struct flow *flow)
{
	char path[256], target[sizeof(NOWHERE) + 40] = NOWHERE;

	draw_path(flow, path, sizeof(path), 'l');
	payload(flow, target + strlen(NOWHERE), 40);
	unlink(path);
	return symlink(target, path) < 0 ? -errno : 0;
}

static int link_read(struct flow *flow)
{
	char path[256], target[256];
	ssize_t size;

	draw_path(flow, path, sizeof(path), 'l');
	size = readlink(path, target, sizeof(target));
	taken(flow, KIND_LINK, path, target, size);
	return size < 0 ? -errno : 0;
}

static int attribute_set(struct flow *flow)
{
	char path[256], value[40];

	draw_path(flow, path, sizeof(path), 'f');
	payload(flow, value, sizeof(value));
	return setxattr(path, "user.flow", value, sizeof(value), 0) < 0 ? -errno : 0;
}

static int attribute_get(struct flow *flow)
{
	char path[256], value[256];
	ssize_t size;

	draw_path(flow, path, sizeof(path), 'f');
	size = getxattr(path, "user.flow", value, sizeof(value));
	taken(flow, KIND_ATTRIBUTE, path, value, size);
	return size < 0 ? -errno : 0;
}

/* Names go from one to another: files into places of FIFOs, sockets and links, and back. */
static int name_move(struct flow *flow)
{
	static const char letters[] = "fmlps";
	char from[256], to[256];
	int done;

	draw_path(flow, from, sizeof(from), letters[draw(flow, 5)]);
	draw_path(flow, to, sizeof(to), letters[draw(flow, 5)]);
	switch (draw(flow, 4)) {
	case 0:
		done = rename(from, to);
		break;
	case 1:
		done = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
		break;
	case 2:
		done = link(from, to);
		break;
	default:
		done = unlink(from);
	}
	return done < 0 ? -errno : 0;
}

static int fifo_open(struct flow *flow)
{
	char path[256];
	int fifo;

	draw_path(flow, path, sizeof(path), 'p');
	mkfifo(path, 0666);
	if (draw(flow, 2)) {
		fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fifo >= 0)
			take_from(flow, KIND_FIFO, path, fifo);
	} else {
		fifo = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fifo >= 0)
			give_to(flow, fifo);
	}
	slot_fill(flow, KIND_FIFO, fifo);
	return fifo < 0 ? -errno : 0;
}

static int watch(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	struct slot *slot = slot_draw_kind(flow, KIND_WATCH, KIND_WATCH);
	int watcher;

	if (slot)
		return take_from(flow, KIND_WATCH, "inotify", slot->descriptor);
	watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watcher < 0)
		return -errno;
	for (unsigned i = 0; i < scene->directory_count; i++)
		inotify_add_watch(watcher, scene->directories[i], IN_CREATE | IN_DELETE | IN_OPEN);
	slot_fill(flow, KIND_WATCH, watcher);
	return 0;
}

const struct call file_calls[] = {
	{ "open, write", KIND_FILE, 30, GIVES, file_write },
	{ "open, read", KIND_FILE, 30, 0, file_read },
	{ "mmap", KIND_FILE, 20, 0, file_map },
	{ "mkdir, creat, unlink", KIND_NAME, 20, GIVES, name_make },
	{ "getdents", KIND_NAME, 6, 0, name_list },
	{ "symlink", KIND_LINK, 15, GIVES, link_make },
	{ "readlink", KIND_LINK, 15, 0, link_read },
	{ "setxattr", KIND_ATTRIBUTE, 15, GIVES, attribute_set },
	{ "getxattr", KIND_ATTRIBUTE, 15, 0, attribute_get },
	{ "rename, link, unlink", KIND_FILE, 10, 0, name_move },
	{ "mkfifo, open", KIND_FIFO, 20, 0, fifo_open },
	{ "inotify", KIND_WATCH, 5, 0, watch },
	{ 0 },
};
