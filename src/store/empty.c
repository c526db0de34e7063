// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "store/empty.h"

struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

/* A directory is moved to the root under a name of its own, to be emptied in a later round. */
static int move_up(int directory, const char *name, int root, uint64_t *number)
{
	char moved[32];

	for (int attempt = 0; attempt < 1000; attempt++) {
		snprintf(moved, sizeof(moved), "!%" PRIu64, (*number)++);
		if (renameat(directory, name, root, moved) == 0)
			return 0;
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return -errno;
	}
	return -EEXIST;
}

/* Removes a file or an empty directory; which it is, tmpfs says. */
static bool remove_entry(int directory, const struct entry *entry)
{
	return unlinkat(directory, entry->name, entry->type == DT_DIR ? AT_REMOVEDIR : 0) == 0;
}

/*
 * One pass over @directory. Files are removed; directories are removed if empty, else moved to the
 * root (or left, in the root itself, for empty_each()). Returns how many entries stayed in place
 * that should have gone.
 */
static unsigned strip(int directory, int root, uint64_t *number, unsigned *left)
{
	char buffer[8192] __attribute__((aligned(8)));
	unsigned gone = 0;
	long length;

	*left = 0;
	lseek(directory, 0, SEEK_SET);
	while ((length = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < length;) {
			struct entry *entry = (void *)(buffer + at);

			at += entry->length;
			if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
				continue;
			if (remove_entry(directory, entry) ||
			    (directory != root &&
			     move_up(directory, entry->name, root, number) == 0))
				gone++;
			else
				*left += 1;
		}
	}
	return gone;
}

/* Empties each directory that lies in the root, by one pass. Returns how many entries went. */
static unsigned empty_each(int root, uint64_t *number)
{
	char buffer[8192] __attribute__((aligned(8)));
	unsigned gone = 0;
	long length;

	lseek(root, 0, SEEK_SET);
	while ((length = syscall(SYS_getdents64, root, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < length;) {
			struct entry *entry = (void *)(buffer + at);
			unsigned left, removed;
			int directory;

			at += entry->length;
			if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
				continue;
			directory = openat(root, entry->name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (directory < 0)
				continue;
			/* until a pass removes nothing: a listing that changes may skip entries */
			do {
				removed = strip(directory, root, number, &left);
				gone += removed;
			} while (removed > 0);
			close(directory);
		}
	}
	return gone;
}

unsigned store_empty(int root)
{
	uint64_t number = 0;
	unsigned left, gone;

	do {
		gone = strip(root, root, &number, &left);
		gone += empty_each(root, &number);
	} while (gone > 0);
	return left;
}
