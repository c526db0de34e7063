/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File systems by descriptor: the calls of the new mount API with their errors, and their room. */
#ifndef PRIVEXEC_BASE_FILESYSTEM_H
#define PRIVEXEC_BASE_FILESYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"

/*
 * Creates the superblock of a configured @context and a mount of it, not attached anywhere, with
 * @attributes (MOUNT_ATTR_*). @what names it in errors, which carry the kernel's own message. The
 * context stays the caller's. Returns an O_PATH descriptor of the mount or a negative errno.
 */
int filesystem_create(int context, unsigned attributes, const char *what, struct problem *problem);

/*
 * A new file system of @type with comma-separated @options ("a=b,c"; no commas in values; may be
 * NULL), as filesystem_create().
 */
int filesystem_mount(const char *type, const char *options, unsigned attributes,
		     struct problem *problem);

/*
 * Attaches the mount @mount at @path (relative, without symbolic links) below the directory @root
 * and closes it. Returns 0 or a negative errno.
 */
int filesystem_attach(int mount, int root, const char *path, struct problem *problem);

/* Adds MOUNT_ATTR_* @attributes to an unattached @mount. Returns 0 or a negative errno. */
int filesystem_restrict(int mount, uint64_t attributes);

/* Idmaps an unattached @mount by the maps of the user namespace @user_namespace. */
int filesystem_idmap(int mount, int user_namespace);

/* Bytes that an ordinary user can write yet to the file system that @descriptor is on, quotas not
 * counted. 0 or a negative errno. */
int filesystem_room(int descriptor, uint64_t *ret_bytes);

/* Opens @path (no symbolic links, nothing triggered or read) as O_PATH. Negative errno on failure.
 */
int filesystem_open_path(int root, const char *path);

#endif
