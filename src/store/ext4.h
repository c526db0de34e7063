/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ext4 file system that a template has put on a block device. */
#ifndef PRIVEXEC_STORE_EXT4_H
#define PRIVEXEC_STORE_EXT4_H

#include <stdint.h>
#include <sys/ioctl.h>

#include "base/problem.h"

/* As the kernel's fs/ext4/ext4.h: its public header is not installed everywhere. */
#ifndef EXT4_IOC_SHUTDOWN
#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#endif

/*
 * Mounts what is on @device, attached nowhere. Returns the mount in @ret_mount, which keeps the
 * file system until it is attached or closed, and its root directory in @ret_directory. As root.
 */
int ext4_mount(int device, int *ret_mount, int *ret_directory, struct problem *problem);

/*
 * Shuts the file system of @directory down: from now on nothing is written to or read from it,
 * whoever holds it. Needs CAP_SYS_ADMIN. 0 or a negative errno.
 */
int ext4_shut_down(int directory);

#endif
