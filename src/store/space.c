// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "store/space.h"
#include "store/template.h"

#define MAPPED_AT_ONCE 256
#define EXTENTS_MAX 65536
#define BLOCK 4096ULL

/*
 * An outer file system needs blocks of its own to say where the inner's lie: at worst twelve bytes
 * for each block, of which this is somewhat more.
 */
#define OUTER_OVERHEAD 256

static int add_extents(struct space_level *level, const struct fiemap *map)
{
	size_t count = level->count + map->fm_mapped_extents;
	struct space_extent *extents;

	if (count > EXTENTS_MAX)
		return -E2BIG;
	extents = reallocarray(level->extents, count, sizeof(*extents));
	if (!extents)
		return -ENOMEM;
	level->extents = extents;
	for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *extent = &map->fm_extents[i];

		if (extent->fe_flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED |
					FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DELALLOC))
			return -EINVAL;
		extents[level->count++] = (struct space_extent){
			.logical = extent->fe_logical,
			.physical = extent->fe_physical,
			.length = extent->fe_length,
		};
	}
	return 0;
}

/* Where the balloon lies. It must be all there: a hole would be blocks that nobody holds. */
static int map_balloon(struct space_level *level)
{
	union {
		struct fiemap map;
		char bytes[sizeof(struct fiemap) + MAPPED_AT_ONCE * sizeof(struct fiemap_extent)];
	} buffer;
	uint64_t at = 0;

	while (at < level->left) {
		const struct space_extent *last;
		int error;

		memset(&buffer.map, 0, sizeof(buffer.map));
		buffer.map.fm_start = at;
		buffer.map.fm_length = level->left - at;
		buffer.map.fm_extent_count = MAPPED_AT_ONCE;
		if (ioctl(level->balloon, FS_IOC_FIEMAP, &buffer.map) < 0)
			return -errno;
		if (buffer.map.fm_mapped_extents == 0)
			return -EINVAL;
		error = add_extents(level, &buffer.map);
		if (error)
			return error;
		last = &level->extents[level->count - 1];
		at = last->logical + last->length;
	}
	at = 0;
	for (size_t i = 0; i < level->count; at += level->extents[i++].length)
		if (level->extents[i].logical != at ||
		    level->extents[i].physical + level->extents[i].length > level->bytes)
			return -EINVAL;
	return 0;
}

static int open_balloon(struct space_level *level, int directory)
{
	struct stat status;

	level->balloon = openat(directory, TEMPLATE_BALLOON, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (level->balloon < 0 || fstat(level->balloon, &status) < 0 ||
	    unlinkat(directory, TEMPLATE_BALLOON, 0) < 0)
		return -errno;
	level->left = (uint64_t)status.st_size;
	return map_balloon(level);
}

/* The file's size stays, so that a limit on file sizes says nothing to this. */
static int reserve(int file, uint64_t from, uint64_t length)
{
	int error;

	do
		error = fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)length) < 0
				? -errno
				: 0;
	while (error == -EINTR);
	return error;
}

static int by_physical(const void *left, const void *right)
{
	const struct space_extent *a = left, *b = right;

	return (a->physical > b->physical) - (a->physical < b->physical);
}

static int explain(int error, struct problem *problem)
{
	if (error == -ENOSPC || error == -EDQUOT)
		return problem_set(problem, -error,
				   "no room for a store on disk: %s; free some space, or use "
				   "--store=memory",
				   strerror(-error));
	if (error)
		return problem_set(problem, -error, "cannot reserve space for the store: %s",
				   strerror(-error));
	return 0;
}

int space_reserve_first(const struct authority *authority, int file, uint64_t bytes,
			struct problem *problem)
{
	int error;

	authority_pay(authority);
	error = reserve(file, 0, bytes);
	authority_as_root(authority);
	return explain(error, problem);
}

/* Reserves all that the balloon does not hold. */
static int reserve_rest(const struct space_level *level)
{
	_cleanup_free_ struct space_extent *sorted = calloc(level->count + 1, sizeof(*sorted));
	uint64_t at = 0;
	int error = sorted ? 0 : -ENOMEM;

	if (error)
		return error;
	memcpy(sorted, level->extents, level->count * sizeof(*sorted));
	qsort(sorted, level->count, sizeof(*sorted), by_physical);
	for (size_t i = 0; i < level->count && !error; i++) {
		if (sorted[i].physical > at)
			error = reserve(level->file, at, sorted[i].physical - at);
		at = sorted[i].physical + sorted[i].length;
	}
	if (!error && at < level->bytes)
		error = reserve(level->file, at, level->bytes - at);
	return error;
}

int space_add_level(struct space *space, const struct authority *authority, int file, int directory,
		    uint64_t bytes, struct problem *problem)
{
	struct space_level *level = &space->levels[space->count++];
	int error;

	level->bytes = bytes;
	level->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
	error = level->file < 0 ? -errno : open_balloon(level, directory);
	if (error)
		return problem_set(problem, -error, "cannot read the store's balloon: %s",
				   strerror(-error));
	authority_pay(authority);
	error = reserve_rest(level);
	authority_as_root(authority);
	return explain(error, problem);
}

/* Reserves what lies below the last @bytes of the balloon, then gives them up. */
static int deflate(struct space_level *level, uint64_t bytes)
{
	uint64_t from = level->left - bytes;

	for (size_t i = level->count; i > 0; i--) {
		const struct space_extent *extent = &level->extents[i - 1];
		uint64_t start = extent->logical, end = extent->logical + extent->length;
		int error;

		if (end <= from)
			break;
		if (start >= level->left)
			continue;
		if (start < from)
			start = from;
		if (end > level->left)
			end = level->left;
		error = reserve(level->file, extent->physical + (start - extent->logical),
				end - start);
		if (error)
			return error;
	}
	while (ftruncate(level->balloon, (off_t)from) < 0)
		if (errno != EINTR)
			return -errno;
	level->left = from;
	return 0;
}

int space_grow(struct space *space, uint64_t bytes)
{
	uint64_t most = space_to_come(space);

	if (bytes > most)
		bytes = most;
	bytes = bytes / BLOCK * BLOCK;
	for (unsigned i = 0; i < space->count && bytes > 0; i++) {
		struct space_level *level = &space->levels[i];
		uint64_t share = bytes;
		int error;

		if (i + 1 < space->count)
			share += (bytes / OUTER_OVERHEAD + BLOCK - 1) / BLOCK * BLOCK;
		error = deflate(level, share < level->left ? share : level->left);
		if (error)
			return error;
	}
	return 0;
}

uint64_t space_to_come(const struct space *space)
{
	uint64_t left = space->count > 0 ? space->levels[space->count - 1].left : 0;

	return left > space->floor ? left - space->floor : 0;
}

int space_below(const struct space *space, uint64_t *ret_bytes)
{
	return space->count > 0 ? filesystem_room(space->levels[0].file, ret_bytes) : -EINVAL;
}
