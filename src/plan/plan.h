/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan: everything that will be done for a session, as data that can be printed. plan_make() is
 * a pure function: it opens nothing and asks the system nothing.
 */
#ifndef PRIVEXEC_PLAN_PLAN_H
#define PRIVEXEC_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/problem.h"
#include "control/choices.h"
#include "control/request.h"
#include "plan/configuration.h"
#include "plan/mountinfo.h"
#include "probe/probe.h"

/* How privilege is had. */
enum authority_kind {
	AUTHORITY_CAPABILITIES,	  /* root, file capabilities or setuid */
	AUTHORITY_USER_NAMESPACE, /* none: a user namespace of one's own */
};

/* How the session is closed against others. */
enum closing_kind {
	CLOSING_IDENTITY, /* a user namespace owned by root, every id itself */
	CLOSING_SHIFTED,  /* root's sessions: uid 0 inside is an unused uid of the host */
	CLOSING_NONE,	  /* user namespaces are switched off */
};

enum node_kind {
	NODE_OVERLAY_RW, /* private: what is written goes to the store */
	NODE_OVERLAY_RO, /* an overlay that is mounted read-only, as the host's mount is */
	NODE_BIND_RO,	 /* the host's own tree, read-only; only where that is proven harmless */
	NODE_SKELETON,	 /* a directory made for what is in it (user-namespace authority: for the
			  * mounts below; else: in the place of an automounter with mounts on it) */
	NODE_COVER,	 /* empty and read-only: what is there cannot be reproduced safely */
	NODE_FRESH,	 /* an instance of the session's own: /proc, /dev, ... */
	NODE_PASS,	 /* the host's own mount, writable: an exit that sys_mounts.conf names */
};

/* Which instance a fresh node is. */
enum fresh_kind {
	FRESH_NOT,
	FRESH_PROC,
	FRESH_SYS,
	FRESH_DEV,
	FRESH_DEVPTS,
	FRESH_SHM,
	FRESH_MQUEUE,
	FRESH_RUNTIME, /* /run/user/UID: empty, the user's */
	FRESH_SEALED,  /* a part of the session's own /proc, read-only; left out if not there */
	FRESH_EMPTY,   /* a writable empty directory in the store, mode and owner as the host's */
};

/* Mount attributes that a node takes over from the host's mount, besides nosuid and nodev. */
enum {
	INHERIT_NOEXEC = 1 << 0,
	INHERIT_NOSYMFOLLOW = 1 << 1,
	INHERIT_READ_ONLY = 1 << 2,
};

#define PLAN_REASON_SIZE 160

struct plan_node {
	enum node_kind kind;
	enum fresh_kind fresh;
	char *path;		       /* absolute, the same on the host and in the session */
	char reason[PLAN_REASON_SIZE]; /* why this kind, for --dry-run */
	char type[32];		       /* the host's file system type, or empty */
	bool directory;		       /* else a file is mounted here */
	bool strict;	  /* named in usr_mounts.conf: failing to make it an overlay is an error */
	unsigned inherit; /* INHERIT_* */
	char *link;	  /* a NODE_SKELETON that is a symbolic link: its target; else NULL */
	struct plan_node *first_child, *next; /* children and siblings in mount order */
	struct plan_node *parent;	      /* NULL for the node of "/" */
};

/* A named exit: a way by which data may leave the session. */
struct plan_exit {
	char name[64];
	char reason[PLAN_REASON_SIZE];
};

/* A store on disk is no smaller, and a multiple of these bytes. */
#define STORE_DISK_LEAST (16ULL << 20)
#define STORE_DISK_STEP (1ULL << 20)

/* What plan_make() is told about the machine and the user. */
struct plan_facts {
	enum authority_kind authority;
	bool user_namespaces; /* a closing user namespace can be had */
	uid_t uid;
	gid_t gid;
	const char *const *proven;   /* NULL-terminated: trees proven fit for a read-only bind */
	const struct probes *probes; /* what the machine can do: probe/probe.h */
	bool proc_sys;		     /* /sys can be mounted fresh */
	bool runtime;		     /* the host has a directory /run/user/UID, mounted or not */
	/*
	 * User-namespace authority only: entries of the directories that have mounts below them,
	 * which a skeleton must reproduce, and directories elsewhere that the user can write (his
	 * home, /var/tmp), which become overlays of their own. Without mount points below /proc,
	 * /sys and /dev. NULL-terminated by .path, in any order.
	 */
	const struct plan_entry {
		const char *path;
		mode_t mode;	  /* type and permissions */
		bool writable;	  /* by the user */
		const char *link; /* target of a symbolic link, or NULL */
	} * entries;
};

struct plan {
	enum authority_kind authority;
	enum closing_kind closing;
	enum store_choice store;
	char store_reason[PLAN_REASON_SIZE]; /* why `auto` took no better one; or empty */
	uint64_t size;			     /* bytes asked for, 0: the store's default */
	bool granted_less;		     /* than asked for */
	char network_words[64];		     /* of the first line */
	enum network_choice network;
	bool guarded; /* NETWORK_HOST: this machine is out of reach, and the session for it */
	char network_reason[PLAN_REASON_SIZE]; /* why `auto` took the host's; or empty */
	enum end_choice end;
	unsigned require;
	bool debug;
	struct plan_node *root; /* the node of "/" */
	struct plan_exit *exits;
	size_t exit_count;
	/* filled by the keeper after probing, before printing */
	char swap[80];
	uint64_t size_granted; /* a store on disk has it from plan_make() */
};

/* Visits every node, parents first; @node is a struct plan_node *. */
#define plan_for_each_node(node, plan) \
	for (struct plan_node *node = (plan)->root; node; node = plan_next_node((plan), node))
struct plan_node *plan_next_node(const struct plan *plan, const struct plan_node *node);

/*
 * Makes the plan of a session. Pure. The configuration's choices are used where the request says
 * nothing. Returns 0 or a negative errno with @problem filled; free *ret_plan in either case.
 */
int plan_make(const struct request *request, const struct configuration *configuration,
	      const struct mount_table *mounts, const struct plan_facts *facts,
	      struct plan *ret_plan, struct problem *problem);

/* In words, one line a node and an exit, for --dry-run; and the same as one JSON object. */
void plan_print_words(const struct plan *plan, FILE *stream);
int plan_print_json(const struct plan *plan, FILE *stream);

const char *node_kind_word(enum node_kind kind);

void plan_free(struct plan *plan);

#endif
