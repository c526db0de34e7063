/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: the file system that holds everything a session writes. It is prepared outside of the
 * session's namespaces and attached inside of them.
 *
 * memory    a tmpfs
 * fscrypt   backing file > loop > ext4 > one encrypted file > second loop > ext4
 * dm-crypt  backing file > loop > dm-crypt > ext4
 *
 * What a disk store is made of has no name and hangs on descriptors and mounts alone, so that the
 * kernel takes it down with the last of them; only a device-mapper device has to be removed
 * (mapper.h).
 */
#ifndef PRIVEXEC_STORE_STORE_H
#define PRIVEXEC_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "authority/authority.h"
#include "base/problem.h"
#include "control/choices.h"
#include "store/space.h"

struct store {
	enum store_choice kind;
	uint64_t size;	    /* bytes it may hold */
	int mount;	    /* its mount, not attached anywhere */
	int directory;	    /* its root directory */
	int block;	    /* on disk: the device that its file system is on */
	int outer;	    /* fscrypt: the root directory of the outer file system */
	int mapper;	    /* dm-crypt: the control device */
	int loop_directory; /* fscrypt: of the loop device in sysfs (held.h) */
	struct space space; /* disk stores: how it grows */
	bool on_root;	    /* attached on top of "/": store_attach() */
	uint64_t bytes_empty, files_empty; /* in use before the command began */
};

#define STORE_NONE                             \
	((struct store){ .mount = -1,          \
			 .directory = -1,      \
			 .block = -1,          \
			 .outer = -1,          \
			 .mapper = -1,         \
			 .loop_directory = -1, \
			 .space = SPACE_NONE })

/*
 * Makes a store of @size bytes in memory: a tmpfs that is in no mount table. Needs CAP_SYS_ADMIN in
 * effect. Returns 0 or a negative errno with @problem filled; nothing is left on failure.
 */
int store_prepare_memory(uint64_t size, struct store *ret_store, struct problem *problem);

/* What a store on disk is made with. */
struct store_disk {
	const struct authority *authority; /* the user pays: his ids own and reserve the blocks */
	const char *directory;		   /* where the backing file goes; root's (backing.h) */
	const char *id;			   /* the session's */
	uint64_t size;			   /* bytes, STORE_DISK_LEAST at least */
};

/*
 * Make a store on disk, of which STORE_DISK_LEAST is reserved; the rest comes by growth (growth.h).
 * As root; as root on return. store->mapper must be open for dm-crypt. What is begun on failure
 * hangs on descriptors of this process, and on the device that store_end() removes (end.h).
 */
int store_prepare_fscrypt(const struct store_disk *disk, struct store *store,
			  struct problem *problem);
int store_prepare_dmcrypt(const struct store_disk *disk, struct store *store,
			  struct problem *problem);

/*
 * Attaches the store in the calling process's mount namespace, so that kernels which take no layers
 * from unattached mounts do: over the host's /sys, of which a session sees nothing, or, where there
 * is none, on top of "/", which no lookup that starts there crosses. The tree it lies on is let go
 * of when the session's root has been entered.
 */
int store_attach(struct store *store, struct problem *problem);

/* Bytes and inodes in use in the store. 0 or a negative errno. */
int store_usage(const struct store *store, uint64_t *ret_bytes, uint64_t *ret_files);

/* Closes what the inside has of it; the rest is closed there already, and stays with the keeper. */
void store_close(struct store *store);

#endif
