/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loop devices that vanish with their last user. */
#ifndef PRIVEXEC_STORE_LOOP_H
#define PRIVEXEC_STORE_LOOP_H

#include <stdbool.h>

#include "base/problem.h"

/*
 * Makes @file the contents of a free loop device, which lets go of it when its last user does
 * (auto-clear). @direct: past the page cache, where the file's file system can. Returns a
 * descriptor of the device, to be kept until something else uses it, or a negative errno. As root.
 */
int loop_attach(int file, bool direct, struct problem *problem);

#endif
