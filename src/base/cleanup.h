/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables that release what they own when they go out of scope. */
#ifndef PRIVEXEC_BASE_CLEANUP_H
#define PRIVEXEC_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>

#include "base/descriptor.h"

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_descriptor(int *descriptor)
{
	descriptor_close(descriptor);
}

static inline void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_descriptor)))
#define _cleanup_file_ __attribute__((cleanup(cleanup_file)))

#endif
