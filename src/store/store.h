/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: the file system that holds everything a session writes. It is prepared outside of the
 * session's namespaces and attached inside of them. This version has the memory store.
 */
#ifndef PRIVEXEC_STORE_STORE_H
#define PRIVEXEC_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "control/choices.h"

struct store {
	enum store_choice kind;
	uint64_t size;			   /* bytes it may hold */
	int mount;			   /* its mount, not attached anywhere */
	int directory;			   /* its root directory */
	bool on_root;			   /* attached on top of "/": store_attach() */
	uint64_t bytes_empty, files_empty; /* in use before the command began */
	uint64_t keep_capabilities;	   /* what the keeper needs to end it */
};

#define STORE_NONE ((struct store){ .mount = -1, .directory = -1 })

/*
 * Makes a store of @size bytes in memory: a tmpfs that is in no mount table. Needs CAP_SYS_ADMIN in
 * effect. Returns 0 or a negative errno with @problem filled; nothing is left on failure.
 */
int store_prepare_memory(uint64_t size, struct store *ret_store, struct problem *problem);

/*
 * Attaches the store in the calling process's mount namespace, so that kernels which take no layers
 * from unattached mounts do: over the host's /sys, of which a session sees nothing, or, where there
 * is none, on top of "/", which no lookup that starts there crosses. The tree it lies on is let go
 * of when the session's root has been entered.
 */
int store_attach(struct store *store, struct problem *problem);

/* Bytes and inodes in use in the store. @directory: store->directory. 0 or a negative errno. */
int store_usage(int directory, uint64_t *ret_bytes, uint64_t *ret_files);

void store_close(struct store *store);

#endif
