/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine can do for a session, found by trying. The plan goes by it, and what is not
 * there comes with the reason and what would mend it.
 */
#ifndef PRIVEXEC_PROBE_PROBE_H
#define PRIVEXEC_PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct authority;
struct guard;
struct guard_loader;
struct mount_table;

enum probe_word {
	PROBE_DISK,	      /* the store directory keeps what it reserves */
	PROBE_DM_CRYPT,	      /* device-mapper with dm-crypt, and keys born in the kernel */
	PROBE_FSCRYPT,	      /* ext4 with encrypted files, and loop devices */
	PROBE_NO_HIBERNATION, /* an open secret memory keeps the machine from it */
	PROBE_RAM_SCRUB,      /* the kernel clears freed memory */
	PROBE_NETWORK,	      /* pasta, and what a private network needs of the kernel */
	PROBE_GUARD,	      /* the host's network can be guarded */
	PROBE_WORDS,
};

#define PROBE_REASON_SIZE 256

struct probe {
	bool met;
	char reason[PROBE_REASON_SIZE]; /* why not, and the cure; a line as of struct problem */
};

/* Where kernel.core_pattern has core dumps go. */
enum core_target {
	CORE_FILE,
	CORE_PROGRAM, /* which the kernel starts; the limit 1 keeps it from that */
	CORE_SOCKET,  /* Linux 6.16; no limit counts */
};

struct probes {
	struct probe words[PROBE_WORDS];
	enum core_target core;
	uint64_t disk_free; /* bytes the store directory's file system has, for ordinary users */
	bool scopes;	    /* abstract sockets of others can be shut off: confine/scopes.h */
};

/* Where core dumps go now. */
enum core_target probe_core(void);

/* Looks for everything but what the next three look for, which is found unmet. As root. */
void probe_machine(struct probes *ret_probes);

/*
 * Tries what stores on disk need. @directory: where they go; it is made if missing. As root. Leaves
 * nothing behind but kernel modules.
 */
void probe_stores(const char *directory, struct probes *probes);

/* Looks for what a private network needs. As root. */
void probe_network(struct probes *probes);

/*
 * Tries what guards the host's network, by loading it (which @loader may have begun), and gives it.
 * @network: that is needed; without it only what guards device nodes is loaded, where it can be. As
 * root.
 */
void probe_guard(const struct mount_table *mounts, const struct authority *authority, bool network,
		 struct guard_loader *loader, struct guard *ret_guard, struct probes *probes);

/*
 * Secret memory that is open keeps the machine from hibernating, which would write the key and
 * everything else to the disk. A descriptor to be kept for as long, or a negative errno.
 */
int probe_open_secret(void);

#endif
