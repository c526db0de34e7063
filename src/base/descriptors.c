// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"

#define KEEP_MAX 32

static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

int descriptors_keep_only(const int *keep, size_t count)
{
	int sorted[KEEP_MAX] = { 0 };
	unsigned next = 3;

	if (count > KEEP_MAX)
		return -EINVAL;
	if (count > 0)
		memcpy(sorted, keep, count * sizeof(*keep));
	qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++) {
		unsigned kept = (unsigned)sorted[i];

		if (sorted[i] < (int)next)
			continue;
		if (kept > next && close_range(next, kept - 1, 0) < 0)
			return -errno;
		next = kept + 1;
	}
	return close_range(next, ~0U, 0) < 0 ? -errno : 0;
}
