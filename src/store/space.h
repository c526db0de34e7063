/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space that cannot lie: a file system never has more free blocks than the file below it has been
 * promised by its own file system, so that a write into it either fails at once (ENOSPC) or can be
 * kept.
 *
 * All blocks that are not promised yet are held by the balloon, an unlinked file in the file system
 * itself (the template has it). Growing reserves the blocks below the balloon's tail and then cuts
 * the tail off. Nothing here needs a capability once a level is open: the blocks are the user's,
 * who pays for them by quota and cannot use what is reserved for root.
 */
#ifndef PRIVEXEC_STORE_SPACE_H
#define PRIVEXEC_STORE_SPACE_H

#include <stddef.h>
#include <stdint.h>

#include "authority/authority.h"
#include "base/problem.h"

/* A piece of the balloon: where it lies in the file below. In bytes. */
struct space_extent {
	uint64_t logical, physical, length;
};

/* One file system in a file. */
struct space_level {
	int file;	/* which it lies in, and whose blocks are reserved */
	int balloon;	/* in it */
	uint64_t left;	/* bytes of the balloon */
	uint64_t bytes; /* of the file system */
	struct space_extent *extents;
	size_t count;
};

struct space {
	struct space_level levels[2]; /* the outermost first */
	unsigned count;
	uint64_t floor; /* what the innermost balloon must keep: the session's limit */
};

#define SPACE_NONE       \
	((struct space){ \
		.levels = { { .file = -1, .balloon = -1 }, { .file = -1, .balloon = -1 } } })

/*
 * Adds a level: the file system of @bytes with the root @directory that lies in @file. Opens and
 * unlinks its balloon and reserves in @file everything the balloon does not hold. Duplicates @file.
 * As root; as root on return. -ENOSPC or -EDQUOT where there is no room.
 */
int space_add_level(struct space *space, const struct authority *authority, int file, int directory,
		    uint64_t bytes, struct problem *problem);

/*
 * Reserves the first @bytes of @file before there is a level in it. As root; as root on return.
 * -ENOSPC or -EDQUOT where there is no room.
 */
int space_reserve_first(const struct authority *authority, int file, uint64_t bytes,
			struct problem *problem);

/*
 * Grows the innermost file system by @bytes, or less at the end. Returns 0, or a negative errno
 * when nothing was gained: -ENOSPC, -EDQUOT: not now. As the user who pays (authority_pay()).
 */
int space_grow(struct space *space, uint64_t bytes);

/* Bytes by which it could grow yet, if the host had them. */
uint64_t space_to_come(const struct space *space);

/* Bytes that whoever pays has left in the file system below all levels. 0 or a negative errno. */
int space_below(const struct space *space, uint64_t *ret_bytes);

#endif
