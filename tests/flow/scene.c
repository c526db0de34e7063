// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flow.h"

const char *const kind_names[KINDS] = {
	[KIND_FILE] = "file",
	[KIND_NAME] = "name",
	[KIND_LINK] = "link",
	[KIND_ATTRIBUTE] = "attribute",
	[KIND_FIFO] = "fifo",
	[KIND_WATCH] = "watch",
	[KIND_INHERITED] = "inherited",
	[KIND_INPUT] = "input",
	[KIND_TERMINAL] = "terminal",
	[KIND_DESCRIPTOR] = "descriptor",
	[KIND_UNIX] = "unix",
	[KIND_ABSTRACT] = "abstract",
	[KIND_ABSTRACT_INWARD] = "abstract-inward",
	[KIND_BOUND_NAME] = "bound-name",
	[KIND_TCP] = "tcp",
	[KIND_UDP] = "udp",
	[KIND_GROUP] = "group",
	[KIND_NETLINK] = "netlink",
	[KIND_SHARED_MEMORY] = "shared-memory",
	[KIND_MESSAGE] = "message",
	[KIND_SEMAPHORE] = "semaphore",
	[KIND_QUEUE] = "queue",
	[KIND_KEY] = "key",
	[KIND_SIGNAL] = "signal",
	[KIND_MEMORY] = "memory",
	[KIND_PROCESS_FILE] = "process-file",
	[KIND_PROCESS_NAME] = "process-name",
	[KIND_SPACE] = "space",
};

/* Where a session can write, and the public too. */
void scene_open(struct scene *scene, uint64_t seed, const char *directory)
{
	static char runtime[64];
	const char *home = getenv("HOME");

	*scene = (struct scene){ .seed = seed, .directory = directory, .is_root = getuid() == 0 };
	snprintf(scene->prefix, sizeof(scene->prefix), "flow-%08x", (unsigned)seed);
	snprintf(runtime, sizeof(runtime), "/run/user/%u", getuid());
	scene->directories[scene->directory_count++] = directory;
	scene->directories[scene->directory_count++] = home ? home : "/";
	scene->directories[scene->directory_count++] = "/tmp";
	scene->directories[scene->directory_count++] = "/var/tmp";
	scene->directories[scene->directory_count++] = "/dev/shm";
	scene->directories[scene->directory_count++] = "/dev/mqueue";
	if (access(runtime, F_OK) == 0)
		scene->directories[scene->directory_count++] = runtime;
}

static void board_path(const struct scene *scene, char *path, size_t size)
{
	snprintf(path, size, "%s/board", scene->directory);
}

int scene_write_board(const struct scene *scene)
{
	char path[256];
	FILE *board;

	board_path(scene, path, sizeof(path));
	board = fopen(path, "we");
	if (!board)
		return -errno;
	fprintf(board, "%s %d", scene->terminal, scene->stage);
	for (unsigned i = 0; i < scene->collector_count; i++)
		fprintf(board, " %d", scene->collectors[i]);
	return fclose(board) == 0 ? 0 : -errno;
}

void scene_read_board(struct scene *scene)
{
	char path[256];
	FILE *board;

	board_path(scene, path, sizeof(path));
	board = fopen(path, "re");
	if (!board)
		return;
	if (fscanf(board, "%63s %d", scene->terminal, &scene->stage) == 2)
		while (scene->collector_count < COLLECTORS_MAX &&
		       fscanf(board, " %d", &scene->collectors[scene->collector_count]) == 1)
			scene->collector_count++;
	fclose(board);
}

int scene_sysv_key(const struct scene *scene, unsigned number)
{
	return (int)((unsigned)scene->seed << 4 | 8 | number);
}

static void remove_names(const struct scene *scene, const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strncmp(entry->d_name, scene->prefix, strlen(scene->prefix)) == 0 &&
		    unlinkat(dirfd(directory), entry->d_name, 0) < 0)
			unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
	if (directory)
		closedir(directory);
}

static void remove_keys(const struct scene *scene)
{
	FILE *keys = fopen("/proc/keys", "re");
	char line[512];
	unsigned number;

	while (keys && fgets(line, sizeof(line), keys))
		if (strstr(line, scene->prefix) && sscanf(line, "%x", &number) == 1)
			syscall(SYS_keyctl, KEYCTL_INVALIDATE, number);
	if (keys)
		fclose(keys);
}

void scene_remove(const struct scene *scene)
{
	for (unsigned i = 0; i < scene->directory_count; i++)
		remove_names(scene, scene->directories[i]);
	for (unsigned i = 0; i < NAMES; i++) {
		int key = scene_sysv_key(scene, i);

		shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
		msgctl(msgget(key, 0), IPC_RMID, NULL);
		semctl(semget(key, 0, 0), 0, IPC_RMID);
	}
	remove_keys(scene);
}
