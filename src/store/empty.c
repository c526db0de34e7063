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

/* Each level holds a descriptor and a buffer on the stack. */
#define DEPTH_MAX 16

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

/*
 * Removes a file or an empty directory; which it is, tmpfs says. A file is cut to nothing first:
 * its pages go even if somebody outside has it open.
 */
static bool remove_entry(int directory, const struct entry *entry)
{
	if (entry->type == DT_REG) {
		int file = openat(directory, entry->name,
				  O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (file >= 0)
			close(file);
	}
	return unlinkat(directory, entry->name, entry->type == DT_DIR ? AT_REMOVEDIR : 0) == 0;
}

static unsigned strip_below(int parent, const struct entry *entry, int root, unsigned depth,
			    uint64_t *number, unsigned *left);

/*
 * One pass over @directory, with those below it down to DEPTH_MAX levels; deeper ones are moved up
 * to the root for a later pass. Returns how many entries went; *left counts those that stayed.
 */
static unsigned strip(int directory, int root, unsigned depth, uint64_t *number, unsigned *left)
{
	char buffer[4096] __attribute__((aligned(8)));
	unsigned gone = 0;
	long length;

	lseek(directory, 0, SEEK_SET);
	while ((length = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < length;) {
			struct entry *entry = (void *)(buffer + at);

			at += entry->length;
			if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
				continue;
			if (!remove_entry(directory, entry))
				gone += strip_below(directory, entry, root, depth, number, left);
			else
				gone++;
		}
	}
	return gone;
}

/* A directory that is not empty: empties and removes it, or moves it out of the depths. */
static unsigned strip_below(int parent, const struct entry *entry, int root, unsigned depth,
			    uint64_t *number, unsigned *left)
{
	unsigned gone = 0;
	int directory = depth >= DEPTH_MAX
				? -1
				: openat(parent, entry->name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory >= 0) {
		gone = strip(directory, root, depth + 1, number, left);
		close(directory);
		if (remove_entry(parent, entry))
			return gone + 1;
	} else if (depth > 0 && move_up(parent, entry->name, root, number) == 0) {
		return 1; /* too deep, or no descriptor was left */
	}
	*left += 1;
	return gone;
}

unsigned store_empty(int root)
{
	uint64_t number = 0;
	unsigned left, gone;

	/* until a pass finds nothing: what was moved up, and what a changing listing skipped */
	do {
		left = 0;
		gone = strip(root, root, 0, &number, &left);
	} while (gone > 0);
	return left;
}
