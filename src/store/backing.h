/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backing file of a store on disk, and the directory that such files are in. */
#ifndef PRIVEXEC_STORE_BACKING_H
#define PRIVEXEC_STORE_BACKING_H

#include <stdint.h>

#include "authority/authority.h"
#include "base/problem.h"

/*
 * Opens the store directory @path, making its last component if it is missing. It must be root's
 * and writable by nobody else, on a file system that keeps what it reserves: ext4 or XFS. On a
 * copy-on-write file system a block that is written twice needs a second one, whatever was reserved
 * (-EOPNOTSUPP). As root. Returns a descriptor or a negative errno with @problem filled.
 */
int backing_open_directory(const char *path, struct problem *problem);

/*
 * Makes a backing file of @bytes in the store directory @directory: sparse, without a name, and the
 * user's, whose quota it counts against. As root. A descriptor or a negative errno.
 */
int backing_create(const struct authority *authority, int directory, uint64_t bytes,
		   struct problem *problem);

#endif
