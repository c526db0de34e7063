/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exact list of descriptors a process may have. */
#ifndef PRIVEXEC_BASE_DESCRIPTORS_H
#define PRIVEXEC_BASE_DESCRIPTORS_H

#include <stddef.h>

/* Closes everything but 0, 1, 2 and the @count descriptors in @keep (negative ones are skipped).
 * At most 32. Returns 0 or a negative errno. */
int descriptors_keep_only(const int *keep, size_t count);

#endif
