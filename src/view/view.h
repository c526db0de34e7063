/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view: what the session sees as its file system. view_build() turns the plan's tree of nodes
 * into mounts in the calling process's own mount namespace and makes the result its root.
 */
#ifndef PRIVEXEC_VIEW_VIEW_H
#define PRIVEXEC_VIEW_VIEW_H

#include "authority/authority.h"
#include "base/problem.h"
#include "plan/plan.h"
#include "store/store.h"

struct view {
	const struct plan *plan;
	const struct authority *authority;
	int store;	    /* root directory of the store, attached in this namespace */
	bool store_on_root; /* store->on_root */
	int idmap;	    /* user namespace whose maps every lower layer gets, or -1 */
	int root;	    /* the session's root mount, once it exists */
	unsigned layers;    /* overlays made so far: names their directories in the store */
	void (*warn)(const char *text); /* tells the person */
};

/*
 * Builds all nodes, attaches them and pivots into the result; the old tree is gone afterwards. The
 * process must be alone in a mount namespace that is wholly private. Returns 0 or a negative errno
 * with @problem filled. Under the credentials of authority_as_user() on entry and return.
 */
int view_build(struct view *view, struct problem *problem);

/*
 * Reads the mounts back from the kernel, after view_build(): each must be nosuid and nodev (but for
 * /dev and /dev/pts) and have what its node inherits, and no mount may be there that the plan does
 * not know. Returns 0, or -EPERM with @problem filled.
 */
int view_verify(const struct plan *plan, struct problem *problem);

/* Does the open @file, of this view, lie on no mount that is the host's own? When unsure: no. */
bool view_is_private(const struct plan *plan, int file);

/* In layers.c: makes the mount of one node, unattached. Descriptor or negative errno. */
int layer_overlay(struct view *view, const struct plan_node *node, struct problem *problem);
int layer_bind(struct view *view, const struct plan_node *node, struct problem *problem);
int layer_cover(struct view *view, bool directory, struct problem *problem);

/* In fresh.c: the same for the session's own instances. */
int fresh_mount(struct view *view, const struct plan_node *node, struct problem *problem);

/* MOUNT_ATTR_* that @node must have in the session. */
unsigned layer_attributes(const struct plan_node *node);

/*
 * Makes directory @name with @mode and owner in the store and returns a mount of it, unattached,
 * with @attributes (MOUNT_ATTR_*) and those of every mount of the store.
 */
int layer_store_directory(struct view *view, const char *name, mode_t mode, uid_t uid, gid_t gid,
			  unsigned attributes, struct problem *problem);

#endif
