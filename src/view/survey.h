/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding out, by trying, what can be done with each of the host's mounts. */
#ifndef PRIVEXEC_VIEW_SURVEY_H
#define PRIVEXEC_VIEW_SURVEY_H

#include "plan/mountinfo.h"

/*
 * Fills the facts of every mount: looks at its root with the credentials that are in effect (so:
 * call it as the user, without capabilities), triggering no automount and asking no other
 * user's (than @uid's and root's) FUSE server. Where a mount depends on
 * somebody's server (FUSE, NFS, ...) it is looked at in a child of its own; those that have not
 * answered after @milliseconds in all are killed, their mounts taken as hung. @user_namespace: maps
 * for which idmapping is tried, or -1 not to; that needs CAP_SYS_ADMIN in effect. Returns 0 or a
 * negative errno.
 */
int survey_mounts(struct mount_table *mounts, uid_t uid, int milliseconds, int user_namespace);

/* Can a file system of @type keep whoever opens it waiting for ever? */
bool survey_type_may_hang(const char *type);

#endif
