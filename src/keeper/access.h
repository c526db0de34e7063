/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Letting one user into a directory that is root's. */
#ifndef PRIVEXEC_KEEPER_ACCESS_H
#define PRIVEXEC_KEEPER_ACCESS_H

#include <sys/types.h>

/*
 * Lets @uid (and no other user but root) read and search @directory, by a POSIX access control
 * list, so that neither its owner nor a group that others may share has to change. Where the file
 * system has no such lists nobody but root is let in. Returns 0 or a negative errno.
 */
int access_allow_user(int directory, uid_t uid);

#endif
